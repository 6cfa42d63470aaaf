//! Large row groups, part by part, without unpacking what lies before a part again and again.
//!
//! A row group that is too large for one partition is cut into parts. Its pages cannot be entered at a row: a file rarely says
//! where their rows begin, and pages of lists have to be unpacked to know. So a decoder per column goes on from part to part. Threads that
//! read neighbouring parts share it: who comes first decodes up to the own part, and leaves the parts on the way for those who
//! want them. While one column is taken, a thread goes on with another.
//!
//! All this only saves time: a part that no decoder can give, whatever the reason, is read on its own.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use arrow_array::ArrayRef;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;

/// A part of a row group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) group: usize,
    /// Its place in the group.
    pub(super) index: usize,
    /// Into how many the group is cut.
    pub(super) count: usize,
    /// Rows of each but the last.
    pub(super) size: usize,
    /// Its own rows.
    pub(super) rows: usize,
}

impl Part {
    /// The part that a range of rows is, if it is one.
    pub(super) fn of(rows: &Range<u64>, groups: &[Range<u64>]) -> Option<Self> {
        let group = groups.iter().position(|group| group.start <= rows.start && rows.end <= group.end)?;
        let size = crate::source::part_rows(&groups[group]);
        let (start, end) = (rows.start - groups[group].start, rows.end - groups[group].start);
        let length = groups[group].end - groups[group].start;
        if start % size != 0 || end != (start + size).min(length) || rows.is_empty() || length <= size {
            return None;
        }
        Some(Self {
            group,
            index: usize::try_from(start / size).ok()?,
            count: usize::try_from(length.div_ceil(size)).ok()?,
            size: usize::try_from(size).ok()?,
            rows: usize::try_from(end - start).ok()?,
        })
    }
}

/// The decoders of a file.
#[derive(Default)]
pub(super) struct Chains(Mutex<ByColumn>);

/// By row group and column.
type ByColumn = HashMap<(usize, String), Arc<Mutex<Chain>>>;

/// The decoder of a column of a row group.
#[derive(Default)]
struct Chain {
    reader: Option<ParquetRecordBatchReader>,
    /// The part that it gives next.
    next: usize,
    /// Parts that were decoded on the way to a later one.
    ready: BTreeMap<usize, ArrayRef>,
    /// Parts that nobody wants, and that are to be thrown away when they come.
    unwanted: BTreeSet<usize>,
}

impl Chains {
    /// The columns of a part, or `None` where it has to be read on its own. `open` makes a decoder of one column that begins at a
    /// part, and gives the rows of one part at a time.
    pub(super) fn read(
        &self,
        columns: &[&str],
        part: Part,
        open: impl Fn(&str, Part, usize) -> Option<ParquetRecordBatchReader>,
    ) -> Option<Vec<ArrayRef>> {
        let chains: Vec<_> = columns.iter().map(|column| self.chain(column, part.group)).collect();
        let mut found: Vec<Option<ArrayRef>> = vec![None; columns.len()];
        let mut open_columns: Vec<usize> = (0..columns.len()).collect();
        while let Some(first) = open_columns.first() {
            // One that no other thread works on, else wait for the first.
            let free = open_columns.iter().enumerate().find_map(|(place, column)| {
                match chains[*column].try_lock() {
                    Ok(chain) => Some((place, chain)),
                    Err(TryLockError::Poisoned(error)) => Some((place, error.into_inner())),
                    Err(TryLockError::WouldBlock) => None,
                }
            });
            let (place, mut chain) = free.unwrap_or_else(|| (0, lock(&chains[*first])));
            let column = open_columns.remove(place);
            found[column] = Some(chain.take(part, |from| open(columns[column], part, from))?);
        }
        found.into_iter().collect()
    }

    /// Throws a part away, or has it thrown away when it comes.
    pub(super) fn pass_over(&self, columns: &[&str], part: Part) {
        for column in columns {
            let chain = self.chain(column, part.group);
            let mut chain = lock(&chain);
            chain.ready.remove(&part.index);
            if part.index >= chain.next {
                chain.unwanted.insert(part.index);
            }
        }
    }

    /// Gives everything back.
    pub(super) fn clear(&self) {
        lock(&self.0).clear();
    }

    /// How many arrays wait to be fetched.
    #[cfg(test)]
    pub(super) fn ready(&self) -> usize {
        lock(&self.0).values().map(|chain| lock(chain).ready.len()).sum()
    }

    /// The decoder of a column; those of row groups that are far away are closed.
    fn chain(&self, column: &str, group: usize) -> Arc<Mutex<Chain>> {
        let mut chains = lock(&self.0);
        chains.retain(|(other, _), _| other.abs_diff(group) <= 1);
        Arc::clone(chains.entry((group, column.to_owned())).or_default())
    }
}

impl Chain {
    fn take(
        &mut self,
        part: Part,
        open: impl Fn(usize) -> Option<ParquetRecordBatchReader>,
    ) -> Option<ArrayRef> {
        if let Some(array) = self.ready.remove(&part.index) {
            return Some(array);
        }
        // As far apart as the parts are that are read at once.
        let reach = 2 * rayon::current_num_threads();
        let is_ahead = part.index >= self.next;
        let is_another_pass = part.index == 0 && self.reader.is_none();
        if !is_ahead && !is_another_pass && self.next - part.index <= reach {
            // It was given already, or was thrown away; the others still want what follows.
            return None;
        }
        if self.reader.is_none() || !is_ahead || part.index - self.next > reach {
            let start = if part.index <= reach { 0 } else { part.index };
            let unwanted = self.unwanted.split_off(&start);
            *self = Self { next: start, reader: Some(open(start)?), ready: BTreeMap::new(), unwanted };
        }
        let found = self.decode(part);
        if found.is_none() || self.next == part.count {
            self.reader = None;
        }
        found
    }

    /// Decodes up to a part.
    fn decode(&mut self, part: Part) -> Option<ArrayRef> {
        loop {
            let index = self.next;
            let rows = if index == part.index { part.rows } else { part.size };
            let batch = self.reader.as_mut()?.next()?.ok()?;
            let array = batch.columns().first().filter(|array| array.len() == rows)?.clone();
            self.next += 1;
            let is_unwanted = self.unwanted.remove(&index);
            if index == part.index {
                return Some(array);
            }
            if !is_unwanted {
                self.ready.insert(index, array);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
