//! Files that XGBoost wrote give its scores; files that lie give errors.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::path::PathBuf;

use fiducial_trees::{Booster, Table};
use serde_json::{Value, json};

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn numbers(value: &Value) -> Vec<f32> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|number| number.as_f64().map_or(f32::NAN, |number| number as f32))
        .collect()
}

fn check_near(name: &str, got: &[f32], expected: &[f32]) {
    assert_eq!(got.len(), expected.len(), "{name}");
    for (row, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert!((got - expected).abs() < 1e-6, "{name}, number {row}: {got} for {expected}");
    }
}

const NAMES: [&str; 5] = ["logistic", "softprob", "squared", "quantile", "dart"];

#[test]
fn scores_are_those_of_xgboost() {
    for name in NAMES {
        let booster = Booster::open(golden(&format!("{name}.json"))).unwrap();
        let scores: Value =
            serde_json::from_slice(&std::fs::read(golden(&format!("{name}.scores.json"))).unwrap()).unwrap();
        let rows: Vec<f32> = scores["rows"].as_array().unwrap().iter().flat_map(numbers).collect();
        let table = Table::new(&rows, booster.features()).unwrap();
        check_near(name, &booster.predict(&table).unwrap(), &numbers(&scores["predictions"]));
        check_near(name, &booster.margins(&table).unwrap(), &numbers(&scores["margins"]));
        assert_eq!(booster.rounds(), 4, "{name}");
        // What we write reads as the same model.
        let again = Booster::from_json("again", &booster.to_json()).unwrap();
        assert_eq!(again, booster, "{name}");
        let gain: f64 = booster.importance().iter().map(|importance| importance.gain).sum();
        assert!(gain > 0.0, "{name}");
    }
}

#[test]
fn base_scores_of_old_versions_are_read() {
    let mut file: Value = serde_json::from_slice(&std::fs::read(golden("softprob.json")).unwrap()).unwrap();
    file["learner"]["learner_model_param"]["base_score"] = json!("5E-1");
    file["learner"]["gradient_booster"]["model"].as_object_mut().unwrap().remove("iteration_indptr");
    for tree in file["learner"]["gradient_booster"]["model"]["trees"].as_array_mut().unwrap() {
        for flag in tree["default_left"].as_array_mut().unwrap() {
            *flag = json!(flag == &json!(1));
        }
    }
    let old = Booster::from_json("old", &serde_json::to_vec(&file).unwrap()).unwrap();
    let new = Booster::open(golden("softprob.json")).unwrap();
    assert_eq!(old.rounds(), new.rounds());
    let row = [0.3, -1.0, f32::NAN, 2.0];
    let table = Table::new(&row, 4).unwrap();
    let difference: Vec<f32> = old
        .margins(&table)
        .unwrap()
        .iter()
        .zip(new.margins(&table).unwrap())
        .map(|(old, new)| old - new)
        .collect();
    // The list in the file, and 0.5 for all.
    let base = [0.5; 3];
    let listed: Value = serde_json::from_slice(&std::fs::read(golden("softprob.json")).unwrap()).unwrap();
    let listed = listed["learner"]["learner_model_param"]["base_score"].as_str().unwrap().to_owned();
    let listed: Vec<f32> =
        listed.trim_matches(['[', ']']).split(',').map(|score| score.parse().unwrap()).collect();
    for ((difference, base), listed) in difference.iter().zip(base).zip(listed) {
        assert!((difference - (base - listed)).abs() < 1e-6);
    }
}

