//! Reads columns: baskets to Arrow arrays.
//!
//! First all baskets of all columns are decompressed in parallel; then each column's length is known, its buffers are
//! made once, and the values of its baskets are converted into them in parallel.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::ArrayRef;
use rayon::prelude::*;

use crate::basket::Basket;
use crate::build::{self, Piece, Spans};
use crate::decode;
use crate::error::{Place, Result};
use crate::layout::{Item, Layout, VECTOR_HEADER};
use crate::nested::Nested;
use crate::prim::Prim;
use crate::shape::Shape;
use crate::storage::Wanted;
use crate::tree::Tree;

/// Reads columns that the caller has found readable and long enough.
pub(crate) fn columns(tree: &Tree, columns: &[usize], entries: &Range<u64>) -> Result<Vec<ArrayRef>> {
    let mut baskets = BTreeMap::new();
    load(tree, columns, entries, &mut baskets)?;
    let counts = counters(tree, columns, entries, &baskets)?;
    columns
        .par_iter()
        .map(|&column| {
            let parts = baskets.get(&column).map(Vec::as_slice).unwrap_or_default();
            let counter = tree.source(column).count.and_then(|counter| counts.get(&counter));
            array(tree, column, parts, counter, entries)
        })
        .collect()
}

/// A basket, and those of its entries that are wanted.
struct Part<'a> {
    basket: Basket<'a>,
    wanted: Range<usize>,
    /// The entry that the basket starts with.
    first: u64,
}

/// The values of a counter from an entry on.
struct Counts {
    first: u64,
    values: Vec<u32>,
}

impl Counts {
    /// Those of a part's basket, from its start to the last wanted entry.
    fn of(&self, part: &Part<'_>) -> Option<&[u32]> {
        let at = usize::try_from(part.first.checked_sub(self.first)?).ok()?;
        self.values.get(at..at.checked_add(part.wanted.end)?)
    }
}

/// Jagged columns without entry offsets need their counters: each is read once, for all of them.
fn counters(
    tree: &Tree,
    columns: &[usize],
    entries: &Range<u64>,
    baskets: &BTreeMap<usize, Vec<Part<'_>>>,
) -> Result<BTreeMap<usize, Counts>> {
    let mut firsts: BTreeMap<usize, u64> = BTreeMap::new();
    for &column in columns {
        let source = tree.source(column);
        let (Some(Layout::Jagged { header: 0, .. }), Some(counter)) = (&source.layout, source.count) else {
            continue;
        };
        let parts = baskets.get(&column).into_iter().flatten();
        if let Some(first) = parts.filter(|part| part.basket.offsets.is_none()).map(|part| part.first).min() {
            firsts.entry(counter).and_modify(|f| *f = first.min(*f)).or_insert(first);
        }
    }
    let read = |(counter, first)| {
        Ok((counter, Counts { first, values: counter_values(tree, counter, &(first..entries.end))? }))
    };
    firsts.into_iter().map(read).collect()
}

/// Decompresses the baskets of some columns, each once.
fn load<'a>(
    tree: &'a Tree,
    columns: &[usize],
    entries: &Range<u64>,
    out: &mut BTreeMap<usize, Vec<Part<'a>>>,
) -> Result<()> {
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
    Ok(())
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
    let mut baskets = BTreeMap::new();
    load(tree, &[counter], entries, &mut baskets)?;
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
    counts: Option<&Counts>,
    entries: &Range<u64>,
) -> Result<ArrayRef> {
    let place = tree.place_of(column);
    let Some(layout) = &tree.source(column).layout else {
        return Err(place.error(0, "the column has no layout"));
    };
    let rows: usize = parts.iter().map(|part| part.wanted.len()).sum();
    if rows as u64 != entries.end - entries.start {
        return Err(place.error(0, format!("its baskets hold {rows} of the entries that are asked for")));
    }
    match layout {
        Layout::Fixed(item) => fixed_array(item, parts, &place),
        Layout::Record(fields) => record(fields, parts, &place),
        Layout::Jagged { item, header } => jagged_array(item, *header, parts, counts, &place),
        Layout::Bits(shape) if parts.iter().all(|part| part.basket.offsets.is_some()) => {
            nested_array(shape, parts, &place)
        }
        Layout::Bits(shape) => {
            let item = Item { prim: Prim::U32, dims: Vec::new() };
            match shape {
                Shape::Bits => fixed_array(&item, parts, &place),
                _ => jagged_array(&item, 0, parts, counts, &place),
            }
        }
        Layout::Nested(shape) => nested_array(shape, parts, &place),
    }
}

fn fixed_array(item: &Item, parts: &[Part<'_>], place: &Place) -> Result<ArrayRef> {
    let piece =
        |part| Ok(Piece { bytes: fixed(part, item.width())?, spans: Spans::All, items: part.wanted.len() });
    build::items(item, &parts.iter().map(piece).collect::<Result<Vec<_>>>()?, place)
}

fn jagged_array(
    item: &Item,
    header: usize,
    parts: &[Part<'_>],
    counts: Option<&Counts>,
    place: &Place,
) -> Result<ArrayRef> {
    let mut offsets = build::Offsets::new();
    let mut pieces = Vec::with_capacity(parts.len());
    for part in parts {
        let counts = counts.and_then(|counts| counts.of(part));
        pieces.push(jagged(part, item, header, counts, &mut offsets)?);
    }
    let values = build::items(item, &pieces, place)?;
    build::list(offsets.finish(place)?, values, place)
}

fn nested_array(shape: &Shape, parts: &[Part<'_>], place: &Place) -> Result<ArrayRef> {
    let nested = parts.par_iter().map(|part| decode::basket(shape, &part.basket, &part.wanted));
    Nested::concat(shape, nested.collect::<Result<Vec<_>>>()?).finish(shape, place)
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
        // A vector also says its count itself, in the last four bytes of its header.
        let count = values[w[0] as usize..].get(6..10).map(|b| Prim::U32.int(b) as usize);
        if header == VECTOR_HEADER && count != Some(body / width) {
            return error(format!("a vector of {count:?} items has room for {}", body / width));
        }
        items += body / width;
        out.push(body / width);
    }
    let spans = if header == 0 { Spans::All } else { Spans::After { header, offsets } };
    Ok(Piece { bytes: &values[first..last], spans, items })
}

fn record(fields: &[(String, Item)], parts: &[Part<'_>], place: &Place) -> Result<ArrayRef> {
    let stride = fields.iter().map(|(_, item)| item.width()).sum();
    let mut at = 0;
    let mut arrays = Vec::with_capacity(fields.len());
    for (name, item) in fields {
        let mut pieces = Vec::with_capacity(parts.len());
        for part in parts {
            let bytes = fixed(part, stride)?;
            pieces.push(Piece { bytes, spans: Spans::Every { stride, at }, items: part.wanted.len() });
        }
        arrays.push((name.clone(), build::items(item, &pieces, place)?));
        at += item.width();
    }
    build::record(arrays, place)
}
