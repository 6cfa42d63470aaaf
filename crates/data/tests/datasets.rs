//! Sources to datasets: what is kept, what is counted, what is refused, what is noticed when it breaks.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, UInt64Type};
use arrow_array::{ArrayRef, Float32Array, RecordBatch};
use common::{batch, constituents, dataset, jet_pt, make, options, sources, view, write};
use fiducial_data::dataset::Dataset;
use fiducial_data::prepare::{PrepareOptions, prepare, prepare_or_reuse};
use fiducial_data::view::View;

/// The rows that the test's view keeps.
fn kept(row: usize) -> bool {
    jet_pt(row) > 10.0 && !constituents(row).is_empty()
}

#[test]
fn every_kept_row_is_in_one_split_with_its_values() {
    let (_directory, dataset) = dataset();
    let mut seen = BTreeSet::new();
    for split in ["train", "validation", "test"] {
        let rows = dataset.read(split, &["part_pt", "row_id", "jet_pt", "kind"]).unwrap();
        assert_eq!(rows.num_rows() as u64, dataset.rows(split).unwrap());
        let (ids, jets) =
            (rows.column(1).as_primitive::<UInt64Type>(), rows.column(2).as_primitive::<Float32Type>());
        let lists = rows.column(0).as_list::<i32>();
        for (index, id) in ids.values().iter().enumerate() {
            let row = *id as usize;
            assert!(kept(row) && seen.insert(row), "row {row} of {split}");
            assert_eq!(jets.value(index), jet_pt(row));
            let found = lists.value(index);
            let expected: Vec<f32> = constituents(row).iter().map(|constituent| constituent.0).collect();
            assert_eq!(found.as_primitive::<Float32Type>().values().as_ref(), expected, "row {row}");
        }
        let fraction = rows.num_rows() as f64 / 22_900.0;
        let expected =
            [("train", 0.6), ("validation", 0.1), ("test", 0.3)].into_iter().find(|(name, _)| *name == split);
        assert!((fraction - expected.unwrap().1).abs() < 0.02, "{split} {fraction}");
    }
    assert!(seen.into_iter().eq((0..30_000).filter(|row| kept(*row))));
}

#[test]
fn the_manifest_counts_every_row() {
    let (_directory, dataset) = dataset();
    let manifest = dataset.manifest();
    let count =
        |rows: std::ops::Range<usize>, f: &dyn Fn(usize) -> bool| rows.filter(|row| f(*row)).count() as u64;
    for (source, rows) in manifest.cutflow.iter().zip([0..20_000, 20_000..30_000]) {
        let first = count(rows.clone(), &|row| jet_pt(row) > 10.0);
        let second = count(rows.clone(), &kept);
        let found: Vec<_> =
            source.steps.iter().map(|step| (step.clause.as_str(), step.before, step.after)).collect();
        assert_eq!(found, [("jet_pt > 10", rows.len() as u64, first), ("count(part_pt) > 0", first, second)]);
        assert_eq!(source.splits.iter().map(|split| split.rows).sum::<u64>(), second);
    }
    assert_eq!(manifest.total_rows(), count(0..30_000, &kept));
    // The columns of the view and no others, each with its extremes over the kept rows.
    let names: Vec<&str> = manifest.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["jet_pt", "kind", "part_eta", "part_pt", "row_id"]);
    let column = &manifest.columns[0];
    assert_eq!((column.unit.as_deref(), column.values), (Some("GeV"), manifest.total_rows()));
    assert_eq!(column.minimum.as_ref().unwrap().as_f64(), Some(10.5));
    assert_eq!(column.maximum.as_ref().unwrap().as_f64(), Some(96.5));
    let lengths = (0..30_000).filter(|row| kept(*row)).map(|row| constituents(row).len()).sum::<usize>();
    assert_eq!(manifest.columns[3].values, lengths as u64);
    let card = fs::read_to_string(dataset.path().join("README.md")).unwrap();
    assert!(card.contains("| `jet_pt` | `float32` | GeV | 10.5 to 96.5 |"), "{card}");
    assert!(card.contains("transverse momentum \\| of the jet"), "{card}");
}

