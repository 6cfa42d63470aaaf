use std::path::{Path, PathBuf};

/// Why a benchmark failed. Messages fit behind "failed to".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such task.
    #[error("find task \"{name}\": there are {}", known.join(", "))]
    UnknownTask {
        /// What was asked for.
        name: String,
        /// The tasks that there are.
        known: Vec<String>,
    },
    /// The task has no such recipe, and it is no file either.
    #[error("find model \"{name}\": the task has {}, and there is no recipe file of that name", known.join(", "))]
    UnknownModel {
        /// What was asked for.
        name: String,
        /// The task's recipes.
        known: Vec<String>,
    },
    /// A task's file does not say what it should.
    #[error("read {}: {reason}", path.display())]
    Task {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Predictions that cannot be used.
    #[error("read predictions {}: {reason}", path.display())]
    Predictions {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A column that rows cannot be sorted into bins by.
    #[error("measure in bins of {column}: {reason}")]
    Binning {
        /// The column.
        column: String,
        /// What is wrong.
        reason: String,
    },
    /// The directory of a run holds something else.
    #[error("run in {}: {reason}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What is there.
        reason: String,
    },
    /// The task declares no full data set.
    #[error("get the full data of {task}: its task.toml declares none")]
    NoFullData {
        /// The task.
        task: String,
    },
    /// Data.
    #[error(transparent)]
    Data(#[from] fiducial_data::source::Error),
    /// A view.
    #[error(transparent)]
    View(#[from] fiducial_data::view::ViewError),
    /// A download.
    #[error(transparent)]
    Fetch(#[from] fiducial_data::fetch::FetchError),
    /// Training.
    #[error(transparent)]
    Train(#[from] fiducial_train::Error),
    /// A file could not be read or written.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// Such as "write".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}
