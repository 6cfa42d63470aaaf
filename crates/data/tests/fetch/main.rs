//! Downloads from a server that breaks off, lies, hangs and serves wrong bytes.
//!
//! The tests talk to 127.0.0.1 alone; a proxy for everything (`HTTP_PROXY` without `NO_PROXY`) would be asked, so they
//! are skipped where one is set.

#![allow(clippy::panic, clippy::print_stdout)] // a test fails and says what it skips

mod archive;
mod server;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use fiducial_data::fetch::{Algorithm, Checksum, Download, FetchError, FetchOptions, Stage, fetch};
use server::{Peer, Request, Server};

const ETAG: &str = "\"one\"";
const LENGTH: usize = 300_000;

/// Bytes that look like nothing in particular, other ones for each seed.
fn bytes(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..LENGTH)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
        .collect()
}

fn options() -> FetchOptions {
    FetchOptions {
        attempts: 4,
        backoff: Duration::from_millis(2),
        connect_timeout: Duration::from_secs(2),
        read_timeout: Duration::from_millis(400),
        minimum_rate: 1000,
    }
}

fn is_proxied() -> bool {
    let set =
        ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"].iter().any(|name| std::env::var(name).is_ok());
    let exempt = ["NO_PROXY", "no_proxy"]
        .iter()
        .any(|name| std::env::var(name).is_ok_and(|hosts| hosts == "*" || hosts.contains("127.0.0.1")));
    set && !exempt
}

fn checksum_of(content: &[u8], algorithm: Algorithm) -> Checksum {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(file.path(), content).expect("write it");
    Checksum::of_file(algorithm, file.path()).expect("its checksum")
}

fn download(url: String) -> Download {
    let checksum = checksum_of(&bytes(1), Algorithm::Sha256);
    Download { url, checksum, bytes: None, max_bytes: 1_000_000 }
}

enum Expected {
    /// The right file, after so many requests.
    File(usize),
    /// An error whose message has all of these, after so many requests, keeping so many bytes.
    Error(&'static [&'static str], usize, usize),
}

/// One server, one download; what must come of it.
fn check(name: &str, answer: fn(&Request, &mut Peer), expected: &Expected) {
    check_with(name, answer, |_| {}, expected);
}

fn check_with(name: &str, answer: fn(&Request, &mut Peer), change: fn(&mut Download), expected: &Expected) {
    if is_proxied() {
        println!("skipped: {name}: the environment sends everything to a proxy");
        return;
    }
    let server = Server::start(answer);
    let directory = tempfile::tempdir().expect("a directory");
    let target = directory.path().join("deep").join("jets.tar");
    let part = directory.path().join("deep").join("jets.tar.part");
    let mut download = download(server.url());
    change(&mut download);
    let started = Instant::now();
    let result = fetch(&download, &target, &options(), &mut |_| {});
    assert!(started.elapsed() < Duration::from_secs(20), "{name}: took {:?}", started.elapsed());
    let requests = server.requests().len();
    match expected {
        Expected::File(count) => {
            result.unwrap_or_else(|error| panic!("{name}: failed to {error}"));
            assert!(fs::read(&target).expect("the file") == bytes(1), "{name}: other bytes");
            assert_eq!(requests, *count, "{name}: requests");
            let rest = fs::read_dir(directory.path().join("deep")).expect("the directory").count();
            assert_eq!(rest, 1, "{name}: something is left beside the file");
        }
        Expected::Error(parts, count, kept) => {
            let message = result.expect_err(name).to_string();
            for part in *parts {
                assert!(message.contains(part), "{name}: no `{part}` in: {message}");
            }
            assert_eq!(requests, *count, "{name}: requests; {message}");
            assert!(!target.exists(), "{name}: the file is there");
            let on_disk = part.metadata().map_or(0, |metadata| metadata.len());
            assert_eq!(on_disk, *kept as u64, "{name}: bytes kept");
        }
    }
}

