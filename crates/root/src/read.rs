//! Reads columns: baskets to Arrow arrays.
//!
//! A column's baskets are decompressed in parallel; then its length is known, its buffers are made once, and the values of
//! its baskets are converted into them in parallel. Columns are read in parallel too, each by itself, so that its
//! bytes are still in the cache when they are converted; from a server the baskets of all columns come together.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::ArrayRef;
use arrow_buffer::OffsetBuffer;
use rayon::prelude::*;

use crate::basket::Basket;
use crate::build::{self, Piece, Spans};
use crate::decode;
use crate::error::{Place, Result};
use crate::layout::{Item, Layout, VECTOR_HEADER};
use crate::nested::Nested;
use crate::pool::Pool;
use crate::prim::Prim;
use crate::shape::Shape;
use crate::storage::Wanted;
use crate::tree::Tree;

/// Reads columns that the caller has found readable and long enough.
pub(crate) fn columns(tree: &Tree, columns: &[usize], entries: &Range<u64>) -> Result<Vec<ArrayRef>> {
    let counters = Counters::new(tree, columns, entries);
    let array = |column: usize, parts: &[Part<'_>]| array(tree, column, parts, &counters, entries);
    if tree.file().is_remote() {
        let baskets = load(tree, columns, entries)?;
        let parts = |column| baskets.get(column).map(Vec::as_slice).unwrap_or_default();
        return columns.par_iter().map(|column| array(*column, parts(column))).collect();
    }
    let read = |&column: &usize| {
        let baskets = load(tree, &[column], entries)?;
        array(column, baskets.get(&column).map(Vec::as_slice).unwrap_or_default())
    };
    columns.par_iter().map(read).collect()
}

/// Decompresses the baskets of some columns and drops them: the bytes that they hold.
pub(crate) fn decompress(tree: &Tree, columns: &[usize], entries: &Range<u64>) -> Result<u64> {
    let bytes = |&column: &usize| {
        let baskets = load(tree, &[column], entries)?;
        Ok(baskets.into_values().flatten().map(|part| part.basket.data.len() as u64).sum::<u64>())
    };
    columns.par_iter().map(bytes).sum()
}

/// A basket, and those of its entries that are wanted.
struct Part<'a> {
    basket: Basket<'a>,
    wanted: Range<usize>,
    /// The entry that the basket starts with.
    first: u64,
}

/// The counters of jagged columns, each read once for all that it counts.
struct Counters<'a> {
    tree: &'a Tree,
    entries: &'a Range<u64>,
    /// Those that count several of the columns that are read.
    shared: BTreeSet<usize>,
    read: Mutex<BTreeMap<usize, Arc<Counts>>>,
}

/// The values of a counter from an entry on.
struct Counts {
    first: u64,
    values: Vec<u32>,
    /// Of the entries that are read: lists that one column counts share their offsets. `None` where these are too large.
    offsets: Option<OffsetBuffer<i32>>,
}

impl<'a> Counters<'a> {
    fn new(tree: &'a Tree, columns: &[usize], entries: &'a Range<u64>) -> Self {
        let (mut once, mut shared) = (BTreeSet::new(), BTreeSet::new());
        // A server would be asked once more.
        if !tree.file().is_remote() {
            let of_all = columns.iter().filter_map(|&column| tree.source(column).count);
            shared.extend(of_all.filter(|&counter| !once.insert(counter)));
        }
        Self { tree, entries, shared, read: Mutex::default() }
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
        values.iter().skip((self.entries.start - first) as usize).for_each(|&n| offsets.push(n as usize));
        let offsets = offsets.finish(&self.tree.place_of(counter)).ok();
        let counts = Arc::new(Counts { first, values, offsets });
        known().insert(counter, Arc::clone(&counts));
        Ok(counts)
    }
}

impl Counts {
    /// Those of a part's basket, from its start to the last wanted entry.
    fn of(&self, part: &Part<'_>) -> Option<&[u32]> {
        let at = usize::try_from(part.first.checked_sub(self.first)?).ok()?;
        self.values.get(at..at.checked_add(part.wanted.end)?)
    }
}

/// Decompresses the baskets of some columns, each once.
fn load<'a>(
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

