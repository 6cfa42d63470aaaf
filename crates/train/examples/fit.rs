//! Trains a recipe on its files from the command line, without the rest of the platform, and measures the test split.
//!
//! ```text
//! cargo run --release -p fiducial-train --example fit -- RECIPE.toml OUT [SEED]
//! ```
#![allow(clippy::print_stderr, clippy::print_stdout)] // a program, not the library
use std::path::{Path, PathBuf};
use std::time::Instant;

use fiducial_data::batches::tensors;
use fiducial_data::dataset::Dataset;
use fiducial_data::prepare::{PrepareOptions, prepare_or_reuse};
use fiducial_data::view::View;
use fiducial_metrics::{BinaryScores, Bootstrap};
use fiducial_models::allocator;
use fiducial_train::{DataSource, FitOptions, Phase, Progress, Recipe, train};

#[global_allocator]
static ALLOCATOR: allocator::Allocator = allocator::Allocator;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    allocator::keep_freed_memory();
    let mut arguments = std::env::args().skip(1);
    let (Some(recipe), Some(out)) = (arguments.next(), arguments.next()) else {
        return Err("the arguments are: RECIPE.toml OUT [SEED]".into());
    };
    let mut recipe = Recipe::load(recipe)?;
    if let Some(seed) = arguments.next() {
        recipe.training.seed = seed.parse()?;
    }
    let out = PathBuf::from(out);
    let begun = Instant::now();
    let view = View::read(recipe.view.as_ref().ok_or("the recipe names no view")?)?;
    let dataset = match &recipe.data {
        Some(DataSource::Dataset(path)) => Dataset::open(path)?,
        Some(source) => prepare(&view, &source.files()?, &out.join("dataset"))?,
        None => return Err("the recipe names no data".into()),
    };
    eprintln!("data ready after {:.1} s", begun.elapsed().as_secs_f64());

    let saved = train(&recipe, &view, &dataset, &out, &FitOptions::default(), &mut show)?;
    let test = tensors(&view, &saved.standardisation, &dataset, "test")?;
    let probabilities = saved.predict(&test)?;
    let scores: Vec<f64> = probabilities.chunks_exact(2).map(|row| row[1]).collect();
    let truth: Vec<bool> = test.labels.iter().map(|label| *label == 1).collect();
    let events = BinaryScores::new(&scores, &truth, None)?;
    let bootstrap = Bootstrap::default();
    let show = |name: &str, value: fiducial_metrics::Estimate| {
        println!("{name} {:.5?} [{:.5}, {:.5?}] n = {}", value.value, value.low, value.high, value.n);
    };
    show("AUC", events.roc_auc(&bootstrap)?);
    show("accuracy", events.accuracy(0.5, &bootstrap)?);
    show("1/eB at eS = 0.3", events.background_rejection(0.3, &bootstrap)?);
    show("1/eB at eS = 0.5", events.background_rejection(0.5, &bootstrap)?);
    if let Some(report) = saved.training {
        println!("{}: best epoch {}, {:?}", report.stopped.describe(), report.best_epoch, report.resources);
    }
    println!("all: {:.1} s", begun.elapsed().as_secs_f64());
    Ok(())
}

fn prepare(view: &View, files: &[PathBuf], out: &Path) -> Result<Dataset, Box<dyn std::error::Error>> {
    std::fs::create_dir_all(out.parent().unwrap_or(out))?;
    Ok(prepare_or_reuse(view, files, out, &PrepareOptions::default(), &mut |_| {})?.dataset)
}

fn show(progress: &Progress<'_>) {
    if let (Phase::EpochDone, Some(epoch)) = (progress.phase, progress.history.last()) {
        eprintln!(
            "epoch {:3}/{}: loss {:.4}, validation loss {:.4}, accuracy {:.4?}, {:5.1} s, {:.0} jets/s, {:.0} s left",
            epoch.epoch,
            progress.epochs,
            epoch.train_loss,
            epoch.validation_loss,
            epoch.validation_accuracy,
            epoch.seconds,
            epoch.jets_per_second,
            progress.left.map_or(f64::NAN, |left| left.as_secs_f64()),
        );
    }
}
