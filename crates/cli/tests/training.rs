//! `fiducial train` in several processes, its plan, fine-tuning, and a regression with its predictions and metrics.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::Sandbox;

fn recipe(model: &str, training: &str) -> String {
    format!(
        "format = \"fiducial-recipe/1\"\n{model}\n[training]\nbatch_size = 512\nlearning_rate = 2e-3\n{training}\n"
    )
}

const FLOW: &str = "[model]\nkind = \"particle-flow-network\"\nphi = [16, 16]\nhead = [16]";
const NET: &str = "[model]\nkind = \"particle-net\"\nneighbours = 4\nconvolutions = [[8, 8]]\nhead = [8]";

/// The sample as a dataset `top`.
fn prepared() -> Sandbox {
    let sandbox = Sandbox::new();
    let folder = common::benchmarks().join("jet-tagging/top");
    let (view, sample) = (folder.join("view.toml"), folder.join("sample/top_tagging.root"));
    sandbox.run(&["prepare", view.to_str().unwrap(), sample.to_str().unwrap(), "-o", "top"]).ok();
    sandbox
}

#[test]
fn the_number_of_processes_changes_no_byte() {
    let sandbox = prepared();
    let text = recipe(NET, "epochs = 1\nmicro_batches = 4\nema_decay = 0.99\noptimiser = \"ranger\"");
    sandbox.write("net.toml", text.as_bytes());
    let train = |out: &str, more: &[&str]| {
        sandbox.run(&[&["train", "net.toml", "--dataset", "top", "-o", out], more].concat()).ok();
        std::fs::read(sandbox.path(out).join("model.safetensors")).unwrap()
    };
    let one = train("one", &[]);
    assert!(one == train("two", &["--processes", "2", "--threads", "1"]), "two processes");
    assert!(one == train("three", &["--processes", "3"]), "three processes");

    let refused = sandbox.run(&["train", "net.toml", "--dataset", "top", "-o", "x", "--processes", "5"]);
    assert_eq!(refused.code, 3, "{}", refused.stderr);
    assert!(refused.stderr.contains("training.micro_batches = 4"), "{}", refused.stderr);
}

/// weaver's configurations have no splits and its names for groups: a recipe takes one as it is.
#[test]
fn a_configuration_of_weavers_is_trained_on_as_it_is() {
    let sandbox = Sandbox::new();
    let sample = common::benchmarks().join("jet-tagging/top/sample/top_tagging.root");
    let yaml = "
treename: tree
new_variables:
  part_pt: np.hypot(part_px, part_py)
  part_logpt: np.log(part_pt)
  part_mask: ak.ones_like(part_pt)
  is_qcd: label == 0
  is_top: label == 1
inputs:
  pf_features: {length: 32, vars: [[part_logpt, 1.0, 0.5]]}
  pf_mask: {length: 32, vars: [[part_mask, null]]}
labels: {type: simple, value: [is_qcd, is_top]}
";
    sandbox.write("view.yaml", yaml.as_bytes());
    let data = format!("view = \"view.yaml\"\nfiles = [{sample:?}]\n");
    sandbox.write(
        "flow.toml",
        recipe(FLOW, "epochs = 1").replacen("[model]", &format!("{data}[model]"), 1).as_bytes(),
    );
    let answer = sandbox.run(&["train", "flow.toml", "-o", "flow"]);
    assert!(answer.stderr.contains("80 % of the rows"), "{}", answer.stderr);
    assert!(answer.ok().contains("particle-flow-network"));
    sandbox.write("view.yaml", yaml.replace("pf_mask:", "pf_other:").as_bytes());
    let answer = sandbox.run(&["train", "flow.toml", "-o", "other"]);
    assert_eq!(answer.code, 3, "{}", answer.stderr);
    assert!(answer.stderr.contains("padding would count as constituents"), "{}", answer.stderr);
}

