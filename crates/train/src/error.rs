use std::path::{Path, PathBuf};

/// What can go wrong while a model is trained, saved or read back. Each message is a fragment fit for
/// "failed to {error}".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried, such as "read".
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The reason the system gave.
        source: std::io::Error,
    },
    /// A recipe is not what it should be.
    #[error("read recipe {}: {reason}", path.display())]
    Recipe {
        /// The recipe file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// A training setting has a value that makes no sense.
    #[error("train: {field} = {value}: {reason}")]
    Setting {
        /// The setting, such as `training.batch_size`.
        field: &'static str,
        /// The value that was given.
        value: String,
        /// What it has to be.
        reason: &'static str,
    },
    /// The data cannot be trained on.
    #[error("train on the {split} split: {reason}")]
    Data {
        /// The split, such as "train".
        split: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A view does not give what a network reads.
    #[error("feed a {kind} from the view: {reason}")]
    Fit {
        /// The kind of network.
        kind: &'static str,
        /// What is missing or has the wrong shape.
        reason: String,
    },
    /// An export that could not be compared with its network.
    #[error("prove the export: {0}")]
    Unproven(&'static str),
    /// The loss or its gradient became infinite or not a number.
    #[error(
        "train: the {what} is {value} at epoch {epoch}, step {step}, in the batch with row ids {}{}; \
         checkpoints of before are kept",
        shorten(rows),
        match suspects.len() {
            0 => String::new(),
            _ => format!("; scores that are not finite come from row ids {}", shorten(suspects)),
        }
    )]
    NotFinite {
        /// "loss" or "gradient norm".
        what: &'static str,
        /// The value, such as "NaN".
        value: f64,
        /// The epoch, from 1.
        epoch: usize,
        /// The step within the epoch, from 1.
        step: usize,
        /// The row ids of the batch, or of the part of it that was computed.
        rows: Vec<u64>,
        /// Those of them for which the network, as it is, gives scores that are not finite.
        suspects: Vec<u64>,
    },
    /// Another process of the same training cannot go on.
    #[error("train in several processes: rank {rank} {reason}")]
    Worker {
        /// The rank of that process, from 0.
        rank: usize,
        /// What became of it.
        reason: String,
    },
    /// A checkpoint belongs to another training.
    #[error(
        "resume from {}: it was written with {what} ({found}, here {expected}); \
         give another directory, or remove this one",
        path.display()
    )]
    OtherTraining {
        /// The checkpoint's manifest.
        path: PathBuf,
        /// What differs: "another configuration", "other data" or "another code version".
        what: &'static str,
        /// What the checkpoint holds.
        found: String,
        /// What this training has.
        expected: String,
    },
    /// A model would replace a file that is none of a model's.
    #[error(
        "write a model to {}: it holds {file}, and neither a model nor a training that was interrupted; give another directory",
        path.display()
    )]
    Occupied {
        /// The directory.
        path: PathBuf,
        /// The file.
        file: &'static str,
    },
    /// Another process writes the same checkpoints.
    #[error("train in {}: another process is at work there; wait for it, or give another directory", path.display())]
    Busy {
        /// The directory of the checkpoints.
        path: PathBuf,
    },
    /// A file of a checkpoint or of a model directory is damaged.
    #[error("read {}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The model refused its configuration, its weights or its inputs.
    #[error(transparent)]
    Model(#[from] fiducial_models::Error),
    /// The boosted trees refused their settings, their file or their data.
    #[error(transparent)]
    Trees(#[from] fiducial_trees::Error),
    /// A view cannot be read.
    #[error(transparent)]
    View(#[from] fiducial_data::view::ViewError),
    /// A dataset cannot be read through its view.
    #[error(transparent)]
    Dataset(#[from] fiducial_data::source::Error),
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }

    #[allow(clippy::needless_pass_by_value)] // errors and texts alike, without a `&` at each place
    pub(crate) fn damaged(path: &Path, reason: impl ToString) -> Self {
        Self::Damaged { path: path.to_path_buf(), reason: reason.to_string() }
    }
}

/// The first few of many row ids: a batch may hold thousands.
fn shorten(rows: &[u64]) -> String {
    const SHOWN: usize = 16;
    let mut text = rows.iter().take(SHOWN).map(u64::to_string).collect::<Vec<_>>().join(", ");
    if rows.len() > SHOWN {
        text.push_str(&format!(" and {} more", rows.len() - SHOWN));
    }
    text
}
