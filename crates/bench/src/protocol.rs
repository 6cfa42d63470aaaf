//! The protocol of a run: data, training, predictions, metrics, report.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fiducial_data::batches::{Tensors, tensors};
use fiducial_data::dataset::{About, Dataset};
use fiducial_data::prepare::{self, PrepareOptions, prepare_or_reuse};
use fiducial_data::view::View;
use fiducial_metrics::Bootstrap;
use fiducial_models::ComputeDevice;
use fiducial_train::resources::{Meter, Resources};
use fiducial_train::{Card, FitOptions, MeasuredMetric, Measurement, Recipe, SavedModel};

use crate::record::{DatasetRecord, Losses, Machine, Request, RunRecord, Versions};
use crate::{
    Error, Metrics, Predictions, RUN_FORMAT, Task, Truth, evaluate, explain, files, full, report, summary,
};

/// The split that is measured.
pub const TEST_SPLIT: &str = "test";

/// The replicas and the seed of every interval. The seed is not the run's: two models that are scored on the same
/// events see the same replicas.
pub const BOOTSTRAP: Bootstrap = Bootstrap { replicas: 1000, seed: 0 };

/// Which data a task is run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataChoice {
    /// The embedded sample.
    Sample,
    /// The full data set, which is fetched.
    Full,
}

impl DataChoice {
    /// Its name in records and directories.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sample => "sample",
            Self::Full => "full",
        }
    }
}

/// What to run, and where.
#[derive(Debug)]
pub struct RunOptions {
    /// The task.
    pub task: Task,
    /// A recipe of the task, or a recipe file; the baseline where there is none.
    pub model: Option<String>,
    /// The seed.
    pub seed: u64,
    /// The data.
    pub data: DataChoice,
    /// The directory of the run; none for `runs/TASK/MODEL-DATA-seedN`.
    pub out: Option<PathBuf>,
    /// Throw away what the directory holds of an earlier run.
    pub fresh: bool,
    /// Where the network computes; none for the best that is there.
    pub device: Option<ComputeDevice>,
    /// The command that does it again, for the record.
    pub command: String,
}