#[test]
fn the_version_depends_on_the_content_alone() {
    let directory = tempfile::tempdir().unwrap();
    let files = sources(directory.path());
    let version = |name: &str, threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let out = directory.path().join(name);
        pool.install(|| make(&view(4), &files, &out)).unwrap().version().to_owned()
    };
    let first = version("one", 1);
    assert_eq!(first.len(), 64);
    assert_eq!(first, version("elsewhere/two", 4));
    let bytes = |name: &str| fs::read(directory.path().join(name).join("dataset.json")).unwrap();
    assert_eq!(bytes("one"), bytes("elsewhere/two"));
    // Other rows, another version.
    write(&files[1], &batch(20_001..30_001));
    assert_ne!(first, version("three", 2));
}

#[test]
fn an_equal_dataset_is_used_again() {
    let directory = tempfile::tempdir().unwrap();
    let files = sources(directory.path());
    let out = directory.path().join("toy");
    let reuse = |view: &View, options: &PrepareOptions| {
        prepare_or_reuse(view, &files, &out, options, &mut |_| {}).unwrap().is_reused
    };
    assert!(!reuse(&view(4), &options()));
    assert!(reuse(&view(4), &options()));
    assert!(!reuse(&view(5), &options()), "another view");
    assert!(!reuse(&view(5), &PrepareOptions { row_group_rows: 500, ..options() }), "other settings");
    fs::remove_file(out.join("test/00000.parquet")).unwrap();
    assert!(!reuse(&view(5), &PrepareOptions { row_group_rows: 500, ..options() }), "a shard was lost");
    write(&files[0], &batch(1..20_001));
    assert!(!reuse(&view(5), &PrepareOptions { row_group_rows: 500, ..options() }), "other data");
    assert!(reuse(&view(5), &PrepareOptions { row_group_rows: 500, ..options() }));
}

#[test]
fn what_is_there_is_not_replaced_by_accident() {
    let directory = tempfile::tempdir().unwrap();
    let files = sources(directory.path());
    let out = directory.path().join("toy");
    make(&view(4), &files, &out).unwrap();
    let error = make(&view(4), &files, &out).unwrap_err().to_string();
    assert!(error.contains("is there already"), "{error}");
    let overwrite = PrepareOptions { overwrite: true, ..options() };
    prepare(&view(4), &files, &out, &overwrite, &mut |_| {}).unwrap();
    let precious = directory.path().join("precious");
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("thesis.tex"), "x").unwrap();
    let error = prepare(&view(4), &files, &precious, &overwrite, &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("is no dataset"), "{error}");
    // An error on the way leaves nothing.
    let bad = View::parse("format = \"fiducial-view/1\"\nselection = \"jet_pt\"").unwrap();
    assert!(make(&bad, &files, &directory.path().join("bad")).is_err());
    let mut left: Vec<_> = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["a.parquet", "b.parquet", "precious", "toy"]);
}

