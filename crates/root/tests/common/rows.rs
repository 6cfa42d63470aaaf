//! Batches of every type that can be written, and a comparison that does not mind what inner fields are called.
#![allow(dead_code, reason = "each test uses a part")]

use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, FixedSizeListBuilder, Float32Builder, Int32Builder, ListBuilder, StringBuilder,
};
use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array,
    RecordBatch, StringArray, StructArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use arrow_schema::{DataType, Field};

/// Rows `from` to `to`; row i has i % 4 items in its lists.
pub(crate) fn batch(from: i64, to: i64) -> RecordBatch {
    let rows = || from..to;
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("flag", Arc::new(rows().map(|i| Some(i % 3 == 0)).collect::<BooleanArray>())),
        ("i8", Arc::new(Int8Array::from_iter_values(rows().map(|i| i as i8)))),
        ("u8", Arc::new(UInt8Array::from_iter_values(rows().map(|i| i as u8)))),
        ("i16", Arc::new(Int16Array::from_iter_values(rows().map(|i| (i * -300) as i16)))),
        ("u16", Arc::new(UInt16Array::from_iter_values(rows().map(|i| (i * 600) as u16)))),
        ("i32", Arc::new(Int32Array::from_iter_values(rows().map(|i| (i * -70_000) as i32)))),
        ("u32", Arc::new(UInt32Array::from_iter_values(rows().map(|i| (i * 40_000_000) as u32)))),
        ("i64", Arc::new(Int64Array::from_iter_values(rows().map(|i| (i - 50) * 10_000_000_000)))),
        ("u64", Arc::new(UInt64Array::from_iter_values(rows().map(|i| i as u64 * 184_467_440_737_095)))),
        ("f32", Arc::new(Float32Array::from_iter_values(rows().map(|i| i as f32 * 0.5)))),
        ("f64", Arc::new(Float64Array::from_iter_values(rows().map(|i| i as f64 * -0.125)))),
    ];
    let lines = rows().map(|i| match i % 10 {
        0 => "x".repeat(300),
        1 => String::new(),
        _ => format!("row {i} \u{b5}"),
    });
    columns.push(("text", Arc::new(StringArray::from_iter_values(lines))));

    // Builders take inner fields for nullable, which in an RNTuple would be `std::optional`.
    let field = |kind: DataType| Arc::new(Field::new("item", kind, false));
    let row = field(DataType::FixedSizeList(field(DataType::Int32), 3));
    let rows_of_three = FixedSizeListBuilder::new(Int32Builder::new(), 3).with_field(field(DataType::Int32));
    let mut matrix = FixedSizeListBuilder::new(rows_of_three, 2).with_field(row);
    let floats = || ListBuilder::new(Float32Builder::new()).with_field(field(DataType::Float32));
    let texts = || ListBuilder::new(StringBuilder::new()).with_field(field(DataType::Utf8));
    let mut pt = floats();
    let mut charge = ListBuilder::new(Int32Builder::new()).with_field(field(DataType::Int32));
    let mut tagged = ListBuilder::new(BooleanBuilder::new()).with_field(field(DataType::Boolean));
    let point = FixedSizeListBuilder::new(Float32Builder::new(), 2).with_field(field(DataType::Float32));
    let point_field = field(DataType::FixedSizeList(field(DataType::Float32), 2));
    let mut points = ListBuilder::new(point).with_field(point_field);
    let mut names = texts();
    let mut nested = ListBuilder::new(floats()).with_field(field(DataType::List(field(DataType::Float32))));
    let mut words = ListBuilder::new(texts()).with_field(field(DataType::List(field(DataType::Utf8))));
    for i in rows() {
        for j in 0..2 {
            for k in 0..3 {
                matrix.values().values().append_value((i * 6 + j * 3 + k) as i32);
            }
            matrix.values().append(true);
        }
        matrix.append(true);
        for k in 0..i % 4 {
            pt.values().append_value(i as f32 + 0.25 * k as f32);
            charge.values().append_value((i - k) as i32);
            names.values().append_value(format!("{i}.{k}"));
            for n in 0..k {
                nested.values().values().append_value((i * 10 + n) as f32);
                words.values().values().append_value("ab".repeat(n as usize));
            }
            nested.values().append(true);
            words.values().append(true);
        }
        for k in 0..i % 3 {
            tagged.values().append_value(k == 1);
            points.values().values().append_value(k as f32);
            points.values().values().append_value(i as f32);
            points.values().append(true);
        }
        pt.append(true);
        charge.append(true);
        tagged.append(true);
        points.append(true);
        names.append(true);
        nested.append(true);
        words.append(true);
    }
    columns.push(("matrix", Arc::new(matrix.finish())));
    columns.push(("Muon_pt", Arc::new(pt.finish())));
    columns.push(("Muon_charge", Arc::new(charge.finish())));
    columns.push(("Jet_tagged", Arc::new(tagged.finish())));
    columns.push(("Jet_points", Arc::new(points.finish())));
    let count = Int32Array::from_iter_values(rows().map(|i| (i % 3) as i32));
    columns.push(("nJet", Arc::new(count)));
    columns.push(("names", Arc::new(names.finish())));
    columns.push(("nested", Arc::new(nested.finish())));
    columns.push(("words", Arc::new(words.finish())));
    RecordBatch::try_from_iter(columns).expect("the columns are of one length")
}

