//! What is written follows the schemas in `schemas/`, and so do the recipes of the benchmarks.
#![allow(clippy::unwrap_used, clippy::panic)] // the helpers of tests are tests too
use std::fs;
use std::path::{Path, PathBuf};

use fiducial_data::batches::Standardisation;
use fiducial_data::view::View;
use fiducial_train::{
    Card, ExportOptions, ExportRecord, FitOptions, MODEL_FORMAT, MeasuredMetric, Measurement, Model,
    ModelInfo, Recipe, SavedModel, export, fit, model_config,
};
use serde_json::Value;

mod toy;
use toy::Toy;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn schema(name: &str) -> Value {
    let text = fs::read_to_string(root().join("schemas").join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The part of JSON Schema that our schemas use.
fn problems(root: &Value, schema: &Value, value: &Value, place: &str) -> Vec<String> {
    if let Some(name) = schema["$ref"].as_str() {
        return problems(root, &root["$defs"][name.trim_start_matches("#/$defs/")], value, place);
    }
    let mut found = Vec::new();
    let mut check = |holds: bool, what: &str| {
        if !holds {
            found.push(format!("{place} is no {what}: {value}"));
        }
    };
    let is = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("the type {other}"),
    };
    match &schema["type"] {
        Value::String(name) => check(is(name), name),
        Value::Array(names) => check(names.iter().any(|name| is(name.as_str().unwrap())), "such type"),
        _ => {}
    }
    if let Some(expected) = schema.get("const") {
        check(value == expected, "such constant");
    }
    if let Some(choices) = schema["enum"].as_array() {
        check(choices.contains(value), "such choice");
    }
    if let Some(least) = schema["minimum"].as_f64() {
        check(value.as_f64().is_none_or(|value| value >= least), "large enough number");
    }
    // What is no object is told so by its type, where it must be one.
    for name in schema["required"].as_array().into_iter().flatten().filter(|_| value.is_object()) {
        check(value.get(name.as_str().unwrap()).is_some(), &format!("object with {name}"));
    }
    for (name, inner) in value.as_object().into_iter().flatten() {
        let place = format!("{place}.{name}");
        match (schema["properties"].get(name), &schema["additionalProperties"]) {
            (Some(property), _) => found.extend(problems(root, property, inner, &place)),
            (None, Value::Bool(false)) => found.push(format!("{place} is not in the schema")),
            (None, Value::Object(_)) => {
                found.extend(problems(root, &schema["additionalProperties"], inner, &place));
            }
            (None, _) => {}
        }
    }
    for (index, inner) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(problems(root, &schema["items"], inner, &format!("{place}[{index}]")));
    }
    found
}

fn conforms(name: &str, value: &Value) {
    let schema = schema(name);
    assert_eq!(problems(&schema, &schema, value, name), Vec::<String>::new());
    // The check bites: a key too many is found.
    let mut more = value.clone();
    more.as_object_mut().unwrap().insert("unheard_of".into(), Value::Null);
    assert_eq!(problems(&schema, &schema, &more, name).len(), 1);
}

fn toml_value(path: &Path) -> Value {
    let table: toml::Table = toml::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    serde_json::to_value(table).unwrap()
}

