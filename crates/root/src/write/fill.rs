//! How rows are cut into clusters.

use arrow_array::RecordBatch;

use super::arrays::rows_within;

/// The cluster that is being gathered, and what went before it.
#[derive(Debug)]
pub(crate) struct Fill {
    limit: u64,
    /// Rows in the clusters that were written.
    pub(crate) before: u64,
    /// Rows in this one.
    pub(crate) rows: u64,
    bytes: u64,
}

impl Fill {
    /// For clusters of at most so many bytes before compression.
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, before: 0, rows: 0, bytes: 0 }
    }

    pub(crate) fn limit(&mut self, bytes: u64) {
        self.limit = bytes.max(1);
    }

    /// How many rows of a batch, from `at` on, still go into this cluster, and their bytes. A row that is larger than a
    /// cluster gets one of its own.
    pub(crate) fn room(&self, batch: &RecordBatch, at: usize) -> (usize, u64) {
        match rows_within(batch, at, self.limit.saturating_sub(self.bytes)) {
            (0, _) if self.rows == 0 => (1, self.limit),
            room => room,
        }
    }

    pub(crate) fn add(&mut self, rows: usize, bytes: u64) {
        self.rows += rows as u64;
        self.bytes += bytes;
    }

    /// The entries that the next rows will be, for errors.
    pub(crate) fn next(&self, rows: usize) -> String {
        let from = self.before + self.rows;
        format!("entries {from} to {}", from + rows as u64)
    }

    /// Starts a new cluster; gives the rows of the old one.
    pub(crate) fn close(&mut self) -> u64 {
        self.before += self.rows;
        self.bytes = 0;
        std::mem::take(&mut self.rows)
    }
}
