//! Every column of the fixtures, of the embedded sample and of the real files, against uproot: types, values, offsets.

mod common;

use std::path::Path;

use common::Outcome;
use rayon::prelude::*;

/// Columns that differ because uproot is wrong.
fn known(file: &str, column: &str) -> bool {
    match file {
        // It takes the two bytes that name the process of a referenced object for flags of the next object.
        "uproot-issue513.root" => column.ends_with(".fBits"),
        // It does not swap the bytes.
        "uproot-issue433-splitlevel2.root" => column.ends_with("/timeslice_start"),
        // It gives one of the two members of that name, of the class and of its base class.
        "uproot-issue-880.root" => column == "Event/Cluster[6]",
        // It takes one text for the texts of a split collection, a TRef for nothing, and texts of a leaf for empty once one of
        // them is. What ROOT wrote stands in tests/objects.rs.
        "objects.root" => {
            matches!(column, "reference" | "leaf")
                || column.ends_with("/split_holder.tracks.title")
                || column == "split_clones/split_clones.title"
        }
        // It reads `std::unique_ptr` as a list, and a quantised `double` as a number of 32 bits; of variants it takes, from
        // the second cluster on, values of the first one. What ROOT wrote stands in tests/ntuples.rs.
        file if file.starts_with("ntuples") => {
            matches!(column, "pointer" | "double_quant12" | "variant" | "variants")
        }
        _ => false,
    }
}

fn check(files: &[std::path::PathBuf], only_ntuples: bool) {
    let Some(python) = common::python() else { return };
    let mut wrong = Vec::new();
    let mut equal = 0;
    // Most of the time is uproot's: one process a file, as many at once as there are cores.
    let compared = files
        .par_iter()
        .map(|path| common::compare(&python, path, only_ntuples).expect("the comparison runs"));
    for (path, rows) in files.iter().zip(compared.collect::<Vec<_>>()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        for row in rows {
            let fine = match row.outcome {
                Outcome::Equal => true,
                Outcome::Different => known(&name, &row.column),
                Outcome::Missing => false,
                Outcome::OnlyHere | Outcome::Neither => true,
            };
            equal += usize::from(row.outcome == Outcome::Equal);
            if !fine {
                wrong
                    .push(format!("{:?}: {name}: {}: {}: {}", row.outcome, row.tree, row.column, row.detail));
            }
        }
    }
    assert!(wrong.is_empty(), "{} columns are wrong, {equal} right:\n{}", wrong.len(), wrong.join("\n"));
    assert!(files.is_empty() || equal > 0, "nothing was compared");
}

#[test]
fn fixtures_are_equal() {
    check(&common::fixtures(), false);
}

#[test]
fn the_embedded_sample_is_equal() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../benchmarks/jet-tagging/top/sample");
    check(&common::root_files(&sample), false);
}

#[test]
fn real_files_are_equal() {
    check(&common::shared_files(), false);
}

#[test]
fn real_ntuples_are_equal() {
    // One of the files also has some hundred old cycles of a tree.
    check(&common::shared_ntuples(), true);
}
