//! `prepare` when it is killed, when memory is short, and when values are bad.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{ArrayRef, Float32Array, Float64Array, Int32Array, ListArray, RecordBatch, UInt32Array};
use arrow_buffer::OffsetBuffer;
use arrow_schema::Field;
use common::{batch, view, write};
use fiducial_data::dataset::{CutflowStep, Dataset};
use fiducial_data::prepare::{OnBadFile, OnBadValue, PrepareOptions, Progress, prepare};
use fiducial_data::source::Error;
use fiducial_data::view::View;

/// What the process that is killed is told: the directory, its threads, and after which piece it dies.
const KILLED: &str = "FIDUCIAL_TEST_KILLED";
const FILES: usize = 6;

fn options() -> PrepareOptions {
    PrepareOptions {
        row_group_rows: 500,
        shard_rows: 2000,
        overwrite: true,
        on_bad_file: OnBadFile::Skip,
        ..PrepareOptions::default()
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    (0..FILES).map(|file| directory.join(format!("{file}.parquet"))).collect()
}

fn write_files(directory: &Path) {
    for (index, path) in files(directory).iter().enumerate() {
        write(path, &batch(index * 10_000..(index + 1) * 10_000));
    }
}

/// Prepares with some threads; also the rows that were there from an earlier run.
fn run(
    directory: &Path,
    view: &View,
    threads: usize,
    mut look: impl FnMut(Progress) + Send,
) -> Result<(Dataset, u64), Error> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let mut before = 0;
    let (files, out) = (files(directory), directory.join("out"));
    let dataset = pool.install(|| {
        prepare(view, &files, &out, &options(), &mut |progress| {
            before = progress.rows_before;
            look(progress);
        })
    })?;
    Ok((dataset, before))
}

/// Not a test of its own: the process that the tests kill.
#[test]
fn is_killed() {
    let Ok(told) = std::env::var(KILLED) else { return };
    let told: Vec<&str> = told.split('\n').collect();
    let (threads, last): (usize, usize) = (told[1].parse().unwrap(), told[2].parse().unwrap());
    let mut pieces = 0;
    run(Path::new(told[0]), &view(4), threads, |_| {
        pieces += 1;
        if pieces == last {
            std::process::abort();
        }
    })
    .unwrap();
}

fn killed(directory: &Path, threads: usize, last: usize) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "is_killed"]).stdout(Stdio::null()).stderr(Stdio::null());
    command.env(KILLED, format!("{}\n{threads}\n{last}", directory.display()));
    command
}