#[test]
fn errors_name_file_row_and_column() {
    let directory = tempfile::tempdir().unwrap();
    let files = sources(directory.path());
    let check = |view: &str, files: &[std::path::PathBuf], expected: &[&str]| {
        let view = View::parse(&format!("format = \"fiducial-view/1\"\n{view}")).unwrap();
        let error = make(&view, files, &directory.path().join("out")).unwrap_err().to_string();
        for part in expected {
            assert!(error.contains(part), "`{part}` in: {error}");
        }
    };
    // A NaN in row 3 of a file: the selection must not decide about it in silence.
    let values: ArrayRef = Arc::new(Float32Array::from(vec![1.0, 2.0, 3.0, f32::NAN]));
    let other: ArrayRef = Arc::new(Float32Array::from(vec![9.0, 0.0, 9.0, 9.0]));
    let nan = directory.path().join("nan.parquet");
    write(&nan, &RecordBatch::try_from_iter([("mass", values), ("jet_pt", other)]).unwrap());
    let nan = [nan];
    check(
        "selection = [\"jet_pt > 5\", \"mass > 1.5\"]",
        &nan,
        &["nan.parquet", "row 3", "`mass`", "mass > 1.5"],
    );
    check("selection = \"jet_pt\"", &nan, &["selection"]);
    check("selection = \"masss > 1\"", &nan, &["nan.parquet", "`masss`", "`mass`"]);
    check(
        "[splits]\ncolumn = \"jet_pt\"\nvalues = { train = 9, test = 1 }",
        &nan,
        &["nan.parquet", "row 1", "jet_pt", "0"],
    );
    check(
        "[splits]\nfiles = { train = \"a*\", test = \"b*\" }\n[columns]\nmass = {}",
        &nan,
        &["nan.parquet"],
    );
    check("[columns]\nkind = {}", &[files[0].clone(), nan[0].clone()], &["nan.parquet", "`kind`"]);
    check("[columns]\njet_pt = {}", &[], &["no source files"]);
    check("[columns]\njet_pt = {}", &[directory.path().join("none.root")], &["none.root"]);
    fs::write(directory.path().join("text.root"), "not a root file").unwrap();
    check(
        "[columns]\njet_pt = {}",
        &[directory.path().join("text.root")],
        &["text.root", "no format that is known"],
    );
    // Where the selection handles the NaN, it may.
    let handled =
        View::parse("format = \"fiducial-view/1\"\nselection = \"~isnan(mass) & (mass > 1.5)\"").unwrap();
    assert_eq!(make(&handled, &nan, &directory.path().join("handled")).unwrap().manifest().total_rows(), 2);
}

#[test]
fn splits_by_file_and_by_column() {
    let directory = tempfile::tempdir().unwrap();
    let files = sources(directory.path());
    let rows = |splits: &str, out: &str| {
        let view =
            View::parse(&format!("format = \"fiducial-view/1\"\n[splits]\n{splits}\n[columns]\nkind = {{}}"));
        let dataset = make(&view.unwrap(), &files, &directory.path().join(out)).unwrap();
        let splits = dataset.manifest().splits.iter().map(|split| (split.name.clone(), split.rows));
        splits.collect::<Vec<_>>()
    };
    let expected = |train: u64, test: u64| vec![("train".to_owned(), train), ("test".to_owned(), test)];
    assert_eq!(rows("files = { train = \"a*\", test = \"b*\" }", "files"), expected(20_000, 10_000));
    assert_eq!(
        rows("column = \"kind\"\nvalues = { train = 0, test = 1 }", "column"),
        expected(15_000, 15_000)
    );
    // A split without rows has a shard all the same, so that it loads.
    assert_eq!(rows("files = { train = \"*\", test = \"none\" }", "empty"), expected(30_000, 0));
    let empty = Dataset::open(directory.path().join("empty")).unwrap();
    assert_eq!(empty.read("test", &["kind"]).unwrap().num_rows(), 0);
    assert!(empty.verify().unwrap().problems.is_empty());
}

