//! Files that cannot be read: an error by default, left out and listed where that is asked for.

use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use fiducial_data::dataset::{Dataset, SkippedFile};
use fiducial_data::prepare::{OnBadFile, OnBadValue, PrepareOptions, prepare, prepare_or_reuse};
use fiducial_data::source::{self, Error};
use fiducial_data::view::View;

use super::fixture;

const VIEW: &str = r#"
format = "fiducial-view/1"
selection = ["y > 3"]
[columns]
x = {}
y = {}
[splits]
fractions = { train = 1.0 }
seed = 1
"#;

fn make(files: &[PathBuf], out: &Path, on_bad_file: OnBadFile) -> Result<Dataset, Error> {
    let options = PrepareOptions { on_bad_file, overwrite: true, ..PrepareOptions::default() };
    prepare(&View::parse(VIEW).unwrap(), files, out, &options, &mut |_| {})
}

/// Three files, of which the second has a chunk that cannot be unpacked.
fn files(directory: &Path) -> Vec<PathBuf> {
    let good = std::fs::read(fixture("user_block.h5")).unwrap();
    let mut broken = good.clone();
    let chunk = broken
        .windows(2)
        .rposition(|bytes| bytes == [0x78, 0x5e] || bytes == [0x78, 0x01] || bytes == [0x78, 0x9c]);
    broken[chunk.unwrap() + 2..][..8].fill(0xff);
    let paths: Vec<PathBuf> = ["a.h5", "b.h5", "c.h5"].iter().map(|name| directory.join(name)).collect();
    for (path, bytes) in paths.iter().zip([&good, &broken, &good]) {
        std::fs::write(path, bytes).unwrap();
    }
    paths
}

#[test]
fn a_bad_file_fails_or_is_left_out_and_listed() {
    let directory = tempfile::tempdir().unwrap();
    let mut paths = files(directory.path());
    let rows = source::open(&paths[0], None).unwrap().rows();
    let out = directory.path().join("out");
    let error = make(&paths, &out, OnBadFile::Fail).unwrap_err().to_string();
    assert!(error.contains("b.h5") && error.contains("chunk"), "{error}");
    assert!(!out.exists());

    // A file whose bytes are bad on the way, one that is no such file at all, and one that is not there.
    let text = directory.path().join("d.h5");
    std::fs::write(&text, "not at all").unwrap();
    paths.extend([text, directory.path().join("e.h5")]);
    let dataset = make(&paths, &out, OnBadFile::Skip).unwrap();
    let manifest = dataset.manifest();
    let skipped: Vec<(&str, Option<u64>)> =
        manifest.skipped.iter().map(|SkippedFile { file, rows, .. }| (file.as_str(), *rows)).collect();
    assert_eq!(skipped, [("d.h5", None), ("e.h5", None), ("b.h5", Some(rows))]);
    assert!(manifest.skipped.iter().all(|file| file.reason.starts_with("failed to ")));
    assert_eq!(manifest.sources.iter().map(|file| file.first_row_id).collect::<Vec<_>>(), [0, 2 * rows]);
    assert_eq!(manifest.cutflow.iter().map(|file| file.rows).sum::<u64>(), 2 * rows);
    assert!(dataset.verify().unwrap().problems.is_empty());
    let card = std::fs::read_to_string(out.join("README.md")).unwrap();
    assert!(
        card.contains("## Files that were left out") && card.contains("an unknown number of rows"),
        "{card}"
    );

    // The same again is the same dataset; it is made anew once the file can be read.
    let again = make(&paths, &directory.path().join("again"), OnBadFile::Skip).unwrap();
    assert_eq!(again.version(), dataset.version());
    std::fs::copy(&paths[0], &paths[1]).unwrap();
    let options = PrepareOptions { on_bad_file: OnBadFile::Skip, ..PrepareOptions::default() };
    let view = View::parse(VIEW).unwrap();
    let healed = prepare_or_reuse(&view, &paths, &out, &options, &mut |_| {}).unwrap();
    assert!(!healed.is_reused && healed.dataset.manifest().skipped.len() == 2);
    assert!(prepare_or_reuse(&view, &paths, &out, &options, &mut |_| {}).unwrap().is_reused);

    let error = make(&paths[3..], &out, OnBadFile::Skip).unwrap_err().to_string();
    assert!(error.contains("none of the files can be read"), "{error}");
}