/// All bytes of a dataset.
fn bytes(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                files.insert(path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    files
}

#[test]
fn what_was_killed_goes_on_and_ends_in_the_same_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    write_files(root);
    // One file turns out to be bad when its first page is read, and is left out on the way.
    let bad = &files(root)[2];
    let mut content = fs::read(bad).unwrap();
    content[4..36].fill(0xff);
    fs::write(bad, content).unwrap();
    let (dataset, _) = run(root, &view(4), 2, |_| {}).unwrap();
    assert_eq!(dataset.manifest().skipped.len(), 1);
    let expected = bytes(dataset.path());
    assert!(expected.len() > 15, "{:?}", expected.keys());

    // Killed by itself after so many pieces, then continued with other threads.
    let check = |last: usize, threads: (usize, usize), continues: bool| {
        fs::remove_dir_all(root.join("out")).unwrap();
        assert!(!killed(root, threads.0, last).status().unwrap().success());
        assert!(!root.join("out").exists() && root.join(".out.partial").exists());
        let (dataset, before) = run(root, &view(4), threads.1, |_| {}).unwrap();
        assert_eq!(before > 0, continues, "killed after {last} pieces: {before} rows");
        assert_eq!(bytes(dataset.path()), expected, "killed after {last} pieces, {threads:?} threads");
        assert!(!root.join(".out.partial").exists());
    };
    // The bad file is met after two of them. Whole shards of the smallest split say from where on rows are read again.
    check(1, (1, 2), false);
    for last in 7..10 {
        check(last, (1, 3), true);
    }
    check(5, (3, 1), true);

    // Killed from without, again and again, wherever it was.
    fs::remove_dir_all(root.join("out")).unwrap();
    for wait in (0..40).map(|step| Duration::from_millis(4 * step)) {
        let mut child = killed(root, 2, 0).spawn().unwrap();
        std::thread::sleep(wait);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let _ = fs::remove_dir_all(root.join("out"));
    let (dataset, _) = run(root, &view(4), 2, |_| {}).unwrap();
    assert_eq!(bytes(dataset.path()), expected);
}

#[test]
fn another_request_or_a_broken_shard_begins_anew() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    write_files(root);
    let (four, five) = (view(4), view(5));
    let expected = |view: &View| bytes(run(root, view, 2, |_| {}).unwrap().0.path());
    let (of_four, of_five) = (expected(&four), expected(&five));
    let check = |view: &View, expected: &BTreeMap<PathBuf, Vec<u8>>, change: &dyn Fn()| {
        fs::remove_dir_all(root.join("out")).unwrap();
        assert!(!killed(root, 1, 6).status().unwrap().success());
        change();
        let (dataset, before) = run(root, view, 2, |_| {}).unwrap();
        assert_eq!(before, 0);
        assert!(bytes(dataset.path()) == *expected);
    };
    check(&five, &of_five, &|| {});
    let partial = root.join(".out.partial");
    check(&four, &of_four, &|| fs::write(partial.join("train/00000.parquet"), "x").unwrap());
    check(&four, &of_four, &|| fs::remove_file(partial.join("train/00001.parquet")).unwrap());
    check(&four, &of_four, &|| fs::write(partial.join(".state.json"), "{").unwrap());
    // Other rows in a file of the same name.
    fs::remove_dir_all(root.join("out")).unwrap();
    assert!(!killed(root, 1, 6).status().unwrap().success());
    write(&files(root)[5], &batch(7..10_007));
    let (dataset, before) = run(root, &four, 2, |_| {}).unwrap();
    assert_eq!(before, 0);
    assert!(bytes(dataset.path()) != of_four);
}

/// A run that goes on takes the hashes that the killed one left, of files that did not change since.
#[test]
fn sources_that_did_not_change_are_not_hashed_again() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    write_files(root);
    let expected = bytes(run(root, &view(4), 2, |_| {}).unwrap().0.path());
    // A file that was written just now may change again within the same tick of the file system's clock.
    std::thread::sleep(Duration::from_millis(2100));
    let hashes = root.join(".out.partial/.sources.json");
    let kill = || {
        fs::remove_dir_all(root.join("out")).unwrap();
        assert!(!killed(root, 1, 8).status().unwrap().success());
    };
    kill();
    let (dataset, before) = run(root, &view(4), 2, |_| {}).unwrap();
    assert!(before > 0);
    assert!(bytes(dataset.path()) == expected);
    let sha256 = dataset.manifest().sources[3].sha256.clone();
    // A hash that nobody computes, in place of the right one, shows that it is used; and not once its file was touched.
    for (touched, source) in [(false, "0".repeat(64)), (true, sha256.clone())] {
        kill();
        let text = fs::read_to_string(&hashes).unwrap();
        assert!(text.contains(&sha256), "{text}");
        fs::write(&hashes, text.replace(&sha256, &"0".repeat(64))).unwrap();
        if touched {
            let content = fs::read(&files(root)[3]).unwrap();
            fs::write(&files(root)[3], content).unwrap();
        }
        let (dataset, _) = run(root, &view(4), 2, |_| {}).unwrap();
        assert_eq!(dataset.manifest().sources[3].sha256, source, "touched: {touched}");
    }
    // What cannot be read is not there.
    kill();
    fs::write(&hashes, "[{").unwrap();
    assert!(bytes(run(root, &view(4), 2, |_| {}).unwrap().0.path()) == expected);
}

