//! The model card: what a person reads, with the front matter that model hubs read.
use std::fmt::{self, Write};
use std::path::Path;

use fiducial_models::ComputeDevice;
use fiducial_trees::Booster;
use serde::{Deserialize, Serialize};

use crate::export::{EXPORT_DIRECTORY, ExportRecord};
use crate::{Error, SavedModel, files, loss};

/// The format that a model directory's `card.json` names.
pub const CARD_FORMAT: &str = "fiducial-card/1";

pub(crate) const CARD: &str = "README.md";
const STATEMENTS: &str = "card.json";

/// What a card says beyond what the model's own files tell: `card.json` in a model's directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Always [`CARD_FORMAT`].
    pub format: String,
    /// The licence of the weights, as model hubs abbreviate it (`cc-by-4.0`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// What the model is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intended_use: Option<String>,
    /// What was measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub measured: Vec<Measurement>,
}

impl Default for Card {
    fn default() -> Self {
        Self { format: CARD_FORMAT.to_owned(), licence: None, intended_use: None, measured: Vec::new() }
    }
}

/// The metrics of a model on one split of one dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measurement {
    /// The task, such as `jet-tagging/top`.
    pub task: String,
    /// The dataset's name.
    pub dataset: String,
    /// Its version, which is the hash of its content.
    pub dataset_version: String,
    /// The split.
    pub split: String,
    /// How much of the distribution an interval holds.
    pub confidence: f64,
    /// The metrics in order.
    pub metrics: Vec<MeasuredMetric>,
}

/// A metric with its interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasuredMetric {
    /// Its key, such as `roc_auc`.
    pub key: String,
    /// Its name for a person.
    pub name: String,
    /// The value; none where the data give a limit alone.
    pub value: Option<f64>,
    /// Lower end of the interval, or the lower limit.
    pub low: f64,
    /// Upper end; none where there is none.
    pub high: Option<f64>,
    /// Number of events that it rests on.
    pub events: u64,
}

impl Card {
    /// What a model's directory says; nothing where it has no `card.json`.
    ///
    /// # Errors
    /// A file that cannot be read or that is something else.
    pub fn read(directory: impl AsRef<Path>) -> Result<Self, Error> {
        let path = directory.as_ref().join(STATEMENTS);
        if !path.exists() {
            return Ok(Self::default());
        }
        let card: Self =
            serde_json::from_slice(&files::read(&path)?).map_err(|error| Error::damaged(&path, error))?;
        match card.format == CARD_FORMAT {
            true => Ok(card),
            false => Err(Error::damaged(
                &path,
                format!("its format is \"{}\", not \"{CARD_FORMAT}\"", card.format),
            )),
        }
    }

    /// Writes `card.json` into the directory of `model`, and its `README.md` anew.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, model: &SavedModel, directory: impl AsRef<Path>) -> Result<(), Error> {
        let directory = directory.as_ref();
        let path = directory.join(STATEMENTS);
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|error| Error::damaged(&path, error))?;
        bytes.push(b'\n');
        files::write_whole(&path, &bytes)?;
        write(model, directory)
    }

    /// The card as Markdown with YAML front matter, as model hubs take it.
    pub fn text(&self, model: &SavedModel, export: Option<&ExportRecord>) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = front_matter(&mut text, self, model);
        let _ = body(&mut text, self, model);
        if let Some(export) = export {
            let _ = exported(&mut text, export);
        }
        let _ = limits(&mut text);
        text
    }
}

/// Writes the card of a model directory from what the directory holds.
pub(crate) fn write(model: &SavedModel, directory: &Path) -> Result<(), Error> {
    let export = ExportRecord::read(directory.join(EXPORT_DIRECTORY))?;
    let text = Card::read(directory)?.text(model, export.as_ref());
    files::write_whole(&directory.join(CARD), text.as_bytes())
}

