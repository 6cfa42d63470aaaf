//! Which rows hold a value that no model can use: NaN or infinite, at any depth of lists.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float16Type, Float32Type, Float64Type};
use arrow_schema::DataType;

/// Whether a type holds numbers that can be NaN.
pub(super) fn has_floats(data_type: &DataType) -> bool {
    match data_type {
        DataType::Float16 | DataType::Float32 | DataType::Float64 => true,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            has_floats(item.data_type())
        }
        _ => false,
    }
}

/// For each row whether one of its values is bad; one that is missing counts as NaN. `None` where no row has one.
pub(super) fn bad_rows(array: &dyn Array, is_bad: fn(f64) -> bool) -> Option<Vec<bool>> {
    match array.data_type() {
        DataType::Float16 => flat::<Float16Type>(array, is_bad),
        DataType::Float32 => flat::<Float32Type>(array, is_bad),
        DataType::Float64 => flat::<Float64Type>(array, is_bad),
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let offsets: Vec<usize> = list.value_offsets().iter().map(|offset| *offset as usize).collect();
            in_lists(list.values().as_ref(), &offsets, is_bad)
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            let offsets: Vec<usize> = list.value_offsets().iter().map(|offset| *offset as usize).collect();
            in_lists(list.values().as_ref(), &offsets, is_bad)
        }
        DataType::FixedSizeList(_, length) => {
            let list = array.as_fixed_size_list();
            let length = usize::try_from(*length).ok()?;
            let offsets: Vec<usize> = (0..=list.len()).map(|row| row * length).collect();
            in_lists(list.values().as_ref(), &offsets, is_bad)
        }
        _ => None,
    }
}

fn flat<T: ArrowPrimitiveType<Native: Into<f64>>>(
    array: &dyn Array,
    is_bad: fn(f64) -> bool,
) -> Option<Vec<bool>> {
    let values = array.as_primitive::<T>();
    // Hardly ever is there one, so that this comes first.
    if values.null_count() == 0 && !values.values().iter().any(|value| is_bad((*value).into())) {
        return None;
    }
    let marks: Vec<bool> = values.iter().map(|value| is_bad(value.map_or(f64::NAN, Into::into))).collect();
    marks.contains(&true).then_some(marks)
}

fn in_lists(values: &dyn Array, offsets: &[usize], is_bad: fn(f64) -> bool) -> Option<Vec<bool>> {
    let (start, end) = (*offsets.first()?, *offsets.last()?);
    let marks = bad_rows(values.slice(start, end - start).as_ref(), is_bad)?;
    Some(offsets.windows(2).map(|ends| marks[ends[0] - start..ends[1] - start].contains(&true)).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, Float64Array, Int32Array, ListArray};

    use super::*;

    #[test]
    fn rows_with_bad_values() {
        let check = |array: ArrayRef, expected: Option<&[usize]>| {
            let found = bad_rows(array.as_ref(), |value| !value.is_finite());
            let rows = found.map(|marks| (0..marks.len()).filter(|row| marks[*row]).collect::<Vec<_>>());
            assert_eq!(rows.as_deref(), expected, "{array:?}");
        };
        let (nan, inf) = (f32::NAN, f32::INFINITY);
        check(Arc::new(Float32Array::from(vec![1.0, nan, 3.0, -inf])), Some(&[1, 3]));
        check(Arc::new(Float64Array::from(vec![1.0, 2.0])), None);
        check(Arc::new(Int32Array::from(vec![1])), None);
        check(Arc::new(Float32Array::from(vec![Some(1.0), None, Some(nan)])), Some(&[1, 2]));
        let list = ListArray::from_iter_primitive::<Float32Type, _, _>([
            Some(vec![Some(nan)]),
            Some(vec![]),
            None,
            Some(vec![Some(1.0), Some(inf)]),
            Some(vec![Some(2.0)]),
        ]);
        check(Arc::new(list.clone()), Some(&[0, 3]));
        // A slice knows nothing of what lies before it.
        check(Arc::new(list.slice(1, 4)), Some(&[2]));
        check(Arc::new(list.slice(4, 1)), None);
        let fixed = FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(
            [Some(vec![Some(1.0), Some(2.0)]), Some(vec![Some(3.0), Some(nan)])],
            2,
        );
        check(Arc::new(fixed.clone()), Some(&[1]));
        check(Arc::new(fixed.slice(1, 1)), Some(&[0]));
    }
}