#[test]
fn a_limit_of_memory_changes_no_byte_and_says_when_it_is_too_small() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    write_files(root);
    let with = |memory_limit: u64| {
        let options = PrepareOptions { memory_limit, ..options() };
        prepare(&view(4), &files(root), &root.join("out"), &options, &mut |_| {})
    };
    let whole = bytes(with(4 << 30).unwrap().path());
    assert!(bytes(with(72 << 20).unwrap().path()) == whole);
    let error = with(64 << 20).unwrap_err().to_string();
    for part in ["0.parquet", "rows 0 to 9000", "64MiB", "raise it"] {
        assert!(error.contains(part), "`{part}` in: {error}");
    }
    // What it says is enough.
    let needed = error.split("memory limit of ").nth(1).unwrap().split("MiB").next().unwrap();
    assert!(bytes(with((needed.parse::<u64>().unwrap() + 2) << 20).unwrap().path()) == whole);
}

const BAD_VALUES: &str = r#"
format = "fiducial-view/1"
selection = ["mass > 1"]
observers = ["seen"]
[new_variables]
safe = "where(isfinite(guarded), guarded, 0)"
[columns]
kept = {}
[inputs.jet]
variables = ["mass", "pt", "safe"]
[labels]
classes = { even = "kind == 0", odd = "kind == 1" }
"#;

#[test]
fn bad_values_fail_or_are_dropped_and_counted() {
    let directory = tempfile::tempdir().unwrap();
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    let column = |values: [f32; 7]| Arc::new(Float32Array::from(values.to_vec())) as ArrayRef;
    let make = |columns: Vec<(&str, ArrayRef)>, on_bad_value: OnBadValue, view: &str| {
        let kind = Arc::new(Int32Array::from(vec![0, 1, 0, 1, 0, 1, 0])) as ArrayRef;
        let mut all = vec![("kind", kind)];
        for name in ["mass", "pt", "guarded", "kept", "seen"] {
            let given = columns.iter().find(|(given, _)| *given == name).map(|(_, array)| array.clone());
            all.push((name, given.unwrap_or_else(|| column([2.0; 7]))));
        }
        let path = directory.path().join("bad.parquet");
        write(&path, &RecordBatch::try_from_iter(all).unwrap());
        let options = PrepareOptions { on_bad_value, overwrite: true, ..PrepareOptions::default() };
        prepare(&View::parse(view).unwrap(), &[path], &directory.path().join("out"), &options, &mut |_| {})
    };
    let masses = || column([2.0, nan, 0.5, 2.0, 2.0, inf, 2.0]);
    let pts = || column([2.0, 2.0, nan, nan, -inf, 2.0, 2.0]);
    // Rows that the selection drops may hold anything.
    let fails = |columns: Vec<(&str, ArrayRef)>, expected: Option<(&str, usize)>| {
        let found = make(columns, OnBadValue::Fail, BAD_VALUES);
        match expected {
            None => assert_eq!(found.unwrap().manifest().cutflow[0].steps.len(), 1),
            Some((column, row)) => {
                let error = found.unwrap_err().to_string();
                for part in [format!("`{column}`"), format!("row {row} of"), "bad.parquet".to_owned()] {
                    assert!(error.contains(&part), "`{part}` in: {error}");
                }
            }
        }
    };
    fails(vec![], None);
    fails(vec![("mass", masses())], Some(("mass", 1)));
    fails(vec![("pt", pts())], Some(("pt", 2)));
    fails(vec![("mass", column([2.0, 2.0, 0.5, 0.5, 2.0, 2.0, 2.0])), ("pt", pts())], Some(("pt", 4)));
    fails(vec![("guarded", pts()), ("kept", pts()), ("seen", pts())], None);

    let dataset = make(vec![("mass", masses()), ("pt", pts())], OnBadValue::Drop, BAD_VALUES).unwrap();
    let step = |clause: &str, column: Option<&str>, before, after| CutflowStep {
        clause: clause.to_owned(),
        column: column.map(str::to_owned),
        before,
        after,
    };
    let expected = [
        step("isfinite(mass)", Some("mass"), 7, 5),
        step("mass > 1", None, 5, 4),
        step("isfinite(pt)", Some("pt"), 4, 2),
    ];
    assert_eq!(dataset.manifest().cutflow[0].steps, expected);
    assert_eq!(dataset.manifest().total_rows(), 2);
    let ids = dataset.read("train", &["row_id", "pt"]).unwrap();
    assert_eq!(format!("{:?}", ids.column(0)).matches("0,").count(), 1, "{:?}", ids.column(0));
    assert!(dataset.manifest().columns.iter().all(|column| column.nans + column.infinities == 0));
    let card = fs::read_to_string(dataset.path().join("README.md")).unwrap();
    assert!(card.contains("| no NaN or infinite value in `pt` | 2 | 2 |"), "{card}");
    assert!(dataset.verify().unwrap().problems.is_empty());
    // The same rows without a bad value are another request, not another content.
    let clean = make(vec![], OnBadValue::Drop, BAD_VALUES).unwrap();
    assert_eq!(clean.manifest().cutflow[0].steps.len(), 1);
}

