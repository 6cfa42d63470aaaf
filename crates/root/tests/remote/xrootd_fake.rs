//! An XRootD server of the tests' own, which does what a test tells it to, right or wrong.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

pub(crate) const OK: u16 = 0;
pub(crate) const OK_SO_FAR: u16 = 4000;
pub(crate) const ATTENTION: u16 = 4001;
pub(crate) const ERROR: u16 = 4003;
pub(crate) const REDIRECT: u16 = 4004;
pub(crate) const WAIT: u16 = 4005;
pub(crate) const WAIT_FOR_ANSWER: u16 = 4006;

/// What a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Auth,
    Close,
    Protocol,
    Login,
    Open,
    Read,
    Readv,
    Stat,
    EndSession,
    Other(u16),
}

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// Its number among those of its kind, from 0.
    pub(crate) number: usize,
    pub(crate) kind: Kind,
    stream: [u8; 2],
    parameters: [u8; 16],
    pub(crate) data: Vec<u8>,
}

impl Call {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.data).into_owned()
    }

    fn number_at(&self, at: usize) -> usize {
        u32::from_be_bytes(self.parameters[at..at + 4].try_into().expect("four bytes")) as usize
    }
}

/// The connection of one request.
pub(crate) struct Peer<'a> {
    stream: &'a TcpStream,
    pub(crate) is_kept: bool,
}

/// The header of an answer, and its data.
pub(crate) fn message(stream: [u8; 2], status: u16, data: &[u8]) -> Vec<u8> {
    let mut out = stream.to_vec();
    out.extend_from_slice(&status.to_be_bytes());
    out.extend_from_slice(&(data.len() as u32).to_be_bytes());
    out.extend_from_slice(data);
    out
}

/// A number, then a text.
pub(crate) fn number_and_text(number: i32, text: &str) -> Vec<u8> {
    [&number.to_be_bytes(), text.as_bytes(), b"\0"].concat()
}

impl Peer<'_> {
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.is_kept &= self.stream.write_all(bytes).is_ok();
    }

    pub(crate) fn answer(&mut self, call: &Call, status: u16, data: &[u8]) {
        self.send(&message(call.stream, status, data));
    }

    /// An answer to a request that nobody made.
    pub(crate) fn answer_another(&mut self, call: &Call, data: &[u8]) {
        self.send(&message([call.stream[0], call.stream[1] ^ 1], OK, data));
    }

    /// Announces more than there is.
    pub(crate) fn announce(&mut self, call: &Call, len: u32) {
        let mut out = message(call.stream, OK, &[]);
        out[4..8].copy_from_slice(&len.to_be_bytes());
        self.send(&out);
    }

    /// First says that the answer comes later, then sends it as a message.
    pub(crate) fn answer_later(&mut self, call: &Call, data: &[u8]) {
        self.answer(call, WAIT_FOR_ANSWER, &1i32.to_be_bytes());
        thread::sleep(Duration::from_millis(400));
        let inner = message(call.stream, OK, data);
        self.send(&message([0, 0], ATTENTION, &[&5008i32.to_be_bytes()[..], &[0; 4], &inner].concat()));
    }

    pub(crate) fn wait(&self, milliseconds: u64) {
        thread::sleep(Duration::from_millis(milliseconds));
    }
}

/// What an honest server's answer to a request holds, for a file with these bytes.
pub(crate) fn honest(call: &Call, file: &[u8]) -> Vec<u8> {
    let stat = format!("7 {} 16 1700000000\0", file.len());
    match call.kind {
        Kind::Protocol => [0x0500u32.to_be_bytes(), 1u32.to_be_bytes()].concat(),
        Kind::Login => vec![5; 16],
        Kind::Open => [&[1, 2, 3, 4], &[0; 8][..], stat.as_bytes()].concat(),
        Kind::Stat => stat.into_bytes(),
        Kind::Read => {
            let (at, len) = (call.number_at(8), call.number_at(12));
            file[at.min(file.len())..(at + len).min(file.len())].to_vec()
        }
        Kind::Readv => {
            let mut out = Vec::new();
            for element in call.data.chunks_exact(16) {
                let number = |at: usize| {
                    u32::from_be_bytes(element[at..at + 4].try_into().expect("four bytes")) as usize
                };
                out.extend_from_slice(element);
                out.extend_from_slice(&file[number(12)..number(12) + number(4)]);
            }
            out
        }
        Kind::Auth | Kind::Close | Kind::EndSession | Kind::Other(_) => Vec::new(),
    }
}

/// A server on a free port, which lives until the process ends.
pub(crate) struct Server {
    pub(crate) port: u16,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Server {
    pub(crate) fn start(answer: impl Fn(&Call, &mut Peer<'_>) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let calls = Arc::default();
        let (seen, answer) = (Arc::clone(&calls), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                thread::spawn(move || serve(&stream, &seen, &*answer));
            }
        });
        Self { port, calls }
    }

    pub(crate) fn url(&self) -> String {
        format!("root://127.0.0.1:{}//data/codecs.root", self.port)
    }

    pub(crate) fn calls(&self, kind: Kind) -> Vec<Call> {
        let calls = self.calls.lock().expect("the list of requests");
        calls.iter().filter(|call| call.kind == kind).cloned().collect()
    }
}

fn serve(stream: &TcpStream, seen: &Mutex<Vec<Call>>, answer: &dyn Fn(&Call, &mut Peer<'_>)) {
    let mut peer = Peer { stream, is_kept: true };
    let mut handshake = [0; 20];
    if { stream }.read_exact(&mut handshake).is_err() {
        return;
    }
    peer.send(&message([0, 0], OK, &[0, 0, 5, 0, 0, 0, 0, 1]));
    while peer.is_kept {
        let Some(mut call) = read(stream) else { return };
        {
            let mut seen = seen.lock().expect("the list of requests");
            call.number = seen.iter().filter(|other| other.kind == call.kind).count();
            seen.push(call.clone());
        }
        if call.kind != Kind::EndSession {
            answer(&call, &mut peer);
        }
    }
}

fn read(mut stream: &TcpStream) -> Option<Call> {
    let mut head = [0; 24];
    stream.read_exact(&mut head).ok()?;
    let mut data = vec![0; u32::from_be_bytes(head[20..].try_into().ok()?) as usize];
    stream.read_exact(&mut data).ok()?;
    let kind = match u16::from_be_bytes([head[2], head[3]]) {
        3000 => Kind::Auth,
        3003 => Kind::Close,
        3006 => Kind::Protocol,
        3007 => Kind::Login,
        3010 => Kind::Open,
        3013 => Kind::Read,
        3017 => Kind::Stat,
        3023 => Kind::EndSession,
        3025 => Kind::Readv,
        other => Kind::Other(other),
    };
    Some(Call { number: 0, kind, stream: [head[0], head[1]], parameters: head[4..20].try_into().ok()?, data })
}