/// A file without a column that the view needs is left out like one that cannot be read.
#[test]
fn a_file_that_lacks_a_column_fails_or_is_left_out() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    let files = [fixture("hits.csv"), fixture("user_block.h5")];
    let error = make(&files, &out, OnBadFile::Fail).unwrap_err().to_string();
    assert!(error.contains("column `y`") && error.contains("hits.csv"), "{error}");
    assert!(error.contains("user_block.h5 has it"), "{error}");
    let dataset = make(&files, &out, OnBadFile::Skip).unwrap();
    let [SkippedFile { file, rows, reason }] = dataset.manifest().skipped.as_slice() else { panic!() };
    let expected = source::open(&files[0], None).unwrap().rows();
    assert_eq!((file.as_str(), *rows), ("hits.csv", Some(expected)));
    assert!(reason.contains("column `y`"), "{reason}");
    assert_eq!(dataset.manifest().sources[0].first_row_id, expected);
    // A name that no file has is a mistake in the view.
    let error = make(&files[..1], &out, OnBadFile::Skip).unwrap_err().to_string();
    assert!(error.contains("column `y`"), "{error}");
}

/// Of two CSV files one may have whole numbers alone where the other has not: the column is of floats. Where no type holds both, the
/// error names both files and says how the type is declared.
#[test]
fn a_column_of_two_types_has_the_common_one_or_says_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let files = |x: [&str; 2]| {
        [("a.csv", x[0]), ("b.csv", x[1])].map(|(name, x)| {
            std::fs::write(directory.path().join(name), format!("x,y\n{x},4\n")).unwrap();
            directory.path().join(name)
        })
    };
    let out = directory.path().join("out");
    let dataset = make(&files(["1", "1.5"]), &out, OnBadFile::Skip).unwrap();
    let [widened] = dataset.manifest().widened.as_slice() else { panic!() };
    assert_eq!(widened.told(), "int64 in a.csv, float64 in b.csv: it is float64 in the dataset");
    let rows = dataset.read("train", &["x"]).unwrap();
    assert_eq!(rows.column(0).as_primitive::<Float64Type>().values(), &[1.0, 1.5]);
    let card = std::fs::read_to_string(out.join("README.md")).unwrap();
    assert!(card.contains(&widened.told()), "{card}");

    let out = directory.path().join("other");
    let refuse = |x: [&str; 2]| make(&files(x), &out, OnBadFile::Skip).unwrap_err().to_string();
    let error = refuse(["9007199254740993", "1.5"]);
    assert!(
        error.contains("a.csv: 9007199254740993, which is int64 here, is no float64") && !out.exists(),
        "{error}"
    );
    let error = refuse(["true", "1.5"]);
    assert!(
        error.contains("b.csv: it is float64 here but bool in")
            && error.contains("`x = { type = \"string\" }`"),
        "{error}"
    );
    let view = View::parse(&VIEW.replace("x = {}", "x = { type = \"string\" }")).unwrap();
    let options = PrepareOptions::default();
    let dataset = prepare(&view, &files(["true", "1.5"]), &out, &options, &mut |_| {}).unwrap();
    assert!(dataset.rows("train").unwrap() == 2 && dataset.manifest().widened.is_empty());
}

/// A file in which a float is missing failed in training alone; a float that is missing is as bad as NaN.
#[test]
fn missing_floats_are_bad_values() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.csv");
    std::fs::write(&file, "x,y,w\n1.5,4,\n,5,1.0\n2.5,6,2.0\n").unwrap();
    let text = "format = \"fiducial-view/1\"\n[inputs.jet]\nvariables = [\"x\"]\n[columns]\nw = {}\n[splits]\nfractions = { train = 1.0 }";
    let view = View::parse(text).unwrap();
    let make = |on_bad_value, name: &str| {
        let options = PrepareOptions { on_bad_value, ..PrepareOptions::default() };
        prepare(&view, std::slice::from_ref(&file), &directory.path().join(name), &options, &mut |_| {})
    };
    let error = make(OnBadValue::Fail, "out").unwrap_err().to_string();
    assert!(error.contains("`x` is NaN, infinite or missing") && error.contains("row 1"), "{error}");
    // `w` is merely kept: it may miss what it likes.
    let dataset = make(OnBadValue::Drop, "out").unwrap();
    assert_eq!(dataset.rows("train").unwrap(), 2);
}
