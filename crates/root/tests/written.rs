//! Files that are written, read by uproot, and by ROOT where there is one.
#![allow(clippy::print_stderr, reason = "tests say why they are skipped")]

#[path = "common/rows.rs"]
mod rows;

use std::path::Path;
use std::process::Command;

use fiducial_root::RootWriter;

/// Writes the rows, in several clusters, as a tree.
fn tree(path: &Path, compression: &str, rows: i64) {
    let batch = rows::batch(0, rows);
    let mut file = RootWriter::create(path, compression.parse().expect("a setting")).expect("it starts");
    let tree = file.tree("events", "rows", &batch.schema()).expect("the columns fit");
    let mut tree = tree.cluster_bytes(50_000);
    tree.write(&batch).expect("it writes");
    tree.finish().expect("it finishes");
    file.finish().expect("it finishes");
}

/// Writes the rows, in several clusters, as an RNTuple.
fn ntuple(path: &Path, compression: &str, rows: i64) {
    let batch = rows::batch(0, rows);
    let mut file = RootWriter::create(path, compression.parse().expect("a setting")).expect("it starts");
    let ntuple = file.ntuple("events", &batch.schema()).expect("the columns fit");
    let mut ntuple = ntuple.cluster_bytes(50_000);
    ntuple.write(&batch).expect("it writes");
    ntuple.finish().expect("it finishes");
    file.finish().expect("it finishes");
}

/// Writes optional fields and structs as RNTuples of one file.
fn nulls(path: &Path, compression: &str, rows: i64) {
    let mut file = RootWriter::create(path, compression.parse().expect("a setting")).expect("it starts");
    for (name, batch) in [("nulls", rows::nullable(rows)), ("structs", rows::structs(rows))] {
        let ntuple = file.ntuple(name, &batch.schema()).expect("the columns fit");
        let mut ntuple = ntuple.cluster_bytes(500);
        ntuple.write(&batch).expect("it writes");
        ntuple.finish().expect("it finishes");
    }
    file.finish().expect("it finishes");
}

/// Runs `written.py` with a Python that a variable names.
fn check(variable: &str, reader: &str, write: fn(&Path, &str, i64)) {
    let Ok(python) = std::env::var(variable) else {
        eprintln!("skipped: {variable} is not set to a Python with {reader}");
        return;
    };
    let directory = tempfile::tempdir().expect("there is room");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/written.py");
    for (compression, rows) in [("none", 300), ("zlib", 100), ("lz4", 1), ("zstd", 700)] {
        let path = directory.path().join(format!("{compression}-{rows}.root"));
        write(&path, compression, rows);
        let output = Command::new(&python).arg(&script).arg(reader).arg(&path).arg(rows.to_string()).output();
        let output = output.expect("Python starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{compression}, {rows} rows:\n{said}");
    }
}

#[test]
fn uproot_reads_trees() {
    check("FIDUCIAL_TEST_PYTHON", "uproot", tree);
}

#[test]
fn uproot_reads_ntuples() {
    check("FIDUCIAL_TEST_PYTHON", "uproot", ntuple);
}

#[test]
fn uproot_reads_optional_fields_and_structs() {
    check("FIDUCIAL_TEST_PYTHON", "nulls", nulls);
}

#[test]
fn root_reads_trees() {
    check("FIDUCIAL_TEST_ROOT_PYTHON", "ROOT", tree);
}

#[test]
fn root_reads_ntuples() {
    check("FIDUCIAL_TEST_ROOT_PYTHON", "ROOT", ntuple);
}
