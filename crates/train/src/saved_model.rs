//! Model directories: a model with everything that is needed to use it.
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fiducial_data::batches::{Batch, Standardisation, Tensors};
use fiducial_data::view::{Group, Scaling, View};
use fiducial_models::{ComputeDevice, Loss, ModelConfig, Need, Network, Shape};
use fiducial_trees::Booster;
use serde::{Deserialize, Serialize};

use crate::train::target_scales;
use crate::{Error, Model, TrainReport, card, files, predict, trees};

/// The format that a model directory's `model.json` names.
pub const MODEL_FORMAT: &str = "fiducial-model/1";

const INFO: &str = "model.json";
pub(crate) const WEIGHTS: &str = "model.safetensors";
const TREES: &str = "trees.json";
const CONFIG: &str = "model.toml";
const VIEW: &str = "view.toml";
const STANDARDISATION: &str = "standardisation.json";
const TRAINING: &str = "training.json";

/// There while a model is written, so that a save that was killed is known for what it left behind.
const SAVING: &str = ".model.saving";

/// Where a training in a model's directory keeps its checkpoint, unless it is told otherwise.
pub(crate) const CHECKPOINT: &str = "checkpoint";

/// A trained model, the view that feeds it, and where it came from.
///
/// On disk it is a directory with `model.safetensors` (of boosted trees `trees.json`, a file of XGBoost's), `model.toml` (the
/// architecture; networks only), `view.toml`, `standardisation.json`, `training.json` (the record of the training),
/// `README.md` (a model card, of what is here and of what `card.json` and `onnx/export.json` say, where they are) and
/// `model.json`, which is written last and names the hashes of the others.
#[derive(Debug)]
pub struct SavedModel {
    /// The network or the trees.
    pub model: Model,
    /// How a dataset becomes its inputs.
    pub view: View,
    /// What was measured on the training split.
    pub standardisation: Standardisation,
    /// Where it came from.
    pub info: ModelInfo,
    /// The record of the training, if there is one.
    pub training: Option<TrainReport>,
}

/// The format that a model directory's `training.json` names.
const TRAINING_FORMAT: &str = "fiducial-training/1";

/// The content of `training.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Training {
    format: String,
    report: TrainReport,
}

/// The content of `model.json`. It holds no times: the same training gives the same file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelInfo {
    /// Always [`MODEL_FORMAT`].
    pub format: String,
    /// A short name.
    pub name: String,
    /// The kind of model, such as `particle-net`.
    pub kind: String,
    /// Trained numbers.
    pub parameters: usize,
    /// The classes in the order of the scores; none of a regression.
    pub classes: Vec<String>,
    /// What it was trained to minimise, which says what its outputs are.
    #[serde(default)]
    pub loss: Loss,
    /// The name of the dataset that it was trained on.
    pub dataset: String,
    /// The version of that dataset: the hash of its content.
    pub dataset_version: String,
    /// The recipe as it was written.
    pub recipe: String,
    /// The seed, which may differ from the recipe's.
    pub seed: u64,
    /// Name and version of the code that trained it.
    pub code: String,
    /// The SHA-256 of each file that a prediction depends on.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
}

impl SavedModel {
    /// The names of the predictions: `score_CLASS`, or of a regression's target `predicted_`, `quantile_LEVEL_`, `mean_` and
    /// `sigma_`.
    pub fn prediction_names(&self) -> Vec<String> {
        let targets: Vec<String> = self.view.targets().iter().map(|(name, _)| name.clone()).collect();
        self.info.loss.names(&self.info.classes, &targets)
    }

    /// The model with its network on another device; trees stay on the processor.
    ///
    /// # Errors
    /// A device that is not there.
    pub fn on(mut self, device: ComputeDevice) -> Result<Self, Error> {
        self.model = match self.model {
            Model::Network(network) => Model::Network(network.on(device)?),
            trees @ Model::Trees(_) => trees,
        };
        Ok(self)
    }

    /// Predictions for tensors of the view, one row a jet and one column for each of [`SavedModel::prediction_names`]:
    /// probabilities as [`crate::predict`] gives them, or numbers in the units of the targets.
    ///
    /// # Errors
    /// Tensors that lack what the model reads.
    pub fn predict(&self, tensors: &Tensors) -> Result<Vec<f64>, Error> {
        Ok(self.as_predictions(&self.model.outputs(tensors)?))
    }

