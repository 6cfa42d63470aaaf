//! Reads columns: baskets to Arrow arrays.
//!
//! A column's baskets are decompressed some at a time, in parallel, and their values converted in parallel into the column's buffer, so
//! that the decompressed bytes are still in the cache. Columns are read in parallel too; from a server the baskets of all columns come
//! together.

mod arrays;
mod counters;
mod parts;

use std::ops::Range;
use std::sync::Arc;

use arrow_array::ArrayRef;
use rayon::prelude::*;

use self::counters::{Counters, Counts};
use self::parts::{Baskets, Part, fixed, load};
use crate::build::{self, Items, Piece, Spans};
use crate::decode;
use crate::error::Result;
use crate::layout::{Item, Layout, VECTOR_HEADER};
use crate::nested::Nested;
use crate::prim::Prim;
use crate::shape::Shape;
use crate::tree::Tree;

/// Reads columns that the caller has found readable and long enough.
pub(crate) fn columns(tree: &Tree, columns: &[usize], entries: &Range<u64>) -> Result<Vec<ArrayRef>> {
    let counters = Counters::new(tree, columns, entries);
    let array = |column: usize, loaded: Option<&[Part<'_>]>| {
        array(&Baskets { tree, column, entries, loaded }, &counters)
    };
    if tree.file().is_remote() {
        let baskets = load(tree, columns, entries)?;
        let parts = |column| baskets.get(column).map(Vec::as_slice).unwrap_or_default();
        return columns.par_iter().map(|column| array(*column, Some(parts(column)))).collect();
    }
    counters.prepare();
    columns.par_iter().map(|column| array(*column, None)).collect()
}

/// Decompresses the baskets of some columns and drops them: the bytes that they hold.
pub(crate) fn decompress(tree: &Tree, columns: &[usize], entries: &Range<u64>) -> Result<u64> {
    let bytes = |&column: &usize| {
        let mut bytes = 0;
        Baskets { tree, column, entries, loaded: None }.each(|parts| {
            bytes += parts.iter().map(|part| part.basket.data.len() as u64).sum::<u64>();
            Ok(())
        })?;
        Ok(bytes)
    };
    columns.par_iter().map(bytes).sum()
}

/// Makes the array of a column.
fn array(baskets: &Baskets<'_>, counters: &Counters<'_>) -> Result<ArrayRef> {
    let place = baskets.place();
    let Some(layout) = &baskets.tree.source(baskets.column).layout else {
        return Err(place.error(0, "the column has no layout"));
    };
    match layout {
        Layout::Fixed(item) => fixed_array(item, baskets),
        Layout::Record(fields) => record(fields, baskets),
        Layout::Jagged { item, header: 0 } => counted_array(item, baskets, counters),
        Layout::Jagged { item, header } => jagged_array(item, *header, baskets),
        Layout::Arrays { prim, each, .. } => arrays::array(*prim, *each, baskets),
        Layout::Bits(shape) => bits_array(shape, baskets, counters),
        Layout::Nested(shape) => nested_array(shape, baskets),
    }
}

fn fixed_array(item: &Item, baskets: &Baskets<'_>) -> Result<ArrayRef> {
    let mut items = Items::new(item, baskets.tree.file().pool());
    baskets.each(|parts| {
        let pieces = parts.iter().map(|part| {
            Ok(Piece { bytes: fixed(part, item.width())?, spans: Spans::All, items: part.wanted.len() })
        });
        items.push(&pieces.collect::<Result<Vec<_>>>()?, baskets.share(parts));
        Ok(())
    })?;
    items.finish(&baskets.place())
}

/// Bits, whose baskets are looked at first: whether they tell where their entries start decides what they hold.
fn bits_array(shape: &Shape, baskets: &Baskets<'_>, counters: &Counters<'_>) -> Result<ArrayRef> {
    let here;
    let parts = match baskets.loaded {
        Some(parts) => parts,
        None => {
            here = load(baskets.tree, &[baskets.column], baskets.entries)?;
            here.get(&baskets.column).map(Vec::as_slice).unwrap_or_default()
        }
    };
    let baskets = &Baskets { loaded: Some(parts), ..*baskets };
    let item = Item { prim: Prim::U32, dims: Vec::new() };
    match shape {
        _ if parts.iter().all(|part| part.basket.offsets.is_some()) => nested_array(shape, baskets),
        Shape::Bits => fixed_array(&item, baskets),
        _ => counted_array(&item, baskets, counters),
    }
}

