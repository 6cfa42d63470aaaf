//! What values a column holds, gathered batch by batch and added up in any grouping with the same result.

use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field};
use serde::{Deserialize, Serialize};
use serde_json::Number;

use crate::dataset::{ColumnInfo, type_name};
use crate::source::{DESCRIPTION, UNIT};

/// Counts and extremes of one column.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Statistics {
    rows: u64,
    values: u64,
    nulls: u64,
    nans: u64,
    infinities: u64,
    /// Least and greatest whole number.
    integers: Option<(i128, i128)>,
    /// Least and greatest finite number with a fraction.
    #[serde(with = "bits")]
    floats: Option<(f64, f64)>,
}

impl Statistics {
    /// The statistics of one array.
    pub(crate) fn of(array: &ArrayRef) -> Self {
        let mut statistics = Self { rows: array.len() as u64, ..Self::default() };
        statistics.visit(array);
        statistics
    }

    /// Whether there is a NaN, an infinite or a missing value.
    pub(crate) fn has_bad(&self) -> bool {
        self.nans + self.infinities + self.nulls > 0
    }

    /// Adds another part of the same column.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.values += other.values;
        self.nulls += other.nulls;
        self.nans += other.nans;
        self.infinities += other.infinities;
        if let Some((low, high)) = other.integers {
            widen(&mut self.integers, low, high);
        }
        if let Some((low, high)) = other.floats {
            widen(&mut self.floats, low, high);
        }
    }

    /// The entry of the manifest.
    pub(crate) fn column(&self, field: &Field) -> ColumnInfo {
        let metadata: &HashMap<String, String> = field.metadata();
        let is_list = matches!(
            field.data_type(),
            DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..)
        );
        let integer = |value: i128| Number::from_i128(value);
        let is_short = innermost(field.data_type()) == &DataType::Float32;
        let float = |value: f64| shortest(value, is_short);
        ColumnInfo {
            name: field.name().clone(),
            data_type: type_name(field.data_type()),
            unit: metadata.get(UNIT).cloned(),
            description: metadata.get(DESCRIPTION).cloned(),
            minimum: self
                .integers
                .and_then(|(low, _)| integer(low))
                .or(self.floats.and_then(|(low, _)| float(low))),
            maximum: self
                .integers
                .and_then(|(_, high)| integer(high))
                .or(self.floats.and_then(|(_, high)| float(high))),
            values: self.values,
            nulls: self.nulls,
            nans: self.nans,
            infinities: self.infinities,
            mean_length: (is_list && self.rows > 0).then(|| self.values as f64 / self.rows as f64),
        }
    }

    fn visit(&mut self, array: &ArrayRef) {
        match array.data_type() {
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                self.nulls += list.null_count() as u64;
                let (start, end) = ends(list.value_offsets().iter().map(|offset| *offset as usize));
                self.visit(&list.values().slice(start, end - start));
            }
            DataType::LargeList(_) => {
                let list = array.as_list::<i64>();
                self.nulls += list.null_count() as u64;
                let (start, end) = ends(list.value_offsets().iter().map(|offset| *offset as usize));
                self.visit(&list.values().slice(start, end - start));
            }
            DataType::FixedSizeList(..) => {
                let list = array.as_fixed_size_list();
                self.nulls += list.null_count() as u64;
                self.visit(list.values());
            }
            DataType::Boolean => {
                let booleans = array.as_boolean();
                self.count(array);
                for value in booleans.iter().flatten() {
                    widen(&mut self.integers, i128::from(value), i128::from(value));
                }
            }
            DataType::Int8 => self.integers::<Int8Type>(array),
            DataType::Int16 => self.integers::<Int16Type>(array),
            DataType::Int32 => self.integers::<Int32Type>(array),
            DataType::Int64 => self.integers::<Int64Type>(array),
            DataType::UInt8 => self.integers::<UInt8Type>(array),
            DataType::UInt16 => self.integers::<UInt16Type>(array),
            DataType::UInt32 => self.integers::<UInt32Type>(array),
            DataType::UInt64 => self.integers::<UInt64Type>(array),
            DataType::Float16 => self.floats::<Float16Type>(array),
            DataType::Float32 => self.floats::<Float32Type>(array),
            DataType::Float64 => self.floats::<Float64Type>(array),
            _ => self.count(array),
        }
    }

    fn count(&mut self, array: &ArrayRef) {
        self.nulls += array.null_count() as u64;
        self.values += (array.len() - array.null_count()) as u64;
    }

    fn integers<T: ArrowPrimitiveType<Native: Into<i128>>>(&mut self, array: &ArrayRef) {
        self.count(array);
        let mut extremes: Option<(T::Native, T::Native)> = None;
        for value in array.as_primitive::<T>().iter().flatten() {
            widen(&mut extremes, value, value);
        }
        if let Some((low, high)) = extremes {
            widen(&mut self.integers, low.into(), high.into());
        }
    }

    fn floats<T: ArrowPrimitiveType<Native: Into<f64>>>(&mut self, array: &ArrayRef) {
        self.count(array);
        for value in array.as_primitive::<T>().iter().flatten() {
            let value: f64 = value.into();
            if value.is_finite() {
                widen(&mut self.floats, value, value);
            } else if value.is_nan() {
                self.nans += 1;
            } else {
                self.infinities += 1;
            }
        }
    }
}

