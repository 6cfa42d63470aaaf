//! Reads `objects.root`, which ROOT wrote by `make_object_fixtures.py`: objects that are not split, collections of them,
//! pointers, maps. What was written stands in `objects.json`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, BooleanArray, RecordBatch, types};
use arrow_schema::DataType;
use fiducial_root::{Chain, Friend, RootFile, Tree};
use serde_json::{Map, Value, json};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn objects() -> Tree {
    RootFile::open(fixture("objects.root")).and_then(|file| file.tree("objects")).expect("the fixture opens")
}

fn codecs(name: &str) -> Tree {
    RootFile::open(fixture("codecs.root")).and_then(|file| file.tree(name)).expect("the fixture opens")
}

/// A row of an array as JSON.
fn value(array: &dyn Array, i: usize) -> Value {
    macro_rules! number {
        ($t:ty) => {
            json!(array.as_primitive::<$t>().value(i) as f64)
        };
    }
    let items = |items: Arc<dyn Array>| (0..items.len()).map(|k| value(&items, k)).collect::<Value>();
    if array.is_null(i) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Boolean => json!(array.as_boolean().value(i)),
        DataType::Int8 => number!(types::Int8Type),
        DataType::Int16 => number!(types::Int16Type),
        DataType::Int32 => number!(types::Int32Type),
        DataType::UInt32 => number!(types::UInt32Type),
        DataType::Float32 => number!(types::Float32Type),
        DataType::Float64 => number!(types::Float64Type),
        DataType::Utf8 => json!(array.as_string::<i32>().value(i)),
        DataType::Binary => json!(array.as_binary::<i32>().value(i).len()),
        DataType::List(_) => items(array.as_list::<i32>().value(i)),
        DataType::FixedSizeList(..) => items(array.as_fixed_size_list().value(i)),
        DataType::Struct(fields) => {
            let columns = fields.iter().zip(array.as_struct().columns());
            Value::Object(columns.map(|(f, c)| (f.name().clone(), value(c.as_ref(), i))).collect())
        }
        other => json!(other.to_string()),
    }
}

/// Whether all that is expected is there; objects may have more members than are written down.
fn agree(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| agree(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            b.iter().all(|(name, b)| a.get(name).is_some_and(|a| agree(a, b)))
        }
        (a, b) => a == b,
    }
}

#[test]
fn objects_are_what_root_wrote() {
    check(&objects(), "objects.json");
}

/// `derived.root` was made by `make_derived.py`.
fn drawings() -> Tree {
    RootFile::open(fixture("derived.root")).and_then(|file| file.tree("drawings")).expect("the fixture opens")
}

/// A pointer to a class gives the fields of all classes derived from it, and the name of the object's own.
#[test]
fn pointers_lead_to_objects_of_derived_classes() {
    let mut tree = drawings();
    // What items of "vector<Colour>" are the file does not say; that they are no objects shows in the data.
    assert!(tree.read(&["colours"], 0..5).expect_err("it is not known").to_string().contains("class Colour"));
    tree.check_objects();
    check(&tree, "derived.json");
    for column in tree.columns() {
        assert!(column.kind.is_ok(), "{}: {:?}", column.name, column.kind);
    }
}

/// A list of objects of any class is a text, in an object and as a branch of its own.
#[test]
fn lists_of_objects_of_any_class_are_texts() {
    let tree = drawings();
    let batch = tree.read(&["split./split.notes", "drawing"], 0..5).expect("it is readable");
    for row in 0..5 {
        let text = value(batch.column(0), row);
        assert_eq!(text, value(batch.column(1), row)["notes"], "row {row}");
        let list: Value = serde_json::from_str(text.as_str().expect("a text")).expect("it is JSON");
        let items = list.as_array().expect("it is a list");
        assert_eq!(items.len(), row, "row {row}");
        for (k, item) in items.iter().enumerate() {
            let (class, member, expected) = match k % 2 {
                0 => ("TParameter<double>", "fVal", json!(0.5 * k as f64)),
                _ => ("TObjString", "fString", json!(format!("note {k}"))),
            };
            assert_eq!((&item["_class"], &item[member]), (&json!(class), &expected), "row {row}, item {k}");
        }
    }
}