/// A struct, and a list of structs, of `rows` rows.
pub(crate) fn structs(rows: i64) -> RecordBatch {
    let x: ArrayRef = Arc::new(Float32Array::from_iter_values((0..rows).map(|i| i as f32)));
    let y: ArrayRef = Arc::new(Int32Array::from_iter_values((0..rows).map(|i| -i as i32)));
    let field = |name: &str, array: &ArrayRef| Arc::new(Field::new(name, array.data_type().clone(), false));
    let point = StructArray::from(vec![(field("x", &x), x.clone()), (field("y", &y), y.clone())]);
    let offsets =
        arrow_buffer::OffsetBuffer::from_lengths((0..rows as usize).map(|i| usize::from(i % 3 != 1)));
    let n = *offsets.last().expect("there is an end") as usize;
    let item = Arc::new(Field::new("item", point.data_type().clone(), false));
    let list = arrow_array::ListArray::new(item, offsets, Arc::new(point.slice(0, n)), None);
    let columns: Vec<(&str, ArrayRef)> = vec![("p", Arc::new(point)), ("hits", Arc::new(list))];
    RecordBatch::try_from_iter(columns).expect("the columns are of one length")
}

/// Columns with nulls where i % 5 is 2: a number, a text, a list with nulls in it.
pub(crate) fn nullable(rows: i64) -> RecordBatch {
    let there = |i: i64| i % 5 != 2;
    let number: Int32Array = (0..rows).map(|i| there(i).then_some(i as i32)).collect();
    let text: StringArray = (0..rows).map(|i| there(i).then(|| format!("t{i}"))).collect();
    let mut list = ListBuilder::new(Float32Builder::new());
    for i in 0..rows {
        for k in 0..i % 3 {
            list.values().append_option((k != 1).then_some(i as f32));
        }
        list.append(there(i) || i % 3 > 0);
    }
    let columns: Vec<(&str, ArrayRef)> =
        vec![("number", Arc::new(number)), ("text", Arc::new(text)), ("list", Arc::new(list.finish()))];
    RecordBatch::try_from_iter(columns).expect("the columns are of one length")
}

/// Equal values, in equal lists.
pub(crate) fn same(a: &ArrayRef, b: &ArrayRef) -> bool {
    let lengths = |array: &ArrayRef| -> Vec<i32> {
        array.as_list::<i32>().value_offsets().windows(2).map(|w| w[1] - w[0]).collect()
    };
    let used = |array: &ArrayRef| {
        let list = array.as_list::<i32>();
        let (first, last) = (list.value_offsets()[0], list.value_offsets()[list.len()]);
        list.values().slice(first as usize, (last - first) as usize)
    };
    if a.len() != b.len() || (0..a.len()).any(|i| a.is_null(i) != b.is_null(i)) {
        return false;
    }
    match (a.data_type(), b.data_type()) {
        (DataType::List(_), DataType::List(_)) => lengths(a) == lengths(b) && same(&used(a), &used(b)),
        (DataType::FixedSizeList(_, n), DataType::FixedSizeList(_, m)) => {
            n == m && same(a.as_fixed_size_list().values(), b.as_fixed_size_list().values())
        }
        (DataType::Struct(_), DataType::Struct(_)) => {
            let (a, b) = (a.as_struct(), b.as_struct());
            a.column_names() == b.column_names()
                && a.columns().iter().zip(b.columns()).all(|(a, b)| same(a, b))
        }
        (a_type, b_type) => a_type == b_type && a.to_data() == b.to_data(),
    }
}
