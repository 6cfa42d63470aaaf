//! The training loop.
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fiducial_data::batches::{Batch, Sampler, Tensors};
use fiducial_models::{ModelConfig, Network, Optimiser, OptimiserConfig};

use crate::checkpoint::{Checkpoints, Identity, Numbers, Position, Running};
use crate::files::{self, Faults};
use crate::predict::{self, Quality};
use crate::report::{Epoch, Phase, Progress, Stopped, TrainReport};
use crate::resources::{Meter, Resources};
use crate::schedule::{Best, Schedule};
use crate::{Error, Training};

/// What to train on what.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// The architecture; `features` and `classes` must be there.
    pub model: &'a ModelConfig,
    /// The settings.
    pub training: &'a Training,
    /// The split to learn from.
    pub train: &'a Tensors,
    /// Which of its rows an epoch draws, and in what order; none draws each once.
    pub sampler: Option<&'a Sampler>,
    /// The split that decides which epoch is the best, and when to stop.
    pub validation: &'a Tensors,
    /// The names of the classes, in the order of the labels.
    pub classes: &'a [String],
}

/// How to train: nothing here changes the result.
#[derive(Clone, Debug)]
pub struct FitOptions {
    /// The directory for checkpoints. None: an interrupted training is lost.
    pub checkpoints: Option<PathBuf>,
    /// Checkpoints are written at each epoch's end, and within an epoch after this time.
    pub checkpoint_every: Duration,
    /// For tests.
    #[doc(hidden)]
    pub faults: Faults,
}

impl Default for FitOptions {
    fn default() -> Self {
        Self { checkpoints: None, checkpoint_every: Duration::from_secs(30), faults: Faults::default() }
    }
}

/// A trained network.
#[derive(Debug)]
pub struct Fitted {
    /// The network with the weights of the best epoch.
    pub network: Network,
    /// The record of the training.
    pub report: TrainReport,
}

/// Trains a network.
///
/// AdamW with a linear warm-up and a cosine decay of the learning rate, on `sum_i w_i l_i / sum_i |w_i|` over each batch:
/// `l` is the cross entropy of a jet, `w` its weight from the view times the factor of its class. The weights of the
/// epoch with the lowest validation loss are kept.
///
/// The same job gives the same network: the first weights, the order of each epoch and the dropout of each step are
/// functions of the seed, the epoch and the step. A training that was interrupted goes on from its checkpoint to the
/// same bytes. `max_minutes` alone depends on the clock; where it ends a training, the report says so.
///
/// # Errors
/// Settings, data or a model that do not fit; a loss or gradient that is not finite (the rows are named and the last
/// checkpoint is kept); a checkpoint that belongs to another training; files that cannot be written.
pub fn fit(
    job: &Job<'_>,
    options: &FitOptions,
    progress: &mut dyn FnMut(&Progress<'_>),
) -> Result<Fitted, Error> {
    let mut run = Run::start(job, options)?;
    while run.stopped.is_none() {
        run.epoch(progress)?;
    }
    run.finish()
}

struct Run<'a> {
    job: &'a Job<'a>,
    options: &'a FitOptions,
    identity: Identity,
    checkpoints: Option<Checkpoints>,
    class_factors: Vec<f32>,
    schedule: Schedule,
    steps: usize,

    network: Network,
    optimiser: Optimiser,
    epochs_done: usize,
    steps_done: usize,
    running: Running,
    best: Best,
    /// The weights of the best epoch, as the bytes of their file.
    best_weights: Option<Vec<u8>>,
    history: Vec<Epoch>,
    stopped: Option<Stopped>,

    sessions: usize,
    earlier: Option<Resources>,
    meter: Meter,
    saved: Instant,
}

impl<'a> Run<'a> {
    fn start(job: &'a Job<'a>, options: &'a FitOptions) -> Result<Self, Error> {
        let meter = Meter::start();
        job.training.check()?;
        let class_factors = class_factors(job)?;
        for (split, tensors) in [("train", job.train), ("validation", job.validation)] {
            check_data(split, tensors, &class_factors)?;
        }
        let steps = job.train.rows().div_ceil(job.training.batch_size);
        let Training { learning_rate, last_learning_rate, warmup_epochs, epochs, .. } = *job.training;
        let schedule = Schedule {
            peak: learning_rate,
            last: learning_rate * last_learning_rate,
            warmup_steps: (warmup_epochs * steps as f64).round() as u64,
            steps: epochs.saturating_mul(steps) as u64,
        };
        let mut run = Self {
            job,
            options,
            identity: identity(job)?,
            checkpoints: None,
            class_factors,
            schedule,
            steps,
            network: Network::new(job.model, job.training.seed)?,
            optimiser: Optimiser::new(optimiser_config(job.training)),
            epochs_done: 0,
            steps_done: 0,
            running: Running::default(),
            best: Best::NONE,
            best_weights: None,
            history: Vec::new(),
            stopped: None,
            sessions: 1,
            earlier: None,
            meter,
            saved: Instant::now(),
        };
        if let Some(directory) = &options.checkpoints {
            run.resume(directory)?;
        }
        Ok(run)
    }

