//! Boosted decision trees in the place of a network.

use std::path::Path;
use std::time::{Duration, Instant};

use fiducial_data::batches::{GroupTensor, Sampler, Tensors};
use fiducial_data::view::View;
use fiducial_models::{ComputeDevice, Loss, LossKind};
use fiducial_trees::{Booster, Config, Labelled, Objective, Table, Trainer, Validation};

use crate::checkpoint::{Checkpoints, Identity, Numbers, Position, Running};
use crate::identity::{code_version, data_hash};
use crate::job::class_factors;
use crate::predict::{self, Quality};
use crate::report::{Epoch, Phase, Progress, Stopped, TrainReport};
use crate::resources::{Meter, Resources};
use crate::schedule::Best;
use crate::{Error, FitOptions, Recipe, Training, files, loss, split};

/// What a recipe calls them.
pub(crate) const KIND: &str = "boosted-trees";

/// Jets whose columns are put together at once.
pub(crate) const PREDICTION_BATCH: usize = 16_384;

/// The keys of `[training]` that mean something to trees. An epoch is a round: one tree, or one for each class.
pub(crate) const TRAINING_KEYS: [&str; 6] =
    ["epochs", "learning_rate", "patience", "class_weights", "seed", "max_minutes"];

/// What to grow trees from.
#[derive(Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) config: &'a Config,
    pub(crate) training: &'a Training,
    pub(crate) loss: &'a Loss,
    pub(crate) objective: Objective,
    pub(crate) train: &'a Tensors,
    pub(crate) sampler: &'a Sampler,
    pub(crate) validation: &'a Tensors,
    pub(crate) classes: &'a [String],
}

/// The settings in a recipe's `[model]` and `[training]`; none if its model is another one.
///
/// # Errors
/// An unknown key, a setting out of range.
pub(crate) fn config(recipe: &Recipe) -> Result<Option<Config>, Error> {
    if recipe.model.get("kind").and_then(toml::Value::as_str) != Some(KIND) {
        return Ok(None);
    }
    let refuse = |reason: String| Error::Recipe { path: recipe.path.clone(), reason };
    let mut table = recipe.model.clone();
    table.remove("kind");
    for key in ["learning_rate", "seed"] {
        if table.contains_key(key) {
            return Err(refuse(format!("`model.{key}` stands in [training]")));
        }
    }
    let config: Config = table.try_into().map_err(|error| refuse(format!("[model]: {error}")))?;
    let config =
        Config { learning_rate: recipe.training.learning_rate, seed: recipe.training.seed, ..config };
    config.check()?;
    Ok(Some(config))
}

/// What trees learn for a loss.
///
/// # Errors
/// A loss that they do not have; several targets or levels, since they give one number.
pub(crate) fn objective(loss: &Loss, classes: usize, targets: usize) -> Result<Objective, Error> {
    let refuse = |reason: String| Err(Error::Fit { kind: KIND, reason });
    if loss.decorrelation.is_some() {
        return refuse("they have no [loss.decorrelation]".to_owned());
    }
    if !loss.classifies() && targets != 1 {
        return refuse(format!("they give one number, the view has {targets} targets"));
    }
    match &loss.kind {
        LossKind::CrossEntropy { label_smoothing: 0.0 } if classes == 2 => Ok(Objective::Logistic),
        LossKind::CrossEntropy { label_smoothing: 0.0 } => Ok(Objective::Softmax(classes)),
        LossKind::SquaredError {} => Ok(Objective::SquaredError),
        LossKind::Quantile { levels } if levels.len() == 1 => Ok(Objective::Quantile(levels[0])),
        other => refuse(format!(
            "they learn by cross-entropy without label smoothing, squared-error, and quantile with one level, not by {}",
            loss::name(other)
        )),
    }
}

/// The groups of a view that trees read: jets as a whole, and constituents in the order of the view.
pub(crate) const GROUPS: [&str; 2] = ["globals", "features"];

