//! The result of an expression: numbers or booleans, with a shape.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, ListArray, OffsetSizeTrait, PrimitiveArray};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field};

/// The largest whole number up to which 64-bit floats hold all of them, 2^53.
pub(super) const EXACT: f64 = 9_007_199_254_740_992.0;

/// Numbers or booleans, one after another.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// 64-bit floats.
    Numbers(ScalarBuffer<f64>),
    /// Booleans, packed.
    Booleans(BooleanBuffer),
}

impl Data {
    /// How many values there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Booleans(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What the values belong to.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// One value for all rows.
    Scalar,
    /// One value for each row: `(n,)`.
    Events,
    /// One value for each particle of each row: `(n, *)`. The offsets begin at 0; row `i` holds the values from `offsets[i]` to
    /// `offsets[i + 1]`.
    Jagged(OffsetBuffer<i32>),
}

impl Shape {
    /// The shape's name in messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Scalar => "a single value",
            Self::Events => "one value per row",
            Self::Jagged(_) => "a list per row",
        }
    }
}

/// The values of an expression on all rows of a batch. Cloning shares the memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Values {
    data: Data,
    shape: Shape,
}

/// Why a column cannot be read as values, for the evaluator to attach the column's name and place.
#[derive(Debug)]
pub(super) enum ColumnFault {
    Type(DataType),
    Null(usize),
    Inexact(usize, String),
    TooLong,
}

impl Values {
    pub(super) fn new(data: Data, shape: Shape) -> Self {
        Self { data, shape }
    }

    pub(super) fn number(value: f64) -> Self {
        Self::new(Data::Numbers(vec![value].into()), Shape::Scalar)
    }

    pub(super) fn boolean(value: bool) -> Self {
        Self::new(Data::Booleans(BooleanBuffer::collect_bool(1, |_| value)), Shape::Scalar)
    }

    /// The values, particle after particle, row after row.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// What the values belong to.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Whether the values are booleans.
    pub fn is_boolean(&self) -> bool {
        matches!(self.data, Data::Booleans(_))
    }

    /// The offsets of a jagged value.
    pub fn offsets(&self) -> Option<&OffsetBuffer<i32>> {
        match &self.shape {
            Shape::Jagged(offsets) => Some(offsets),
            _ => None,
        }
    }

