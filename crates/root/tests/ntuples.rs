//! Reads the small ntuples that `make_ntuples.py` makes; every value is known by hand.

mod common;

use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, types};
use arrow_schema::DataType;
use fiducial_root::{Ntuple, RootFile, Table};

fn open(file: &str, name: &str) -> Ntuple {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(file);
    RootFile::open(path).and_then(|file| file.ntuple(name)).expect("the fixture opens")
}

fn readable(ntuple: &Ntuple) -> Vec<&str> {
    let columns = ntuple.columns().iter().chain(ntuple.members());
    columns.filter(|c| c.kind.is_ok()).map(|c| c.name.as_str()).collect()
}

fn all(ntuple: &Ntuple) -> RecordBatch {
    ntuple.read(&readable(ntuple), 0..ntuple.entries()).expect("every column is readable")
}

/// The values of an array as text, by which anything compares.
fn values(array: &dyn Array) -> Vec<String> {
    (0..array.len()).map(|i| value(array, i)).collect()
}

fn value(array: &dyn Array, i: usize) -> String {
    if array.is_null(i) {
        return "-".into();
    }
    let list = |items: ArrayRef| format!("[{}]", values(items.as_ref()).join(" "));
    match array.data_type() {
        DataType::Boolean => u8::from(array.as_boolean().value(i)).to_string(),
        DataType::Utf8 => array.as_string::<i32>().value(i).to_owned(),
        DataType::Int8 => array.as_primitive::<types::Int8Type>().value(i).to_string(),
        DataType::UInt8 => array.as_primitive::<types::UInt8Type>().value(i).to_string(),
        DataType::Int16 => array.as_primitive::<types::Int16Type>().value(i).to_string(),
        DataType::UInt16 => array.as_primitive::<types::UInt16Type>().value(i).to_string(),
        DataType::Int32 => array.as_primitive::<types::Int32Type>().value(i).to_string(),
        DataType::UInt32 => array.as_primitive::<types::UInt32Type>().value(i).to_string(),
        DataType::Int64 => array.as_primitive::<types::Int64Type>().value(i).to_string(),
        DataType::UInt64 => array.as_primitive::<types::UInt64Type>().value(i).to_string(),
        DataType::Float32 => array.as_primitive::<types::Float32Type>().value(i).to_string(),
        DataType::Float64 => array.as_primitive::<types::Float64Type>().value(i).to_string(),
        DataType::List(_) => list(array.as_list::<i32>().value(i)),
        DataType::FixedSizeList(..) => list(array.as_fixed_size_list().value(i)),
        DataType::Struct(_) => {
            let columns = array.as_struct().columns().iter();
            format!("({})", columns.map(|column| value(column.as_ref(), i)).collect::<Vec<_>>().join(" "))
        }
        other => format!("{other}"),
    }
}

fn text(i: i64) -> String {
    if i % 5 == 0 { String::new() } else { format!("row {i}") }
}

/// Some of `n` items as a list.
fn list(n: i64, item: impl Fn(i64) -> String) -> String {
    format!("[{}]", (0..n).map(item).collect::<Vec<_>>().join(" "))
}

fn check(batch: &RecordBatch, name: &str, expected: impl Fn(i64) -> String) {
    let found = values(batch.column_by_name(name).expect("the column is there").as_ref());
    let expected: Vec<_> = (0..batch.num_rows() as i64).map(expected).collect();
    assert_eq!(found, expected, "{name}");
}

