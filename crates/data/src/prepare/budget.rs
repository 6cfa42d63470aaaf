//! How many partitions may be in memory at once.

use std::path::Path;

use super::scan::{Piece, Scan, Task};
use super::{PrepareOptions, Source};
use crate::source::Error;

/// What a partition takes while it is worked on, in units of its decoded columns: what is decompressed, the columns, the
/// rows that were selected, the rows of each split; and, beside the partition that is scanned, one that is written.
const COPIES: f64 = 4.0;

/// What the program takes with nothing read.
const BASE: u64 = 64 << 20;

/// Keeps what is in flight below a limit. The size of a partition is what its file says of it, corrected by what those before
/// it came to; where the file says nothing, it follows from their rows.
pub(super) struct Budget {
    limit: u64,
    /// Rows that wait in all splits for their row group to be full, and the row group that is written.
    waiting_rows: u64,
    /// The most bytes of a row that was met.
    row_bytes: f64,
    /// How much larger than its file says the worst partition was.
    excess: f64,
    /// Nothing was measured yet.
    is_first: bool,
}

impl Budget {
    pub(super) fn new(scan: &Scan<'_>, options: &PrepareOptions) -> Self {
        let waiting_rows = (scan.splits.len() as u64 + 2) * options.row_group_rows as u64;
        Self { limit: options.memory_limit, waiting_rows, row_bytes: 0.0, excess: 1.0, is_first: true }
    }

    /// Refuses work that cannot be done within the limit, as far as the files tell before they are read.
    pub(super) fn check(
        &self,
        scan: &Scan<'_>,
        sources: &[Box<dyn Source>],
        tasks: &[Task],
    ) -> Result<(), Error> {
        tasks.iter().try_for_each(|task| {
            let source = sources[task.source].as_ref();
            let known = scan.decoded_bytes(source, task).unwrap_or(0);
            self.check_one(source.path(), task.rows.start, task.rows.end, known)
        })
    }

    /// How many of the next tasks are done together: one at first, which is measured.
    pub(super) fn window(&self, scan: &Scan<'_>, sources: &[Box<dyn Source>], tasks: &[Task]) -> usize {
        if self.is_first {
            return tasks.len().min(1);
        }
        let free = self.limit.saturating_sub(self.reserved(self.row_bytes)) as f64 / COPIES;
        let mut bytes = 0.0;
        let fitting = tasks.iter().take_while(|task| {
            bytes += self.expected(scan, sources[task.source].as_ref(), task);
            bytes <= free
        });
        // More than this would give no thread more to do. One that does not fit is found out when it is measured.
        fitting.take(2 * rayon::current_num_threads()).count().clamp(tasks.len().min(1), tasks.len())
    }

    /// Learns from a partition that was read, which is refused if it was too large.
    pub(super) fn measure(
        &mut self,
        scan: &Scan<'_>,
        source: &dyn Source,
        task: &Task,
        piece: &Piece,
    ) -> Result<(), Error> {
        self.is_first = false;
        let rows = (task.rows.end - task.rows.start).max(1);
        self.row_bytes = self.row_bytes.max(piece.decoded as f64 / rows as f64);
        if let Some(known) = scan.decoded_bytes(source, task) {
            self.excess = self.excess.max(piece.decoded as f64 / known.max(1) as f64);
        }
        self.check_one(source.path(), task.rows.start, task.rows.end, piece.decoded)
    }

    fn expected(&self, scan: &Scan<'_>, source: &dyn Source, task: &Task) -> f64 {
        match scan.decoded_bytes(source, task) {
            Some(known) => known as f64 * self.excess,
            None => (task.rows.end - task.rows.start) as f64 * self.row_bytes,
        }
    }

    fn reserved(&self, row_bytes: f64) -> u64 {
        BASE + (self.waiting_rows as f64 * row_bytes) as u64
    }

    fn check_one(&self, path: &Path, start: u64, end: u64, bytes: u64) -> Result<(), Error> {
        let row_bytes = self.row_bytes.max(bytes as f64 / (end - start).max(1) as f64);
        let needed = self.reserved(row_bytes) + (bytes as f64 * COPIES) as u64;
        if needed <= self.limit {
            return Ok(());
        }
        let reason = format!(
            "rows {start} to {end} of {} are one partition and take {} in memory; with its copies and the row groups that are \
             written that needs a memory limit of {}, but it is {}: raise it, or let the view name fewer columns",
            fiducial_root::shown(path),
            mebibytes(bytes),
            mebibytes(needed),
            mebibytes(self.limit),
        );
        Err(Error::settings("prepare a dataset", reason))
    }
}

/// Rounded up, so that the number can be given as a limit.
fn mebibytes(bytes: u64) -> String {
    format!("{}MiB", bytes.div_ceil(1 << 20))
}
