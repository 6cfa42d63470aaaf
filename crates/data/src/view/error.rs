//! Errors that name the key.

use std::io;
use std::path::PathBuf;

use crate::expr::ExprError;

/// Why a view could not be read, or not be applied to data.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// The file could not be read.
    #[error("read the view {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file was read, but is no view.
    #[error("use the view {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        source: Box<ViewError>,
    },
    /// The text is no TOML, or a key is unknown, missing or of a wrong type.
    #[error("parse a view: {0}")]
    Toml(#[from] toml::de::Error),
    /// The text is not weaver's YAML.
    #[error("import weaver's configuration: {message}")]
    Yaml {
        /// What is wrong, and where.
        message: String,
    },
    /// A key has a value that makes no sense.
    #[error("accept the view's key `{key}`: {message}")]
    Key {
        /// The key, with the tables it is in: `inputs.points.length`.
        key: String,
        /// What is wrong with its value.
        message: String,
    },
    /// An expression could not be parsed or evaluated.
    #[error("use the view's key `{key}`: failed to {source}")]
    Expression {
        /// The key, with the tables it is in: `new_variables.part_pt`.
        key: String,
        /// What is wrong, and where.
        source: ExprError,
    },
    /// An expression gave values that do not fit its use.
    #[error("use the view's key `{key}` in row {row}: {message}")]
    Row {
        /// The key, with the tables it is in.
        key: String,
        /// The first row at fault.
        row: u64,
        /// What is wrong.
        message: String,
    },
    /// Rows could not be selected.
    #[error("select rows: {0}")]
    Select(#[from] arrow_schema::ArrowError),
}
