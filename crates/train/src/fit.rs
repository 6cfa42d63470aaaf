//! The training loop.
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fiducial_data::batches::Sampler;
use fiducial_models::{ComputeDevice, Network, Optimiser, StepReport, WeightAverage};

use crate::checkpoint::{self, Checkpoints, Identity, Numbers, Position, Running};
use crate::files::{self, Faults};
use crate::identity::identity;
use crate::log::{Line, Log};
use crate::predict::Quality;
use crate::report::{Epoch, Phase, Progress, Stopped, TrainReport};
use crate::resources::{Meter, Resources};
use crate::schedule::{Best, Schedule};
use crate::split::Split;
use crate::step::{Stepper, quality};
use crate::{Error, Job, Started, Training, World};

/// How to train: on the processor nothing here changes the result.
#[derive(Clone, Debug)]
pub struct FitOptions {
    /// Where the network computes; none for the best that is there. On a GPU the result is the processor's but for rounding, and
    /// an interrupted training does not go on to the same bytes.
    pub device: Option<ComputeDevice>,
    /// The directory for checkpoints. None: an interrupted training is lost.
    pub checkpoints: Option<PathBuf>,
    /// Checkpoints are written at each epoch's end, and within an epoch after this time.
    pub checkpoint_every: Duration,
    /// The file for a line of JSON at every so many steps and at each epoch's end.
    pub log: Option<PathBuf>,
    /// How many steps there are from a line of the log to the next.
    pub log_every: u64,
    /// For tests.
    #[doc(hidden)]
    pub faults: Faults,
}

impl Default for FitOptions {
    fn default() -> Self {
        Self {
            device: Some(ComputeDevice::Cpu),
            checkpoints: None,
            checkpoint_every: Duration::from_secs(30),
            log: None,
            log_every: 20,
            faults: Faults::default(),
        }
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
/// The loss of a batch is `sum_i w_i l_i / sum_i |w_i|`: `l` is the loss of a jet, `w` its weight from the view times the
/// factor of its class; what a decorrelation adds is measured on each part of a batch, and on 512 rows at a time of the validation
/// split. The weights of the epoch with the lowest validation loss are kept.
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
    fit_in(&mut World::alone(), job, options, progress)
}

/// As [`fit`], in one of the processes of `world`, each of which has the same job. All of them get the trained network, the
/// same bytes as from one process. Rank 0 alone writes checkpoints and the log; the others take theirs from it.
///
/// # Errors
/// As [`fit`]; a job with fewer micro-batches than there are processes; another process that cannot go on, by its rank.
pub fn fit_in(
    world: &mut World,
    job: &Job<'_>,
    options: &FitOptions,
    progress: &mut dyn FnMut(&Progress<'_>),
) -> Result<Fitted, Error> {
    let result = Run::start(world, job, options).and_then(|mut run| {
        if run.stopped.is_none() {
            progress(&run.progress(Phase::Begun, 0.0, 0.0));
        }
        while run.stopped.is_none() {
            run.epoch(progress)?;
        }
        run.finish()
    });
    if let Err(error) = &result {
        world.abort(&error.to_string());
    }
    result
}

struct Run<'a> {
    world: &'a mut World,
    job: &'a Job<'a>,
    options: &'a FitOptions,
    identity: Identity,
    checkpoints: Option<Checkpoints>,
    train: Split<'a>,
    validation: Split<'a>,
    schedule: Schedule,
    steps: usize,

    network: Network,
    optimiser: Optimiser,
    average: Option<WeightAverage>,
    started: Option<Started>,
    log: Option<Log>,
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
    /// What the other processes have used in this session, at the end of its last epoch.
    others: Vec<Resources>,
    meter: Meter,
    saved: Instant,
}

impl<'a> Run<'a> {
    fn start(world: &'a mut World, job: &'a Job<'a>, options: &'a FitOptions) -> Result<Self, Error> {
        let meter = Meter::start();
        let [train, validation] = job.splits()?;
        if world.size() > job.training.micro_batches {
            return Err(Error::Setting {
                field: "training.micro_batches",
                value: job.training.micro_batches.to_string(),
                reason: "processes share the parts of a batch: there must be as many parts as processes, at least",
            });
        }
        let mut network = Network::new(job.model, job.training.seed)?;
        let started = job.start.map(|start| start.load_into(&mut network)).transpose()?;
        let network = network.on(options.device.unwrap_or_else(ComputeDevice::best))?;
        job.training.precision.check(network.device())?;
        let steps = job.train.rows().div_ceil(job.training.batch_size);
        let optimiser = job.training.optimiser(&network.parameter_shapes(), job.loss)?;
        let optimiser = Optimiser::new(optimiser);
        let mut run = Self {
            world,
            job,
            options,
            identity: identity(job)?,
            checkpoints: None,
            train,
            validation,
            schedule: job.training.schedule(steps),
            steps,
            average: job.training.ema_decay.map(|decay| WeightAverage::new(decay, &network)),
            network,
            optimiser,
            started,
            log: None,
            epochs_done: 0,
            steps_done: 0,
            running: Running::default(),
            best: Best::NONE,
            best_weights: None,
            history: Vec::new(),
            stopped: None,
            sessions: 1,
            earlier: None,
            others: Vec::new(),
            meter,
            saved: Instant::now(),
        };
        run.agree()?;
        run.resume()?;
        Ok(run)
    }