#[test]
fn downloads_that_end_well() {
    check("an honest server", |r, p| p.honest(r, ETAG, &bytes(1)), &Expected::File(1));
    check(
        "breaks off twice",
        |r, p| match r.number {
            0 => p.whole(ETAG, LENGTH, &bytes(1)[..100_000]),
            1 => {
                assert_eq!((r.from, r.if_range.as_deref()), (Some(100_000), Some(ETAG)));
                p.head(
                    "206 Partial Content",
                    &[
                        ("Content-Range", "bytes 100000-299999/300000"),
                        ("Content-Length", "200000"),
                        ("ETag", ETAG),
                    ],
                );
                p.send(&bytes(1)[100_000..150_000]);
            }
            _ => p.honest(r, ETAG, &bytes(1)),
        },
        &Expected::File(3),
    );
    check(
        "breaks off and then ignores the range",
        |r, p| match r.number {
            0 => p.whole(ETAG, LENGTH, &bytes(1)[..100_000]),
            _ => p.whole(ETAG, LENGTH, &bytes(1)),
        },
        &Expected::File(2),
    );
    check(
        "no length, no ETag, until the connection closes",
        |_, p| {
            p.head("200 OK", &[]);
            p.send(&bytes(1));
        },
        &Expected::File(1),
    );
    check(
        "no length, and broken off the first time",
        |r, p| {
            p.head("200 OK", &[]);
            p.send(&bytes(1)[..if r.number == 0 { 5_000 } else { LENGTH }]);
        },
        &Expected::File(2),
    );
    check(
        "says too many bytes at first",
        |r, p| match r.number {
            0 => p.whole(ETAG, LENGTH + 100, &bytes(1)),
            _ => p.honest(r, ETAG, &bytes(1)),
        },
        // All 300,000 bytes are there, but 300,100 were announced; a 416 then says that nothing is missing.
        &Expected::File(2),
    );
    check(
        "answers with another range than asked for",
        |r, p| match r.number {
            0 => p.whole(ETAG, LENGTH, &bytes(1)[..100_000]),
            1 => {
                let headers = [("Content-Range", "bytes 0-299999/300000"), ("Content-Length", "300000")];
                p.head("206 Partial Content", &headers);
                p.send(&bytes(1));
            }
            _ => p.honest(r, ETAG, &bytes(1)),
        },
        &Expected::File(3),
    );
    check(
        "a range without a Content-Range",
        |r, p| match r.number {
            0 => p.whole(ETAG, LENGTH, &bytes(1)[..100_000]),
            1 => {
                p.head("206 Partial Content", &[("Content-Length", "200000")]);
                p.send(&bytes(1)[100_000..]);
            }
            _ => p.honest(r, ETAG, &bytes(1)),
        },
        &Expected::File(3),
    );
    check(
        "a range whose length is another one",
        |r, p| match r.number {
            0 => p.whole(ETAG, LENGTH, &bytes(1)[..100_000]),
            1 => {
                let headers = [("Content-Range", "bytes 100000-299999/300000"), ("Content-Length", "10")];
                p.head("206 Partial Content", &headers);
            }
            _ => p.honest(r, ETAG, &bytes(1)),
        },
        &Expected::File(3),
    );
    check(
        "the file changed between two tries",
        |r, p| match r.number {
            0 => p.whole("\"old\"", LENGTH, &bytes(2)[..100_000]),
            _ => p.honest(r, ETAG, &bytes(1)),
        },
        &Expected::File(2),
    );
    check(
        "the file changed, and the server does not mind If-Range",
        |r, p| match r.number {
            0 => p.whole("\"old\"", LENGTH, &bytes(2)[..100_000]),
            _ => p.honest(&Request { if_range: None, ..r.clone() }, ETAG, &bytes(1)),
        },
        &Expected::File(3),
    );
    check(
        "the file changed, and nothing tells",
        |r, p| match r.number {
            0 => {
                p.head("200 OK", &[("Content-Length", "300000")]);
                p.send(&bytes(2)[..100_000]);
            }
            1 => {
                let headers = [("Content-Range", "bytes 100000-299999/300000"), ("Content-Length", "200000")];
                p.head("206 Partial Content", &headers);
                p.send(&bytes(1)[100_000..]);
            }
            _ => p.honest(r, ETAG, &bytes(1)),
        },
        &Expected::File(3),
    );
    check(
        "503, 429, then well",
        |r, p| match r.number {
            0 => p.head("503 Service Unavailable", &[("Content-Length", "0")]),
            1 => p.head("429 Too Many Requests", &[("Content-Length", "0"), ("Retry-After", "0")]),
            _ => p.honest(r, ETAG, &bytes(1)),
        },
        &Expected::File(3),
    );
    check(
        "says nothing at first",
        |r, p| match r.number {
            0 => p.wait(1500),
            _ => p.honest(r, ETAG, &bytes(1)),
        },
        &Expected::File(2),
    );
    check(
        "hangs in the body",
        |r, p| match r.number {
            0 => {
                p.whole(ETAG, LENGTH, &bytes(1)[..100_000]);
                p.wait(1500);
            }
            _ => p.honest(r, ETAG, &bytes(1)),
        },
        &Expected::File(2),
    );
    check(
        "drips",
        |r, p| match r.number {
            0 => {
                p.whole(ETAG, LENGTH, &[]);
                for byte in bytes(1) {
                    if !p.send(&[byte]) {
                        break;
                    }
                    p.wait(20);
                }
            }
            _ => p.honest(r, ETAG, &bytes(1)),
        },
        &Expected::File(2),
    );
    check(
        "redirects, also with a range",
        |r, p| match r.path.as_str() {
            "/jets.tar" => p.head("302 Found", &[("Location", "/mirror"), ("Content-Length", "0")]),
            _ if r.number == 1 => p.whole(ETAG, LENGTH, &bytes(1)[..100_000]),
            _ => {
                assert_eq!((r.number, r.from), (3, Some(100_000)));
                p.honest(r, ETAG, &bytes(1));
            }
        },
        &Expected::File(4),
    );
    check(
        "garbage, then well",
        |r, p| match r.number {
            0 => drop(p.send(b"\x00\xffwhat?\r\n\r\n")),
            _ => p.honest(r, ETAG, &bytes(1)),
        },
        &Expected::File(2),
    );
    check_with(
        "md5, and the exact size is known",
        |r, p| p.honest(r, ETAG, &bytes(1)),
        |d| {
            d.checksum = checksum_of(&bytes(1), Algorithm::Md5);
            d.bytes = Some(LENGTH as u64);
        },
        &Expected::File(1),
    );
}

