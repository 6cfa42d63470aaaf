//! A checked download that goes on where it was broken off.

use std::path::Path;
use std::time::{Duration, Instant};

use ureq::Agent;

use super::checksum::Checksum;
use super::error::FetchError;
use super::http::{self, Answer, Fault};
use super::part::{Part, Validator};

/// The longest pause between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// So many new bytes count as getting on: the attempts are counted from there again.
const GETTING_ON: u64 = 1 << 20;
/// How often a download reports.
const REPORT_EVERY: Duration = Duration::from_millis(100);

/// What to fetch, and what is known about it beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// An `http` or `https` address.
    pub url: String,
    /// The checksum of the whole file. There is no download without one.
    pub checksum: Checksum,
    /// The exact size, where it is known.
    pub bytes: Option<u64>,
    /// The largest size that is accepted.
    pub max_bytes: u64,
}

impl Download {
    fn limit(&self) -> u64 {
        self.bytes.unwrap_or(self.max_bytes).min(self.max_bytes)
    }

    /// The host of the address, for messages.
    fn host(&self) -> Result<String, FetchError> {
        let refuse = |reason: &str| FetchError::setting(&fiducial_root::shown(&self.url), reason);
        let uri: ureq::http::Uri = self.url.parse().map_err(|_| refuse("it is not an address"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(refuse("the address does not begin with https:// or http://"));
        }
        uri.host().map(str::to_owned).ok_or_else(|| refuse("the address has no host"))
    }

    fn size_error(&self, host: &str, found: String) -> FetchError {
        let limit = self.limit();
        let expected =
            if self.bytes.is_some() { format!("{limit} bytes") } else { format!("at most {limit} bytes") };
        FetchError::Size { url: fiducial_root::shown(&self.url), host: host.to_owned(), found, expected }
    }
}

/// How patient a download is.
#[derive(Debug, Clone)]
pub struct FetchOptions {
    /// Attempts in a row that bring no new bytes before it gives up.
    pub attempts: u32,
    /// The pause after the first failed attempt; it doubles with each one, up to a minute.
    pub backoff: Duration,
    /// For finding the host, and again for connecting.
    pub connect_timeout: Duration,
    /// For the answer to begin, and for each wait for more bytes.
    pub read_timeout: Duration,
    /// A server that is slower than this (bytes a second, over `read_timeout`) counts as hanging.
    pub minimum_rate: u64,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self {
            attempts: 6,
            backoff: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(20),
            read_timeout: Duration::from_secs(60),
            minimum_rate: 1024,
        }
    }
}

/// How far a download is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Bytes on disk.
    pub bytes: u64,
    /// The size of the whole file, as the server says.
    pub total: Option<u64>,
    /// What is being done.
    pub stage: Stage,
}

/// What a download is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// Bytes are coming.
    Receiving,
    /// An attempt failed; the next one comes after a pause.
    Waiting {
        /// Why it failed.
        reason: String,
        /// The attempt that failed, from 1.
        attempt: u32,
        /// The pause.
        pause: Duration,
    },
    /// The checksum of what is on disk is computed.
    Checking,
}

/// Fetches a file to `target`, unless it is there with the right checksum.
///
/// The bytes are collected in `TARGET.part`, with which the next call goes on if this one is broken off.
///
/// # Errors
/// If the server refuses, sends something else than the checksum says, or more than may be; if it fails
/// `options.attempts` times in a row; if another process fetches the same file; or if a file cannot be written.
pub fn fetch(
    download: &Download,
    target: &Path,
    options: &FetchOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), FetchError> {
    let host = download.host()?;
    if let Ok(metadata) = target.metadata() {
        progress(Progress { bytes: metadata.len(), total: Some(metadata.len()), stage: Stage::Checking });
        if Checksum::of_file(download.checksum.algorithm(), target)? == download.checksum {
            return Ok(());
        }
    }
    if let Some(parent) = target.parent() {
        std::fs::create_dir_all(parent).map_err(FetchError::io("create", parent))?;
    }
    let part = Part::open(target, download)?;
    Attempts { download, host: &host, options, agent: http::agent(options), part, fresh: false }
        .run(target, progress)
}

/// Attempts at one download, up to its end.
struct Attempts<'a> {
    download: &'a Download,
    host: &'a str,
    options: &'a FetchOptions,
    agent: Agent,
    part: Part,
    /// Whether all bytes came in one answer that said how many they are.
    fresh: bool,
}

/// How an attempt ended that did not break off.
enum Ended {
    Complete,
    Failed(Fault),
}

