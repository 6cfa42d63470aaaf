//! The messages of the XRootD protocol, as its specification, version 5, lays them out: big-endian, a header of 24 bytes
//! for a request and of 8 for an answer, then data.

use super::super::Fault;
use super::super::url::{Url, split_port};

/// The port where a server listens unless its address says otherwise.
pub(super) const PORT: u16 = 1094;

/// The client's first message: it asks for this protocol.
pub(super) const HANDSHAKE: [u8; 20] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0x07, 0xDC];

/// The version of the protocol that this client speaks: 4.0, which redirects by whole addresses and knows no TLS.
const PROTOCOL: u32 = 0x0400;

/// Positions of a vector read's ranges take 16 bytes each, in the request and in the answer.
pub(super) const ELEMENT: usize = 16;
/// Ranges in one vector read.
pub(super) const ELEMENTS: usize = 1024;
/// Bytes in one range of a vector read: 2 MiB with the answer's 16 bytes.
pub(super) const ELEMENT_BYTES: u64 = (2 << 20) - ELEMENT as u64;

/// What an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    /// A part of the answer; more follows.
    OkSoFar,
    /// A message that was not asked for, or an answer that was announced.
    Attention,
    /// More is needed to know who the client is.
    AuthMore,
    Error,
    Redirect,
    /// The request is to be made again after a while.
    Wait,
    /// The answer will come after a while.
    WaitForAnswer,
}

impl Status {
    pub(super) fn of(code: u16) -> Option<Self> {
        Some(match code {
            0 => Self::Ok,
            4000 => Self::OkSoFar,
            4001 => Self::Attention,
            4002 => Self::AuthMore,
            4003 => Self::Error,
            4004 => Self::Redirect,
            4005 => Self::Wait,
            4006 => Self::WaitForAnswer,
            _ => return None,
        })
    }
}

/// A request: its number, its parameters of 16 bytes, its data.
#[derive(Debug, Clone)]
pub(super) struct Request {
    code: u16,
    parameters: [u8; 16],
    data: Vec<u8>,
}

