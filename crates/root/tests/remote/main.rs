//! Remote files, from servers that the tests start: what is read is what a local file gives, and what goes wrong is told.
#![allow(clippy::print_stderr, clippy::panic, reason = "tests say why they are skipped, and fail")]

mod http;
mod http_server;
mod s3;
mod xrootd;
mod xrootd_fake;
mod xrootd_server;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use fiducial_root::{Error, RemoteOptions, RootFile};

/// The file that the servers hand out: five trees, 134,536 bytes.
fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/codecs.root")
}

/// A real file beside the checkout, if it is there.
fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/root").join(name);
    if !path.exists() {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

fn fixture_bytes() -> Vec<u8> {
    std::fs::read(fixture()).expect("the fixture is readable")
}

/// Patience for tests: three attempts, and a third of a second for each.
fn options() -> RemoteOptions {
    RemoteOptions {
        attempts: 3,
        backoff: Duration::from_millis(5),
        connect_timeout: Duration::from_secs(5),
        read_timeout: Duration::from_millis(300),
        patience: Duration::from_secs(3),
    }
}

/// Every column of every tree.
fn read_all(file: &RootFile) -> Result<Vec<RecordBatch>, Error> {
    let mut out = Vec::new();
    for name in file.tree_names()? {
        let tree = file.tree(&name)?;
        let columns: Vec<_> = tree.columns().iter().filter(|c| c.kind.is_ok()).collect();
        for entries in tree.clusters() {
            let whole = columns.iter().filter(|column| column.entries >= entries.end);
            let names: Vec<_> = whole.map(|column| column.name.as_str()).collect();
            out.push(tree.read(&names, entries)?);
        }
    }
    Ok(out)
}

/// A few columns from all over the largest tree.
fn read_some(file: &RootFile) -> Result<RecordBatch, Error> {
    let tree = file.tree("Events")?;
    let whole = tree.columns().iter().filter(|c| c.kind.is_ok() && c.entries == tree.entries());
    let names: Vec<_> = whole.map(|column| column.name.as_str()).step_by(200).collect();
    tree.read(&names, 0..tree.entries())
}

fn read_url(url: &str) -> Result<Vec<RecordBatch>, Error> {
    RootFile::open_with(url, &options()).and_then(|file| read_all(&file))
}

/// Reads everything of a remote file, which must be what the local one gives; or must fail, soon, with such a message.
fn check(what: &str, url: &str, expected: Result<(), &[&str]>) {
    let start = Instant::now();
    match (read_url(url), expected) {
        (Ok(remote), Ok(())) => {
            let local =
                RootFile::open(fixture()).and_then(|file| read_all(&file)).expect("the fixture is right");
            assert!(remote == local, "{what}: other values than those of the local file");
        }
        (Err(error), Err(parts)) => {
            let text = error.to_string();
            for part in parts {
                assert!(text.contains(part), "{what}: {part:?} is not in: failed to {text}");
            }
        }
        (Ok(_), Err(parts)) => panic!("{what}: it is read, and should fail with {parts:?}"),
        (Err(error), Ok(())) => panic!("{what}: failed to {error}"),
    }
    assert!(start.elapsed() < Duration::from_secs(20), "{what}: took {:?}", start.elapsed());
}

#[test]
fn addresses_that_cannot_be_used_are_told() {
    for (url, part) in [
        ("ftp://host/x.root", "ftp:// is not supported"),
        ("roots://host//x.root", "XRootD over TLS is not supported"),
        ("root://", "is root://HOST[:PORT]//PATH"),
        ("s3://bucket", "is s3://BUCKET/KEY"),
        ("http://", "the address cannot be used"),
        ("http://a b/x.root", "the address cannot be used"),
    ] {
        check(url, url, Err(&[part, "1 attempt"]));
    }
}
