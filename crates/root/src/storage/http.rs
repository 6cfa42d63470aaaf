//! Files on HTTP servers, by requests for ranges (RFC 9110, section 14).

use std::io::{ErrorKind, Read};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ureq::http::{Response, Uri};
use ureq::{Agent, Body, ResponseExt};

use super::pace::Pace;
use super::{BLOCK, Fault, Found, Limits, RemoteOptions, Storage, Url};
use crate::http;

/// A request costs as much as a hundred kilobytes or so on most connections.
const GAP: u64 = 64 << 10;
/// Bytes that a request asks for, if no single range is longer.
const REQUEST: u64 = 8 << 20;
const PARALLEL: usize = 6;

/// The largest file that is fetched in one piece from a server that hands out no ranges.
const LARGEST_WHOLE: u64 = 256 << 20;

/// What is read of the text that comes with an error.
const LARGEST_DETAILS: u64 = 4 << 10;

/// What a buffer starts with; beyond that it grows as bytes come, whatever a server has promised.
const FIRST_BUFFER: usize = 1 << 20;

/// How the address of a request is made.
pub(super) enum Address {
    Fixed(String),
    /// With a signature, which is new for each request.
    #[cfg(feature = "s3")]
    Signed(Box<super::s3::Object>),
}

impl Address {
    fn text(&self) -> String {
        match self {
            Self::Fixed(text) => text.clone(),
            #[cfg(feature = "s3")]
            Self::Signed(object) => object.address(),
        }
    }
}

/// A file on a server that hands out ranges.
struct Http {
    agent: Agent,
    address: Address,
    timeout: Duration,
    version: Version,
    /// Where the first answer came from, if that was another address: later requests save the redirect.
    direct: Mutex<Option<String>>,
}

/// What identifies the content of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    len: u64,
    etag: Option<String>,
    modified: Option<String>,
    /// Copies of a file on several servers have the same length, but not the same ETag.
    authority: String,
}

impl Version {
    /// What differs in a later answer.
    fn change(&self, now: &Self) -> Option<String> {
        if self.len != now.len {
            return Some(format!("it had {} bytes, now it has {}", self.len, now.len));
        }
        if self.authority != now.authority {
            return None;
        }
        [("ETag", &self.etag, &now.etag), ("Last-Modified", &self.modified, &now.modified)]
            .into_iter()
            .find_map(|(name, before, now)| match (before, now) {
                (Some(before), Some(now)) if before != now => {
                    Some(format!("its {name} was {before}, now it is {now}"))
                }
                _ => None,
            })
    }
}

/// A server's answer to a request for a range.
enum Answer {
    Part {
        range: Range<u64>,
        version: Version,
        at: Uri,
        body: Body,
    },
    /// All bytes, and how many they are where the server says it.
    Whole {
        len: Option<u64>,
        body: Body,
    },
    /// There is no such range.
    Nothing {
        len: Option<u64>,
    },
}

pub(super) fn open(url: &Url, options: &RemoteOptions) -> Result<Found, Fault> {
    find(Address::Fixed(url.text().to_owned()), options)
}

pub(super) fn find(address: Address, options: &RemoteOptions) -> Result<Found, Fault> {
    let agent = http::agent(options.connect_timeout, options.read_timeout, PARALLEL);
    let timeout = options.read_timeout;
    let text = address.text();
    match ask(&agent, &text, &(0..BLOCK), timeout)? {
        Answer::Part { range, version, at, body } => {
            let expected = 0..version.len.min(BLOCK);
            if range != expected {
                return Err(Fault::again(format!(
                    "asked for the bytes {expected:?}, the server sent {range:?}"
                )));
            }
            let first = receive(body, expected.end, timeout)?;
            let is_fixed = matches!(address, Address::Fixed(_));
            let direct = (is_fixed && at != text.as_str()).then(|| at.to_string());
            let storage = Http { agent, address, timeout, version, direct: Mutex::new(direct) };
            Ok(Found::Parts { storage: Box::new(storage), first })
        }
        Answer::Whole { len, body } => whole(body, len, timeout).map(Found::Whole),
        Answer::Nothing { len: None | Some(0) } => Ok(Found::Whole(Vec::new())),
        Answer::Nothing { len: Some(len) } => {
            Err(Fault::again(format!("the server has no first bytes of a file of {len}")))
        }
    }
}

