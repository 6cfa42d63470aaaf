//! Files on XRootD servers (`root://`), by a client of our own: blocking, without TLS.
//!
//! Logins are anonymous or by the user's name ("unix"). Each of the connections that are made at once has a session and an
//! open file of its own; after a failure it is given up, and the next attempt starts at the first server again.

mod session;
mod wire;

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use self::session::{Connected, OpenReply, Session};
use self::wire::Target;
use super::{BLOCK, Fault, Found, Limits, RemoteOptions, Storage, Url};

/// A vector read takes ranges that are apart; only what costs less than the 32 bytes of another one, and a seek of the
/// server's disk, is read along.
const GAP: u64 = 4 << 10;
/// Bytes that a request asks for, if no single range is longer.
const REQUEST: u64 = 8 << 20;
const PARALLEL: usize = 4;
/// Bytes that one read asks for.
const READ: u64 = 16 << 20;
/// Redirects from the first server to the one that has the file. A federation has five levels or so.
const MOST_REDIRECTS: usize = 16;

/// How a file is reached.
struct Route {
    first: Target,
    path: String,
    user: String,
    options: RemoteOptions,
}

impl Route {
    fn new(url: &Url, options: &RemoteOptions) -> Result<Self, Fault> {
        if url.host().is_empty() {
            return Err(Fault::last("a root:// address is root://HOST[:PORT]//PATH"));
        }
        // `root://host//path` has the path `/path`. With one slash a path would be relative, which servers refuse.
        let path = format!("/{}", url.path().trim_start_matches('/'));
        if path == "/" {
            return Err(Fault::last("a root:// address is root://HOST[:PORT]//PATH"));
        }
        let path = if url.query().is_empty() { path } else { format!("{path}?{}", url.query()) };
        let user = match url.user() {
            "" => ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok()).unwrap_or_default(),
            user => user.to_owned(),
        };
        let mut user: String = user.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
        if user.is_empty() {
            user = "nobody".to_owned();
        }
        let port = url.port().unwrap_or(wire::PORT);
        let first = Target { host: url.host().to_owned(), port, opaque: String::new(), token: String::new() };
        Ok(Self { first, path, user, options: options.clone() })
    }

    /// Follows redirects to the server that opens the file.
    fn open(&self) -> Result<(Session, u64, String), Fault> {
        let mut target = self.first.clone();
        let mut servers = vec![target.to_string()];
        while servers.len() <= MOST_REDIRECTS + 1 {
            target = match Session::connect(&target, &self.user, &self.options)? {
                Connected::Elsewhere(target) => target,
                Connected::Session(mut session) => match session.open(&self.path_at(&target))? {
                    OpenReply::File((size, time)) => return Ok((session, size, time)),
                    OpenReply::Elsewhere(target) => target,
                },
            };
            servers.push(target.to_string());
        }
        servers.truncate(4);
        Err(Fault::last(format!("more than {MOST_REDIRECTS} redirects: {}, ...", servers.join(", "))))
    }

    fn path_at(&self, target: &Target) -> String {
        match target.opaque.as_str() {
            "" => self.path.clone(),
            opaque if self.path.contains('?') => format!("{}&{opaque}", self.path),
            opaque => format!("{}?{opaque}", self.path),
        }
    }
}

/// A file on an XRootD server.
struct Xrootd {
    route: Route,
    len: u64,
    /// Where the file was found first, and the time of its last change there.
    found: (String, String),
    idle: Mutex<Vec<Session>>,
}

pub(super) fn open(url: &Url, options: &RemoteOptions) -> Result<Found, Fault> {
    let route = Route::new(url, options)?;
    let (mut session, len, time) = route.open()?;
    let first = session.read_all(&(0..len.min(BLOCK)))?;
    let found = (session.server.clone(), time);
    let storage = Xrootd { route, len, found, idle: Mutex::new(vec![session]) };
    Ok(Found::Parts { storage: Box::new(storage), first })
}

