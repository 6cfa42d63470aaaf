//! A model directory comes back as it was, and nothing else is taken for one.
#![allow(clippy::unwrap_used, clippy::panic)] // the helpers of tests are tests too
use std::fs;
use std::path::Path;

use fiducial_data::batches::Standardisation;
use fiducial_data::view::View;
use fiducial_models::{ModelConfig, Network};
use fiducial_train::{MODEL_FORMAT, Model, ModelInfo, Recipe, SavedModel, model_config};

const VIEW: &str = r#"
format = "fiducial-view/1"
[inputs.points]
length = 8
variables = ["x", "y"]
[inputs.features]
length = 8
variables = ["x", { name = "y", center = 1.0, scale = 2.0 }, "energy"]
[inputs.mask]
length = 8
variables = ["one"]
[labels]
classes = { qcd = "label == 0", top = "label == 1" }
"#;

const MODEL: &str = "kind = \"particle-net\"\nconvolutions = [[4]]\nneighbours = 2\nhead = [4]";

fn saved(view: &str) -> SavedModel {
    let config = ModelConfig::from_toml(MODEL).unwrap().with_shape(3, 2).unwrap();
    let network = Network::new(&config, 3).unwrap();
    let info = ModelInfo {
        format: MODEL_FORMAT.into(),
        name: "toy".into(),
        kind: config.kind().into(),
        parameters: network.parameters(),
        classes: vec!["qcd".into(), "top".into()],
        loss: Default::default(),
        dataset: "toys".into(),
        dataset_version: "00".repeat(32),
        recipe: String::new(),
        seed: 3,
        code: "test".into(),
        files: Default::default(),
    };
    let standardisation = Standardisation::default();
    let model = Model::Network(network);
    SavedModel { model, view: View::parse(view).unwrap(), standardisation, info, training: None }
}

#[test]
fn it_comes_back_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let mut model = saved(VIEW);
    model.save(dir.path()).unwrap();
    let back = SavedModel::load(dir.path()).unwrap();
    assert_eq!(back.info, model.info);
    assert_eq!(back.info.files.len(), 4);
    assert_eq!(back.view.text(), VIEW);
    let weights = |saved: &SavedModel| saved.model.network("weights").unwrap().to_safetensors().unwrap();
    assert_eq!(weights(&back), weights(&model));
    let card = fs::read_to_string(dir.path().join("README.md")).unwrap();
    assert!(card.starts_with("---\nlibrary_name: fiducial\n"), "{card}");
    assert!(
        card.contains("Classes: qcd, top.") && card.contains("| features | 8 | x, y, energy |"),
        "{card}"
    );
    // Twice into the same place gives the same bytes.
    let before = fs::read(dir.path().join("model.json")).unwrap();
    model.save(dir.path()).unwrap();
    assert_eq!(fs::read(dir.path().join("model.json")).unwrap(), before);
}

#[test]
fn a_damaged_directory_is_refused() {
    let check = |damage: fn(&Path), message: &str| {
        let dir = tempfile::tempdir().unwrap();
        saved(VIEW).save(dir.path()).unwrap();
        damage(dir.path());
        let error = SavedModel::load(dir.path()).unwrap_err().to_string();
        assert!(error.contains(message), "{error} lacks {message}");
    };
    fn replace(path: &Path, from: &str, to: &str) {
        let text = fs::read_to_string(path).unwrap();
        assert!(text.contains(from), "{from}");
        fs::write(path, text.replace(from, to)).unwrap();
    }
    check(|dir| fs::remove_file(dir.join("model.json")).unwrap(), "model.json");
    check(|dir| fs::remove_file(dir.join("view.toml")).unwrap(), "view.toml");
    check(|dir| replace(&dir.join("view.toml"), "2.0", "3.0"), "view.toml: its sha256 is");
    check(|dir| fs::write(dir.join("model.safetensors"), "").unwrap(), "model.safetensors: its sha256 is");
    check(|dir| replace(&dir.join("model.json"), "model/1", "model/2"), "not \"fiducial-model/1\"");
    check(|dir| replace(&dir.join("model.json"), "\"seed\"", "\"sead\""), "unknown field `sead`");
    check(|dir| replace(&dir.join("model.json"), "\"model.toml\"", "\"model.tom\""), "says nothing of it");
}

