//! weaver's configurations give the tensors that weaver gives.
#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::panic)]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int32Type, Int64Type};
use fiducial_data::batches::{Labels, Sampler, Standardisation, Tensors, targets, tensors};
use fiducial_data::dataset::Dataset;
use fiducial_data::prepare::{PrepareOptions, prepare};
use fiducial_data::view::{View, weaver};
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/weaver")
}

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../benchmarks/jet-tagging/top/sample/top_tagging.root")
}

/// Files as a dataset, by a configuration of weaver's.
fn prepared(config: &str, files: &[PathBuf], out: &Path) -> (View, Dataset, Vec<String>) {
    let (view, notes) = View::read_with_notes(folder().join(config)).unwrap();
    let dataset = prepare(&view, files, out, &PrepareOptions::default(), &mut |_| {}).unwrap();
    (view, dataset, notes)
}

/// The sample as a dataset.
fn dataset(config: &str, out: &Path) -> (View, Dataset, Vec<String>) {
    prepared(config, &[sample()], out)
}

/// Each number of each group, to single precision. weaver computes in the width of its columns, we in double.
fn check_tensors(ours: &Tensors, facts: &Value, out: &Path) {
    for group in &ours.groups {
        let bytes = std::fs::read(out.join(format!("{}.bin", group.name))).unwrap();
        let theirs: Vec<f32> = bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        let shape: Vec<u64> = serde_json::from_value(facts["groups"][&group.name].clone()).unwrap();
        assert_eq!(shape[..2], [ours.rows() as u64, group.variables as u64], "{}", group.name);
        assert_eq!(theirs.len(), group.data.len(), "{}", group.name);
        let wrong = group.data.iter().zip(&theirs).position(|(a, b)| (a - b).abs() > 2e-5 * (1.0 + b.abs()));
        if let Some(at) = wrong {
            let (row, place) = (at / (group.variables * group.length), at % (group.variables * group.length));
            panic!("{} row {row} place {place}: {} and {}", group.name, group.data[at], theirs[at]);
        }
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).unwrap()
}

/// A Python with weaver-core, or why the test is skipped.
fn python() -> Option<OsString> {
    let python = std::env::var_os("FIDUCIAL_TEST_WEAVER");
    if python.is_none() {
        eprintln!("skipped: FIDUCIAL_TEST_WEAVER does not name a Python with weaver-core");
    }
    python
}

fn run(python: &OsString, script: &str, arguments: &[PathBuf]) {
    let status = Command::new(python).arg(folder().join(script)).args(arguments).status().unwrap();
    assert!(status.success(), "{script} {arguments:?}");
}

/// A column that is observed, as doubles.
fn observed(ours: &Tensors, name: &str) -> Vec<f64> {
    let column = ours.observers.column_by_name(name).unwrap();
    if let Some(column) = column.as_primitive_opt::<Int32Type>() {
        column.values().iter().map(|value| f64::from(*value)).collect()
    } else if let Some(column) = column.as_primitive_opt::<Int64Type>() {
        column.values().iter().map(|value| *value as f64).collect()
    } else {
        column.as_primitive::<Float32Type>().values().iter().map(|value| f64::from(*value)).collect()
    }
}

