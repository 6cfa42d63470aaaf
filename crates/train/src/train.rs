//! From a recipe, a view and a dataset to a model directory.
use std::path::Path;

use fiducial_data::batches::{Sampler, Standardisation, Tensors, tensors};
use fiducial_data::dataset::Dataset;
use fiducial_data::view::View;
use fiducial_models::{ModelConfig, Shape};

use crate::fit::code_version;
use crate::saved_model::{check_groups, check_view};
use crate::{Error, FitOptions, Fitted, Job, MODEL_FORMAT, ModelInfo, Progress, Recipe, SavedModel, fit};

/// Trains a recipe's model on a dataset and writes the model's directory.
///
/// The standardisation is measured on the split `train`; the split `validation` decides on the best epoch. Unless the
/// options name another place, checkpoints are kept in `out/checkpoint`. Run again, it goes on from there.
///
/// # Errors
/// As [`fit`], and where the view, the dataset and the model do not fit each other.
pub fn train(
    recipe: &Recipe,
    view: &View,
    dataset: &Dataset,
    out: impl AsRef<Path>,
    options: &FitOptions,
    progress: &mut dyn FnMut(&Progress<'_>),
) -> Result<SavedModel, Error> {
    let out = out.as_ref();
    let model = model_config(recipe, view)?;
    let classes: Vec<String> = view.classes().iter().map(|class| class.name.clone()).collect();
    let standardisation = Standardisation::measure(view, dataset)?;
    let read =
        |split: &str| -> Result<Tensors, Error> { Ok(tensors(view, &standardisation, dataset, split)?) };
    let (train, validation) = (read("train")?, read("validation")?);
    let sampler = Sampler::new(view, dataset, "train")?;
    let mut options = options.clone();
    options.checkpoints.get_or_insert_with(|| out.join("checkpoint"));
    let job = Job {
        model: &model,
        training: &recipe.training,
        train: &train,
        sampler: Some(&sampler),
        validation: &validation,
        classes: &classes,
    };
    let Fitted { network, report } = fit(&job, &options, progress)?;
    let name =
        recipe.path.file_stem().map_or_else(|| "model".into(), |name| name.to_string_lossy().into_owned());
    let info = ModelInfo {
        format: MODEL_FORMAT.to_owned(),
        name,
        kind: model.kind().to_owned(),
        parameters: report.parameters,
        classes,
        dataset: dataset.manifest().about.name.clone(),
        dataset_version: dataset.version().to_owned(),
        recipe: recipe.text.clone(),
        seed: recipe.training.seed,
        code: code_version().to_owned(),
        files: std::collections::BTreeMap::new(),
    };
    let mut saved = SavedModel { network, view: view.clone(), standardisation, info, training: Some(report) };
    saved.save(out)?;
    Ok(saved)
}

/// A recipe's model with the sizes that the view gives.
///
/// # Errors
/// An unknown kind or key, a size that makes no sense, a view that lacks what the model reads.
pub fn model_config(recipe: &Recipe, view: &View) -> Result<ModelConfig, Error> {
    let refuse = |reason: String| Error::Recipe { path: recipe.path.clone(), reason };
    let text = toml::to_string(&recipe.model).map_err(|error| refuse(error.to_string()))?;
    let model = ModelConfig::from_toml(&text).map_err(|error| refuse(error.to_string()))?;
    check_groups(view, &model)?;
    let model = model.for_data(shape(view))?;
    check_view(view, &model)?;
    Ok(model)
}

/// What a view gives a network and asks of it.
fn shape(view: &View) -> Shape {
    let variables = |name: &str| view.input(name).map_or(0, |group| group.variables.len());
    let [height, width] = view.input("images").and_then(|group| group.shape).unwrap_or_default();
    Shape {
        features: variables("features"),
        globals: variables("globals"),
        parameters: variables("parameters"),
        image: [variables("images"), height, width],
        outputs: view.classes().len(),
    }
}
