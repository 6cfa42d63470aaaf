//! Models for production: an ONNX file that is proven, weaver's `preprocess.json`, and a record of both.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fiducial_data::batches::{Labels, Standardisation, Tensors, tensors_with};
use fiducial_data::dataset::Dataset;
use fiducial_data::view::{Group, Scaling, Variable, View};
use fiducial_models::Network;
use fiducial_models::onnx::{self, Answers, Export, Preprocessing, Proof, Runtime, Transform};
use serde::{Deserialize, Serialize};

use crate::saved_model::input;
use crate::{Error, SavedModel, card, files, predict};

/// The format that `export.json` names.
pub const EXPORT_FORMAT: &str = "fiducial-export/1";

/// Where a model directory keeps its export.
pub const EXPORT_DIRECTORY: &str = "onnx";

const MODEL: &str = "model.onnx";
const PREPROCESS: &str = "preprocess.json";
const RECORD: &str = "export.json";

/// How a model is exported.
#[derive(Clone, Debug)]
pub struct ExportOptions<'a> {
    /// Puts standardisation and clipping into the file, which then reads the view's variables as they are.
    pub preprocessing: bool,
    /// Real jets for the proof: a dataset, its split, and how many of its first rows.
    pub rows: Option<(&'a Dataset, &'a str, usize)>,
    /// Where to write; none for `onnx/` in the model's directory.
    pub output: Option<&'a Path>,
    /// Whether a file that could not be compared is written all the same.
    pub unproven: bool,
}

/// The content of `export.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportRecord {
    /// Always [`EXPORT_FORMAT`].
    pub format: String,
    /// The model's name.
    pub model: String,
    /// The kind of network.
    pub kind: String,
    /// The version of ONNX's operator set.
    pub opset: i64,
    /// Of `model.onnx`.
    pub sha256: String,
    /// The names of the inputs.
    pub inputs: Vec<String>,
    /// The classes in the order of the output; none of a regression.
    pub classes: Vec<String>,
    /// The names of the output's columns, as in predictions; of a regression in the units of its targets.
    #[serde(default)]
    pub outputs: Vec<String>,
    /// Whether the file reads values before any standardisation.
    pub preprocessing_inside: bool,
    /// How it was compared with the network; none if nobody did.
    pub proof: Option<ProofRecord>,
}

/// The comparison of a file with its network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofRecord {
    /// What ran the file.
    pub runtime: String,
    /// The dataset that the jets came from.
    pub dataset: String,
    /// Its version.
    pub dataset_version: String,
    /// Its split.
    pub split: String,
    /// Jets that were compared.
    pub jets: usize,
    /// The largest difference between two probabilities; of a regression, over the target's scale or over the value where that
    /// is larger.
    pub largest_difference: f64,
    /// The largest that is allowed.
    pub tolerance: f64,
}

impl ExportRecord {
    /// The record in a directory of an export, if it has one.
    ///
    /// # Errors
    /// A file that cannot be read or that is something else.
    pub fn read(directory: impl AsRef<Path>) -> Result<Option<Self>, Error> {
        let path = directory.as_ref().join(RECORD);
        if !path.exists() {
            return Ok(None);
        }
        let record: Self =
            serde_json::from_slice(&files::read(&path)?).map_err(|error| Error::damaged(&path, error))?;
        match record.format == EXPORT_FORMAT {
            true => Ok(Some(record)),
            false => Err(Error::damaged(
                &path,
                format!("its format is \"{}\", not \"{EXPORT_FORMAT}\"", record.format),
            )),
        }
    }
}

