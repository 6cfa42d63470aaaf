//! Values from Arrow arrays, and to them.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, OffsetSizeTrait};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field};

use super::records;
use super::value::Content;
use super::values::{Data, Shape, Values, row_of};

/// Why a column cannot be read as values, for the evaluator to attach the column's name and place.
#[derive(Debug)]
pub(super) enum ColumnFault {
    Type(DataType),
    Null(usize),
    /// Beyond 2^63.
    TooLarge(usize, u64),
    TooLong,
}

/// Deepest nesting of lists.
const MAX_LEVELS: usize = 8;

/// Reads an Arrow array: numbers, booleans, records of these, or lists of these, to any depth.
pub(super) fn read(array: &dyn Array) -> Result<(Content, Shape), ColumnFault> {
    let mut levels = Vec::new();
    let mut items = array.slice(0, array.len());
    if !holds_numbers(array.data_type()) {
        return Err(ColumnFault::Type(array.data_type().clone()));
    }
    loop {
        let unsupported = || ColumnFault::Type(array.data_type().clone());
        if let Some(item) = first_null(items.as_ref()) {
            return Err(ColumnFault::Null(row_of(&levels, item)));
        }
        let (offsets, values) = match items.data_type() {
            DataType::List(_) => parts(items.as_list::<i32>())?,
            DataType::LargeList(_) => parts(items.as_list::<i64>())?,
            DataType::FixedSizeList(_, length) => {
                let list = items.as_fixed_size_list();
                let length = usize::try_from(*length).map_err(|_| unsupported())?;
                let total = length.checked_mul(list.len()).ok_or(ColumnFault::TooLong)?;
                i32::try_from(total).map_err(|_| ColumnFault::TooLong)?;
                let offsets = OffsetBuffer::<i32>::from_repeated_length(length, list.len());
                (offsets, list.values().slice(0, total))
            }
            _ => {
                let content = match items.as_struct_opt() {
                    Some(record) => records::read(record),
                    None => flat(items.as_ref()).map(Content::Plain),
                };
                let content = content.map_err(|fault| match fault {
                    ColumnFault::Type(_) => unsupported(),
                    ColumnFault::Null(item) => ColumnFault::Null(row_of(&levels, item)),
                    ColumnFault::TooLarge(item, value) => ColumnFault::TooLarge(row_of(&levels, item), value),
                    other => other,
                })?;
                return Ok((content, Shape::of_levels(levels)));
            }
        };
        if levels.len() == MAX_LEVELS {
            return Err(unsupported());
        }
        levels.push(offsets);
        items = values;
    }
}

/// Whether numbers, booleans or records stand at the bottom of the lists: what is missing matters only there.
fn holds_numbers(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            holds_numbers(item.data_type())
        }
        DataType::Struct(_) => true,
        other => records::is_number(other),
    }
}

/// The first missing value that has no number to stand for it: among floats that is NaN.
pub(super) fn first_null(array: &dyn Array) -> Option<usize> {
    let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0 && !array.data_type().is_floating())?;
    (0..nulls.len()).find(|row| nulls.is_null(*row))
}

/// Offsets that begin at 0, and the items that they count.
fn parts<O: OffsetSizeTrait>(
    list: &arrow_array::GenericListArray<O>,
) -> Result<(OffsetBuffer<i32>, ArrayRef), ColumnFault> {
    let raw = list.value_offsets();
    let first = raw.first().copied().unwrap_or_default();
    let last = raw.last().copied().unwrap_or_default();
    let items = list.values().slice(first.as_usize(), last.as_usize() - first.as_usize());
    i32::try_from(items.len()).map_err(|_| ColumnFault::TooLong)?;
    // Offsets of a slice do not begin at 0; those that do and are 32-bit already are shared.
    let offsets = if O::IS_LARGE || first != O::default() {
        OffsetBuffer::new(raw.iter().map(|offset| (offset.as_usize() - first.as_usize()) as i32).collect())
    } else {
        OffsetBuffer::new(ScalarBuffer::new(list.offsets().inner().inner().clone(), 0, raw.len()))
    };
    Ok((offsets, items))
}

/// The values of an array without lists. A float that is missing is NaN.
pub(super) fn flat(array: &dyn Array) -> Result<Data, ColumnFault> {
    fn floats<T: ArrowPrimitiveType>(array: &dyn Array) -> Data
    where
        T::Native: Into<f64>,
    {
        let array = array.as_primitive::<T>();
        if array.null_count() > 0 {
            return Data::Numbers(array.iter().map(|value| value.map_or(f64::NAN, Into::into)).collect());
        }
        Data::Numbers(array.values().iter().map(|value| (*value).into()).collect())
    }
    fn integers<T: ArrowPrimitiveType>(array: &dyn Array) -> Data
    where
        T::Native: Into<i64>,
    {
        Data::Integers(array.as_primitive::<T>().values().iter().map(|value| (*value).into()).collect())
    }
    Ok(match array.data_type() {
        DataType::Boolean => Data::Booleans(array.as_boolean().values().clone()),
        DataType::Float64 if array.null_count() > 0 => floats::<Float64Type>(array),
        DataType::Float64 => Data::Numbers(array.as_primitive::<Float64Type>().values().clone()),
        DataType::Float32 => floats::<Float32Type>(array),
        DataType::Float16 => floats::<Float16Type>(array),
        DataType::Int8 => integers::<Int8Type>(array),
        DataType::Int16 => integers::<Int16Type>(array),
        DataType::Int32 => integers::<Int32Type>(array),
        DataType::Int64 => Data::Integers(array.as_primitive::<Int64Type>().values().clone()),
        DataType::UInt8 => integers::<UInt8Type>(array),
        DataType::UInt16 => integers::<UInt16Type>(array),
        DataType::UInt32 => integers::<UInt32Type>(array),
        DataType::UInt64 => {
            let values = array.as_primitive::<UInt64Type>().values();
            if let Some(item) = values.iter().position(|value| i64::try_from(*value).is_err()) {
                return Err(ColumnFault::TooLarge(item, values[item]));
            }
            Data::Integers(values.iter().map(|value| *value as i64).collect())
        }
        other => return Err(ColumnFault::Type(other.clone())),
    })
}

impl Values {
    /// The values as an Arrow array of `rows` rows: `Float64`, `Int64` or `Boolean`, or lists of these.
    pub fn to_array(&self, rows: usize) -> ArrayRef {
        let scalar = matches!(self.shape(), Shape::Scalar);
        let items: ArrayRef = match self.data() {
            Data::Numbers(values) if scalar => Arc::new(Float64Array::from(repeated(values, rows))),
            Data::Integers(values) if scalar => Arc::new(Int64Array::from(repeated(values, rows))),
            Data::Booleans(_) if scalar => {
                let mask = self.event_mask(rows).unwrap_or_else(|| BooleanBuffer::new_unset(rows));
                Arc::new(BooleanArray::new(mask, None))
            }
            Data::Numbers(values) => Arc::new(Float64Array::new(values.clone(), None)),
            Data::Integers(values) => Arc::new(Int64Array::new(values.clone(), None)),
            Data::Booleans(values) => Arc::new(BooleanArray::new(values.clone(), None)),
        };
        self.shape().levels().iter().rev().fold(items, |items, offsets| {
            let field = Arc::new(Field::new("item", items.data_type().clone(), false));
            Arc::new(ListArray::new(field, offsets.clone(), items, None))
        })
    }
}

fn repeated<T: ArrowNativeType>(values: &[T], rows: usize) -> Vec<T> {
    vec![values.first().copied().unwrap_or_default(); rows]
}
