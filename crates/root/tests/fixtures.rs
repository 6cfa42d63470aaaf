//! Reads the small files that `make_fixtures.py` makes; every value is known by hand.

use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrowPrimitiveType, RecordBatch, types};
use fiducial_root::{Error, RootFile, Tree};

fn open() -> RootFile {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/codecs.root");
    RootFile::open(path).expect("the fixture opens")
}

fn all(tree: &Tree, entries: std::ops::Range<u64>) -> RecordBatch {
    let names: Vec<_> = tree.columns().iter().map(|c| c.name.as_str()).collect();
    tree.read(&names, entries).expect("every column is readable")
}

fn numbers<T: ArrowPrimitiveType>(array: &dyn Array) -> Vec<T::Native> {
    array.as_primitive::<T>().values().to_vec()
}

#[test]
fn every_codec_gives_the_same_known_values() {
    let file = open();
    let ranges = [0..100, 0..0, 0..60, 59..61, 7..8, 60..100, 99..100, 13..87];
    for codec in ["uncompressed", "zlib", "lzma", "lz4", "zstd"] {
        let tree = file.tree(&format!("{codec}/events")).expect("the tree is there");
        assert_eq!((tree.entries(), tree.title()), (100, "rows"));
        assert_eq!(tree.clusters(), [0..60, 60..100]);
        for range in ranges.clone() {
            let batch = all(&tree, range.clone());
            let rows: Vec<i64> = (range.start as i64..range.end as i64).collect();
            let column = |name: &str| batch.column_by_name(name).expect("the column is there").as_ref();
            let at = format!("{codec} {range:?}");
            macro_rules! check {
                ($name:literal, $arrow:ty, $value:expr) => {
                    let expected: Vec<_> = rows.iter().map($value).collect();
                    assert_eq!(numbers::<$arrow>(column($name)), expected, "{at} {}", $name);
                };
            }
            check!("i1", types::Int8Type, |&i| (i - 50) as i8);
            check!("i2", types::Int16Type, |&i| (i - 50) as i16);
            check!("i4", types::Int32Type, |&i| (i - 50) as i32);
            check!("i8", types::Int64Type, |&i| (i - 50) * 10_000_000_000);
            check!("u1", types::UInt8Type, |&i| i as u8);
            check!("u2", types::UInt16Type, |&i| (i * 600) as u16);
            check!("u4", types::UInt32Type, |&i| (i * 40_000_000) as u32);
            check!("u8", types::UInt64Type, |&i| i as u64 * 184_467_440_737_095_516);
            check!("f4", types::Float32Type, |&i| i as f32 * 0.5);
            check!("f8", types::Float64Type, |&i| i as f64 * 0.125);
            check!("npart", types::Int32Type, |&i| (i % 4) as i32);

            let flags: Vec<_> = column("flag").as_boolean().values().iter().collect();
            assert_eq!(flags, rows.iter().map(|i| i % 3 == 0).collect::<Vec<_>>(), "{at}");
            let text: Vec<_> =
                column("text").as_string::<i32>().iter().flatten().map(str::to_owned).collect();
            let expected =
                rows.iter().map(|i| if i % 10 == 0 { "x".repeat(300) } else { format!("row {i}") });
            assert_eq!(text, expected.collect::<Vec<_>>(), "{at}");

            let matrix = column("matrix").as_fixed_size_list();
            assert_eq!(matrix.value_length(), 2);
            let rows_of = matrix.values().as_fixed_size_list().clone();
            assert_eq!(rows_of.value_length(), 3);
            let expected: Vec<i32> =
                rows.iter().flat_map(|&i| (0..6).map(move |k| (i * 6 + k) as i32)).collect();
            assert_eq!(numbers::<types::Int32Type>(rows_of.values().as_ref()), expected, "{at}");

            let parts = column("part_pt").as_list::<i32>();
            let mut ends = vec![0];
            rows.iter().for_each(|i| ends.push(ends[ends.len() - 1] + (i % 4) as i32));
            assert_eq!(parts.offsets().to_vec(), ends, "{at}");
            let expected: Vec<f32> =
                rows.iter().flat_map(|&i| (0..i % 4).map(move |n| n as f32 + 0.5 * i as f32)).collect();
            assert_eq!(numbers::<types::Float32Type>(parts.values().as_ref()), expected, "{at}");
        }
    }
}

