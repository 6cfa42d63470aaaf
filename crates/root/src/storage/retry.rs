//! Further attempts, after pauses that grow.

use std::time::{Duration, Instant};

use xxhash_rust::xxh64::xxh64;

use super::{Fault, RemoteOptions};
use crate::error::{Error, Place};

/// What became of all attempts.
#[derive(Debug)]
pub(super) struct Failure {
    reason: String,
    attempts: u32,
    elapsed: Duration,
}

impl Failure {
    pub(super) fn at(self, place: &Place, host: &str) -> Error {
        Error::Remote {
            file: place.file.clone(),
            object: place.object.clone(),
            offset: place.offset,
            host: host.to_owned(),
            reason: self.reason,
            attempts: self.attempts,
            elapsed: self.elapsed,
        }
    }
}

/// Makes attempts until one succeeds, until one fails for good, or until patience ends.
pub(super) fn run<T>(
    options: &RemoteOptions,
    seed: u64,
    mut attempt: impl FnMut(u32) -> Result<T, Fault>,
) -> Result<T, Failure> {
    let start = Instant::now();
    let mut paused = Duration::ZERO;
    let mut attempts = 1;
    loop {
        let fault = match attempt(attempts) {
            Ok(value) => return Ok(value),
            Err(fault) => fault,
        };
        let mut reason = fault.reason;
        let pause = pause(options.backoff, attempts, seed).max(fault.wait.unwrap_or_default());
        let is_too_long = paused.saturating_add(pause) > options.patience;
        if fault.again && attempts < options.attempts && is_too_long {
            let (next, most) = (pause.as_secs_f64(), options.patience.as_secs_f64());
            reason +=
                &format!(" (a next attempt after {next:.1} s would take the pauses beyond {most:.0} s)");
        }
        if !fault.again || attempts >= options.attempts || is_too_long {
            return Err(Failure { reason, attempts, elapsed: start.elapsed() });
        }
        std::thread::sleep(pause);
        paused += pause;
        attempts += 1;
    }
}

/// What chance starts from: it differs from process to process and from file to file, so that many jobs that lost the
/// same server do not all come back at once.
pub(super) fn seed(name: &str) -> u64 {
    xxh64(name.as_bytes(), u64::from(std::process::id()))
}

/// The pause after an attempt: `backoff`, doubled with each attempt, and up to half of it more by chance.
fn pause(backoff: Duration, attempt: u32, seed: u64) -> Duration {
    let base = backoff.saturating_mul(1 << (attempt - 1).min(16));
    let chance = xxh64(&attempt.to_le_bytes(), seed) >> 32;
    let part = chance as f64 / (1u64 << 33) as f64;
    base.saturating_add(base.mul_f64(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_differ_by_seed_alone() {
        let second = Duration::from_secs(1);
        for attempt in 1..6 {
            let base = second * (1 << (attempt - 1));
            let pauses = [1, 2, 3].map(|seed| pause(second, attempt, seed));
            assert!(pauses.iter().all(|&p| p >= base && p < base + base / 2), "{attempt}: {pauses:?}");
            assert!(pauses[0] != pauses[1] && pauses[1] != pauses[2], "{attempt}: {pauses:?}");
            assert_eq!(pauses[0], pause(second, attempt, 1));
        }
    }

    #[test]
    fn attempts_end() {
        let options = RemoteOptions {
            attempts: 3,
            backoff: Duration::from_micros(10),
            patience: Duration::from_secs(1),
            ..RemoteOptions::default()
        };
        let waiting = |seconds| Fault { wait: Some(Duration::from_secs(seconds)), ..Fault::again("busy") };
        type Attempt = fn(u32) -> Result<u32, Fault>;
        for (what, attempt, expected) in [
            ("the first succeeds", (|_| Ok(7)) as Attempt, Ok(7)),
            ("the last succeeds", |n| if n == 3 { Ok(3) } else { Err(Fault::again("cut")) }, Ok(3)),
            ("all fail", |_| Err(Fault::again("cut")), Err(("cut", 3))),
            ("the first is final", |_| Err(Fault::last("no such file")), Err(("no such file", 1))),
        ] {
            let found = run(&options, 1, attempt).map_err(|failure| (failure.reason, failure.attempts));
            let expected = expected.map_err(|(reason, n)| (reason.to_owned(), n));
            assert_eq!(found, expected, "{what}");
        }
        let failure =
            run(&options, 1, |_| Err::<(), _>(waiting(2))).expect_err("it is asked to wait too long");
        assert_eq!(failure.attempts, 1);
        assert!(
            failure.reason.contains("after 2.0 s would take the pauses beyond 1 s"),
            "{}",
            failure.reason
        );
    }
}