/// All that weaver makes of the files and we make of them too: standardisation, tensors, labels, observers, sampling weights.
fn check_against_weaver(python: &OsString, config: &str, files: &[PathBuf], out: &Path) {
    std::fs::create_dir(out).unwrap();
    let arguments = [vec![folder().join(config), out.to_owned()], files.to_vec()].concat();
    run(python, "twin.py", &arguments);
    let facts: Value = serde_json::from_slice(&std::fs::read(out.join("facts.json")).unwrap()).unwrap();

    let (view, dataset, _) = prepared(config, files, &out.join("dataset"));
    let standardisation = Standardisation::measure(&view, &dataset).unwrap();
    let measured_there = facts["standardisation"].as_object().unwrap();
    assert_eq!(standardisation.variables.is_empty(), measured_there.is_empty(), "{config}");
    for (name, measured) in &standardisation.variables {
        let theirs = numbers(&facts["standardisation"][name]);
        assert!((measured.center - theirs[0]).abs() < 1e-5 * (1.0 + theirs[0].abs()), "{config} {name}");
        assert!((measured.scale - theirs[1]).abs() < 1e-5 * theirs[1], "{config} {name}");
    }
    let ours = tensors(&view, &standardisation, &dataset, "train").unwrap();
    check_tensors(&ours, &facts, out);
    if !view.classes().is_empty() {
        let labels: Vec<f64> = ours.labels.iter().map(|label| f64::from(*label)).collect();
        assert_eq!(labels, numbers(&facts["labels"]["_label_"]), "{config}");
    }
    for (name, values) in targets(&view, &dataset, "train").unwrap() {
        let theirs = numbers(&facts["labels"][&name]);
        assert!(values.iter().zip(&theirs).all(|(a, b)| (a - b).abs() < 1e-5), "{config} {name}");
    }
    for (name, theirs) in facts["observers"].as_object().unwrap() {
        // They come through JSON, which keeps what single precision can tell apart.
        let (ours, theirs) = (observed(&ours, name), numbers(theirs));
        assert_eq!(ours.len(), theirs.len(), "{config} {name}");
        let differs = ours.iter().zip(&theirs).position(|(a, b)| *a as f32 != *b as f32);
        assert_eq!(differs, None, "{config} {name}");
    }
    let weights = numbers(&facts["weights"]);
    let probabilities = Sampler::new(&view, &dataset, "train").unwrap().probabilities().to_vec();
    assert_eq!(probabilities.len(), weights.len(), "{config}");
    for (row, (ours, theirs)) in probabilities.iter().zip(&weights).enumerate() {
        assert!((ours - theirs).abs() < 1e-5 * (1.0 + theirs), "{config} row {row}: {ours} and {theirs}");
    }
}

#[test]
fn tensors_are_weavers() {
    let Some(python) = python() else { return };
    let directory = tempfile::tempdir().unwrap();
    for config in ["kinematics.yaml", "full.yaml"] {
        check_against_weaver(&python, config, &[sample()], &directory.path().join(config));
    }
}

/// On jets that a script draws; and on real ones, where `FIDUCIAL_TEST_QUARK_GLUON` names a file of them.
#[test]
fn quark_and_gluon_jets_are_weavers() {
    let Some(python) = python() else { return };
    let directory = tempfile::tempdir().unwrap();
    let jets = std::env::var_os("FIDUCIAL_TEST_QUARK_GLUON").map(PathBuf::from);
    for (name, jets) in [("drawn", Vec::new())].into_iter().chain(jets.map(|file| ("real", vec![file]))) {
        let data = directory.path().join(name);
        std::fs::create_dir(&data).unwrap();
        run(&python, "make_quark_gluon.py", &[vec![data.clone()], jets].concat());
        let files = ["pythia_0.parquet", "herwig_0.parquet"].map(|file| data.join(file));
        check_against_weaver(&python, "quark_gluon.yaml", &files, &data.join("out"));
    }
}

#[test]
fn what_differs_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let (view, dataset, notes) = dataset("kinematics.yaml", &directory.path().join("kinematics"));
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("the training split alone, not on the first 1 of each file"), "{notes:?}");
    assert_eq!(view.classes()[1].name, "jet_isQ");
    // What the configuration became can be read and kept, and is the same view.
    assert_eq!(View::parse(&view.to_toml()).unwrap().stored_columns(), view.stored_columns());
    let sampler = Sampler::new(&view, &dataset, "train").unwrap();
    let order = sampler.order(64, 1, 0);
    assert_eq!(order, sampler.order(64, 1, 0));
    assert_ne!(order, sampler.order(64, 1, 1));
    // The second class is to have half as many rows as the first.
    let ours =
        tensors(&view, &Standardisation::measure(&view, &dataset).unwrap(), &dataset, "train").unwrap();
    let of_class = |class| order.iter().filter(|row| ours.labels[**row as usize] == class).count() as f64;
    let ratio = of_class(1) / of_class(0);
    assert!((ratio - 0.5).abs() < 0.05, "{ratio}");
}

