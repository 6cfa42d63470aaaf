//! What an optimiser keeps of each parameter, and how it is saved.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::update::Rule;
use super::{Optimiser, OptimiserConfig};
use crate::weights::{StoredTensor, read_tensors, write_tensors};
use crate::{Error, Network};

/// What an optimiser keeps of a parameter; what its rule does not use is empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Moments {
    /// Mean of gradients: the momentum.
    pub(super) first: Vec<f32>,
    /// Mean of squared gradients.
    pub(super) second: Vec<f32>,
    /// Lookahead's slow weights.
    pub(super) slow: Vec<f32>,
}

const STATE_KEY: &str = "fiducial-optimiser";
const PARTS: [&str; 3] = ["first", "second", "slow"];

impl Optimiser {
    /// The state as safetensors bytes: `first.NAME`, `second.NAME` and `slow.NAME` for each parameter, as far as the rule
    /// keeps them, and the number of steps.
    ///
    /// # Errors
    /// None but those of the serialiser.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let mut tensors = BTreeMap::new();
        for (name, Moments { first, second, slow }) in &self.state {
            for (prefix, values) in PARTS.into_iter().zip([first, second, slow]) {
                if !values.is_empty() {
                    let tensor = StoredTensor { shape: vec![values.len()], values: values.clone() };
                    tensors.insert(format!("{prefix}.{name}"), tensor);
                }
            }
        }
        let meta = Meta { format: 1, steps: self.steps };
        let meta = serde_json::to_string(&meta).map_err(|error| Error::Backend(error.to_string()))?;
        write_tensors(&tensors, STATE_KEY, meta)
    }

    /// An optimiser that goes on exactly where the one that wrote `bytes` was.
    ///
    /// # Errors
    /// Bytes that are not such a state, or the state for another network than `network`.
    pub fn from_bytes(config: OptimiserConfig, network: &Network, bytes: &[u8]) -> Result<Self, Error> {
        let what = "the optimiser's state";
        let wrong = |reason: String| Error::Weights { what: what.to_owned(), reason };
        let (mut tensors, meta) = read_tensors(what, bytes, STATE_KEY)?;
        let meta: Meta = serde_json::from_str(&meta).map_err(|error| wrong(error.to_string()))?;
        if meta.format != 1 {
            return Err(wrong(format!("format {} is not known here", meta.format)));
        }
        let mut optimiser = Self { config, steps: meta.steps, state: BTreeMap::new() };
        if meta.steps == 0 {
            return Ok(optimiser);
        }
        for (name, parameter) in network.named_parameters() {
            if !parameter.learned || optimiser.config.rate_factor(&name) == 0.0 {
                continue;
            }
            let size = parameter.values.len();
            let mut take = |(prefix, kept): (&str, bool)| {
                if !kept {
                    return Ok(Vec::new());
                }
                let name = format!("{prefix}.{name}");
                let tensor = tensors.remove(&name).ok_or_else(|| wrong(format!("no tensor {name}")))?;
                if tensor.values.len() != size {
                    let got = tensor.values.len();
                    return Err(wrong(format!("tensor {name} has {got} values, the network {size}")));
                }
                Ok(tensor.values)
            };
            let [first, second, slow] =
                Rule::of(optimiser.config.kind, &parameter.shape, network.config()).keeps();
            let moments = Moments {
                first: take((PARTS[0], first))?,
                second: take((PARTS[1], second))?,
                slow: take((PARTS[2], slow))?,
            };
            optimiser.state.insert(name, moments);
        }
        if let Some(name) = tensors.keys().next() {
            return Err(wrong(format!("tensor {name} is not one of this network and optimiser")));
        }
        Ok(optimiser)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Meta {
    format: u32,
    steps: u64,
}
