//! Reading selected rows: first the columns that decide, then only the baskets that hold what was chosen.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow_select::concat::concat;
use arrow_select::filter::{filter, prep_null_mask_filter};
use rayon::prelude::*;

use crate::error::Result;
use crate::read;
use crate::tree::Tree;

impl Tree {
    /// Reads the rows of a range of entries that a predicate chooses. The columns `filter` are read whole and shown to
    /// the predicate, which gives a value for each row; of the other `columns` only those baskets are decompressed that
    /// hold a chosen row. A null counts as "not chosen". The result has a row for each chosen entry, in order.
    ///
    /// # Errors
    /// As [`Tree::read`]; and [`crate::Error::Malformed`] where the predicate gives another number of values than
    /// there are rows.
    ///
    /// ```
    /// use arrow_array::{BooleanArray, cast::AsArray, types::Int32Type};
    ///
    /// # fn main() -> Result<(), fiducial_root::Error> {
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/codecs.root");
    /// let tree = fiducial_root::RootFile::open(path)?.tree("zlib/events")?;
    /// let two_parts = |batch: &arrow_array::RecordBatch| {
    ///     let n = batch.column(0).as_primitive::<Int32Type>();
    ///     BooleanArray::from_iter(n.values().iter().map(|&n| Some(n >= 2)))
    /// };
    /// let batch = tree.read_where(&["npart"], two_parts, &["part_pt", "i4"], 0..tree.entries())?;
    /// assert_eq!(batch.num_rows(), 50);
    /// # Ok(())
    /// # }
    /// ```
    pub fn read_where(
        &self,
        filter: &[&str],
        predicate: impl FnOnce(&RecordBatch) -> BooleanArray,
        columns: &[&str],
        entries: Range<u64>,
    ) -> Result<RecordBatch> {
        let schema = self.schema(columns)?;
        let wanted = self.checked(columns, &entries)?;
        let seen = self.read(filter, entries.clone())?;
        let mask = predicate(&seen);
        if mask.len() != seen.num_rows() {
            let reason = format!("the predicate gives {} values for {} rows", mask.len(), seen.num_rows());
            return Err(self.place().error(0, reason));
        }
        let mask = if mask.null_count() > 0 { prep_null_mask_filter(&mask) } else { mask };
        let rows = mask.true_count();
        let arrays = columns.par_iter().zip(wanted).map(|(name, column)| match seen.column_by_name(name) {
            Some(array) => chosen(self, array, &mask),
            None => column_where(self, column, &entries, &mask),
        });
        let arrays = arrays.collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(schema, arrays, &options)
            .map_err(|e| self.place().error(0, format!("the columns do not fit together: {e}")))
    }
}

fn chosen(tree: &Tree, array: &dyn Array, mask: &BooleanArray) -> Result<ArrayRef> {
    filter(array, mask).map_err(|e| tree.place().error(0, e.to_string()))
}

/// The chosen rows of one column.
fn column_where(tree: &Tree, column: usize, entries: &Range<u64>, mask: &BooleanArray) -> Result<ArrayRef> {
    let mut parts = Vec::new();
    for run in runs(&tree.source(column).branch.starts, entries, mask) {
        let array = read::columns(tree, &[column], &run)?.into_iter().next();
        let at = (run.start - entries.start) as usize;
        let mask = mask.slice(at, (run.end - run.start) as usize);
        if let Some(array) = array {
            parts.push(chosen(tree, &array, &mask)?);
        }
    }
    let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
    match parts.as_slice() {
        [] => {
            let empty = read::columns(tree, &[column], &(entries.start..entries.start))?;
            empty.into_iter().next().ok_or_else(|| tree.place().error(0, "a column is not there"))
        }
        parts => concat(parts).map_err(|e| tree.place().error(0, e.to_string())),
    }
}

/// The entries of the baskets that hold a chosen row; baskets that follow each other are read in one go.
fn runs(starts: &[u64], entries: &Range<u64>, mask: &BooleanArray) -> Vec<Range<u64>> {
    let mut out: Vec<Range<u64>> = Vec::new();
    for basket in starts.windows(2) {
        let (start, end) = (basket[0].max(entries.start), basket[1].min(entries.end));
        if start >= end {
            continue;
        }
        let (at, len) = ((start - entries.start) as usize, (end - start) as usize);
        if mask.values().slice(at, len).count_set_bits() == 0 {
            continue;
        }
        match out.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ => out.push(start..end),
        }
    }
    out
}

/// A tree whose columns are read beside those of another.
#[derive(Debug, Clone, Copy)]
pub struct Friend<'a> {
    /// What the names of its columns start with: "alias.column".
    pub alias: &'a str,
    /// The other tree.
    pub tree: &'a Tree,
    /// The columns to read of it.
    pub columns: &'a [&'a str],
}

impl Tree {
    /// Reads columns of this tree and of its friends over a range of entries, side by side in one batch. Entry n of a
    /// friend belongs to entry n of this tree.
    ///
    /// It is checked that each friend has as many entries as this tree, and that no two columns of the batch have the
    /// same name. Whether the entries belong together, in the same order, cannot be seen in the files: where both
    /// trees keep run and event numbers, compare them.
    ///
    /// # Errors
    /// As [`Tree::read`] for each tree; [`crate::Error::Malformed`] where the trees do not fit.
    pub fn read_with(
        &self,
        columns: &[&str],
        friends: &[Friend<'_>],
        entries: Range<u64>,
    ) -> Result<RecordBatch> {
        let own = self.read(columns, entries.clone())?;
        let mut fields = own.schema().fields().to_vec();
        let mut arrays = own.columns().to_vec();
        for friend in friends {
            if friend.tree.entries() != self.entries() {
                let reason = format!(
                    "its friend {} has {} entries, it has {}",
                    friend.tree.name(),
                    friend.tree.entries(),
                    self.entries()
                );
                return Err(self.place().error(0, reason));
            }
            let batch = friend.tree.read(friend.columns, entries.clone())?;
            for field in batch.schema().fields() {
                let name = format!("{}.{}", friend.alias, field.name());
                if fields.iter().any(|other| *other.name() == name) {
                    return Err(self.place().error(0, format!("two columns are called {name}")));
                }
                fields.push(Arc::new(field.as_ref().clone().with_name(name)));
            }
            arrays.extend_from_slice(batch.columns());
        }
        let schema = Arc::new(arrow_schema::Schema::new(fields));
        let options = RecordBatchOptions::new().with_row_count(Some(own.num_rows()));
        RecordBatch::try_new_with_options(schema, arrays, &options)
            .map_err(|e| self.place().error(0, format!("the trees do not fit together: {e}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_baskets_with_chosen_rows_are_read() {
        let mask = |chosen: &[usize]| BooleanArray::from_iter((0..20).map(|i| Some(chosen.contains(&i))));
        let starts = [0, 10, 20, 25, 40];
        for (entries, chosen, expected) in [
            (5..25, vec![], &[][..]),
            (5..25, vec![0], &[(5, 10)]),
            (5..25, vec![4, 5], &[(5, 20)]),
            (5..25, vec![0, 19], &[(5, 10), (20, 25)]),
            (5..25, vec![14], &[(10, 20)]),
        ] {
            let runs = runs(&starts, &entries, &mask(&chosen));
            let runs: Vec<_> = runs.into_iter().map(|run| (run.start, run.end)).collect();
            assert_eq!(runs, expected, "{chosen:?}");
        }
    }
}