#[test]
fn a_view_that_does_not_feed_the_network_is_refused() {
    let check = |from: &str, to: &str, message: &str| {
        let view = VIEW.replace(from, to);
        assert_ne!(view, VIEW);
        let dir = tempfile::tempdir().unwrap();
        saved(&view).save(dir.path()).unwrap();
        let error = SavedModel::load(dir.path()).unwrap_err().to_string();
        assert!(error.contains(message), "{error} lacks {message}");
    };
    check(
        "[inputs.points]",
        "[inputs.pints]",
        "feed a particle-net from the view: the view has no input group \"points\"",
    );
    check(", \"energy\"", "", "the view's group \"features\" has 2 variables, not 3");
    check(
        "length = 8\nvariables = [\"one\"]",
        "length = 9\nvariables = [\"one\"]",
        "\"mask\" has the length 9, others that the network reads have 8",
    );
    check(", top =", ", b = \"label == 2\", top =", "the view has 3 classes, the network 2");
    check(
        "[inputs.features]",
        "[inputs.features]\nstandardise = \"measure\"",
        "standardisation.json: it lacks the variable",
    );
}

#[test]
fn a_recipe_and_a_view_make_a_configuration() {
    let recipe = |model: &str| {
        let text = format!(
            "format = \"fiducial-recipe/1\"\n[model]\n{model}\n[training]\nepochs = 1\nbatch_size = 2\nlearning_rate = 1.0"
        );
        Recipe::parse(&text, Path::new("a.toml")).unwrap()
    };
    let view = View::parse(VIEW).unwrap();
    let config = model_config(&recipe(MODEL), &view).unwrap();
    assert_eq!((config.features(), config.outputs()), (3, 2));
    let check = |model: &str, message: &str| {
        let error = model_config(&recipe(model), &view).unwrap_err().to_string();
        assert!(error.contains(message), "{error} lacks {message}");
    };
    check("kind = \"particle-network\"", "read recipe a.toml: ");
    check(&MODEL.replace("neighbours", "neighbors"), "unknown field `neighbors`");
    check("kind = \"particle-transformer\"", "no input group \"vectors\"");

    // weaver's names are found, and without a mask nobody could tell padding from constituents.
    let weavers = View::parse(&VIEW.replace("[inputs.", "[inputs.pf_")).unwrap();
    assert_eq!(model_config(&recipe(MODEL), &weavers).unwrap().features(), 3);
    let maskless = View::parse(&VIEW.replace("[inputs.mask]", "[inputs.other]")).unwrap();
    let error = model_config(&recipe(MODEL), &maskless).unwrap_err().to_string();
    assert!(error.contains("inputs.mask = { length = 8, variables = [\"mask\"] }"), "{error}");
}

/// `train -o DATASET` put a model among a dataset's files and its card over the dataset's.
#[test]
fn a_directory_of_something_else_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("README.md"), "a dataset").unwrap();
    let error = saved(VIEW).save(dir.path()).unwrap_err().to_string();
    assert!(error.contains("it holds README.md, and neither a model nor a training"), "{error}");
    assert_eq!(fs::read_to_string(dir.path().join("README.md")).unwrap(), "a dataset");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    // A training that was interrupted while it wrote the model, and a model that is there.
    fs::create_dir(dir.path().join("checkpoint")).unwrap();
    saved(VIEW).save(dir.path()).unwrap();
    fs::remove_dir(dir.path().join("checkpoint")).unwrap();
    saved(VIEW).save(dir.path()).unwrap();
}

#[test]
fn a_save_that_was_killed_is_made_again() {
    let names = |path: &Path| -> Vec<String> {
        let entries = fs::read_dir(path).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let (whole, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    saved(VIEW).save(whole.path()).unwrap();
    // Killed at the last step and at the first, of a new model and of one that replaces another: nothing can be written to a file
    // whose temporary name is that of a directory.
    for obstacle in ["model.json", "model.safetensors", "README.md", "model.json"] {
        let obstacle = dir.path().join(format!(".{obstacle}.tmp"));
        fs::create_dir(&obstacle).unwrap();
        saved(VIEW).save(dir.path()).unwrap_err();
        fs::remove_dir(&obstacle).unwrap();
        assert!(SavedModel::load(dir.path()).is_err(), "half a model is none");
        saved(VIEW).save(dir.path()).unwrap();
        assert_eq!(names(dir.path()), names(whole.path()));
        SavedModel::load(dir.path()).unwrap();
    }
}
