//! From a recipe, a view and a dataset to a model directory.
use std::path::Path;

use fiducial_data::batches::{Sampler, Standardisation, Tensors, tensors};
use fiducial_data::dataset::Dataset;
use fiducial_data::view::View;
use fiducial_models::ModelConfig;

use crate::fit::code_version;
use crate::saved_model::check_view;
use crate::{
    Error, FitOptions, Fitted, Job, MODEL_FORMAT, Model, ModelInfo, Progress, Recipe, SavedModel, fit, trees,
};

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
    // Mistakes in the recipe come before anything is read.
    let grower = trees::config(recipe)?;
    let config = if grower.is_none() { Some(model_config(recipe, view)?) } else { None };
    let columns = grower.is_some().then(|| trees::columns(view)).transpose()?;
    let classes: Vec<String> = view.classes().iter().map(|class| class.name.clone()).collect();
    let standardisation = Standardisation::measure(view, dataset)?;
    let read =
        |split: &str| -> Result<Tensors, Error> { Ok(tensors(view, &standardisation, dataset, split)?) };
    let (train, validation) = (read("train")?, read("validation")?);
    let sampler = Sampler::new(view, dataset, "train")?;
    let mut options = options.clone();
    options.checkpoints.get_or_insert_with(|| out.join("checkpoint"));
    let training = &recipe.training;
    let (train, validation) = (&train, &validation);
    let (model, report) = match (config, grower) {
        (Some(model), _) => {
            let sampler = Some(&sampler);
            let job = Job { model: &model, training, train, sampler, validation, classes: &classes };
            let Fitted { network, report } = fit(&job, &options, progress)?;
            (Model::Network(network), report)
        }
        (None, grower) => {
            let config = &grower.unwrap_or_default();
            let job =
                trees::Job { config, training, train, sampler: &sampler, validation, classes: &classes };
            let (mut booster, report) = trees::fit(&job, &options, progress)?;
            booster.set_feature_names(columns.unwrap_or_default())?;
            (Model::Trees(booster), report)
        }
    };
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
    let mut saved = SavedModel { model, view: view.clone(), standardisation, info, training: Some(report) };
    saved.save(out)?;
    Ok(saved)
}

/// A recipe's model with the numbers of features and classes that the view gives.
///
/// # Errors
/// An unknown kind or key, a size that makes no sense, a view that lacks what the model reads.
pub fn model_config(recipe: &Recipe, view: &View) -> Result<ModelConfig, Error> {
    let refuse = |reason: String| Error::Recipe { path: recipe.path.clone(), reason };
    let text = toml::to_string(&recipe.model).map_err(|error| refuse(error.to_string()))?;
    let features = view.input("features").map_or(0, |group| group.variables.len());
    let model = ModelConfig::from_toml(&text).map_err(|error| refuse(error.to_string()))?;
    let model = model.with_shape(features, view.classes().len())?;
    check_view(view, &model)?;
    Ok(model)
}