/// Writes `model.onnx`, `preprocess.json` and, last, `export.json`, and puts the result into the model's card.
///
/// ONNX Runtime, found as [`Runtime::find`] does, runs the file on real jets, and its probabilities are compared with
/// the network's.
///
/// # Errors
/// Boosted trees; no runtime or no jets, unless unproven files are allowed; a file that differs from the network; files that cannot be
/// written.
pub fn export(
    saved: &SavedModel,
    directory: &Path,
    options: &ExportOptions<'_>,
) -> Result<(ExportRecord, PathBuf), Error> {
    let inside = options.preprocessing;
    let mask = input(&saved.view, "mask").is_some();
    let preprocessing =
        if inside { preprocessing(&saved.view, &saved.standardisation) } else { Preprocessing::default() };
    let metadata = [
        ("fiducial_model", saved.info.name.clone()),
        ("classes", saved.info.classes.join(",")),
        ("outputs", saved.prediction_names().join(",")),
        ("dataset_version", saved.info.dataset_version.clone()),
    ];
    let metadata = metadata.map(|(key, value)| (key.to_owned(), value)).to_vec();
    let network = saved.model.network("an export to ONNX")?;
    let answers = Answers { loss: saved.info.loss.clone(), targets: saved.target_scales() };
    let file = onnx::export(network, &Export { mask, preprocessing, answers: answers.clone(), metadata })?;
    let proof = match prove(saved, network, &answers, &file, options) {
        Ok(proof) => Some(proof),
        Err(Refused::Impossible(_)) if options.unproven => None,
        Err(Refused::Impossible(reason)) => return Err(Error::Unproven(reason)),
        Err(Refused::Failed(error)) => return Err(error),
    };
    let inputs = onnx::input_names(network.config(), mask);
    let record = ExportRecord {
        format: EXPORT_FORMAT.to_owned(),
        model: saved.info.name.clone(),
        kind: saved.info.kind.clone(),
        opset: onnx::OPSET,
        sha256: files::sha256(&file),
        inputs: inputs.iter().map(|name| (*name).to_owned()).collect(),
        classes: saved.info.classes.clone(),
        outputs: saved.prediction_names(),
        preprocessing_inside: inside,
        proof,
    };
    let output = options.output.map_or_else(|| directory.join(EXPORT_DIRECTORY), Path::to_path_buf);
    files::create_directory(&output)?;
    files::write_whole(&output.join(MODEL), &file)?;
    let described = preprocess_json(saved, &inputs, inside);
    files::write_whole(&output.join(PREPROCESS), &pretty(&output.join(PREPROCESS), &described)?)?;
    files::write_whole(&output.join(RECORD), &pretty(&output.join(RECORD), &record)?)?;
    if output == directory.join(EXPORT_DIRECTORY) {
        card::write(saved, directory)?;
    } else {
        let text = card::Card::read(directory)?.text(saved, Some(&record));
        files::write_whole(&output.join("README.md"), text.as_bytes())?;
    }
    Ok((record, output))
}

