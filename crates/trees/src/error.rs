use std::path::PathBuf;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting out of range.
    #[error("boosted trees: {key} = {value}: {reason}")]
    Config {
        /// The setting.
        key: &'static str,
        /// What it is set to.
        value: String,
        /// What it may be.
        reason: &'static str,
    },
    /// Data that cannot be learnt from, or that a model does not fit.
    #[error("data for boosted trees: {0}")]
    Data(String),
    /// A file that is no model, or one that is not read here.
    #[error("XGBoost model {what}: {place}: {reason}")]
    Model {
        /// The file, or whatever the bytes come from.
        what: String,
        /// The place in it.
        place: String,
        /// What is wrong there.
        reason: String,
    },
    /// A file that cannot be read or written.
    #[error("{action} {path}: {source}", path = path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}