/// Productions of one experiment that differ in the types of their columns, within lists too.
#[test]
fn columns_of_several_types_become_the_one_that_holds_all_values() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let ends = |rows: usize| OffsetBuffer::from_repeated_length(2, rows);
    let list = |items: ArrayRef| {
        let item = Arc::new(Field::new("item", items.data_type().clone(), items.null_count() > 0));
        Arc::new(ListArray::new(item, ends(items.len() / 2), items, None)) as ArrayRef
    };
    // The rows of each file: a number, and a list of two.
    let whole = |file: usize| (0..20_000).map(move |row| (20_000 * file + row) as u32);
    let item = |file: usize| (0..40_000).map(move |item| (item + file) as f32 / 4.0);
    let columns: [(ArrayRef, ArrayRef); 3] = [
        (
            Arc::new(UInt32Array::from_iter_values(whole(0))),
            Arc::new(Float32Array::from_iter_values(item(0))),
        ),
        (
            Arc::new(Int32Array::from_iter_values(whole(1).map(|value| value as i32))),
            Arc::new(Float64Array::from_iter_values(item(1).map(f64::from))),
        ),
        (
            Arc::new(UInt32Array::from_iter_values(whole(2))),
            Arc::new(Float32Array::from_iter(item(2).map(|value| (value >= 2.0).then_some(value)))),
        ),
    ];
    let paths: Vec<PathBuf> = (0..3).map(|file| root.join(format!("{file}.parquet"))).collect();
    for (path, (whole, items)) in paths.iter().zip(columns) {
        write(path, &RecordBatch::try_from_iter([("n", whole), ("pt", list(items))]).unwrap());
    }
    let text = "format = \"fiducial-view/1\"\nselection = [\"n % 3 != 0\"]\n[columns]\nn = {}\npt = {}\n\
                [splits]\nfractions = { train = 1.0 }";
    let view = View::parse(text).unwrap();
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| prepare(&view, &paths, &root.join("out"), &options(), &mut |_| {})).unwrap()
    };
    let dataset = with(1);
    let told: Vec<_> =
        dataset.manifest().widened.iter().map(|widened| (&*widened.column, widened.told())).collect();
    let expected = [
        ("n", "uint32 in 0.parquet and 1 more, int32 in 1.parquet: it is int64 in the dataset"),
        (
            "pt",
            "list<float32> in 0.parquet and 1 more, list<float64> in 1.parquet: it is list<float64> in the dataset",
        ),
    ];
    assert_eq!(told, expected.map(|(column, told)| (column, told.to_owned())));
    let rows = dataset.read("train", &["n", "pt"]).unwrap();
    let kept: Vec<i64> = (0..60_000).filter(|row| row % 3 != 0).collect();
    assert_eq!(rows.column(0).as_primitive::<Int64Type>().values(), kept.as_slice());
    let lists = rows.column(1).as_list::<i32>();
    for (row, number) in kept.iter().enumerate() {
        let (file, within) = (number / 20_000, number % 20_000);
        let expected = [2 * within, 2 * within + 1].map(|item| (item + file) as f64 / 4.0);
        let expected = expected.map(|value| (file != 2 || value >= 2.0).then_some(value));
        let found = lists.value(row);
        assert_eq!(found.as_primitive::<Float64Type>(), &Float64Array::from(expected.to_vec()), "{number}");
    }
    let one = bytes(dataset.path());
    for threads in [2, 3] {
        assert!(bytes(with(threads).path()) == one, "{threads} threads");
    }
}
