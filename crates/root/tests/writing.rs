//! Trees that are written: read back here, and by uproot, value for value.

#[path = "common/rows.rs"]
mod rows;

use std::path::Path;

use arrow_array::RecordBatch;
use fiducial_root::{Compression, RootFile, RootWriter};

fn write(path: &Path, name: &str, compression: &str, cluster_bytes: u64, batches: &[RecordBatch]) {
    let mut file =
        RootWriter::create(path, compression.parse().expect("it is a setting")).expect("it starts");
    let schema = batches[0].schema();
    let mut tree = file.tree(name, "rows", &schema).expect("the columns fit").cluster_bytes(cluster_bytes);
    for batch in batches {
        tree.write(batch).expect("it writes");
    }
    tree.finish().expect("it finishes");
    file.finish().expect("it finishes");
}

#[test]
fn what_is_written_is_read() {
    let all = rows::batch(0, 1000);
    let directory = tempfile::tempdir().expect("there is room");
    for compression in ["none", "zlib:1", "lz4", "zstd"] {
        for cluster_bytes in [1, 10_000, 1 << 30] {
            for name in ["events", "a/b/events"] {
                let path = directory.path().join("out.root");
                write(&path, name, compression, cluster_bytes, std::slice::from_ref(&all));
                let tree = RootFile::open(&path).and_then(|file| file.tree(name)).expect("it opens");
                let what = format!("{compression} {cluster_bytes} {name}");
                assert_eq!((tree.entries(), tree.title()), (1000, "rows"), "{what}");
                let clusters = tree.clusters().len();
                assert_eq!(
                    (clusters == 1, clusters == 1000),
                    (cluster_bytes > 1 << 20, cluster_bytes == 1),
                    "{what}"
                );
                for (field, array) in all.schema().fields().iter().zip(all.columns()) {
                    let found = tree.read(&[field.name()], 0..1000).expect("it reads");
                    assert!(rows::same(array, found.column(0)), "{what}: {}", field.name());
                }
            }
        }
    }
}

#[test]
fn equal_rows_give_equal_bytes() {
    let directory = tempfile::tempdir().expect("there is room");
    let all = rows::batch(0, 500);
    let mut first = None;
    for (threads, step) in [(1, 500), (2, 499), (3, 7), (4, 1)] {
        let path = directory.path().join(format!("{step}.root"));
        let batches: Vec<_> = (0..500).step_by(step).map(|at| all.slice(at, step.min(500 - at))).collect();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
        pool.install(|| write(&path, "events", "zstd", 5000, &batches));
        let bytes = std::fs::read(&path).expect("it reads");
        assert!(*first.get_or_insert(bytes.clone()) == bytes, "batches of {step} rows on {threads} threads");
    }
    // Other rows give another UUID: the version and 16 bytes at the end of the header.
    let path = directory.path().join("other.root");
    write(&path, "events", "zstd", 5000, &[rows::batch(1, 501)]);
    let other = std::fs::read(&path).expect("it reads");
    let first = first.expect("a file was written");
    assert_eq!(first[57..59], other[57..59]);
    assert_ne!(first[59..75], other[59..75]);
}

#[test]
fn counters_are_shared_where_they_can_be() {
    let directory = tempfile::tempdir().expect("there is room");
    let path = directory.path().join("out.root");
    write(&path, "events", "none", 1 << 20, &[rows::batch(0, 50)]);
    let tree = RootFile::open(&path).and_then(|file| file.tree("events")).expect("it opens");
    let names: Vec<_> = tree.columns().iter().map(|column| column.name.as_str()).collect();
    let wanted = ["nMuon", "Muon_pt", "Muon_charge", "nJet", "Jet_tagged", "Jet_points", "names"];
    let start = names.iter().position(|name| *name == "nMuon").expect("it has the counter");
    assert_eq!(names[start..start + wanted.len()], wanted);
    let column = tree.column("Jet_points").expect("it is there");
    assert_eq!(column.title, "Jet_points[nJet][2]/F");
}

#[test]
fn structs_become_columns() {
    let directory = tempfile::tempdir().expect("there is room");
    let path = directory.path().join("out.root");
    let batch = rows::structs(20);
    write(&path, "events", "none", 1 << 20, std::slice::from_ref(&batch));
    let tree = RootFile::open(&path).and_then(|file| file.tree("events")).expect("it opens");
    let names: Vec<_> = tree.columns().iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["p_x", "p_y", "nhits", "hits_x", "hits_y"]);
    let found = tree.read(&names, 0..20).expect("it reads");
    use arrow_array::cast::AsArray;
    let point = batch.column(0).as_struct();
    assert!(rows::same(point.column(0), found.column(0)) && rows::same(point.column(1), found.column(1)));
    let hits = batch.column(1).as_list::<i32>();
    let y = hits.values().as_struct().column(1);
    assert!(rows::same(y, found.column(4).as_list::<i32>().values()));
}

#[test]
fn what_cannot_be_written_says_why() {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, BinaryArray, Int32Array};
    let directory = tempfile::tempdir().expect("there is room");
    let path = directory.path().join("out.root");
    let check = |name: &str, array: ArrayRef, expected: &str| {
        let batch = RecordBatch::try_from_iter([(name, array)]).expect("one column");
        let mut file = RootWriter::create(&path, Compression::default()).expect("it starts");
        let written =
            file.tree("t", "", &batch.schema()).and_then(|mut tree| tree.write(&batch).and(tree.finish()));
        let error = written.expect_err(expected).to_string();
        assert!(error.contains(expected) && error.contains(&format!("column {name}")), "{error}");
    };
    check("x", Arc::new(BinaryArray::from_vec(vec![b"a"])), "a tree has no form for Binary");
    check("a/b", Arc::new(Int32Array::from(vec![1])), "'/' cannot stand in a branch's name");
    check("x", Arc::new(Int32Array::from(vec![Some(1), None])), "it holds a null");
    assert!(!path.exists());
    assert_eq!(std::fs::read_dir(directory.path()).expect("it is there").count(), 0, "nothing is left");
}

#[test]
fn lengths_that_differ_later_are_an_error() {
    use std::sync::Arc;

    use arrow_array::ListArray;
    use arrow_array::types::Float32Type;
    let directory = tempfile::tempdir().expect("there is room");
    let list = |n: usize| -> arrow_array::ArrayRef {
        Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>([Some(vec![Some(1.0); n])]))
    };
    let batch = |n, m| RecordBatch::try_from_iter([("a_x", list(n)), ("a_y", list(m))]).expect("one row");
    let mut file = RootWriter::create(directory.path().join("x"), Compression::NONE).expect("it starts");
    let batches = [batch(2, 2), batch(2, 3), batch(1, 1)];
    let mut tree = file.tree("t", "", &batches[0].schema()).expect("it fits").cluster_bytes(1);
    let error = batches.iter().find_map(|batch| tree.write(batch).err());
    let error = error.expect("lengths differ").to_string();
    assert!(error.contains("column a_y") && error.contains("in entry 1 is not that of a_x"), "{error}");
    let tree = file.tree("t", "", &batches[0].schema()).expect("it fits").cluster_bytes(1);
    let mut tree = tree.separate_counters();
    assert!(batches.iter().all(|batch| tree.write(batch).is_ok()));
    tree.finish().and_then(|()| file.finish()).expect("it finishes");
    let tree = RootFile::open(directory.path().join("x")).and_then(|file| file.tree("t")).expect("it opens");
    let names: Vec<_> = tree.columns().iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["na_x", "a_x", "na_y", "a_y"]);
}
