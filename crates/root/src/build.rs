//! Makes Arrow arrays: pieces of big-endian bytes to native buffers.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, FixedSizeListArray, ListArray, PrimitiveArray, StructArray, types,
};
use arrow_buffer::{BooleanBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{Field, Fields};
use rayon::prelude::*;

use crate::error::{Place, Result};
use crate::layout::Item;
use crate::pool::{Block, Pool};
use crate::prim::{BigEndian, Prim};

/// How many times the memory that is needed now may be taken for what is expected.
const GROWTH: usize = 64;

/// Items of one basket.
pub(crate) struct Piece<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) spans: Spans<'a>,
    pub(crate) items: usize,
}

/// Where in a piece's bytes its items are.
pub(crate) enum Spans<'a> {
    /// Everywhere.
    All,
    /// In each entry after a header. The offsets count from where the piece's first one stands.
    After { header: usize, offsets: &'a [u32] },
    /// One in each row of this stride.
    Every { stride: usize, at: usize },
}

impl Piece<'_> {
    /// Calls `f` with each run of bytes and how many items it has.
    fn each(&self, width: usize, mut f: impl FnMut(&[u8])) {
        match self.spans {
            Spans::All => f(self.bytes),
            Spans::After { header, offsets } => {
                let base = offsets[0] as usize;
                for w in offsets.windows(2) {
                    f(&self.bytes[w[0] as usize - base + header..w[1] as usize - base]);
                }
            }
            Spans::Every { stride, at } => {
                self.bytes.chunks_exact(stride).for_each(|row| f(&row[at..at + width]));
            }
        }
    }
}

/// The items of a column, piece after piece, in one buffer.
pub(crate) struct Items<'a> {
    item: &'a Item,
    pool: &'a Arc<Pool>,
    block: Block,
    /// Bytes of the buffer that hold numbers.
    used: usize,
    count: usize,
}

impl<'a> Items<'a> {
    pub(crate) fn new(item: &'a Item, pool: &'a Arc<Pool>) -> Self {
        Self { item, pool, block: pool.take::<u8>(0), used: 0, count: 0 }
    }