#[test]
fn keys_walk_directories() {
    let file = open();
    let keys = file.keys().expect("the keys are readable");
    let found: Vec<_> = keys.iter().map(|k| (k.path.as_str(), k.class_name.as_str(), k.cycle)).collect();
    assert_eq!(found[..2], [("uncompressed", "TDirectory", 1), ("uncompressed/events", "TTree", 1)]);
    assert!(found.contains(&("note", "TObjString", 1)), "{found:?}");
    let names = file.tree_names().expect("the keys are readable");
    assert_eq!(names.len(), 6);
    let empty = file.tree("empty;1").expect("the tree is there");
    assert_eq!((empty.entries(), empty.clusters().len()), (0, 0));
    assert_eq!(empty.read(&["x"], 0..0).expect("nothing is readable").num_rows(), 0);
}

#[test]
fn errors_name_what_and_where() {
    let file = open();
    let tree = file.tree("zlib/events").expect("the tree is there");
    let message = |result: Result<RecordBatch, Error>| result.expect_err("this fails").to_string();
    for (error, parts) in [
        (
            file.tree("events").expect_err("it is in a directory").to_string(),
            vec!["tree \"events\"", "zlib/events"],
        ),
        (
            message(tree.read(&["I4"], 0..1)),
            vec!["column \"I4\"", "did you mean \"i4\"?", "tree zlib/events"],
        ),
        (message(tree.read(&["i4"], 0..101)), vec!["column i4", "it has 100 entries", "up to 101"]),
        (
            RootFile::from_bytes("a.root", b"PK".to_vec()).err().map(|e| e.to_string()).unwrap_or_default(),
            vec!["the header of a.root at byte 0", "4 bytes are needed"],
        ),
    ] {
        for part in parts {
            assert!(error.contains(part), "{error:?} should contain {part:?}");
        }
    }
}

#[test]
fn threads_do_not_change_the_result() {
    let tree = open().tree("zstd/events").expect("the tree is there");
    let read = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool starts");
        pool.install(|| all(&tree, 5..95))
    };
    assert_eq!(read(1), read(4));
}

/// uproot does not read these; the values are those of `make_leaf_lists.py`.
#[test]
fn leaves_may_count_others_of_their_branch() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/leaf_lists.root");
    let tree = RootFile::open(path).and_then(|file| file.tree("t")).expect("it opens");
    let types: Vec<_> = tree.columns().iter().map(|column| column.type_name.as_str()).collect();
    assert_eq!(types, ["struct {int32_t n; float[] x;}", "struct {int32_t flag; int32_t n; float[][2] x;}"]);
    for rows in [0..7, 2..5] {
        let batch = tree.read(&["one", "two"], rows.clone()).expect("it reads");
        for (i, row) in rows.clone().enumerate() {
            let (n, m, row) = (row % 4, (row + 1) % 3, row as f32);
            let one = batch.column(0).as_struct();
            assert_eq!(numbers::<types::Int32Type>(one.column(0).as_ref())[i], n as i32);
            let expected: Vec<_> = (0..n).map(|k| row + 0.25 * k as f32).collect();
            assert_eq!(numbers::<types::Float32Type>(&one.column(1).as_list::<i32>().value(i)), expected);
            let two = batch.column(1).as_struct();
            assert_eq!(numbers::<types::Int32Type>(two.column(0).as_ref())[i], -row as i32);
            let points = two.column(2).as_list::<i32>().value(i);
            let points = points.as_fixed_size_list();
            let expected: Vec<_> = (0..m).flat_map(|k| [row, k as f32]).collect();
            assert_eq!((points.len() as u64, numbers::<types::Float32Type>(points.values())), (m, expected));
        }
    }
}
