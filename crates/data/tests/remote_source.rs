//! A source behind an address gives what the file on disk gives.
#![allow(clippy::unwrap_used, reason = "a test fails by them")]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;

use fiducial_data::source;

/// Answers every request with the whole file, and returns the address.
fn serve(bytes: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/dir/file.root?token=secret", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let lines = BufReader::new(&stream).lines().map_while(Result::ok);
            lines.take_while(|line| !line.is_empty()).for_each(drop);
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", bytes.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&bytes));
        }
    });
    address
}

#[test]
fn an_address_is_as_good_as_a_path() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../root/tests/fixtures/codecs.root");
    let url = serve(std::fs::read(&path).unwrap());
    let local = source::open(&path, Some("zstd/events")).unwrap();
    let remote = source::open(url.as_ref(), Some("zstd/events")).unwrap();
    assert_eq!((remote.schema(), remote.rows()), (local.schema(), local.rows()));
    let columns = ["i4", "part_pt"];
    assert_eq!(remote.read(&columns, 0..100).unwrap(), local.read(&columns, 0..100).unwrap());
    assert_eq!(remote.digest().unwrap(), local.digest().unwrap());
}
