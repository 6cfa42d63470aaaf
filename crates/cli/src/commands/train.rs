//! `fiducial train`.

use std::path::{Path, PathBuf};

use fiducial_data::dataset::{About, Dataset};
use fiducial_data::prepare::{PrepareOptions, prepare_or_reuse};
use fiducial_data::view::View;
use fiducial_train::{DataSource, FitOptions, Recipe};

use crate::arguments::Train;
use crate::failure::Failure;
use crate::progress::Display;
use crate::tables::count;

pub(crate) fn run(options: &Train, quiet: bool) -> Result<(), Failure> {
    let mut recipe = Recipe::load(&options.recipe)?;
    if let Some(seed) = options.seed {
        recipe.training.seed = seed;
    }
    let name = options.recipe.file_stem().unwrap_or_default();
    let output = options.output.clone().unwrap_or_else(|| PathBuf::from(name));
    let mut display = Display::new(quiet);
    let (view, dataset) = view_and_dataset(&recipe, options.dataset.as_deref(), &output, &mut display)?;
    let saved =
        fiducial_train::train(&recipe, &view, &dataset, &output, &FitOptions::default(), &mut |progress| {
            display.training(progress);
        })?;
    display.done();
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

/// The view that the recipe names, or else the one that the dataset was prepared with; and the dataset that the command
/// line names, or else the recipe. A recipe's files are prepared beside the model.
fn view_and_dataset(
    recipe: &Recipe,
    dataset: Option<&Path>,
    output: &Path,
    display: &mut Display,
) -> Result<(View, Dataset), Failure> {
    let named = recipe.view.as_ref().map(|path| super::view::read(path)).transpose()?;
    let dataset = match (dataset, &recipe.data) {
        (Some(directory), _) => Dataset::open(directory)?,
        (None, Some(DataSource::Dataset(directory))) => Dataset::open(directory)?,
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
