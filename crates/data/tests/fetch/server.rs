//! A local HTTP server that does what a test tells it to, right or wrong.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What a client asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    /// Its number, from 0.
    pub(crate) number: usize,
    pub(crate) path: String,
    /// The first byte asked for by `Range`.
    pub(crate) from: Option<usize>,
    pub(crate) if_range: Option<String>,
}

/// The connection of one request.
pub(crate) struct Peer(TcpStream);

impl Peer {
    /// Sends bytes; a client that has gone is no matter.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).and_then(|()| self.0.flush()).is_ok()
    }

    pub(crate) fn head(&mut self, status: &str, headers: &[(&str, &str)]) {
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        self.send(format!("HTTP/1.1 {status}\r\n{lines}Connection: close\r\n\r\n").as_bytes());
    }

    pub(crate) fn wait(&self, milliseconds: u64) {
        thread::sleep(Duration::from_millis(milliseconds));
    }

    /// What an honest server does: ranges, an ETag, lengths that are true.
    pub(crate) fn honest(&mut self, request: &Request, etag: &str, body: &[u8]) {
        match request.from {
            Some(from) if request.if_range.as_deref().is_none_or(|tag| tag == etag) => {
                if from >= body.len() {
                    let range = format!("bytes */{}", body.len());
                    self.head(
                        "416 Range Not Satisfiable",
                        &[("Content-Range", &range), ("Content-Length", "0")],
                    );
                } else {
                    let range = format!("bytes {from}-{}/{}", body.len() - 1, body.len());
                    let length = (body.len() - from).to_string();
                    let headers = [("Content-Range", &*range), ("Content-Length", &*length), ("ETag", etag)];
                    self.head("206 Partial Content", &headers);
                    self.send(&body[from..]);
                }
            }
            _ => self.whole(etag, body.len(), body),
        }
    }

    /// A 200 that says `length` and sends `body`.
    pub(crate) fn whole(&mut self, etag: &str, length: usize, body: &[u8]) {
        self.head("200 OK", &[("Content-Length", &length.to_string()), ("ETag", etag)]);
        self.send(body);
    }
}

/// A server on a free port, which lives until the process ends.
pub(crate) struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub(crate) fn start(answer: impl Fn(&Request, &mut Peer) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (Arc::clone(&requests), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                thread::spawn(move || {
                    let Some(mut request) = read(&stream) else { return };
                    {
                        let mut seen = seen.lock().expect("the list of requests");
                        request.number = seen.len();
                        seen.push(request.clone());
                    }
                    answer(&request, &mut Peer(stream));
                });
            }
        });
        Self { port, requests }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/jets.tar", self.port)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("the list of requests").clone()
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let mut request = Request { path: first.split(' ').nth(1)?.to_owned(), ..Request::default() };
    for line in lines {
        let line = line.ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "range" => request.from = value.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok(),
            "if-range" => request.if_range = Some(value.to_owned()),
            _ => {}
        }
    }
    Some(request)
}
