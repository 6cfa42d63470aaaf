//! How a limit of memory is divided among what a loader holds.

use super::loader::{LoaderOptions, ahead};
use crate::source::Error;
use crate::view::View;

/// Copies of a batch's columns while its tensors are made: the rows in their order, and the values of expressions.
const COPIES: f64 = 3.0;

/// What a loader may hold.
pub(super) struct Memory {
    limit: Option<u64>,
    /// The most that is kept for later epochs, whatever the limit.
    keep: u64,
    /// Rows of a window, and how many windows are held at once: the rest of one and the next, or the only one.
    window_rows: u64,
    windows: u64,
    batch_rows: u64,
    /// Numbers of a row in the tensors.
    row_numbers: u64,
}

impl Memory {
    /// For `rows` rows in all, which one window holds or not.
    pub(super) fn new(view: &View, options: &LoaderOptions, rows: u64, is_whole: bool) -> Self {
        let numbers = view.inputs().iter().map(|group| group.variables.len() * group.length.unwrap_or(1));
        Self {
            limit: options.memory_limit,
            keep: options.keep,
            window_rows: rows.min(options.window as u64),
            windows: if is_whole { 1 } else { 2 },
            batch_rows: rows.min(options.batch_size as u64),
            row_numbers: numbers.sum::<usize>() as u64,
        }
    }

    /// How many bytes of columns may be kept, the only window among them, where a row's columns take so many bytes.
    ///
    /// # Errors
    /// When windows and batches alone take more than the limit.
    pub(super) fn keep(&self, row_bytes: f64) -> Result<u64, Error> {
        let Some(limit) = self.limit else { return Ok(self.keep) };
        let windows = (self.windows * self.window_rows) as f64 * row_bytes;
        let needed = windows as u64 + self.batches(row_bytes);
        if needed > limit {
            return Err(self.too_small(limit, needed, windows as u64));
        }
        // An only window counts as kept.
        let left = if self.windows == 1 { limit - needed + windows as u64 } else { limit - needed };
        Ok(left.min(self.keep))
    }

    /// Batches that are made, that wait, and the one that the caller has.
    fn batches(&self, row_bytes: f64) -> u64 {
        let ahead = ahead() as u64;
        let tensors = (2 * ahead + 1) * self.batch_rows * self.row_numbers * size_of::<f32>() as u64;
        let columns = (ahead * self.batch_rows) as f64 * row_bytes * COPIES;
        tensors + columns as u64
    }

    fn too_small(&self, limit: u64, needed: u64, windows: u64) -> Error {
        let mebibytes = |bytes: u64| format!("{}MiB", bytes.div_ceil(1 << 20));
        let reason = format!(
            "{} window{} of {} rows take{} {} in memory; with the batches that are made ahead that needs a memory limit of {}, but it \
             is {}: raise it, make the window or the batches smaller, or use fewer threads",
            self.windows,
            if self.windows == 1 { "" } else { "s" },
            self.window_rows,
            if self.windows == 1 { "s" } else { "" },
            mebibytes(windows),
            mebibytes(needed),
            mebibytes(limit),
        );
        Error::settings("make batches", reason)
    }
}