/// Floats as their bits: what is read again must be the same to the last of them.
mod bits {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[allow(clippy::ref_option, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(
        extremes: &Option<(f64, f64)>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        extremes.map(|(low, high)| (low.to_bits(), high.to_bits())).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<(f64, f64)>, D::Error> {
        let bits: Option<(u64, u64)> = Option::deserialize(deserializer)?;
        Ok(bits.map(|(low, high)| (f64::from_bits(low), f64::from_bits(high))))
    }
}

fn widen<T: PartialOrd + Copy>(extremes: &mut Option<(T, T)>, low: T, high: T) {
    let (old_low, old_high) = extremes.unwrap_or((low, high));
    *extremes =
        Some((if low < old_low { low } else { old_low }, if high > old_high { high } else { old_high }));
}

/// The first and the last of some offsets.
fn ends(mut offsets: impl DoubleEndedIterator<Item = usize>) -> (usize, usize) {
    let start = offsets.next().unwrap_or(0);
    (start, offsets.next_back().unwrap_or(start))
}

fn innermost(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            innermost(item.data_type())
        }
        other => other,
    }
}

/// A number with no more digits than it needs: 32-bit floats would else show as 0.10000000149011612.
fn shortest(value: f64, is_short: bool) -> Option<Number> {
    let value = if is_short { (value as f32).to_string().parse().unwrap_or(value) } else { value };
    Number::from_f64(value)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::types::Float32Type;
    use arrow_array::{Float64Array, ListArray, StringArray, UInt64Array};

    use super::*;

    #[test]
    fn statistics_of_arrays() {
        let check = |array: ArrayRef, expected: &str| {
            // In two parts, since that is how they come.
            let middle = array.len() / 2;
            let mut statistics = Statistics::of(&array.slice(0, middle));
            statistics.merge(&Statistics::of(&array.slice(middle, array.len() - middle)));
            let column = statistics.column(&Field::new("x", array.data_type().clone(), true));
            let expected: serde_json::Value = serde_json::from_str(expected).unwrap();
            let found = serde_json::to_value(column).unwrap();
            for (key, value) in expected.as_object().unwrap() {
                assert_eq!(&found[key], value, "{key} of {found}");
            }
        };
        check(
            Arc::new(UInt64Array::from(vec![Some(u64::MAX), None, Some(3)])),
            r#"{"type": "uint64", "minimum": 3, "maximum": 18446744073709551615, "values": 2, "nulls": 1, "nans": 0}"#,
        );
        check(
            Arc::new(Float64Array::from(vec![1.5, f64::NAN, f64::INFINITY, -2.0])),
            r#"{"minimum": -2.0, "maximum": 1.5, "values": 4, "nans": 1, "infinities": 1}"#,
        );
        check(
            Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>([
                Some(vec![Some(0.1), Some(0.2)]),
                Some(vec![]),
                None,
                Some(vec![Some(-7.25)]),
            ])),
            r#"{"type": "list<float32>", "minimum": -7.25, "maximum": 0.2, "values": 3, "nulls": 1, "mean_length": 0.75}"#,
        );
        check(Arc::new(StringArray::from(vec!["a", "b"])), r#"{"type": "string", "values": 2, "nulls": 0}"#);
        check(Arc::new(Float64Array::from(vec![f64::NAN])), r#"{"values": 1, "nans": 1}"#);
    }
}