impl Request {
    fn new(code: u16, parts: &[&[u8]], data: Vec<u8>) -> Self {
        let mut parameters = [0; 16];
        let mut at = 0;
        for part in parts {
            parameters[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        Self { code, parameters, data }
    }

    pub(super) fn protocol() -> Self {
        Self::new(3006, &[&PROTOCOL.to_be_bytes()], Vec::new())
    }

    /// Who asks. `token` is what a redirect has handed over.
    pub(super) fn login(user: &str, token: &str) -> Self {
        let mut name = [0; 8];
        let user = user.as_bytes();
        let len = user.len().min(name.len());
        name[..len].copy_from_slice(&user[..len]);
        // The client understands redirects by whole addresses (1), answers out of turn (128) and version 4 of logins.
        let abilities = [0, 1, 128 | 4, 0];
        Self::new(3007, &[&std::process::id().to_be_bytes(), &name, &abilities], token.as_bytes().to_vec())
    }

    /// The user's name and group, which the server may believe.
    pub(super) fn auth_unix(user: &str) -> Self {
        let mut data = b"unix\0".to_vec();
        data.extend_from_slice(user.as_bytes());
        data.push(0);
        Self::new(3000, &[&[0; 12], b"unix"], data)
    }

    /// For reading; the answer says the size too.
    pub(super) fn open(path: &str) -> Self {
        let (read, with_stat) = (0x0010u16, 0x0400u16);
        Self::new(3010, &[&[0; 2], &(read | with_stat).to_be_bytes()], path.as_bytes().to_vec())
    }

    pub(super) fn stat(path: &str) -> Self {
        Self::new(3017, &[], path.as_bytes().to_vec())
    }

    pub(super) fn read(handle: [u8; 4], offset: u64, len: u32) -> Self {
        Self::new(3013, &[&handle, &offset.to_be_bytes(), &len.to_be_bytes()], Vec::new())
    }

    pub(super) fn readv(handle: [u8; 4], elements: &[(u64, u32)]) -> Self {
        let data = elements.iter().flat_map(|(offset, len)| element(handle, *offset, *len)).collect();
        Self::new(3025, &[], data)
    }

    pub(super) fn close(handle: [u8; 4]) -> Self {
        Self::new(3003, &[&handle], Vec::new())
    }

    pub(super) fn end_session(session: &[u8; 16]) -> Self {
        Self::new(3023, &[session], Vec::new())
    }

    /// As it is sent.
    pub(super) fn bytes(&self, stream: [u8; 2]) -> Vec<u8> {
        let mut out = Vec::with_capacity(24 + self.data.len());
        out.extend_from_slice(&stream);
        out.extend_from_slice(&self.code.to_be_bytes());
        out.extend_from_slice(&self.parameters);
        // A path or a list of at most 1,024 ranges: far below 2 GiB.
        out.extend_from_slice(&(self.data.len() as u32).to_be_bytes());
        out.extend_from_slice(&self.data);
        out
    }
}

/// A range of a vector read: in the request, and before its bytes in the answer.
fn element(handle: [u8; 4], offset: u64, len: u32) -> [u8; ELEMENT] {
    let mut out = [0; ELEMENT];
    out[..4].copy_from_slice(&handle);
    out[4..8].copy_from_slice(&len.to_be_bytes());
    out[8..].copy_from_slice(&offset.to_be_bytes());
    out
}

/// Takes the ranges' bytes out of the answer to a vector read. The handle is not looked at: some servers change it.
pub(super) fn elements<'a>(mut answer: &'a [u8], asked: &[(u64, u32)]) -> Result<Vec<&'a [u8]>, Fault> {
    let mut out = Vec::with_capacity(asked.len());
    for &(offset, len) in asked {
        let expected = element([0; 4], offset, len);
        let Some((head, rest)) = answer.split_at_checked(ELEMENT) else {
            return Err(Fault::again("a vector read's answer ends early"));
        };
        if head[4..] != expected[4..] {
            return Err(Fault::again(format!(
                "a vector read's answer is not for the {len} bytes from {offset} on"
            )));
        }
        let Some((bytes, rest)) = rest.split_at_checked(len as usize) else {
            return Err(Fault::again("a vector read's answer ends early"));
        };
        out.push(bytes);
        answer = rest;
    }
    Ok(out)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// A number and the text after it: of an error, a wait.
pub(super) fn number_and_text(body: &[u8]) -> (u32, String) {
    let text = body.get(4..).unwrap_or_default();
    let text = text.split(|&b| b == 0).next().unwrap_or_default();
    (u32_at(body, 0).unwrap_or(0), String::from_utf8_lossy(text).trim().to_owned())
}

/// An error that the server reports.
pub(super) fn error(server: &str, body: &[u8]) -> Fault {
    let (code, text) = number_and_text(body);
    let reason = format!("{server} answered error {code}: {text}");
    match code {
        // A file's handle is lost, the server or its disk is in trouble, or too much is asked of it.
        3004 | 3005 | 3007 | 3012 | 3024 => Fault::again(reason),
        3028 => Fault::last(format!("{reason} (XRootD over TLS is not supported)")),
        _ => Fault::last(reason),
    }
}

/// Where a request is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) host: String,
    pub(super) port: u16,
    /// What a redirect wants to be added to the path.
    pub(super) opaque: String,
    /// What a redirect wants to be told at login.
    pub(super) token: String,
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// Reads a redirect: a port, then `host[?opaque[?token]]`, or a port below zero and a whole address.
pub(super) fn redirect(server: &str, body: &[u8]) -> Result<Target, Fault> {
    let (port, text) = number_and_text(body);
    let broken = || Fault::again(format!("{server} redirects to {text:?}, which is no address"));
    if let Some(url) = Url::parse(&text) {
        if !matches!(url.scheme(), "root" | "xroot") {
            return Err(Fault::last(format!(
                "{server} redirects to {}://, which is not supported",
                url.scheme()
            )));
        }
        let (opaque, token) = url.query().split_once('?').unwrap_or((url.query(), ""));
        let host = url.host().to_owned();
        if host.is_empty() {
            return Err(broken());
        }
        return Ok(Target {
            host,
            port: url.port().unwrap_or(PORT),
            opaque: opaque.into(),
            token: token.into(),
        });
    }
    let mut parts = text.splitn(3, '?');
    let (host, opaque, token) = (parts.next(), parts.next(), parts.next());
    let (host, own_port) = split_port(host.unwrap_or_default());
    let port = match u16::try_from(port) {
        Ok(0) | Err(_) => own_port.unwrap_or(PORT),
        Ok(port) => port,
    };
    if host.is_empty()
        || !host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':'))
    {
        return Err(broken());
    }
    let text = |part: Option<&str>| part.unwrap_or_default().to_owned();
    Ok(Target { host: host.to_owned(), port, opaque: text(opaque), token: text(token) })
}