    /// The values as numbers, booleans as 0 and 1. Numbers are borrowed.
    pub fn numbers(&self) -> Cow<'_, [f64]> {
        match &self.data {
            Data::Numbers(values) => Cow::Borrowed(values.as_ref()),
            Data::Booleans(values) => Cow::Owned(values.iter().map(f64::from).collect()),
        }
    }

    /// The place of a row's values in [`Values::data`], shapes `(n, *)`, `(n,)` and scalars alike.
    /// A row beyond the end has no values.
    pub fn row_range(&self, row: usize) -> Range<usize> {
        match &self.shape {
            Shape::Scalar => 0..1,
            Shape::Events => row.min(self.data.len())..(row + 1).min(self.data.len()),
            Shape::Jagged(offsets) => match (offsets.get(row), offsets.get(row + 1)) {
                (Some(start), Some(end)) => *start as usize..*end as usize,
                _ => 0..0,
            },
        }
    }

    /// Whether the value is jagged.
    pub fn is_jagged(&self) -> bool {
        matches!(self.shape, Shape::Jagged(_))
    }

    /// The row that holds the value at `index` of [`Values::data`]; 0 for a scalar.
    pub fn row_of(&self, index: usize) -> usize {
        match &self.shape {
            Shape::Scalar => 0,
            Shape::Events => index,
            Shape::Jagged(offsets) => row_of(offsets, index),
        }
    }

    /// The values as one number for each of `rows` rows; none where the value is jagged.
    pub fn event_numbers(&self, rows: usize) -> Option<Vec<f64>> {
        match self.shape {
            Shape::Scalar => Some(vec![self.numbers().first().copied().unwrap_or(f64::NAN); rows]),
            Shape::Events => Some(self.numbers().into_owned()),
            Shape::Jagged(_) => None,
        }
    }

    /// The values as one boolean for each of `rows` rows; none where the value is jagged or holds numbers.
    pub fn event_mask(&self, rows: usize) -> Option<BooleanBuffer> {
        match (&self.shape, &self.data) {
            (Shape::Scalar, Data::Booleans(value)) => {
                let value = value.iter().next().unwrap_or(false);
                Some(BooleanBuffer::collect_bool(rows, |_| value))
            }
            (Shape::Events, Data::Booleans(values)) => Some(values.clone()),
            _ => None,
        }
    }

    /// The values as an Arrow array of `rows` rows: `Float64` or `Boolean`, or a list of these.
    pub fn to_array(&self, rows: usize) -> ArrayRef {
        let data = match (&self.data, &self.shape) {
            (Data::Numbers(_), Shape::Scalar) => {
                Data::Numbers(self.event_numbers(rows).unwrap_or_default().into())
            }
            (Data::Booleans(_), Shape::Scalar) => {
                Data::Booleans(self.event_mask(rows).unwrap_or_else(|| BooleanBuffer::new_unset(rows)))
            }
            (data, _) => data.clone(),
        };
        let items: ArrayRef = match data {
            Data::Numbers(values) => Arc::new(Float64Array::new(values, None)),
            Data::Booleans(values) => Arc::new(BooleanArray::new(values, None)),
        };
        match &self.shape {
            Shape::Jagged(offsets) => {
                let field = Arc::new(Field::new("item", items.data_type().clone(), false));
                Arc::new(ListArray::new(field, offsets.clone(), items, None))
            }
            _ => items,
        }
    }

    /// Reads an Arrow array: numbers, booleans, or lists of these.
    pub(super) fn from_array(array: &dyn Array) -> Result<Self, ColumnFault> {
        let unsupported = || ColumnFault::Type(array.data_type().clone());
        match array.data_type() {
            DataType::List(_) => from_list(array.as_list::<i32>()),
            DataType::LargeList(_) => from_list(array.as_list::<i64>()),
            DataType::FixedSizeList(_, length) => {
                let list = array.as_fixed_size_list();
                if let Some(row) = first_null(list.nulls()) {
                    return Err(ColumnFault::Null(row));
                }
                let length = usize::try_from(*length).map_err(|_| unsupported())?;
                let total = length.checked_mul(list.len()).ok_or(ColumnFault::TooLong)?;
                i32::try_from(total).map_err(|_| ColumnFault::TooLong)?;
                let offsets = OffsetBuffer::<i32>::from_repeated_length(length, list.len());
                jagged(list.values().as_ref(), offsets, array.data_type())
            }
            _ => Ok(Self::new(
                flat(array).map_err(|fault| fault.column(array.data_type(), |i| i))?,
                Shape::Events,
            )),
        }
    }
}

/// Why an array without lists cannot be read: as [`ColumnFault`], but counting items.
enum ItemFault {
    Type,
    Null(usize),
    Inexact(usize, String),
}

impl ItemFault {
    fn column(self, data_type: &DataType, row_of: impl Fn(usize) -> usize) -> ColumnFault {
        match self {
            Self::Type => ColumnFault::Type(data_type.clone()),
            Self::Null(item) => ColumnFault::Null(row_of(item)),
            Self::Inexact(item, value) => ColumnFault::Inexact(row_of(item), value),
        }
    }
}

fn first_null(nulls: Option<&NullBuffer>) -> Option<usize> {
    let nulls = nulls.filter(|nulls| nulls.null_count() > 0)?;
    (0..nulls.len()).find(|row| nulls.is_null(*row))
}

fn row_of(offsets: &OffsetBuffer<i32>, item: usize) -> usize {
    offsets.partition_point(|offset| *offset as usize <= item).saturating_sub(1)
}

fn from_list<O: OffsetSizeTrait>(list: &arrow_array::GenericListArray<O>) -> Result<Values, ColumnFault> {
    if let Some(row) = first_null(list.nulls()) {
        return Err(ColumnFault::Null(row));
    }
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
    jagged(items.as_ref(), offsets, list.data_type())
}

fn jagged(
    items: &dyn Array,
    offsets: OffsetBuffer<i32>,
    data_type: &DataType,
) -> Result<Values, ColumnFault> {
    let data = flat(items).map_err(|fault| fault.column(data_type, |item| row_of(&offsets, item)))?;
    Ok(Values::new(data, Shape::Jagged(offsets)))
}

