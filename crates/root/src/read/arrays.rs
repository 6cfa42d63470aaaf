//! Arrays behind pointers, of each item of a split collection: `float* x; //[n]` in the class of its items.
//!
//! An entry holds the arrays of all its items, those of an item after a byte that says whether they are there: one, or as many as the
//! member has pointers (`float* x[2]; //[n]`). Their lengths are the items' `n`, in a sub-branch of its own.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{Array, ArrayRef, ListArray};
use arrow_schema::DataType;

use super::parts::{Baskets, Part};
use crate::build::{self, Items, Piece, Spans};
use crate::error::{Place, Result};
use crate::layout::Item;
use crate::prim::Prim;

/// What stands before the arrays of an item.
const FLAG: usize = 1;

/// Arrays that a byte of a basket may stand for: those without items have none, and a broken file can claim any number of them.
const ARRAYS_A_BYTE: usize = 16;

/// The arrays of all items of all entries: lists of lists, or of `each` lists.
pub(super) fn array(prim: Prim, each: Option<usize>, baskets: &Baskets<'_>) -> Result<ArrayRef> {
    let place = baskets.place();
    let lengths = Lengths::read(baskets, &place)?;
    let item = Item { prim, dims: Vec::new() };
    let mut numbers = Items::new(&item, baskets.tree.file().pool());
    let mut ends = build::Offsets::new();
    let mut row = 0;
    baskets.each(|parts| {
        let mut starts = Vec::with_capacity(parts.len());
        for part in parts {
            starts.push(lengths.find(part, row, prim.width(), each.unwrap_or(1), &mut ends)?);
            row += part.wanted.len();
        }
        let pieces: Vec<_> =
            parts.iter().zip(&starts).map(|(part, starts)| piece(part, starts, prim)).collect();
        numbers.push(&pieces, baskets.share(parts));
        Ok(())
    })?;
    let arrays = build::list(ends.finish(&place)?, numbers.finish(&place)?, &place)?;
    let arrays = match each {
        Some(n) => build::fixed(arrays, n, &place)?,
        None => arrays,
    };
    build::list(lengths.items.offsets().clone(), arrays, &place)
}

fn piece<'a>(part: &'a Part<'_>, starts: &'a [u32], prim: Prim) -> Piece<'a> {
    let (first, last) = (starts[0] as usize, starts[starts.len() - 1] as usize);
    let items = (last - first - FLAG * (starts.len() - 1)) / prim.width();
    let spans = Spans::After { header: FLAG, offsets: starts };
    Piece { bytes: &part.basket.values()[first..last], spans, items }
}

/// The lengths of the arrays of each entry's items.
struct Lengths {
    items: ListArray,
    values: Vec<usize>,
}

impl Lengths {
    fn read(baskets: &Baskets<'_>, place: &Place) -> Result<Self> {
        let Some(column) = baskets.tree.source(baskets.column).count else {
            return Err(place.error(0, "no column tells the lengths of its arrays"));
        };
        let read = super::columns(baskets.tree, &[column], baskets.entries)?;
        let items = read.first().and_then(|array| array.as_list_opt::<i32>()).cloned();
        let values = items.as_ref().and_then(|items| whole_numbers(items.values()));
        match (items, values) {
            (Some(items), Some(values)) => Ok(Self { items, values }),
            _ => Err(place.error(0, "the lengths of its arrays are no whole numbers from 0 on")),
        }
    }

    /// Where in a basket the arrays of each item start, with their flag, and the end. `row` is the place of the part's first entry among
    /// those that are read; the lengths of the arrays are appended to `ends`.
    fn find(
        &self,
        part: &Part<'_>,
        row: usize,
        width: usize,
        each: usize,
        ends: &mut build::Offsets,
    ) -> Result<Vec<u32>> {
        let error = |reason: String| Err(part.basket.place.error(0, reason));
        let values = part.basket.values();
        let offsets =
            part.basket.offsets.as_ref().and_then(|all| all.get(part.wanted.start..=part.wanted.end));
        let (Some(offsets), Some(items)) = (offsets, self.items.offsets().get(row..=row + part.wanted.len()))
        else {
            return error("it does not tell where its entries start".into());
        };
        let most = values.len().saturating_mul(ARRAYS_A_BYTE);
        let items_here = (items[items.len() - 1] - items[0]) as usize;
        if items_here.saturating_mul(each) > most {
            return error(format!("{items_here} items of {each} arrays have {} bytes", values.len()));
        }
        let mut starts = vec![offsets[0]];
        for (entry, items) in offsets.windows(2).zip(items.windows(2)) {
            let (mut at, end) = (entry[0] as usize, entry[1] as usize);
            for &length in &self.values[items[0] as usize..items[1] as usize] {
                let there = values.get(at).is_some_and(|flag| *flag != 0);
                let length = if there { length } else { 0 };
                let bytes = length.checked_mul(width).and_then(|bytes| bytes.checked_mul(each));
                let next = bytes.and_then(|bytes| bytes.checked_add(at + FLAG));
                let Some(next) = next.filter(|next| *next <= end) else {
                    let left = end.saturating_sub(at);
                    return error(format!("{each} arrays of {length} items have {left} bytes"));
                };
                (0..each).for_each(|_| ends.push(length));
                starts.push(next as u32);
                at = next;
            }
            if at != end {
                return error(format!(
                    "an entry has {} bytes after the arrays of its items",
                    end.abs_diff(at)
                ));
            }
        }
        Ok(starts)
    }
}

/// Integers that are not negative.
fn whole_numbers(values: &ArrayRef) -> Option<Vec<usize>> {
    match values.data_type() {
        DataType::Int8 => numbers::<Int8Type>(values),
        DataType::Int16 => numbers::<Int16Type>(values),
        DataType::Int32 => numbers::<Int32Type>(values),
        DataType::Int64 => numbers::<Int64Type>(values),
        DataType::UInt8 => numbers::<UInt8Type>(values),
        DataType::UInt16 => numbers::<UInt16Type>(values),
        DataType::UInt32 => numbers::<UInt32Type>(values),
        DataType::UInt64 => numbers::<UInt64Type>(values),
        _ => None,
    }
}

fn numbers<T: ArrowPrimitiveType>(values: &ArrayRef) -> Option<Vec<usize>>
where
    T::Native: TryInto<usize>,
{
    values.as_primitive::<T>().values().iter().map(|&n| n.try_into().ok()).collect()
}