    fn resume(&mut self, directory: &Path) -> Result<(), Error> {
        let mut checkpoints = Checkpoints::open(directory, self.options.faults.clone())?;
        if let Some((position, numbers)) = checkpoints.load(&self.identity)? {
            let manifest = checkpoints.manifest();
            let name = manifest.display().to_string();
            self.network = Network::from_safetensors(&name, &numbers.weights)?;
            let config = self.optimiser.config().clone();
            self.optimiser = Optimiser::from_bytes(config, &self.network, &numbers.optimiser)?;
            self.best_weights = numbers.best;
            let steps = position.epochs_done * self.steps + position.steps_done;
            if position.history.len() != position.epochs_done || self.optimiser.steps() != steps as u64 {
                return Err(Error::damaged(&manifest, "its epochs and steps do not fit its files"));
            }
            self.epochs_done = position.epochs_done;
            self.steps_done = position.steps_done;
            self.running = position.running;
            self.best = Best { epoch: position.best_epoch, loss: position.best_loss };
            self.history = position.history;
            self.sessions = position.sessions;
            self.earlier = Some(position.resources);
            self.stopped = position.stopped;
            // A longer time limit lets a training go on that an earlier one had stopped.
            if self.stopped == Some(Stopped::TimeLimit) && !self.time_is_up() {
                self.stopped = None;
            }
            if self.stopped.is_none() {
                self.sessions += 1;
            }
        }
        self.checkpoints = Some(checkpoints);
        Ok(())
    }