/// How far a run is.
#[derive(Debug)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// Where the run is kept, and whether it goes on with what an interrupted one left.
    Started {
        /// The directory.
        out: &'a Path,
        /// The name of the model.
        model: &'a str,
    },
    /// The full data is being fetched.
    Fetching {
        /// Bytes that are there.
        bytes: u64,
        /// Bytes in all, where the server tells.
        total: Option<u64>,
    },
    /// The dataset is being prepared.
    Preparing(prepare::Progress),
    /// The dataset is there.
    Prepared(&'a Dataset),
    /// The model is being trained.
    Training(&'a fiducial_train::Progress<'a>),
    /// The model is there.
    Trained(&'a SavedModel),
    /// Predictions are made and measured.
    Evaluating,
    /// What the scores rest on is measured.
    Explaining,
}

/// What a run leaves.
#[derive(Debug)]
pub struct Outcome {
    /// The record.
    pub record: RunRecord,
    /// The directory.
    pub out: PathBuf,
    /// Whether it was finished before.
    pub is_reused: bool,
}

impl Outcome {
    /// The report's path.
    pub fn report(&self) -> PathBuf {
        self.out.join("report.html")
    }
}

/// Runs a task: prepares its data, trains, predicts the test split, measures, and writes the report.
///
/// The directory then holds `dataset/`, `model/`, `predictions.parquet`, `metrics.json`, `report.html` and, written last,
/// `run.json`. A run that was interrupted goes on where it was; one that is finished is given back as it is.
///
/// # Errors
/// If the directory holds another run, and whatever the steps fail with.
pub fn run(options: &RunOptions, progress: &mut dyn FnMut(Progress<'_>)) -> Result<Outcome, Error> {
    let total = Meter::start();
    let task = &options.task;
    let (model, mut recipe) = task.recipe(options.model.as_deref())?;
    recipe.training.seed = options.seed;
    classifies(task, &recipe)?;
    let view = match options.data {
        DataChoice::Sample => task.view.clone(),
        DataChoice::Full => full::view(task)?,
    };
    let request = Request {
        task: task.about.name.clone(),
        model: model.clone(),
        seed: options.seed,
        data: options.data.name().to_owned(),
        recipe: recipe.text.clone(),
        view: view.text().to_owned(),
    };
    let out = options.out.clone().unwrap_or_else(|| default_directory(&request));
    let _lock = claim(&out, &request, options.fresh)?;
    if let Some(record) = RunRecord::read(&out)? {
        return Ok(Outcome { record, out, is_reused: true });
    }
    progress(Progress::Started { out: &out, model: &model });

    let meter = Meter::start();
    let dataset = dataset(options, &view, &out.join("dataset"), progress)?;
    let mut resources = BTreeMap::from([("prepare".to_owned(), meter.read())]);
    progress(Progress::Prepared(&dataset));

    let saved = trained(&recipe, &view, &dataset, &out, options.device, progress)?;
    let saved = saved.on(options.device.unwrap_or_else(ComputeDevice::best))?;
    if let Some(training) = &saved.training {
        resources.insert("train".to_owned(), training.resources.clone());
    }
    progress(Progress::Trained(&saved));

    progress(Progress::Evaluating);
    let meter = Meter::start();
    let test = tensors(&view, &saved.standardisation, &dataset, TEST_SPLIT)?;
    let predictions = predict(&saved, &test)?;
    let path = out.join("predictions.parquet");
    predictions.write(&path, &saved.prediction_names(), &test.observers)?;
    let evaluation = evaluate(task, &truth(&test), dataset.version(), TEST_SPLIT, &predictions, BOOTSTRAP)
        .map_err(|reason| Error::Predictions { path, reason })?;
    files::write_json(&out.join("metrics.json"), &evaluation.metrics)?;
    resources.insert("evaluate".to_owned(), meter.read());

    progress(Progress::Explaining);
    let meter = Meter::start();
    let explanation = Some(explain::explain(&saved, &test, task.signal())?);
    card(task, &saved, &dataset, &evaluation.metrics, &out.join("model"))?;
    resources.insert("explain".to_owned(), meter.read());
    resources.insert("total".to_owned(), sum(&resources, &total));

    let record = RunRecord {
        format: RUN_FORMAT.to_owned(),
        request,
        command: options.command.clone(),
        dataset: DatasetRecord::of(&dataset),
        versions: Versions::here(),
        machine: Machine::here(),
        resources,
        training: saved.training.clone(),
        losses: Losses {
            truncated_rows: test.truncated_rows,
            truncated_constituents: test.truncated_constituents,
            clipped_values: test.clipped_values,
        },
        metrics: evaluation.metrics.clone(),
    };
    let page =
        report::render(&summary::report_data(task, &record, &dataset, &evaluation, &test, explanation)?);
    files::write_text(&out.join("report.html"), &page)?;
    files::write_json(&out.join("run.json"), &record)?;
    Ok(Outcome { record, out, is_reused: false })
}

/// Where a run is kept if nobody says.
fn default_directory(request: &Request) -> PathBuf {
    let name = format!("{}-{}-seed{}", request.model, request.data, request.seed);
    Path::new("runs").join(&request.task).join(name)
}

/// Takes the directory for this run: no other process may have it, and it must be empty, or hold the same run.
fn claim(out: &Path, request: &Request, fresh: bool) -> Result<std::fs::File, Error> {
    let refuse = |reason: &str| Error::Directory { path: out.to_path_buf(), reason: reason.to_owned() };
    std::fs::create_dir_all(out).map_err(Error::io("make", out))?;
    let path = out.join("request.json");
    let is_new = !path.exists();
    let lock_path = out.join(".lock");
    if is_new
        && !lock_path.exists()
        && std::fs::read_dir(out).map_err(Error::io("read", out))?.next().is_some()
    {
        return Err(refuse("the directory holds something else than a run"));
    }
    let lock = std::fs::File::create(&lock_path).map_err(Error::io("lock", &lock_path))?;
    lock.try_lock().map_err(|_| refuse("another process is at work on it"))?;
    remove_leftovers(out)?;
    if fresh {
        clear(out)?;
    } else if !is_new {
        let text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
        if serde_json::from_str::<Request>(&text).ok().as_ref() != Some(request) {
            return Err(refuse("it holds a run with another task, model, recipe, view, data or seed"));
        }
    }
    files::write_json(&path, request)?;
    Ok(lock)
}

/// Removes files that a killed process was writing aside.
fn remove_leftovers(out: &Path) -> Result<(), Error> {
    for entry in std::fs::read_dir(out).map_err(Error::io("read", out))? {
        let path = entry.map_err(Error::io("read", out))?.path();
        let is_leftover =
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(files::ASIDE));
        if is_leftover && path.is_file() {
            std::fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        }
    }
    Ok(())
}

/// Removes what a run leaves, by name: what else is in the directory stays. The record goes first, so that a run that is
/// killed here is not taken for a finished one.
fn clear(out: &Path) -> Result<(), Error> {
    for name in ["run.json", "request.json", "metrics.json", "report.html", "predictions.parquet"] {
        let path = out.join(name);
        if path.exists() {
            std::fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        }
    }
    for name in ["model", "dataset"] {
        let path = out.join(name);
        if path.exists() {
            std::fs::remove_dir_all(&path).map_err(Error::io("remove", &path))?;
        }
    }
    Ok(())
}

fn dataset(
    options: &RunOptions,
    view: &View,
    directory: &Path,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Dataset, Error> {
    let task = &options.task;
    match options.data {
        DataChoice::Sample => {
            prepare_sample(task, directory, &mut |done| progress(Progress::Preparing(done)))
        }
        DataChoice::Full => {
            let files = full::fetch(task, &mut |bytes, total| progress(Progress::Fetching { bytes, total }))?;
            let prepare_options = PrepareOptions { about: full::about(task)?, ..PrepareOptions::default() };
            let mut preparing = |done| progress(Progress::Preparing(done));
            Ok(prepare_or_reuse(view, &files, directory, &prepare_options, &mut preparing)?.dataset)
        }
    }
}

/// Prepares a task's embedded sample in `directory`, unless it is there.
///
/// # Errors
/// As [`prepare_or_reuse`].
pub fn prepare_sample(
    task: &Task,
    directory: &Path,
    progress: &mut dyn FnMut(prepare::Progress),
) -> Result<Dataset, Error> {
    let sample = &task.about.sample;
    let about = About {
        name: sample.name.clone(),
        description: sample.description.clone(),
        license: Some(sample.license.clone()),
        ..About::default()
    };
    let options = PrepareOptions { about, ..PrepareOptions::default() };
    Ok(prepare_or_reuse(&task.view, &task.sample_files(), directory, &options, progress)?.dataset)
}

/// The trained model: the one that is there already, or a training that goes on from its checkpoint.
fn trained(
    recipe: &Recipe,
    view: &View,
    dataset: &Dataset,
    out: &Path,
    device: Option<ComputeDevice>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<SavedModel, Error> {
    let directory = out.join("model");
    if directory.join("model.json").is_file() {
        let saved = SavedModel::load(&directory)?;
        let is_same = saved.info.recipe == recipe.text
            && saved.info.seed == recipe.training.seed
            && saved.info.dataset_version == dataset.version();
        if is_same {
            return Ok(saved);
        }
    }
    let mut training = |done: &fiducial_train::Progress<'_>| progress(Progress::Training(done));
    let options = FitOptions { device, ..FitOptions::default() };
    Ok(fiducial_train::train(recipe, view, dataset, &directory, &options, &mut training)?)
}

/// Puts what was measured into the model's card.
fn card(
    task: &Task,
    saved: &SavedModel,
    dataset: &Dataset,
    metrics: &Metrics,
    directory: &Path,
) -> Result<(), Error> {
    let metric = |metric: &crate::Metric| {
        let key = metric.key();
        let estimate = metrics.metrics.get(&key)?;
        Some(MeasuredMetric {
            name: metric.title(),
            key,
            value: estimate.value,
            low: estimate.low,
            high: estimate.high,
            events: estimate.n,
        })
    };
    let measured = Measurement {
        task: task.about.name.clone(),
        dataset: dataset.manifest().about.name.clone(),
        dataset_version: dataset.version().to_owned(),
        split: metrics.split.clone(),
        confidence: metrics.intervals.confidence,
        metrics: task.about.metrics.iter().filter_map(metric).collect(),
    };
    let intended_use = format!("The task {}: {}", task.about.name, task.about.description);
    let card = Card { intended_use: Some(intended_use), measured: vec![measured], ..Card::default() };
    Ok(card.write(saved, directory)?)
}

/// Whether a recipe gives what a task measures: scores of its classes.
fn classifies(task: &Task, recipe: &Recipe) -> Result<(), Error> {
    if recipe.loss.classifies() {
        return Ok(());
    }
    let reason = format!(
        "its [loss] is that of a regression, and the task measures scores of the classes {}",
        task.classes().join(", ")
    );
    Err(fiducial_train::Error::Recipe { path: recipe.path.clone(), reason }.into())
}

/// A model's predictions for tensors of its view; the names of their columns are [`SavedModel::prediction_names`].
///
/// # Errors
/// If the tensors lack what the model reads.
pub fn predict(saved: &SavedModel, tensors: &Tensors) -> Result<Predictions, Error> {
    let values = saved.predict(tensors)?;
    Ok(Predictions { row_ids: tensors.row_ids.clone(), values, columns: saved.prediction_names().len() })
}

/// What is true of the rows of tensors with labels.
pub fn truth(tensors: &Tensors) -> Truth {
    Truth { row_ids: tensors.row_ids.clone(), labels: tensors.labels.clone(), weights: weights(tensors) }
}

/// The weights of rows.
pub(crate) fn weights(tensors: &Tensors) -> Vec<f64> {
    tensors.weights.iter().map(|weight| f64::from(*weight)).collect()
}

/// All steps together. The training's own count spans its sessions; the rest of the total is this process's.
fn sum(steps: &BTreeMap<String, Resources>, process: &Meter) -> Resources {
    steps.values().cloned().reduce(|sum, step| sum.plus(&step)).unwrap_or_else(|| process.read())
}

/// Measures a file of predictions, on a prepared dataset or else on the task's embedded sample, which is then prepared
/// in a temporary directory. The metrics are written to `output` too, if it is given.
///
/// # Errors
/// If the predictions cannot be read or do not fit the test split, or the dataset does not fit the task.
pub fn evaluate_file(
    task: &Task,
    dataset: Option<&Dataset>,
    predictions: &Path,
    output: Option<&Path>,
) -> Result<Metrics, Error> {
    let scores = Predictions::read(predictions, &task.classes(), task.signal())?;
    let temporary;
    let prepared;
    let dataset = match dataset {
        Some(dataset) => dataset,
        None => {
            temporary =
                tempfile::tempdir().map_err(Error::io("make a directory in", &std::env::temp_dir()))?;
            prepared = prepare_sample(task, &temporary.path().join("dataset"), &mut |_| {})?;
            &prepared
        }
    };
    // By the task's view, whatever view the model has.
    let truth = truth(&fiducial_data::batches::truth(&task.view, dataset, TEST_SPLIT)?);
    let refuse = |reason| Error::Predictions { path: predictions.to_path_buf(), reason };
    let evaluation =
        evaluate(task, &truth, dataset.version(), TEST_SPLIT, &scores, BOOTSTRAP).map_err(refuse)?;
    if let Some(path) = output {
        files::write_json(path, &evaluation.metrics)?;
    }
    Ok(evaluation.metrics)
}