fn flat(array: &dyn Array) -> Result<Data, ItemFault> {
    fn convert<T: ArrowPrimitiveType>(array: &dyn Array, f: impl Fn(T::Native) -> f64) -> Data {
        Data::Numbers(array.as_primitive::<T>().values().iter().map(|value| f(*value)).collect())
    }
    fn exact<T: ArrowPrimitiveType>(
        array: &PrimitiveArray<T>,
        f: impl Fn(T::Native) -> f64,
    ) -> Result<Data, ItemFault>
    where
        T::Native: Into<i128>,
    {
        let exact = |value: &T::Native| Into::<i128>::into(*value).unsigned_abs() <= EXACT as u128;
        match array.values().iter().position(|value| !exact(value)) {
            Some(item) => Err(ItemFault::Inexact(item, Into::<i128>::into(array.value(item)).to_string())),
            None => Ok(Data::Numbers(array.values().iter().map(|value| f(*value)).collect())),
        }
    }
    if let Some(item) = first_null(array.nulls()) {
        return Err(ItemFault::Null(item));
    }
    Ok(match array.data_type() {
        DataType::Boolean => Data::Booleans(array.as_boolean().values().clone()),
        DataType::Float64 => Data::Numbers(array.as_primitive::<Float64Type>().values().clone()),
        DataType::Float32 => convert::<Float32Type>(array, f64::from),
        DataType::Float16 => convert::<Float16Type>(array, f64::from),
        DataType::Int8 => convert::<Int8Type>(array, f64::from),
        DataType::Int16 => convert::<Int16Type>(array, f64::from),
        DataType::Int32 => convert::<Int32Type>(array, f64::from),
        DataType::Int64 => exact(array.as_primitive::<Int64Type>(), |value| value as f64)?,
        DataType::UInt8 => convert::<UInt8Type>(array, f64::from),
        DataType::UInt16 => convert::<UInt16Type>(array, f64::from),
        DataType::UInt32 => convert::<UInt32Type>(array, f64::from),
        DataType::UInt64 => exact(array.as_primitive::<UInt64Type>(), |value| value as f64)?,
        _ => return Err(ItemFault::Type),
    })
}

/// Numbers of a common length, or one number for all places.
#[derive(Debug)]
pub(super) struct Operand {
    values: ScalarBuffer<f64>,
    /// 0 for one number that stands for all, else 1.
    stride: usize,
}

impl Operand {
    /// The number at a place below the common length.
    #[inline]
    pub(super) fn at(&self, i: usize) -> f64 {
        self.values[i * self.stride]
    }

    /// The number, where one stands for all.
    pub(super) fn constant(&self) -> Option<f64> {
        (self.stride == 0).then(|| self.values.first().copied()).flatten()
    }

    pub(super) fn into_values(self) -> ScalarBuffer<f64> {
        self.values
    }

    /// Brings values to a shape they broadcast to.
    pub(super) fn new(values: Values, shape: &Shape) -> Self {
        let numbers = match values.data {
            Data::Numbers(numbers) => numbers,
            Data::Booleans(booleans) => booleans.iter().map(f64::from).collect(),
        };
        match (&values.shape, shape) {
            (Shape::Scalar, Shape::Scalar) => Self { values: numbers, stride: 1 },
            (Shape::Scalar, _) => Self { values: numbers, stride: 0 },
            (Shape::Events, Shape::Jagged(offsets)) => {
                let mut repeated = Vec::with_capacity(total(offsets));
                for (value, row) in numbers.iter().zip(offsets.windows(2)) {
                    repeated.resize(row[1] as usize, *value);
                }
                Self { values: repeated.into(), stride: 1 }
            }
            _ => Self { values: numbers, stride: 1 },
        }
    }
}

/// Brings booleans to a shape they broadcast to, with `length` values in all; none where the values are numbers.
pub(super) fn broadcast_booleans(values: &Values, shape: &Shape, length: usize) -> Option<BooleanBuffer> {
    let Data::Booleans(booleans) = &values.data else { return None };
    Some(match (&values.shape, shape) {
        (Shape::Scalar, _) => {
            let value = booleans.iter().next().unwrap_or(false);
            BooleanBuffer::collect_bool(length, |_| value)
        }
        (Shape::Events, Shape::Jagged(offsets)) => {
            let mut builder = BooleanBufferBuilder::new(length);
            for (value, row) in booleans.iter().zip(offsets.windows(2)) {
                builder.append_n((row[1] - row[0]) as usize, value);
            }
            builder.finish()
        }
        _ => booleans.clone(),
    })
}

/// How many values a jagged shape holds.
pub(super) fn total(offsets: &OffsetBuffer<i32>) -> usize {
    offsets.last().map_or(0, |last| *last as usize)
}
