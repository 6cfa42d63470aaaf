//! What a server's answer says beside its body (RFC 9110), read with suspicion. An error is what is wrong.
//!
//! `fiducial-data` downloads by the same rules, and is the one other user: this is no part of what the crate offers.

use std::ops::Range;
use std::time::Duration;

use ureq::Agent;
use ureq::http::{HeaderMap, StatusCode};

/// An agent that hands out every answer, also those that are errors, as it is. It keeps `idle` connections open.
pub fn agent(connect_timeout: Duration, read_timeout: Duration, idle: usize) -> Agent {
    Agent::config_builder()
        .user_agent(concat!("fiducial/", env!("CARGO_PKG_VERSION")))
        .accept_encoding("identity")
        .http_status_as_error(false)
        .max_redirects(5)
        .max_idle_connections(idle)
        .max_idle_connections_per_host(idle)
        .timeout_resolve(Some(connect_timeout))
        .timeout_connect(Some(connect_timeout))
        .timeout_send_request(Some(read_timeout))
        .timeout_recv_response(Some(read_timeout))
        .timeout_per_read(Some(read_timeout))
        .build()
        .into()
}

/// A header, if it is there and text.
pub fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Refuses a body that is encoded in some way.
pub fn check_encoding(headers: &HeaderMap) -> Result<(), String> {
    match text(headers, "content-encoding") {
        Some(encoding) if !encoding.eq_ignore_ascii_case("identity") => {
            Err(format!("the bytes came encoded as {encoding}, which was not asked for"))
        }
        _ => Ok(()),
    }
}

/// The length of the body, where the server tells it.
pub fn content_length(headers: &HeaderMap) -> Result<Option<u64>, String> {
    let Some(value) = text(headers, "content-length") else { return Ok(None) };
    value.trim().parse().map(Some).map_err(|_| format!("the Content-Length is {value:?}"))
}

/// The bytes that an answer 206 brings, and the size of the whole.
pub fn part(headers: &HeaderMap) -> Result<(Range<u64>, Option<u64>), String> {
    let value = text(headers, "content-range").unwrap_or_default();
    let Some((range, total)) = content_range(value) else {
        return Err(format!("the answer 206 came with the Content-Range {value:?}"));
    };
    match content_length(headers)? {
        Some(length) if length != range.end - range.start => {
            Err(format!("the Content-Length is {length} for the bytes {range:?}"))
        }
        _ => Ok((range, total)),
    }
}

/// The size of the whole, from an answer 416: that there is no such range.
pub fn total(headers: &HeaderMap) -> Option<u64> {
    text(headers, "content-range")?.strip_prefix("bytes */")?.trim().parse().ok()
}

/// Whether a server that answers so may answer otherwise soon.
pub fn may_pass(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429 | 500..=599)
}

/// How long the server asks to wait.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    text(headers, "retry-after")?.trim().parse().ok().map(Duration::from_secs)
}

/// `bytes FIRST-LAST/TOTAL`; a total of `*` is not known.
fn content_range(value: &str) -> Option<(Range<u64>, Option<u64>)> {
    let (range, total) = value.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let range = first.parse().ok()?..last.parse::<u64>().ok()?.checked_add(1)?;
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    (range.start < range.end && total.is_none_or(|total| range.end <= total)).then_some((range, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges() {
        for (value, expected) in [
            ("bytes 0-9/10", Some((0..10, Some(10)))),
            ("bytes 5-5/10", Some((5..6, Some(10)))),
            ("bytes 5-9/*", Some((5..10, None))),
            ("bytes 5-10/10", None),
            ("bytes 6-5/10", None),
            ("bytes */10", None),
            ("bytes 0-18446744073709551615/18446744073709551615", None),
            ("bytes 0-18446744073709551615/*", None),
            ("items 0-9/10", None),
            ("", None),
        ] {
            assert_eq!(content_range(value), expected, "{value}");
        }
    }
}