impl Storage for Http {
    fn len(&self) -> u64 {
        self.version.len
    }

    fn limits(&self) -> Limits {
        Limits { gap: GAP, bytes: REQUEST, spans: 1, parallel: PARALLEL }
    }

    fn read(&self, spans: &[Range<u64>], attempt: u32) -> Result<Vec<Vec<u8>>, Fault> {
        spans.iter().map(|span| self.part(span, attempt)).collect()
    }
}

impl Http {
    fn part(&self, span: &Range<u64>, attempt: u32) -> Result<Vec<u8>, Fault> {
        let mut direct = self.direct.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if attempt > 1 {
            direct = None;
        }
        let is_direct = direct.is_some();
        let address = direct.unwrap_or_else(|| self.address.text());
        let answer = ask(&self.agent, &address, span, self.timeout);
        let answer = answer.map_err(|fault| {
            // Where a redirect led to may be valid for a while only: the next attempt starts from the front.
            Fault { again: fault.again || is_direct, ..fault }
        });
        match answer? {
            Answer::Part { range, version, body, .. } => {
                if let Some(change) = self.version.change(&version) {
                    return Err(Fault::last(format!("the file changed while it was read: {change}")));
                }
                if range != *span {
                    return Err(Fault::again(format!(
                        "asked for the bytes {span:?}, the server sent {range:?}"
                    )));
                }
                receive(body, span.end - span.start, self.timeout)
            }
            Answer::Whole { .. } => Err(Fault::again("the server hands out no ranges any more")),
            Answer::Nothing { len } => {
                let len = len.map_or_else(|| "unknown".to_owned(), |len| len.to_string());
                Err(Fault::last(format!(
                    "the file changed while it was read: it had {} bytes, its size is {len} now",
                    self.version.len
                )))
            }
        }
    }
}

/// Asks for a range, redirects followed.
fn ask(agent: &Agent, address: &str, range: &Range<u64>, timeout: Duration) -> Result<Answer, Fault> {
    let value = format!("bytes={}-{}", range.start, range.end.saturating_sub(1));
    let answer = agent.get(address).header("Range", value).call();
    let answer = answer.map_err(|error| match error {
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
            Fault::last(format!("the address cannot be used: {error}"))
        }
        ureq::Error::TooManyRedirects | ureq::Error::RedirectFailed => Fault::last(error.to_string()),
        _ => Fault::again(error.to_string()),
    })?;
    interpret(answer, timeout)
}

fn interpret(answer: Response<Body>, timeout: Duration) -> Result<Answer, Fault> {
    let at = answer.get_uri().clone();
    let authority = at.authority().map(ToString::to_string).unwrap_or_default();
    let status = answer.status();
    let headers = answer.headers();
    http::check_encoding(headers).map_err(Fault::last)?;
    match status.as_u16() {
        200 => {
            let len = http::content_length(headers).map_err(Fault::again)?;
            Ok(Answer::Whole { len, body: answer.into_body() })
        }
        206 => {
            let (range, len) = http::part(headers).map_err(Fault::again)?;
            // How long the file is must be known.
            let Some(len) = len else {
                return Err(Fault::again("the answer 206 does not tell the size of the file"));
            };
            let text = |name| http::text(headers, name).map(str::to_owned);
            let version = Version { len, etag: text("etag"), modified: text("last-modified"), authority };
            Ok(Answer::Part { range, version, at, body: answer.into_body() })
        }
        416 => Ok(Answer::Nothing { len: http::total(headers) }),
        _ => {
            let wait = http::retry_after(headers);
            let reason = format!("{authority} answered {status}{}", details(answer.into_body(), timeout));
            Err(match http::may_pass(status) {
                true => Fault { wait, ..Fault::again(reason) },
                false => Fault::last(reason),
            })
        }
    }
}

