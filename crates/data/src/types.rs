//! Types of columns that hold the values of others.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, FixedSizeListArray, GenericListArray, LargeStringArray, OffsetSizeTrait, PrimitiveArray,
    StructArray,
};
use arrow_buffer::{ArrowNativeType, NullBuffer, OffsetBuffer};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields};

/// The type that holds the values of two; none where there is no such type.
///
/// Whole numbers go with whole numbers and floats, floats with floats, texts with texts, lists with lists, records with records of
/// the same members. `uint64` with what has a sign is `int64`, and 64-bit numbers with floats are `float64`: then values that
/// this cannot hold are an error where they are met.
pub(crate) fn common_type(one: &DataType, other: &DataType) -> Option<DataType> {
    if one == other {
        return Some(one.clone());
    }
    if let (Some(one), Some(other)) = (Number::of(one), Number::of(other)) {
        return Some(one.with(other).data_type());
    }
    let is_text = |text: &DataType| matches!(text, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    match (one, other) {
        (DataType::FixedSizeList(one, size), DataType::FixedSizeList(other, same)) if size == same => {
            Some(DataType::FixedSizeList(Arc::new(join(one, other)?), *size))
        }
        (DataType::Struct(one), DataType::Struct(other)) => members(one, other).map(DataType::Struct),
        _ if is_text(one) && is_text(other) => Some(DataType::LargeUtf8),
        _ => {
            let item = Arc::new(join(item(one)?, item(other)?)?);
            let is_large = matches!(one, DataType::LargeList(_)) || matches!(other, DataType::LargeList(_));
            Some(if is_large { DataType::LargeList(item) } else { DataType::List(item) })
        }
    }
}

/// What a list holds.
fn item(list: &DataType) -> Option<&FieldRef> {
    match list {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => Some(item),
        _ => None,
    }
}

/// The first field, with the type and the nulls of both.
pub(crate) fn join(one: &Field, other: &Field) -> Option<Field> {
    let data_type = common_type(one.data_type(), other.data_type())?;
    let is_nullable = one.is_nullable() || other.is_nullable();
    Some(one.clone().with_data_type(data_type).with_nullable(is_nullable))
}

fn members(one: &Fields, other: &Fields) -> Option<Fields> {
    if one.len() != other.len() {
        return None;
    }
    one.iter().map(|member| join(member, other.find(member.name())?.1).map(Arc::new)).collect()
}

/// A type of numbers.
#[derive(Clone, Copy)]
enum Number {
    Signed(u32),
    Unsigned(u32),
    Float(u32),
}

impl Number {
    fn of(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Int8 => Self::Signed(8),
            DataType::Int16 => Self::Signed(16),
            DataType::Int32 => Self::Signed(32),
            DataType::Int64 => Self::Signed(64),
            DataType::UInt8 => Self::Unsigned(8),
            DataType::UInt16 => Self::Unsigned(16),
            DataType::UInt32 => Self::Unsigned(32),
            DataType::UInt64 => Self::Unsigned(64),
            DataType::Float16 => Self::Float(16),
            DataType::Float32 => Self::Float(32),
            DataType::Float64 => Self::Float(64),
            _ => return None,
        })
    }

    /// The smallest type that holds both, as NumPy has it; but whole numbers stay whole.
    fn with(self, other: Self) -> Self {
        match (self, other) {
            (Self::Signed(a), Self::Signed(b)) => Self::Signed(a.max(b)),
            (Self::Unsigned(a), Self::Unsigned(b)) => Self::Unsigned(a.max(b)),
            (Self::Float(a), Self::Float(b)) => Self::Float(a.max(b)),
            (Self::Signed(signed), Self::Unsigned(unsigned))
            | (Self::Unsigned(unsigned), Self::Signed(signed)) => {
                Self::Signed(signed.max(2 * unsigned).min(64))
            }
            (Self::Float(float), Self::Signed(whole) | Self::Unsigned(whole))
            | (Self::Signed(whole) | Self::Unsigned(whole), Self::Float(float)) => {
                Self::Float(float.max((2 * whole).min(64)))
            }
        }
    }

    fn data_type(self) -> DataType {
        match self {
            Self::Signed(8) => DataType::Int8,
            Self::Signed(16) => DataType::Int16,
            Self::Signed(32) => DataType::Int32,
            Self::Signed(_) => DataType::Int64,
            Self::Unsigned(8) => DataType::UInt8,
            Self::Unsigned(16) => DataType::UInt16,
            Self::Unsigned(32) => DataType::UInt32,
            Self::Unsigned(_) => DataType::UInt64,
            Self::Float(16) => DataType::Float16,
            Self::Float(32) => DataType::Float32,
            Self::Float(_) => DataType::Float64,
        }
    }
}

