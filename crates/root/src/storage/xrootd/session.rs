//! A connection to an XRootD server: one request at a time, and all that a server may answer to it.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::super::pace::Pace;
use super::super::{Fault, RemoteOptions};
use super::wire::{self, Request, Status, Target};

/// The most that an answer may have that is no data: a redirect with its tokens, an error's text.
const LARGEST_MESSAGE: usize = 64 << 10;
/// Messages between a request and its answer. A server with more to say does not answer at all.
const MOST_MESSAGES: usize = 1000;
/// For a server that asks to wait for no time at all, again and again.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);
/// How long the end of a session may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// Of an answer: which request it is for, what it is, and how many bytes follow.
type Header = ([u8; 2], Option<Status>, usize);

/// What came of a request.
pub(super) enum Reply {
    Data(Vec<u8>),
    Elsewhere(Target),
}

impl Reply {
    /// Where a redirect makes no sense: the request is to be made anew, from the first server on.
    pub(super) fn data(self) -> Result<Vec<u8>, Fault> {
        match self {
            Self::Data(data) => Ok(data),
            Self::Elsewhere(target) => {
                Err(Fault::again(format!("redirected to {target} in the middle of the file")))
            }
        }
    }
}

/// An open connection, logged in.
pub(super) struct Session {
    stream: TcpStream,
    /// `host:port`, for messages.
    pub(super) server: String,
    id: [u8; 16],
    next: u16,
    timeout: Duration,
    patience: Duration,
    /// Whether the next answer is to be expected where it should stand: after an error it may not.
    is_sound: bool,
    handle: Option<[u8; 4]>,
}

/// A session, or where to go instead.
pub(super) enum Connected {
    Session(Session),
    Elsewhere(Target),
}

impl Session {
    /// Connects and logs in.
    pub(super) fn connect(target: &Target, user: &str, options: &RemoteOptions) -> Result<Connected, Fault> {
        let server = target.to_string();
        let fault = |what: &str, e: &std::io::Error| Fault::again(format!("{what} {server}: {e}"));
        let stream = tcp(target, options.connect_timeout).map_err(|e| fault("cannot connect to", &e))?;
        let set = stream
            .set_nodelay(true)
            .and_then(|()| stream.set_read_timeout(Some(options.read_timeout)))
            .and_then(|()| stream.set_write_timeout(Some(options.read_timeout)));
        set.map_err(|e| fault("cannot use the connection to", &e))?;
        let mut session = Self {
            stream,
            server,
            id: [0; 16],
            next: 1,
            timeout: options.read_timeout,
            patience: options.patience,
            is_sound: true,
            handle: None,
        };
        session.send(&wire::HANDSHAKE)?;
        let (stream, status, len) = session.header()?;
        if stream != [0; 2] || status != Some(Status::Ok) || len != 8 {
            return Err(Fault::again(format!("{} is no XRootD server", session.server)));
        }
        session.take(len)?;
        session.call(&Request::protocol(), LARGEST_MESSAGE)?.data()?;
        let answer = match session.call(&Request::login(user, &target.token), LARGEST_MESSAGE)? {
            Reply::Data(answer) => answer,
            Reply::Elsewhere(target) => return Ok(Connected::Elsewhere(target)),
        };
        if let Some((id, security)) = answer.split_first_chunk() {
            session.id = *id;
            session.authenticate(user, security)?;
        }
        Ok(Connected::Session(session))
    }

    /// Says who the user is, where the server wants to know it.
    fn authenticate(&mut self, user: &str, security: &[u8]) -> Result<(), Fault> {
        let offered = wire::protocols(security);
        if offered.is_empty() {
            return Ok(());
        }
        if !offered.iter().any(|name| name == "unix") {
            let reason = format!(
                "{} wants to know the user by {}: only unix is supported",
                self.server,
                offered.join(", ")
            );
            return Err(Fault::last(reason));
        }
        self.call(&Request::auth_unix(user), LARGEST_MESSAGE)?.data().map(|_| ())
    }

    /// Opens a file: its size and time of change, where the server tells them at once.
    pub(super) fn open(&mut self, path: &str) -> Result<OpenReply, Fault> {
        let answer = match self.call(&Request::open(path), LARGEST_MESSAGE)? {
            Reply::Data(answer) => answer,
            Reply::Elsewhere(target) => return Ok(OpenReply::Elsewhere(target)),
        };
        let Some(handle) = answer.first_chunk() else {
            return Err(Fault::again(format!("{} opens the file without a handle", self.server)));
        };
        self.handle = Some(*handle);
        // After the handle come four bytes and four letters of a compression that no server has.
        let stat = match answer.get(12..).and_then(wire::stat) {
            Some(stat) => stat,
            None => {
                let answer = self.call(&Request::stat(path), LARGEST_MESSAGE)?.data()?;
                let text = || String::from_utf8_lossy(&answer).into_owned();
                wire::stat(&answer)
                    .ok_or_else(|| Fault::again(format!("{} tells the size as {:?}", self.server, text())))?
            }
        };
        Ok(OpenReply::File(stat))
    }

