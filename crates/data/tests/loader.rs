//! Batches one by one are the tensors of the whole split, in every order, share and window, and from any batch on.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use fiducial_data::batches::{
    Labels, Loader, LoaderOptions, Standardisation, Tensors, shuffled, tensors, tensors_of_source,
};
use fiducial_data::dataset::Dataset;
use fiducial_data::prepare::{PrepareOptions, prepare};
use fiducial_data::source;
use fiducial_data::view::View;

const VIEW: &str = r#"
format = "fiducial-view/1"
tree = "tree"
observers = ["jet_pt"]
[splits]
fractions = { train = 0.9, validation = 0.1 }
[new_variables]
part_pt = "hypot(part_px, part_py)"
[inputs.features]
length = 32
variables = ["part_pt", { name = "part_px", center = 0.0, scale = 0.1 }]
[labels]
classes = { qcd = "label == 0", top = "label == 1" }
[weights]
event = "jet_pt / 600"
class_balance = true
"#;

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../benchmarks/jet-tagging/top/sample/top_tagging.root")
}

fn dataset(directory: &Path) -> (View, Dataset) {
    let view = View::parse(VIEW).unwrap();
    let options = PrepareOptions { row_group_rows: 1500, shard_rows: 9000, ..PrepareOptions::default() };
    let dataset = prepare(&view, &[sample()], &directory.join("jets"), &options, &mut |_| {}).unwrap();
    (view, dataset)
}

fn collect(loader: &Loader, epoch: u64, first: u64) -> Vec<Tensors> {
    loader.epoch(epoch, first).map(Result::unwrap).collect()
}

fn ids(batches: &[Tensors]) -> Vec<u64> {
    batches.iter().flat_map(|batch| batch.row_ids.iter().copied()).collect()
}

#[test]
fn one_window_is_a_shuffle_of_all_rows() {
    let directory = tempfile::tempdir().unwrap();
    let (view, dataset) = dataset(directory.path());
    let standardisation = Standardisation::default();
    let all = tensors(&view, &standardisation, &dataset, "train").unwrap();
    let options = LoaderOptions { batch_size: 700, shuffle: Some(5), ..LoaderOptions::default() };
    let loader = Loader::new(&view, &standardisation, &dataset, "train", options).unwrap();
    let batches = collect(&loader, 2, 0);
    assert_eq!(batches.len() as u64, loader.batches(2));
    let order = shuffled(all.rows() as u32, 5, 2);
    for (batch, rows) in batches.iter().zip(order.chunks(700)) {
        let expected = all.gather(rows);
        assert!(batch.groups == expected.groups && batch.labels == expected.labels);
        assert_eq!(batch.weights, expected.weights);
    }
    // Broken off anywhere, it goes on there; and another epoch has another order.
    for first in [1, 13, 50] {
        assert!(collect(&loader, 2, first) == batches[first as usize..], "from {first}");
    }
    assert_ne!(ids(&collect(&loader, 3, 0)), ids(&batches));
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert!(one.install(|| collect(&loader, 2, 0)) == batches);
}

/// What is kept from one epoch to the next, and memory that is used again, change no value.
#[test]
fn columns_and_memory_that_are_kept_change_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (view, dataset) = dataset(directory.path());
    let with = |window: usize, keep: u64| {
        let options = LoaderOptions { batch_size: 300, window, keep, ..LoaderOptions::default() };
        Loader::new(&view, &Standardisation::default(), &dataset, "train", options).unwrap()
    };
    for window in [1 << 18, 4000] {
        let anew = with(window, 0);
        let expected: Vec<Vec<Tensors>> = (0..3).map(|epoch| collect(&anew, epoch, 0)).collect();
        // All columns, some of the pieces, and no window as a whole.
        for keep in [u64::MAX, 4 << 20] {
            let loader = with(window, keep);
            for (epoch, expected) in expected.iter().enumerate() {
                for (batch, expected) in loader.epoch(epoch as u64, 0).zip(expected) {
                    let batch = batch.unwrap();
                    assert!(batch == *expected, "epoch {epoch}, window {window}, keep {keep}");
                    loader.recycle(batch);
                }
            }
        }
    }
    // Kept columns need no file.
    let loader = with(1 << 18, u64::MAX);
    let first = collect(&loader, 1, 0);
    std::fs::remove_dir_all(dataset.path()).unwrap();
    assert!(collect(&loader, 1, 0) == first);
}