    /// Whether all processes are at the same training.
    fn agree(&mut self) -> Result<(), Error> {
        let Identity { configuration, data, code } = &self.identity;
        let mine = [configuration.as_str(), data, code].join("\n");
        self.world.exchange(mine.into_bytes(), |all| {
            match all.iter().position(|identity| *identity != all[0]) {
                Some(rank) => {
                    let parts = |rank: usize| String::from_utf8_lossy(&all[rank]).replace('\n', ", ");
                    let (found, expected) = (parts(rank), parts(0));
                    let reason = format!(
                        "has another recipe, other data or another version of the program ({found}, rank 0 {expected})"
                    );
                    Err(Error::Worker { rank, reason })
                }
                None => Ok(Vec::new()),
            }
        })?;
        Ok(())
    }

    /// Goes on from the checkpoint, if rank 0 has one.
    fn resume(&mut self) -> Result<(), Error> {
        let mut manifest = PathBuf::from("the checkpoint");
        let mut loaded = None;
        if let Some(directory) = self.options.checkpoints.as_deref().filter(|_| self.world.rank() == 0) {
            let mut checkpoints = Checkpoints::open(directory, self.options.faults.clone())?;
            manifest = checkpoints.manifest();
            loaded = checkpoints.load(&self.identity)?;
            self.checkpoints = Some(checkpoints);
        }
        if !self.world.is_alone() {
            let message = checkpoint::to_message(loaded.as_ref())?;
            loaded = checkpoint::from_message(&self.world.follow(message)?)?;
        }
        let mut log_bytes = 0;
        if let Some((position, numbers)) = loaded {
            log_bytes = position.log_bytes;
            self.go_on_from(&manifest, position, numbers)?;
        }
        if let Some(path) = self.options.log.as_deref().filter(|_| self.world.rank() == 0) {
            if let Some(directory) = path.parent() {
                files::create_directory(directory)?;
            }
            let mut log = Log::open(path, log_bytes)?;
            if log_bytes == 0 {
                log.write(&Line::Start {
                    format: Line::FORMAT,
                    kind: self.job.model.kind(),
                    parameters: self.network.parameters(),
                    train_jets: self.job.train.rows(),
                    validation_jets: self.job.validation.rows(),
                    epochs: self.job.training.epochs,
                    steps_per_epoch: self.steps,
                })?;
            }
            self.log = Some(log);
        }
        Ok(())
    }

