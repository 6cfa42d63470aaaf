//! The error of everything between a source and a batch.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use parquet::errors::ParquetError;

use crate::expr::ExprError;
use crate::view::ViewError;

/// Why data could not be read, prepared, written, checked or made into tensors.
///
/// Every message is a fragment that fits after "failed to", and names the file, the column and the row where one is
/// to blame.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("{action} {}: {source}", fiducial_root::shown(path))]
    Io {
        /// What was tried, such as "open" or "write".
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A ROOT file could not be read.
    #[error("read {}: {source}", fiducial_root::shown(path))]
    Root {
        /// The file.
        path: PathBuf,
        /// What the reader met.
        #[source]
        source: Box<fiducial_root::Error>,
    },
    /// A ROOT file could not be written.
    #[error("{source}")]
    RootWrite {
        /// What the writer met; it names the file.
        #[source]
        source: Box<fiducial_root::Error>,
    },
    /// A Parquet file could not be read or written.
    #[error("{action} {}: {source}", fiducial_root::shown(path))]
    Parquet {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the library met.
        source: ParquetError,
    },
    /// A file is not what its name, its neighbours or its metadata say.
    #[error("read {}: {reason}", fiducial_root::shown(path))]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A column is not there, or cannot be read, or has the wrong type.
    #[error("read column `{column}` of {}: {reason}", fiducial_root::shown(path))]
    Column {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// What is wrong.
        reason: String,
    },
    /// An expression could not be evaluated on the rows of a file.
    #[error("compute {what} from {}: {source}", fiducial_root::shown(path))]
    Expression {
        /// Whose expression it is, such as "the label `top`".
        what: String,
        /// The file.
        path: PathBuf,
        /// What is wrong, and where in the text.
        source: Box<ExprError>,
    },
    /// A view does not fit the data.
    #[error("{source} (with {})", fiducial_root::shown(path))]
    View {
        /// The file that the rows came from.
        path: PathBuf,
        /// What is wrong, and with which key.
        source: Box<ViewError>,
    },
    /// A value that must not be there.
    #[error("{action}: {reason} (row {row} of {})", fiducial_root::shown(path))]
    Value {
        /// What was tried.
        action: String,
        /// What is wrong with the value.
        reason: String,
        /// The row: counted from 0 in a source, the `row_id` in a dataset.
        row: u64,
        /// The file.
        path: PathBuf,
    },
    /// Settings that contradict each other or the data.
    #[error("{action}: {reason}")]
    Settings {
        /// What was tried.
        action: &'static str,
        /// What is wrong, and what to do about it.
        reason: String,
    },
}

impl Error {
    /// For `map_err`: an input or output error with what was done to which path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// For `map_err`: a Parquet error with what was done to which path.
    pub(crate) fn parquet(action: &'static str, path: &Path) -> impl FnOnce(ParquetError) -> Self {
        let path = path.to_owned();
        move |source| Self::Parquet { action, path, source }
    }

    /// For `map_err`: an error of the expression language with whose expression it is.
    pub(crate) fn expression(what: impl fmt::Display, path: &Path) -> impl FnOnce(ExprError) -> Self {
        let (what, path) = (what.to_string(), path.to_owned());
        move |source| Self::Expression { what, path, source: Box::new(source) }
    }

    /// The file whose bytes cannot be read, where that is what went wrong.
    pub(crate) fn bad_file(&self) -> Option<&Path> {
        match self {
            Self::Io { path, .. }
            | Self::Root { path, .. }
            | Self::Parquet { path, .. }
            | Self::Malformed { path, .. } => Some(path),
            _ => None,
        }
    }

    /// A column that is missing or not what it must be.
    pub(crate) fn column(path: &Path, column: &str, reason: impl Into<String>) -> Self {
        Self::Column { path: path.to_owned(), column: column.to_owned(), reason: reason.into() }
    }

    /// A file that is not what it should be.
    pub(crate) fn malformed(path: &Path, reason: impl Into<String>) -> Self {
        Self::Malformed { path: path.to_owned(), reason: reason.into() }
    }

    /// Settings that cannot be followed.
    pub(crate) fn settings(action: &'static str, reason: impl Into<String>) -> Self {
        Self::Settings { action, reason: reason.into() }
    }
}