#[test]
fn every_shape_has_the_known_values() {
    for (file, name) in [("ntuples.root", "shapes"), ("ntuples_plain.root", "dir/shapes")] {
        let ntuple = open(file, name);
        assert_eq!((ntuple.entries(), ntuple.title(), ntuple.name()), (50, "shapes of fields", name));
        assert_eq!(ntuple.clusters(), [0..20, 20..35, 35..50]);
        let batch = all(&ntuple);
        check(&batch, "flag", |i| u8::from(i % 3 == 0).to_string());
        check(&batch, "letter", |i| (i % 26 + 97).to_string());
        check(&batch, "byte", |i| (i * 5).to_string());
        check(&batch, "i1", |i| (i - 25).to_string());
        check(&batch, "u1", |i| (i * 5).to_string());
        check(&batch, "i2", |i| ((i - 25) * 1000).to_string());
        check(&batch, "u2", |i| (i * 1300).to_string());
        check(&batch, "i4", |i| ((i - 25) * 50_000_000).to_string());
        check(&batch, "u4", |i| (i * 80_000_000).to_string());
        check(&batch, "i8", |i| ((i - 25) * 100_000_000_000_000_000).to_string());
        check(&batch, "u8", |i| (i as u64 * 300_000_000_000_000_000).to_string());
        check(&batch, "f4", |i| (i as f32 * 0.5).to_string());
        check(&batch, "f8", |i| (i as f64 * 0.125).to_string());
        check(&batch, "text", text);
        check(&batch, "nested", |i| list(i % 4, |k| list(k, |_| (i + k).to_string())));
        check(&batch, "rvec", |i| list(i % 4, |k| (i * 10 + k).to_string()));
        check(&batch, "matrix", |i| list(2, |r| list(3, |k| (i * 6 + r * 3 + k).to_string())));
        check(&batch, "texts", |i| list(i % 4, |k| text(i + k)));
        check(&batch, "pair", |i| format!("({i} {})", text(i)));
        check(&batch, "pairs", |i| list(i % 4, |k| format!("({} {})", text(k + 1), i + k)));
        check(&batch, "tuple", |i| format!("({i} {} {})", i as f32 * 0.5, u8::from(i % 2 == 0)));
        check(&batch, "maybe", |i| if i % 3 == 0 { "-".into() } else { (i as f32 * 0.25).to_string() });
        check(&batch, "pointer", |i| if i % 4 == 0 { "-".into() } else { text(i) });
        check(&batch, "maybes", |i| list(i % 4, |k| if k % 2 == 0 { "-".into() } else { i.to_string() }));
        check(&batch, "variant", |i| match i % 3 {
            0 => format!("(1 {i} - -)"),
            1 => format!("(2 - {} -)", text(i)),
            _ => format!("(3 - - {})", list(i % 5, |_| i.to_string())),
        });
        let variant =
            |i: i64, k| if k % 2 == 0 { format!("(2 - {})", i as f64 * 0.5) } else { format!("(1 {i} -)") };
        check(&batch, "variants", |i| list(i % 4, |k| variant(i, k)));
        check(&batch, "bits", |i| list(11, |k| (((i * 37) >> k) & 1).to_string()));
        check(&batch, "atomic", |i| (i - 7).to_string());
        check(&batch, "colour", |i| if i % 2 == 0 { "7".into() } else { "1".into() });
        let point = |id: i64, base: i64, own: i64, hits: i64, hit: i64| {
            format!("({id} {base} {own} {})", list(hits, |_| hit.to_string()))
        };
        check(&batch, "point", |i| point(i, i * 2, i * 3, i % 3, -i));
        check(&batch, "points", |i| list(i % 4, |k| point(k, i, -i, k, i)));
        check(&batch, "n_points", |i| (i % 4).to_string());
        check(&batch, "point_hits", |i| list(i % 4, |k| list(k, |_| i.to_string())));
        check(&batch, "points.id", |i| list(i % 4, |k| k.to_string()));
        check(&batch, "points.Base::x", |i| list(i % 4, |_| i.to_string()));
        check(&batch, "points.hits", |i| list(i % 4, |k| list(k, |_| i.to_string())));
        check(&batch, "point.x", |i| (i * 3).to_string());

        let types = |name: &str| ntuple.column(name).map(|c| c.kind.clone().map(|kind| kind.to_string()));
        assert_eq!(types("letter"), Some(Ok("Int8".into())));
        assert_eq!(types("n_points"), Some(Ok("UInt32".into())));
        // A ROOT streamer wrote it.
        check(&batch, "vector3", |i| format!("({i} 0 0)"));
        assert!(
            ntuple.column("maybe").is_some_and(|c| c.nullable)
                && ntuple.column("f4").is_some_and(|c| !c.nullable)
        );
    }
}

