//! Columns of a cluster: values appended from arrays, and their pages.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};

use super::super::arrays::{Lists, first_null, lists, numbers, texts};
use super::schema::{Kind, Node};
use crate::prim::Prim;

/// Bytes of a page before compression, at most.
const PAGE_BYTES: usize = 1 << 20;

/// A column's elements within the cluster, in native little-endian form; a bit takes a byte here.
#[derive(Debug, Default)]
pub(crate) struct Elements {
    pub(crate) bytes: Vec<u8>,
    /// Of an index: the last number.
    last: u64,
}

impl Elements {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.last = 0;
    }

    /// Appends where some lists end, given where they start within the array.
    fn push_lengths(&mut self, offsets: &[usize]) {
        for w in offsets.windows(2) {
            self.last += (w[1] - w[0]) as u64;
            self.bytes.extend_from_slice(&self.last.to_le_bytes());
        }
    }
}

fn no_nulls(array: &ArrayRef) -> Result<(), String> {
    match first_null(array) {
        None => Ok(()),
        Some(_) => Err("it holds a null, though its field says that it holds none".to_owned()),
    }
}

/// Appends an array's values to the columns that a node names, of which the first is number `base`. Errors are reasons.
pub(crate) fn append(
    node: &Node,
    array: &ArrayRef,
    base: usize,
    columns: &mut [Elements],
) -> Result<(), String> {
    let other = || format!("an array of {} is not what the schema says", array.data_type());
    if !matches!(node, Node::Optional { .. }) {
        no_nulls(array)?;
    }
    match node {
        Node::Bits(column) | Node::Numbers(column) => {
            match numbers(array, false, &mut columns[*column - base].bytes) {
                true => Ok(()),
                false => Err(other()),
            }
        }
        Node::Text { index, chars } => {
            let (offsets, bytes) = texts(array).ok_or_else(other)?;
            columns[*index - base].push_lengths(&offsets);
            columns[*chars - base].bytes.extend_from_slice(bytes);
            Ok(())
        }
        Node::List { index, item } => {
            let Lists { offsets, items } = lists(array).ok_or_else(other)?;
            columns[*index - base].push_lengths(&offsets);
            append(item, &items, base, columns)
        }
        Node::Array { item, n } => match array.as_fixed_size_list_opt() {
            Some(list) if list.values().len() == array.len() * n => {
                append(item, list.values(), base, columns)
            }
            _ => Err(other()),
        },
        Node::Record(nodes) => match array.as_struct_opt() {
            Some(record) if record.num_columns() == nodes.len() => nodes
                .iter()
                .zip(record.columns())
                .try_for_each(|(node, array)| append(node, array, base, columns)),
            _ => Err(other()),
        },
        Node::Optional { index, item } => optional(*index, item, array, base, columns),
    }
}

/// The values of an array that are there, run by run, and for each row whether its is.
fn optional(
    index: usize,
    item: &Node,
    array: &ArrayRef,
    base: usize,
    columns: &mut [Elements],
) -> Result<(), String> {
    let Some(nulls) = array.nulls().filter(|nulls| nulls.null_count() > 0) else {
        columns[index - base].push_lengths(&(0..=array.len()).collect::<Vec<_>>());
        return append(item, array, base, columns);
    };
    for i in 0..array.len() {
        columns[index - base].push_lengths(&[0, usize::from(nulls.is_valid(i))]);
    }
    for (start, end) in nulls.valid_slices() {
        append(item, &array.slice(start, end - start), base, columns)?;
    }
    Ok(())
}

/// A page: the number of its elements, and its bytes as they are stored but for compression.
pub(crate) struct Page {
    pub(crate) elements: usize,
    pub(crate) bytes: Vec<u8>,
}

/// The ranges of elements that make up the pages of a column.
pub(crate) fn page_ranges(kind: Kind, elements: &Elements) -> Vec<std::ops::Range<usize>> {
    let n = elements.bytes.len() / kind.width();
    let step = PAGE_BYTES / kind.width();
    (0..n).step_by(step).map(|start| start..(start + step).min(n)).collect()
}

/// Encodes some elements of a column as a page.
pub(crate) fn page(kind: Kind, split: bool, elements: &Elements, range: std::ops::Range<usize>) -> Page {
    let width = kind.width();
    let bytes = &elements.bytes[range.start * width..range.end * width];
    let bytes = match (kind, split) {
        (Kind::Bit, _) => pack_bits(bytes),
        (Kind::Char, _) | (_, false) => bytes.to_vec(),
        (Kind::Index, true) => split_bytes::<8>(&delta(bytes)),
        (Kind::Number(prim), true) => match prim {
            Prim::Bool | Prim::I8 | Prim::U8 => bytes.to_vec(),
            Prim::U16 => split_bytes::<2>(bytes),
            Prim::U32 | Prim::F32 | Prim::Packed(_) => split_bytes::<4>(bytes),
            Prim::U64 | Prim::F64 => split_bytes::<8>(bytes),
            Prim::I16 => split_bytes::<2>(&zigzag::<2>(bytes)),
            Prim::I32 => split_bytes::<4>(&zigzag::<4>(bytes)),
            Prim::I64 => split_bytes::<8>(&zigzag::<8>(bytes)),
        },
    };
    Page { elements: range.len(), bytes }
}

/// Eight to a byte, the first in the lowest bit.
fn pack_bits(bytes: &[u8]) -> Vec<u8> {
    let pack = |bits: &[u8]| bits.iter().enumerate().fold(0, |byte, (i, &bit)| byte | bit << i);
    bytes.chunks(8).map(pack).collect()
}

/// All first bytes, then all second bytes, and so on.
fn split_bytes<const N: usize>(bytes: &[u8]) -> Vec<u8> {
    let elements = bytes.as_chunks::<N>().0;
    (0..N).flat_map(|i| elements.iter().map(move |element| element[i])).collect()
}

/// Small negative numbers become small positive ones: 0, -1, 1, -2 are 0, 1, 2, 3.
fn zigzag<const N: usize>(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for element in bytes.as_chunks::<N>().0 {
        let sign = if element[N - 1] & 0x80 == 0 { 0 } else { 0xFF };
        let mut wide = [sign; 8];
        wide[..N].copy_from_slice(element);
        let value = i64::from_le_bytes(wide);
        out.extend_from_slice(&((value << 1) ^ (value >> 63)).to_le_bytes()[..N]);
    }
    out
}

/// The first number, then the differences.
fn delta(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut before = 0;
    for element in bytes.as_chunks::<8>().0 {
        let value = u64::from_le_bytes(*element);
        out.extend_from_slice(&value.wrapping_sub(before).to_le_bytes());
        before = value;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings() {
        assert_eq!(pack_bits(&[1, 0, 1, 0, 0, 0, 0, 1, 1]), [0b1000_0101, 1]);
        assert_eq!(split_bytes::<2>(&[1, 2, 3, 4, 5, 6]), [1, 3, 5, 2, 4, 6]);
        let values = [0_i16, -1, 1, -2, i16::MAX, i16::MIN];
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let expected: Vec<u8> = [0_u16, 1, 2, 3, 65534, 65535].iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(zigzag::<2>(&bytes), expected);
        let index: Vec<u8> = [3_u64, 3, 10].iter().flat_map(|v| v.to_le_bytes()).collect();
        let expected: Vec<u8> = [3_u64, 0, 7].iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(delta(&index), expected);
    }
}
