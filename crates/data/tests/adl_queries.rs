//! The ADL benchmark queries of IRIS-HEP (github.com/iris-hep/adl-benchmarks-index) as views, against awkward and vector.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "these are tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use arrow_array::BooleanArray;
use arrow_select::filter::filter_record_batch;
use fiducial_data::source::{self, Source};
use fiducial_data::view::View;

const QUERIES: [&str; 9] = ["q1", "q2", "q3", "q4", "q5", "q6a", "q6b", "q7", "q8"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../benches/expressions")
}

/// The values of a query, rows taken `block` at a time.
fn run(view: &View, source: &dyn Source, block: u64) -> Vec<f64> {
    let columns = view.stored_columns();
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut values = Vec::new();
    let mut start = 0;
    while start < source.rows() {
        let end = source.rows().min(start + block);
        let batch = source.read(&columns, start..end).unwrap();
        let selection = view.select(&batch, start).unwrap();
        let left = filter_record_batch(&batch, &BooleanArray::new(selection.mask, None)).unwrap();
        let result = view.variable("result", &view.environment(&left)).unwrap();
        values.extend_from_slice(&result.numbers());
        start = end;
    }
    values
}

#[test]
fn awkward_gives_the_same_values() {
    let Some(python) = std::env::var_os("FIDUCIAL_TEST_PYTHON") else {
        eprintln!("skipped: FIDUCIAL_TEST_PYTHON is not set");
        return;
    };
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/root");
    for name in ["nanoAOD_2015_CMS_Open_Data_ttbar.root", "nano_dimuon.root"] {
        let file = data.join(name);
        if !file.exists() {
            eprintln!("skipped: {name} is not there");
            continue;
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/adl_queries.py");
        let output = Command::new(&python).arg(script).arg(folder()).arg(&file).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        if error.contains("ModuleNotFoundError") {
            eprintln!("skipped: {}", error.lines().last().unwrap_or_default());
            return;
        }
        assert!(output.status.success(), "{error}");
        let peer: BTreeMap<String, Vec<f64>> = serde_json::from_slice(&output.stdout).unwrap();
        let source = source::open(&file, Some("Events")).unwrap();
        let mut filled = 0;
        for query in QUERIES {
            let view = View::read(folder().join(format!("queries/{query}.toml"))).unwrap();
            let ours = run(&view, source.as_ref(), u64::MAX / 2);
            let theirs = &peer[query];
            assert_eq!(ours.len(), theirs.len(), "{query} on {name}");
            for (i, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                let apart = (ours - theirs).abs();
                assert!(
                    apart <= 1e-9 * theirs.abs().max(1.0),
                    "{query} on {name}, value {i}: {ours} and {theirs}"
                );
            }
            filled += usize::from(!ours.is_empty());
            // The same bits, however the rows are cut.
            assert_eq!(run(&view, source.as_ref(), 7), ours, "{query} on {name}");
        }
        assert!(filled >= 8, "only {filled} queries have values on {name}");
    }
}