#[test]
fn columns_of_files_targets_and_buckets() {
    let directory = tempfile::tempdir().unwrap();
    let (view, dataset, _) = dataset("full.yaml", &directory.path().join("full"));
    let ours = fiducial_data::batches::tensors_with(
        &view,
        &Standardisation::default(),
        &dataset,
        "train",
        Labels::Absent,
    )
    .unwrap();
    assert!(observed(&ours, "sample_id").iter().all(|value| *value == 7.0), "from the file's name");
    assert_eq!(view.targets().len(), 2);
    let found = targets(&view, &dataset, "train").unwrap();
    assert_eq!((found[0].0.as_str(), found[0].1.len()), ("target_mass", ours.rows()));

    // In four buckets of equally many rows, a batch has numbers of constituents that are close to each other.
    let sampler = Sampler::new(&view, &dataset, "train").unwrap();
    let order = sampler.order(100, 3, 0);
    let constituents: Vec<usize> = (0..ours.rows())
        .map(|row| ours.group("pf_mask").unwrap().row(row).iter().filter(|m| **m > 0.0).count())
        .collect();
    let spread = |rows: &[u32]| {
        let numbers = || rows.iter().map(|row| constituents[*row as usize]);
        numbers().max().unwrap() - numbers().min().unwrap()
    };
    let mean = |order: &[u32]| {
        let batches: Vec<usize> = order.chunks_exact(100).map(spread).collect();
        batches.iter().sum::<usize>() as f64 / batches.len() as f64
    };
    let mut alone = order.clone();
    alone.sort_unstable_by_key(|row| row.wrapping_mul(2_654_435_761));
    assert!(mean(&order) < 0.7 * mean(&alone), "{} and {}", mean(&order), mean(&alone));
    // Weights of 0.3 and 0.8: all rows are gone through once more, and the second label comes 0.8 / 0.3 times as often.
    let label = |row: &u32| found[1].1[*row as usize];
    let (ones, zeros) =
        (order.iter().filter(|r| label(r) == 1.0).count(), order.iter().filter(|r| label(r) == 0.0).count());
    let in_data = found[1].1.iter().filter(|l| **l == 1.0).count() as f64
        / found[1].1.iter().filter(|l| **l == 0.0).count() as f64;
    let ratio = ones as f64 / zeros as f64 / in_data;
    assert!((ratio - 0.8 / 0.3).abs() < 0.15, "{ratio}");
}

#[test]
fn harm_is_refused() {
    let check = |text: &str, part: &str| {
        let error = weaver::import(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}\n{error}");
    };
    check("tree_name: x", "tree_name");
    check("inputs: {a: {length: 5, pad_mode: edge, vars: [x]}}", "not constant or wrap");
    check("inputs: {a_mask: {length: 5, pad_mode: wrap, vars: [x]}}", "marks padding as real");
    check("inputs: {a: {length: 5, vars: [[x, 1, 2, 3, 4, 5, 6]]}}", "pad_value");
    check("observers: [a]\nmonitor_variables: [b]", "together with `observers`");
    check("new_variables: {x: __import__('os')}", "new_variables.x");
    check("weights: {use_precomputed_weights: true}", "need them");
    check("weights: {use_precomputed_weights: false, reweight_vars: {x: [1, 2]}}", "weaver takes two");
    check("file_magic: {y: {'(?=a)b': 1}}", "no regular expression");
    check("labels: {type: simple, value: {a: b}}", "a list of columns");
    check("selection: [a", "weaver's configuration");
}

/// weaver's own functions are called as ours are, with nested calls and whatever stands around them.
#[test]
fn helpers_of_weaver_are_understood() {
    let check = |theirs: &str, ours: &str| {
        let imported = weaver::import(&format!("new_variables: {{x: '{theirs}'}}")).unwrap();
        let table: toml::Table = imported.toml.parse().unwrap();
        assert_eq!(table["new_variables"]["x"].as_str(), Some(ours), "{theirs}");
    };
    check(
        "_clip(a, -1, max(b, 2)) + my_clip * _clip (c, 0, 1)",
        "clip(a, -1, max(b, 2)) + my_clip * clip(c, 0, 1)",
    );
    check(
        "_p4_from_ptetaphim(pt, eta[:, :1], np.minimum(a, b), 0.1).px",
        "p4(pt=pt, eta=eta[:, :1], phi=np.minimum(a, b), mass=0.1).px",
    );
    check("(_p4_from_pxpypze(a, b, c, _clip(d, 0, 9))).mass", "(p4(px=a, py=b, pz=c, E=clip(d, 0, 9))).mass");
    check(
        "_p4_from_pxpypze(px=a, py = b, pz=c == d, energy=e).pt",
        "p4(px=a, py = b, pz=c == d, energy=e).pt",
    );
    check("_p4_from_ptetaphie(a, b, c, d).rapidity > 0", "p4(pt=a, eta=b, phi=c, E=d).rapidity > 0");
}