    /// As [`SavedModel::predict`], for one batch of `jets` jets.
    ///
    /// # Errors
    /// As [`SavedModel::predict`].
    pub fn predict_batch(&self, batch: &Batch, jets: usize) -> Result<Vec<f64>, Error> {
        Ok(self.as_predictions(&self.model.outputs_of(batch, jets)?))
    }

    fn as_predictions(&self, outputs: &[f32]) -> Vec<f64> {
        let scales = self.target_scales();
        predict::predictions(&self.info.loss, outputs, self.prediction_names().len(), &scales)
    }

    /// Centre and scale of each target of a regression; none of a classification.
    pub(crate) fn target_scales(&self) -> Vec<(f64, f64)> {
        match self.info.loss.classifies() {
            true => Vec::new(),
            false => target_scales(&self.view, &self.standardisation),
        }
    }

    /// Whether a model may be written to a directory: it holds one, or a part of one that a killed save left, or the checkpoint of a
    /// training, or no file of a model's names. So no dataset, say, loses its `README.md`.
    pub(crate) fn check_directory(directory: &Path) -> Result<(), Error> {
        if [INFO, SAVING, CHECKPOINT].into_iter().any(|name| directory.join(name).exists()) {
            return Ok(());
        }
        let names = [WEIGHTS, TREES, CONFIG, VIEW, STANDARDISATION, TRAINING, card::CARD];
        match names.into_iter().find(|name| directory.join(name).exists()) {
            Some(file) => Err(Error::Occupied { path: directory.to_path_buf(), file }),
            None => Ok(()),
        }
    }