impl Attempts<'_> {
    fn run(mut self, target: &Path, progress: &mut dyn FnMut(Progress)) -> Result<(), FetchError> {
        let (mut failures, mut furthest) = (0, self.part.len());
        loop {
            let mut fault = match self.attempt(progress)? {
                Ended::Failed(fault) => fault,
                Ended::Complete => {
                    self.part.sync()?;
                    progress(self.at(Stage::Checking));
                    let found = Checksum::of_file(self.download.checksum.algorithm(), self.part.path())?;
                    if found == self.download.checksum {
                        return self.part.finish(target);
                    }
                    if self.fresh {
                        self.part.discard()?;
                        return Err(FetchError::Checksum {
                            url: fiducial_root::shown(&self.download.url),
                            host: self.host.to_owned(),
                            algorithm: found.algorithm().name(),
                            found: found.digits().to_owned(),
                            expected: self.download.checksum.digits().to_owned(),
                        });
                    }
                    // The pieces may be of several versions, or the disk may have lost some: once more, in one piece.
                    self.part.clear()?;
                    Fault::new(format!("the pieces together have the {found}"))
                }
            };
            // Only bytes that were never reached before count: a server that always starts anew cannot keep us for ever.
            if self.part.len() >= furthest.saturating_add(GETTING_ON) {
                (failures, furthest) = (0, self.part.len());
            }
            failures += 1;
            if failures >= self.options.attempts {
                self.part.sync()?;
                return Err(FetchError::GaveUp {
                    url: fiducial_root::shown(&self.download.url),
                    host: self.host.to_owned(),
                    reason: fault.reason,
                    attempts: failures,
                    kept: self.part.len(),
                    part: self.part.path().to_owned(),
                });
            }
            let backoff = self.options.backoff.saturating_mul(1 << (failures - 1).min(16));
            let pause = backoff.max(fault.wait.take().unwrap_or_default()).min(LONGEST_WAIT);
            progress(self.at(Stage::Waiting { reason: fault.reason, attempt: failures, pause }));
            std::thread::sleep(pause);
        }
    }

    fn at(&self, stage: Stage) -> Progress {
        Progress { bytes: self.part.len(), total: self.part.total, stage }
    }

    /// One request and what comes of it. An error ends the download.
    fn attempt(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<Ended, FetchError> {
        let offset = self.part.len();
        if offset > 0 && self.part.total == Some(offset) {
            return Ok(Ended::Complete);
        }
        let answer = match http::ask(&self.agent, &self.download.url, offset, &self.part.validator) {
            Ok(answer) => answer,
            Err(fault) => return Ok(Ended::Failed(fault)),
        };
        match answer {
            Answer::Whole { total, validator, body } => {
                self.check_total(total)?;
                // Without a length, the end of the body may also be where it broke off.
                self.fresh = total.is_some();
                let total = total.or(self.download.bytes);
                self.part.restart(self.download, total, validator)?;
                let end = total.unwrap_or(u64::MAX);
                self.receive(body, end, progress)
            }
            Answer::Range { start, end, total, validator, body } => {
                self.check_total(total)?;
                if let Some(reason) = self.unfit(start, total, &validator) {
                    self.part.clear()?;
                    return Ok(Ended::Failed(Fault::new(reason)));
                }
                self.part.total = self.part.total.or(total);
                self.fresh = false;
                self.receive(body, end, progress)
            }
            Answer::NothingThere { total } if total == Some(offset) => {
                self.part.total = total;
                Ok(Ended::Complete)
            }
            Answer::NothingThere { .. } => {
                self.part.clear()?;
                Ok(Ended::Failed(Fault::new(format!("the server has no bytes from {offset} on"))))
            }
            Answer::Refused { status } => Err(FetchError::Status {
                url: fiducial_root::shown(&self.download.url),
                host: self.host.to_owned(),
                status: status.to_string(),
            }),
        }
    }

    /// Refuses a size that cannot be, before any byte of it is read.
    fn check_total(&self, total: Option<u64>) -> Result<(), FetchError> {
        match total {
            Some(total)
                if total > self.download.limit() || self.download.bytes.is_some_and(|b| b != total) =>
            {
                Err(self.download.size_error(self.host, format!("{total} bytes")))
            }
            _ => Ok(()),
        }
    }

    /// Why a range does not continue what is kept.
    fn unfit(&self, start: u64, total: Option<u64>, validator: &Validator) -> Option<String> {
        let offset = self.part.len();
        if start != offset {
            return Some(format!(
                "asked for the bytes from {offset} on, the server sent those from {start} on"
            ));
        }
        if let (Some(now), Some(before)) = (total, self.part.total)
            && now != before
        {
            return Some(format!("the size changed from {before} to {now} bytes"));
        }
        if let (Some(now), Some(before)) = (&validator.etag, &self.part.validator.etag)
            && now != before
        {
            return Some(format!("the version changed from {before} to {now}"));
        }
        None
    }

    /// Appends a body that should reach up to `end`.
    fn receive(
        &mut self,
        body: ureq::Body,
        end: u64,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Ended, FetchError> {
        let limit = self.download.limit();
        let mut body = body.into_reader();
        let mut buffer = vec![0; 1 << 16];
        let mut reported = Instant::now();
        let (mut window, mut window_start) = (Instant::now(), self.part.len());
        progress(self.at(Stage::Receiving));
        loop {
            let read = match http::read(&mut body, &mut buffer) {
                Ok(Some(read)) => read,
                Ok(None) => break,
                Err(fault) => return Ok(Ended::Failed(fault)),
            };
            let reached = self.part.len() + read as u64;
            if reached > limit.min(end) {
                self.part.clear()?;
                return Err(self.download.size_error(self.host, format!("{reached} bytes or more")));
            }
            self.part.append(&buffer[..read])?;
            if reported.elapsed() >= REPORT_EVERY {
                reported = Instant::now();
                progress(self.at(Stage::Receiving));
            }
            let elapsed = window.elapsed();
            if elapsed >= self.options.read_timeout {
                let rate = (reached - window_start) as f64 / elapsed.as_secs_f64();
                if rate < self.options.minimum_rate as f64 {
                    return Ok(Ended::Failed(Fault::new(format!("only {rate:.0} bytes a second came"))));
                }
                (window, window_start) = (Instant::now(), reached);
            }
        }
        progress(self.at(Stage::Receiving));
        let (reached, total) = (self.part.len(), self.part.total);
        if total.is_none_or(|total| reached == total) && (end == u64::MAX || reached == end) {
            return Ok(Ended::Complete);
        }
        let total = total.unwrap_or(end);
        Ok(Ended::Failed(Fault::new(format!("the body ended after {reached} of {total} bytes"))))
    }
}
