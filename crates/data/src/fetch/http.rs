//! What a server says: one request, its status and its headers, read with suspicion.

use std::io::Read;
use std::ops::Range;
use std::time::Duration;

use fiducial_root::http;
use ureq::http::{HeaderMap, Response, StatusCode};
use ureq::{Agent, Body};

use super::FetchOptions;
use super::part::Validator;

/// Why an attempt failed, where another one may not.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) reason: String,
    /// How long the server asked to wait.
    pub(super) wait: Option<Duration>,
}

impl Fault {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), wait: None }
    }
}

/// A server's answer to a request for the bytes from an offset on.
#[derive(Debug)]
pub(super) enum Answer {
    /// All bytes, from the first one.
    Whole { total: Option<u64>, validator: Validator, body: Body },
    /// The bytes from `start` up to and without `end`, of `total`.
    Range { start: u64, end: u64, total: Option<u64>, validator: Validator, body: Body },
    /// There is nothing from that offset on.
    NothingThere { total: Option<u64> },
    /// The server refuses, and would refuse again.
    Refused { status: StatusCode },
}

pub(super) fn agent(options: &FetchOptions) -> Agent {
    // After a server that sent more than it said, the rest would be taken for the next answer: no connection is kept.
    http::agent(options.connect_timeout, options.read_timeout, 0)
}

/// Asks for the bytes from `offset` on.
pub(super) fn ask(agent: &Agent, url: &str, offset: u64, validator: &Validator) -> Result<Answer, Fault> {
    let mut request = agent.get(url);
    if offset > 0 {
        request = request.header("Range", format!("bytes={offset}-"));
        if let Some(value) = validator.if_range() {
            request = request.header("If-Range", value);
        }
    }
    let response = request.call().map_err(|error| Fault::new(error.to_string()))?;
    interpret(response)
}

fn interpret(response: Response<Body>) -> Result<Answer, Fault> {
    let status = response.status();
    let headers = response.headers();
    let validator = validator(headers);
    http::check_encoding(headers).map_err(Fault::new)?;
    match status.as_u16() {
        200 => {
            let total = http::content_length(headers).map_err(Fault::new)?;
            Ok(Answer::Whole { total, validator, body: response.into_body() })
        }
        206 => {
            let (Range { start, end }, total) = http::part(headers).map_err(Fault::new)?;
            Ok(Answer::Range { start, end, total, validator, body: response.into_body() })
        }
        416 => Ok(Answer::NothingThere { total: http::total(headers) }),
        _ if http::may_pass(status) => {
            Err(Fault { reason: format!("the server answered {status}"), wait: http::retry_after(headers) })
        }
        _ => Ok(Answer::Refused { status }),
    }
}

fn validator(headers: &HeaderMap) -> Validator {
    // A weak ETag promises the same meaning, not the same bytes.
    let etag = http::text(headers, "etag").filter(|tag| tag.starts_with('"'));
    Validator {
        etag: etag.map(str::to_owned),
        last_modified: http::text(headers, "last-modified").map(str::to_owned),
    }
}

/// Reads the next bytes of a body; none at its end.
pub(super) fn read(body: &mut impl Read, buffer: &mut [u8]) -> Result<Option<usize>, Fault> {
    loop {
        match body.read(buffer) {
            Ok(0) => return Ok(None),
            Ok(read) => return Ok(Some(read)),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Fault::new(error.to_string())),
        }
    }
}