    /// Writes the directory. `model.json` goes first if it is there and comes last, so that a directory that has it is
    /// whole. After a kill it can be written again.
    ///
    /// # Errors
    /// A directory or file that cannot be written; a directory with something else than a model in it.
    pub fn save(&mut self, directory: impl AsRef<Path>) -> Result<(), Error> {
        let directory = directory.as_ref();
        Self::check_directory(directory)?;
        files::create_directory(directory)?;
        let (info, saving) = (directory.join(INFO), directory.join(SAVING));
        files::write_whole(&saving, b"A model is being written here, or was when that was interrupted.\n")?;
        match fs::remove_file(&info) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("replace", &info)(error));
            }
            _ => {}
        }
        let mut contents = match &self.model {
            Model::Network(network) => {
                let config = toml::to_string(network.config());
                let config = config.map_err(|error| Error::damaged(&directory.join(CONFIG), error))?;
                vec![(WEIGHTS, network.to_safetensors()?), (CONFIG, config.into_bytes())]
            }
            Model::Trees(booster) => vec![(TREES, booster.to_json())],
        };
        contents.push((VIEW, self.view.text().as_bytes().to_vec()));
        contents.push((STANDARDISATION, json(&directory.join(STANDARDISATION), &self.standardisation)?));
        self.info.files.clear();
        for (name, bytes) in &contents {
            files::write_whole(&directory.join(name), bytes)?;
            self.info.files.insert((*name).to_owned(), files::sha256(bytes));
        }
        if let Some(report) = self.training.clone() {
            let path = directory.join(TRAINING);
            let training = Training { format: TRAINING_FORMAT.to_owned(), report };
            files::write_whole(&path, &json(&path, &training)?)?;
        }
        card::write(self, directory)?;
        files::write_whole(&info, &json(&info, &self.info)?)?;
        fs::remove_file(&saving).map_err(Error::io("remove", &saving))
    }

    /// Reads a directory and checks that its parts fit together.
    ///
    /// # Errors
    /// A file that is missing, changed or not what it should be; a view that does not give what the network reads.
    pub fn load(directory: impl AsRef<Path>) -> Result<Self, Error> {
        let directory = directory.as_ref();
        let path = directory.join(INFO);
        let text = files::read(&path)?;
        let table: serde_json::Value =
            serde_json::from_slice(&text).map_err(|error| Error::damaged(&path, error))?;
        match table.get("format").and_then(serde_json::Value::as_str) {
            Some(MODEL_FORMAT) => {}
            other => {
                let other = other.unwrap_or("none");
                let reason = format!("its format is \"{other}\", not \"{MODEL_FORMAT}\"");
                return Err(Error::damaged(&path, reason));
            }
        }
        let info: ModelInfo = serde_json::from_value(table).map_err(|error| Error::damaged(&path, error))?;
        let read = |name: &str| -> Result<Vec<u8>, Error> {
            let path = directory.join(name);
            let bytes = files::read(&path)?;
            let (found, expected) = (files::sha256(&bytes), info.files.get(name));
            match expected {
                Some(expected) if *expected == found => Ok(bytes),
                _ => {
                    let expected = expected.map_or("nothing of it", String::as_str);
                    Err(Error::damaged(&path, format!("its sha256 is {found}, where {INFO} says {expected}")))
                }
            }
        };
        let text = |name: &str| -> Result<String, Error> {
            String::from_utf8(read(name)?).map_err(|error| Error::damaged(&directory.join(name), error))
        };
        if let Some(reason) = info.loss.mistake() {
            return Err(Error::damaged(&path, format!("its loss: {reason}")));
        }
        let view = View::parse(&text(VIEW)?)?;
        let model = if info.kind == trees::KIND {
            let path = directory.join(TREES);
            let booster = Booster::from_json(&path.display().to_string(), &read(TREES)?)?;
            trees::check_view(&view, &booster, &info.loss)?;
            Model::Trees(booster)
        } else {
            let weights = directory.join(WEIGHTS);
            let network = Network::from_safetensors(&weights.display().to_string(), &read(WEIGHTS)?)?;
            if ModelConfig::from_toml(&text(CONFIG)?)? != *network.config() {
                return Err(Error::damaged(&weights, format!("its configuration is not that of {CONFIG}")));
            }
            check_view(&view, network.config(), &info.loss)?;
            Model::Network(network)
        };
        let path = directory.join(STANDARDISATION);
        let standardisation: Standardisation =
            serde_json::from_slice(&read(STANDARDISATION)?).map_err(|error| Error::damaged(&path, error))?;
        let measured = view.inputs().iter().flat_map(|group| &group.variables);
        for variable in measured.filter(|variable| variable.scaling == Scaling::Measured) {
            if !standardisation.variables.contains_key(&variable.name) {
                return Err(Error::damaged(&path, format!("it lacks the variable {}", variable.name)));
            }
        }
        let measured = |name: &String| standardisation.targets.contains_key(name);
        let mut targets = view.targets().iter().map(|(name, _)| name);
        let scaled = !info.loss.classifies() && model.trees().is_none();
        if let Some(name) = targets.find(|name| scaled && !measured(name)) {
            return Err(Error::damaged(&path, format!("it lacks the target {name}")));
        }
        let path = directory.join(TRAINING);
        let training = path.exists().then(|| read_training(&path)).transpose()?;
        Ok(Self { model, view, standardisation, info, training })
    }
}

fn read_training(path: &Path) -> Result<TrainReport, Error> {
    let training: Training =
        serde_json::from_slice(&files::read(path)?).map_err(|error| Error::damaged(path, error))?;
    match training.format == TRAINING_FORMAT {
        true => Ok(training.report),
        false => {
            let reason = format!("its format is \"{}\", not \"{TRAINING_FORMAT}\"", training.format);
            Err(Error::damaged(path, reason))
        }
    }
}

/// The input group that a network reads as `name`; weaver's views write `pf_` in front.
pub(crate) fn input<'a>(view: &'a View, name: &str) -> Option<&'a Group> {
    view.input(name).or_else(|| view.input(&format!("pf_{name}")))
}

