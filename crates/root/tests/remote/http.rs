//! HTTP: honest servers, and all kinds of others.

use std::collections::BTreeSet;
use std::net::TcpListener;

use fiducial_root::RootFile;

use super::http_server::{Peer, Request, Server};
use super::{check, fixture_bytes, options, read_some, shared};

type Expected<'a> = Result<(), &'a [&'a str]>;

/// A server with these manners.
fn server(manners: impl Fn(&Request, &mut Peer<'_>, &[u8]) + Send + Sync + 'static) -> Server {
    let bytes = fixture_bytes();
    Server::start(move |request, peer| manners(request, peer, &bytes))
}

fn range(request: &Request, body: &[u8]) -> std::ops::Range<usize> {
    let range = request.range.clone().expect("a range is asked for");
    range.start..range.end.min(body.len())
}

#[test]
fn every_kind_of_answer_is_read_or_told() {
    type Manners = fn(&Request, &mut Peer<'_>, &[u8]);
    let rows: [(&str, Manners, Expected<'_>); 29] = [
        ("honest", |r, p, b| p.honest(r, b), Ok(())),
        ("no ranges", |r, p, b| p.honest(&Request { range: None, ..r.clone() }, b), Ok(())),
        (
            "no ranges and no length",
            |_, p, b| {
                p.head("200 OK", &[("Transfer-Encoding", "chunked")]);
                p.chunks(b);
            },
            Ok(()),
        ),
        (
            "no ranges, and more than can be fetched whole",
            |_, p, _| p.head("200 OK", &[("Content-Length", "300000000")]),
            Err(&["hands out no ranges", "300000000 bytes are more than 256 MiB", "1 attempt "]),
        ),
        (
            "a range in chunks",
            |r, p, b| {
                let range = range(r, b);
                let value = format!("bytes {}-{}/{}", range.start, range.end - 1, b.len());
                p.head("206 Partial Content", &[("Content-Range", &value), ("Transfer-Encoding", "chunked")]);
                p.chunks(&b[range]);
            },
            Ok(()),
        ),
        (
            "connections that are closed after each answer",
            |r, p, b| {
                p.honest(r, b);
                p.is_kept = false;
            },
            Ok(()),
        ),
        (
            "a redirect",
            |r, p, b| match r.path.as_str() {
                "/elsewhere" => p.honest(r, b),
                _ => p.empty("302 Found", &[("Location", "/elsewhere")]),
            },
            Ok(()),
        ),
        (
            "a redirect that becomes stale",
            |r, p, b| match r.path.as_str() {
                "/codecs.root" => {
                    p.empty("307 Temporary Redirect", &[("Location", &format!("/{}", r.number))]);
                }
                path if r.number > path[1..].parse::<usize>().unwrap_or(0) + 2 => {
                    p.empty("403 Forbidden", &[]);
                }
                _ => p.honest(r, b),
            },
            Ok(()),
        ),
        (
            "a redirect to itself",
            |_, p, _| p.empty("302 Found", &[("Location", "/codecs.root")]),
            Err(&["too many redirects", "1 attempt "]),
        ),
        (
            "no such file",
            |_, p, _| p.empty("404 Not Found", &[]),
            Err(&[
                "read the header of http://127.0.0.1:",
                "answered 404 Not Found",
                "127.0.0.1 was tried in 1 attempt ",
            ]),
        ),
        (
            "not allowed",
            |_, p, _| p.empty("403 Forbidden", &[]),
            Err(&["answered 403 Forbidden", "1 attempt "]),
        ),
        (
            "busy at first",
            |r, p, b| match r.number {
                0 | 1 => p.empty("503 Service Unavailable", &[("Retry-After", "0")]),
                _ => p.honest(r, b),
            },
            Ok(()),
        ),
        (
            "busy for ever",
            |_, p, _| p.empty("429 Too Many Requests", &[]),
            Err(&["answered 429 Too Many Requests", "3 attempts"]),
        ),
        (
            "busy for longer than patience",
            |_, p, _| p.empty("503 Service Unavailable", &[("Retry-After", "100000")]),
            Err(&["503", "after 100000.0 s would take the pauses beyond 3 s", "1 attempt "]),
        ),
        (
            "every other answer is cut",
            |r, p, b| {
                let range = range(r, b);
                let sent = if r.number % 2 == 0 { range.start..range.start + 1000 } else { range.clone() };
                p.part_head(&range, b.len(), range.len(), "\"1\"");
                p.send(&b[sent]);
                p.is_kept = r.number % 2 == 1;
            },
            Ok(()),
        ),
        (
            "every answer is cut",
            |r, p, b| {
                let range = range(r, b);
                p.part_head(&range, b.len(), range.len(), "\"1\"");
                p.send(&b[range.start..range.start + 1000]);
                p.is_kept = false;
            },
            Err(&["3 attempts"]),
        ),
        ("no answer, the connection is closed", |_, p, _| p.is_kept = false, Err(&["3 attempts"])),
        ("no HTTP", |_, p, _| p.send(b"+OK POP3 ready\r\n\r\n"), Err(&["3 attempts"])),
        (
            "silence",
            |_, p, _| {
                p.wait(2000);
                p.is_kept = false;
            },
            Err(&["timeout", "3 attempts"]),
        ),
        (
            "silence in the middle",
            |r, p, b| {
                let range = range(r, b);
                p.part_head(&range, b.len(), range.len(), "\"1\"");
                p.send(&b[range.start..range.start + 1000]);
                p.wait(2000);
                p.is_kept = false;
            },
            Err(&["timeout", "after 1000 bytes", "3 attempts"]),
        ),
        (
            "a drip",
            |r, p, b| {
                let range = range(r, b);
                p.part_head(&range, b.len(), range.len(), "\"1\"");
                for byte in &b[range] {
                    p.send(std::slice::from_ref(byte));
                    p.wait(20);
                    if !p.is_kept {
                        break;
                    }
                }
            },
            Err(&["bytes came in 0.", "3 attempts"]),
        ),
        (
            "another range",
            |r, p, b| {
                let range = range(r, b);
                let other = range.start + 1..range.end;
                p.part_head(&other, b.len(), other.len(), "\"1\"");
                p.send(&b[other]);
            },
            Err(&["asked for the bytes 0..32768, the server sent 1..32768", "3 attempts"]),
        ),
        (
            "a range without its position",
            |r, p, b| {
                let range = range(r, b);
                p.head("206 Partial Content", &[("Content-Length", &range.len().to_string())]);
                p.send(&b[range]);
            },
            Err(&["came with the Content-Range \"\"", "3 attempts"]),
        ),
        (
            "a range of another length than its position says",
            |r, p, b| {
                let range = range(r, b);
                p.part_head(&range, b.len(), range.len() - 1, "\"1\"");
                p.send(&b[range]);
            },
            Err(&["the Content-Length is 32767 for the bytes 0..32768", "3 attempts"]),
        ),
        (
            "more chunks than announced",
            |r, p, b| {
                let value = format!("bytes {}-{}/{}", range(r, b).start, range(r, b).end - 1, b.len());
                p.head("206 Partial Content", &[("Content-Range", &value), ("Transfer-Encoding", "chunked")]);
                p.chunks(b);
            },
            Err(&["more than the 32768 bytes came", "3 attempts"]),
        ),
        (
            "compressed",
            |_, p, _| p.empty("206 Partial Content", &[("Content-Encoding", "gzip")]),
            Err(&["encoded as gzip", "1 attempt "]),
        ),
        (
            "an ETag that changes",
            |r, p, b| {
                let range = range(r, b);
                p.part_head(&range, b.len(), range.len(), if r.number < 2 { "\"1\"" } else { "\"2\"" });
                p.send(&b[range]);
            },
            Err(&["the file changed while it was read: its ETag was \"1\", now it is \"2\"", "1 attempt "]),
        ),
        (
            "a file that becomes shorter",
            |r, p, b| p.honest(r, if r.number < 1 { b } else { &b[..40_000] }),
            Err(&["the file changed while it was read: it had 134536 bytes", "1 attempt "]),
        ),
        (
            "an empty file",
            |r, p, _| p.honest(r, &[]),
            Err(&["read the header of", "4 bytes are needed, 0 are left"]),
        ),
    ];
    for (what, manners, expected) in rows {
        check(what, &server(manners).url(), expected);
    }
}

#[test]
fn nobody_listens() {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
    let url = format!("http://me:secret@127.0.0.1:{port}/x.root?token=secret");
    check(
        "nobody",
        &url,
        Err(&["127.0.0.1 was tried in 3 attempts", &format!("127.0.0.1:{port}/x.root?...")]),
    );
    let error = RootFile::open_with(&url, &options()).map(|_| ()).expect_err("nobody listens").to_string();
    assert!(!error.contains("secret"), "{error}");
}

/// Opening takes a request for the first block, one for the file's end with the keys and the classes, and here two for
/// the directories and the tree between. Columns whose baskets lie together take one more, or none where metadata was.
#[test]
fn three_columns_take_five_requests() {
    let server = server(|request, peer, bytes| peer.honest(request, bytes));
    let file = RootFile::open_with(server.url(), &options()).expect("it opens");
    let tree = file.tree("zlib/events").expect("the tree is there");
    let opened = server.requests().len();
    assert!(opened <= 4, "{:?}", server.requests());
    tree.read(&["i4", "f8", "part_pt"], 0..100).expect("the columns are readable");
    let requests = server.requests();
    assert!(requests.len() <= 5, "{requests:?}");
    let connections: BTreeSet<_> = requests.iter().map(|request| request.connection).collect();
    assert_eq!(connections.len(), 1, "a connection is used again: {requests:?}");
    let bytes: usize = requests.iter().filter_map(|r| r.range.clone()).map(|range| range.len()).sum();
    assert!(bytes <= file.size() as usize, "{bytes} bytes were asked for: {requests:?}");
}

/// A larger file of 1,600 columns: some of them take a small part of the requests that one for each basket would be.
#[test]
fn a_real_file_is_read_in_few_requests() {
    let Some(path) = shared("nano_tt_v15.root") else { return };
    let bytes = std::fs::read(&path).expect("the file is readable");
    let local = RootFile::open(&path).expect("it opens");
    let server = Server::start(move |request, peer| peer.honest(request, &bytes));
    let file = RootFile::open_with(server.url(), &options()).expect("it opens");
    assert!(file.tree_names().expect("its keys can be read").contains(&"Events".to_owned()));
    assert!(server.requests().len() <= 2, "{:?}", server.requests());
    assert_eq!(read_some(&file).expect("it is readable"), read_some(&local).expect("it is readable"));
    let requests = server.requests();
    // Two to open, one for the tree's record, and one for each basket, since these columns lie far apart.
    assert!(requests.len() <= 11, "{requests:?}");
    let connections: BTreeSet<_> = requests.iter().map(|request| request.connection).collect();
    assert!(connections.len() <= 6, "{requests:?}");
}

/// Redirects are followed once, not before each request.
#[test]
fn what_was_redirected_is_asked_for_directly() {
    let server = server(|request, peer, bytes| match request.path.as_str() {
        "/elsewhere" => peer.honest(request, bytes),
        _ => peer.empty("302 Found", &[("Location", "/elsewhere")]),
    });
    check("a redirect", &server.url(), Ok(()));
    let redirected = server.requests().iter().filter(|request| request.path != "/elsewhere").count();
    assert_eq!(redirected, 1, "{:?}", server.requests());
}