#[test]
fn downloads_that_are_refused() {
    check(
        "wrong bytes",
        |r, p| p.honest(r, ETAG, &bytes(2)),
        &Expected::Error(&["the sha256 of what 127.0.0.1 sent is", "nothing was kept"], 1, 0),
    );
    check(
        "says too few bytes",
        |_, p| p.whole(ETAG, 1000, &bytes(1)),
        &Expected::Error(&["the sha256 of what 127.0.0.1 sent is"], 1, 0),
    );
    check_with(
        "too few bytes, where the size is known",
        |_, p| p.whole(ETAG, 1000, &bytes(1)),
        |d| d.bytes = Some(LENGTH as u64),
        &Expected::Error(&["127.0.0.1 has 1000 bytes, expected were 300000 bytes"], 1, 0),
    );
    check(
        "says that it never ends",
        |_, p| p.whole(ETAG, usize::MAX / 2, &bytes(1)),
        &Expected::Error(&["expected were at most 1000000 bytes"], 1, 0),
    );
    check(
        "never ends",
        |_, p| {
            p.head("200 OK", &[]);
            while p.send(&bytes(1)) {}
        },
        &Expected::Error(&["bytes or more, expected were at most 1000000 bytes"], 1, 0),
    );
    check(
        "never ends, in chunks",
        |_, p| {
            p.head("200 OK", &[("Transfer-Encoding", "chunked")]);
            while p.send(b"8000\r\n") && p.send(&bytes(1)[..0x8000]) && p.send(b"\r\n") {}
        },
        &Expected::Error(&["bytes or more, expected were at most 1000000 bytes"], 1, 0),
    );
    check(
        "headers without end",
        |_, p| {
            p.send(b"HTTP/1.1 200 OK\r\n");
            while p.send(b"X-More: and more and more and more and more\r\n") {}
        },
        &Expected::Error(&["tried 4 times in a row, 0 bytes are kept"], 4, 0),
    );
    check(
        "not there",
        |_, p| p.head("404 Not Found", &[("Content-Length", "0")]),
        &Expected::Error(&["jets.tar: 127.0.0.1 answered 404 Not Found"], 1, 0),
    );
    check(
        "redirects in a circle",
        |_, p| p.head("302 Found", &[("Location", "/jets.tar"), ("Content-Length", "0")]),
        &Expected::Error(&["tried 4 times in a row"], 24, 0),
    );
    check(
        "compressed, though nobody asked",
        |_, p| p.head("200 OK", &[("Content-Encoding", "gzip"), ("Content-Length", "0")]),
        &Expected::Error(&["encoded as gzip"], 4, 0),
    );
    check(
        "always breaks off at the same byte",
        |_, p| p.whole(ETAG, LENGTH, &bytes(1)[..100_000]),
        &Expected::Error(
            &["http://127.0.0.1:", "/jets.tar from 127.0.0.1", "4 times", "100000 bytes are kept"],
            4,
            100_000,
        ),
    );
    check(
        "always 500",
        |_, p| p.head("500 Internal Server Error", &[("Content-Length", "0")]),
        &Expected::Error(&["the server answered 500", "run again to go on"], 4, 0),
    );
}