/// Changes one place of a good file and expects an error that names it.
#[test]
fn lies_are_named() {
    let good: Value = serde_json::from_slice(&std::fs::read(golden("logistic.json")).unwrap()).unwrap();
    let check = |pointer: &str, value: Value, message: &str| {
        let mut file = good.clone();
        *file.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
        let error =
            Booster::from_json("bad.json", &serde_json::to_vec(&file).unwrap()).unwrap_err().to_string();
        assert!(error.starts_with("XGBoost model bad.json: "), "{error}");
        assert!(error.contains(message), "{error} lacks {message}");
    };
    let model = "/learner/gradient_booster/model";
    let tree = format!("{model}/trees/1");
    check(
        &format!("{tree}/left_children/0"),
        json!(0),
        "trees[1].left_children[0]: node 0 has a parent already",
    );
    check(&format!("{tree}/left_children/1"), json!(1), "node 1 has a parent already");
    check(&format!("{tree}/right_children/0"), json!(1), "node 1 has a parent already");
    check(&format!("{tree}/right_children/0"), json!(99), "99 is none of");
    check(&format!("{tree}/right_children/0"), json!(-1), "right_children[0]: -1 is none of");
    check(&format!("{tree}/right_children/0"), json!(i64::MIN), "is none of");
    check(&format!("{tree}/split_indices/0"), json!(4), "split_indices[0]: 4 is none of 4 features");
    check(&format!("{tree}/split_indices/0"), json!(u64::MAX), "is none of 4 features");
    check(&format!("{tree}/split_type/0"), json!(1), "categorical splits are not read");
    check(&format!("{tree}/loss_changes"), json!([]), "loss_changes: 0, but there are");
    check(
        &format!("{tree}/tree_param/num_nodes"),
        json!("4000000000"),
        "num_nodes: 4000000000, but there are",
    );
    check(&format!("{tree}/tree_param/size_leaf_vector"), json!("3"), "leaves of several values");
    check(&format!("{model}/trees"), json!([]), "but there are 0 trees");
    check(&format!("{model}/tree_info/0"), json!(1), "tree_info[0]: 1 is no class");
    check(&format!("{model}/iteration_indptr"), json!([0, 3, 1, 4]), "iteration_indptr");
    check("/learner/gradient_booster/name", json!("gblinear"), "gblinear is not read");
    check("/learner/objective/name", json!("rank:pairwise"), "rank:pairwise is not read");
    check("/learner/learner_model_param/base_score", json!("2"), "2 is no base");
    check("/learner/learner_model_param/base_score", json!("[0.1,0.2]"), "2 scores for 1 outputs");
    check("/learner/learner_model_param/num_feature", json!("0"), "0 features");
    check("/learner/learner_model_param/num_feature", json!("-3"), "`-3` is no such number");
    check("/learner/learner_model_param/num_target", json!("2"), "several targets");
    check("/learner/feature_names", json!(["pt"]), "1 names for 4 features");
    for bytes in [&b""[..], b"{", b"[]", b"{\"learner\": 1}", b"{L\0\0\0\0\0\0\0\x07learner{"] {
        assert!(Booster::from_json("bad.json", bytes).is_err());
    }
    let mut file = good.clone();
    file["learner"]["objective"] =
        json!({"name": "multi:softprob", "softmax_multiclass_param": {"num_class": "4000000000"}});
    file["learner"]["learner_model_param"]["num_class"] = json!("4000000000");
    assert!(Booster::from_json("bad.json", &serde_json::to_vec(&file).unwrap()).is_err());
}

/// A file that is cut, or in which a byte is another one, is an error or a model; never a panic or an endless walk.
#[test]
fn damaged_files_do_not_panic() {
    let bytes = std::fs::read(golden("softprob.json")).unwrap();
    let row = [0.5; 4];
    let mut state = 1_u64;
    for _ in 0..1000 {
        let mut draw = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        let mut damaged = bytes.clone();
        if draw(4) == 0 {
            damaged.truncate(draw(bytes.len()));
        } else {
            let at = draw(bytes.len());
            damaged[at] = b"0123456789-.,[]{}\"eE\xff"[draw(21)];
        }
        if let Ok(booster) = Booster::from_json("damaged", &damaged) {
            let rows = row.repeat(booster.features().div_ceil(4));
            if let Ok(table) = Table::new(&rows[..booster.features()], booster.features()) {
                booster.predict(&table).unwrap();
            }
        }
    }
}