/// The name of each column that trees read: a variable's name, with its place from 0 behind it where a jet has many.
///
/// # Errors
/// A view that has none of the groups.
pub(crate) fn columns(view: &View) -> Result<Vec<String>, Error> {
    let mut columns: Vec<String> = Vec::new();
    for group in GROUPS.iter().filter_map(|name| view.input(name)) {
        for variable in &group.variables {
            let other = columns.contains(&variable.name);
            let name =
                if other { format!("{}.{}", group.name, variable.name) } else { variable.name.clone() };
            match group.length {
                None => columns.push(name),
                Some(length) => columns.extend((0..length).map(|place| format!("{name}_{place}"))),
            }
        }
    }
    if columns.is_empty() {
        let reason = "the view has neither a group \"globals\" nor a group \"features\"".to_owned();
        return Err(Error::Fit { kind: KIND, reason });
    }
    Ok(columns)
}

/// Whether a view gives what trees read.
pub(crate) fn check_view(view: &View, booster: &Booster, loss: &Loss) -> Result<(), Error> {
    let refuse = |reason: String| Err(Error::Fit { kind: KIND, reason });
    let asked = objective(loss, view.classes().len(), view.targets().len())?;
    if asked != booster.objective() {
        return refuse(format!(
            "the view and the loss ask for {asked:?}, the trees give {:?}",
            booster.objective()
        ));
    }
    let columns = columns(view)?;
    if columns.len() != booster.features() {
        return refuse(format!(
            "the view gives {} columns, the trees read {}",
            columns.len(),
            booster.features()
        ));
    }
    match columns.iter().zip(booster.feature_names()).find(|(given, expected)| given != expected) {
        Some((given, expected)) => refuse(format!("the view gives {given} where the trees read {expected}")),
        None => Ok(()),
    }
}

/// One row for each jet. Padding is a missing value.
fn rows(groups: &[GroupTensor], jets: usize) -> Result<(Vec<f32>, usize), Error> {
    let find = |name: &str| groups.iter().find(|group| group.name == name);
    let read: Vec<&GroupTensor> = GROUPS.iter().filter_map(|name| find(name)).collect();
    let columns: usize = read.iter().map(|group| group.variables * group.length).sum();
    if columns == 0 {
        let reason = "the view has neither a group \"globals\" nor a group \"features\"".to_owned();
        return Err(Error::Data { split: "given", reason });
    }
    let mut rows = Vec::with_capacity(jets * columns);
    for jet in 0..jets {
        for group in &read {
            let size = group.variables * group.length;
            let mask = find("mask").filter(|mask| mask.length == group.length && group.name == "features");
            let mask = mask.map(|mask| &mask.data[jet * mask.length..][..mask.length]);
            let values = &group.data[jet * size..][..size];
            rows.extend(values.iter().enumerate().map(|(at, &value)| {
                let real = mask.is_none_or(|mask| mask[at % group.length] != 0.0);
                if real { value } else { f32::NAN }
            }));
        }
    }
    Ok((rows, columns))
}

/// The outputs: logits of classes, of two classes 0 and the margin of the second; or the number that is predicted.
pub(crate) fn outputs(booster: &Booster, groups: &[GroupTensor], jets: usize) -> Result<Vec<f32>, Error> {
    let (rows, columns) = rows(groups, jets)?;
    Ok(with_zero(booster, booster.margins(&Table::new(&rows, columns)?)?))
}

fn with_zero(booster: &Booster, margins: Vec<f32>) -> Vec<f32> {
    if booster.objective() == Objective::Logistic {
        return margins.into_iter().flat_map(|margin| [0.0, margin]).collect();
    }
    margins
}

/// A split as trees read it.
struct Columns {
    rows: Vec<f32>,
    columns: usize,
    targets: Vec<f32>,
    weights: Vec<f32>,
}

impl Columns {
    fn new(split: &split::Split<'_>, loss: &Loss) -> Result<Self, Error> {
        let tensors = split.tensors;
        let (rows, columns) = rows(&tensors.groups, tensors.rows())?;
        let targets = match loss.classifies() {
            true => tensors.labels.iter().map(|&label| label as f32).collect(),
            false => tensors.targets.clone(),
        };
        let weights = (0..split.rows()).map(|row| split.weight(row)).collect();
        Ok(Self { rows, columns, targets, weights })
    }

    fn labelled(&self) -> Result<Labelled<'_>, Error> {
        let table = Table::new(&self.rows, self.columns)?;
        Ok(Labelled { table, targets: &self.targets, weights: Some(&self.weights) })
    }
}

