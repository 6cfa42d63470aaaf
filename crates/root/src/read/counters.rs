//! Counters: branches that say how many items each entry of others has.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_buffer::OffsetBuffer;
use rayon::prelude::*;

use super::parts::{Baskets, Part, fixed};
use crate::build;
use crate::error::{Place, Result};
use crate::layout::{Item, Layout};
use crate::prim::{BigEndian, Prim};
use crate::tree::Tree;

/// The counters of jagged columns, each read once for all that it counts.
pub(super) struct Counters<'a> {
    tree: &'a Tree,
    entries: &'a Range<u64>,
    /// Those that count several of the columns that are read.
    shared: BTreeSet<usize>,
    read: Mutex<BTreeMap<usize, Arc<Counts>>>,
}

/// The values of a counter from an entry on.
pub(super) struct Counts {
    first: u64,
    values: Vec<u32>,
    /// Of the entries that are read: lists that one column counts share their offsets. `None` where these are too large.
    pub(super) offsets: Option<OffsetBuffer<i32>>,
}

impl<'a> Counters<'a> {
    pub(super) fn new(tree: &'a Tree, columns: &[usize], entries: &'a Range<u64>) -> Self {
        let (mut once, mut shared) = (BTreeSet::new(), BTreeSet::new());
        // A server would be asked once more.
        if !tree.file().is_remote() {
            let of_all = columns.iter().filter_map(|&column| tree.source(column).count);
            shared.extend(of_all.filter(|&counter| !once.insert(counter)));
        }
        Self { tree, entries, shared, read: Mutex::default() }
    }

    /// Reads those that count several columns, before their columns ask for them at once. A fault shows again where one is needed.
    pub(super) fn prepare(&self) {
        self.shared.par_iter().for_each(|&counter| drop(self.get(counter, self.entries.start)));
    }

    /// The values of a counter, from an entry that is not after the first that is read.
    fn get(&self, counter: usize, first: u64) -> Result<Arc<Counts>> {
        // Nothing but the map is touched under the lock: two threads may read the same counter at once, and find the same.
        let known = || self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counts) = known().get(&counter).filter(|counts| counts.first <= first) {
            return Ok(Arc::clone(counts));
        }
        let first = first.min(self.entries.start);
        let values = counter_values(self.tree, counter, &(first..self.entries.end))?;
        let mut offsets = build::Offsets::new();
        offsets.extend(values.get((self.entries.start - first) as usize..).unwrap_or_default());
        let offsets = offsets.finish(&self.tree.place_of(counter)).ok();
        let counts = Arc::new(Counts { first, values, offsets });
        known().insert(counter, Arc::clone(&counts));
        Ok(counts)
    }

    /// The values of a column's counter, where they are needed, since a basket has no entry offsets, or where they save
    /// memory, since other columns have the same offsets.
    pub(super) fn of(&self, column: usize, parts: &[Part<'_>]) -> Result<Option<Arc<Counts>>> {
        let Some(counter) = self.tree.source(column).count else { return Ok(None) };
        let without = parts.iter().filter(|part| part.basket.offsets.is_none()).map(|part| part.first).min();
        match without {
            Some(first) => self.get(counter, first).map(Some),
            None if self.shared.contains(&counter) => Ok(self.get(counter, u64::MAX).ok()),
            None => Ok(None),
        }
    }
}

impl Counts {
    /// Those of a part's basket, from its start to the last wanted entry.
    pub(super) fn of(&self, part: &Part<'_>) -> Option<&[u32]> {
        let at = usize::try_from(part.first.checked_sub(self.first)?).ok()?;
        self.values.get(at..at.checked_add(part.wanted.end)?)
    }
}

/// The values of a counter, for each entry of the range.
fn counter_values(tree: &Tree, counter: usize, entries: &Range<u64>) -> Result<Vec<u32>> {
    let place = tree.place_of(counter);
    let Some(Layout::Fixed(Item { prim, dims })) = &tree.source(counter).layout else {
        return Err(place.error(0, "a counter must be one whole number an entry"));
    };
    if !dims.is_empty() || matches!(prim, Prim::F32 | Prim::F64 | Prim::Packed(_)) {
        return Err(place.error(0, "a counter must be one whole number an entry"));
    }
    let mut out = Vec::new();
    let baskets = Baskets { tree, column: counter, entries, loaded: None };
    baskets.each(|parts| {
        parts
            .iter()
            .try_for_each(|part| append(*prim, fixed(part, prim.width())?, &part.basket.place, &mut out))
    })?;
    Ok(out)
}

/// Appends the values of a basket: none may be negative.
fn append(prim: Prim, bytes: &[u8], place: &Place, out: &mut Vec<u32>) -> Result<()> {
    const MAX: u32 = i32::MAX as u32;
    let error = |n: i64| place.error(0, format!("a counter has the value {n}"));
    if matches!(prim, Prim::I32 | Prim::U32) {
        let start = out.len();
        out.resize(start + bytes.len() / prim.width(), 0);
        u32::convert(bytes, &mut out[start..]);
        // One pass without a way out for the usual case: none has the sign's bit.
        let bits = out[start..].iter().fold(0, |bits, n| bits | n);
        let negative = out[start..].iter().find(|n| prim == Prim::I32 && bits > MAX && **n > MAX);
        return negative.map_or(Ok(()), |n| Err(error(i64::from(*n as i32))));
    }
    for bytes in bytes.chunks_exact(prim.width()) {
        let n = prim.int(bytes);
        out.push(u32::try_from(n).map_err(|_| error(n))?);
    }
    Ok(())
}