    /// Goes through the training split once, or through what is left of it, and validates.
    fn epoch(&mut self, progress: &mut dyn FnMut(&Progress<'_>)) -> Result<(), Error> {
        let begun = Instant::now();
        let before = self.running;
        let rate = |running: &Running| {
            (running.jets - before.jets) as f64 / (running.seconds - before.seconds).max(1e-9)
        };
        let Training { batch_size, seed, .. } = *self.job.training;
        let every_row = Sampler::every_row(self.job.train.rows());
        let sampler = self.job.sampler.unwrap_or(&every_row);
        let order = sampler.order(batch_size, seed, self.epochs_done as u64);
        let mut learning_rate = self.schedule.learning_rate(self.optimiser.steps().saturating_sub(1));
        for rows in order.chunks(batch_size).skip(self.steps_done) {
            self.options.faults.at("step", "").map_err(Error::io("take", Path::new("the next step")))?;
            learning_rate = self.schedule.learning_rate(self.optimiser.steps());
            let batch = self.batch(rows);
            let inputs = predict::inputs(&batch, rows.len(), self.job.model)?;
            let report = self
                .optimiser
                .step(&mut self.network, &inputs, &batch.labels, &batch.weights, learning_rate)
                .map_err(|error| self.name_rows(error, rows))?;
            self.steps_done += 1;
            self.running = Running {
                loss: self.running.loss + report.loss * report.weight,
                weight: self.running.weight + report.weight,
                jets: self.running.jets + rows.len(),
                seconds: before.seconds + begun.elapsed().as_secs_f64(),
            };
            progress(&self.progress(Phase::Training, learning_rate, rate(&self.running)));
            if self.steps_done < self.steps {
                self.pause()?;
            }
        }
        let Quality { loss, accuracy } =
            predict::quality(&self.network, self.job.validation, &self.class_factors)?;
        self.epochs_done += 1;
        if self.best.update(self.epochs_done, loss) {
            self.best_weights = Some(self.network.to_safetensors()?);
        }
        self.history.push(Epoch {
            epoch: self.epochs_done,
            train_loss: mean_loss(&self.running),
            validation_loss: loss,
            validation_accuracy: accuracy,
            learning_rate,
            seconds: before.seconds + begun.elapsed().as_secs_f64(),
            jets_per_second: rate(&self.running),
        });
        self.steps_done = 0;
        self.running = Running::default();
        self.stopped = if self.epochs_done >= self.job.training.epochs {
            Some(Stopped::Completed)
        } else if self.best.exhausted(self.epochs_done, self.job.training.patience) {
            Some(Stopped::EarlyStopping)
        } else if self.time_is_up() {
            Some(Stopped::TimeLimit)
        } else {
            None
        };
        self.save()?;
        let rate = self.history.last().map_or(0.0, |epoch| epoch.jets_per_second);
        progress(&self.progress(Phase::EpochDone, learning_rate, rate));
        if self.stopped.is_none() { self.pause() } else { Ok(()) }
    }

    /// Writes a checkpoint if one is due.
    fn pause(&mut self) -> Result<(), Error> {
        let due = self.steps_done > 0 && self.saved.elapsed() >= self.options.checkpoint_every;
        if due { self.save() } else { Ok(()) }
    }

    fn batch(&self, rows: &[u32]) -> Batch {
        let mut batch = self.job.train.gather(rows);
        for (weight, label) in batch.weights.iter_mut().zip(&batch.labels) {
            *weight *= self.class_factors[*label as usize];
        }
        batch
    }

    fn name_rows(&self, error: fiducial_models::Error, rows: &[u32]) -> Error {
        match error {
            fiducial_models::Error::NotFinite { what, value } => Error::NotFinite {
                what,
                value,
                epoch: self.epochs_done + 1,
                step: self.steps_done + 1,
                rows: rows.iter().map(|row| self.job.train.row_ids[*row as usize]).collect(),
            },
            other => Error::Model(other),
        }
    }

    fn seconds(&self) -> f64 {
        let earlier = self.earlier.as_ref().map_or(0.0, |earlier| earlier.wall_seconds);
        earlier + self.meter.read().wall_seconds
    }

    /// Whether another epoch, as long as the longest so far, would overrun the time limit.
    fn time_is_up(&self) -> bool {
        let longest = self.history.iter().map(|epoch| epoch.seconds).fold(0.0, f64::max);
        self.job.training.max_minutes.is_some_and(|minutes| self.seconds() + longest > 60.0 * minutes)
    }

    fn progress(&self, phase: Phase, learning_rate: f64, jets_per_second: f64) -> Progress<'_> {
        let epochs = self.job.training.epochs;
        let jets =
            (epochs - self.epochs_done) as f64 * self.job.train.rows() as f64 - self.running.jets as f64;
        let by_rate = jets / jets_per_second;
        let by_limit = self.job.training.max_minutes.map(|minutes| 60.0 * minutes - self.seconds());
        let left = by_rate.min(by_limit.unwrap_or(f64::INFINITY)).max(0.0);
        let done = phase == Phase::EpochDone;
        Progress {
            phase,
            epoch: self.epochs_done + usize::from(!done),
            epochs,
            step: if done { self.steps } else { self.steps_done },
            steps: self.steps,
            loss: match self.history.last() {
                Some(epoch) if done => epoch.train_loss,
                _ => mean_loss(&self.running),
            },
            learning_rate,
            jets_per_second,
            left: Duration::try_from_secs_f64(left).ok(),
            history: &self.history,
        }
    }

    fn resources(&self) -> Resources {
        let now = self.meter.read();
        self.earlier.as_ref().map_or_else(|| now.clone(), |earlier| earlier.plus(&now))
    }

    fn save(&mut self) -> Result<(), Error> {
        self.saved = Instant::now();
        let resources = self.resources();
        let Some(checkpoints) = &mut self.checkpoints else { return Ok(()) };
        let position = Position {
            epochs_done: self.epochs_done,
            steps_done: self.steps_done,
            best_epoch: self.best.epoch,
            best_loss: self.best.loss,
            stopped: self.stopped,
            sessions: self.sessions,
            running: self.running,
            resources,
            history: self.history.clone(),
        };
        let (weights, optimiser) = (self.network.to_safetensors()?, self.optimiser.to_bytes()?);
        let best = self.best_weights.as_deref();
        let numbers = Numbers { weights: weights.as_slice(), optimiser: optimiser.as_slice(), best };
        checkpoints.save(&self.identity, position, numbers)
    }

    fn finish(self) -> Result<Fitted, Error> {
        let resources = self.resources();
        let network = match &self.best_weights {
            Some(best) => Network::from_safetensors("the best weights", best)?,
            None => self.network,
        };
        let report = TrainReport {
            history: self.history,
            best_epoch: self.best.epoch,
            stopped: self.stopped.unwrap_or(Stopped::Completed),
            parameters: network.parameters(),
            train_jets: self.job.train.rows(),
            validation_jets: self.job.validation.rows(),
            sessions: self.sessions,
            resources,
        };
        Ok(Fitted { network, report })
    }
}