    fn go_on_from(
        &mut self,
        manifest: &Path,
        position: Position,
        numbers: Numbers<Vec<u8>>,
    ) -> Result<(), Error> {
        let name = manifest.display().to_string();
        self.network = Network::from_safetensors(&name, &numbers.weights)?.on(self.network.device())?;
        let config = self.optimiser.config().clone();
        self.optimiser = Optimiser::from_bytes(config, &self.network, &numbers.optimiser)?;
        let damaged = |reason: &str| Error::damaged(manifest, reason);
        self.average = match (self.job.training.ema_decay, &numbers.average) {
            (None, None) => None,
            (Some(decay), Some(average)) => {
                Some(WeightAverage::new(decay, &Network::from_safetensors(&name, average)?))
            }
            _ => return Err(damaged("its average of the weights does not fit the recipe")),
        };
        self.best_weights = numbers.best;
        let steps = position.epochs_done * self.steps + position.steps_done;
        if position.history.len() != position.epochs_done || self.optimiser.steps() != steps as u64 {
            return Err(damaged("its epochs and steps do not fit its files"));
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
        if self.stopped == Some(Stopped::TimeLimit) && !self.time_is_up()? {
            self.stopped = None;
        }
        if self.stopped.is_none() {
            self.sessions += 1;
        }
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
        let epoch = self.epochs_done as u64;
        if let Some(background) = self.job.background {
            self.train.draw_parameters(background, seed, epoch)?;
        }
        let every_row = Sampler::every_row(self.job.train.rows());
        let sampler = self.job.sampler.unwrap_or(&every_row);
        let order = sampler.order(batch_size, seed, epoch);
        let mut learning_rate = self.schedule.learning_rate(self.optimiser.steps().saturating_sub(1));
        for rows in order.chunks(batch_size).skip(self.steps_done) {
            self.options.faults.at("step", "").map_err(Error::io("take", Path::new("the next step")))?;
            learning_rate = self.schedule.learning_rate(self.optimiser.steps());
            let report = self.step(rows, learning_rate)?;
            self.steps_done += 1;
            self.running = Running {
                loss: self.running.loss + report.loss * report.weight,
                weight: self.running.weight + report.weight,
                jets: self.running.jets + rows.len(),
                seconds: before.seconds + begun.elapsed().as_secs_f64(),
            };
            self.log_step(&report, learning_rate, rate(&self.running))?;
            progress(&self.progress(Phase::Training, learning_rate, rate(&self.running)));
            if self.steps_done < self.steps {
                self.pause()?;
            }
        }
        let judged = self.judged(&order)?;
        let Quality { loss, accuracy } = quality(self.world, &judged, &self.validation, self.job.loss)?;
        self.epochs_done += 1;
        if self.best.update(self.epochs_done, loss) {
            self.best_weights = Some(judged.to_safetensors()?);
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
        let time_is_up = self.time_is_up()?;
        self.stopped = if self.epochs_done >= self.job.training.epochs {
            Some(Stopped::Completed)
        } else if self.best.exhausted(self.epochs_done, self.job.training.patience) {
            Some(Stopped::EarlyStopping)
        } else if time_is_up {
            Some(Stopped::TimeLimit)
        } else {
            None
        };
        self.compare()?;
        self.log_epoch()?;
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

    /// What is validated and kept after an epoch of rows in this order: the network or its average, with moments of its batch norms
    /// that belong to its weights. The running ones are those of earlier weights, and of no weights at all for an average.
    fn judged(&mut self, order: &[u32]) -> Result<Network, Error> {
        let average = self.average.as_ref().map(|average| average.network(&self.network));
        let mut judged = average.unwrap_or_else(|| self.network.clone());
        if judged.has_batch_norms() {
            let (epoch, step) = (self.epochs_done + 1, self.steps_done);
            let stepper = Stepper { job: self.job, train: &self.train, epoch, step };
            let moments = stepper.norm_moments(self.world, &judged, order)?;
            judged.set_norm_moments(&moments)?;
        }
        Ok(judged)
    }

    fn step(&mut self, rows: &[u32], learning_rate: f64) -> Result<StepReport, Error> {
        let stepper = Stepper {
            job: self.job,
            train: &self.train,
            epoch: self.epochs_done + 1,
            step: self.steps_done + 1,
        };
        let gradient = stepper.gradient(self.world, &self.network, &self.optimiser, rows)?;
        let report = self
            .optimiser
            .apply(&mut self.network, gradient, learning_rate)
            .map_err(|error| stepper.name_rows(error, &self.network, rows))?;
        if let Some(average) = &mut self.average {
            average.update(&self.network, self.optimiser.steps());
        }
        Ok(report)
    }

    /// Whether all processes came to the same weights; and what they have used, for rank 0.
    fn compare(&mut self) -> Result<(), Error> {
        if self.world.is_alone() {
            return Ok(());
        }
        let weights = files::sha256(&self.network.to_safetensors()?);
        let used = serde_json::to_string(&self.meter.read());
        let used = used.map_err(|error| Error::damaged(Path::new("the time used"), error))?;
        let mut others = Vec::new();
        self.world.exchange(format!("{weights}{used}").into_bytes(), |all| {
            for (rank, message) in all.iter().enumerate() {
                let (theirs, used) = message.split_at_checked(weights.len()).unwrap_or_default();
                let refuse = |reason: String| Err(Error::Worker { rank, reason });
                if theirs != weights.as_bytes() {
                    return refuse(
                        "has come to other weights than rank 0: is it another kind of processor?".into(),
                    );
                }
                match serde_json::from_slice(used) {
                    Ok(used) if rank > 0 => others.push(used),
                    Ok(_) => {}
                    Err(error) => return refuse(format!("sent what is no use of resources: {error}")),
                }
            }
            Ok(Vec::new())
        })?;
        self.others = others;
        Ok(())
    }

    fn log_step(&mut self, report: &StepReport, learning_rate: f64, rate: f64) -> Result<(), Error> {
        let step = self.optimiser.steps();
        if !step.is_multiple_of(self.options.log_every.max(1)) {
            return Ok(());
        }
        let line = Line::Step {
            epoch: self.epochs_done + 1,
            step,
            loss: report.loss,
            learning_rate,
            gradient_norm: report.gradient_norm,
            jets_per_second: rate,
            seconds: self.seconds(),
        };
        self.log.as_mut().map_or(Ok(()), |log| log.write(&line))
    }

    fn log_epoch(&mut self) -> Result<(), Error> {
        let used = self.resources();
        let (Some(log), Some(epoch)) = (&mut self.log, self.history.last()) else { return Ok(()) };
        log.write(&Line::Epoch {
            epoch,
            peak_memory_bytes: used.peak_memory_bytes,
            cpu_seconds: used.cpu_seconds,
            joules: used.energy.joules,
        })
    }

    fn seconds(&self) -> f64 {
        let earlier = self.earlier.as_ref().map_or(0.0, |earlier| earlier.wall_seconds);
        earlier + self.meter.read().wall_seconds
    }

    /// Whether another epoch, as long as the longest so far, would overrun the time limit, by rank 0's clock.
    fn time_is_up(&mut self) -> Result<bool, Error> {
        let longest = self.history.iter().map(|epoch| epoch.seconds).fold(0.0, f64::max);
        let Some(minutes) = self.job.training.max_minutes else { return Ok(false) };
        let up = self.seconds() + longest > 60.0 * minutes;
        Ok(self.world.follow(vec![u8::from(up)])? == [1])
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
            started: self.started.as_ref(),
        }
    }

    fn resources(&self) -> Resources {
        let mut now = self.meter.read();
        self.others.iter().for_each(|other| now.add_process(other));
        self.earlier.as_ref().map_or_else(|| now.clone(), |earlier| earlier.plus(&now))
    }

    fn save(&mut self) -> Result<(), Error> {
        self.saved = Instant::now();
        let resources = self.resources();
        let log_bytes = self.log.as_mut().map_or(Ok(0), Log::synced)?;
        let Some(checkpoints) = &mut self.checkpoints else { return Ok(()) };
        let position = Position {
            epochs_done: self.epochs_done,
            steps_done: self.steps_done,
            best_epoch: self.best.epoch,
            best_loss: self.best.loss,
            stopped: self.stopped,
            sessions: self.sessions,
            log_bytes,
            running: self.running,
            resources,
            history: self.history.clone(),
        };
        let (weights, optimiser) = (self.network.to_safetensors()?, self.optimiser.to_bytes()?);
        let average = self.average.as_ref().map(|average| average.network(&self.network).to_safetensors());
        let average = average.transpose()?;
        let numbers = Numbers {
            weights: weights.as_slice(),
            optimiser: optimiser.as_slice(),
            average: average.as_deref(),
            best: self.best_weights.as_deref(),
        };
        checkpoints.save(&self.identity, position, numbers)
    }

    fn finish(self) -> Result<Fitted, Error> {
        let mut resources = self.resources();
        let device = self.network.device();
        if device != ComputeDevice::Cpu {
            resources.energy.note += "; without the GPU's";
        }
        let network = match &self.best_weights {
            Some(best) => Network::from_safetensors("the best weights", best)?,
            None => self.network.on(ComputeDevice::Cpu)?,
        };
        let report = TrainReport {
            history: self.history,
            best_epoch: self.best.epoch,
            stopped: self.stopped.unwrap_or(Stopped::Completed),
            parameters: network.parameters(),
            started: self.started,
            train_jets: self.job.train.rows(),
            validation_jets: self.job.validation.rows(),
            sessions: self.sessions,
            device: device.to_string(),
            resources,
        };
        Ok(Fitted { network, report })
    }
}

fn mean_loss(running: &Running) -> f64 {
    if running.weight > 0.0 { running.loss / running.weight } else { 0.0 }
}
