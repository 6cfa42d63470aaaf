//! Fine-tuning: what a training starts from.
use std::path::Path;

use fiducial_data::batches::Standardisation;
use fiducial_models::{Network, Taken};
use serde::{Deserialize, Serialize};

use crate::recipe::Start;
use crate::{Error, SavedModel, files, pattern};

/// Weights to start from, and which of a network's parameters they are for.
#[derive(Clone, Debug)]
pub struct StartWeights {
    /// The file.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
    /// Parameters, by names with stars, that are drawn anew.
    pub fresh: Vec<String>,
}

/// The record of what a training started from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Started {
    /// The file.
    pub from: String,
    /// Its SHA-256.
    pub sha256: String,
    /// How many tensors were taken from it.
    pub loaded: usize,
    /// Tensors of the network that were drawn anew.
    pub fresh: Vec<String>,
    /// Tensors of the file that the network has no use for.
    pub unused: Vec<String>,
}

impl StartWeights {
    /// The SHA-256 of the file and the patterns: what a checkpoint's training must have in common.
    pub(crate) fn identity(&self) -> (String, &[String]) {
        (files::sha256(&self.bytes), &self.fresh)
    }

    pub(crate) fn load_into(&self, network: &mut Network) -> Result<Started, Error> {
        let names = network.parameter_shapes();
        for pattern in &self.fresh {
            if !names.keys().any(|name| pattern::matches(pattern, name)) {
                let reason = "no parameter has such a name";
                return Err(Error::Setting { field: "start.fresh", value: pattern.clone(), reason });
            }
        }
        let fresh = |name: &str| self.fresh.iter().any(|pattern| pattern::matches(pattern, name));
        let Taken { loaded, fresh, unused } = network.start_from(&self.name, &self.bytes, &fresh)?;
        let sha256 = files::sha256(&self.bytes);
        Ok(Started { from: self.name.clone(), sha256, loaded: loaded.len(), fresh, unused })
    }
}

/// The weights that a recipe starts from and, where they are a model directory's, its standardisation: a network understands
/// the numbers that it has learnt on.
pub(crate) fn read(start: &Start) -> Result<(StartWeights, Option<Standardisation>), Error> {
    let (path, standardisation) = match start.from.is_dir() {
        true => {
            let model = SavedModel::load(&start.from)?;
            (start.from.join(crate::saved_model::WEIGHTS), Some(model.standardisation))
        }
        false => (start.from.clone(), None),
    };
    let weights = StartWeights {
        name: path.display().to_string(),
        bytes: files::read(Path::new(&path))?,
        fresh: start.fresh.clone(),
    };
    Ok((weights, standardisation))
}