#[test]
fn files_follow_their_schemas() {
    let dir = tempfile::tempdir().unwrap();
    let mut toy = Toy::new(toy::flow());
    toy.training.ema_decay = Some(0.9);
    let log = dir.path().join("log.jsonl");
    let options = FitOptions {
        checkpoints: Some(dir.path().into()),
        log: Some(log.clone()),
        log_every: 6,
        ..FitOptions::default()
    };
    let fitted = fit(&toy.job(), &options, &mut |_| {}).unwrap();
    conforms("checkpoint-1.json", &toml_value(&dir.path().join("checkpoint.toml")));

    let lines = schema("log-1.json");
    let mut seen = Vec::new();
    for line in fs::read_to_string(log).unwrap().lines() {
        let value: Value = serde_json::from_str(line).unwrap();
        let event = value["event"].as_str().unwrap().to_owned();
        assert_eq!(problems(&lines, &lines["$defs"][&event], &value, "line"), Vec::<String>::new());
        seen.push(event);
    }
    assert_eq!(seen, ["start", "epoch", "step", "epoch", "step", "epoch", "step", "epoch"]);

    let view = "format = \"fiducial-view/1\"\n[inputs.features]\nlength = 6\nvariables = [\"a\", \"b\", \"c\"]\n\
                [labels]\nclasses = { qcd = \"x == 0\", top = \"x == 1\" }";
    let info = ModelInfo {
        format: MODEL_FORMAT.into(),
        name: "toy".into(),
        kind: fitted.network.config().kind().into(),
        parameters: fitted.report.parameters,
        classes: toy.classes.clone(),
        loss: Default::default(),
        dataset: "toys".into(),
        dataset_version: String::new(),
        recipe: String::new(),
        seed: 3,
        code: "test".into(),
        files: Default::default(),
    };
    let mut saved = SavedModel {
        model: Model::Network(fitted.network),
        view: View::parse(view).unwrap(),
        standardisation: Standardisation::default(),
        info,
        training: Some(fitted.report),
    };
    let out = dir.path().join("model");
    saved.save(&out).unwrap();
    for (file, schema) in [("model.json", "model-1.json"), ("training.json", "training-1.json")] {
        conforms(schema, &serde_json::from_slice(&fs::read(out.join(file)).unwrap()).unwrap());
    }
    // A card with all that it may say.
    let metric = MeasuredMetric {
        key: "auc".into(),
        name: "AUC".into(),
        value: None,
        low: 0.5,
        high: None,
        events: 7,
    };
    let measured = Measurement {
        task: "toy".into(),
        dataset: "toys".into(),
        dataset_version: "00".into(),
        split: "test".into(),
        confidence: 0.68,
        metrics: vec![metric],
    };
    let said = Card { licence: Some("mit".into()), measured: vec![measured], ..Card::default() };
    said.write(&saved, &out).unwrap();
    assert_eq!(Card::read(&out).unwrap(), said);
    conforms("card-1.json", &serde_json::from_slice(&fs::read(out.join("card.json")).unwrap()).unwrap());
    let options = ExportOptions { preprocessing: false, rows: None, output: None, unproven: true };
    let (record, _) = export(&saved, &out, &options).unwrap();
    assert_eq!(ExportRecord::read(out.join("onnx")).unwrap(), Some(record));
    conforms(
        "export-1.json",
        &serde_json::from_slice(&fs::read(out.join("onnx/export.json")).unwrap()).unwrap(),
    );
    let back = SavedModel::load(&out).unwrap();
    let (back, report) = (back.training.unwrap(), saved.training.unwrap());
    assert_eq!((back.best_epoch, back.stopped, back.sessions), (report.best_epoch, report.stopped, 1));
    let card = fs::read_to_string(out.join("README.md")).unwrap();
    for part in [
        "| jets to train on | 150 |",
        "| epochs | 4 (all epochs done) |",
        "| energy |",
        "license: \"mit\"",
        "is_lower_limit: true",
        "| AUC | > 0.50000 |",
    ] {
        assert!(card.contains(part), "{card}");
    }
}

/// Each recipe in the guide can be read, and so can each key of its table.
#[test]
fn the_recipes_of_the_guide_are_sound() {
    let guide = fs::read_to_string(root().join("docs/guides/training.md")).unwrap();
    let blocks: Vec<&str> =
        guide.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 4, "{}", blocks.len());
    for block in blocks {
        // What shows some tables only stands for the rest too.
        let mut text = block.to_owned();
        for (key, filling) in [
            ("format =", "format = \"fiducial-recipe/1\"\n"),
            ("[training]", "[training]\nepochs = 10\nbatch_size = 256\nlearning_rate = 1e-3\n"),
            ("[model]", "[model]\nkind = \"particle-flow-network\"\n"),
        ] {
            if !block.contains(key) {
                text =
                    if key == "format =" { format!("{filling}{text}") } else { format!("{text}\n{filling}") };
            }
        }
        let recipe = Recipe::parse(&text, Path::new("guide.toml"));
        assert!(recipe.is_ok(), "{}\n{text}", recipe.unwrap_err());
        let table: toml::Table = toml::from_str(&text).unwrap();
        conforms("recipe-1.json", &serde_json::to_value(table).unwrap());
    }
    let keys = schema("recipe-1.json")["properties"]["training"]["properties"].as_object().unwrap().clone();
    for key in keys.keys() {
        assert!(guide.contains(&format!("| `{key}` |")), "the guide says nothing of {key}");
    }
}

#[test]
fn the_recipes_of_the_benchmarks_are_sound() {
    let top = root().join("benchmarks/jet-tagging/top");
    let view = View::read(top.join("view.toml")).unwrap();
    let networks = ["pfn", "particlenet", "part", "efn", "transformer", "lorentznet", "lgatr-slim"];
    let losses = ["pfn-disco", "pfn-focal", "pfn-smoothing"];
    let names = networks.into_iter().chain(losses).chain(["trees"]);
    for name in names {
        let path = top.join("recipes").join(format!("{name}.toml"));
        conforms("recipe-1.json", &toml_value(&path));
        let recipe = Recipe::load(&path).unwrap();
        if name != "trees" {
            model_config(&recipe, &view).unwrap();
        }
        let files = recipe.data.unwrap().files().unwrap();
        assert!(!files.is_empty() && files.iter().all(|file| file.is_file()), "{name}: {files:?}");
        assert!(recipe.view.unwrap().is_file());
    }
}
