//! What a training will need, before it starts.
//!
//! Parameters and the sizes of what is kept are counted. Memory and time are measured: a few steps of the training itself, on its
//! own data, the batches that need most among them, and a piece of the validation split. What networks keep for their
//! backward pass depends on how long jets are and on how operations are fused; a formula for it would be wrong with the next
//! one that is.
use std::time::Instant;

use fiducial_data::batches::Sampler;
use fiducial_data::dataset::Dataset;
use fiducial_data::view::View;
use fiducial_models::{Network, Optimiser, WeightAverage};

use crate::predict;
use crate::resources::peak_memory_bytes;
use crate::step::{Stepper, quality};
use crate::train::Ready;
use crate::{Error, Job, Recipe, World, trees};

/// A prediction of what a training needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The kind of network.
    pub kind: &'static str,
    /// Trained numbers.
    pub parameters: usize,
    /// Jets in the training split.
    pub train_jets: usize,
    /// Jets in the validation split.
    pub validation_jets: usize,
    /// Steps of an epoch.
    pub steps_per_epoch: usize,
    /// Epochs, if nothing ends the training before.
    pub epochs: usize,
    /// What is kept in memory all the time, in bytes.
    pub kept: Kept,
    /// The largest resident memory of the process, in bytes: as measured in a few steps. None where the system does not tell.
    pub peak_memory_bytes: Option<u64>,
    /// The median time of a step, in seconds.
    pub step_seconds: f64,
    /// The time to validate, with what it takes to estimate the moments of batch norms before, in seconds.
    pub validation_seconds: f64,
    /// The time of the whole training, if nothing ends it before, in seconds.
    pub seconds: f64,
}

/// What is in memory all the time, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Both splits.
    pub data: usize,
    /// The weights, those of the best epoch, and their average.
    pub weights: usize,
    /// The optimiser's state.
    pub optimiser: usize,
}

/// Steps that are timed, and steps before them that are not.
const TIMED: (usize, usize) = (5, 2);

/// Predicts what a recipe's training will need, from a few of its steps. Nothing is written.
///
/// # Errors
/// As [`crate::train`], but for files that cannot be written.
pub fn plan(recipe: &Recipe, view: &View, dataset: &Dataset) -> Result<Plan, Error> {
    if trees::config(recipe)?.is_some() {
        return Err(Error::Fit { kind: trees::KIND, reason: "a plan is there for networks only".into() });
    }
    let ready = Ready::new(recipe, view, dataset)?;
    measure(&ready.job(&recipe.training))
}

fn measure(job: &Job<'_>) -> Result<Plan, Error> {
    let training = job.training;
    let [mut train, validation] = job.splits()?;
    if let Some(background) = job.background {
        train.draw_parameters(background, training.seed, 0)?;
    }
    let mut network = Network::new(job.model, training.seed)?;
    if let Some(start) = job.start {
        start.load_into(&mut network)?;
    }
    let mut optimiser = Optimiser::new(training.optimiser(&network.parameter_shapes(), job.loss)?);
    let mut average = training.ema_decay.map(|decay| WeightAverage::new(decay, &network));
    let every_row = Sampler::every_row(job.train.rows());
    let order = job.sampler.unwrap_or(&every_row).order(training.batch_size, training.seed, 0);
    let batches: Vec<&[u32]> = order.chunks(training.batch_size).collect();
    let (timed, before) = TIMED;
    let mut chosen: Vec<&[u32]> = batches.iter().copied().cycle().take(before + timed).collect();
    chosen.extend(largest(job, &batches));

    let world = &mut World::alone();
    let mut seconds = Vec::new();
    for (step, rows) in chosen.iter().enumerate() {
        let begun = Instant::now();
        let stepper = Stepper { job, train: &train, epoch: 1, step: step + 1 };
        let gradient = stepper.gradient(world, &network, &optimiser, rows)?;
        // Steps so small that a training with a high learning rate does not go astray before its warm-up.
        optimiser
            .apply(&mut network, gradient, 1e-6 * training.learning_rate)
            .map_err(|error| stepper.name_rows(error, &network, rows))?;
        if let Some(average) = &mut average {
            average.update(&network, optimiser.steps());
        }
        seconds.push(begun.elapsed().as_secs_f64());
    }
    let step_seconds = median(&mut seconds[before..before + timed]);

    let pieces = predict::pieces(&validation);
    let begun = Instant::now();
    if network.has_batch_norms() {
        let stepper = Stepper { job, train: &train, epoch: 1, step: chosen.len() };
        let moments = stepper.norm_moments(world, &network, &order)?;
        network.set_norm_moments(&moments)?;
    }
    let moment_seconds = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    // A few pieces at most: they are all alike.
    let few = pieces.min(4);
    predict::sums(&network, &validation, job.loss, 0..few)?;
    let validation_seconds = moment_seconds + begun.elapsed().as_secs_f64() * pieces as f64 / few as f64;
    if pieces == few {
        quality(world, &network, &validation, job.loss)?;
    }

    // What a checkpoint has in memory at once.
    let best = network.to_safetensors()?;
    let average = average.map(|average| average.network(&network).to_safetensors()).transpose()?;
    let (weights, state) = (network.to_safetensors()?, optimiser.to_bytes()?);
    let kept = Kept {
        data: [job.train, job.validation].iter().map(|tensors| bytes(tensors)).sum(),
        weights: weights.len() + best.len() + average.as_ref().map_or(0, Vec::len),
        optimiser: state.len(),
    };
    let peak_memory_bytes = peak_memory_bytes();
    let (epochs, steps_per_epoch) = (training.epochs, batches.len());
    let all = epochs as f64 * (steps_per_epoch as f64 * step_seconds + validation_seconds);
    let limit = training.max_minutes.map_or(f64::INFINITY, |minutes| 60.0 * minutes);
    Ok(Plan {
        kind: job.model.kind(),
        parameters: network.parameters(),
        train_jets: job.train.rows(),
        validation_jets: job.validation.rows(),
        steps_per_epoch,
        epochs,
        kept,
        peak_memory_bytes,
        step_seconds,
        validation_seconds,
        seconds: all.min(limit),
    })
}

fn bytes(tensors: &fiducial_data::batches::Tensors) -> usize {
    let groups: usize = tensors.groups.iter().map(|group| group.data.len() * 4).sum();
    groups + tensors.rows() * (4 + 4 + 8)
}

/// The batch with most constituents, and the one with most pairs of them.
fn largest<'a>(job: &Job<'_>, batches: &[&'a [u32]]) -> Vec<&'a [u32]> {
    let Some(mask) = job.train.group("mask") else { return Vec::new() };
    let sizes: Vec<u64> = (0..job.train.rows())
        .map(|row| mask.row(row).iter().filter(|value| **value != 0.0).count() as u64)
        .collect();
    let by = |size: fn(u64) -> u64| {
        let of = |rows: &&&[u32]| rows.iter().map(|row| size(sizes[*row as usize])).sum::<u64>();
        batches.iter().max_by_key(of).copied()
    };
    [by(|size| size), by(|size| size * size)].into_iter().flatten().collect()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