/// The values of a counter, for each entry of the range.
fn counter_values(tree: &Tree, counter: usize, entries: &Range<u64>) -> Result<Vec<u32>> {
    let place = tree.place_of(counter);
    let Some(Layout::Fixed(Item { prim, dims })) = &tree.source(counter).layout else {
        return Err(place.error(0, "a counter must be one whole number an entry"));
    };
    if !dims.is_empty() || matches!(prim, Prim::F32 | Prim::F64 | Prim::Packed(_)) {
        return Err(place.error(0, "a counter must be one whole number an entry"));
    }
    let baskets = load(tree, &[counter], entries)?;
    let mut out = Vec::new();
    for part in baskets.into_values().flatten() {
        for bytes in fixed(&part, prim.width())?.chunks_exact(prim.width()) {
            match u32::try_from(prim.int(bytes)) {
                Ok(n) => out.push(n),
                Err(_) => {
                    return Err(part
                        .basket
                        .place
                        .error(0, format!("a counter has the value {}", prim.int(bytes))));
                }
            }
        }
    }
    Ok(out)
}

/// The wanted bytes of a basket whose entries are all of one size.
fn fixed<'a>(part: &'a Part<'_>, width: usize) -> Result<&'a [u8]> {
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

fn array(
    tree: &Tree,
    column: usize,
    parts: &[Part<'_>],
    counters: &Counters<'_>,
    entries: &Range<u64>,
) -> Result<ArrayRef> {
    let (place, pool) = (tree.place_of(column), tree.file().pool());
    let Some(layout) = &tree.source(column).layout else {
        return Err(place.error(0, "the column has no layout"));
    };
    let rows: usize = parts.iter().map(|part| part.wanted.len()).sum();
    if rows as u64 != entries.end - entries.start {
        return Err(place.error(0, format!("its baskets hold {rows} of the entries that are asked for")));
    }
    match layout {
        Layout::Fixed(item) => fixed_array(item, parts, &place, pool),
        Layout::Record(fields) => record(fields, parts, &place, pool),
        Layout::Jagged { item, header: 0 } => {
            let counts = counts(tree, column, parts, counters)?;
            match counts.as_ref().and_then(|counts| counted(item, parts, counts)) {
                Some((offsets, pieces)) => {
                    build::list(offsets.clone(), build::items(item, &pieces, &place, pool)?, &place)
                }
                None => jagged_array(item, 0, parts, counts.as_deref(), &place, pool),
            }
        }
        Layout::Jagged { item, header } => jagged_array(item, *header, parts, None, &place, pool),
        Layout::Bits(shape) if parts.iter().all(|part| part.basket.offsets.is_some()) => {
            nested_array(shape, parts, &place, pool)
        }
        Layout::Bits(shape) => {
            let item = Item { prim: Prim::U32, dims: Vec::new() };
            match shape {
                Shape::Bits => fixed_array(&item, parts, &place, pool),
                _ => {
                    let counts = counts(tree, column, parts, counters)?;
                    jagged_array(&item, 0, parts, counts.as_deref(), &place, pool)
                }
            }
        }
        Layout::Nested(shape) => nested_array(shape, parts, &place, pool),
    }
}

/// The values of a column's counter, where they are needed, since a basket has no entry offsets, or where they save
/// memory, since other columns have the same offsets.
fn counts(
    tree: &Tree,
    column: usize,
    parts: &[Part<'_>],
    counters: &Counters<'_>,
) -> Result<Option<Arc<Counts>>> {
    let Some(counter) = tree.source(column).count else { return Ok(None) };
    let without = parts.iter().filter(|part| part.basket.offsets.is_none()).map(|part| part.first).min();
    match without {
        Some(first) => counters.get(counter, first).map(Some),
        None if counters.shared.contains(&counter) => Ok(counters.get(counter, u64::MAX).ok()),
        None => Ok(None),
    }
}

/// The offsets of a counter, and the items of all parts, where each entry has the items that its counter tells.
fn counted<'a, 'c>(
    item: &Item,
    parts: &'a [Part<'_>],
    counts: &'c Counts,
) -> Option<(&'c OffsetBuffer<i32>, Vec<Piece<'a>>)> {
    let shared = counts.offsets.as_ref()?;
    let width = u32::try_from(item.width()).ok()?;
    let mut at = 0;
    let mut pieces = Vec::with_capacity(parts.len());
    for part in parts {
        let ends = shared.get(at..=at + part.wanted.len())?;
        at += part.wanted.len();
        let offsets = part.basket.offsets.as_ref()?.get(part.wanted.start..=part.wanted.end)?;
        let (first, start) = (offsets[0], ends[0]);
        let same = |(&offset, &end): (&u32, &i32)| {
            u64::from(offset.wrapping_sub(first))
                == u64::from(end.wrapping_sub(start) as u32) * u64::from(width)
        };
        // Every entry is looked at: loops without a way out become vector instructions.
        if !offsets.iter().zip(ends).fold(true, |all, pair| all & same(pair)) {
            return None;
        }
        let bytes = part.basket.values().get(first as usize..*offsets.last()? as usize)?;
        let items = (ends.last()? - start) as usize;
        pieces.push(Piece { bytes, spans: Spans::All, items });
    }
    Some((shared, pieces))
}

fn fixed_array(item: &Item, parts: &[Part<'_>], place: &Place, pool: &Arc<Pool>) -> Result<ArrayRef> {
    let piece =
        |part| Ok(Piece { bytes: fixed(part, item.width())?, spans: Spans::All, items: part.wanted.len() });
    build::items(item, &parts.iter().map(piece).collect::<Result<Vec<_>>>()?, place, pool)
}

fn jagged_array(
    item: &Item,
    header: usize,
    parts: &[Part<'_>],
    counts: Option<&Counts>,
    place: &Place,
    pool: &Arc<Pool>,
) -> Result<ArrayRef> {
    let mut offsets = build::Offsets::new();
    let mut pieces = Vec::with_capacity(parts.len());
    for part in parts {
        let counts = counts.and_then(|counts| counts.of(part));
        pieces.push(jagged(part, item, header, counts, &mut offsets)?);
    }
    let values = build::items(item, &pieces, place, pool)?;
    build::list(offsets.finish(place)?, values, place)
}

fn nested_array(shape: &Shape, parts: &[Part<'_>], place: &Place, pool: &Arc<Pool>) -> Result<ArrayRef> {
    let nested = parts.par_iter().map(|part| decode::basket(shape, &part.basket, &part.wanted));
    Nested::concat(shape, nested.collect::<Result<Vec<_>>>()?).finish(shape, place, pool)
}

/// Finds the items of a jagged basket, and appends their numbers to the offsets.
fn jagged<'a>(
    part: &'a Part<'_>,
    item: &Item,
    header: usize,
    counts: Option<&[u32]>,
    out: &mut build::Offsets,
) -> Result<Piece<'a>> {
    let (values, width) = (part.basket.values(), item.width());
    let error = |reason: String| Err(part.basket.place.error(0, reason));
    let Some(offsets) = &part.basket.offsets else {
        // Without offsets the counter tells how many items each entry has.
        let Some(counts) = counts else {
            return error("it has neither entry offsets nor a counter".into());
        };
        let (before, wanted) = counts.split_at(part.wanted.start);
        let [skip, items] = [before, wanted].map(|counts| counts.iter().map(|&n| n as usize).sum::<usize>());
        let all = (skip + items).checked_mul(width);
        let fits = |&all: &usize| {
            all <= values.len() && (part.wanted.end < part.basket.entries || all == values.len())
        };
        let Some(all) = all.filter(fits) else {
            let reason = format!(
                "its counter tells {} items of {width} bytes, it has {} bytes",
                skip + items,
                values.len()
            );
            return error(reason);
        };
        out.reserve(wanted.len());
        wanted.iter().for_each(|&n| out.push(n as usize));
        return Ok(Piece { bytes: &values[skip * width..all], spans: Spans::All, items });
    };
    let offsets = &offsets[part.wanted.start..=part.wanted.end];
    let (first, last) = (offsets[0] as usize, offsets[offsets.len() - 1] as usize);
    let mut items = 0;
    out.reserve(offsets.len());
    for w in offsets.windows(2) {
        let bytes = (w[1] - w[0]) as usize;
        let Some(body) = bytes.checked_sub(header).filter(|body| body % width == 0) else {
            return error(format!("an entry of {bytes} bytes does not hold items of {width}"));
        };
        items += body / width;
        out.push(body / width);
        // A vector also says its count itself, in the last four bytes of its header.
        if header == VECTOR_HEADER {
            let count = values[w[0] as usize..].get(6..).and_then(|bytes| bytes.first_chunk());
            if count.map(|count| u32::from_be_bytes(*count) as usize) != Some(body / width) {
                return error(format!("a vector of {count:?} items has room for {}", body / width));
            }
        }
    }
    let spans = if header == 0 { Spans::All } else { Spans::After { header, offsets } };
    Ok(Piece { bytes: &values[first..last], spans, items })
}

fn record(
    fields: &[(String, Item)],
    parts: &[Part<'_>],
    place: &Place,
    pool: &Arc<Pool>,
) -> Result<ArrayRef> {
    let stride = fields.iter().map(|(_, item)| item.width()).sum();
    let mut at = 0;
    let mut arrays = Vec::with_capacity(fields.len());
    for (name, item) in fields {
        let mut pieces = Vec::with_capacity(parts.len());
        for part in parts {
            let bytes = fixed(part, stride)?;
            pieces.push(Piece { bytes, spans: Spans::Every { stride, at }, items: part.wanted.len() });
        }
        arrays.push((name.clone(), build::items(item, &pieces, place, pool)?));
        at += item.width();
    }
    build::record(arrays, place)
}
