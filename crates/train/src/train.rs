//! From a recipe, a view and a dataset to a model directory.
use std::path::Path;

use fiducial_data::batches::{Sampler, Standardisation, Tensors, quantity, tensors};
use fiducial_data::dataset::Dataset;
use fiducial_data::view::View;
use fiducial_models::{ComputeDevice, Loss, ModelConfig, Shape};

use crate::identity::code_version;
use crate::saved_model::{CHECKPOINT, check_groups, check_mask, check_view, input};
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
/// As [`fit`], where the view, the dataset and the model do not fit each other, and where `out` holds something else than a model.
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
    options.checkpoints.get_or_insert_with(|| out.join(CHECKPOINT));
    options.log.get_or_insert_with(|| out.join("log.jsonl"));
    if world.rank() == 0 {
        SavedModel::check_directory(out).inspect_err(|error| world.abort(&error.to_string()))?;
    }
    // Mistakes in the recipe come before anything is read.
    let Trained { model, loss, classes, standardisation, report } = match trees::config(recipe)? {
        Some(config) => grow(&config, world, recipe, view, dataset, &options, progress)?,
        None => {
            let ready =
                Ready::new(recipe, view, dataset).inspect_err(|error| world.abort(&error.to_string()))?;
            let Fitted { network, report } = fit_in(world, &ready.job(&recipe.training), &options, progress)?;
            let Ready { loss, data: Data { classes, standardisation, .. }, .. } = ready;
            Trained { model: Model::Network(network), loss, classes, standardisation, report }
        }
    };
    let name =
        recipe.path.file_stem().map_or_else(|| "model".into(), |name| name.to_string_lossy().into_owned());
    let info = ModelInfo {
        format: MODEL_FORMAT.to_owned(),
        name,
        kind: model.kind().to_owned(),
        parameters: report.parameters,
        classes: if loss.classifies() { classes } else { Vec::new() },
        loss,
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

/// What a training gives.
struct Trained {
    model: Model,
    loss: Loss,
    /// The view's.
    classes: Vec<String>,
    standardisation: Standardisation,
    report: TrainReport,
}

/// Grows boosted trees.
fn grow(
    config: &fiducial_trees::Config,
    world: &World,
    recipe: &Recipe,
    view: &View,
    dataset: &Dataset,
    options: &FitOptions,
    progress: &mut dyn FnMut(&Progress<'_>),
) -> Result<Trained, Error> {
    let refuse = |reason: &str| Err(Error::Fit { kind: trees::KIND, reason: reason.to_owned() });
    if !world.is_alone() {
        return refuse("they grow in one process");
    }
    if matches!(options.device, Some(ComputeDevice::Cuda(_))) {
        return refuse("they grow on the processor");
    }
    if recipe.start.is_some() {
        return refuse("they do not start from weights: leave out [start]");
    }
    if recipe.parameters.is_some() {
        return refuse("they read no group \"parameters\": leave out [parameters]");
    }
    let loss = recipe.loss.resolve(view, trees::KIND)?;
    let objective = trees::objective(&loss, view.classes().len(), view.targets().len())?;
    let columns = trees::columns(view)?;
    let mut data = Data::new(view, dataset, None)?;
    // Trees do not care for the scale of a target, and their file gives it in its units.
    data.standardisation.targets.clear();
    let Data { classes, standardisation, train, validation, sampler } = data;
    let training = &recipe.training;
    let (train, validation, sampler) = (&train, &validation, &sampler);
    let job = trees::Job {
        config,
        training,
        loss: &loss,
        objective,
        train,
        sampler,
        validation,
        classes: &classes,
    };
    let (mut booster, report) = trees::fit(&job, options, progress)?;
    booster.set_feature_names(columns)?;
    Ok(Trained { model: Model::Trees(booster), loss, classes, standardisation, report })
}

/// Both splits of a dataset as a view makes tensors of them.
pub(crate) struct Data {
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

    /// Standardises the targets, by what was measured of them before or is now.
    fn standardise_targets(&mut self, view: &View, dataset: &Dataset) -> Result<(), Error> {
        if view.targets().iter().any(|(name, _)| !self.standardisation.targets.contains_key(name)) {
            self.standardisation.targets = Standardisation::measure(view, dataset)?.targets;
        }
        let scales = target_scales(view, &self.standardisation);
        for tensors in [&mut self.train, &mut self.validation] {
            for row in tensors.targets.chunks_exact_mut(scales.len().max(1)) {
                for (target, (center, width)) in row.iter_mut().zip(&scales) {
                    *target = ((f64::from(*target) - center) / width) as f32;
                }
            }
        }
        Ok(())
    }
}

/// The centre and the width of each target: what a network's 0 and 1 stand for.
pub(crate) fn target_scales(view: &View, standardisation: &Standardisation) -> Vec<(f64, f64)> {
    let measured = view.targets().iter().map(|(name, _)| standardisation.targets.get(name));
    measured.map(|found| found.map_or((0.0, 1.0), |found| (found.center, found.scale.recip()))).collect()
}

/// All that a network's training needs, in memory.
pub(crate) struct Ready {
    model: ModelConfig,
    loss: Loss,
    start: Option<StartWeights>,
    data: Data,
    against: [Vec<f32>; 2],
    background: Option<u32>,
}

impl Ready {
    pub(crate) fn new(recipe: &Recipe, view: &View, dataset: &Dataset) -> Result<Self, Error> {
        let model = model_config(recipe, view)?;
        let kind = model.kind();
        let loss = recipe.loss.resolve(view, kind)?;
        let background = match &recipe.parameters {
            Some(_) if !model.reads().parameters => {
                let reason = "it reads no group \"parameters\": leave out [parameters]".to_owned();
                return Err(Error::Fit { kind, reason });
            }
            Some(table) => Some(table.resolve(view, kind)?),
            None => None,
        };
        let (start, earlier) = recipe.start.as_ref().map(start::read).transpose()?.unzip();
        let mut data = Data::new(view, dataset, earlier.flatten())?;
        if !loss.classifies() {
            data.standardise_targets(view, dataset)?;
        }
        let against = match &recipe.loss.decorrelation {
            None => [Vec::new(), Vec::new()],
            Some(table) => {
                let read = |split: &str| -> Result<Vec<f32>, Error> {
                    let values = quantity(view, dataset, split, &table.column)?;
                    Ok(values.into_iter().map(|value| value as f32).collect())
                };
                [read("train")?, read("validation")?]
            }
        };
        Ok(Self { model, loss, start, data, against, background })
    }

    pub(crate) fn job<'a>(&'a self, training: &'a Training) -> Job<'a> {
        Job {
            model: &self.model,
            loss: &self.loss,
            training,
            start: self.start.as_ref(),
            train: &self.data.train,
            sampler: Some(&self.data.sampler),
            validation: &self.data.validation,
            classes: &self.data.classes,
            against: [&self.against[0], &self.against[1]],
            background: self.background,
        }
    }
}

/// A recipe's model with the sizes that follow from the view and the loss.
///
/// # Errors
/// An unknown kind or key, a size that makes no sense, a view that lacks what the model reads or what the loss is about.
pub fn model_config(recipe: &Recipe, view: &View) -> Result<ModelConfig, Error> {
    let refuse = |reason: String| Error::Recipe { path: recipe.path.clone(), reason };
    let text = toml::to_string(&recipe.model).map_err(|error| refuse(error.to_string()))?;
    let model = ModelConfig::from_toml(&text).map_err(|error| refuse(error.to_string()))?;
    check_groups(view, &model)?;
    check_mask(view, &model)?;
    let loss = recipe.loss.resolve(view, model.kind())?;
    let model = model.for_data(shape(view, &loss))?;
    check_view(view, &model, &loss)?;
    Ok(model)
}

/// What a view gives a network and asks of it.
fn shape(view: &View, loss: &Loss) -> Shape {
    let variables = |name: &str| input(view, name).map_or(0, |group| group.variables.len());
    let [height, width] = input(view, "images").and_then(|group| group.shape).unwrap_or_default();
    Shape {
        features: variables("features"),
        globals: variables("globals"),
        parameters: variables("parameters"),
        image: [variables("images"), height, width],
        outputs: loss.outputs(view.classes().len(), view.targets().len()),
    }
}
