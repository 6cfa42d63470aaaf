//! Parts of large row groups are the same however they are come by.

use arrow_array::builder::{Float32Builder, ListBuilder};
use arrow_array::{Array, Int64Array};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use rayon::prelude::*;

use super::*;

const COLUMNS: [&str; 3] = ["lists", "number", "gaps"];

/// Two row groups of five and of three parts; the lists cross the borders of pages.
fn write(path: &Path) {
    let rows = 230_000;
    let mut lists = ListBuilder::new(Float32Builder::new());
    for row in 0..rows {
        (0..row % 5).for_each(|item| lists.values().append_value((row * 7 + item) as f32));
        lists.append(row % 11 != 3);
    }
    let number = Int64Array::from_iter_values((0..rows).map(|row| row * row));
    let gaps = Int64Array::from_iter((0..rows).map(|row| (row % 3 > 0).then_some(row)));
    let batch = RecordBatch::try_from_iter([
        ("number", Arc::new(number) as Arc<dyn Array>),
        ("gaps", Arc::new(gaps)),
        ("lists", Arc::new(lists.finish())),
    ]);
    let batch = batch.unwrap();
    let properties =
        WriterProperties::builder().set_data_page_row_count_limit(7000).set_write_batch_size(700);
    let properties = properties.set_max_row_group_row_count(Some(150_000)).build();
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// A range read on its own.
fn alone(source: &ParquetSource, rows: &Range<u64>) -> RecordBatch {
    let (groups, selectors) = source.plan(rows);
    source.read_selected(&COLUMNS, groups, selectors, rows.end - rows.start).unwrap()
}

fn ready(source: &ParquetSource) -> usize {
    source.chains.ready()
}

#[test]
fn parts_are_what_they_are_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("large.parquet");
    write(&path);
    let source = ParquetSource::open(&path).unwrap();
    let parts = source.partitions();
    assert_eq!(parts.len(), 8);
    let expected: Vec<RecordBatch> = parts.iter().map(|rows| alone(&source, rows)).collect();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();

    // In order each part comes from the decoders, also the second time.
    for _ in 0..2 {
        pool.install(|| {
            for (rows, expected) in parts.iter().zip(&expected) {
                assert_eq!(source.read_part(&COLUMNS, rows).unwrap(), *expected, "{rows:?}");
            }
        });
    }
    assert_eq!(ready(&source), 0);
    // In any order and side by side; with columns of their own in turn.
    for order in [[7, 6, 5, 4, 3, 2, 1, 0], [3, 1, 4, 0, 5, 2, 6, 7], [0, 7, 1, 6, 2, 5, 3, 4]] {
        for index in order {
            assert_eq!(source.read(&COLUMNS, parts[index].clone()).unwrap(), expected[index], "{order:?}");
        }
        pool.install(|| {
            order.par_iter().for_each(|index| {
                let only = source.read(&["gaps"], parts[*index].clone()).unwrap();
                assert_eq!(only.column(0), expected[*index].column(2));
                assert_eq!(source.read(&COLUMNS, parts[*index].clone()).unwrap(), expected[*index]);
            });
        });
    }
    // What is no part is read as ever.
    assert!(source.read_part(&COLUMNS, &(5..30_000)).is_none());
    assert_eq!(source.read(&COLUMNS, 29_990..30_010).unwrap(), alone(&source, &(29_990..30_010)));
    // Chosen rows of a part.
    let chosen: BooleanArray = (0..30_000).map(|row| Some(row % 997 == 5)).collect();
    let found = source.read_chosen(&COLUMNS, parts[2].clone(), &chosen).unwrap();
    assert_eq!(found, filter_record_batch(&expected[2], &chosen).unwrap());
}

#[test]
fn parts_that_nobody_wants_take_no_memory() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("large.parquet");
    write(&path);
    let source = ParquetSource::open(&path).unwrap();
    let parts = source.partitions();
    source.read(&COLUMNS, parts[0].clone()).unwrap();
    source.pass_over(&COLUMNS, &parts[2]);
    source.read(&COLUMNS, parts[3].clone()).unwrap();
    assert_eq!(ready(&source), 3, "one part of three columns waits");
    source.pass_over(&COLUMNS, &parts[1]);
    assert_eq!(ready(&source), 0);
    source.read(&COLUMNS, parts[6].clone()).unwrap();
    assert_eq!(ready(&source), 3);
    source.release();
    assert_eq!(ready(&source), 0);
}

#[test]
fn bad_bytes_are_an_error_of_their_own_part() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("large.parquet");
    write(&path);
    // The header of the first page of the second row group's first column.
    let start = ParquetSource::open(&path).unwrap().metadata.metadata().row_group(1).column(0).byte_range().0
        as usize;
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[start..start + 8].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    let source = ParquetSource::open(&path).unwrap();
    for (index, rows) in source.partitions().into_iter().enumerate() {
        let found = source.read(&COLUMNS, rows);
        assert_eq!(found.is_err(), index >= 5, "part {index}");
        if let Err(error) = found {
            assert!(error.to_string().contains("large.parquet"), "{error}");
        }
    }
}
