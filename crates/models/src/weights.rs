//! Weights as safetensors: stable names, atomic writes, and errors for what is not ours.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::Path;

use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::{Error, ModelConfig, Network};

const MODEL_KEY: &str = "fiducial-model";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Meta {
    format: u32,
    config: ModelConfig,
}

impl Network {
    /// The weights and the configuration as the bytes of a safetensors file.
    ///
    /// Matrices have the shape (inputs, outputs). The same network gives the same bytes.
    ///
    /// # Errors
    /// None but those of the serialiser.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, Error> {
        let tensors = self
            .named_parameters()
            .into_iter()
            .map(|(name, parameter)| {
                (name, StoredTensor { shape: parameter.shape, values: parameter.values })
            })
            .collect();
        let meta = Meta { format: 1, config: self.config().clone() };
        let meta = serde_json::to_string(&meta).map_err(|error| Error::Backend(error.to_string()))?;
        write_tensors(&tensors, MODEL_KEY, meta)
    }

    /// The network in the bytes of a safetensors file; `what` names them in errors.
    ///
    /// # Errors
    /// Bytes that are no safetensors file, are cut short, come from another program, lack a tensor or have one too many, or
    /// hold shapes, types or values that the configuration does not have.
    pub fn from_safetensors(what: &str, bytes: &[u8]) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Weights { what: what.to_owned(), reason };
        let (tensors, meta) = read_tensors(what, bytes, MODEL_KEY)?;
        let meta: Meta = serde_json::from_str(&meta).map_err(|error| wrong(error.to_string()))?;
        if meta.format != 1 {
            return Err(wrong(format!("format {} is not known here", meta.format)));
        }
        // A file cannot ask for more memory than it brings itself.
        let stored: usize = tensors.values().map(|tensor| tensor.values.len()).sum();
        let Some(mut network) = Self::for_weights(&meta.config, stored)? else {
            return Err(wrong(format!("{stored} numbers are too few for the network that it describes")));
        };
        network.load(what, tensors)?;
        Ok(network)
    }

    /// Replaces the weights by those of a file of the same architecture.
    ///
    /// # Errors
    /// As [`Network::from_safetensors`], and for a file of another configuration. The network then is as it was.
    pub fn load_safetensors(&mut self, path: impl AsRef<Path>) -> Result<(), Error> {
        let other = Self::open(path.as_ref())?;
        if other.config() != self.config() {
            let text = |network: &Self| {
                let ModelConfig { architecture, shape } = network.config();
                format!("{architecture:?} of {shape:?}")
            };
            let reason = format!("it holds {}, the network is {}", text(&other), text(self));
            return Err(Error::Weights { what: path.as_ref().display().to_string(), reason });
        }
        *self = other.on(self.device())?;
        Ok(())
    }

    /// The network in a safetensors file.
    ///
    /// # Errors
    /// A file that cannot be read; otherwise as [`Network::from_safetensors`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let io = |source| Error::Io { action: "read", path: path.to_owned(), source };
        let bytes = std::fs::read(path).map_err(io)?;
        Self::from_safetensors(&path.display().to_string(), &bytes)
    }

    /// Writes the weights beside the target and renames them into place: the file is whole or not there.
    ///
    /// # Errors
    /// A folder that is not there or not writable, a full disk.
    pub fn save_safetensors(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        write_atomically(path.as_ref(), &self.to_safetensors()?)
    }

    /// Replaces all weights by tensors of the same names and shapes.
    pub(crate) fn load(
        &mut self,
        what: &str,
        mut tensors: BTreeMap<String, StoredTensor>,
    ) -> Result<(), Error> {
        let wrong = |reason: String| Error::Weights { what: what.to_owned(), reason };
        let mut values = BTreeMap::new();
        for (name, parameter) in self.named_parameters() {
            let tensor = tensors.remove(&name).ok_or_else(|| wrong(format!("no tensor {name}")))?;
            if tensor.shape != parameter.shape {
                let (got, expected) = (tensor.shape, parameter.shape);
                return Err(wrong(format!("tensor {name} has shape {got:?}, the network {expected:?}")));
            }
            if let Some(value) = tensor.values.iter().find(|value| !value.is_finite()) {
                return Err(wrong(format!("tensor {name} holds {value}")));
            }
            values.insert(name, tensor.values);
        }
        if let Some(name) = tensors.keys().next() {
            return Err(wrong(format!("tensor {name} is not one of this network")));
        }
        self.set_parameters(values);
        Ok(())
    }
}

/// One tensor of a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoredTensor {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
}

/// The tensors of a file by name.
pub(crate) type Tensors = BTreeMap<String, StoredTensor>;

/// A safetensors file with one entry of metadata, so that its bytes do not depend on the order of a hash map.
pub(crate) fn write_tensors(
    tensors: &BTreeMap<String, StoredTensor>,
    key: &str,
    meta: String,
) -> Result<Vec<u8>, Error> {
    let failed = |error: safetensors::SafeTensorError| Error::Backend(format!("serialise weights: {error}"));
    let bytes: Vec<(&String, &StoredTensor, Vec<u8>)> = tensors
        .iter()
        .map(|(name, tensor)| {
            (name, tensor, tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect())
        })
        .collect();
    let views: Vec<(&String, TensorView<'_>)> = bytes
        .iter()
        .map(|(name, tensor, bytes)| {
            Ok((*name, TensorView::new(Dtype::F32, tensor.shape.clone(), bytes).map_err(failed)?))
        })
        .collect::<Result<_, Error>>()?;
    safetensors::serialize(views, Some(HashMap::from([(key.to_owned(), meta)]))).map_err(failed)
}

/// The tensors of a safetensors file and its entry `key` of metadata.
pub(crate) fn read_tensors(what: &str, bytes: &[u8], key: &str) -> Result<(Tensors, String), Error> {
    let (tensors, mut metadata) = read_plain(what, bytes)?;
    let reason = || format!("its metadata has no entry {key}");
    let meta =
        metadata.remove(key).ok_or_else(|| Error::Weights { what: what.to_owned(), reason: reason() })?;
    Ok((tensors, meta))
}

/// The tensors of a safetensors file of any origin, and its metadata.
pub(crate) fn read_plain(what: &str, bytes: &[u8]) -> Result<(Tensors, HashMap<String, String>), Error> {
    let wrong = |reason: String| Error::Weights { what: what.to_owned(), reason };
    let (_, metadata): (usize, Metadata) =
        SafeTensors::read_metadata(bytes).map_err(|error| wrong(format!("no safetensors: {error}")))?;
    let file = SafeTensors::deserialize(bytes).map_err(|error| wrong(format!("no safetensors: {error}")))?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.tensors() {
        if view.dtype() != Dtype::F32 {
            return Err(wrong(format!("tensor {name} has type {:?}, not F32", view.dtype())));
        }
        let (chunks, _) = view.data().as_chunks::<4>();
        let values = chunks.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        tensors.insert(name, StoredTensor { shape: view.shape().to_vec(), values });
    }
    Ok((tensors, metadata.metadata().clone().unwrap_or_default()))
}

/// Writes `bytes` beside `path` and renames them into place.
fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let io = |source| Error::Io { action: "write", path: path.to_owned(), source };
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".{}.part", std::process::id()));
    let write = || {
        let mut file = std::fs::File::create(&aside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&aside, path)
    };
    write().map_err(|error| {
        // Best effort: the error that matters is the first one.
        let _ = std::fs::remove_file(&aside);
        io(error)
    })
}
