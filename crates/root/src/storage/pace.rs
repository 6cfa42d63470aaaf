//! Notices a server that sends next to nothing: "it just sits there" is what no reader may do.

use std::time::{Duration, Instant};

use super::Fault;

/// Fewer bytes than this in a window count as none.
const LEAST: usize = 4 << 10;

/// Watches how fast bytes come.
pub(super) struct Pace {
    window: Duration,
    start: Instant,
    bytes: usize,
}

impl Pace {
    pub(super) fn new(window: Duration) -> Self {
        Self { window, start: Instant::now(), bytes: 0 }
    }

    /// Notes that bytes came.
    pub(super) fn came(&mut self, bytes: usize) -> Result<(), Fault> {
        self.bytes = self.bytes.saturating_add(bytes);
        let elapsed = self.start.elapsed();
        if elapsed < self.window {
            return Ok(());
        }
        if self.bytes < LEAST {
            return Err(Fault::again(format!(
                "only {} bytes came in {:.1} s",
                self.bytes,
                elapsed.as_secs_f64()
            )));
        }
        *self = Self::new(self.window);
        Ok(())
    }
}
