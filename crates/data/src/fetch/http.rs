//! What a server says: one request, its status and its headers, read with suspicion.

use std::io::Read;
use std::time::Duration;

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
    Agent::config_builder()
        .user_agent(concat!("fiducial/", env!("CARGO_PKG_VERSION")))
        .accept_encoding("identity")
        .http_status_as_error(false)
        .max_redirects(5)
        // After a server that sent more than it said, the rest would be taken for the next answer.
        .max_idle_connections(0)
        .timeout_resolve(Some(options.connect_timeout))
        .timeout_connect(Some(options.connect_timeout))
        .timeout_send_request(Some(options.read_timeout))
        .timeout_recv_response(Some(options.read_timeout))
        .timeout_per_read(Some(options.read_timeout))
        .build()
        .into()
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
    if let Some(encoding) = text(headers, "content-encoding")
        && !encoding.eq_ignore_ascii_case("identity")
    {
        return Err(Fault::new(format!("the body came encoded as {encoding}, which was not asked for")));
    }
    match status.as_u16() {
        200 => {
            let total = content_length(headers)?;
            Ok(Answer::Whole { total, validator, body: response.into_body() })
        }
        206 => {
            let value = text(headers, "content-range").unwrap_or_default();
            let Some((start, end, total)) = content_range(value) else {
                return Err(Fault::new(format!("the answer 206 came with the Content-Range `{value}`")));
            };
            if let Some(length) = content_length(headers)?
                && length != end - start
            {
                let range = end - start;
                return Err(Fault::new(format!(
                    "the Content-Length is {length} for a range of {range} bytes"
                )));
            }
            Ok(Answer::Range { start, end, total, validator, body: response.into_body() })
        }
        416 => {
            let value = text(headers, "content-range").unwrap_or_default();
            let total = value.strip_prefix("bytes */").and_then(|total| total.trim().parse().ok());
            Ok(Answer::NothingThere { total })
        }
        408 | 425 | 429 | 500..=599 => {
            let wait = text(headers, "retry-after").and_then(|seconds| seconds.trim().parse().ok());
            Err(Fault {
                reason: format!("the server answered {status}"),
                wait: wait.map(Duration::from_secs),
            })
        }
        _ => Ok(Answer::Refused { status }),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Fault> {
    let Some(value) = text(headers, "content-length") else { return Ok(None) };
    match value.trim().parse() {
        Ok(length) => Ok(Some(length)),
        Err(_) => Err(Fault::new(format!("the Content-Length is `{value}`"))),
    }
}

/// `bytes FIRST-LAST/TOTAL` as start, end (without) and total (none for `*`).
fn content_range(value: &str) -> Option<(u64, u64, Option<u64>)> {
    let (range, total) = value.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (start, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    let end = last.checked_add(1)?;
    let total = if total == "*" { None } else { Some(total.parse::<u64>().ok()?) };
    (start < end && total.is_none_or(|total| end <= total)).then_some((start, end, total))
}

fn validator(headers: &HeaderMap) -> Validator {
    // A weak ETag promises the same meaning, not the same bytes.
    let etag = text(headers, "etag").filter(|tag| tag.starts_with('"'));
    Validator {
        etag: etag.map(str::to_owned),
        last_modified: text(headers, "last-modified").map(str::to_owned),
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

#[cfg(test)]
mod tests {
    use super::content_range;

    #[test]
    fn content_ranges() {
        for (value, expected) in [
            ("bytes 0-9/10", Some((0, 10, Some(10)))),
            ("bytes 5-5/10", Some((5, 6, Some(10)))),
            ("bytes 5-9/*", Some((5, 10, None))),
            ("bytes 5-10/10", None),
            ("bytes 6-5/10", None),
            ("bytes */10", None),
            ("bytes 0-18446744073709551615/*", None),
            ("items 0-9/10", None),
            ("", None),
        ] {
            assert_eq!(content_range(value), expected, "{value}");
        }
    }
}
