//! Equality with scikit-learn and NumPy: golden values, and fresh ones where Python is at hand.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

mod common;

use std::io::Write;
use std::process::{Command, Stdio};

use common::Toy;
use fiducial_metrics::{BinaryScores, Bootstrap, ClassScores, Estimate, Residuals};
use serde_json::{Value, json};

const BOOTSTRAP: Bootstrap = Bootstrap { replicas: 20, seed: 1 };

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn weights(case: &Value) -> Option<Vec<f64>> {
    (!case["weights"].is_null()).then(|| numbers(&case["weights"]))
}

fn assert_close(what: &str, value: f64, expected: &Value) {
    let expected = expected.as_f64().unwrap();
    assert!((value - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{what}: {value} for {expected}");
}

fn check(case: &Value, expected: &Value) {
    match () {
        () if case["scores"].is_array() => check_binary(case, expected),
        () if case["residuals"].is_array() => check_regression(case, expected),
        () => check_several(case, expected),
    }
}

fn check_binary(case: &Value, expected: &Value) {
    let truth: Vec<bool> =
        case["is_signal"].as_array().unwrap().iter().map(|signal| signal.as_bool().unwrap()).collect();
    let events = BinaryScores::new(&numbers(&case["scores"]), &truth, weights(case).as_deref()).unwrap();
    let value = |estimate: Estimate| estimate.value.unwrap();
    assert_close("n_effective", events.n_effective(), &expected["n_effective"]);
    assert_close("roc_auc", value(events.roc_auc(&BOOTSTRAP).unwrap()), &expected["roc_auc"]);
    let threshold = case["threshold"].as_f64().unwrap();
    assert_close("accuracy", value(events.accuracy(threshold, &BOOTSTRAP).unwrap()), &expected["accuracy"]);

    let efficiencies = numbers(&case["signal_efficiencies"]);
    let summary = events.summary(threshold, &efficiencies, 2, &BOOTSTRAP).unwrap();
    assert_eq!(summary.roc_auc, events.roc_auc(&BOOTSTRAP).unwrap());
    assert_eq!(summary.accuracy, events.accuracy(threshold, &BOOTSTRAP).unwrap());
    for (i, &efficiency) in efficiencies.iter().enumerate() {
        let rejection = events.background_rejection(efficiency, &BOOTSTRAP).unwrap();
        assert_eq!(summary.working_points[i].background_rejection, rejection);
        match rejection.value {
            Some(value) => assert_close("background efficiency", 1.0 / value, &expected["background_at"][i]),
            None => assert!(expected["background_at"][i].as_f64().unwrap() <= 0.0),
        }
    }
    for (i, &efficiency) in numbers(&case["background_efficiencies"]).iter().enumerate() {
        let signal = value(events.signal_efficiency(efficiency, &BOOTSTRAP).unwrap());
        assert_close("signal efficiency", signal, &expected["signal_at"][i]);
    }
}

fn check_several(case: &Value, expected: &Value) {
    let rows: Vec<Vec<f64>> = case["class_scores"].as_array().unwrap().iter().map(numbers).collect();
    let labels: Vec<u32> = numbers(&case["labels"]).iter().map(|&label| label as u32).collect();
    let events = ClassScores::new(&rows.concat(), rows[0].len(), &labels, weights(case).as_deref()).unwrap();
    assert_close("accuracy", events.accuracy(&BOOTSTRAP).unwrap().value.unwrap(), &expected["accuracy"]);
    let auc = events.roc_auc_macro(&BOOTSTRAP).unwrap().value.unwrap();
    assert_close("roc_auc_macro", auc, &expected["roc_auc_macro"]);
}

fn check_regression(case: &Value, expected: &Value) {
    let events = Residuals::new(&numbers(&case["residuals"]), weights(case).as_deref()).unwrap();
    let summary = events.summary(&BOOTSTRAP).unwrap();
    let coverage = events.coverage(&BOOTSTRAP).unwrap();
    for (what, estimate) in [
        ("bias", summary.bias),
        ("resolution", summary.resolution),
        ("rmse", summary.rmse),
        ("coverage", coverage),
    ] {
        assert_close(what, estimate.value.unwrap(), &expected[what]);
    }
}

#[test]
fn equals_golden_values_of_scikit_learn() {
    let golden: Value = serde_json::from_str(include_str!("golden.json")).unwrap();
    let golden = golden.as_array().unwrap();
    assert_eq!(golden.len(), 10);
    // scikit-learn has no area for some of them: negative weights of the background make its curve turn back.
    assert!(golden.iter().any(|row| row["expected"]["refused"] == json!(true)));
    for row in golden {
        check(&row["case"], &row["expected"]);
    }
}

#[test]
fn equals_scikit_learn_on_larger_samples() {
    let Ok(python) = std::env::var("FIDUCIAL_TEST_PYTHON") else {
        let _ = writeln!(
            std::io::stderr(),
            "skipped: FIDUCIAL_TEST_PYTHON is not set to a Python with scikit-learn"
        );
        return;
    };
    let mut toy = Toy::new(3);
    let mut cases = Vec::new();
    for (n, separation, ties) in [(5000, 1.5, 1e9), (4000, 3.0, 1e9), (5000, 1.5, 4.0), (3000, 0.2, 1.0)] {
        for (negative_signal, negative_background) in [(0.0, 0.0), (0.2, 0.0), (0.0, 0.2), (0.2, 0.2)] {
            let (scores, truth) = toy.events(n, separation);
            let scores: Vec<f64> = scores.iter().map(|score| (score * ties).round() / ties).collect();
            let weights: Vec<f64> = truth
                .iter()
                .map(|&signal| {
                    let negative = toy.uniform() < if signal { negative_signal } else { negative_background };
                    (0.1 + toy.uniform()) * if negative { -1.0 } else { 1.0 }
                })
                .collect();
            cases.push(json!({
                "scores": scores, "is_signal": truth, "weights": weights, "threshold": 0.5 * separation,
                "signal_efficiencies": [0.05, 0.3, 0.5, 0.9], "background_efficiencies": [0.001, 0.01, 0.1, 0.5],
            }));
        }
    }
    for (n, offset) in [(10, 0.0), (3000, 0.3), (5000, -2.0)] {
        let residuals: Vec<f64> = (0..n).map(|_| toy.gauss() + offset).collect();
        let weights: Vec<f64> = (0..n).map(|_| toy.uniform()).collect();
        cases.push(json!({ "residuals": residuals, "weights": weights }));
    }
    let peer = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sklearn_peer.py");
    let mut child =
        Command::new(python).arg(peer).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(serde_json::to_string(&cases).unwrap().as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "sklearn_peer.py failed");
    let expected: Value = serde_json::from_slice(&output.stdout).unwrap();
    for (case, expected) in cases.iter().zip(expected.as_array().unwrap()) {
        check(case, expected);
    }
}
