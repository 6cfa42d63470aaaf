//! Rows picked out of several batches, without these being put together first: a window of rows is moved once, not twice.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, ListArray, PrimitiveArray, RecordBatch, RecordBatchOptions};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, SchemaRef};
use arrow_select::interleave::interleave;

/// The rows at `places`, each the number of a batch and of a row in it, in that order.
///
/// # Errors
/// When batches differ in the types of their columns.
///
/// # Panics
/// When there is no such batch or row.
pub(super) fn gather(
    schema: &SchemaRef,
    parts: &[RecordBatch],
    places: &[(usize, usize)],
) -> Result<RecordBatch, ArrowError> {
    let columns = (0..schema.fields().len()).map(|index| {
        let arrays: Vec<&dyn Array> = parts.iter().map(|part| part.column(index).as_ref()).collect();
        lists(&arrays, places).map_or_else(|| interleave(&arrays, places), Ok)
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(places.len()));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options)
}

/// Lists of numbers, one `memcpy` for each; none for other columns.
fn lists(arrays: &[&dyn Array], places: &[(usize, usize)]) -> Option<ArrayRef> {
    let data_type = arrays.first()?.data_type();
    let DataType::List(field) = data_type else { return None };
    if arrays.iter().any(|array| array.data_type() != data_type) {
        return None;
    }
    let arrays: Vec<&ListArray> =
        arrays.iter().map(|array| array.as_list_opt::<i32>()).collect::<Option<_>>()?;
    if arrays.iter().any(|array| array.null_count() > 0 || array.values().null_count() > 0) {
        return None;
    }
    let (offsets, values) = match field.data_type() {
        DataType::Float32 => items::<Float32Type>(&arrays, places),
        DataType::Float64 => items::<Float64Type>(&arrays, places),
        DataType::Int8 => items::<Int8Type>(&arrays, places),
        DataType::Int16 => items::<Int16Type>(&arrays, places),
        DataType::Int32 => items::<Int32Type>(&arrays, places),
        DataType::Int64 => items::<Int64Type>(&arrays, places),
        DataType::UInt8 => items::<UInt8Type>(&arrays, places),
        DataType::UInt16 => items::<UInt16Type>(&arrays, places),
        DataType::UInt32 => items::<UInt32Type>(&arrays, places),
        DataType::UInt64 => items::<UInt64Type>(&arrays, places),
        _ => None,
    }?;
    let array = ListArray::try_new(Arc::clone(field), offsets, values, None).ok()?;
    Some(Arc::new(array))
}

/// The offsets and the items of the lists; none where these are more than offsets can count.
fn items<T: ArrowPrimitiveType>(
    arrays: &[&ListArray],
    places: &[(usize, usize)],
) -> Option<(OffsetBuffer<i32>, ArrayRef)> {
    let sources = arrays.iter().map(|array| {
        let values = array.values().as_primitive_opt::<T>()?;
        Some((array.value_offsets(), values.values().as_ref()))
    });
    let sources: Vec<(&[i32], &[T::Native])> = sources.collect::<Option<_>>()?;
    let mut offsets = Vec::with_capacity(places.len() + 1);
    let mut total = 0_i32;
    offsets.push(total);
    for &(part, row) in places {
        let ends = sources[part].0;
        total = total.checked_add(ends[row + 1] - ends[row])?;
        offsets.push(total);
    }
    let mut items: Vec<T::Native> = Vec::with_capacity(total as usize);
    for &(part, row) in places {
        let (ends, values) = sources[part];
        items.extend_from_slice(&values[ends[row] as usize..ends[row + 1] as usize]);
    }
    let values: ArrayRef = Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(items), None));
    Some((OffsetBuffer::new(offsets.into()), values))
}

#[cfg(test)]
mod tests {
    use arrow_array::types::Int32Type;
    use arrow_array::{Float32Array, StringArray, UInt32Array};
    use arrow_schema::{Field, Schema};
    use arrow_select::concat::concat_batches;
    use arrow_select::take::take_record_batch;

    use super::*;

    /// Two batches of several types: lists of floats, lists with a null, lists of lists, numbers and text.
    fn parts() -> Vec<RecordBatch> {
        let part = |first: i32, rows: i32| {
            let row = |row: i32| (0..row % 4).map(move |item| first + 10 * row + item);
            let floats = ListArray::from_iter_primitive::<Float32Type, _, _>(
                (0..rows).map(|i| Some(row(i).map(|x| Some(x as f32)))),
            );
            let nulls = ListArray::from_iter_primitive::<Int32Type, _, _>(
                (0..rows).map(|i| (i != 1).then(|| row(i).map(Some))),
            );
            let whole =
                ListArray::from_iter_primitive::<Int32Type, _, _>((0..rows).map(|i| Some(row(i).map(Some))));
            let field = Arc::new(Field::new("item", whole.data_type().clone(), true));
            let ends = OffsetBuffer::from_repeated_length(1, rows as usize);
            let deep = ListArray::new(field, ends, Arc::new(whole.clone()), None);
            let numbers = Float32Array::from_iter_values((0..rows).map(|i| (first + i) as f32));
            let text = StringArray::from_iter_values((0..rows).map(|i| format!("row {}", first + i)));
            let columns: [(&str, ArrayRef); 6] = [
                ("floats", Arc::new(floats)),
                ("nulls", Arc::new(nulls)),
                ("whole", Arc::new(whole)),
                ("deep", Arc::new(deep)),
                ("numbers", Arc::new(numbers)),
                ("text", Arc::new(text)),
            ];
            let fields =
                columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true));
            let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
            RecordBatch::try_new(schema, columns.map(|(_, array)| array).to_vec()).unwrap()
        };
        // The second begins in the middle of its memory.
        vec![part(0, 7), part(1000, 9).slice(3, 6)]
    }

    #[test]
    fn rows_are_those_of_the_batches_put_together() {
        let parts = parts();
        let schema = parts[0].schema();
        let order = [12_u32, 0, 3, 7, 3, 6, 9, 1];
        let places: Vec<(usize, usize)> = order
            .iter()
            .map(|row| if *row < 7 { (0, *row as usize) } else { (1, *row as usize - 7) })
            .collect();
        let whole = concat_batches(&schema, &parts).unwrap();
        let expected = take_record_batch(&whole, &UInt32Array::from(order.to_vec())).unwrap();
        assert_eq!(gather(&schema, &parts, &places).unwrap(), expected);
        assert_eq!(gather(&schema, &parts, &[]).unwrap().num_rows(), 0);
    }

    #[test]
    fn columns_of_other_types_are_refused() {
        let parts = parts();
        let (floats, whole) = (parts[0].column(0).as_ref(), parts[1].column(2).as_ref());
        assert!(lists(&[floats, whole], &[(0, 0), (1, 0)]).is_none());
        assert!(interleave(&[floats, whole], &[(0, 0), (1, 0)]).is_err());
    }
}
