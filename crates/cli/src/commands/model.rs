//! `fiducial model`.

use std::fmt::Write;
use std::path::Path;

use fiducial_models::import::{Hints, StateDict};
use fiducial_train::{Card, EXPORT_DIRECTORY, ExportOptions, ExportRecord};

use crate::arguments::{ModelExport, ModelImport};
use crate::failure::Failure;
use crate::tables::count;

pub(crate) fn info(model: &Path) -> Result<(), Failure> {
    if model.is_file() {
        return weights(model);
    }
    let saved = super::saved_model(model)?;
    let info = &saved.info;
    let mut text =
        format!("{}: {} with {} parameters\n", info.name, info.kind, count(info.parameters as u64));
    // Writing to a string does not fail.
    let _ = match info.loss.classifies() {
        true => writeln!(text, "classes: {}", info.classes.join(", ")),
        false => writeln!(text, "predictions: {}", saved.prediction_names().join(", ")),
    };
    for group in saved.view.inputs() {
        let length = match (group.shape, group.length) {
            (Some([height, width]), _) => format!("{height} x {width} pixels"),
            (None, Some(length)) => format!("{length} constituents"),
            (None, None) => "one value a jet".to_owned(),
        };
        let _ = writeln!(text, "input {}: {} variables, {length}", group.name, group.variables.len());
    }
    if info.dataset_version.is_empty() {
        let _ = writeln!(text, "trained: elsewhere");
    } else {
        let _ = writeln!(text, "trained: on {} ({})", info.dataset, info.dataset_version);
    }
    let _ = writeln!(text, "code: {}", info.code);
    if let Some(export) = ExportRecord::read(model.join(EXPORT_DIRECTORY))? {
        let _ = writeln!(text, "{}", summary(&export));
    }
    crate::print(&text)
}

fn weights(path: &Path) -> Result<(), Failure> {
    let weights = StateDict::open(path).map_err(Failure::input)?;
    let mut text = String::new();
    let mut numbers = 0;
    for (name, shape) in weights.shapes() {
        numbers += shape.iter().product::<usize>();
        let _ = writeln!(text, "{name} {shape:?}");
    }
    let _ = writeln!(text, "{} tensors, {} numbers", weights.shapes().count(), count(numbers as u64));
    crate::print(&text)
}

pub(crate) fn card(
    model: &Path,
    licence: Option<String>,
    intended_use: Option<String>,
) -> Result<(), Failure> {
    let saved = super::saved_model(model)?;
    let mut card = Card::read(model)?;
    if licence.is_some() || intended_use.is_some() {
        card.licence = licence.or(card.licence);
        card.intended_use = intended_use.or(card.intended_use);
        card.write(&saved, model)?;
    }
    let export = ExportRecord::read(model.join(EXPORT_DIRECTORY))?;
    crate::print(&card.text(&saved, export.as_ref()))
}

pub(crate) fn export(options: &ModelExport) -> Result<(), Failure> {
    let saved = super::saved_model(&options.model)?;
    let dataset = options.dataset.as_deref().map(super::dataset).transpose()?;
    let settings = ExportOptions {
        preprocessing: options.preprocessing,
        rows: dataset.as_ref().map(|dataset| (dataset, options.split.as_str(), options.jets as usize)),
        output: options.output.as_deref(),
        unproven: options.unproven,
    };
    let (record, output) = fiducial_train::export(&saved, &options.model, &settings).map_err(|error| {
        let is_unproven = matches!(error, fiducial_train::Error::Unproven(_));
        let failure = Failure::from(error);
        match is_unproven {
            true => failure.hint(
                "give jets with --dataset DIR, and ONNX Runtime's library in ORT_DYLIB_PATH; or --unproven, and the card \
                 will say that nobody compared the file with the model",
            ),
            false => failure,
        }
    })?;
    crate::print(&format!("{}\n{}\n", summary(&record), output.display()))
}

fn summary(export: &ExportRecord) -> String {
    match &export.proof {
        Some(proof) => format!(
            "onnx: proven by {} on {} jets, largest difference {:.1e}",
            proof.runtime, proof.jets, proof.largest_difference
        ),
        None => "onnx: not proven".to_owned(),
    }
}

pub(crate) fn import(options: &ModelImport) -> Result<(), Failure> {
    let view = super::view::read(&options.view)?;
    let stem = options.weights.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let name = options.name.clone().unwrap_or(stem);
    let hints = Hints { neighbours: options.neighbours };
    let mut saved = fiducial_train::import_weaver(&options.weights, &view, &hints, &name)?;
    saved.save(&options.output)?;
    crate::print(&format!(
        "{} with {} parameters\n{}\n",
        saved.info.kind,
        count(saved.info.parameters as u64),
        options.output.display()
    ))
}
