//! A local HTTP server that does what a test tells it to, right or wrong.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What a client asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    /// Its number, from 0.
    pub(crate) number: usize,
    /// The number of its connection, from 0.
    pub(crate) connection: usize,
    pub(crate) path: String,
    pub(crate) range: Option<Range<usize>>,
}

/// The connection of one request.
pub(crate) struct Peer<'a> {
    stream: &'a TcpStream,
    /// Whether another request may follow on it.
    pub(crate) is_kept: bool,
}

impl Peer<'_> {
    /// Sends bytes; a client that has gone is no matter.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.is_kept &= self.stream.write_all(bytes).and_then(|()| self.stream.flush()).is_ok();
    }

    pub(crate) fn head(&mut self, status: &str, headers: &[(&str, &str)]) {
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        self.send(format!("HTTP/1.1 {status}\r\n{lines}\r\n").as_bytes());
    }

    pub(crate) fn empty(&mut self, status: &str, headers: &[(&str, &str)]) {
        let mut headers = headers.to_vec();
        headers.push(("Content-Length", "0"));
        self.head(status, &headers);
    }

    /// The head of an answer with a range.
    pub(crate) fn part_head(&mut self, range: &Range<usize>, total: usize, length: usize, etag: &str) {
        let value = format!("bytes {}-{}/{total}", range.start, range.end - 1);
        let length = length.to_string();
        self.head(
            "206 Partial Content",
            &[("Content-Range", &value), ("Content-Length", &length), ("ETag", etag)],
        );
    }

    /// What an honest server does.
    pub(crate) fn honest(&mut self, request: &Request, body: &[u8]) {
        match &request.range {
            Some(range) if range.start >= body.len() => {
                let value = format!("bytes */{}", body.len());
                self.empty("416 Range Not Satisfiable", &[("Content-Range", &value)]);
            }
            Some(range) => {
                let range = range.start..range.end.min(body.len());
                self.part_head(&range, body.len(), range.len(), "\"1\"");
                self.send(&body[range]);
            }
            None => {
                self.head("200 OK", &[("Content-Length", &body.len().to_string())]);
                self.send(body);
            }
        }
    }

    /// Chunks of an unusual size, and their end.
    pub(crate) fn chunks(&mut self, body: &[u8]) {
        for chunk in body.chunks(10_007) {
            self.send(format!("{:x}\r\n", chunk.len()).as_bytes());
            self.send(chunk);
            self.send(b"\r\n");
        }
        self.send(b"0\r\n\r\n");
    }

    pub(crate) fn wait(&self, milliseconds: u64) {
        thread::sleep(Duration::from_millis(milliseconds));
    }
}

/// A server on a free port, which lives until the process ends.
pub(crate) struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub(crate) fn start(answer: impl Fn(&Request, &mut Peer<'_>) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (seen, answer, connections) = (Arc::clone(&requests), Arc::new(answer), AtomicUsize::new(0));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                let connection = connections.fetch_add(1, Ordering::Relaxed);
                thread::spawn(move || {
                    let mut reader = BufReader::new(&stream);
                    while let Some(mut request) = read(&mut reader) {
                        {
                            let mut seen = seen.lock().expect("the list of requests");
                            (request.number, request.connection) = (seen.len(), connection);
                            seen.push(request.clone());
                        }
                        let mut peer = Peer { stream: &stream, is_kept: true };
                        answer(&request, &mut peer);
                        if !peer.is_kept {
                            break;
                        }
                    }
                });
            }
        });
        Self { port, requests }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/codecs.root", self.port)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("the list of requests").clone()
    }
}

fn read(reader: &mut impl BufRead) -> Option<Request> {
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut request = Request { path: first.split(' ').nth(1)?.to_owned(), ..Request::default() };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.split_once(':') else { return Some(request) };
        if name.eq_ignore_ascii_case("range") {
            let (first, last) = value.trim().strip_prefix("bytes=")?.split_once('-')?;
            request.range = Some(first.parse().ok()?..last.parse::<usize>().ok()?.checked_add(1)?);
        }
    }
}