/// A text in YAML: JSON's quoting is YAML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn front_matter(text: &mut String, card: &Card, model: &SavedModel) -> fmt::Result {
    let info = &model.info;
    writeln!(text, "---\nlibrary_name: fiducial")?;
    writeln!(text, "license: {}", quoted(card.licence.as_deref().unwrap_or("unknown")))?;
    match info.loss.classifies() {
        true => {
            writeln!(text, "pipeline_tag: tabular-classification")?;
            writeln!(text, "tags:\n- high-energy-physics\n- jet-tagging\n- {}", info.kind)?;
        }
        false => {
            writeln!(text, "pipeline_tag: tabular-regression")?;
            writeln!(text, "tags:\n- high-energy-physics\n- {}", info.kind)?;
        }
    }
    if let Some(training) = &model.training {
        writeln!(text, "training_energy_joules: {:.1}", training.resources.energy.joules)?;
    }
    if !info.dataset_version.is_empty() {
        writeln!(text, "training_data:\n  name: {}", quoted(&info.dataset))?;
        writeln!(text, "  sha256: {}", quoted(&info.dataset_version))?;
    }
    if !card.measured.is_empty() {
        writeln!(text, "model-index:\n- name: {}\n  results:", quoted(&info.name))?;
    }
    let kind = if info.loss.classifies() { "tabular-classification" } else { "tabular-regression" };
    for measured in &card.measured {
        writeln!(text, "  - task:\n      type: {kind}\n      name: {}", quoted(&measured.task))?;
        writeln!(text, "    dataset:\n      type: {}", quoted(&measured.dataset))?;
        writeln!(
            text,
            "      name: {}\n      split: {}",
            quoted(&measured.dataset),
            quoted(&measured.split)
        )?;
        writeln!(text, "      revision: {}\n    metrics:", quoted(&measured.dataset_version))?;
        for metric in &measured.metrics {
            writeln!(text, "    - type: {}\n      name: {}", quoted(&metric.key), quoted(&metric.name))?;
            // A limit has no value; the hub wants a number, and the limit is the one that is known.
            writeln!(text, "      value: {}", number(metric.value.unwrap_or(metric.low)))?;
            writeln!(text, "      args:\n        is_lower_limit: {}", metric.value.is_none())?;
            writeln!(text, "        low: {}", number(metric.low))?;
            writeln!(text, "        high: {}", metric.high.map_or_else(|| "null".to_owned(), number))?;
            writeln!(text, "        confidence: {:.4}", measured.confidence)?;
            writeln!(text, "        events: {}", metric.events)?;
        }
    }
    writeln!(text, "---\n")
}

/// As YAML 1.1 takes it for a number too: with a point.
fn number(value: f64) -> String {
    if value.is_finite() { format!("{value:?}") } else { "null".to_owned() }
}

fn body(text: &mut String, card: &Card, model: &SavedModel) -> fmt::Result {
    let info = &model.info;
    writeln!(text, "# {}\n", info.name)?;
    write!(text, "A {} with {} trained numbers. ", info.kind, info.parameters)?;
    match info.loss.classifies() {
        true => writeln!(text, "Classes: {}.\n", info.classes.join(", "))?,
        false => {
            let names = model.prediction_names();
            writeln!(text, "Loss: {}. Predictions: {}.\n", loss::name(&info.loss.kind), names.join(", "))?;
        }
    }
    writeln!(text, "## Use\n\n{}\n", card.intended_use.as_deref().unwrap_or("No intended use was stated."))?;
    writeln!(text, "```\nfiducial predict THIS_DIRECTORY DATASET -o predictions.parquet\n```\n")?;
    writeln!(text, "Licence of the weights: {}.\n", card.licence.as_deref().unwrap_or("none was stated"))?;
    writeln!(text, "## Inputs\n\n`view.toml` says how they are computed.\n")?;
    writeln!(text, "| group | constituents | variables |\n|---|---|---|")?;
    for group in model.view.inputs() {
        let names: Vec<&str> = group.variables.iter().map(|variable| variable.name.as_str()).collect();
        let length = match (group.shape, group.length) {
            (Some([height, width]), _) => format!("{height} x {width} pixels"),
            (None, Some(length)) => length.to_string(),
            (None, None) => "one value a jet".to_owned(),
        };
        writeln!(text, "| {} | {length} | {} |", group.name, names.join(", "))?;
    }
    training(text, model)?;
    for measured in &card.measured {
        writeln!(
            text,
            "## {} on {} of {}\n\n| | value | {:.0} % interval | events |\n|---|---|---|---|",
            measured.task,
            measured.split,
            measured.dataset,
            100.0 * measured.confidence
        )?;
        for metric in &measured.metrics {
            let [value, low, high] = [metric.value, Some(metric.low), metric.high].map(significant);
            let value = if metric.value.is_some() { value } else { format!("> {low}") };
            writeln!(text, "| {} | {value} | {low} to {high} | {} |", metric.name, metric.events)?;
        }
        writeln!(text, "\nVersion of the dataset: `{}`.\n", measured.dataset_version)?;
    }
    if let Some(booster) = model.model.trees() {
        write_importance(text, booster)?;
    }
    Ok(())
}

