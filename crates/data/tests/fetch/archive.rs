//! Members of archives that are right, broken and hostile.

use std::fs;
use std::path::Path;

use fiducial_data::fetch::{Algorithm, Download, Member, fetch_archive, unpack};
use tar::{Builder, EntryType, Header};

use crate::server::Server;

/// An archive of entries: path, kind, content.
fn archive(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (path, kind, content) in entries {
        let mut header = Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        // By hand: the library itself refuses to write a hostile path.
        let name = &mut header.as_old_mut().name;
        name[..path.len()].copy_from_slice(path.as_bytes());
        if kind.is_symlink() || kind.is_hard_link() {
            header.set_link_name("/etc/passwd").expect("a link");
        }
        header.set_cksum();
        builder.append(&header, *content).expect("an entry");
    }
    builder.into_inner().expect("an archive")
}

/// What comes out of an archive: the names and the sizes, or a part of the error.
fn check(name: &str, content: &[u8], members: &[&str], expected: Result<&[(&str, u64)], &str>) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("jets.tar");
    fs::write(&path, content).expect("write");
    let members: Vec<Member> = members.iter().map(|member| Member::parse(member).expect(name)).collect();
    let into = directory.path().join("into").join("deep");
    let result = unpack(&path, &members, &into, 5000);
    let around: Vec<_> = walk(directory.path());
    match (result, expected) {
        (Ok(files), Ok(expected)) => {
            let found: Vec<(String, u64)> = files
                .iter()
                .map(|path| {
                    let name = path.file_name().expect("a name").to_string_lossy().into_owned();
                    (name, path.metadata().expect("a file").len())
                })
                .collect();
            let expected: Vec<(String, u64)> =
                expected.iter().map(|(n, size)| ((*n).to_owned(), *size)).collect();
            assert_eq!(found, expected, "{name}");
            assert_eq!(around.len(), expected.len() + 1, "{name}: something else was written: {around:?}");
        }
        (Err(error), Err(expected)) => {
            let message = error.to_string();
            assert!(message.contains(expected), "{name}: no `{expected}` in: {message}");
        }
        (result, _) => panic!("{name}: {result:?}"),
    }
    assert!(!around.iter().any(|path| path.ends_with("evil")), "{name}: {around:?}");
}

fn walk(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory").flatten() {
        if entry.path().is_dir() {
            found.extend(walk(&entry.path()));
        } else {
            found.push(entry.path().to_string_lossy().into_owned());
        }
    }
    found
}

#[test]
fn archives() {
    use EntryType::{Directory, Link, Regular, Symlink};

    let good = archive(&[
        ("public/", Directory, b""),
        ("public/train_file.root", Regular, &[1; 2000]),
        ("public/val_file.root", Regular, &[2; 700]),
        ("public/._train_file.root", Regular, &[3; 10]),
        ("README", Symlink, b""),
    ]);
    let train: &[(&str, u64)] = &[("train_file.root", 2000)];
    check("by name", &good, &["train_file.root"], Ok(train));
    check("by path", &good, &["public/train_file.root"], Ok(train));
    check(
        "by pattern",
        &good,
        &["public/*_file.root"],
        Ok(&[("._train_file.root", 10), ("train_file.root", 2000), ("val_file.root", 700)]),
    );
    check(
        "another directory",
        &good,
        &["private/train_file.root"],
        Err("holds no members `private/train_file.root`"),
    );
    check("not the end of a name", &good, &["file.root"], Err("holds no members"));
    check("a link", &good, &["README"], Err("`README` is not a plain file but Symlink"));

    let hard = archive(&[("a.root", Link, b"")]);
    check("a hard link", &hard, &["a.root"], Err("not a plain file but Link"));
    let twice = archive(&[("a/x.root", Regular, &[1; 10]), ("b/x.root", Regular, &[2; 10])]);
    check("the same name twice", &twice, &["x.root"], Err("two members have the name `x.root`"));
    check("one of the two", &twice, &["b/x.root"], Ok(&[("x.root", 10)]));
    let large = archive(&[("a", Regular, &[1; 3000]), ("b", Regular, &[2; 3000])]);
    check(
        "too large together",
        &large,
        &["a", "b"],
        Err("`b` has 3000 bytes: its members may have 5000 together"),
    );
    let hostile =
        archive(&[("../evil", Regular, &[1; 10]), ("/evil", Regular, &[1; 10]), ("ok", Regular, &[1; 5])]);
    check("paths that lead out", &hostile, &["evil"], Err("holds no members `evil`"));
    check("what is beside them", &hostile, &["ok"], Ok(&[("ok", 5)]));

    check("cut in a member", &good[..2000], &["train_file.root"], Err("the archive ends at 2000"));
    check("cut in a header", &good[..700], &["train_file.root"], Err("unpack"));
    check("no archive", &[7; 2048], &["train_file.root"], Err("unpack"));
    check("empty", &[], &["train_file.root"], Err("holds no members"));

    let mut long_name = archive(&[("././@LongLink", EntryType::GNULongName, &[b'a'; 512])]);
    let mut header = Header::new_gnu();
    header.as_mut_bytes().copy_from_slice(&long_name[..512]);
    header.set_size(1 << 40);
    header.set_cksum();
    long_name[..512].copy_from_slice(header.as_bytes());
    check("a name of a terabyte", &long_name, &["a"], Err("has 1099511627776 bytes, the archive ends at"));
    let long_name = archive(&[("././@LongLink", EntryType::GNULongName, &vec![b'a'; 2 << 20])]);
    check("a name of two megabytes", &long_name, &["a"], Err("1048576 are allowed"));
}

#[test]
fn members_that_are_refused() {
    for path in ["", "/a", "a/", "../a", "a/../b", "a//b", "*/a", ".", "a\\b"] {
        assert!(Member::parse(path).is_err(), "`{path}`");
    }
}

#[test]
fn an_archive_is_fetched_once() {
    if crate::is_proxied() {
        return;
    }
    let content =
        archive(&[("x/a.root", EntryType::Regular, &[1; 100]), ("x/b.root", EntryType::Regular, &[2; 50])]);
    let checksum = crate::checksum_of(&content, Algorithm::Md5);
    let server = Server::start(move |request, peer| peer.honest(request, "\"a\"", &content));
    let download = Download { url: server.url(), checksum, bytes: None, max_bytes: 100_000 };
    let cache = tempfile::tempdir().expect("a directory");
    let get = |members: &[&str]| {
        let files = fetch_archive(&download, members, cache.path(), &crate::options(), &mut |_| {});
        let files = files.unwrap_or_else(|error| panic!("failed to {error}"));
        (
            files.iter().map(|path| fs::read(path).expect("a file").len()).collect::<Vec<_>>(),
            server.requests().len(),
        )
    };
    assert_eq!(get(&["a.root", "b.root"]), (vec![100, 50], 1));
    assert_eq!(get(&["a.root", "b.root"]), (vec![100, 50], 1), "it is there");
    assert_eq!(get(&["b.root"]), (vec![50], 2), "the archive was removed");
    let names = walk(cache.path());
    assert!(!names.iter().any(|name| name.ends_with("archive.tar")), "{names:?}");
}
