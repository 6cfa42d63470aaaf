//! `fiducial train`.

use std::path::{Path, PathBuf};

use fiducial_data::dataset::{About, Dataset};
use fiducial_data::prepare::{PrepareOptions, prepare_or_reuse};
use fiducial_data::view::View;
use fiducial_train::{DataSource, FitOptions, Phase, Recipe, Started};

use super::workers;
use crate::arguments::Train;
use crate::failure::Failure;
use crate::progress::Display;
use crate::tables::{bytes, count, duration};

pub(crate) use super::workers::threads;

pub(crate) fn run(options: &Train, quiet: bool) -> Result<(), Failure> {
    super::check_device(options.device)?;
    let mut recipe = Recipe::load(&options.recipe)?;
    if let Some(seed) = options.seed {
        recipe.training.seed = seed;
    }
    let name = options.recipe.file_stem().unwrap_or_default();
    let output = options.output.clone().unwrap_or_else(|| PathBuf::from(name));
    let mut display = Display::new(quiet);
    let (view, dataset) = view_and_dataset(&recipe, options.dataset.as_deref(), &output, &mut display)?;
    if options.plan {
        return plan(&recipe, &view, &dataset);
    }
    let (mut world, _workers) = workers::world(options, dataset.path(), &output)?;
    let fit = FitOptions {
        device: options.device,
        log_every: u64::from(options.log_every),
        ..FitOptions::default()
    };
    let mut progress = |progress: &fiducial_train::Progress<'_>| match (progress.phase, progress.started) {
        (Phase::Begun, Some(started)) => say_started(&display, started),
        (Phase::Begun, None) => {}
        _ => display.training(progress),
    };
    let saved = fiducial_train::train_in(&mut world, &recipe, &view, &dataset, &output, &fit, &mut progress)?;
    display.done();
    if world.rank() > 0 {
        return Ok(());
    }
    if let Some(training) = &saved.training {
        display.say(&format!("  {}; best epoch {}", training.stopped.describe(), training.best_epoch));
    }
    crate::print(&format!(
        "{} with {} parameters\n{}\n",
        saved.info.kind,
        count(saved.info.parameters as u64),
        output.display()
    ))
}

/// What was and what was not taken from the weights that a training starts from.
fn say_started(display: &Display, started: &Started) {
    display.say(&format!("  starts from {}: {} tensors taken", started.from, started.loaded));
    if !started.fresh.is_empty() {
        display.say(&format!("  drawn anew: {}", started.fresh.join(", ")));
    }
    if !started.unused.is_empty() {
        display.say(&format!("  not used of it: {}", started.unused.join(", ")));
    }
}

fn plan(recipe: &Recipe, view: &View, dataset: &Dataset) -> Result<(), Failure> {
    let plan = fiducial_train::plan::plan(recipe, view, dataset)?;
    let kept = plan.kept;
    let peak = plan.peak_memory_bytes.map_or_else(|| "not told by this system".to_owned(), bytes);
    crate::print(&format!(
        "{} with {} parameters
data           {} jets to train on, {} to validate on
steps          {} an epoch, {} epochs
kept in memory {} data, {} weights, {} optimiser
peak memory    {peak}, measured in a few steps, the largest batches among them
time           {} in all: {:.3} s a step, {:.3} s to validate, measured here and now
",
        plan.kind,
        count(plan.parameters as u64),
        count(plan.train_jets as u64),
        count(plan.validation_jets as u64),
        count(plan.steps_per_epoch as u64),
        plan.epochs,
        bytes(kept.data as u64),
        bytes(kept.weights as u64),
        bytes(kept.optimiser as u64),
        duration(plan.seconds),
        plan.step_seconds,
        plan.validation_seconds,
    ))
}

/// A view with splits, so that something is left to validate on: weaver's configurations have none, and it takes as much.
fn with_splits(view: &View) -> Result<View, Failure> {
    if view.splits().is_some() {
        return Ok(view.clone());
    }
    eprintln!(
        "note: the view has no splits: 80 % of the rows are trained on, 20 % validate, by a hash of their numbers"
    );
    view.with_fractions(&[("train", 0.8), ("validation", 0.2)]).map_err(Failure::input)
}

/// The view that the recipe names, or else the one that the dataset was prepared with; and the dataset that the command
/// line names, or else the recipe. A recipe's files are prepared beside the model.
fn view_and_dataset(
    recipe: &Recipe,
    dataset: Option<&Path>,
    output: &Path,
    display: &mut Display,
) -> Result<(View, Dataset), Failure> {
    let mut named = recipe.view.as_ref().map(|path| super::view::read(path)).transpose()?;
    let dataset = match (dataset, &recipe.data) {
        (Some(directory), _) => super::dataset(directory)?,
        (None, Some(DataSource::Dataset(directory))) => super::dataset(directory)?,
        (None, Some(source @ DataSource::Files(_))) => {
            let Some(view) = &named else {
                return Err(Failure::input(format!(
                    "read {}: it names files but no view",
                    recipe.path.display()
                ))
                .hint("add `view = \"view.toml\"` to the recipe"));
            };
            let options = PrepareOptions {
                about: About { name: "dataset".to_owned(), ..About::default() },
                ..PrepareOptions::default()
            };
            let view = with_splits(view)?;
            let view = &*named.insert(view);
            let directory = output.join("dataset");
            prepare_or_reuse(view, &source.files()?, &directory, &options, &mut |done| {
                display.preparing(done);
            })?
            .dataset
        }
        (None, None) => {
            return Err(Failure::usage(format!("find the data of {}: it names none", recipe.path.display()))
                .hint(
                    "give a prepared dataset with --dataset DIR, or add `dataset = \"DIR\"` to the recipe",
                ));
        }
    };
    let view = match named {
        Some(view) => view,
        None => View::parse(&dataset.manifest().view).map_err(Failure::input)?,
    };
    Ok((view, dataset))
}