/// Whether a view gives what a network reads, in the sizes that the network has.
pub(crate) fn check_view(view: &View, config: &ModelConfig, loss: &Loss) -> Result<(), Error> {
    let refuse = |reason: String| Err(Error::Fit { kind: config.kind(), reason });
    check_groups(view, config)?;
    let (classes, targets) = (view.classes().len(), view.targets().len());
    let (asked, given) = (loss.outputs(classes, targets), config.outputs());
    if asked != given {
        return refuse(match loss.classifies() {
            true => format!("the view has {classes} classes, the network {given}"),
            false => {
                format!("the view's {targets} targets ask for {asked} numbers, the network gives {given}")
            }
        });
    }
    let Shape { features, globals, parameters, image: [channels, height, width], .. } = config.shape;
    for (name, variables) in
        [("features", features), ("globals", globals), ("parameters", parameters), ("images", channels)]
    {
        let found = input(view, name).map_or(0, |group| group.variables.len());
        if variables > 0 && found != variables {
            return refuse(format!("the view's group \"{name}\" has {found} variables, not {variables}"));
        }
    }
    let found = input(view, "images").and_then(|group| group.shape).unwrap_or_default();
    if channels > 0 && found != [height, width] {
        return refuse(format!(
            "the view's images are {found:?} pixels, the network reads {:?}",
            [height, width]
        ));
    }
    Ok(())
}

/// Whether padding can be told from constituents: a network that reads constituents must not learn from places without one.
pub(crate) fn check_mask(view: &View, config: &ModelConfig) -> Result<(), Error> {
    let reads = config.reads();
    let read = [("features", reads.features), ("points", reads.points), ("vectors", reads.vectors)];
    let group = read.iter().filter(|(_, needed)| *needed).find_map(|(name, _)| input(view, name));
    let (Some(group), None) = (group, input(view, "mask")) else { return Ok(()) };
    let length = group.length.unwrap_or_default();
    let variable = group.variables.first().map_or("x", |variable| &variable.name);
    let reason = format!(
        "the view has no input group \"mask\", so that padding would count as constituents: define `mask = \"ones_like({variable})\"` and add \
         `inputs.mask = {{ length = {length}, variables = [\"mask\"] }}`"
    );
    Err(Error::Fit { kind: config.kind(), reason })
}

/// Whether a view has the groups that a kind of network reads, in their form.
pub(crate) fn check_groups(view: &View, config: &ModelConfig) -> Result<(), Error> {
    let refuse = |reason: String| Err(Error::Fit { kind: config.kind(), reason });
    let reads = config.reads();
    let constituents = [
        ("features", None, reads.features),
        ("points", Some(2), reads.points),
        ("vectors", Some(4), reads.vectors),
        ("mask", Some(1), false),
    ];
    // Groups that are not read may have any form, but for the mask, which goes with all of them.
    let read = constituents.iter().filter(|(.., needed)| *needed);
    let length = read.clone().find_map(|(name, ..)| input(view, name)).and_then(|group| group.length);
    let any = read.count() > 0;
    for (name, variables, needed) in constituents {
        let Some(group) = input(view, name) else {
            if needed {
                return refuse(format!("the view has no input group \"{name}\""));
            }
            continue;
        };
        if !(needed || any && name == "mask") {
            continue;
        }
        let found = group.variables.len();
        if variables.is_some_and(|variables| found != variables) {
            let variables = variables.unwrap_or_default();
            return refuse(format!("the view's group \"{name}\" has {found} variables, not {variables}"));
        }
        if group.length.is_none() {
            return refuse(format!("the view's group \"{name}\" needs a length"));
        }
        if group.length != length {
            let (found, expected) = (group.length.unwrap_or_default(), length.unwrap_or_default());
            return refuse(format!(
                "the view's group \"{name}\" has the length {found}, others that the network reads have {expected}"
            ));
        }
    }
    for (name, need) in [("globals", reads.globals), ("parameters", reads.parameters.into())] {
        match input(view, name) {
            None if need == Need::Yes => {
                return refuse(format!("the view has no input group \"{name}\""));
            }
            Some(group) if need != Need::No && group.length.is_some() => {
                return refuse(format!(
                    "the view's group \"{name}\" has a length: it must have one value a jet"
                ));
            }
            _ => {}
        }
    }
    match input(view, "images") {
        None if reads.images => refuse("the view has no input group \"images\"".to_owned()),
        Some(group) if reads.images && group.shape.is_none() => {
            refuse("the view's group \"images\" needs a shape: [height, width]".to_owned())
        }
        _ => Ok(()),
    }
}

fn json(path: &Path, value: &impl Serialize) -> Result<Vec<u8>, Error> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|error| Error::damaged(path, error))?;
    bytes.push(b'\n');
    Ok(bytes)
}