    /// Appends the items of some pieces, which are `share` of all that will come, as far as is known: in (0, 1].
    pub(crate) fn push(&mut self, pieces: &[Piece<'_>], share: f64) {
        let items: usize = pieces.iter().map(|piece| piece.items).sum();
        self.reserve(items, share);
        macro_rules! native {
            ($t:ty) => {
                self.convert::<$t>(pieces, BigEndian::convert)
            };
        }
        match self.item.prim {
            Prim::Bool | Prim::U8 => native!(u8),
            Prim::I8 => native!(i8),
            Prim::I16 => native!(i16),
            Prim::U16 => native!(u16),
            Prim::I32 => native!(i32),
            Prim::U32 => native!(u32),
            Prim::I64 => native!(i64),
            Prim::U64 => native!(u64),
            Prim::F32 => native!(f32),
            Prim::F64 => native!(f64),
            Prim::Packed(packed) => self.convert::<f64>(pieces, |bytes, out| packed.convert(bytes, out)),
        }
        self.count += items;
    }

    /// Bytes of a number in memory.
    fn number_bytes(&self) -> usize {
        match self.item.prim {
            Prim::Packed(_) => size_of::<f64>(),
            prim => prim.width(),
        }
    }

    /// Makes room for more items, and for those that are expected after them. A little more is expected than the share says, but
    /// not many times what is there: a column that holds much of its data in its first rows must not take memory for nothing.
    fn reserve(&mut self, items: usize, share: f64) {
        let each = self.item.numbers().saturating_mul(self.number_bytes());
        let needed = self.used.saturating_add(items.saturating_mul(each));
        if needed <= self.block.as_ref().len() {
            return;
        }
        let expected =
            if share < 1.0 { (items.saturating_mul(each) as f64 / share * 1.02) as usize } else { 0 };
        let wanted = expected.clamp(needed, needed.saturating_mul(GROWTH));
        let mut block = self.pool.take::<u8>(wanted.next_multiple_of(size_of::<u64>()));
        block.numbers::<u8>()[..self.used].copy_from_slice(&self.block.as_ref()[..self.used]);
        self.block = block;
    }

    /// Converts all pieces, in parallel, behind what is there.
    fn convert<T: BigEndian>(&mut self, pieces: &[Piece<'_>], convert: impl Fn(&[u8], &mut [T]) + Sync) {
        let (numbers, width, prim) = (self.item.numbers(), self.item.width(), self.item.prim);
        let mut targets = Vec::with_capacity(pieces.len());
        let mut rest = &mut self.block.numbers::<T>()[self.used / size_of::<T>()..];
        for piece in pieces {
            let (target, after) = rest.split_at_mut(piece.items * numbers);
            rest = after;
            self.used += size_of_val(target);
            targets.push((piece, target));
        }
        targets.into_par_iter().for_each(|(piece, mut target)| {
            piece.each(width, |bytes| {
                let n = (bytes.len() / prim.width()).min(target.len());
                let (now, later) = std::mem::take(&mut target).split_at_mut(n);
                convert(bytes, now);
                target = later;
            });
            // Nothing of what the memory held before is to be seen.
            target.fill(T::zeroed());
        });
    }

    /// The array of all items.
    pub(crate) fn finish(self, place: &Place) -> Result<ArrayRef> {
        let (rows, dims) = (self.count, &self.item.dims);
        let len = self.item.numbers();
        let mut array = self.numbers();
        if rows.checked_mul(len) != Some(array.len()) {
            return Err(place.error(0, format!("{} numbers do not make {rows} items of {len}", array.len())));
        }
        // From the innermost dimension out, each a list of fixed size.
        for &n in dims.iter().rev() {
            array = fixed(array, n, place)?;
        }
        Ok(array)
    }

    fn numbers(mut self) -> ArrayRef {
        self.block.truncate(self.used);
        macro_rules! native {
            ($arrow:ty) => {
                Arc::new(PrimitiveArray::<$arrow>::new(self.block.finish().into(), None))
            };
        }
        match self.item.prim {
            Prim::Bool => Arc::new(booleans(self.block.as_ref())),
            Prim::I8 => native!(types::Int8Type),
            Prim::U8 => native!(types::UInt8Type),
            Prim::I16 => native!(types::Int16Type),
            Prim::U16 => native!(types::UInt16Type),
            Prim::I32 => native!(types::Int32Type),
            Prim::U32 => native!(types::UInt32Type),
            Prim::I64 => native!(types::Int64Type),
            Prim::U64 => native!(types::UInt64Type),
            Prim::F32 => native!(types::Float32Type),
            Prim::F64 => native!(types::Float64Type),
            Prim::Packed(packed) if packed.double => native!(types::Float64Type),
            Prim::Packed(_) => {
                let values: Vec<f32> = self.block.numbers().iter().map(|&x: &f64| x as f32).collect();
                Arc::new(PrimitiveArray::<types::Float32Type>::new(values.into(), None))
            }
        }
    }
}

/// The array of all items of the pieces.
pub(crate) fn items(item: &Item, pieces: &[Piece<'_>], place: &Place, pool: &Arc<Pool>) -> Result<ArrayRef> {
    let mut items = Items::new(item, pool);
    items.push(pieces, 1.0);
    items.finish(place)
}

/// Truth values of a byte each as bits: all but 0 are true.
pub(crate) fn booleans(bytes: &[u8]) -> BooleanArray {
    let mut bits = Vec::with_capacity(bytes.len().div_ceil(8));
    let (eights, rest) = bytes.as_chunks();
    bits.extend(eights.iter().map(|eight| eight_bits(*eight)));
    if !rest.is_empty() {
        let mut eight = [0; 8];
        eight[..rest.len()].copy_from_slice(rest);
        bits.push(eight_bits(eight));
    }
    BooleanArray::new(BooleanBuffer::new(bits.into(), 0, bytes.len()), None)
}

fn eight_bits(bytes: [u8; 8]) -> u8 {
    let word = u64::from_le_bytes(bytes);
    // The lowest bit of each byte says whether any of its bits is set; the product moves that of byte i to bit 56 + i.
    let carried = (word & 0x7F7F_7F7F_7F7F_7F7F) + 0x7F7F_7F7F_7F7F_7F7F;
    let truths = ((carried | word) >> 7) & 0x0101_0101_0101_0101;
    (truths.wrapping_mul(0x0102_0408_1020_4080) >> 56) as u8
}

/// Offsets of lists, from their lengths.
pub(crate) struct Offsets {
    offsets: Vec<i32>,
    total: usize,
}

impl Offsets {
    pub(crate) fn new() -> Self {
        Self { offsets: vec![0], total: 0 }
    }

    /// Makes room for more lists, whose lengths the caller has in hand.
    pub(crate) fn reserve(&mut self, lists: usize) {
        self.offsets.reserve(lists);
    }

    pub(crate) fn push(&mut self, items: usize) {
        self.total = self.total.saturating_add(items);
        self.offsets.push(self.total as i32);
    }

    /// Appends lists of these lengths.
    pub(crate) fn extend(&mut self, lengths: &[u32]) {
        self.offsets.reserve(lengths.len());
        for &items in lengths {
            self.push(items as usize);
        }
    }

    /// # Errors
    /// Arrow's lists count with 32 bits: more items must be read in several ranges of entries.
    pub(crate) fn finish(self, place: &Place) -> Result<OffsetBuffer<i32>> {
        if i32::try_from(self.total).is_err() {
            let reason = format!(
                "{} items are more than a list column can hold: read fewer entries at once",
                self.total
            );
            return Err(place.error(0, reason));
        }
        Ok(OffsetBuffer::new(ScalarBuffer::from(self.offsets)))
    }
}

pub(crate) fn list(offsets: OffsetBuffer<i32>, values: ArrayRef, place: &Place) -> Result<ArrayRef> {
    let field = Arc::new(Field::new("item", values.data_type().clone(), false));
    let list = ListArray::try_new(field, offsets, values, None).map_err(|e| place.error(0, e.to_string()))?;
    Ok(Arc::new(list))
}

/// Lists of `n` items each.
pub(crate) fn fixed(items: ArrayRef, n: usize, place: &Place) -> Result<ArrayRef> {
    let size = i32::try_from(n).map_err(|_| place.error(0, format!("a dimension of {n} is too large")))?;
    let field = Arc::new(Field::new("item", items.data_type().clone(), false));
    let list =
        FixedSizeListArray::try_new(field, size, items, None).map_err(|e| place.error(0, e.to_string()))?;
    Ok(Arc::new(list))
}

pub(crate) fn record(fields: Vec<(String, ArrayRef)>, place: &Place) -> Result<ArrayRef> {
    let (names, arrays): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
    let fields: Fields = names
        .into_iter()
        .zip(&arrays)
        .map(|(name, array)| Field::new(name, array.data_type().clone(), false))
        .collect();
    let array = StructArray::try_new(fields, arrays, None).map_err(|e| place.error(0, e.to_string()))?;
    Ok(Arc::new(array))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_but_zero_is_true() {
        for n in 0..40 {
            for shift in 0..8 {
                let bytes: Vec<u8> =
                    (0..n).map(|i| if i % 3 == shift % 3 { 1 << shift } else { 0 }).collect();
                let expected: Vec<bool> = bytes.iter().map(|&b| b != 0).collect();
                assert_eq!(booleans(&bytes), BooleanArray::from(expected), "{bytes:?}");
            }
        }
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(booleans(&all).true_count(), 255);
    }
}