fn nested_array(shape: &Shape, baskets: &Baskets<'_>) -> Result<ArrayRef> {
    let mut nested = Vec::new();
    baskets.each(|parts| {
        let decoded = parts.par_iter().map(|part| decode::basket(shape, &part.basket, &part.wanted));
        nested.extend(decoded.collect::<Result<Vec<_>>>()?);
        Ok(())
    })?;
    Nested::concat(shape, nested).finish(shape, &baskets.place(), baskets.tree.file().pool())
}

/// Lists whose items follow each other without a header, and which another column counts.
fn counted_array(item: &Item, baskets: &Baskets<'_>, counters: &Counters<'_>) -> Result<ArrayRef> {
    let mut items = Items::new(item, baskets.tree.file().pool());
    let mut offsets = build::Offsets::new();
    // As long as each entry has the items that its counter tells, the offsets are the counter's.
    let mut shared: Option<Arc<Counts>> = None;
    let (mut is_counted, mut at) = (true, 0);
    baskets.each(|parts| {
        let counts = counters.of(baskets.column, parts)?;
        let pieces =
            counts.as_deref().filter(|_| is_counted).and_then(|counts| counted(item, parts, counts, at));
        if let Some(pieces) = pieces {
            items.push(&pieces, baskets.share(parts));
            shared = counts;
        } else {
            if let Some(before) = shared.take().and_then(|counts| counts.offsets.clone()) {
                before[..=at].windows(2).for_each(|ends| offsets.push((ends[1] - ends[0]) as usize));
            }
            is_counted = false;
            let pieces = jagged(parts, item, 0, counts.as_deref(), &mut offsets)?;
            items.push(&pieces, baskets.share(parts));
        }
        at += parts.iter().map(|part| part.wanted.len()).sum::<usize>();
        Ok(())
    })?;
    let place = baskets.place();
    let offsets = match shared.and_then(|counts| counts.offsets.clone()) {
        Some(offsets) => offsets,
        None => offsets.finish(&place)?,
    };
    build::list(offsets, items.finish(&place)?, &place)
}

/// The items of some parts, where each entry has the items that its counter tells. `at` is the number of entries before them.
fn counted<'a>(item: &Item, parts: &'a [Part<'_>], counts: &Counts, mut at: usize) -> Option<Vec<Piece<'a>>> {
    let shared = counts.offsets.as_ref()?;
    let width = u32::try_from(item.width()).ok()?;
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
    Some(pieces)
}

fn jagged_array(item: &Item, header: usize, baskets: &Baskets<'_>) -> Result<ArrayRef> {
    let mut items = Items::new(item, baskets.tree.file().pool());
    let mut offsets = build::Offsets::new();
    baskets.each(|parts| {
        items.push(&jagged(parts, item, header, None, &mut offsets)?, baskets.share(parts));
        Ok(())
    })?;
    let place = baskets.place();
    build::list(offsets.finish(&place)?, items.finish(&place)?, &place)
}

/// Finds the items of some jagged baskets, and appends their numbers to the offsets.
fn jagged<'a>(
    parts: &'a [Part<'_>],
    item: &Item,
    header: usize,
    counts: Option<&Counts>,
    out: &mut build::Offsets,
) -> Result<Vec<Piece<'a>>> {
    let piece = |part| jagged_piece(part, item, header, counts.and_then(|counts| counts.of(part)), out);
    parts.iter().map(piece).collect()
}

/// Finds the items of a jagged basket, and appends their numbers to the offsets.
fn jagged_piece<'a>(
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
        out.extend(wanted);
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

fn record(fields: &[(String, Item)], baskets: &Baskets<'_>) -> Result<ArrayRef> {
    let stride = fields.iter().map(|(_, item)| item.width()).sum();
    let pool = baskets.tree.file().pool();
    let mut columns: Vec<Items<'_>> = fields.iter().map(|(_, item)| Items::new(item, pool)).collect();
    baskets.each(|parts| {
        let rows = parts.iter().map(|part| Ok((fixed(part, stride)?, part.wanted.len())));
        let rows = rows.collect::<Result<Vec<_>>>()?;
        let mut at = 0;
        for ((_, item), column) in fields.iter().zip(&mut columns) {
            let piece = |&(bytes, items)| Piece { bytes, spans: Spans::Every { stride, at }, items };
            column.push(&rows.iter().map(piece).collect::<Vec<_>>(), baskets.share(parts));
            at += item.width();
        }
        Ok(())
    })?;
    let place = baskets.place();
    let arrays =
        fields.iter().zip(columns).map(|((name, _), items)| Ok((name.clone(), items.finish(&place)?)));
    build::record(arrays.collect::<Result<Vec<_>>>()?, &place)
}
