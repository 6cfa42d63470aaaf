//! The embedded sample to a dataset that `pyarrow`, `datasets` and `mlcroissant` read, with uproot's values.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::path::Path;
use std::process::Command;

use fiducial_data::batches::{Labels, Standardisation, tensors, tensors_of_source};
use fiducial_data::dataset::About;
use fiducial_data::prepare::{PrepareOptions, prepare};
use fiducial_data::source;
use fiducial_data::view::View;

const VIEW: &str = r#"
format = "fiducial-view/1"
tree = "tree"
selection = ["jet_pt > 560", "abs(jet_eta) < 1.5"]

[splits]
fractions = { train = 0.6, validation = 0.0667, test = 0.3333 }
seed = 20

[columns]
jet_pt = { unit = "GeV", description = "transverse momentum of the jet" }
jet_eta = { description = "pseudorapidity of the jet" }
part_px = { unit = "GeV", description = "x component of the constituents' momenta" }
part_py = { unit = "GeV" }
part_pz = { unit = "GeV" }
label = { description = "1 for top, 0 for QCD" }

[new_variables]
part_logpt = "log(pt(part_px, part_py))"

[inputs.features]
length = 64
standardise = "measure"
variables = ["part_logpt"]

[labels]
classes = { qcd = "label == 0", top = "label == 1" }
"#;

#[test]
fn the_sample_is_the_same_to_every_reader() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../benchmarks/jet-tagging/top/sample/top_tagging.root");
    if !sample.exists() {
        eprintln!("skipped: there is no sample");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let view = View::parse(VIEW).unwrap();
    let about = About {
        name: "top-tagging".to_owned(),
        description: "Top jets and QCD jets: a \"test\".\nSecond line.".to_owned(),
        license: Some("CC0-1.0".to_owned()),
        citation: Some("@misc{fiducial, title = {Fiducial}}".to_owned()),
        url: Some("https://example.org/top".to_owned()),
        creators: vec!["The authors".to_owned()],
        date_published: Some("2026-11-22".to_owned()),
        keywords: vec!["jet tagging".to_owned()],
    };
    let options =
        PrepareOptions { about, row_group_rows: 3000, shard_rows: 10_000, ..PrepareOptions::default() };
    let out = directory.path().join("top");
    let dataset = prepare(&view, std::slice::from_ref(&sample), &out, &options, &mut |_| {}).unwrap();
    assert!(dataset.verify().unwrap().problems.is_empty());
    let standardisation = Standardisation::measure(&view, &dataset).unwrap();
    let validation = tensors(&view, &standardisation, &dataset, "validation").unwrap();
    assert_eq!(validation.rows() as u64, dataset.rows("validation").unwrap());

    // The file itself gives the same tensors, row by row.
    let source = source::open(&sample, view.tree()).unwrap();
    let all = tensors_of_source(&view, &standardisation, source.as_ref(), 0, Labels::Required).unwrap();
    assert_eq!(all.rows() as u64, source.rows());
    let picked: Vec<u32> = validation.row_ids.iter().map(|row| *row as u32).collect();
    let picked = all.gather(&picked);
    assert!(picked.groups == validation.groups && picked.labels == validation.labels);

    let Some(python) = std::env::var_os("FIDUCIAL_TEST_PYTHON") else {
        eprintln!("skipped: FIDUCIAL_TEST_PYTHON is not set, so no other reader was asked");
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check_dataset.py");
    let output = Command::new(python)
        .args([script.as_os_str(), out.as_os_str(), sample.as_os_str(), "tree".as_ref()])
        // No test may depend on a network, nor leave anything in a home directory.
        .env("HF_HUB_OFFLINE", "1")
        .env("HF_HOME", directory.path().join("hub"))
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.trim().ends_with("ok"), "{out}{err}");
}