fn mean_loss(running: &Running) -> f64 {
    if running.weight > 0.0 { running.loss / running.weight } else { 0.0 }
}

fn optimiser_config(training: &Training) -> OptimiserConfig {
    OptimiserConfig {
        weight_decay: training.weight_decay,
        gradient_clip: training.gradient_clip,
        label_smoothing: training.label_smoothing,
        // Another seed than that of the first weights, which come from the same generator.
        seed: training.seed ^ 0x6472_6f70_6f75_7421,
        ..OptimiserConfig::default()
    }
}

/// The factor in the loss for each class.
fn class_factors(job: &Job<'_>) -> Result<Vec<f32>, Error> {
    let weights = &job.training.class_weights;
    if let Some(unknown) = weights.keys().find(|name| !job.classes.contains(name)) {
        return Err(Error::Setting {
            field: "training.class_weights",
            value: format!("{{ {unknown} = ... }}"),
            reason: "the view has no such class",
        });
    }
    Ok(job.classes.iter().map(|name| weights.get(name).copied().unwrap_or(1.0) as f32).collect())
}

fn check_data(split: &'static str, tensors: &Tensors, class_factors: &[f32]) -> Result<(), Error> {
    let classes = class_factors.len();
    let refuse = |reason: String| Err(Error::Data { split, reason });
    let rows = tensors.rows();
    if rows == 0 || u32::try_from(rows).is_err() {
        return refuse(if rows == 0 {
            "it is empty".into()
        } else {
            format!("it has {rows} rows: more than 2^32")
        });
    }
    if tensors.labels.len() != rows || tensors.weights.len() != rows {
        return refuse(format!(
            "it has {rows} rows, but {} labels and {} weights",
            tensors.labels.len(),
            tensors.weights.len()
        ));
    }
    if let Some(label) = tensors.labels.iter().find(|label| **label as usize >= classes) {
        return refuse(format!("it has the label {label}, but the view has {classes} classes"));
    }
    let total: f64 = predict::weights(tensors, class_factors).map(f64::from).sum();
    if !(total.is_finite() && total > 0.0) {
        return refuse(format!("its weights add up to {total}: the sum must be positive"));
    }
    Ok(())
}

/// What a checkpoint must share with a job. The time limit is left out: it may be raised.
fn identity(job: &Job<'_>) -> Result<Identity, Error> {
    let mut training = job.training.clone();
    training.max_minutes = None;
    let configuration = serde_json::to_vec(&(job.model, &training, job.classes)).map_err(|error| {
        Error::Setting { field: "model", value: error.to_string(), reason: "it cannot be written as JSON" }
    })?;
    Ok(Identity {
        configuration: files::sha256(&configuration),
        data: data_hash(&[job.train, job.validation], job.sampler),
        code: code_version().to_owned(),
    })
}

/// Name and version of the code that trains.
pub(crate) fn code_version() -> &'static str {
    concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"))
}

/// The SHA-256 of all numbers that a training reads, with their shapes.
fn data_hash(splits: &[&Tensors], sampler: Option<&Sampler>) -> String {
    use sha2::{Digest, Sha256};
    let mut hash = Sha256::new();
    let mut buffer = Vec::new();
    let mut feed = |numbers: &mut dyn Iterator<Item = [u8; 4]>| {
        buffer.clear();
        buffer.extend(numbers.flatten());
        hash.update((buffer.len() as u64).to_le_bytes());
        hash.update(&buffer);
    };
    for tensors in splits {
        for group in &tensors.groups {
            let shape = [group.variables as u32, group.length as u32, group.name.len() as u32];
            feed(&mut shape.into_iter().map(u32::to_le_bytes));
            feed(&mut group.name.bytes().map(|byte| u32::from(byte).to_le_bytes()));
            for part in group.data.chunks(1 << 20) {
                feed(&mut part.iter().map(|value| value.to_le_bytes()));
            }
        }
        feed(&mut tensors.labels.iter().map(|label| label.to_le_bytes()));
        feed(&mut tensors.weights.iter().map(|weight| weight.to_le_bytes()));
        let halves = |id: &u64| [*id as u32, (*id >> 32) as u32];
        feed(&mut tensors.row_ids.iter().flat_map(halves).map(u32::to_le_bytes));
    }
    if let Some(sampler) = sampler.filter(|sampler| !sampler.draws_every_row_once()) {
        feed(&mut sampler.probabilities().iter().map(|probability| (*probability as f32).to_le_bytes()));
        feed(&mut sampler.buckets().iter().map(|bucket| bucket.to_le_bytes()));
    }
    files::hex(&hash.finalize())
}
