//! The commands of the guide on histograms, bin for bin against awkward.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "these are tests")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use common::{Sandbox, shared};

/// The words of a command as a shell finds them: quotes, and lines that go on.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for character in text.replace("\\\n", " ").chars() {
        match character {
            '\'' => quoted = !quoted,
            space if space.is_whitespace() && !quoted => {
                words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
            }
            other => word.push(other),
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

#[test]
fn the_queries_of_the_guide_fill_the_bins_of_awkward() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let guide = std::fs::read_to_string(root.join("docs/guides/histograms.md")).unwrap();
    let commands: Vec<Vec<String>> =
        guide.split("```sh\n").skip(1).map(|rest| words(rest.split("```").next().unwrap())).collect();
    assert_eq!(commands.len(), 9);
    let Some(python) = std::env::var_os("FIDUCIAL_TEST_PYTHON") else {
        eprintln!("skipped: FIDUCIAL_TEST_PYTHON is not set");
        return;
    };
    for name in ["nanoAOD_2015_CMS_Open_Data_ttbar.root", "nano_dimuon.root"] {
        let file = shared().join("root").join(name);
        if !file.exists() {
            eprintln!("skipped: {name} is not there");
            continue;
        }
        let sandbox = Sandbox::new();
        let twin = root.join("crates/cli/tests/histograms.py");
        let queries = root.join("benches/expressions");
        let output = Command::new(&python).arg(twin).arg(&queries).arg(&file).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        if error.contains("ModuleNotFoundError") {
            eprintln!("skipped: {}", error.lines().last().unwrap_or_default());
            return;
        }
        assert!(output.status.success(), "{error}");
        let expected: BTreeMap<String, Vec<f64>> = serde_json::from_slice(&output.stdout).unwrap();
        let mut filled = 0;
        for command in &commands {
            let here = |word: &String| match word.as_str() {
                "nano.root" => file.to_str().unwrap().to_owned(),
                other => other.to_owned(),
            };
            let mut arguments: Vec<String> = command[1..].iter().map(here).collect();
            arguments.extend(["--tree", "Events"].map(str::to_owned));
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            sandbox.run(&arguments).ok();
            let out = command.last().unwrap();
            let uhi: serde_json::Value = serde_json::from_str(&sandbox.read(out)).unwrap();
            let values = uhi["storage"]["values"].as_array().unwrap();
            let values: Vec<f64> = values.iter().map(|value| value.as_f64().unwrap()).collect();
            let query = out.trim_end_matches(".json");
            assert_eq!(values[1..values.len() - 1], expected[query], "{query} on {name}");
            filled += usize::from(values.iter().any(|value| *value > 0.0));
        }
        assert!(filled >= 8, "only {filled} queries have entries on {name}");
    }
}