/// A limit of memory decides what is kept, and nothing else; one that is too small is an error, not more memory.
#[test]
fn a_limit_of_memory_changes_no_batch_and_says_when_it_is_too_small() {
    let directory = tempfile::tempdir().unwrap();
    let (view, dataset) = dataset(directory.path());
    let with = |window: usize, limit: Option<u64>| {
        let options =
            LoaderOptions { batch_size: 300, window, memory_limit: limit, ..LoaderOptions::default() };
        Loader::new(&view, &Standardisation::default(), &dataset, "train", options)
    };
    for window in [1 << 18, 4000] {
        let expected = collect(&with(window, None).unwrap(), 1, 0);
        let error = with(window, Some(2 << 20)).err().unwrap().to_string();
        for part in [" rows take", "a memory limit of ", "is 2MiB", "raise it"] {
            assert!(error.contains(part), "`{part}` in: {error}");
        }
        // Files say what their columns take, which is less than it is in memory where values are packed: then the first batch says it.
        let needed = |error: &str| {
            let needed = error.split("memory limit of ").nth(1).unwrap().split("MiB").next().unwrap();
            (needed.parse::<u64>().unwrap() << 20) * 21 / 20
        };
        let mut limit = needed(&error);
        if let Some(Err(error)) = with(window, Some(limit)).unwrap().epoch(1, 0).next() {
            limit = needed(&error.to_string());
        }
        for limit in [limit, limit + (8 << 20), u64::MAX] {
            assert!(collect(&with(window, Some(limit)).unwrap(), 1, 0) == expected, "{window} {limit}");
        }
    }
}

#[test]
fn windows_and_shares_hold_every_row_once() {
    let directory = tempfile::tempdir().unwrap();
    let (view, dataset) = dataset(directory.path());
    let rows = dataset.rows("train").unwrap();
    let with = |options| Loader::new(&view, &Standardisation::default(), &dataset, "train", options).unwrap();
    // Windows of some row groups each, none of which is a whole number of batches.
    let options = LoaderOptions { batch_size: 400, window: 5000, ..LoaderOptions::default() };
    let loader = with(options.clone());
    let batches = collect(&loader, 0, 0);
    let all = ids(&batches);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len() as u64, rows);
    assert!(batches.iter().rev().skip(1).all(|batch| batch.rows() == 400));
    for first in [1, 12, 13, 14, 89] {
        assert_eq!(ids(&collect(&loader, 0, first)), all[400 * first as usize..], "from {first}");
    }
    // Rows that stood together in the file do not come together.
    let together = all.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) < 10).count();
    assert!(together < all.len() / 50, "{together} of {}", all.len());
    // Without a shuffle it is the file's order.
    let plain = with(LoaderOptions { shuffle: None, ..options.clone() });
    assert!(ids(&collect(&plain, 0, 0)).is_sorted());
    // Three processes share the rows, and take equally many batches.
    let shares: Vec<Vec<u64>> = (0..3)
        .map(|rank| {
            let loader = with(LoaderOptions { share: (rank, 3), ..options.clone() });
            let batches = collect(&loader, 1, 0);
            assert_eq!(batches.len() as u64, loader.batches(1));
            assert!(batches.iter().all(|batch| batch.rows() == 400));
            ids(&batches)
        })
        .collect();
    let distinct: BTreeSet<u64> = shares.iter().flatten().copied().collect();
    assert_eq!(distinct.len(), shares.iter().map(Vec::len).sum::<usize>());
    assert!(
        shares.iter().all(|share| share.len() == shares[0].len()) && distinct.len() as u64 > rows * 9 / 10
    );
}

#[test]
fn files_need_no_dataset() {
    let view = View::parse(&VIEW.replace("class_balance = true", "")).unwrap();
    let open = || source::open(&sample(), view.tree()).unwrap();
    let standardisation = Standardisation::default();
    let all = tensors_of_source(&view, &standardisation, open().as_ref(), 0, Labels::Required).unwrap();
    let options = LoaderOptions { batch_size: 1000, shuffle: None, ..LoaderOptions::default() };
    let loader = Loader::of_sources(&view, &standardisation, vec![open()], options).unwrap();
    let batches = collect(&loader, 0, 0);
    assert_eq!(ids(&batches), all.row_ids);
    let features: Vec<f32> = batches.iter().flat_map(|batch| batch.groups[0].data.iter().copied()).collect();
    assert_eq!(features, all.groups[0].data);
    assert_eq!(batches[0].observers.num_rows(), 1000);
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (view, dataset) = dataset(directory.path());
    let check = |view: &View, options: LoaderOptions, part: &str| {
        let error = Loader::new(view, &Standardisation::default(), &dataset, "train", options).err().unwrap();
        assert!(error.to_string().contains(part), "{error}");
    };
    let options = LoaderOptions::default();
    check(&view, LoaderOptions { batch_size: 0, ..options.clone() }, "one row at least");
    check(&view, LoaderOptions { share: (2, 2), ..options.clone() }, "one of several");
    let drawn = View::parse(&format!("{VIEW}[sampling]\nweight = \"0.5\"")).unwrap();
    check(&drawn, LoaderOptions { window: 1000, ..options.clone() }, "all rows of the split in one window");
    let error = Loader::of_sources(&drawn, &Standardisation::default(), Vec::new(), options).err().unwrap();
    assert!(error.to_string().contains("prepare a dataset"), "{error}");
}