#[test]
fn addresses_that_are_refused() {
    for (url, expected) in [
        ("ftp://example.org/a", "does not begin with https:// or http://"),
        ("file:///etc/passwd", "it is not an address"),
        ("jets.tar", "does not begin with https:// or http://"),
        ("http://a b/", "it is not an address"),
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        let target = directory.path().join("jets.tar");
        let error = fetch(&download(url.to_owned()), &target, &options(), &mut |_| {}).expect_err(url);
        assert!(error.to_string().contains(expected), "{url}: {error}");
    }
}

#[test]
fn a_server_that_is_not_there() {
    if is_proxied() {
        return;
    }
    // A port that was free a moment ago.
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    let directory = tempfile::tempdir().expect("a directory");
    let download = download(format!("http://127.0.0.1:{port}/jets.tar"));
    let mut waits = Vec::new();
    let error = fetch(&download, &directory.path().join("a"), &options(), &mut |progress| {
        if let Stage::Waiting { attempt, pause, .. } = progress.stage {
            waits.push((attempt, pause.as_millis()));
        }
    });
    assert!(matches!(error, Err(FetchError::GaveUp { attempts: 4, .. })), "{error:?}");
    assert_eq!(waits, [(1, 2), (2, 4), (3, 8)], "the pause doubles");
}

#[test]
fn a_later_call_goes_on_where_the_first_gave_up() {
    if is_proxied() {
        return;
    }
    let server = Server::start(|r, p| match r.number {
        0 => p.whole(ETAG, LENGTH, &bytes(1)[..120_000]),
        1..4 => p.head("503 Service Unavailable", &[("Content-Length", "0")]),
        _ => p.honest(r, ETAG, &bytes(1)),
    });
    let directory = tempfile::tempdir().expect("a directory");
    let target = directory.path().join("jets.tar");
    let download = download(server.url());
    let error = fetch(&download, &target, &options(), &mut |_| {}).expect_err("it gives up");
    assert!(matches!(error, FetchError::GaveUp { kept: 120_000, .. }), "{error}");
    fetch(&download, &target, &options(), &mut |_| {}).expect("it goes on");
    assert_eq!(server.requests().last().and_then(|request| request.from), Some(120_000));
    assert!(fs::read(&target).expect("the file") == bytes(1));

    // A file that is there and right is not fetched again; one that was changed is.
    let before = server.requests().len();
    fetch(&download, &target, &options(), &mut |_| {}).expect("it is there");
    assert_eq!(server.requests().len(), before);
    fs::write(&target, b"changed").expect("write");
    fetch(&download, &target, &options(), &mut |_| {}).expect("it is fetched");
    assert!(fs::read(&target).expect("the file") == bytes(1));
}

#[test]
fn what_is_kept_for_another_address_is_dropped() {
    if is_proxied() {
        return;
    }
    let server = Server::start(|r, p| p.honest(r, ETAG, &bytes(1)));
    let directory = tempfile::tempdir().expect("a directory");
    let target = directory.path().join("jets.tar");
    let states = [
        "not json".to_owned(),
        "{}".to_owned(),
        r#"{"format":"fiducial-part/1","url":"http://else/","checksum":"md5:0","total":9,"validator":{}}"#
            .to_owned(),
    ];
    for state in states {
        fs::write(directory.path().join("jets.tar.part"), bytes(3)).expect("write");
        fs::write(directory.path().join("jets.tar.part.json"), &state).expect("write");
        fetch(&download(server.url()), &target, &options(), &mut |_| {}).expect(&state);
        assert_eq!(server.requests().last().map(|request| request.from), Some(None), "{state}");
        fs::remove_file(&target).expect("remove");
    }
}

#[test]
fn one_process_at_a_time() {
    let directory = tempfile::tempdir().expect("a directory");
    let part = fs::File::create(directory.path().join("jets.tar.part")).expect("create");
    part.lock().expect("lock");
    let target = directory.path().join("jets.tar");
    let error = fetch(&download("http://127.0.0.1:9/".to_owned()), &target, &options(), &mut |_| {});
    assert!(matches!(error, Err(FetchError::Busy { .. })), "{error:?}");
    assert!(!Path::new(&target).exists());
}
