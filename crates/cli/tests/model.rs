//! Models in and out: exports that are proven, or refused; imports; cards that a model hub can read.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "these are tests")]

mod common;

use std::path::PathBuf;
use std::process::Command;

use common::{Answer, Sandbox, benchmarks, checkout, has_shared, shared, validate};

const RECIPE: &str = r#"
format = "fiducial-recipe/1"

[model]
kind = "particle-net"
neighbours = 4
convolutions = [[8], [8]]
head = [8]

[training]
epochs = 1
batch_size = 512
learning_rate = 2e-3
"#;

/// A Python with onnxruntime, onnx and PyYAML, and the library in the first.
fn python() -> Option<(PathBuf, PathBuf)> {
    let Some(python) = std::env::var_os("FIDUCIAL_TEST_PYTHON") else {
        assert!(std::env::var_os("CI").is_none(), "FIDUCIAL_TEST_PYTHON is not set");
        eprintln!("skipped: FIDUCIAL_TEST_PYTHON is not set to a Python with onnxruntime");
        return None;
    };
    let find = "import glob, os, onnxruntime as o; \
                print(glob.glob(os.path.join(os.path.dirname(o.__file__), 'capi', 'libonnxruntime.so*'))[0])";
    let output = Command::new(&python).args(["-c", find]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some((python.into(), String::from_utf8(output.stdout).unwrap().trim().into()))
}

/// Runs the command with ONNX Runtime at hand.
fn with_runtime(sandbox: &Sandbox, library: &PathBuf, arguments: &[&str]) -> Answer {
    let output = sandbox.command(arguments).env("ORT_DYLIB_PATH", library).output().unwrap();
    Answer {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn a_trained_model_is_exported_and_proven() {
    let sandbox = Sandbox::new();
    let top = benchmarks().join("jet-tagging/top");
    let (view, sample) = (top.join("view.toml"), top.join("sample/top_tagging.root"));
    let recipe = format!("view = {:?}\n{RECIPE}", view.to_str().unwrap());
    sandbox.write("net.toml", recipe.replacen("\nformat", "format", 1).as_bytes());
    sandbox.run(&["prepare", view.to_str().unwrap(), sample.to_str().unwrap(), "-o", "data"]).ok();
    sandbox.run(&["train", "net.toml", "--dataset", "data", "-o", "net"]).ok();

    // Nothing to prove it with.
    let refused = sandbox.command(&["model", "export", "net"]).env_remove("ORT_DYLIB_PATH").output().unwrap();
    assert_eq!(refused.status.code(), Some(3));
    let stderr = String::from_utf8(refused.stderr).unwrap();
    assert!(stderr.contains("failed to prove the export: there are no jets"), "{stderr}");
    assert!(stderr.contains("hint: ") && !sandbox.path("net/onnx").exists(), "{stderr}");
    let answer = sandbox.run(&["model", "export", "net", "--unproven"]).ok();
    assert!(answer.starts_with("onnx: not proven"), "{answer}");
    assert!(sandbox.read("net/README.md").contains("**not proven**"));
    validate(&sandbox, "export-1.json", &sandbox.read("net/onnx/export.json"));

    let Some((python, library)) = python() else { return };
    for preprocessing in [true, false] {
        let mut arguments = vec!["model", "export", "net", "--dataset", "data", "--jets", "200"];
        arguments.extend(preprocessing.then_some("--preprocessing"));
        let answer = with_runtime(&sandbox, &library, &arguments).ok();
        assert!(answer.starts_with("onnx: proven by ONNX Runtime 1."), "{answer}");
        let record: serde_json::Value = serde_json::from_str(&sandbox.read("net/onnx/export.json")).unwrap();
        let difference = record["proof"]["largest_difference"].as_f64().unwrap();
        assert!(difference < 1e-5 && record["proof"]["jets"] == 200, "{record}");
        assert_eq!(record["preprocessing_inside"], preprocessing);
        let described: serde_json::Value =
            serde_json::from_str(&sandbox.read("net/onnx/preprocess.json")).unwrap();
        assert_eq!(described["input_names"][1], "pf_features");
        let first = described["pf_features"]["var_names"][0].as_str().unwrap();
        let scale = described["pf_features"]["var_infos"][first]["norm_factor"].as_f64().unwrap();
        assert_eq!(scale == 1.0, preprocessing, "{described}");
    }
    validate(&sandbox, "export-1.json", &sandbox.read("net/onnx/export.json"));
    let card = sandbox.read("net/README.md");
    assert!(card.contains("| proven | ONNX Runtime 1.") && card.contains("where 1e-5 is allowed"), "{card}");
    let info = sandbox.run(&["model", "info", "net"]).ok();
    assert!(info.contains("net: particle-net with") && info.contains("onnx: proven by"), "{info}");
    // The hashes of the model's own files do not depend on what is exported.
    sandbox.run(&["predict", "net", "data", "-o", "scores.parquet"]).ok();

    let card = ["model", "card", "net", "--licence", "cc-by-4.0", "--intended-use", "Tests: \"quoted\" too."];
    let printed = sandbox.run(&card).ok();
    assert_eq!(printed, sandbox.read("net/README.md"));
    validate(&sandbox, "card-1.json", &sandbox.read("net/card.json"));
    let script = "import sys, yaml, onnx\n\
                  text = open(sys.argv[1] + '/README.md').read()\n\
                  front = yaml.safe_load(text.split('---\\n')[1])\n\
                  assert front['license'] == 'cc-by-4.0' and front['library_name'] == 'fiducial', front\n\
                  assert len(front['training_data']['sha256']) == 64, front\n\
                  assert front['training_energy_joules'] > 0, front\n\
                  onnx.checker.check_model(sys.argv[1] + '/onnx/model.onnx', full_check=True)\n";
    let output = Command::new(python).args(["-c", script]).arg(sandbox.path("net")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

const JET_LEVEL: &str = r#"
format = "fiducial-view/1"
tree = "tree"
[splits]
fractions = { train = 0.5, validation = 0.2, test = 0.3 }
seed = 20
[inputs.globals]
standardise = "measure"
variables = ["jet_pt", { name = "jet_mass", clip = [-1.0, 0.5] }]
[inputs.parameters]
variables = [{ name = "jet_eta", center = 0.5, scale = 2.0 }]
[labels]
classes = { qcd = "label == 0", top = "label == 1" }
"#;

/// Networks that read jets as a whole: no constituents, no mask, and standardisation of each of their groups.
#[test]
fn what_reads_jets_as_a_whole_is_exported() {
    let Some((_, library)) = python() else { return };
    let sandbox = Sandbox::new();
    let sample = benchmarks().join("jet-tagging/top/sample/top_tagging.root");
    sandbox.write("view.toml", JET_LEVEL.as_bytes());
    let recipe = RECIPE.replacen("format", "view = \"view.toml\"\nformat", 1);
    let (head, tail) = (recipe.split("[model]").next().unwrap(), recipe.split("[training]").nth(1).unwrap());
    let model = "[model]\nkind = \"parametrised-perceptron\"\nhidden = [8]\n";
    sandbox.write("net.toml", format!("{head}{model}[training]{tail}").as_bytes());
    sandbox.run(&["prepare", "view.toml", sample.to_str().unwrap(), "-o", "data"]).ok();
    sandbox.run(&["train", "net.toml", "--dataset", "data", "-o", "net"]).ok();
    let export = ["model", "export", "net", "--dataset", "data", "--jets", "200", "--preprocessing"];
    for arguments in [&export[..7], &export] {
        let answer = with_runtime(&sandbox, &library, arguments).ok();
        assert!(answer.starts_with("onnx: proven by ONNX Runtime 1."), "{answer}");
        let described: serde_json::Value =
            serde_json::from_str(&sandbox.read("net/onnx/preprocess.json")).unwrap();
        assert_eq!(described["input_names"], serde_json::json!(["globals", "parameters"]));
        let inside = arguments.len() > 7;
        assert_eq!(described["parameters"]["var_infos"]["jet_eta"]["norm_factor"] == 1.0, inside);
    }
    assert!(sandbox.read("net/README.md").contains("| inputs | globals, parameters |"));
}

/// The view of the fixtures of `fiducial-models`, as weaver writes it.
const WEAVER: &str = "treename: tree
inputs:
   pf_points: {length: 12, vars: [[deta, null], [dphi, null]]}
   pf_features: {length: 12, vars: [[a, 1.0, 2.0], [b, null], [c, null]]}
   pf_mask: {length: 12, vars: [[one, null]]}
labels:
   type: simple
   value: [one_prong, two_prongs, three_prongs]
";

#[test]
fn weights_of_weaver_become_a_model() {
    let sandbox = Sandbox::new();
    let weights = checkout().join("crates/models/tests/weaver/particle_net.pt");
    let weights = weights.to_str().unwrap();
    sandbox.write("view.yaml", WEAVER.as_bytes());
    let import = ["model", "import", weights, "--view", "view.yaml", "-o", "net"];
    let refused = sandbox.run(&import);
    assert_eq!(refused.code, 3);
    assert!(refused.stderr.contains("does not say its number of neighbours"), "{}", refused.stderr);
    let answer = sandbox.run(&[&import[..], &["--neighbours", "4"]].concat()).ok();
    assert!(answer.starts_with("particle-net with "), "{answer}");
    let info = sandbox.run(&["model", "info", "net"]).ok();
    assert!(
        info.contains("trained: elsewhere") && info.contains("imported from particle_net.pt, sha256"),
        "{info}"
    );
    assert!(sandbox.read("net/README.md").contains("| trained | elsewhere |"));
    let info = sandbox.run(&["model", "info", weights]).ok();
    assert!(info.contains("mod.edge_convs.0.convs.0.weight [8, 6, 1, 1]"), "{info}");

    // A view of other features, and one that measures its standardisation.
    sandbox.write("view.yaml", WEAVER.replace(", [c, null]", "").as_bytes());
    let refused = sandbox.run(&[&import[..], &["--neighbours", "4"]].concat());
    assert!(refused.stderr.contains("has 2 variables, not 3"), "{}", refused.stderr);
    sandbox.write(
        "view.yaml",
        format!("preprocess: {{method: auto}}\n{}", WEAVER.replace("[a, 1.0, 2.0]", "a")).as_bytes(),
    );
    let refused = sandbox.run(&[&import[..], &["--neighbours", "4"]].concat());
    assert!(refused.stderr.contains("the standardisation of a is to be measured"), "{}", refused.stderr);
}

#[test]
fn the_published_weights_are_read() {
    if !has_shared() {
        return;
    }
    let sandbox = Sandbox::new();
    let weights = shared().join("weights/ParticleNet_full.pt");
    let info = sandbox.run(&["model", "info", weights.to_str().unwrap()]).ok();
    assert!(info.contains("mod.fc.1.weight [10, 256]") && info.contains("81 tensors"), "{info}");
}
