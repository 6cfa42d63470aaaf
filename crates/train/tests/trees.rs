//! Boosted trees go the way of a network: recipe, training, model directory, prediction.
#![allow(clippy::unwrap_used, clippy::panic)] // the helpers of tests are tests too
mod toy;

use std::fs;
use std::path::Path;

use fiducial_data::batches::tensors;
use fiducial_data::dataset::Dataset;
use fiducial_data::view::View;
use fiducial_train::{Faults, FitOptions, Recipe, SavedModel, train};

const VIEW: &str = r#"
format = "fiducial-view/1"
[splits]
fractions = { train = 0.6, validation = 0.2, test = 0.2 }
seed = 1
[inputs.globals]
standardise = "measure"
variables = ["mass", "tau21", "pt"]
[labels]
classes = { CLASSES }
[weights]
event = "weight"
"#;

const RECIPE: &str = r#"
format = "fiducial-recipe/1"
[model]
kind = "boosted-trees"
max_depth = 3
subsample = 0.7
[training]
epochs = 25
learning_rate = 0.2
patience = 5
"#;

/// Jets whose mass and tau21 tell their class; some weigh less than nothing.
fn jets(rows: usize) -> String {
    let mut uniform = toy::uniforms(7);
    let mut text = "mass,tau21,pt,label,weight\n".to_owned();
    for row in 0..rows {
        let label = row % 3;
        let mass = [40.0, 90.0, 170.0][label] + 120.0 * (uniform() - 0.5);
        let tau = [0.7, 0.4, 0.5][label] + 0.4 * (uniform() - 0.5);
        let weight = if row % 10 == 0 { -0.5 } else { 1.0 };
        text.push_str(&format!("{mass:.4},{tau:.4},{:.4},{label},{weight}\n", 300.0 + 200.0 * uniform()));
    }
    text
}

fn prepared(directory: &Path, classes: &str) -> (View, Dataset) {
    let view = View::parse(&VIEW.replace("CLASSES", classes)).unwrap();
    let dataset = toy::prepared(&view, &jets(3000), directory);
    (view, dataset)
}

const THREE: &str = r#"qcd = "label == 0", w = "label == 1", top = "label == 2""#;
const TWO: &str = r#"other = "label != 2", top = "label == 2""#;

#[test]
fn they_learn_are_saved_and_predict() {
    for (classes, number) in [(TWO, 2), (THREE, 3)] {
        let dir = tempfile::tempdir().unwrap();
        let (view, dataset) = prepared(dir.path(), classes);
        let recipe = Recipe::parse(RECIPE, Path::new("bdt.toml")).unwrap();
        let out = dir.path().join("model");
        let mut rounds = 0;
        let mut count = |_: &fiducial_train::Progress<'_>| rounds += 1;
        let saved = train(&recipe, &view, &dataset, &out, &FitOptions::default(), &mut count).unwrap();
        let report = saved.training.as_ref().unwrap();
        assert_eq!(rounds, report.history.len());
        assert_eq!(saved.model.trees().unwrap().rounds(), report.best_epoch);

        let back = SavedModel::load(&out).unwrap();
        let test = tensors(&view, &back.standardisation, &dataset, "test").unwrap();
        let scores = back.predict(&test).unwrap();
        assert_eq!(scores, saved.predict(&test).unwrap());
        assert_eq!(scores.len(), test.rows() * number);
        let right = scores.chunks(number).zip(&test.labels).filter(|(scores, label)| {
            assert!((scores.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            scores.iter().all(|score| *score <= scores[**label as usize])
        });
        let accuracy = right.count() as f64 / test.rows() as f64;
        assert!(accuracy > 0.8, "{accuracy}");

        assert_eq!(back.model.trees().unwrap().feature_names(), ["mass", "tau21", "pt"]);
        let card = fs::read_to_string(out.join("README.md")).unwrap();
        assert!(card.contains("## What the trees split on") && card.contains("| mass | "), "{card}");
        let error = back.model.network("ONNX").unwrap_err().to_string();
        assert!(error.contains("ONNX is there for networks only"), "{error}");

        // The record of the training says what the saved model scores.
        let validation = tensors(&view, &back.standardisation, &dataset, "validation").unwrap();
        let scores = back.predict(&validation).unwrap();
        let (mut loss, mut weights) = (0.0, 0.0);
        for ((scores, &label), &weight) in
            scores.chunks(number).zip(&validation.labels).zip(&validation.weights)
        {
            loss -= f64::from(weight) * scores[label as usize].ln();
            weights += f64::from(weight.abs());
        }
        let expected = report.best().unwrap().validation_loss;
        assert!((loss / weights - expected).abs() < 1e-9, "{} {expected}", loss / weights);
    }
}

#[test]
fn an_interrupted_training_ends_with_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let (view, dataset) = prepared(dir.path(), THREE);
    let recipe = Recipe::parse(RECIPE, Path::new("bdt.toml")).unwrap();
    let run = |name: &str, options: &FitOptions| {
        let out = dir.path().join(name);
        train(&recipe, &view, &dataset, &out, options, &mut |_| {})
            .map(|_| fs::read(out.join("trees.json")).unwrap())
    };
    let whole = run("whole", &FitOptions::default()).unwrap();
    let options = |faults: Faults| FitOptions {
        checkpoint_every: std::time::Duration::ZERO,
        faults,
        ..FitOptions::default()
    };
    run("killed", &options(toy::stop_after(7))).unwrap_err();
    assert_eq!(run("killed", &options(Faults::default())).unwrap(), whole);
    let saved = SavedModel::load(dir.path().join("killed")).unwrap();
    assert_eq!(saved.training.unwrap().sessions, 2);
}

#[test]
fn mistakes_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let (view, dataset) = prepared(dir.path(), TWO);
    let check = |from: &str, to: &str, message: &str| {
        let text = RECIPE.replace(from, to);
        assert_ne!(text, RECIPE);
        let out = dir.path().join("model");
        let result = Recipe::parse(&text, Path::new("bdt.toml"))
            .and_then(|recipe| train(&recipe, &view, &dataset, &out, &FitOptions::default(), &mut |_| {}));
        let error = result.unwrap_err().to_string();
        assert!(error.contains(message), "{error} lacks {message}");
    };
    check("max_depth = 3", "depth = 3", "unknown field `depth`");
    check("max_depth = 3", "max_depth = 0", "max_depth = 0: it must lie between 1 and 20");
    check("max_depth = 3", "seed = 3", "`model.seed` stands in [training]");
    check("patience = 5", "weight_decay = 0.1", "`training.weight_decay` is nothing that boosted-trees have");
    check("epochs = 25", "epochs = 0", "training.epochs = 0");
    check("epochs = 25\n", "", "missing field `epochs`");
    check("patience = 5", "class_weights = { w = 2.0 }", "the view has no such class");
}