#[test]
fn a_gpu_that_is_not_there_is_told_kindly() {
    let sandbox = prepared();
    sandbox.write("flow.toml", recipe(FLOW, "epochs = 1").as_bytes());
    let told = sandbox.run(&["train", "flow.toml", "--dataset", "top", "-o", "x", "--device", "cuda:4096"]);
    assert_eq!(told.code, 1, "{}", told.stderr);
    assert!(told.stderr.contains("cuda:4096"), "{}", told.stderr);
    assert!(!told.stderr.contains("panicked"), "{}", told.stderr);
    let unknown = sandbox.run(&["train", "flow.toml", "--dataset", "top", "-o", "x", "--device", "tpu"]);
    assert_eq!(unknown.code, 2, "{}", unknown.stderr);
    assert!(unknown.stderr.contains("`cpu`, `cuda` or `cuda:N`"), "{}", unknown.stderr);
}

/// The processes that another has started.
#[cfg(target_os = "linux")]
fn children(parent: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_child = |process: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        status
            .lines()
            .any(|line| line.strip_prefix("PPid:").is_some_and(|it| it.trim() == parent.to_string()))
    };
    numbers.filter(is_child).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn a_worker_that_is_killed_or_hangs_is_named_and_the_training_goes_on_later() {
    let sandbox = prepared();
    let text = recipe(FLOW, "epochs = 1000\nmicro_batches = 2\nmax_minutes = 5.0");
    sandbox.write("flow.toml", text.as_bytes());
    for (signal, message) in [("-KILL", "rank 1 (process"), ("-STOP", "rank 1 has been silent for 2 s")] {
        let log = sandbox.path("model/log.jsonl");
        let lines = || std::fs::read_to_string(&log).unwrap_or_default().lines().count();
        let before = lines();
        let arguments = [
            "train",
            "flow.toml",
            "--dataset",
            "top",
            "-o",
            "model",
            "--processes",
            "2",
            "--worker-timeout",
            "2",
        ];
        let mut command = sandbox.command(&[&arguments[..], &["--log-every", "1"]].concat());
        let mut main = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let begun = Instant::now();
        // Once it trains, and has a checkpoint of an epoch.
        while lines() < before.max(1) + 60 && begun.elapsed() < Duration::from_secs(120) {
            assert!(main.try_wait().unwrap().is_none());
            std::thread::sleep(Duration::from_millis(20));
        }
        let workers = children(main.id());
        assert_eq!(workers.len(), 1);
        let sent = Command::new("kill").args([signal, &workers[0].to_string()]).status().unwrap();
        assert!(sent.success());
        let stopped = main.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&stopped.stderr);
        assert_eq!(stopped.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains(message), "{stderr}");
        // Nobody is left behind.
        assert!(!std::path::Path::new(&format!("/proc/{}", workers[0])).exists());
    }
    // Where it was, alone: the log tells no step twice.
    let mut alone =
        sandbox.command(&["train", "flow.toml", "--dataset", "top", "-o", "model", "--log-every", "1"]);
    let mut alone = alone.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(5));
    alone.kill().unwrap();
    alone.wait().unwrap();
    let steps: Vec<u64> = sandbox
        .read("model/log.jsonl")
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()?["step"].as_u64())
        .collect();
    assert!(steps.len() > 60 && steps.iter().enumerate().all(|(place, step)| *step == place as u64 + 1));
}

#[test]
fn a_plan_comes_near_what_is_used() {
    let sandbox = prepared();
    for (name, model) in [("flow", FLOW), ("net", NET)] {
        let file = format!("{name}.toml");
        sandbox.write(&file, recipe(model, "epochs = 1").as_bytes());
        let plan = sandbox.run(&["train", &file, "--dataset", "top", "-o", name, "--plan"]).ok();
        assert!(!sandbox.path(name).exists(), "a plan writes nothing");
        let line = plan.lines().find_map(|line| line.strip_prefix("peak memory")).unwrap();
        let mut words = line.split_whitespace();
        let (number, unit) = (words.next().unwrap().parse::<f64>().unwrap(), words.next().unwrap());
        let planned = number * if unit.starts_with("GiB") { 1024.0 } else { 1.0 };
        sandbox.run(&["train", &file, "--dataset", "top", "-o", name]).ok();
        let training: serde_json::Value =
            serde_json::from_str(&sandbox.read(&format!("{name}/training.json"))).unwrap();
        let used = training["report"]["resources"]["peak_memory_bytes"].as_f64().unwrap() / 1_048_576.0;
        assert!((planned / used - 1.0).abs() < 0.2, "{name}: {planned} MiB planned, {used} MiB used\n{plan}");
    }
}

