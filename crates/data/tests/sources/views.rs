//! Each view of the catalogue makes tensors out of a small file of its dataset's layout. `make.py` made the files.

use std::path::Path;

use fiducial_data::batches::{Labels, Standardisation, tensors_with};
use fiducial_data::catalogue;
use fiducial_data::prepare::{PrepareOptions, prepare};

use super::fixture;

/// A dataset's name, files of its layout and what they are called there, a group of inputs, its variables and length.
type Check<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str, usize, usize);

/// Showers with fewer voxels, which are filled up.
const CALORIMETER: [(&str, &str); 4] = [
    ("gzip.h5", "dataset_1.hdf5"),
    ("gzip.h5", "dataset_2.hdf5"),
    ("gzip.h5", "dataset_3.hdf5"),
    ("gzip.h5", "dataset_4.hdf5"),
];

#[test]
fn catalogued_views_make_tensors() {
    let directory = tempfile::tempdir().unwrap();
    let checks: [Check; 11] = [
        ("top-tagging", &[("as_top.h5", "train.h5"), ("as_top.h5", "test.h5")], "vectors", 4, 128),
        ("quark-gluon", &[("as_quark_gluon.npz", "QG_jets.npz")], "features", 3, 139),
        ("jetnet-30", &[("as_jetnet.hdf5", "t.hdf5")], "particles", 3, 150),
        ("calochallenge-1-photons", &CALORIMETER[..2], "voxels", 1, 368),
        ("calochallenge-1-pions", &CALORIMETER[..2], "voxels", 1, 533),
        ("calochallenge-2", &CALORIMETER[..2], "voxels", 1, 6480),
        ("calochallenge-3", &CALORIMETER, "voxels", 1, 40_500),
        ("lhc-olympics", &[("as_olympics.h5", "events.h5")], "points", 2, 256),
        ("adc2021", &[("as_adc.h5", "background.h5")], "objects", 3, 19),
        ("higgs", &[("as_higgs.csv.gz", "HIGGS.csv.gz")], "features", 28, 1),
        ("jetclass", &[("as_jetclass.parquet", "train_100M/HToBB_000.root")], "features", 7, 128),
    ];
    for (name, files, group, variables, length) in checks {
        let entry = catalogue::find(name).unwrap();
        let view = entry.view().unwrap().unwrap();
        let home = directory.path().join(name);
        std::fs::create_dir(&home).unwrap();
        let paths = files.iter().map(|(fixture_name, called)| {
            let path = home.join(called);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::copy(fixture(fixture_name), &path).unwrap();
            path
        });
        let paths: Vec<_> = paths.collect();
        let out = home.join("dataset");
        let dataset = prepare(&view, &paths, &out, &PrepareOptions::default(), &mut |_| {});
        let dataset = dataset.unwrap_or_else(|error| panic!("{name}: failed to {error}"));
        assert!(dataset.verify().unwrap().problems.is_empty(), "{name}");
        let standardisation = Standardisation::measure(&view, &dataset)
            .unwrap_or_else(|error| panic!("{name}: failed to {error}"));
        let labels = if view.classes().is_empty() { Labels::Absent } else { Labels::Required };
        let tensors = tensors_with(&view, &standardisation, &dataset, "train", labels);
        let tensors = tensors.unwrap_or_else(|error| panic!("{name}: failed to {error}"));
        let found = tensors.groups.iter().find(|candidate| candidate.name == group).unwrap();
        assert_eq!((found.variables, found.length), (variables, length), "{name}");
        let is_set = |value: &&f32| value.is_finite() && **value != 0.0;
        assert!(found.data.iter().filter(is_set).count() > tensors.rows(), "{name} has no values");
        if !view.classes().is_empty() {
            let classes: std::collections::BTreeSet<_> = tensors.labels.iter().collect();
            assert!(classes.len() > 1, "{name} has one class alone");
        }
    }
    assert!(Path::new(&directory.path().join("higgs/dataset/README.md")).exists());
}
