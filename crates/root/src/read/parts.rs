//! Which baskets a range of entries needs, and their bytes, decompressed.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::basket::Basket;
use crate::error::{Place, Result};
use crate::storage::Wanted;
use crate::tree::Tree;

/// Decompressed bytes of one column that a thread works on before it takes more: they stay in its second-level cache.
const GROUP_BYTES: u64 = 2 << 20;

/// A basket, and those of its entries that are wanted.
pub(super) struct Part<'a> {
    pub(super) basket: Basket<'a>,
    pub(super) wanted: Range<usize>,
    /// The entry that the basket starts with.
    pub(super) first: u64,
}

/// A column over a range of entries: its baskets, some at a time.
pub(super) struct Baskets<'a> {
    pub(super) tree: &'a Tree,
    pub(super) column: usize,
    pub(super) entries: &'a Range<u64>,
    /// All of them, where they came from a server together with those of other columns.
    pub(super) loaded: Option<&'a [Part<'a>]>,
}

impl Baskets<'_> {
    pub(super) fn place(&self) -> Place {
        self.tree.place_of(self.column)
    }

    /// The part of all entries that are read that some baskets hold, in (0, 1].
    pub(super) fn share(&self, parts: &[Part<'_>]) -> f64 {
        let rows: usize = parts.iter().map(|part| part.wanted.len()).sum();
        rows as f64 / (self.entries.end - self.entries.start).max(1) as f64
    }

    /// Hands over all baskets in their order, some at a time: what is decompressed is used while it is in the cache, and its memory
    /// serves the next.
    pub(super) fn each(&self, mut each: impl FnMut(&[Part<'_>]) -> Result<()>) -> Result<()> {
        let mut rows = 0;
        let mut counting = |parts: &[Part<'_>]| {
            rows += parts.iter().map(|part| part.wanted.len() as u64).sum::<u64>();
            each(parts)
        };
        if let Some(parts) = self.loaded {
            counting(parts)?;
        } else {
            for range in self.groups() {
                let parts = load(self.tree, &[self.column], &range)?;
                counting(parts.get(&self.column).map(Vec::as_slice).unwrap_or_default())?;
            }
        }
        if rows != self.entries.end - self.entries.start {
            let reason = format!("its baskets hold {rows} of the entries that are asked for");
            return Err(self.place().error(0, reason));
        }
        Ok(())
    }

    /// Consecutive ranges of entries that end where a basket does, of some [`GROUP_BYTES`] for each thread.
    fn groups(&self) -> Vec<Range<u64>> {
        let branch = &self.tree.source(self.column).branch;
        let bytes = GROUP_BYTES.saturating_mul(rayon::current_num_threads() as u64);
        let most = u128::from(bytes) * u128::from(branch.entries) / u128::from(branch.total_bytes.max(1));
        groups(&branch.starts, self.entries, u64::try_from(most).unwrap_or(u64::MAX))
    }
}

/// Cuts a range of entries, of which a group has no more than `most`, or one basket.
fn groups(starts: &[u64], entries: &Range<u64>, most: u64) -> Vec<Range<u64>> {
    let mut groups: Vec<Range<u64>> = Vec::new();
    let from = starts.partition_point(|start| *start <= entries.start).saturating_sub(1);
    for basket in starts[from..].windows(2).take_while(|basket| basket[0] < entries.end) {
        let (start, end) = (basket[0].max(entries.start), basket[1].min(entries.end));
        match groups.last_mut() {
            _ if start >= end => {}
            Some(group) if end - group.start <= most => group.end = end,
            _ => groups.push(start..end),
        }
    }
    groups
}

/// Decompresses the baskets of some columns, each once.
pub(super) fn load<'a>(
    tree: &'a Tree,
    columns: &[usize],
    entries: &Range<u64>,
) -> Result<BTreeMap<usize, Vec<Part<'a>>>> {
    let mut out = BTreeMap::new();
    let mut todo: Vec<(usize, usize)> = Vec::new();
    for &column in columns {
        if out.insert(column, Vec::new()).is_some() {
            continue;
        }
        let starts = &tree.source(column).branch.starts;
        let overlaps = |w: &[u64]| w[0] < entries.end && w[1] > entries.start && w[0] < w[1];
        todo.extend(starts.windows(2).enumerate().filter(|(_, w)| overlaps(w)).map(|(i, _)| (column, i)));
    }
    todo.sort_unstable();
    todo.dedup();
    let wanted: Vec<_> = todo.iter().map(|&(column, i)| wanted(tree, column, i)).collect();
    let open = |n: usize, data| part(tree, todo[n].0, todo[n].1, data, entries);
    let parts = tree.file().read_each(&wanted, open)?;
    for ((column, _), part) in todo.into_iter().zip(parts) {
        out.entry(column).or_default().push(part);
    }
    Ok(out)
}

/// Where a basket's bytes lie in the file: nowhere, if they are in the tree's own record.
fn wanted(tree: &Tree, column: usize, i: usize) -> Wanted {
    let source = tree.source(column);
    let (seek, len) = source.branch.stored.get(i).map_or((0, 0), |stored| (stored.seek, stored.bytes));
    Wanted { seek, len, object: Arc::clone(&source.label) }
}

fn part<'a>(
    tree: &'a Tree,
    column: usize,
    i: usize,
    data: Cow<'a, [u8]>,
    entries: &Range<u64>,
) -> Result<Part<'a>> {
    let source = tree.source(column);
    let branch = &source.branch;
    let (start, end) = (branch.starts[i], branch.starts[i + 1]);
    let basket = match branch.stored.get(i) {
        Some(stored) => stored.open(data, tree.file(), &source.label, (end - start) as usize)?,
        None => {
            let (record, place) = tree.record();
            let place = Place::new(tree.file().name(), Arc::clone(&source.label), place.offset);
            branch.embedded[i - branch.stored.len()].open(record, &place)?
        }
    };
    let (from, to) = (entries.start.max(start), entries.end.min(end));
    let wanted = (from - start) as usize..(to - start) as usize;
    Ok(Part { basket, wanted, first: start })
}

/// The wanted bytes of a basket whose entries are all of one size.
pub(super) fn fixed<'a>(part: &'a Part<'_>, width: usize) -> Result<&'a [u8]> {
    let values = part.basket.values();
    if part.basket.entries.checked_mul(width) != Some(values.len()) {
        let reason = format!(
            "{} entries of {width} bytes each do not make {} bytes",
            part.basket.entries,
            values.len()
        );
        return Err(part.basket.place.error(0, reason));
    }
    Ok(&values[part.wanted.start * width..part.wanted.end * width])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_end_with_baskets() {
        let starts = [0, 10, 20, 20, 25, 40];
        let found = |entries: Range<u64>, most| {
            groups(&starts, &entries, most)
                .into_iter()
                .map(|group| (group.start, group.end))
                .collect::<Vec<_>>()
        };
        assert_eq!(found(0..40, 100), [(0, 40)]);
        assert_eq!(found(0..40, 20), [(0, 20), (20, 40)]);
        assert_eq!(found(5..39, 15), [(5, 20), (20, 25), (25, 39)]);
        assert_eq!(found(0..40, 0), [(0, 10), (10, 20), (20, 25), (25, 40)]);
        assert_eq!(found(12..18, 1), [(12, 18)]);
        assert_eq!(found(20..25, 1), [(20, 25)]);
        assert_eq!(found(7..7, 10), []);
    }
}
