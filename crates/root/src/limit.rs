//! For the benchmark alone: what reading cannot be faster than. Not part of what the crate offers.

use std::ops::Range;

use crate::error::Result;
use crate::table::Table;

/// Decompresses what [`Table::read`] would read, in parallel, and makes nothing of it; gives the number of bytes.
///
/// # Errors
/// As [`Table::read`].
pub fn decompress(table: &Table, columns: &[&str], entries: &Range<u64>) -> Result<u64> {
    match table {
        Table::Tree(tree) => crate::read::decompress(tree, &tree.checked(columns, entries)?, entries),
        Table::Ntuple(ntuple) => ntuple.decompress(columns, entries),
    }
}
