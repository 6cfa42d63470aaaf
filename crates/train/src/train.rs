//! From a recipe, a view and a dataset to a model directory.
use std::path::Path;

use fiducial_data::batches::{Sampler, Standardisation, Tensors, tensors};
use fiducial_data::dataset::Dataset;
use fiducial_data::view::View;
use fiducial_models::{ModelConfig, Shape};

use crate::identity::code_version;
use crate::saved_model::{check_groups, check_view};
use crate::{
    Error, FitOptions, Fitted, Job, MODEL_FORMAT, Model, ModelInfo, Progress, Recipe, SavedModel,
    StartWeights, TrainReport, Training, World, fit_in, start, trees,
};

/// Trains a recipe's model on a dataset and writes the model's directory.
///
/// The standardisation is measured on the split `train`; the split `validation` decides on the best epoch. Unless the
/// options name another place, checkpoints are kept in `out/checkpoint` and the log is `out/log.jsonl`. Run again, it goes
/// on from there. A recipe that starts from a model directory uses that model's standardisation.
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
    train_in(&mut World::alone(), recipe, view, dataset, out, options, progress)
}

/// As [`train`], in one of the processes of `world`. Rank 0 alone writes the directory.
///
/// # Errors
/// As [`train`], and when another process cannot go on.
#[allow(clippy::too_many_arguments, reason = "as `train`, and the world")]
pub fn train_in(
    world: &mut World,
    recipe: &Recipe,
    view: &View,
    dataset: &Dataset,
    out: impl AsRef<Path>,
    options: &FitOptions,
    progress: &mut dyn FnMut(&Progress<'_>),
) -> Result<SavedModel, Error> {
    let out = out.as_ref();
    let mut options = options.clone();
    options.checkpoints.get_or_insert_with(|| out.join("checkpoint"));
    options.log.get_or_insert_with(|| out.join("log.jsonl"));
    // Mistakes in the recipe come before anything is read.
    let (model, classes, standardisation, report) = match trees::config(recipe)? {
        Some(config) => grow(&config, world, recipe, view, dataset, &options, progress)?,
        None => {
            let ready =
                Ready::new(recipe, view, dataset).inspect_err(|error| world.abort(&error.to_string()))?;
            let job = ready.job(&recipe.training);
            let Fitted { network, report } = fit_in(world, &job, &options, progress)?;
            (Model::Network(network), ready.classes, ready.standardisation, report)
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
    if world.rank() == 0 {
        saved.save(out)?;
    }
    Ok(saved)
}

/// Grows boosted trees: with the classes, the standardisation and the record.
fn grow(
    config: &fiducial_trees::Config,
    world: &World,
    recipe: &Recipe,
    view: &View,
    dataset: &Dataset,
    options: &FitOptions,
    progress: &mut dyn FnMut(&Progress<'_>),
) -> Result<(Model, Vec<String>, Standardisation, TrainReport), Error> {
    let refuse = |reason: &str| Err(Error::Fit { kind: trees::KIND, reason: reason.to_owned() });
    if !world.is_alone() {
        return refuse("they grow in one process");
    }
    if recipe.start.is_some() {
        return refuse("they do not start from weights: leave out [start]");
    }
    let columns = trees::columns(view)?;
    let data = Data::new(view, dataset, None)?;
    let Data { classes, standardisation, train, validation, sampler } = data;
    let training = &recipe.training;
    let (train, validation, sampler) = (&train, &validation, &sampler);
    let job = trees::Job { config, training, train, sampler, validation, classes: &classes };
    let (mut booster, report) = trees::fit(&job, options, progress)?;
    booster.set_feature_names(columns)?;
    Ok((Model::Trees(booster), classes, standardisation, report))
}

/// Both splits of a dataset as a view makes tensors of them.
struct Data {
    classes: Vec<String>,
    standardisation: Standardisation,
    train: Tensors,
    validation: Tensors,
    sampler: Sampler,
}

impl Data {
    /// With a standardisation of before, or one that is measured now.
    fn new(view: &View, dataset: &Dataset, earlier: Option<Standardisation>) -> Result<Self, Error> {
        let classes = view.classes().iter().map(|class| class.name.clone()).collect();
        let standardisation = match earlier {
            Some(earlier) => earlier,
            None => Standardisation::measure(view, dataset)?,
        };
        let read =
            |split: &str| -> Result<Tensors, Error> { Ok(tensors(view, &standardisation, dataset, split)?) };
        let (train, validation) = (read("train")?, read("validation")?);
        let sampler = Sampler::new(view, dataset, "train")?;
        Ok(Self { classes, standardisation, train, validation, sampler })
    }
}

/// All that a network's training needs, in memory.
pub(crate) struct Ready {
    pub(crate) model: ModelConfig,
    pub(crate) classes: Vec<String>,
    pub(crate) standardisation: Standardisation,
    pub(crate) start: Option<StartWeights>,
    pub(crate) train: Tensors,
    pub(crate) validation: Tensors,
    pub(crate) sampler: Sampler,
}

impl Ready {
    pub(crate) fn new(recipe: &Recipe, view: &View, dataset: &Dataset) -> Result<Self, Error> {
        let model = model_config(recipe, view)?;
        let (start, earlier) = recipe.start.as_ref().map(start::read).transpose()?.unzip();
        let data = Data::new(view, dataset, earlier.flatten())?;
        let Data { classes, standardisation, train, validation, sampler } = data;
        Ok(Self { model, classes, standardisation, start, train, validation, sampler })
    }

    pub(crate) fn job<'a>(&'a self, training: &'a Training) -> Job<'a> {
        Job {
            model: &self.model,
            training,
            start: self.start.as_ref(),
            train: &self.train,
            sampler: Some(&self.sampler),
            validation: &self.validation,
            classes: &self.classes,
        }
    }
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
