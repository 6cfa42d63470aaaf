//! Ways through Arrow arrays that all writers share.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::ToByteSlice;
use arrow_schema::{DataType, Schema};

/// Where each list or text of an array starts, and the end; from 0 on, with the items that they count.
pub(crate) struct Lists {
    pub(crate) offsets: Vec<usize>,
    pub(crate) items: ArrayRef,
}

/// The lists of a list array.
pub(crate) fn lists(array: &ArrayRef) -> Option<Lists> {
    let (offsets, items) = match array.data_type() {
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            (starts(list.value_offsets()), list.values())
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            (starts(list.value_offsets()), list.values())
        }
        _ => return None,
    };
    let (first, last) = (offsets.first().copied()?, offsets.last().copied()?);
    Some(Lists {
        items: items.slice(first, last - first),
        offsets: offsets.iter().map(|at| at - first).collect(),
    })
}

/// The bytes of a text array, and where each text starts.
pub(crate) fn texts(array: &ArrayRef) -> Option<(Vec<usize>, &[u8])> {
    let (offsets, bytes) = match array.data_type() {
        DataType::Utf8 => {
            let text = array.as_string::<i32>();
            (starts(text.value_offsets()), text.value_data())
        }
        DataType::LargeUtf8 => {
            let text = array.as_string::<i64>();
            (starts(text.value_offsets()), text.value_data())
        }
        _ => return None,
    };
    let (first, last) = (offsets.first().copied()?, offsets.last().copied()?);
    Some((offsets.iter().map(|at| at - first).collect(), &bytes[first..last]))
}

fn starts<T: Copy + TryInto<usize>>(offsets: &[T]) -> Vec<usize> {
    // Arrow's offsets are never negative.
    let mut out: Vec<usize> = offsets.iter().map(|&at| at.try_into().unwrap_or(0)).collect();
    if out.is_empty() {
        out.push(0);
    }
    out
}

/// Appends the numbers of an array, little-endian or big-endian; `false` where it holds none.
pub(crate) fn numbers(array: &ArrayRef, big_endian: bool, out: &mut Vec<u8>) -> bool {
    match array.data_type() {
        DataType::Boolean => out.extend(array.as_boolean().values().iter().map(u8::from)),
        DataType::Int8 => bytes::<Int8Type>(array, big_endian, out),
        DataType::UInt8 => bytes::<UInt8Type>(array, big_endian, out),
        DataType::Int16 => bytes::<Int16Type>(array, big_endian, out),
        DataType::UInt16 => bytes::<UInt16Type>(array, big_endian, out),
        DataType::Int32 => bytes::<Int32Type>(array, big_endian, out),
        DataType::UInt32 => bytes::<UInt32Type>(array, big_endian, out),
        DataType::Int64 => bytes::<Int64Type>(array, big_endian, out),
        DataType::UInt64 => bytes::<UInt64Type>(array, big_endian, out),
        DataType::Float32 => bytes::<Float32Type>(array, big_endian, out),
        DataType::Float64 => bytes::<Float64Type>(array, big_endian, out),
        _ => return false,
    }
    true
}

/// A number's native bytes, turned where the other order is wanted.
fn bytes<T: ArrowPrimitiveType>(array: &ArrayRef, big_endian: bool, out: &mut Vec<u8>) {
    let width = size_of::<T::Native>();
    let start = out.len();
    out.extend_from_slice(array.as_primitive::<T>().values().to_byte_slice());
    if width > 1 && big_endian == cfg!(target_endian = "little") {
        // Constant widths let the compiler use wide byte shuffles.
        match width {
            2 => out[start..].as_chunks_mut::<2>().0.iter_mut().for_each(|b| b.reverse()),
            4 => out[start..].as_chunks_mut::<4>().0.iter_mut().for_each(|b| b.reverse()),
            _ => out[start..].as_chunks_mut::<8>().0.iter_mut().for_each(|b| b.reverse()),
        }
    }
}

/// Whether a batch's columns are those that were announced. Inner names and nullability are not looked at: nulls are
/// found where they are met.
pub(crate) fn same_columns(announced: &Schema, batch: &Schema) -> bool {
    let (ours, theirs) = (announced.fields(), batch.fields());
    let mut pairs = ours.iter().zip(theirs);
    ours.len() == theirs.len()
        && pairs.all(|(a, b)| a.name() == b.name() && same_type(a.data_type(), b.data_type()))
}

fn same_type(a: &DataType, b: &DataType) -> bool {
    match (a, b) {
        (DataType::List(a), DataType::List(b)) | (DataType::LargeList(a), DataType::LargeList(b)) => {
            same_type(a.data_type(), b.data_type())
        }
        (DataType::FixedSizeList(a, n), DataType::FixedSizeList(b, m)) => {
            n == m && same_type(a.data_type(), b.data_type())
        }
        (DataType::Struct(a), DataType::Struct(b)) => {
            let mut pairs = a.iter().zip(b);
            a.len() == b.len() && pairs.all(|(a, b)| same_type(a.data_type(), b.data_type()))
        }
        _ => a == b,
    }
}

/// About the bytes that some rows take when they are written: what decides where a cluster ends. It adds up over rows,
/// so that clusters do not depend on how rows come in batches.
pub(crate) fn size(array: &dyn Array, start: usize, len: usize) -> u64 {
    let list = |from: usize, to: usize, items: &ArrayRef| 4 * len as u64 + size(items, from, to - from);
    match array.data_type() {
        DataType::Boolean => len as u64,
        DataType::List(_) => {
            let list_array = array.as_list::<i32>();
            let at = |i: usize| list_array.value_offsets().get(i).map_or(0, |&at| at as usize);
            list(at(start), at(start + len), list_array.values())
        }
        DataType::LargeList(_) => {
            let list_array = array.as_list::<i64>();
            let at = |i: usize| list_array.value_offsets().get(i).map_or(0, |&at| at as usize);
            list(at(start), at(start + len), list_array.values())
        }
        DataType::Utf8 => {
            let offsets = array.as_string::<i32>().value_offsets();
            4 * len as u64 + (offsets[start + len] - offsets[start]) as u64
        }
        DataType::LargeUtf8 => {
            let offsets = array.as_string::<i64>().value_offsets();
            4 * len as u64 + (offsets[start + len] - offsets[start]) as u64
        }
        DataType::FixedSizeList(_, n) => {
            let n = usize::try_from(*n).unwrap_or(0);
            size(array.as_fixed_size_list().values(), start * n, len * n)
        }
        DataType::Struct(_) => {
            array.as_struct().columns().iter().map(|column| size(column, start, len)).sum()
        }
        other => other.primitive_width().unwrap_or(1) as u64 * len as u64,
    }
}

/// How many rows from `start` on take no more than `room` bytes, and their bytes.
pub(crate) fn rows_within(batch: &RecordBatch, start: usize, room: u64) -> (usize, u64) {
    let bytes = |rows: usize| batch.columns().iter().map(|column| size(column, start, rows)).sum::<u64>();
    let all = batch.num_rows() - start;
    let total = bytes(all);
    if total <= room {
        return (all, total);
    }
    let (mut low, mut high) = (0, all);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if bytes(middle) <= room { low = middle } else { high = middle }
    }
    (low, bytes(low))
}

/// The first row of an array that is null, if one is.
pub(crate) fn first_null(array: &dyn Array) -> Option<usize> {
    if array.null_count() == 0 {
        return None;
    }
    (0..array.len()).find(|&i| array.is_null(i))
}
