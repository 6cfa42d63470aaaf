//! `run.json`: what was run, on what, with which code, and what it cost.

use std::collections::BTreeMap;
use std::path::Path;

use fiducial_data::dataset::Dataset;
use fiducial_train::TrainReport;
use fiducial_train::resources::Resources;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Error, Metrics};

/// The format of `run.json`. Its JSON schema is `schemas/run-1.json` in the repository.
pub const RUN_FORMAT: &str = "fiducial-run/1";

/// The record of one execution of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRecord {
    /// Always [`RUN_FORMAT`].
    pub format: String,
    /// What was asked for.
    pub request: Request,
    /// The command that does it again.
    pub command: String,
    /// The dataset.
    pub dataset: DatasetRecord,
    /// The code.
    pub versions: Versions,
    /// Where it ran.
    pub machine: Machine,
    /// What each step used, and all together. Training counts all sessions of an interrupted run.
    pub resources: BTreeMap<String, Resources>,
    /// The training, epoch by epoch.
    pub training: Option<TrainReport>,
    /// What the view cut or clipped in the test split.
    pub losses: Losses,
    /// The metrics.
    pub metrics: Metrics,
}

/// Everything that decides what a run computes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The task.
    pub task: String,
    /// The name of the recipe.
    pub model: String,
    /// The seed.
    pub seed: u64,
    /// `sample` or `full`.
    pub data: String,
    /// The recipe as it was written.
    pub recipe: String,
    /// The view as it was written.
    pub view: String,
}

/// Which data a run used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetRecord {
    /// Its name.
    pub name: String,
    /// The hash of its content.
    pub version: String,
    /// SHA-256 of each source file.
    pub sources: BTreeMap<String, String>,
    /// Rows of each split.
    pub splits: BTreeMap<String, u64>,
}

/// Which code ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Versions {
    /// The version of Fiducial.
    pub fiducial: String,
    /// The commit that it was built from; changes that were not committed do not show here, but in the executable's hash.
    pub commit: String,
    /// SHA-256 of the executable.
    pub executable_sha256: Option<String>,
    /// The compiler.
    pub rustc: String,
}

/// Where a run took place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// The processor's name, where the system tells.
    pub processor: Option<String>,
    /// Threads that were used.
    pub threads: usize,
    /// The operating system and architecture.
    pub system: String,
}

/// What a view cuts or clips: nothing is lost in silence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Losses {
    /// Rows with more constituents than the view's length.
    pub truncated_rows: u64,
    /// Constituents that were cut off for this.
    pub truncated_constituents: u64,
    /// Values that were moved to a bound of their variable.
    pub clipped_values: u64,
}

impl DatasetRecord {
    pub(crate) fn of(dataset: &Dataset) -> Self {
        let manifest = dataset.manifest();
        Self {
            name: manifest.about.name.clone(),
            version: dataset.version().to_owned(),
            sources: manifest
                .sources
                .iter()
                .map(|source| (source.file.clone(), source.sha256.clone()))
                .collect(),
            splits: manifest.splits.iter().map(|split| (split.name.clone(), split.rows)).collect(),
        }
    }
}

impl Versions {
    pub(crate) fn here() -> Self {
        Self {
            fiducial: env!("CARGO_PKG_VERSION").to_owned(),
            commit: env!("FIDUCIAL_COMMIT").to_owned(),
            executable_sha256: std::env::current_exe().ok().and_then(|path| sha256(&path).ok()),
            rustc: env!("FIDUCIAL_RUSTC").to_owned(),
        }
    }
}

impl Machine {
    pub(crate) fn here() -> Self {
        Self {
            processor: processor(),
            threads: rayon::current_num_threads(),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        }
    }
}

fn processor() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, name)| name.trim().to_owned())
}

fn sha256(path: &Path) -> std::io::Result<String> {
    let mut hash = Sha256::new();
    std::io::copy(&mut std::fs::File::open(path)?, &mut HashWriter(&mut hash))?;
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

struct HashWriter<'a>(&'a mut Sha256);

impl std::io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl RunRecord {
    /// Reads a finished run's record; none if there is no `run.json`.
    ///
    /// # Errors
    /// If the file cannot be read or is not a record of this format.
    pub fn read(directory: &Path) -> Result<Option<Self>, Error> {
        let path = directory.join("run.json");
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(Error::io("read", &path))?,
        };
        serde_json::from_str(&text).map(Some).map_err(|error| Error::Directory {
            path: directory.to_path_buf(),
            reason: format!("its run.json cannot be read: {error}"),
        })
    }
}