#[test]
fn every_kind_of_column_has_the_known_values() {
    let ntuple = open("ntuples.root", "columns");
    let batch = all(&ntuple);
    let x = |i: i64| i as f64 - 5.25;
    for name in
        ["half", "real32", "split32", "double_half", "double_real32", "double_split32", "real64", "split64"]
    {
        check(&batch, name, |i| x(i).to_string());
    }
    for (bits, name) in [(10, "trunc10"), (19, "trunc19"), (31, "trunc31")] {
        check(&batch, name, |i| {
            f32::from_bits((x(i) as f32).to_bits() >> (32 - bits) << (32 - bits)).to_string()
        });
    }
    for (bits, name) in
        [(1, "quant1"), (7, "quant7"), (20, "quant20"), (32, "quant32"), (12, "double_quant12")]
    {
        // As ROOT rounds: half a step up, then the whole number below.
        let steps = ((1u64 << bits) - 1) as f64;
        let quantised = |i| ((x(i) + 8.0) * (steps / 64.0) + 0.5).floor() * (64.0 / steps) - 8.0;
        match name.starts_with("double") {
            true => check(&batch, name, |i| quantised(i).to_string()),
            false => check(&batch, name, |i| (quantised(i) as f32).to_string()),
        }
    }
    for name in ["index32", "index64", "split_index32", "split_index64"] {
        check(&batch, name, |i| list(i % 4, |_| i.to_string()));
    }
    for name in ["plain_i2", "plain_i4", "plain_i8"] {
        check(&batch, name, |i| (i - 25).to_string());
    }
    for name in ["plain_u2", "plain_u4", "plain_u8"] {
        check(&batch, name, |i| i.to_string());
    }
}

#[test]
fn fields_that_were_added_late_start_with_zeros() {
    let ntuple = open("ntuples.root", "late");
    let batch = all(&ntuple);
    let late = |i: i64, value: String, zero: &str| if i < 20 { zero.to_owned() } else { value };
    check(&batch, "x", |i| i.to_string());
    check(&batch, "y", |i| late(i, (i as f32 * 0.5).to_string(), "0"));
    check(&batch, "list", |i| late(i, list(i % 3, |_| i.to_string()), "[]"));
    check(&batch, "text", |i| late(i, text(i), ""));
    check(&batch, "pair", |i| late(i, format!("[{i} {}]", -i), "[0 0]"));
    check(&batch, "maybe", |i| if i < 20 || i % 2 == 0 { "-".into() } else { i.to_string() });
    check(&batch, "variant", |i| match i % 2 {
        _ if i < 20 => "(0 - -)".into(),
        0 => format!("(2 - {})", i as f32 * 0.5),
        _ => format!("(1 {i} -)"),
    });
    check(&batch, "bits", |i| late(i, list(3, |k| ((i >> k) & 1).to_string()), "[0 0 0]"));
}

#[test]
fn envelopes_that_are_spread_over_keys_are_put_together() {
    let ntuple = open("ntuples_split.root", "split");
    let batch = all(&ntuple);
    assert_eq!(batch.num_columns(), 40);
    for k in 0..40 {
        check(&batch, &format!("field{k}"), |i| (i * 100 + k).to_string());
    }
}

