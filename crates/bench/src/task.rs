//! Tasks: what `task.toml` in a folder under `benchmarks/` says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fiducial_data::view::View;
use fiducial_train::Recipe;
use serde::{Deserialize, Serialize};

use crate::{Error, embedded};

/// The format that a task has to name.
pub const TASK_FORMAT: &str = "fiducial-task/1";

/// A benchmark: data, view, metrics, baselines, published results. It lives in a folder of its own.
#[derive(Debug, Clone)]
pub struct Task {
    /// The folder.
    pub folder: PathBuf,
    /// What `task.toml` says.
    pub about: TaskFile,
    /// The view of the task.
    pub view: View,
}

/// `task.toml`. Paths are relative to its folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskFile {
    /// Always [`TASK_FORMAT`].
    pub format: String,
    /// Such as `jet-tagging/top`.
    pub name: String,
    /// A title for a person.
    pub title: String,
    /// What is to be done, in a few sentences.
    pub description: String,
    /// The view.
    pub view: PathBuf,
    /// The class that counts as signal.
    pub signal: String,
    /// The recipe that is run where none is asked for.
    pub baseline: String,
    /// Published results to stand beside.
    #[serde(default)]
    pub published: Option<PathBuf>,
    /// The recipes by name.
    pub recipes: BTreeMap<String, PathBuf>,
    /// What is measured on the test split.
    pub metrics: Vec<Metric>,
    /// The small data in the folder.
    pub sample: Sample,
    /// The full data, which is fetched.
    #[serde(default)]
    pub full: Option<FullData>,
}

/// A metric of a task.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Metric {
    /// Weight of the rows whose highest score is the true class's.
    Accuracy,
    /// Area under the ROC curve.
    RocAuc,
    /// One over the background efficiency at a signal efficiency.
    BackgroundRejection {
        /// The signal efficiency.
        signal_efficiency: f64,
    },
}

impl Metric {
    /// The metric's key in `metrics.json`: `accuracy`, `roc_auc`, `background_rejection_at_0.5`.
    ///
    /// ```
    /// use fiducial_bench::Metric;
    /// let metric = Metric::BackgroundRejection { signal_efficiency: 0.3 };
    /// assert_eq!(metric.key(), "background_rejection_at_0.3");
    /// ```
    pub fn key(&self) -> String {
        match self {
            Self::Accuracy => "accuracy".to_owned(),
            Self::RocAuc => "roc_auc".to_owned(),
            Self::BackgroundRejection { signal_efficiency } => {
                format!("background_rejection_at_{signal_efficiency}")
            }
        }
    }

    /// The signal efficiency of a working point.
    pub(crate) fn signal_efficiency(&self) -> Option<f64> {
        match self {
            Self::BackgroundRejection { signal_efficiency } => Some(*signal_efficiency),
            Self::Accuracy | Self::RocAuc => None,
        }
    }

    /// The metric's name for a person.
    pub fn title(&self) -> String {
        match self {
            Self::Accuracy => "accuracy".to_owned(),
            Self::RocAuc => "ROC AUC".to_owned(),
            Self::BackgroundRejection { signal_efficiency } => format!("1/εB at εS = {signal_efficiency}"),
        }
    }
}

/// The data in a task's folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// ROOT or Parquet files.
    pub files: Vec<PathBuf>,
    /// A short name for its dataset.
    pub name: String,
    /// What it is and how it was made, for the dataset's card.
    pub description: String,
    /// Its licence as an SPDX identifier.
    pub license: String,
}

/// Data that is fetched: one archive, checked by its hash.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FullData {
    /// A short name for its dataset.
    pub name: String,
    /// What it is, for the dataset's card.
    pub description: String,
    /// Where the archive (tar) is.
    pub url: String,
    /// Its MD5, as published.
    pub md5: String,
    /// The most that it may have: a download is refused beyond.
    pub max_bytes: u64,
    /// Names of the files in the archive that hold the data; the last part may hold `*`.
    pub members: Vec<String>,
    /// Where splits come from, as `[splits]` of a view; it replaces the view's own.
    pub splits: toml::Table,
    /// Its licence as an SPDX identifier.
    pub license: String,
    /// How to cite it (BibTeX).
    pub citation: String,
    /// Its page.
    pub page: String,
}