impl Session {
    /// A range of any length.
    fn read_all(&mut self, range: &Range<u64>) -> Result<Vec<u8>, Fault> {
        let mut out = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let len = (range.end - at).min(READ);
            let bytes = self.read(at, len as u32)?;
            if out.is_empty() {
                out = bytes;
            } else {
                out.extend_from_slice(&bytes);
            }
            at += len;
        }
        Ok(out)
    }

    /// Several ranges of any length, by as many vector reads as it takes.
    fn read_vector(&mut self, spans: &[Range<u64>]) -> Result<Vec<Vec<u8>>, Fault> {
        let pieces = pieces(spans);
        let mut out: Vec<Vec<u8>> = spans.iter().map(|_| Vec::new()).collect();
        for pieces in pieces.chunks(wire::ELEMENTS) {
            let asked: Vec<_> = pieces.iter().map(|&(_, offset, len)| (offset, len)).collect();
            let answer = self.readv(&asked)?;
            for (&(span, ..), bytes) in pieces.iter().zip(wire::elements(&answer, &asked)?) {
                out[span].extend_from_slice(bytes);
            }
        }
        Ok(out)
    }
}

/// Cuts ranges into pieces that a vector read may have: the range's number, the position, the length.
fn pieces(spans: &[Range<u64>]) -> Vec<(usize, u64, u32)> {
    let mut out = Vec::with_capacity(spans.len());
    for (number, span) in spans.iter().enumerate() {
        let mut at = span.start;
        while at < span.end {
            let len = (span.end - at).min(wire::ELEMENT_BYTES);
            out.push((number, at, len as u32));
            at += len;
        }
    }
    out
}

impl Storage for Xrootd {
    fn len(&self) -> u64 {
        self.len
    }

    fn limits(&self) -> Limits {
        Limits { gap: GAP, bytes: REQUEST, spans: wire::ELEMENTS, parallel: PARALLEL }
    }

    fn read(&self, spans: &[Range<u64>], attempt: u32) -> Result<Vec<Vec<u8>>, Fault> {
        let mut session = self.session(attempt)?;
        let answer = match spans {
            [span] => session.read_all(span).map(|bytes| vec![bytes]),
            spans => session.read_vector(spans),
        };
        if answer.is_ok() {
            self.idle().push(session);
        }
        answer
    }
}

impl Xrootd {
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session that is free, or a new one: after a failure the free ones may be as dead as the one that failed.
    fn session(&self, attempt: u32) -> Result<Session, Fault> {
        if attempt == 1 {
            if let Some(session) = self.idle().pop() {
                return Ok(session);
            }
        } else {
            let old = std::mem::take(&mut *self.idle());
            drop(old);
        }
        let (session, len, time) = self.route.open()?;
        if len != self.len {
            let reason =
                format!("the file changed while it was read: it had {} bytes, now it has {len}", self.len);
            return Err(Fault::last(reason));
        }
        if session.server == self.found.0 && time != self.found.1 {
            let reason = format!("the file changed while it was read: at {}, then at {time}", self.found.1);
            return Err(Fault::last(reason));
        }
        Ok(session)
    }
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "ranges are what is tested")]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_no_longer_than_may_be() {
        let most = wire::ELEMENT_BYTES;
        for (spans, expected) in [
            ([].as_slice(), [].as_slice()),
            (&[5..6, 10..20], &[(0, 5, 1), (1, 10, 10)]),
            (&[0..most], &[(0, 0, most as u32)]),
            (
                &[7..7 + 2 * most + 1],
                &[(0, 7, most as u32), (0, 7 + most, most as u32), (0, 7 + 2 * most, 1)],
            ),
        ] {
            assert_eq!(pieces(spans), expected, "{spans:?}");
        }
    }

    #[test]
    fn paths_and_users() {
        let options = RemoteOptions::default();
        for (url, path, user) in [
            ("root://me@h//eos/x.root", "/eos/x.root", Some("me")),
            ("root://h/eos/x.root", "/eos/x.root", None),
            ("root://a-very-long-name@h//x?a=b", "/x?a=b", Some("averylon")),
        ] {
            let route =
                Route::new(&Url::parse(url).expect("it is an address"), &options).expect("it is whole");
            assert_eq!(route.path, path, "{url}");
            assert!(user.is_none_or(|user| route.user == user), "{url}: {}", route.user);
        }
        for url in ["root://", "root://h", "root://h//"] {
            assert!(Route::new(&Url::parse(url).expect("it is an address"), &options).is_err(), "{url}");
        }
    }
}