/// Compares each column of a file of values.
fn check(tree: &Tree, values: &str) {
    let text = std::fs::read_to_string(fixture(values)).expect("the values are there");
    let rows: Vec<Map<String, Value>> = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(tree.entries(), rows.len() as u64);
    let mut wrong = Vec::new();
    for name in rows[0].keys() {
        let Some(column) = tree.column(name) else {
            wrong.push(format!("{name}: there is no such column"));
            continue;
        };
        if let Err(reason) = &column.kind {
            wrong.push(format!("{name}: {reason}"));
            continue;
        }
        // Whole, and a part that starts in the middle.
        for range in [0..rows.len(), 2..rows.len() - 1] {
            match tree.read(&[name], range.start as u64..range.end as u64) {
                Err(e) => wrong.push(format!("{name}: failed to {e}")),
                Ok(batch) => wrong.extend(range.clone().enumerate().find_map(|(i, row)| {
                    let (found, expected) = (value(batch.column(0).as_ref(), i), &rows[row][name]);
                    (!agree(&found, expected)).then(|| format!("{name} row {row}: {found} is not {expected}"))
                })),
            }
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_column_of_objects_is_readable() {
    let tree = objects();
    for column in tree.columns() {
        assert!(column.kind.is_ok(), "{}: {:?}", column.name, column.kind);
        match tree.read(&[&column.name], 0..tree.entries()) {
            // What is written by what a column says of itself would lose the rows that have no object.
            Ok(batch) => {
                assert!(column.nullable || batch.column(0).null_count() == 0, "{}", column.name);
            }
            Err(error) => panic!("{}: failed to {error}", column.name),
        }
    }
}

#[test]
fn references_are_the_identities_of_objects() {
    let tree = objects();
    let batch = tree.read(&["holder", "reference"], 0..tree.entries()).expect("it is readable");
    for row in 0..batch.num_rows() {
        let (holder, reference) = (value(batch.column(0), row), value(batch.column(1), row));
        assert_eq!(reference, holder["lead"], "row {row}: both refer to the first track");
        let all = holder["all"]["refs"].as_array().expect("it is a list");
        assert_eq!(all.len(), row % 4, "row {row}");
        assert_eq!(all.first().unwrap_or(&json!(0.0)), &holder["lead"]["ref"], "row {row}");
        // A TDatime: the year from 1995 in six bits, then month, day, hour, minute and second.
        let date = (25 << 26 | 1 << 22 | (row + 1) << 17 | 12 << 12) as f64;
        assert_eq!(holder["when"]["fDatime"], json!(date), "row {row}");
    }
}

fn at_least(n: i32) -> impl Fn(&RecordBatch) -> BooleanArray {
    move |batch| {
        let values = batch.column(0).as_primitive::<types::Int32Type>().values();
        values.iter().map(|&i| Some(i >= n)).collect()
    }
}

#[test]
fn selected_rows_are_read() {
    let tree = codecs("zstd/events");
    let columns = ["part_pt", "text", "i4", "matrix"];
    let whole = tree.read(&columns, 0..100).expect("it is readable");
    // Of i4 = row - 50: none, all, some of one basket, some of both.
    for (from, entries) in [(100, 0..100), (-50, 0..100), (40, 0..100), (0, 20..80), (10, 55..60)] {
        let chosen =
            tree.read_where(&["i4"], at_least(from), &columns, entries.clone()).expect("it is readable");
        let first = entries.start.max((from + 50) as u64).min(entries.end);
        let expected = whole.slice(first as usize, (entries.end - first) as usize);
        assert_eq!(chosen, expected, "{from} {entries:?}");
    }
    let short = tree.read_where(&["i4"], |_| BooleanArray::from(vec![true]), &columns, 0..100);
    assert!(short.expect_err("one value is too few").to_string().contains("1 values for 100 rows"));
}

/// A basket that no chosen row is in may be broken: it is not read.
#[test]
fn baskets_without_selected_rows_are_not_decoded() {
    let mut bytes = std::fs::read(fixture("codecs.root")).expect("the fixture is readable");
    let open = |bytes: &[u8]| {
        RootFile::from_bytes("test", bytes.to_vec()).and_then(|f| f.tree("zstd/events")).expect("it opens")
    };
    let f8 = |tree: &Tree, from| tree.read_where(&["i4"], at_least(from), &["f8"], 0..100);
    let before = f8(&open(&bytes), 10).expect("it is readable");
    // Frames of zstd start with these bytes; those of the two baskets of f8 are found by breaking one after the other.
    let frames: Vec<_> = bytes
        .windows(4)
        .enumerate()
        .filter(|(_, w)| *w == [0x28, 0xB5, 0x2F, 0xFD])
        .map(|(i, _)| i)
        .collect();
    let mut found = 0;
    for at in frames {
        bytes[at] ^= 0xFF;
        let tree = RootFile::from_bytes("test", bytes.clone()).and_then(|f| f.tree("zstd/events"));
        if let Ok(tree) = tree {
            let first = tree.read(&["f8"], 0..60).is_err() && tree.read(&["f8"], 60..100).is_ok();
            if first {
                found += 1;
                assert_eq!(f8(&tree, 10).expect("the first basket is not needed"), before);
                assert!(f8(&tree, 9).is_err(), "row 59 is in the first basket");
            }
        }
        bytes[at] ^= 0xFF;
    }
    assert_eq!(found, 1, "the first basket of f8 was broken once");
}

#[test]
fn chains_join_files() {
    let pattern = fixture("codec?.root");
    let chain = Chain::open(&[fixture("codecs.root"), pattern], "lz4/events").expect("the files open");
    assert_eq!((chain.entries(), chain.clusters()), (200, vec![0..60, 60..100, 100..160, 160..200]));
    let columns = ["i4", "part_pt", "text", "matrix"];
    let one = codecs("lz4/events").read(&columns, 0..100).expect("it is readable");
    for (range, from_first, from_second) in
        [(0..200, 0..100, 0..100), (90..110, 90..100, 0..10), (100..103, 0..0, 0..3), (7..7, 0..0, 0..0)]
    {
        let batch = chain.read(&columns, range.clone()).expect("it is readable");
        let first = from_first.end - from_first.start;
        assert_eq!(batch.num_rows(), first + from_second.len(), "{range:?}");
        assert_eq!(batch.slice(0, first), one.slice(from_first.start, first), "{range:?}");
        let second = one.slice(from_second.start, from_second.len());
        assert_eq!(batch.slice(first, from_second.len()), second, "{range:?}");
    }
    assert!(chain.read(&columns, 0..201).expect_err("there are 200").to_string().contains("of 200"));
    let none = Chain::open(&[fixture("no*.root")], "lz4/events").expect_err("there is none").to_string();
    assert!(none.contains("a file that matches"), "{none}");
}

#[test]
fn chains_check_types() {
    let chain = Chain::new(vec![codecs("lz4/events"), objects()]).expect("the trees are there");
    let columns: Vec<_> = chain.columns().iter().map(|c| c.name.as_str()).collect();
    assert!(columns.contains(&"i4") && columns.contains(&"hits"));
    assert!(chain.columns().iter().all(|column| column.kind.is_err()), "no column is in both");
    let error = chain.read(&["i4"], 0..1).expect_err("it is in one file").to_string();
    assert!(error.contains("it is not in") && error.contains("objects.root"), "{error}");
}

#[test]
fn friends_are_read_side_by_side() {
    let (tree, other) = (codecs("lz4/events"), codecs("zlib/events"));
    let friend = Friend { alias: "other", tree: &other, columns: &["i4", "text"] };
    let batch = tree.read_with(&["i4"], &[friend], 50..70).expect("they fit");
    let names: Vec<_> = batch.schema().fields().iter().map(|f| f.name().clone()).collect();
    assert_eq!(names, ["i4", "other.i4", "other.text"]);
    assert_eq!(batch.column(0), batch.column(1));
    let error = |friends: &[Friend<'_>]| tree.read_with(&["i4"], friends, 0..1).expect_err("no").to_string();
    assert!(error(&[friend, friend]).contains("two columns are called other.i4"));
    let short = objects();
    let short = Friend { alias: "short", tree: &short, columns: &[] };
    assert!(error(&[short]).contains("has 6 entries, it has 100"));
}
