//! The main job, from the embedded sample to a report: as a whole, killed and repeated, and step by step.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use common::{Sandbox, validate};

/// A recipe that takes seconds.
const SMALL: &str = r#"
format = "fiducial-recipe/1"

[model]
kind = "particle-flow-network"
phi = [16, 16]
head = [16]

[training]
epochs = 3
batch_size = 512
learning_rate = 2e-3
"#;

fn metric(sandbox: &Sandbox, file: &str, name: &str) -> f64 {
    let metrics: serde_json::Value = serde_json::from_str(&sandbox.read(file)).unwrap();
    metrics["metrics"][name]["value"].as_f64().unwrap()
}

#[test]
fn one_seed_gives_one_result_also_after_a_kill() {
    let sandbox = Sandbox::new();
    sandbox.write("small.toml", SMALL.as_bytes());
    let run = |out: &str, seed: &str, threads: &str| {
        let arguments = [
            "bench",
            "run",
            "jet-tagging/top",
            "--model",
            "small.toml",
            "--seed",
            seed,
            "--threads",
            threads,
        ];
        sandbox.run(&[&arguments[..], &["--out", out]].concat())
    };
    let answer = run("first", "3", "2").ok();
    assert!(answer.contains("roc_auc") && answer.contains("report: first/report.html"), "{answer}");
    for file in [
        "metrics.json",
        "run.json",
        "report.html",
        "predictions.parquet",
        "model/model.json",
        "dataset/dataset.json",
    ] {
        assert!(sandbox.path("first").join(file).is_file(), "{file}");
    }
    validate(&sandbox, "metrics-1.json", &sandbox.read("first/metrics.json"));
    validate(&sandbox, "run-1.json", &sandbox.read("first/run.json"));
    assert!(metric(&sandbox, "first/metrics.json", "roc_auc") > 0.9);

    // Another number of threads, another directory: the same numbers, the same weights, byte for byte.
    run("second", "3", "1").ok();
    let same = |file: &str, other: &str| {
        let bytes = |path: &Path| std::fs::read(path).unwrap();
        assert_eq!(
            bytes(&sandbox.path("first").join(file)),
            bytes(&sandbox.path(other).join(file)),
            "{other}/{file}"
        );
    };
    for file in ["metrics.json", "model/model.safetensors", "predictions.parquet"] {
        same(file, "second");
    }

    // Killed at several moments, each time started again.
    for (index, milliseconds) in [5, 60, 200, 500, 900, 1400, 2000].into_iter().enumerate() {
        let arguments =
            ["bench", "run", "jet-tagging/top", "--model", "small.toml", "--seed", "3", "--out", "killed"];
        let mut child =
            sandbox.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        let _ = child.kill();
        child.wait().unwrap();
        if index == 0 {
            assert!(!sandbox.path("killed/run.json").exists());
        }
    }
    run("killed", "3", "2").ok();
    for file in ["metrics.json", "model/model.safetensors", "predictions.parquet"] {
        same(file, "killed");
    }

    // A finished run is shown again; another run is not mixed into its directory.
    let again = run("first", "3", "2");
    assert!(again.stderr.contains("finished before"), "{}", again.stderr);
    let other = run("first", "4", "2");
    assert_eq!(other.code, 3);
    assert!(other.stderr.contains("another") && other.stderr.contains("hint:"), "{}", other.stderr);
}

#[test]
fn the_same_steps_one_by_one() {
    let sandbox = Sandbox::new();
    let folder = common::benchmarks().join("jet-tagging/top");
    let (view, sample) = (folder.join("view.toml"), folder.join("sample/top_tagging.root"));
    sandbox.write("small.toml", SMALL.as_bytes());

    let cutflow =
        sandbox.run(&["prepare", view.to_str().unwrap(), sample.to_str().unwrap(), "-o", "top"]).ok();
    assert!(cutflow.contains("40 000"), "{cutflow}");
    let refused = sandbox.run(&["prepare", view.to_str().unwrap(), sample.to_str().unwrap(), "-o", "top"]);
    assert_eq!(refused.code, 3, "{}", refused.stderr);
    sandbox.run(&["dataset", "verify", "top"]).ok();

    sandbox.run(&["train", "small.toml", "--dataset", "top", "-o", "model", "--seed", "3"]).ok();
    sandbox.run(&["predict", "model", "top", "-o", "predictions.parquet"]).ok();
    let table = sandbox
        .run(&[
            "evaluate",
            "jet-tagging/top",
            "predictions.parquet",
            "--dataset",
            "top",
            "-o",
            "metrics.json",
        ])
        .ok();
    assert!(table.contains("background_rejection_at_0.3"), "{table}");
    let json = sandbox.run(&["evaluate", "jet-tagging/top", "predictions.parquet", "--json"]).ok();
    assert_eq!(json, sandbox.read("metrics.json"), "with the dataset and on the sample prepared anew");
    validate(&sandbox, "metrics-1.json", &json);

    // A flipped byte in a shard is found.
    let shard = sandbox.path("top/test/00000.parquet");
    let mut bytes = std::fs::read(&shard).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&shard, bytes).unwrap();
    let found = sandbox.run(&["dataset", "verify", "top"]);
    assert_eq!(found.code, 4, "{}", found.stderr);
    assert!(found.stdout.contains("test/00000.parquet"), "{}", found.stdout);
}