/// Trains boosted trees: one round each epoch, until all are done or the validation loss has not fallen for `patience` rounds.
/// The model ends with the round of the lowest validation loss.
///
/// The same job gives the same model, interrupted or not, at any number of threads.
///
/// # Errors
/// As [`crate::fit`]; a view that resamples, since trees see each row once.
pub(crate) fn fit(
    job: &Job<'_>,
    options: &FitOptions,
    progress: &mut dyn FnMut(&Progress<'_>),
) -> Result<(Booster, TrainReport), Error> {
    let meter = Meter::start();
    job.training.check()?;
    if !job.sampler.draws_every_row_once() {
        let reason = "the view draws rows at random for each epoch; trees learn from each row once: give \
                      weights instead"
            .to_owned();
        return Err(Error::Fit { kind: KIND, reason });
    }
    let class_factors = class_factors(job.training, job.classes)?;
    let as_split = |name, tensors| split::Split::new(name, tensors, &[], &class_factors);
    let (learnt, judged) = (as_split("train", job.train), as_split("validation", job.validation));
    for split in [&learnt, &judged] {
        split.check(job.loss, 1)?;
    }
    if job.loss.classifies() {
        learnt.check_classes(job.classes)?;
    }
    let (train, validation) = (Columns::new(&learnt, job.loss)?, Columns::new(&judged, job.loss)?);

    let identity = identity(job)?;
    let mut checkpoints = None;
    let mut found = None;
    if let Some(directory) = &options.checkpoints {
        let mut opened = Checkpoints::open(directory, options.faults.clone())?;
        if let Some((position, numbers)) = opened.load(&identity)? {
            let manifest = opened.manifest();
            let booster = Booster::from_json(&manifest.display().to_string(), &numbers.weights)?;
            let fits = position.history.len() == position.epochs_done
                && booster.rounds() == position.epochs_done
                && booster.objective() == job.objective;
            if !fits {
                return Err(Error::damaged(&manifest, "its rounds do not fit its model"));
            }
            found = Some((position, booster));
        }
        checkpoints = Some(opened);
    }
    let data = train.labelled()?;
    let (trainer, earlier) = match found {
        Some((position, booster)) => (Trainer::resume(job.config, booster, data)?, Some(position)),
        None => (Trainer::new(job.config, job.objective, data)?, None),
    };
    let watch = Validation::new(trainer.booster(), validation.labelled()?)?;
    let mut run = Run {
        job,
        options,
        trainer,
        watch,
        judged,
        checkpoints,
        meter,
        saved: Instant::now(),
        state: State::new(earlier),
    };
    run.state.resume(run.time_is_up());
    while run.state.stopped.is_none() {
        run.round(progress)?;
        if run.state.stopped.is_some() || run.saved.elapsed() >= options.checkpoint_every {
            run.save(&identity)?;
        }
    }
    Ok(run.finish())
}

/// What a checkpoint must share with a job. The time limit is left out: it may be raised.
fn identity(job: &Job<'_>) -> Result<Identity, Error> {
    let mut training = job.training.clone();
    training.max_minutes = None;
    let parts = (KIND, job.config, job.loss, &training, job.classes);
    let configuration = serde_json::to_vec(&parts).map_err(|error| Error::Setting {
        field: "model",
        value: error.to_string(),
        reason: "it cannot be written as JSON",
    })?;
    Ok(Identity {
        configuration: files::sha256(&configuration),
        data: data_hash(&[job.train, job.validation], &[], None),
        code: code_version().to_owned(),
    })
}

struct Run<'a> {
    job: &'a Job<'a>,
    options: &'a FitOptions,
    trainer: Trainer<'a>,
    watch: Validation<'a>,
    judged: split::Split<'a>,
    checkpoints: Option<Checkpoints>,
    meter: Meter,
    saved: Instant,
    state: State,
}

/// What a checkpoint has beside the model.
struct State {
    best: Best,
    history: Vec<Epoch>,
    stopped: Option<Stopped>,
    sessions: usize,
    earlier: Option<Resources>,
}

impl State {
    fn new(position: Option<Position>) -> Self {
        match position {
            None => Self { best: Best::NONE, history: Vec::new(), stopped: None, sessions: 1, earlier: None },
            Some(position) => Self {
                best: Best { epoch: position.best_epoch, loss: position.best_loss },
                history: position.history,
                stopped: position.stopped,
                sessions: position.sessions,
                earlier: Some(position.resources),
            },
        }
    }