impl Task {
    /// Finds a task: a folder with a `task.toml`; or its name under `benchmarks/` in the current directory or one above;
    /// or one that this program carries with it.
    ///
    /// # Errors
    /// If there is none, or [`Task::read`] refuses it.
    pub fn find(name: &str) -> Result<Self, Error> {
        if Path::new(name).join("task.toml").is_file() {
            return Self::read(Path::new(name));
        }
        let is_plain = name.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
        let known = || embedded::names().into_iter().map(str::to_owned).collect();
        if !is_plain {
            return Err(Error::UnknownTask { name: name.to_owned(), known: known() });
        }
        let here = std::env::current_dir().map_err(Error::io("find", Path::new(".")))?;
        for above in here.ancestors() {
            let folder = above.join("benchmarks").join(name);
            if folder.join("task.toml").is_file() {
                return Self::read(&folder);
            }
        }
        match embedded::unpack(name)? {
            Some(folder) => Self::read(&folder),
            None => Err(Error::UnknownTask { name: name.to_owned(), known: known() }),
        }
    }

    /// Reads a task from its folder.
    ///
    /// # Errors
    /// If a file is missing, a key is unknown, or the view has no class of the signal's name.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let path = folder.join("task.toml");
        let text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
        let refuse = |reason: String| Error::Task { path: path.clone(), reason };
        let about: TaskFile =
            toml::from_str(&text).map_err(|error| refuse(error.to_string().trim_end().to_owned()))?;
        if about.format != TASK_FORMAT {
            return Err(refuse(format!("format is \"{}\", not \"{TASK_FORMAT}\"", about.format)));
        }
        let view = View::read(folder.join(&about.view))?;
        let task = Self { folder: folder.to_path_buf(), about, view };
        let classes = task.classes();
        if classes.len() != 2 || !classes.contains(&task.about.signal) {
            return Err(refuse(format!(
                "the view has the classes {}: a task needs two, one of them its signal \"{}\"",
                classes.join(", "),
                task.about.signal
            )));
        }
        if !task.about.recipes.contains_key(&task.about.baseline) {
            return Err(refuse(format!("the baseline \"{}\" is none of its recipes", task.about.baseline)));
        }
        if task.about.metrics.is_empty() {
            return Err(refuse("it has no metrics".to_owned()));
        }
        Ok(task)
    }

    /// The names of the classes, in the order of the labels.
    pub fn classes(&self) -> Vec<String> {
        self.view.classes().iter().map(|class| class.name.clone()).collect()
    }

    /// The index of the signal among the classes.
    pub fn signal(&self) -> usize {
        self.classes().iter().position(|class| *class == self.about.signal).unwrap_or(0)
    }

    /// The files of the embedded sample.
    pub fn sample_files(&self) -> Vec<PathBuf> {
        self.about.sample.files.iter().map(|file| self.folder.join(file)).collect()
    }

    /// A recipe among the task's own, the baseline where none is named, or a recipe file; with its name.
    ///
    /// # Errors
    /// If there is none of that name, or it cannot be read.
    pub fn recipe(&self, model: Option<&str>) -> Result<(String, Recipe), Error> {
        let name = model.unwrap_or(&self.about.baseline);
        if let Some(path) = self.about.recipes.get(name) {
            return Ok((name.to_owned(), Recipe::load(self.folder.join(path))?));
        }
        let path = Path::new(name);
        if path.is_file() {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            return Ok((stem, Recipe::load(path)?));
        }
        let known = self.about.recipes.keys().cloned().collect();
        Err(Error::UnknownModel { name: name.to_owned(), known })
    }
}

/// The names of all tasks that can be found from here, sorted.
///
/// # Errors
/// If a folder cannot be read.
pub fn task_names() -> Result<Vec<String>, Error> {
    let mut names: Vec<String> = embedded::names().into_iter().map(str::to_owned).collect();
    let here = std::env::current_dir().map_err(Error::io("find", Path::new(".")))?;
    if let Some(benchmarks) =
        here.ancestors().map(|above| above.join("benchmarks")).find(|path| path.is_dir())
    {
        for area in folders(&benchmarks)? {
            for folder in folders(&area)? {
                if folder.join("task.toml").is_file()
                    && let Ok(name) = folder.strip_prefix(&benchmarks)
                {
                    names.push(name.to_string_lossy().into_owned());
                }
            }
        }
    }
    names.sort();
    names.dedup();
    Ok(names)
}

fn folders(path: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(Error::io("read", path))? {
        let entry = entry.map_err(Error::io("read", path))?.path();
        if entry.is_dir() {
            found.push(entry);
        }
    }
    Ok(found)
}