    fn handle(&self) -> Result<[u8; 4], Fault> {
        self.handle.ok_or_else(|| Fault::again("the file is not open"))
    }

    /// Reads a range.
    pub(super) fn read(&mut self, offset: u64, len: u32) -> Result<Vec<u8>, Fault> {
        let bytes = self.call(&Request::read(self.handle()?, offset, len), len as usize)?.data()?;
        if bytes.len() != len as usize {
            let reason = format!("{} sent {} of {len} bytes from {offset} on", self.server, bytes.len());
            return Err(Fault::again(reason));
        }
        Ok(bytes)
    }

    /// Reads several ranges: at most [`wire::ELEMENTS`], of [`wire::ELEMENT_BYTES`] at most.
    pub(super) fn readv(&mut self, asked: &[(u64, u32)]) -> Result<Vec<u8>, Fault> {
        let len = asked.iter().map(|&(_, len)| wire::ELEMENT + len as usize).sum();
        self.call(&Request::readv(self.handle()?, asked), len)?.data()
    }

    /// Makes a request; the data of its answer may have `most` bytes.
    fn call(&mut self, request: &Request, most: usize) -> Result<Reply, Fault> {
        let was_sound = std::mem::replace(&mut self.is_sound, false);
        if !was_sound {
            return Err(Fault::again(format!("the connection to {} was lost", self.server)));
        }
        let mut waited = Duration::ZERO;
        loop {
            let stream = self.next.to_be_bytes();
            self.next = self.next.wrapping_add(1).max(1);
            self.send(&request.bytes(stream))?;
            match self.answer(stream, most)? {
                Answer::Reply(reply) => {
                    self.is_sound = true;
                    return Ok(reply);
                }
                Answer::Refused(fault) => {
                    self.is_sound = true;
                    return Err(fault);
                }
                Answer::Wait(pause, text) => {
                    let pause = pause.max(SHORTEST_WAIT);
                    waited = waited.saturating_add(pause);
                    if waited > self.patience {
                        let (pause, most) = (pause.as_secs(), self.patience.as_secs());
                        let reason = format!(
                            "{} asks to wait for {pause} s ({text}), beyond the {most} s that pauses may add up to",
                            self.server
                        );
                        return Err(Fault::last(reason));
                    }
                    std::thread::sleep(pause);
                }
            }
        }
    }

    /// What comes in answer to a request, messages that were not asked for left out.
    fn answer(&mut self, stream: [u8; 2], most: usize) -> Result<Answer, Fault> {
        let mut data = Vec::new();
        let mut messages = 0;
        while messages < MOST_MESSAGES {
            let (mut from, mut status, mut len) = self.header()?;
            if status == Some(Status::Attention) {
                match self.attention(len)? {
                    Some(inner) => (from, status, len) = inner,
                    None => {
                        messages += 1;
                        continue;
                    }
                }
            }
            if from != stream {
                return Err(Fault::again(format!("{} answers a request that was not made", self.server)));
            }
            let Some(status) = status else {
                return Err(Fault::again(format!("{} sent an answer of no known kind", self.server)));
            };
            let bound = if matches!(status, Status::Ok | Status::OkSoFar) {
                most - data.len()
            } else {
                LARGEST_MESSAGE
            };
            if len > bound {
                let reason = format!("{} announces {len} bytes where {bound} may come", self.server);
                return Err(Fault::again(reason));
            }
            let body = self.take(len)?;
            // Data may come in as many parts as it has bytes.
            messages += usize::from(status != Status::OkSoFar || body.is_empty());
            return Ok(match status {
                Status::Ok | Status::OkSoFar => {
                    if data.is_empty() {
                        data = body;
                    } else {
                        data.extend_from_slice(&body);
                    }
                    if status == Status::Ok {
                        return Ok(Answer::Reply(Reply::Data(data)));
                    }
                    continue;
                }
                Status::Error => Answer::Refused(wire::error(&self.server, &body)),
                Status::Redirect => Answer::Reply(Reply::Elsewhere(wire::redirect(&self.server, &body)?)),
                Status::Wait => {
                    let (seconds, text) = wire::number_and_text(&body);
                    Answer::Wait(Duration::from_secs(u64::from(seconds)), text)
                }
                Status::WaitForAnswer => {
                    self.expect_later(u64::from(wire::number_and_text(&body).0))?;
                    continue;
                }
                Status::AuthMore | Status::Attention => {
                    return Err(Fault::last(format!("{} wants to know more of the user", self.server)));
                }
            });
        }
        Err(Fault::again(format!("{} sends messages, and no answer", self.server)))
    }

