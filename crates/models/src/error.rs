//! What can go wrong with a model.

use std::path::PathBuf;

/// An error of this crate; the message fits after "failed to".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A model configuration that no network can be built from.
    #[error("build a {kind}: {reason}")]
    Config {
        /// The kind of the model, as in the TOML.
        kind: &'static str,
        /// What is wrong, and with which key.
        reason: String,
    },
    /// TOML that is not a model configuration.
    #[error("read the model configuration: {0}")]
    Toml(#[from] toml::de::Error),
    /// Inputs, labels or weights that do not fit each other or the network.
    #[error("feed the network: {0}")]
    Inputs(String),
    /// A number that is not finite where training needs one.
    #[error("train a step: the {what} is {value}")]
    NotFinite {
        /// The quantity: "loss" or "gradient norm".
        what: &'static str,
        /// Its value.
        value: f64,
    },
    /// Weights or optimiser state that do not belong to this network, or a damaged file.
    #[error("load {what}: {reason}")]
    Weights {
        /// The file, or what the bytes are said to be.
        what: String,
        /// What is wrong, and with which tensor.
        reason: String,
    },
    /// A file that could not be read or written.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// "read" or "write".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A device that is not there, or that this program cannot use.
    #[error("use {device}: {reason}")]
    NoDevice {
        /// What was asked for.
        device: crate::ComputeDevice,
        /// Why it cannot be had.
        reason: String,
    },
    /// ONNX Runtime, or an exported file in it.
    #[error("check the export: {0}")]
    Runtime(String),
    /// The backend did what it must not; a bug, reported and not a panic.
    #[error("compute: {0}")]
    Backend(String),
}
