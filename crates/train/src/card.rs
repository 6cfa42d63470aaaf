//! The model card: what a person reads, with the front matter that model hubs read.
use std::fmt::Write;

use fiducial_trees::Booster;

use crate::SavedModel;

/// Markdown with YAML front matter, as model hubs take it.
pub(crate) fn card(model: &SavedModel) -> String {
    let info = &model.info;
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write_card(&mut text, model, &info.classes.join(", "));
    text
}

fn write_card(text: &mut String, model: &SavedModel, classes: &str) -> std::fmt::Result {
    let info = &model.info;
    writeln!(
        text,
        "---\nlibrary_name: fiducial\ntags:\n- high-energy-physics\n- jet-tagging\n- {}",
        info.kind
    )?;
    writeln!(text, "---\n\n# {}\n", info.name)?;
    writeln!(text, "A {} with {} trained numbers. Classes: {classes}.\n", info.kind, info.parameters)?;

    writeln!(text, "## Use\n\n```\nfiducial predict THIS_DIRECTORY DATASET -o predictions.parquet\n```\n")?;
    writeln!(text, "## Inputs\n\n`view.toml` says how they are computed.\n")?;
    writeln!(text, "| group | constituents | variables |\n|---|---|---|")?;
    for group in model.view.inputs() {
        let names: Vec<&str> = group.variables.iter().map(|variable| variable.name.as_str()).collect();
        let length = group.length.map_or("one value a jet".to_owned(), |length| length.to_string());
        writeln!(text, "| {} | {length} | {} |", group.name, names.join(", "))?;
    }

    if let Some(booster) = model.model.trees() {
        write_importance(text, booster)?;
    }

    writeln!(text, "\n## Training\n\n| | |\n|---|---|")?;
    writeln!(text, "| dataset | {} |\n| its version | `{}` |", info.dataset, info.dataset_version)?;
    writeln!(text, "| seed | {} |\n| code | {} |", info.seed, info.code)?;
    if let Some(training) = &model.training {
        writeln!(text, "| jets to train on | {} |", training.train_jets)?;
        writeln!(text, "| jets to validate on | {} |", training.validation_jets)?;
        writeln!(text, "| epochs | {} ({}) |", training.history.len(), training.stopped.describe())?;
        if let Some(best) = training.best() {
            writeln!(text, "| best epoch | {} |", best.epoch)?;
            writeln!(text, "| validation loss | {:.5} |", best.validation_loss)?;
            writeln!(text, "| validation accuracy | {:.4} |", best.validation_accuracy)?;
        }
        let used = &training.resources;
        writeln!(text, "| time | {:.0} s |", used.wall_seconds)?;
        if let Some(bytes) = used.peak_memory_bytes {
            writeln!(text, "| peak memory | {:.0} MiB |", bytes as f64 / 1_048_576.0)?;
        }
        writeln!(text, "| energy | {:.3} Wh ({}) |", used.energy.joules / 3600.0, used.energy.note)?;
    }
    writeln!(text, "\n`model.json` holds the recipe, `training.json` each epoch.\n")?;
    writeln!(
        text,
        "## Limits\n\nThe scores are what the model learnt from the simulation or data above. On jets of another\n\
         selection, another detector or another generator they mean something else until that is measured."
    )
}

/// The features that lowered the loss most.
fn write_importance(text: &mut String, booster: &Booster) -> std::fmt::Result {
    const SHOWN: usize = 15;
    let importance = booster.importance();
    let total: f64 = importance.iter().map(|feature| feature.gain).sum();
    writeln!(
        text,
        "\n## What the trees split on\n\n| feature | splits | share of the gain |\n|---|---|---|"
    )?;
    for feature in importance.iter().take(SHOWN) {
        let number = feature.feature.to_string();
        let name = booster.feature_names().get(feature.feature).unwrap_or(&number);
        writeln!(text, "| {name} | {} | {:.3} |", feature.splits, feature.gain / total)?;
    }
    Ok(())
}
