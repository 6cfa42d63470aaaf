//! Arbitrary batches, in arbitrary pieces, come back as they were.
#![allow(clippy::panic, reason = "a test that fails panics")]

#[path = "common/rows.rs"]
mod rows;

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, FixedSizeListArray, ListArray, PrimitiveArray, RecordBatch, StringArray,
    StructArray, types,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field, Schema};
use fiducial_root::{RootFile, RootWriter};
use proptest::prelude::*;

/// A number generator for values: what matters of them is that they differ.
struct Values(u64);

impl Values {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 11
    }

    fn numbers<T: types::ArrowPrimitiveType>(&mut self, n: usize, make: fn(u64) -> T::Native) -> ArrayRef {
        Arc::new(PrimitiveArray::<T>::from_iter_values((0..n).map(|_| make(self.next()))))
    }

    fn text(&mut self) -> String {
        let n = match self.next() % 20 {
            0 => 250 + self.next() % 20,
            n => n % 5,
        };
        (0..n).map(|_| ['a', '\u{e9}', '\0', ' '][(self.next() % 4) as usize]).collect()
    }

    fn array(&mut self, data_type: &DataType, n: usize) -> ArrayRef {
        match data_type {
            DataType::Boolean => {
                Arc::new((0..n).map(|_| Some(self.next().is_multiple_of(2))).collect::<BooleanArray>())
            }
            DataType::Int8 => self.numbers::<types::Int8Type>(n, |x| x as i8),
            DataType::UInt8 => self.numbers::<types::UInt8Type>(n, |x| x as u8),
            DataType::Int16 => self.numbers::<types::Int16Type>(n, |x| x as i16),
            DataType::UInt16 => self.numbers::<types::UInt16Type>(n, |x| x as u16),
            DataType::Int32 => self.numbers::<types::Int32Type>(n, |x| x as i32),
            DataType::UInt32 => self.numbers::<types::UInt32Type>(n, |x| x as u32),
            DataType::Int64 => self.numbers::<types::Int64Type>(n, |x| x as i64),
            DataType::UInt64 => self.numbers::<types::UInt64Type>(n, |x| x),
            DataType::Float32 => self.numbers::<types::Float32Type>(n, |x| x as f32 / 7.0),
            DataType::Float64 => self.numbers::<types::Float64Type>(n, |x| x as f64 / 7.0),
            DataType::Utf8 => Arc::new(StringArray::from_iter_values((0..n).map(|_| self.text()))),
            DataType::List(item) => {
                let offsets = OffsetBuffer::from_lengths((0..n).map(|_| (self.next() % 4) as usize));
                let items = offsets.last().copied().unwrap_or(0) as usize;
                let items = self.array(item.data_type(), items);
                Arc::new(ListArray::new(item.clone(), offsets, items, None))
            }
            DataType::FixedSizeList(item, size) => {
                let items = self.array(item.data_type(), n * *size as usize);
                Arc::new(FixedSizeListArray::new(item.clone(), *size, items, None))
            }
            DataType::Struct(fields) => {
                let columns = fields.iter().map(|field| self.array(field.data_type(), n)).collect();
                Arc::new(StructArray::try_new_with_length(fields.clone(), columns, None, n).expect("it fits"))
            }
            other => panic!("no values of {other}"),
        }
    }
}

fn item(data_type: DataType) -> Arc<Field> {
    Arc::new(Field::new("item", data_type, false))
}

fn number() -> impl Strategy<Value = DataType> {
    use DataType::{Boolean, Float32, Float64, Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64};
    prop::sample::select(vec![
        Boolean, Int8, UInt8, Int16, UInt16, Int32, UInt32, Int64, UInt64, Float32, Float64,
    ])
}

/// What a tree gives back as it was: not structs, which become columns.
fn in_a_tree() -> impl Strategy<Value = DataType> {
    let array = number().prop_recursive(2, 4, 1, |inner| {
        (inner, 1..4).prop_map(|(inner, n)| DataType::FixedSizeList(item(inner), n))
    });
    let listed = prop_oneof![number(), Just(DataType::Utf8)]
        .prop_recursive(3, 4, 1, |inner| inner.prop_map(|inner| DataType::List(item(inner))));
    let jagged = array.clone().prop_map(|inner| DataType::List(item(inner)));
    prop_oneof![array, jagged, listed]
}

fn batch(types: &[DataType], rows: usize, seed: u64) -> RecordBatch {
    let mut values = Values(seed);
    let fields: Vec<_> = types
        .iter()
        .enumerate()
        .map(|(i, kind)| Field::new(format!("c{i}_x"), kind.clone(), false))
        .collect();
    let columns = types.iter().map(|kind| values.array(kind, rows)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("the columns fit")
}

/// The rows in batches of `step`.
fn pieces(all: &RecordBatch, step: usize) -> impl Iterator<Item = RecordBatch> {
    let rows = all.num_rows();
    (0..rows).step_by(step).map(move |at| all.slice(at, step.min(rows - at)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn trees_come_back(
        types in prop::collection::vec(in_a_tree(), 1..6),
        rows in 0_usize..300,
        step in 1_usize..400,
        cluster in 1_u64..20_000,
        compression in prop::sample::select(vec!["none", "zlib:1", "lz4", "zstd:1"]),
        seed in any::<u64>(),
    ) {
        let all = batch(&types, rows, seed);
        let directory = tempfile::tempdir().expect("there is room");
        let path = directory.path().join("x.root");
        let mut file = RootWriter::create(&path, compression.parse().expect("a setting")).expect("it starts");
        let mut tree = file.tree("t", "", &all.schema()).expect("it fits").cluster_bytes(cluster);
        for piece in pieces(&all, step) {
            tree.write(&piece).expect("it writes");
        }
        tree.finish().expect("it finishes");
        file.finish().expect("it finishes");
        let tree = RootFile::open(&path).and_then(|file| file.tree("t")).expect("it opens");
        prop_assert_eq!(tree.entries(), rows as u64);
        for (field, array) in all.schema().fields().iter().zip(all.columns()) {
            let found = tree.read(&[field.name()], 0..rows as u64).expect("it reads");
            prop_assert!(rows::same(array, found.column(0)), "{}: {}", field.name(), field.data_type());
        }
    }
}
