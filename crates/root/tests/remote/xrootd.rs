//! XRootD: a fake server with all kinds of manners, then the real one.

use std::time::Duration;

use fiducial_root::{RemoteOptions, RootFile};

use super::xrootd_fake::*;
use super::{check, fixture_bytes, options, read_some, shared};

type Expected<'a> = Result<(), &'a [&'a str]>;
type Manners = fn(&Call, &mut Peer<'_>, &[u8]);

fn server(manners: impl Fn(&Call, &mut Peer<'_>, &[u8]) + Send + Sync + 'static) -> Server {
    let bytes = fixture_bytes();
    Server::start(move |call, peer| manners(call, peer, &bytes))
}

/// What most requests are answered with, whatever the manners.
fn right(call: &Call, peer: &mut Peer<'_>, file: &[u8]) {
    peer.answer(call, OK, &honest(call, file));
}

fn is_data(call: &Call) -> bool {
    matches!(call.kind, Kind::Read | Kind::Readv)
}

#[test]
fn every_kind_of_answer_is_read_or_told() {
    let rows: [(&str, Manners, Expected<'_>); 31] = [
        ("honest", right, Ok(())),
        (
            "in parts",
            |c, p, f| {
                let data = honest(c, f);
                if is_data(c) {
                    data.chunks(777).for_each(|part| p.answer(c, OK_SO_FAR, part));
                    p.answer(c, OK, &[]);
                } else {
                    p.answer(c, OK, &data);
                }
            },
            Ok(()),
        ),
        (
            "an open that does not tell the size",
            |c, p, f| {
                let data = honest(c, f);
                p.answer(c, OK, if c.kind == Kind::Open { &data[..4] } else { &data });
            },
            Ok(()),
        ),
        (
            "a size that is none",
            |c, p, f| match c.kind {
                Kind::Open => p.answer(c, OK, &[1, 2, 3, 4]),
                Kind::Stat => p.answer(c, OK, b"7 many 16 17\0"),
                _ => right(c, p, f),
            },
            Err(&["tells the size as \"7 many", "3 attempts"]),
        ),
        (
            "a wait before the file opens",
            |c, p, f| match (c.kind, c.number) {
                (Kind::Open, 0) => p.answer(c, WAIT, &number_and_text(1, "staging")),
                _ => right(c, p, f),
            },
            Ok(()),
        ),
        (
            "a wait for longer than patience",
            |c, p, f| match c.kind {
                Kind::Open => p.answer(c, WAIT, &number_and_text(3600, "staging from tape")),
                _ => right(c, p, f),
            },
            Err(&["asks to wait for 3600 s (staging from tape), beyond the 3 s", "1 attempt "]),
        ),
        (
            "waits of no time, for ever",
            |c, p, f| match c.kind {
                Kind::Open => p.answer(c, WAIT, &number_and_text(0, "soon")),
                _ => right(c, p, f),
            },
            Err(&["asks to wait for 0 s (soon), beyond the 3 s", "1 attempt "]),
        ),
        (
            "answers that come later",
            |c, p, f| match (c.kind, c.number) {
                (Kind::Open, 0) | (Kind::Read, 1) => p.answer_later(c, &honest(c, f)),
                _ => right(c, p, f),
            },
            Ok(()),
        ),
        (
            "an answer that is announced and never comes",
            |c, p, f| match c.kind {
                Kind::Open => p.answer(c, WAIT_FOR_ANSWER, &1i32.to_be_bytes()),
                _ => right(c, p, f),
            },
            Err(&["did not answer for", "3 attempts"]),
        ),
        (
            "messages before answers",
            |c, p, f| {
                p.send(&message([0, 0], ATTENTION, &number_and_text(5002, "the server goes down at noon")));
                right(c, p, f);
            },
            Ok(()),
        ),
        (
            "messages, and no answer",
            |c, p, f| match c.kind {
                Kind::Open => {
                    for _ in 0..5000 {
                        p.send(&message([0, 0], ATTENTION, &number_and_text(5002, "still here")));
                    }
                }
                _ => right(c, p, f),
            },
            Err(&["sends messages, and no answer", "3 attempts"]),
        ),
        (
            "a message that is too short",
            |c, p, f| match c.kind {
                Kind::Open => p.send(&message([0, 0], ATTENTION, &[0])),
                _ => right(c, p, f),
            },
            Err(&["sends a message of 1 bytes", "3 attempts"]),
        ),
        (
            "parts without an end",
            |c, p, f| match c.kind {
                Kind::Read => (0..5000).for_each(|_| p.answer(c, OK_SO_FAR, &[])),
                _ => right(c, p, f),
            },
            Err(&["sends messages, and no answer", "3 attempts"]),
        ),
        (
            "no such file",
            |c, p, f| match c.kind {
                Kind::Open => p.answer(c, ERROR, &number_and_text(3011, "no such file /data/codecs.root")),
                _ => right(c, p, f),
            },
            Err(&["error 3011: no such file /data/codecs.root", "127.0.0.1 was tried in 1 attempt "]),
        ),
        (
            "TLS is wanted",
            |c, p, f| match c.kind {
                Kind::Login => p.answer(c, ERROR, &number_and_text(3028, "TLS required")),
                _ => right(c, p, f),
            },
            Err(&["TLS required (XRootD over TLS is not supported)", "1 attempt "]),
        ),
        (
            "a certificate is wanted",
            |c, p, f| match c.kind {
                Kind::Login => {
                    p.answer(c, OK, &[&[5; 16][..], b"&P=gsi,v:10600,c:ssl&P=ztn,0:4096:\0"].concat());
                }
                _ => right(c, p, f),
            },
            Err(&["wants to know the user by gsi, ztn: only unix is supported", "1 attempt "]),
        ),
        (
            "the user's name is not enough",
            |c, p, f| match c.kind {
                Kind::Login => p.answer(c, OK, &[&[5; 16][..], b"&P=unix\0"].concat()),
                Kind::Auth => p.answer(c, 4002, b"more"),
                _ => right(c, p, f),
            },
            Err(&["wants to know more of the user", "1 attempt "]),
        ),
        (
            "a disk that fails once",
            |c, p, f| match (c.kind, c.number) {
                (Kind::Read, 1) => p.answer(c, ERROR, &number_and_text(3007, "I/O error")),
                _ => right(c, p, f),
            },
            Ok(()),
        ),
        (
            "a disk that fails for ever",
            |c, p, f| match c.kind {
                Kind::Read => p.answer(c, ERROR, &number_and_text(3007, "I/O error")),
                _ => right(c, p, f),
            },
            Err(&["error 3007: I/O error", "3 attempts"]),
        ),
        (
            "an answer to another request",
            |c, p, f| match c.kind {
                Kind::Read => p.answer_another(c, &honest(c, f)),
                _ => right(c, p, f),
            },
            Err(&["answers a request that was not made", "3 attempts"]),
        ),
        (
            "an answer of no known kind",
            |c, p, f| match c.kind {
                Kind::Read => p.answer(c, 1234, &honest(c, f)),
                _ => right(c, p, f),
            },
            Err(&["an answer of no known kind", "3 attempts"]),
        ),
        (
            "an answer of 4 GiB",
            |c, p, f| match c.kind {
                Kind::Read => p.announce(c, u32::MAX),
                _ => right(c, p, f),
            },
            Err(&["announces 4294967295 bytes where 32768 may come", "3 attempts"]),
        ),
        (
            "a login of 4 GiB",
            |c, p, f| match c.kind {
                Kind::Login => p.announce(c, u32::MAX),
                _ => right(c, p, f),
            },
            Err(&["announces 4294967295 bytes where 65536 may come", "3 attempts"]),
        ),
        (
            "fewer bytes than there are",
            |c, p, f| match c.kind {
                Kind::Read => p.answer(c, OK, &honest(c, f)[..100]),
                _ => right(c, p, f),
            },
            Err(&["sent 100 of 32768 bytes from 0 on", "3 attempts"]),
        ),
        (
            "every fourth read is cut",
            |c, p, f| match (c.kind, c.number % 4) {
                (Kind::Read | Kind::Readv, 1) => {
                    p.announce(c, honest(c, f).len() as u32);
                    p.send(&honest(c, f)[..10]);
                    p.is_kept = false;
                }
                _ => right(c, p, f),
            },
            Ok(()),
        ),
        (
            "every read is cut",
            |c, p, f| match c.kind {
                Kind::Read | Kind::Readv => {
                    p.announce(c, honest(c, f).len() as u32);
                    p.send(&honest(c, f)[..10]);
                    p.is_kept = false;
                }
                _ => right(c, p, f),
            },
            Err(&["closed the connection after 10 of 32768 bytes", "3 attempts"]),
        ),
        (
            "silence",
            |c, p, f| match c.kind {
                Kind::Open => p.wait(2000),
                _ => right(c, p, f),
            },
            Err(&["did not answer for 0.3 s", "3 attempts"]),
        ),
        (
            "a drip",
            |c, p, f| match c.kind {
                Kind::Read => {
                    let data = honest(c, f);
                    p.announce(c, data.len() as u32);
                    for byte in data {
                        p.send(&[byte]);
                        p.wait(20);
                        if !p.is_kept {
                            break;
                        }
                    }
                }
                _ => right(c, p, f),
            },
            Err(&["bytes came in 0.", "3 attempts"]),
        ),
        (
            "a file of another size when it is opened again",
            |c, p, f| match (c.kind, c.number) {
                (Kind::Read, 1) => p.is_kept = false,
                (Kind::Open, 1..) => right(c, p, &f[1..]),
                _ => right(c, p, f),
            },
            Err(&["the file changed while it was read: it had 134536 bytes, now it has 134535"]),
        ),
        (
            "redirects to a web server",
            |c, p, f| match c.kind {
                Kind::Open => p.answer(c, REDIRECT, &number_and_text(-1, "https://host/x.root")),
                _ => right(c, p, f),
            },
            Err(&["redirects to https://, which is not supported", "1 attempt "]),
        ),
        (
            "a handle that is too short",
            |c, p, f| match c.kind {
                Kind::Open => p.answer(c, OK, &[1]),
                _ => right(c, p, f),
            },
            Err(&["opens the file without a handle", "3 attempts"]),
        ),
    ];
    for (what, manners, expected) in rows {
        check(what, &server(manners).url(), expected);
    }
}

#[test]
fn redirects_are_followed_with_what_they_hand_over() {
    for is_address in [false, true] {
        for at in [Kind::Login, Kind::Open] {
            let last = server(right);
            let port = last.port;
            let first = server(move |call, peer, file| match call.kind {
                kind if kind == at && is_address => {
                    let to = format!("root://127.0.0.1:{port}//elsewhere?cap=1&tried=?tok");
                    peer.answer(call, REDIRECT, &number_and_text(-1, &to));
                }
                kind if kind == at => {
                    peer.answer(
                        call,
                        REDIRECT,
                        &number_and_text(i32::from(port), "127.0.0.1?cap=1&tried=?tok"),
                    );
                }
                _ => right(call, peer, file),
            });
            check("a redirect", &first.url(), Ok(()));
            let (logins, opens) = (last.calls(Kind::Login), last.calls(Kind::Open));
            assert_eq!(logins[0].text(), "tok", "{is_address} {at:?}");
            assert_eq!(opens[0].text(), "/data/codecs.root?cap=1&tried=", "{is_address} {at:?}");
        }
    }
}

#[test]
fn redirects_end() {
    let server = Server::start(|call, peer| match call.kind {
        // To itself: a port of 0 stands for the default one, so the port must be said.
        Kind::Open => peer.answer(call, REDIRECT, &number_and_text(-1, &call.text()[1..].replace("?", "&"))),
        _ => peer.answer(call, OK, &honest(call, &[])),
    });
    // The path that is asked for is the address that the server redirects to.
    let url = format!("root://127.0.0.1:{0}/root://127.0.0.1:{0}//x", server.port);
    check("a circle", &url, Err(&["more than 16 redirects: 127.0.0.1:", "1 attempt "]));
    assert_eq!(server.calls(Kind::Open).len(), 17);
}

#[test]
fn the_user_is_named_where_the_server_asks() {
    let server = server(|call, peer, file| match call.kind {
        Kind::Login => peer.answer(call, OK, &[&[5; 16][..], b"&P=gsi,v:1&P=unix\0"].concat()),
        _ => right(call, peer, file),
    });
    let url = server.url().replace("root://", "root://marie@");
    check("unix", &url, Ok(()));
    assert_eq!(server.calls(Kind::Auth)[0].data, b"unix\0marie\0");
}

/// One login, one open, and as many reads as with HTTP. All is closed in the end.
#[test]
fn three_columns_take_few_requests() {
    let server = server(right);
    let file = RootFile::open_with(server.url(), &options()).expect("it opens");
    let tree = file.tree("zlib/events").expect("the tree is there");
    let reads = || server.calls(Kind::Read).len() + server.calls(Kind::Readv).len();
    assert!(reads() <= 4, "{}", reads());
    tree.read(&["i4", "f8", "part_pt"], 0..100).expect("the columns are readable");
    assert!(reads() <= 5, "{}", reads());
    assert_eq!((server.calls(Kind::Login).len(), server.calls(Kind::Open).len()), (1, 1));
    drop((file, tree));
    // The server notes the last message after the client has gone on.
    for _ in 0..100 {
        if server.calls(Kind::EndSession).len() == 1 {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!((server.calls(Kind::Close).len(), server.calls(Kind::EndSession).len()), (1, 1));
}

/// Ranges that are apart come by vector reads, and one that comes for other ranges is refused.
#[test]
fn vector_reads() {
    let Some(path) = shared("nano_tt_v15.root") else { return };
    let bytes = std::fs::read(&path).expect("the file is readable");
    let local = RootFile::open(&path).and_then(|file| read_some(&file)).expect("it is readable");
    for is_right in [true, false] {
        let bytes = bytes.clone();
        let server = Server::start(move |call, peer| {
            let mut data = honest(call, &bytes);
            if call.kind == Kind::Readv && !is_right {
                data[15] ^= 1;
            }
            peer.answer(call, OK, &data);
        });
        let options = RemoteOptions { read_timeout: Duration::from_secs(5), ..options() };
        let file = RootFile::open_with(server.url(), &options).expect("it opens");
        let found = read_some(&file);
        assert!(!server.calls(Kind::Readv).is_empty(), "no vector read");
        match found {
            Ok(batch) => assert!(is_right && batch == local),
            Err(error) => {
                assert!(!is_right && error.to_string().contains("a vector read's answer is not for"));
            }
        }
    }
}