/// Reads the text of a stat, `id size flags time`: the size and the time.
pub(super) fn stat(text: &[u8]) -> Option<(u64, String)> {
    let text = String::from_utf8_lossy(text);
    let mut words = text.trim_matches('\0').split_ascii_whitespace().skip(1);
    let size = u64::try_from(words.next()?.parse::<i64>().ok()?).ok()?;
    Some((size, words.nth(1).unwrap_or_default().trim_matches('\0').to_owned()))
}

/// The ways to say who one is that a server offers: `&P=gsi,v:10600&P=unix`.
pub(super) fn protocols(security: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(security);
    let names = text.split("&P=").skip(1).filter_map(|part| part.split([',', '&', '\0']).next());
    names.map(|name| name.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects() {
        let target = |host: &str, port, opaque: &str, token: &str| {
            Some(Target { host: host.into(), port, opaque: opaque.into(), token: token.into() })
        };
        for (port, text, expected) in [
            (1095, "a.org", target("a.org", 1095, "", "")),
            (0, "a.org", target("a.org", 1094, "", "")),
            (7, "::1", target("::1", 7, "", "")),
            (7, "[::1]?x=1", target("::1", 7, "x=1", "")),
            (1095, "a.org?cap=1&k=2?tok", target("a.org", 1095, "cap=1&k=2", "tok")),
            (-1, "root://a.org:1096//p?cap=1?tok", target("a.org", 1096, "cap=1", "tok")),
            (-1, "roots://a.org:1096//p", None),
            (-1, "https://a.org/p", None),
            (-1, "root://", None),
            (1095, "", None),
            (1095, "?x", None),
            (1095, "a b", None),
        ] {
            let mut body = i32::to_be_bytes(port).to_vec();
            body.extend_from_slice(text.as_bytes());
            assert_eq!(redirect("s", &body).ok(), expected, "{port} {text}");
        }
        assert!(redirect("s", &[1]).is_err());
    }

    #[test]
    fn texts() {
        for (text, expected) in [
            ("123 4567 16 1700000000\0", Some((4567, "1700000000"))),
            ("123 4567 16", Some((4567, ""))),
            ("123", None),
            ("1 -5 16 17", None),
            ("1 18446744073709551615 16 17", None),
            ("", None),
        ] {
            let expected = expected.map(|(size, time)| (size, time.to_owned()));
            assert_eq!(stat(text.as_bytes()), expected, "{text}");
        }
        for (text, expected) in [
            ("&P=unix\0", ["unix"].as_slice()),
            ("&P=gsi,v:10600,c:ssl&P=unix", &["gsi", "unix"]),
            ("&P=ztn,0:4096:", &["ztn"]),
            ("", &[]),
        ] {
            assert_eq!(protocols(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn answers_to_vector_reads_must_fit() {
        let asked = [(10, 3), (100, 2)];
        let mut right = element([9; 4], 10, 3).to_vec();
        right.extend_from_slice(b"abc");
        right.extend_from_slice(&element([9; 4], 100, 2));
        right.extend_from_slice(b"de");
        assert_eq!(elements(&right, &asked).expect("it is right"), [b"abc".as_slice(), b"de"]);
        for len in 0..right.len() {
            assert!(elements(&right[..len], &asked).is_err(), "{len}");
        }
        assert!(elements(&right, &[(10, 3), (101, 2)]).is_err());
        assert!(elements(&right, &[(10, 4), (100, 2)]).is_err());
    }
}