    /// A message that was not asked for: `None`, unless it brings an answer that was announced.
    fn attention(&mut self, len: usize) -> Result<Option<Header>, Fault> {
        let Some(rest) = len.checked_sub(4) else {
            return Err(Fault::again(format!("{} sends a message of {len} bytes", self.server)));
        };
        let head = self.take(4)?;
        match wire::u32_at(&head, 0) {
            // The server goes away.
            Some(5001) => Err(Fault::again(format!("{} asks to come back later", self.server))),
            // An answer with a header of its own.
            Some(5008) if rest >= 12 => {
                self.take(4)?;
                let inner = self.header()?;
                if inner.2 != rest - 12 || inner.1 == Some(Status::Attention) {
                    return Err(Fault::again(format!(
                        "{} sends an answer that does not fit its message",
                        self.server
                    )));
                }
                self.stream.set_read_timeout(Some(self.timeout)).map_err(|e| self.lost(&e))?;
                Ok(Some(inner))
            }
            _ if rest <= LARGEST_MESSAGE => self.take(rest).map(|_| None),
            _ => Err(Fault::again(format!("{} sends a message of {len} bytes", self.server))),
        }
    }

    /// The next message may be as late as the server has said, as far as patience goes.
    fn expect_later(&mut self, seconds: u64) -> Result<(), Fault> {
        let later = self.timeout.saturating_add(Duration::from_secs(seconds).min(self.patience));
        self.stream.set_read_timeout(Some(later)).map_err(|e| self.lost(&e))
    }

    fn header(&mut self) -> Result<Header, Fault> {
        let head = self.take(8)?;
        let code = u16::from_be_bytes([head[2], head[3]]);
        let len = wire::u32_at(&head, 4).unwrap_or_default();
        Ok(([head[0], head[1]], Status::of(code), len as usize))
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.stream.write_all(bytes).map_err(|e| self.lost(&e))
    }

    /// Exactly so many bytes. Memory grows as they come, whatever the server has announced.
    fn take(&mut self, len: usize) -> Result<Vec<u8>, Fault> {
        let mut out = Vec::with_capacity(len.min(1 << 20));
        let mut buffer = [0; 16 << 10];
        let mut pace = Pace::new(self.timeout);
        while out.len() < len {
            let room = buffer.len().min(len - out.len());
            match self.stream.read(&mut buffer[..room]) {
                Ok(0) => {
                    let got = out.len();
                    return Err(Fault::again(format!(
                        "{} closed the connection after {got} of {len} bytes",
                        self.server
                    )));
                }
                Ok(n) => {
                    out.extend_from_slice(&buffer[..n]);
                    if out.len() < len {
                        pace.came(n)?;
                    }
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(self.lost(&e)),
            }
        }
        Ok(out)
    }

    fn lost(&self, error: &std::io::Error) -> Fault {
        Fault::again(match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                format!("{} did not answer for {:.1} s", self.server, self.timeout.as_secs_f64())
            }
            _ => format!("the connection to {} was lost: {error}", self.server),
        })
    }

    /// Closes the file and ends the session, as a server likes it; it must not take long.
    fn farewell(&mut self) -> Result<(), Fault> {
        self.stream.set_read_timeout(Some(FAREWELL)).map_err(|e| self.lost(&e))?;
        self.stream.set_write_timeout(Some(FAREWELL)).map_err(|e| self.lost(&e))?;
        self.timeout = FAREWELL;
        self.patience = Duration::ZERO;
        if let Some(handle) = self.handle.take() {
            self.call(&Request::close(handle), LARGEST_MESSAGE)?;
        }
        self.send(&Request::end_session(&self.id).bytes([0, 0]))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.is_sound {
            // A server that does not take it well learns from the closed connection.
            let _ = self.farewell();
        }
    }
}

/// What came of opening a file.
pub(super) enum OpenReply {
    /// The size, and the time of the last change.
    File((u64, String)),
    Elsewhere(Target),
}

enum Answer {
    Reply(Reply),
    Refused(Fault),
    Wait(Duration, String),
}

/// Tries each of a host's addresses.
fn tcp(target: &Target, timeout: Duration) -> std::io::Result<TcpStream> {
    let mut last = std::io::Error::new(ErrorKind::NotFound, "the host has no address");
    for address in (target.host.as_str(), target.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => return Ok(stream),
            Err(e) => last = e,
        }
    }
    Err(last)
}