/// Why values cannot be had in another type.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Loss {
    /// A value that the type does not hold.
    #[error("{0} has no place in it")]
    Value(String),
    /// What Arrow met.
    #[error("{0}")]
    Arrow(#[from] ArrowError),
}

/// Values in a type that [`common_type`] gave for theirs and others, or that differs from theirs in what may be null.
pub(crate) fn to_type(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Loss> {
    if array.data_type() == to {
        return Ok(array.clone());
    }
    let nulls = array.nulls().cloned();
    match to {
        DataType::LargeUtf8 => texts(array),
        DataType::List(item) => list::<i32>(array, item, nulls),
        DataType::LargeList(item) => list::<i64>(array, item, nulls),
        DataType::FixedSizeList(item, size) => {
            let items = array.as_fixed_size_list_opt().ok_or_else(|| unexpected(array, to))?;
            let items = to_type(items.values(), item.data_type())?;
            Ok(Arc::new(FixedSizeListArray::try_new(item.clone(), *size, items, nulls)?))
        }
        DataType::Struct(fields) => {
            let records = array.as_struct_opt().ok_or_else(|| unexpected(array, to))?;
            let member = |field: &FieldRef| {
                let member = records.column_by_name(field.name()).ok_or_else(|| unexpected(array, to))?;
                to_type(member, field.data_type())
            };
            let members = fields.iter().map(member).collect::<Result<Vec<_>, _>>()?;
            Ok(Arc::new(StructArray::try_new(fields.clone(), members, nulls)?))
        }
        _ => numbers(array, to),
    }
}

fn unexpected(array: &dyn Array, to: &DataType) -> Loss {
    Loss::Arrow(ArrowError::CastError(format!("{} cannot be {to}", array.data_type())))
}

fn texts(array: &ArrayRef) -> Result<ArrayRef, Loss> {
    let texts: LargeStringArray = match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().iter().collect(),
        DataType::Utf8View => array.as_string_view().iter().collect(),
        _ => return Err(unexpected(array, &DataType::LargeUtf8)),
    };
    Ok(Arc::new(texts))
}