fn significant(value: Option<f64>) -> String {
    match value {
        None => "no bound".to_owned(),
        Some(value) if value.abs() >= 100.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.5}"),
    }
}

fn training(text: &mut String, model: &SavedModel) -> fmt::Result {
    let info = &model.info;
    writeln!(text, "\n## Training\n\n| | |\n|---|---|")?;
    if info.dataset_version.is_empty() && model.training.is_none() {
        writeln!(text, "| trained | elsewhere |\n| code | {} |\n", info.code)?;
        return Ok(());
    }
    writeln!(text, "| dataset | {} |\n| its version | `{}` |", info.dataset, info.dataset_version)?;
    writeln!(text, "| seed | {} |\n| code | {} |", info.seed, info.code)?;
    if let Some(training) = &model.training {
        writeln!(text, "| jets to train on | {} |", training.train_jets)?;
        writeln!(text, "| jets to validate on | {} |", training.validation_jets)?;
        writeln!(text, "| epochs | {} ({}) |", training.history.len(), training.stopped.describe())?;
        if let Some(best) = training.best() {
            writeln!(text, "| best epoch | {} |", best.epoch)?;
            writeln!(text, "| validation loss | {:.5} |", best.validation_loss)?;
            if let Some(accuracy) = best.validation_accuracy {
                writeln!(text, "| validation accuracy | {accuracy:.4} |")?;
            }
        }
        if training.device != ComputeDevice::Cpu.to_string() {
            writeln!(text, "| device | {} |", training.device)?;
        }
        let used = &training.resources;
        writeln!(text, "| time | {:.0} s |", used.wall_seconds)?;
        if let Some(bytes) = used.peak_memory_bytes {
            writeln!(text, "| peak memory | {:.0} MiB |", bytes as f64 / 1_048_576.0)?;
        }
        writeln!(text, "| energy | {:.3} Wh ({}) |", used.energy.joules / 3600.0, used.energy.note)?;
    }
    writeln!(text, "\n`model.json` holds the recipe, `training.json` each epoch.\n")
}

fn exported(text: &mut String, export: &ExportRecord) -> fmt::Result {
    writeln!(text, "## ONNX\n\n| | |\n|---|---|")?;
    writeln!(text, "| file | `{EXPORT_DIRECTORY}/model.onnx`, operator set {} |", export.opset)?;
    writeln!(text, "| its sha256 | `{}` |", export.sha256)?;
    let of_constituents = export.inputs.iter().any(|input| input.starts_with("pf_"));
    let shape = if of_constituents { "; `pf_`: (jets, variables, constituents), padded" } else { "" };
    writeln!(text, "| inputs | {}{shape} |", export.inputs.join(", "))?;
    let place =
        if export.preprocessing_inside { "in the file" } else { "`preprocess.json`, as weaver writes it" };
    writeln!(text, "| standardisation | {place} |")?;
    match &export.proof {
        Some(proof) => {
            writeln!(
                text,
                "| proven | {} on {} jets of the {} split of {} (`{}`) |",
                proof.runtime, proof.jets, proof.split, proof.dataset, proof.dataset_version
            )?;
            writeln!(
                text,
                "| largest difference | {:.1e}, where {:.0e} is allowed |\n",
                proof.largest_difference, proof.tolerance
            )
        }
        None => writeln!(text, "| proven | **not proven**: nobody compared it with the network |\n"),
    }
}

fn limits(text: &mut String) -> fmt::Result {
    writeln!(
        text,
        "## Limits\n\nThe scores are what the model learnt from the simulation or data above. On jets of another\n\
         selection, another detector or another generator they mean something else until that is measured."
    )
}

/// The features that lowered the loss most.
fn write_importance(text: &mut String, booster: &Booster) -> fmt::Result {
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