    /// A longer time limit lets a training go on that an earlier one had stopped.
    fn resume(&mut self, time_is_up: bool) {
        if self.stopped == Some(Stopped::TimeLimit) && !time_is_up {
            self.stopped = None;
        }
        if self.stopped.is_none() && self.earlier.is_some() {
            self.sessions += 1;
        }
    }
}

impl Run<'_> {
    fn round(&mut self, progress: &mut dyn FnMut(&Progress<'_>)) -> Result<(), Error> {
        self.options.faults.at("step", "").map_err(Error::io("take", Path::new("the next step")))?;
        let begun = Instant::now();
        let train_loss = self.trainer.loss();
        self.trainer.round();
        let trained = begun.elapsed().as_secs_f64();
        let Quality { loss, accuracy } = self.quality()?;
        let epoch = self.state.history.len() + 1;
        self.state.best.update(epoch, loss);
        let training = self.job.training;
        let jets_per_second = self.job.train.rows() as f64 / trained.max(1e-9);
        self.state.history.push(Epoch {
            epoch,
            train_loss,
            validation_loss: loss,
            validation_accuracy: accuracy,
            learning_rate: training.learning_rate,
            seconds: begun.elapsed().as_secs_f64(),
            jets_per_second,
        });
        self.state.stopped = if epoch >= training.epochs {
            Some(Stopped::Completed)
        } else if self.state.best.exhausted(epoch, training.patience) {
            Some(Stopped::EarlyStopping)
        } else if self.time_is_up() {
            Some(Stopped::TimeLimit)
        } else {
            None
        };
        let left = (training.epochs - epoch) as f64 * begun.elapsed().as_secs_f64();
        progress(&Progress {
            phase: Phase::EpochDone,
            epoch,
            epochs: training.epochs,
            step: 1,
            steps: 1,
            loss: train_loss,
            learning_rate: training.learning_rate,
            jets_per_second,
            left: Duration::try_from_secs_f64(left).ok(),
            history: &self.state.history,
            started: None,
        });
        Ok(())
    }

    fn quality(&mut self) -> Result<Quality, Error> {
        let booster = self.trainer.booster();
        self.watch.update(booster);
        let outputs = with_zero(booster, self.watch.margins().to_vec());
        predict::quality_of(&outputs, &self.judged, self.job.loss)
    }

    fn seconds(&self) -> f64 {
        let earlier = self.state.earlier.as_ref().map_or(0.0, |earlier| earlier.wall_seconds);
        earlier + self.meter.read().wall_seconds
    }

    /// Whether another round, as long as the longest so far, would overrun the time limit.
    fn time_is_up(&self) -> bool {
        let longest = self.state.history.iter().map(|epoch| epoch.seconds).fold(0.0, f64::max);
        self.job.training.max_minutes.is_some_and(|minutes| self.seconds() + longest > 60.0 * minutes)
    }

    fn resources(&self) -> Resources {
        let now = self.meter.read();
        self.state.earlier.as_ref().map_or_else(|| now.clone(), |earlier| earlier.plus(&now))
    }

    fn save(&mut self, identity: &Identity) -> Result<(), Error> {
        self.saved = Instant::now();
        let resources = self.resources();
        let Some(checkpoints) = &mut self.checkpoints else { return Ok(()) };
        let position = Position {
            epochs_done: self.state.history.len(),
            steps_done: 0,
            best_epoch: self.state.best.epoch,
            best_loss: self.state.best.loss,
            stopped: self.state.stopped,
            sessions: self.state.sessions,
            log_bytes: 0,
            running: Running::default(),
            resources,
            history: self.state.history.clone(),
        };
        let weights = self.trainer.booster().to_json();
        // The best model is a beginning of the last one, and there is no optimiser.
        checkpoints.save(
            identity,
            position,
            Numbers { weights: weights.as_slice(), optimiser: &[], average: None, best: None },
        )
    }

    fn finish(self) -> (Booster, TrainReport) {
        let resources = self.resources();
        let mut booster = self.trainer.into_booster();
        booster.truncate(self.state.best.epoch);
        let report = TrainReport {
            history: self.state.history,
            best_epoch: self.state.best.epoch,
            stopped: self.state.stopped.unwrap_or(Stopped::Completed),
            parameters: booster.nodes(),
            started: None,
            train_jets: self.job.train.rows(),
            validation_jets: self.job.validation.rows(),
            sessions: self.state.sessions,
            device: ComputeDevice::Cpu.to_string(),
            resources,
        };
        (booster, report)
    }
}