/// Every column of the fixtures and of the real ntuples: a part of the entries is that part of all.
#[test]
fn parts_are_parts_of_the_whole() {
    let mut files = common::fixtures();
    files.extend(common::shared_ntuples());
    files.retain(|path| path.metadata().is_ok_and(|meta| meta.len() < 200_000));
    let mut checked = 0;
    for path in files {
        let file = RootFile::open(&path).expect("the file opens");
        for name in file.ntuple_names().expect("the keys are readable") {
            let ntuple = file.ntuple(&name).expect("the ntuple opens");
            let whole = all(&ntuple);
            let n = ntuple.entries();
            let mut ranges = vec![0..0, n..n, 0..1, n - 1..n, n / 3..n / 2, n / 2..n, 1..n - 1];
            for cluster in ntuple.clusters() {
                ranges.push(cluster.start.saturating_sub(1)..(cluster.start + 1).min(n));
                ranges.push(cluster);
            }
            for range in ranges {
                let part = ntuple.read(&readable(&ntuple), range.clone()).expect("the part is readable");
                let expected = whole.slice(range.start as usize, (range.end - range.start) as usize);
                for (i, field) in whole.schema().fields().iter().enumerate() {
                    let [part, expected] = [&part, &expected].map(|batch| values(batch.column(i).as_ref()));
                    assert_eq!(part, expected, "{} {name} {} {range:?}", path.display(), field.name());
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 1000, "{checked}");
}

#[test]
fn threads_do_not_change_the_result() {
    let ntuple = open("ntuples.root", "shapes");
    let read = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool starts");
        pool.install(|| ntuple.read(&readable(&ntuple), 5..45).expect("the columns are readable"))
    };
    assert_eq!(read(1), read(4));
}

#[test]
fn errors_name_what_and_where() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ntuples_plain.root");
    let bytes = std::fs::read(&path).expect("the file is readable");
    let file = RootFile::from_bytes("a.root", bytes.clone()).expect("the fixture opens");
    assert_eq!(file.ntuple_names().expect("the keys are readable"), ["dir/shapes"]);
    assert_eq!(file.table_names().expect("the keys are readable"), ["dir/shapes"]);
    let table = file.table("dir/shapes").expect("the ntuple opens");
    assert!(matches!(table, Table::Ntuple(_)));
    let message =
        |result: Result<RecordBatch, fiducial_root::Error>| result.expect_err("this fails").to_string();
    let mut flipped = bytes.clone();
    // The values of i8, from -25 times 10^17 on, stand in a page as they are.
    let needle = (-2_500_000_000_000_000_000i64).to_le_bytes();
    let at = bytes.windows(8).position(|window| window == needle).expect("the page is there");
    flipped[at] ^= 1;
    let flipped =
        RootFile::from_bytes("a.root", flipped).and_then(|f| f.table("dir/shapes")).expect("it opens");
    for (error, parts) in [
        (
            file.ntuple("shapes").expect_err("it is in a directory").to_string(),
            vec!["ntuple \"shapes\"", "dir/shapes"],
        ),
        (
            file.tree("dir/shapes").expect_err("it is no tree").to_string(),
            vec!["tree \"dir/shapes\" (it has: none)"],
        ),
        (message(table.read(&["F4"], 0..1)), vec!["did you mean \"f4\"?", "ntuple dir/shapes of a.root"]),
        (message(table.read(&["points/id"], 0..1)), vec!["did you mean \"points.id\"?"]),
        (
            message(table.read(&["f4"], 0..51)),
            vec!["ntuple dir/shapes of a.root", "entries 0 to 51", "of 50"],
        ),
        (
            message(flipped.read(&["i8"], 0..1)),
            vec!["a page of ntuple dir/shapes", &at.to_string(), "checksum is wrong"],
        ),
    ] {
        for part in parts {
            assert!(error.contains(part), "{error:?} should contain {part:?}");
        }
    }
    // What is not asked for is not looked at.
    assert_eq!(flipped.read(&["i4"], 0..50).expect("i4 is whole").num_rows(), 50);
}

/// Every byte of header, footer and page lists is under a checksum.
#[test]
fn a_flipped_bit_in_an_envelope_is_seen() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ntuples_plain.root");
    let bytes = std::fs::read(&path).expect("the file is readable");
    let needle = b"shapes of fields";
    let at =
        bytes.windows(needle.len()).position(|window| window == needle).expect("the description is there");
    for offset in [0, 7, 300] {
        let mut bytes = bytes.clone();
        bytes[at + offset] ^= 4;
        let result = RootFile::from_bytes("a.root", bytes).and_then(|file| file.ntuple("dir/shapes"));
        let error = result.expect_err("the header is changed").to_string();
        assert!(error.contains("the header of ntuple dir/shapes") && error.contains("checksum"), "{error}");
    }
}