/// Lists of any kind as lists whose ends are of type `O`. Items that belong to no list are left out, so that none of them can be at
/// fault.
fn list<O: OffsetSizeTrait>(
    array: &ArrayRef,
    item: &FieldRef,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, Loss> {
    let ends = |ends: &mut dyn Iterator<Item = usize>| {
        let ends: Option<Vec<O>> = ends.map(O::from_usize).collect();
        ends.map(|ends| OffsetBuffer::new(ends.into()))
            .ok_or_else(|| ArrowError::OffsetOverflowError(array.len()))
    };
    let (ends, items) = match array.data_type() {
        DataType::List(_) => {
            let lists = array.as_list::<i32>();
            let (first, last) = bounds(lists.value_offsets());
            let items = lists.values().slice(first, last - first);
            (ends(&mut lists.value_offsets().iter().map(|end| end.as_usize() - first))?, items)
        }
        DataType::LargeList(_) => {
            let lists = array.as_list::<i64>();
            let (first, last) = bounds(lists.value_offsets());
            let items = lists.values().slice(first, last - first);
            (ends(&mut lists.value_offsets().iter().map(|end| end.as_usize() - first))?, items)
        }
        DataType::FixedSizeList(_, size) => {
            let size = size.as_usize();
            let mut each = (0..=array.len()).map(|row| row * size);
            (ends(&mut each)?, array.as_fixed_size_list().values().clone())
        }
        _ => return Err(unexpected(array, item.data_type())),
    };
    let items = to_type(&items, item.data_type())?;
    Ok(Arc::new(GenericListArray::try_new(item.clone(), ends, items, nulls)?))
}

fn bounds<O: OffsetSizeTrait>(ends: &[O]) -> (usize, usize) {
    let at = |end: Option<&O>| end.map_or(0, |end| end.as_usize());
    (at(ends.first()), at(ends.last()))
}

fn numbers(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Loss> {
    // 16-bit floats, and what fits 64 bits whatever its sign, go by one road each.
    match (array.data_type(), to) {
        (DataType::Float16, DataType::Float32) => {
            convert::<Float16Type, Float32Type>(array, |value| Some(value.to_f32()))
        }
        (DataType::Float16, DataType::Float64) => {
            convert::<Float16Type, Float64Type>(array, |value| Some(value.to_f64()))
        }
        (DataType::Float32, DataType::Float64) => {
            convert::<Float32Type, Float64Type>(array, |value| Some(f64::from(value)))
        }
        (DataType::UInt64, DataType::Float64) => convert::<UInt64Type, Float64Type>(array, |value| {
            Some(value as f64).filter(|float| *float as u128 == u128::from(value))
        }),
        (DataType::Int8, _) => of_whole::<Int8Type>(array, to),
        (DataType::Int16, _) => of_whole::<Int16Type>(array, to),
        (DataType::Int32, _) => of_whole::<Int32Type>(array, to),
        (DataType::Int64, _) => of_whole::<Int64Type>(array, to),
        (DataType::UInt8, _) => of_whole::<UInt8Type>(array, to),
        (DataType::UInt16, _) => of_whole::<UInt16Type>(array, to),
        (DataType::UInt32, _) => of_whole::<UInt32Type>(array, to),
        (DataType::UInt64, _) => of_whole::<UInt64Type>(array, to),
        _ => Err(unexpected(array, to)),
    }
}

/// Whole numbers in a type that is wider; `to_i64` has none for what goes beyond it.
fn of_whole<T: ArrowPrimitiveType>(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Loss> {
    match to {
        DataType::Int16 => convert::<T, Int16Type>(array, |value| i16::try_from(value.to_i64()?).ok()),
        DataType::Int32 => convert::<T, Int32Type>(array, |value| i32::try_from(value.to_i64()?).ok()),
        DataType::Int64 => convert::<T, Int64Type>(array, ArrowNativeType::to_i64),
        DataType::UInt16 => convert::<T, UInt16Type>(array, |value| u16::try_from(value.to_i64()?).ok()),
        DataType::UInt32 => convert::<T, UInt32Type>(array, |value| u32::try_from(value.to_i64()?).ok()),
        DataType::UInt64 => convert::<T, UInt64Type>(array, |value| u64::try_from(value.to_i64()?).ok()),
        DataType::Float32 => convert::<T, Float32Type>(array, |value| {
            let value = value.to_i64()?;
            Some(value as f32).filter(|float| *float as i128 == i128::from(value))
        }),
        DataType::Float64 => convert::<T, Float64Type>(array, |value| {
            let value = value.to_i64()?;
            Some(value as f64).filter(|float| *float as i128 == i128::from(value))
        }),
        _ => Err(unexpected(array, to)),
    }
}

/// The values that are there, each by a function that has none for what the target cannot hold.
fn convert<F: ArrowPrimitiveType, T: ArrowPrimitiveType>(
    array: &ArrayRef,
    value: impl Fn(F::Native) -> Option<T::Native>,
) -> Result<ArrayRef, Loss> {
    let numbers = array.as_primitive_opt::<F>().ok_or_else(|| unexpected(array, &T::DATA_TYPE))?;
    let wide: PrimitiveArray<T> =
        numbers.try_unary(|number| value(number).ok_or_else(|| Loss::Value(format!("{number:?}"))))?;
    Ok(Arc::new(wide))
}

#[cfg(test)]
mod tests {
    use arrow_array::{Int32Array, Int64Array, ListArray, UInt32Array, UInt64Array};

    use super::*;
    use crate::dataset::type_name;

    #[test]
    fn common_types_hold_both() {
        use DataType::{
            Boolean, Float16, Float32, Float64, Int8, Int16, Int32, Int64, LargeUtf8, UInt8, UInt16, UInt32,
            UInt64, Utf8,
        };
        let list = |item| DataType::List(Arc::new(Field::new("item", item, false)));
        let array = |item, size| DataType::FixedSizeList(Arc::new(Field::new("element", item, true)), size);
        let nullable = |item| DataType::List(Arc::new(Field::new("item", item, true)));
        let record = |a: DataType, b: DataType, is_swapped: bool| {
            let mut members = vec![Field::new("a", a, false), Field::new("b", b, false)];
            if is_swapped {
                members.reverse();
            }
            DataType::Struct(members.into())
        };
        for (one, other, expected) in [
            (UInt32, Int32, Some(Int64)),
            (UInt8, Int8, Some(Int16)),
            (UInt8, Int32, Some(Int32)),
            (UInt16, UInt32, Some(UInt32)),
            (Int64, UInt64, Some(Int64)),
            (Int8, UInt64, Some(Int64)),
            (Float32, Float64, Some(Float64)),
            (Int16, Float32, Some(Float32)),
            (UInt8, Float16, Some(Float16)),
            (Int16, Float16, Some(Float32)),
            (Int32, Float32, Some(Float64)),
            (Int64, Float32, Some(Float64)),
            (Utf8, LargeUtf8, Some(LargeUtf8)),
            (Boolean, Int8, None),
            (Utf8, Int64, None),
            (list(Float32), Float32, None),
            (list(UInt32), list(Int32), Some(list(Int64))),
            (list(list(Float32)), list(list(Float64)), Some(list(list(Float64)))),
            (list(Float32), nullable(Float32), Some(nullable(Float32))),
            (list(Float32), array(Float32, 3), Some(nullable(Float32))),
            (array(Int16, 3), array(Int32, 3), Some(array(Int32, 3))),
            (record(Int32, Utf8, false), record(Int64, Utf8, true), Some(record(Int64, Utf8, false))),
            (record(Int32, Utf8, false), record(Utf8, Utf8, false), None),
        ] {
            assert_eq!(common_type(&one, &other), expected, "{one} and {other}");
            let swapped = common_type(&other, &one);
            assert_eq!(
                swapped.as_ref().map(type_name),
                expected.as_ref().map(|_| {
                    // Of records the first one's order stays.
                    if let DataType::Struct(_) = one {
                        type_name(&record(Int64, Utf8, true))
                    } else {
                        type_name(expected.as_ref().unwrap())
                    }
                })
            );
        }
    }

    #[test]
    fn values_stay_what_they_are_or_are_an_error() {
        let to = |array: ArrayRef, to: &DataType| to_type(&array, to);
        let wide = to(Arc::new(UInt32Array::from(vec![Some(u32::MAX), None])), &DataType::Int64).unwrap();
        assert_eq!(wide.as_primitive::<Int64Type>(), &Int64Array::from(vec![Some(4_294_967_295), None]));
        // 2^53 + 1 is no double, 2^60 is one.
        let whole: ArrayRef = Arc::new(Int64Array::from(vec![1 << 60, -(1 << 60)]));
        assert_eq!(
            to(whole, &DataType::Float64).unwrap().as_primitive::<Float64Type>().value(1),
            -(2_f64.powi(60))
        );
        for bad in [(1_i64 << 53) + 1, i64::MAX] {
            let error = to(Arc::new(Int64Array::from(vec![0, bad])), &DataType::Float64).unwrap_err();
            assert!(matches!(&error, Loss::Value(value) if *value == bad.to_string()), "{error:?}");
        }
        let large = |value| Arc::new(UInt64Array::from(vec![value])) as ArrayRef;
        assert!(to(large(u64::MAX), &DataType::Int64).is_err());
        assert!(to(large(u64::MAX), &DataType::Float64).is_err());
        let half = to(large(1 << 63), &DataType::Float64).unwrap();
        assert_eq!(half.as_primitive::<Float64Type>().value(0), 2_f64.powi(63));
        // Of a slice of lists only its own items count.
        let lists = ListArray::from_iter_primitive::<Int64Type, _, _>([
            Some(vec![Some(i64::MAX)]),
            Some(vec![Some(1), Some(2)]),
            None,
            Some(vec![Some(i64::MAX)]),
        ]);
        let item = Arc::new(Field::new("item", DataType::Float64, true));
        for target in [DataType::List(item.clone()), DataType::LargeList(item)] {
            let slice: ArrayRef = Arc::new(lists.slice(1, 2));
            let wide = to(slice, &target).unwrap();
            let items = match &target {
                DataType::List(_) => wide.as_list::<i32>().values(),
                _ => wide.as_list::<i64>().values(),
            };
            assert_eq!(items.as_primitive::<Float64Type>().values(), &[1.0, 2.0]);
            assert!(wide.is_valid(0) && wide.is_null(1) && wide.len() == 2);
        }
        let fixed =
            FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1), Some(2)]), None], 2);
        let target = DataType::List(Arc::new(Field::new("item", DataType::Int64, true)));
        let wide = to(Arc::new(fixed), &target).unwrap();
        assert_eq!(wide.as_list::<i32>().value(0).as_primitive::<Int64Type>().values(), &[1, 2]);
        assert!(wide.is_null(1));
        let texts = to(Arc::new(arrow_array::StringArray::from(vec![Some("a"), None])), &DataType::LargeUtf8);
        assert_eq!(texts.unwrap().as_string::<i64>(), &LargeStringArray::from(vec![Some("a"), None]));
        let small: ArrayRef = Arc::new(Int32Array::from(vec![1]));
        assert!(matches!(to(small, &DataType::Utf8), Err(Loss::Arrow(_))));
    }
}