#[test]
fn fine_tuning_says_what_it_took() {
    let sandbox = prepared();
    sandbox.write("first.toml", recipe(FLOW, "epochs = 1").as_bytes());
    sandbox.run(&["train", "first.toml", "--dataset", "top", "-o", "first"]).ok();
    let start = "[start]\nfrom = \"first\"\nfresh = [\"head.output.*\"]\n";
    let text = recipe(&format!("{start}{FLOW}"), "epochs = 1\nfreeze = [\"phi.*\"]");
    sandbox.write("second.toml", text.as_bytes());
    let answer = sandbox.run(&["train", "second.toml", "--dataset", "top", "-o", "second"]);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    assert!(
        answer.stderr.contains("starts from first/model.safetensors: 6 tensors taken"),
        "{}",
        answer.stderr
    );
    assert!(answer.stderr.contains("drawn anew: head.output.bias, head.output.weight"), "{}", answer.stderr);
    assert_eq!(sandbox.read("first/standardisation.json"), sandbox.read("second/standardisation.json"));
}

#[test]
fn a_regression_is_trained_predicted_and_measured() {
    let sandbox = Sandbox::new();
    let mut state = 3_u64;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / (1_u64 << 24) as f64
    };
    let mut events = "x,energy\n".to_owned();
    for _ in 0..3000 {
        let x = uniform();
        events += &format!("{x:.5},{:.5}\n", 100.0 + 40.0 * x + uniform());
    }
    sandbox.write("events.csv", events.as_bytes());
    let view = "format = \"fiducial-view/1\"\nobservers = [\"x\"]\n[splits]\n\
                fractions = { train = 0.6, validation = 0.2, test = 0.2 }\n[inputs.globals]\nstandardise = \"measure\"\n\
                variables = [\"x\"]\n[targets]\nenergy = \"energy\"\n";
    sandbox.write("view.toml", view.as_bytes());
    let text =
        recipe("[model]\nkind = \"multilayer-perceptron\"\n[loss]\nkind = \"gaussian\"", "epochs = 40");
    sandbox.write("energy.toml", text.replace("batch_size = 512", "batch_size = 128").as_bytes());
    sandbox.run(&["prepare", "view.toml", "events.csv", "-o", "events"]).ok();
    let answer = sandbox.run(&["train", "energy.toml", "--dataset", "events", "-o", "model"]);
    assert!(answer.code == 0 && !answer.stderr.contains("accuracy"), "{}", answer.stderr);
    let info = sandbox.run(&["model", "info", "model"]).ok();
    assert!(info.contains("predictions: mean_energy, sigma_energy"), "{info}");

    sandbox.run(&["predict", "model", "events", "-o", "test.parquet"]).ok();
    sandbox.run(&["predict", "model", "events", "-o", "train.parquet", "--split", "train"]).ok();
    let evaluate = |predictions: &str, more: &[&str]| {
        sandbox.run(&[&["evaluate", "model", predictions, "--dataset", "events"], more].concat())
    };
    let json = evaluate("test.parquet", &["--json", "-o", "metrics.json"]).ok();
    common::validate(&sandbox, "regression-1.json", &json);
    assert_eq!(sandbox.read("metrics.json").trim(), json.trim());
    let metrics: serde_json::Value = serde_json::from_str(&json).unwrap();
    let of = |key: &str| metrics["targets"]["energy"][key]["value"].as_f64().unwrap();
    // Noise that is uniform from 0 to 1 has a spread of 0.29.
    assert!(of("bias").abs() < 0.15 && of("rmse") < 0.6 && of("resolution") < 0.6, "{json}");
    assert!((of("pull_width") - 1.0).abs() < 0.35, "{json}");
    // In bins of truth, prediction, sigma and the observer, some hundred rows in at least 50 each.
    let bins = metrics["bins"]["energy"].as_array().unwrap();
    let variables: Vec<_> = bins.iter().map(|binned| binned["variable"].as_str().unwrap()).collect();
    assert_eq!(variables, ["truth", "prediction", "sigma", "column"]);
    for binned in bins {
        let rows: Vec<u64> =
            binned["bins"].as_array().unwrap().iter().map(|bin| bin["rows"].as_u64().unwrap()).collect();
        assert_eq!(rows.iter().sum::<u64>(), metrics["rows"].as_u64().unwrap());
        assert!(rows.len() == 10 && rows.iter().all(|rows| *rows >= 50), "{rows:?}");
    }
    assert_eq!(bins[3]["name"], "x");

    // The page and the card say the same.
    evaluate("test.parquet", &["--report", "report.html", "--card"]).ok();
    evaluate("test.parquet", &["--card"]).ok();
    let page = sandbox.read("report.html");
    let card = sandbox.run(&["model", "card", "model"]).ok();
    assert_eq!(card.matches("## Regression of energy on test").count(), 1, "{card}");
    assert!(card.contains("type: tabular-regression\n      name: \"Regression of energy\""), "{card}");
    assert!(card.contains("| energy, mean pull |") && card.contains("energy_pull_width"), "{card}");
    for text in [
        "fiducial evaluate model test.parquet --dataset events --split test --report report.html",
        "In bins of the predicted sigma of energy",
        "In bins of x",
        "standard normal",
        metrics["dataset"].as_str().unwrap(),
    ] {
        assert!(page.contains(text), "{text}");
    }
    let table = evaluate("train.parquet", &["--split", "train"]).ok();
    assert!(table.lines().any(|line| line.starts_with("energy") && line.contains("pull_mean")), "{table}");

    let readme = sandbox.read("events/README.md");
    let refused = |answer: common::Answer, code: i32, message: &str| {
        assert!(answer.code == code && answer.stderr.contains(message), "{} {}", answer.code, answer.stderr);
    };
    refused(evaluate("train.parquet", &[]), 3, "of the split's");
    refused(evaluate("test.parquet", &["--against", "y"]), 3, "y");
    for option in [&["--report", "r.html"][..], &["--card"], &["--against", "x"]] {
        let task = ["evaluate", "jet-tagging/top", "test.parquet"];
        let option = [task.as_slice(), option].concat();
        refused(sandbox.run(&option), 2, "with a task: it is for a regression's model");
    }
    // A file where a directory is meant, and models and datasets that are not there.
    refused(
        sandbox.run(&["predict", "model", "events.csv", "-o", "p.parquet"]),
        3,
        "fiducial prepare VIEW FILES -o DIR",
    );
    refused(
        sandbox.run(&["predict", "nowhere", "events", "-o", "p.parquet"]),
        3,
        "fiducial train RECIPE -o DIR",
    );
    let no_jets = ["model", "export", "model", "--dataset", "events", "--jets", "0"];
    refused(sandbox.run(&no_jets), 2, "0 is not in 1..");
    let onto_data = ["train", "energy.toml", "--dataset", "events", "-o", "events"];
    refused(sandbox.run(&onto_data), 3, "it holds README.md, and neither a model nor a training");
    assert_eq!(sandbox.read("events/README.md"), readme);
    refused(sandbox.run(&["evaluate", "model", "test.parquet"]), 2, "give the dataset that was predicted on");
    refused(
        sandbox.run(&["evaluate", "jet-tagging/top", "test.parquet", "--split", "train"]),
        2,
        "a task is measured on its test split",
    );
    sandbox.run(&["model", "export", "model", "--unproven"]).ok();
    let export: serde_json::Value = serde_json::from_str(&sandbox.read("model/onnx/export.json")).unwrap();
    assert!(export.to_string().contains("sigma_energy"), "{export}");
    let task = ["bench", "run", "jet-tagging/top", "--model", "energy.toml", "--out", "run"];
    refused(sandbox.run(&task), 3, "its [loss] is that of a regression");
}
