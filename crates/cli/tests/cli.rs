//! The command as a user meets it: what it prints, what it leaves, and its exit codes.

mod common;

use common::{Answer, Sandbox, has_shared, shared};

#[test]
fn help_teaches_and_names_the_exit_codes() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!("help", sandbox.run(&["--help"]).ok());
    insta::assert_snapshot!("help_bench_run", sandbox.run(&["bench", "run", "--help"]).ok());
    insta::assert_snapshot!("help_evaluate", sandbox.run(&["evaluate", "--help"]).ok());
}

#[test]
fn each_failure_has_its_exit_code_and_a_hint() {
    let sandbox = Sandbox::new();
    sandbox.write("broken.root", b"root but not really");
    sandbox.write(
        "recipe.toml",
        b"format = \"fiducial-recipe/9\"\n[model]\n[training]\nepochs = 1\nbatch_size = 1\nlearning_rate = 1\n",
    );
    let check = |arguments: &[&str], code: i32, parts: &[&str]| {
        let Answer { code: found, stderr, .. } = sandbox.run(arguments);
        assert_eq!(found, code, "{arguments:?}: {stderr}");
        for part in parts {
            assert!(stderr.contains(part), "{arguments:?}: {stderr}");
        }
    };
    check(&["--no-such-option"], 2, &["--no-such-option"]);
    check(&["no-such-command"], 2, &["no program fiducial-no-such-command", "hint:"]);
    check(&["bench", "run", "no/such"], 2, &["find task \"no/such\"", "jet-tagging/top", "hint:"]);
    check(&["bench", "run", "jet-tagging/top", "--model", "nosuch"], 2, &["pfn", "hint:"]);
    check(&["inspect", "absent.root"], 3, &["absent.root"]);
    check(&["inspect", "broken.root"], 3, &["broken.root"]);
    check(&["train", "recipe.toml"], 3, &["recipe.toml", "fiducial-recipe/9"]);
    check(&["dataset", "verify", "."], 3, &["dataset.json"]);
    check(&["evaluate", "jet-tagging/top", "broken.root"], 3, &["broken.root"]);
}

#[test]
fn inspect_shows_the_sample() {
    let sandbox = Sandbox::new();
    let sample = common::benchmarks().join("jet-tagging/top/sample/top_tagging.root");
    let text = sandbox.run(&["inspect", sample.to_str().unwrap()]).ok();
    for part in ["tree tree", "40 000 entries", "part_px", "list<float32>"] {
        assert!(text.contains(part), "{text}");
    }
    let json = sandbox.run(&["inspect", "--json", sample.to_str().unwrap()]).ok();
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["trees"][0]["entries"], 40_000);
    common::validate(&sandbox, "inspect-1.json", &json);
}

#[test]
fn inspect_shows_what_objects_hold() {
    let sandbox = Sandbox::new();
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/../root/tests/fixtures/histograms.root");
    let text = sandbox.run(&["inspect", fixture]).ok();
    for part in
        ["plots/deep/h1f;1", "4 bins from 0 to 4, 60 entries, integral 49", "2 × 3 bins", "137.5", "3 points"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    let json = sandbox.run(&["inspect", "--json", fixture]).ok();
    common::validate(&sandbox, "inspect-1.json", &json);
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    let objects = value["objects"].as_array().unwrap();
    let named = |path: &str| objects.iter().find(|object| object["path"] == path).unwrap();
    let histogram = &named("plots/deep/h1_labels")["histogram"];
    assert_eq!(histogram["axes"][0]["labels"], serde_json::json!(["muon", "electron", "tau"]), "{histogram}");
    let nine = serde_json::json!(9.0);
    assert_eq!((&histogram["entries"], &histogram["integral"]), (&nine, &nine), "{histogram}");
    assert!(named("plots")["histogram"].is_null());
    // One object in full: a histogram in the UHI schema, another as its members.
    let uhi = sandbox.run(&["inspect", fixture, "--object", "plots/deep/h1_labels"]).ok();
    let uhi: serde_json::Value = serde_json::from_str(&uhi).unwrap();
    assert!(uhi["uhi_schema"] == 1 && uhi["axes"][0]["type"] == "category_str", "{uhi}");
    assert_eq!(sandbox.run(&["inspect", fixture, "--object", "floats"]).ok(), "[1.0,2.5]\n");
    let Answer { code, stderr, .. } = sandbox.run(&["inspect", fixture, "--object", "nothing"]);
    assert!(code == 3 && stderr.contains("object \"nothing\""), "{code}: {stderr}");
}

#[test]
fn inspect_says_of_each_column_its_type_or_why_it_cannot_be_read() {
    if !has_shared() {
        return;
    }
    let sandbox = Sandbox::new();
    for file in [
        "root/uproot-HZZ-objects.root",
        "root/nanoAOD_2015_CMS_Open_Data_ttbar.root",
        "rntuple/nano_dy_rntuple.root",
    ] {
        let path = shared().join(file);
        let json = sandbox.run(&["inspect", "--json", path.to_str().unwrap()]).ok();
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        let columns = value["trees"][0]["columns"].as_array().unwrap();
        assert!(!columns.is_empty());
        for column in columns {
            assert_ne!(column["arrow_type"].is_null(), column["unreadable"].is_null(), "{column}");
        }
    }
}

#[test]
fn completions_know_the_commands() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(sandbox.run(&["completions", shell]).ok().contains("inspect"), "{shell}");
    }
}

#[test]
fn an_unknown_command_runs_the_program_of_that_name() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = Sandbox::new();
    sandbox.write("fiducial-greet", b"#!/bin/sh\necho \"hello $1\"\nexit 7\n");
    let program = sandbox.path("fiducial-greet");
    std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let answer = sandbox.run(&["greet", "jets"]);
    assert_eq!((answer.code, answer.stdout.as_str()), (7, "hello jets\n"));
}