enum Refused {
    /// Nothing to prove it with.
    Impossible(&'static str),
    Failed(Error),
}

impl<E: Into<Error>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

fn prove(
    saved: &SavedModel,
    network: &Network,
    answers: &Answers,
    file: &[u8],
    options: &ExportOptions<'_>,
) -> Result<ProofRecord, Refused> {
    let Some((dataset, split, rows)) = options.rows else {
        return Err(Refused::Impossible("there are no jets to compare on"));
    };
    let Some(runtime) = Runtime::find()? else {
        return Err(Refused::Impossible("the library of ONNX Runtime is not there"));
    };
    let first = |view: &View| -> Result<(Tensors, Vec<u32>), Error> {
        let tensors = tensors_with(view, &saved.standardisation, dataset, split, Labels::Absent)?;
        let rows = (0..tensors.rows().min(rows) as u32).collect();
        Ok((tensors, rows))
    };
    let (tensors, rows) = first(&saved.view)?;
    if rows.is_empty() {
        return Err(Refused::Impossible("the split has no jets"));
    }
    let standardised = tensors.gather(&rows);
    let raw = if options.preprocessing {
        first(&unscaled(&saved.view)?)?.0.gather(&rows)
    } else {
        standardised.clone()
    };
    let mut session = runtime.session(file, 1)?;
    let [raw, standardised] = [
        predict::groups(&raw, rows.len(), network.config())?,
        predict::groups(&standardised, rows.len(), network.config())?,
    ];
    let proof = Proof::make(&mut session, &runtime, network, answers, &raw, &standardised)?;
    Ok(ProofRecord {
        runtime: proof.runtime,
        dataset: dataset.manifest().about.name.clone(),
        dataset_version: dataset.version().to_owned(),
        split: split.to_owned(),
        jets: proof.jets,
        largest_difference: proof.largest_difference,
        tolerance: onnx::TOLERANCE,
    })
}

/// The view without standardisation and clipping.
fn unscaled(view: &View) -> Result<View, Error> {
    let mut table: toml::Table = view.to_toml().parse().unwrap_or_default();
    let groups = table.get_mut("inputs").and_then(toml::Value::as_table_mut);
    for group in groups.into_iter().flat_map(|groups| groups.iter_mut().map(|(_, group)| group)) {
        let Some(group) = group.as_table_mut() else { continue };
        group.remove("standardise");
        for variable in group.get_mut("variables").and_then(toml::Value::as_array_mut).into_iter().flatten() {
            if let Some(variable) = variable.as_table_mut() {
                for key in ["center", "scale", "clip", "standardise"] {
                    variable.remove(key);
                }
            }
        }
    }
    Ok(View::parse(&table.to_string())?)
}

fn transform(variable: &Variable, measured: &Standardisation) -> Transform {
    let (center, scale) = match variable.scaling {
        Scaling::None => (0.0, 1.0),
        Scaling::Given { center, scale } => (center, scale),
        Scaling::Measured => {
            measured.variables.get(&variable.name).map_or((0.0, 1.0), |found| (found.center, found.scale))
        }
    };
    Transform { center, scale, clip: variable.clip }
}

fn preprocessing(view: &View, measured: &Standardisation) -> Preprocessing {
    let of = |name: &str| -> Vec<Transform> {
        let variables = input(view, name).into_iter().flat_map(|group| &group.variables);
        variables.map(|variable| transform(variable, measured)).collect()
    };
    Preprocessing {
        points: of("points"),
        features: of("features"),
        vectors: of("vectors"),
        globals: of("globals"),
        parameters: of("parameters"),
        images: of("images"),
    }
}

/// What weaver writes beside an export, and CMSSW reads.
#[derive(Serialize)]
struct Preprocess {
    output_names: Vec<String>,
    input_names: Vec<String>,
    #[serde(flatten)]
    groups: BTreeMap<String, PreprocessGroup>,
}

#[derive(Serialize)]
struct PreprocessGroup {
    var_names: Vec<String>,
    var_infos: BTreeMap<String, VariableInfo>,
    var_length: Option<usize>,
}

#[derive(Serialize)]
struct VariableInfo {
    median: f64,
    norm_factor: f64,
    replace_inf_value: f64,
    lower_bound: f64,
    upper_bound: f64,
    pad: f64,
}

/// Weaver's number for no bound.
const NO_BOUND: f64 = 1e32;

fn preprocess_json(saved: &SavedModel, inputs: &[&str], inside: bool) -> Preprocess {
    let group = |name: &&str| -> Option<(String, PreprocessGroup)> {
        let group: &Group = input(&saved.view, name.trim_start_matches("pf_"))?;
        let infos = group.variables.iter().map(|variable| {
            let Transform { center, scale, clip } = transform(variable, &saved.standardisation);
            let info = match inside {
                true => (0.0, 1.0, None),
                false => (center, scale, clip),
            };
            let (lower_bound, upper_bound) = info.2.unwrap_or((-NO_BOUND, NO_BOUND));
            let info = VariableInfo {
                median: info.0,
                norm_factor: info.1,
                replace_inf_value: 0.0,
                lower_bound,
                upper_bound,
                pad: variable.pad,
            };
            (variable.name.clone(), info)
        });
        let described = PreprocessGroup {
            var_names: group.variables.iter().map(|variable| variable.name.clone()).collect(),
            var_infos: infos.collect(),
            var_length: group.length,
        };
        Some(((*name).to_owned(), described))
    };
    Preprocess {
        output_names: match saved.info.loss.classifies() {
            true => saved.info.classes.clone(),
            false => saved.prediction_names(),
        },
        input_names: inputs.iter().map(|name| (*name).to_owned()).collect(),
        groups: inputs.iter().filter_map(group).collect(),
    }
}

fn pretty(path: &Path, value: &impl Serialize) -> Result<Vec<u8>, Error> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|error| Error::damaged(path, error))?;
    bytes.push(b'\n');
    Ok(bytes)
}