#[test]
fn every_corruption_is_reported() {
    let (_directory, dataset) = dataset();
    let root = dataset.path();
    let report = dataset.verify().unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    assert_eq!(
        (report.rows, report.files),
        (dataset.manifest().total_rows(), dataset.manifest().files.len() + 2)
    );

    let flip = |path: &Path| {
        let mut bytes = fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path, bytes).unwrap();
    };
    flip(&root.join("train/00001.parquet"));
    fs::remove_file(root.join("test/00000.parquet")).unwrap();
    fs::write(root.join("train/extra.parquet"), "x").unwrap();
    fs::write(root.join("notes.txt"), "x").unwrap();
    // What a copy from a hub has beside it is nobody's loss.
    fs::write(root.join(".gitattributes"), "x").unwrap();
    let card = fs::read_to_string(root.join("README.md")).unwrap();
    fs::write(root.join("README.md"), card + "more").unwrap();
    // A sound Parquet file in the wrong place: other columns, other rows.
    fs::copy(root.join("../a.parquet"), root.join("validation/00000.parquet")).unwrap();
    let problems: Vec<String> = dataset.verify().unwrap().problems.iter().map(ToString::to_string).collect();
    let expected = [
        ("train/00001.parquet", "sha256"),
        ("test/00000.parquet", "missing"),
        ("train/extra.parquet", "does not know"),
        ("notes.txt", "does not know"),
        ("README.md", "bytes"),
        ("validation/00000.parquet", "bytes"),
        ("validation/00000.parquet", "20000 rows"),
        ("validation/00000.parquet", "columns"),
    ];
    for (path, reason) in expected {
        assert!(
            problems.iter().any(|found| found.starts_with(path) && found.contains(reason)),
            "{path}: {problems:?}"
        );
    }
    assert_eq!(problems.len(), expected.len(), "{problems:?}");
}

#[test]
fn a_broken_manifest_is_refused() {
    let (_directory, dataset) = dataset();
    let path = dataset.path().join("dataset.json");
    let text = fs::read_to_string(&path).unwrap();
    let check = |text: &str, expected: &str| {
        fs::write(&path, text).unwrap();
        let error = Dataset::open(dataset.path()).unwrap_err().to_string();
        assert!(error.contains("dataset.json") && error.contains(expected), "{error}");
    };
    for length in [0, 1, text.len() / 2, text.len() - 3] {
        check(&text[..length], "");
    }
    check(&text.replace("fiducial-dataset/1", "fiducial-dataset/9"), "fiducial-dataset/9");
    check(&text.replacen("\"version\"", "\"vision\"", 1), "vision");
    check(&text.replacen("train/00000.parquet", "../00000.parquet", 1), "leads out");
    check(&text.replacen("\"type\": \"float32\"", "\"type\": \"float64\"", 1), "hash");
    check(&text.replacen("\"rows\": 5000", "\"rows\": 5001", 1), "");
    fs::remove_file(&path).unwrap();
    assert!(Dataset::open(dataset.path()).unwrap_err().to_string().contains("dataset.json"));
}

/// The schema in the repository names exactly the keys that are written.
#[test]
fn the_schema_describes_the_manifest() {
    let (_directory, dataset) = dataset();
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/dataset-1.json");
    let schema: serde_json::Value = serde_json::from_str(&fs::read_to_string(schema).unwrap()).unwrap();
    let text = fs::read_to_string(dataset.path().join("dataset.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
    describe(&schema, &schema, &manifest, "");
}

fn describe(root: &serde_json::Value, schema: &serde_json::Value, value: &serde_json::Value, path: &str) {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => root.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    };
    let kind = match value {
        serde_json::Value::Object(_) => "object",
        serde_json::Value::Array(_) => "array",
        serde_json::Value::String(_) => "string",
        serde_json::Value::Number(number) if number.is_u64() && schema["type"] == "integer" => "integer",
        serde_json::Value::Number(_) => "number",
        _ => panic!("{path} is {value}"),
    };
    assert_eq!(schema["type"], kind, "{path}");
    if let Some(object) = value.as_object() {
        assert_eq!(schema["additionalProperties"], false, "{path}");
        for (key, value) in object {
            let property = &schema["properties"][key];
            assert!(property.is_object(), "{path}/{key} is not in the schema");
            describe(root, property, value, &format!("{path}/{key}"));
        }
        for required in schema["required"].as_array().unwrap() {
            assert!(object.contains_key(required.as_str().unwrap()), "{path} lacks {required}");
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        describe(root, &schema["items"], item, &format!("{path}/{index}"));
    }
}