/// What S3 servers say of an error beside its status.
fn details(body: Body, timeout: Duration) -> String {
    let Ok(bytes) = up_to(body, LARGEST_DETAILS, timeout) else { return String::new() };
    let text = String::from_utf8_lossy(&bytes);
    let field = |name: &str| Some(text.split_once(&format!("<{name}>"))?.1.split_once("</")?.0);
    match (field("Code"), field("Message")) {
        (Some(code), Some(message)) => format!(" ({code}: {message})"),
        (Some(code), None) => format!(" ({code})"),
        _ => String::new(),
    }
}

/// A body of exactly so many bytes.
fn receive(body: Body, len: u64, timeout: Duration) -> Result<Vec<u8>, Fault> {
    let bytes = up_to(body, len, timeout)?;
    match bytes.len() as u64 {
        got if got == len => Ok(bytes),
        got if got > len => Err(Fault::again(format!("more than the {len} bytes came that were announced"))),
        got => Err(Fault::again(format!("the connection ended after {got} of {len} bytes"))),
    }
}

/// A whole file, from a server that hands out no ranges.
fn whole(body: Body, len: Option<u64>, timeout: Duration) -> Result<Vec<u8>, Fault> {
    let most = LARGEST_WHOLE >> 20;
    if let Some(len) = len {
        if len > LARGEST_WHOLE {
            let reason = format!(
                "the server hands out no ranges, and the file's {len} bytes are more than {most} MiB"
            );
            return Err(Fault::last(reason));
        }
        return receive(body, len, timeout);
    }
    let bytes = up_to(body, LARGEST_WHOLE, timeout)?;
    if bytes.len() as u64 > LARGEST_WHOLE {
        return Err(Fault::last(format!(
            "the server hands out no ranges, and the file has more than {most} MiB"
        )));
    }
    Ok(bytes)
}

/// The bytes of a body, to its end, so that the connection is free for another request: `most`, and one to see that
/// there are more.
fn up_to(body: Body, most: u64, timeout: Duration) -> Result<Vec<u8>, Fault> {
    let mut body = body.into_reader().take(most.saturating_add(1));
    let mut out = Vec::with_capacity(FIRST_BUFFER.min((most as usize).saturating_add(1)));
    let mut buffer = vec![0; 64 << 10];
    let mut pace = Pace::new(timeout);
    loop {
        match body.read(&mut buffer) {
            Ok(0) => return Ok(out),
            Ok(read) => {
                out.extend_from_slice(&buffer[..read]);
                pace.came(read)?;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Fault::again(format!("{error}, after {} bytes", out.len()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        let version = |len, etag: &str, modified: &str, authority: &str| Version {
            len,
            etag: (!etag.is_empty()).then(|| etag.to_owned()),
            modified: (!modified.is_empty()).then(|| modified.to_owned()),
            authority: authority.to_owned(),
        };
        let before = version(10, "\"a\"", "Monday", "host");
        for (what, now, change) in [
            ("the same", version(10, "\"a\"", "Monday", "host"), None),
            ("another length", version(11, "\"a\"", "Monday", "host"), Some("had 10 bytes, now it has 11")),
            ("another ETag", version(10, "\"b\"", "Monday", "host"), Some("ETag was \"a\", now it is \"b\"")),
            ("another date", version(10, "", "Tuesday", "host"), Some("Last-Modified was Monday")),
            ("no more ETag", version(10, "", "", "host"), None),
            ("a copy elsewhere", version(10, "\"b\"", "Tuesday", "other"), None),
            ("another file elsewhere", version(9, "\"b\"", "", "other"), Some("had 10 bytes, now it has 9")),
        ] {
            let found = before.change(&now);
            assert_eq!(found.is_some(), change.is_some(), "{what}: {found:?}");
            assert!(found.unwrap_or_default().contains(change.unwrap_or_default()), "{what}");
        }
    }
}
