//! Recipes: the TOML file that says which model is trained on which data, and how.
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::loss::{LossTable, ParametersTable};
use crate::{Error, Training, files, pattern, trees};

/// The format that a recipe has to name.
pub const RECIPE_FORMAT: &str = "fiducial-recipe/1";

/// A training in TOML: view, data, model and settings.
///
/// Paths are relative to the recipe file. The data is either a `dataset` directory, or `files` in the form that they
/// come in, of which the last part may hold `*`. `[model]` is the model's configuration without `features` and
/// `outputs`, which follow from the view and the loss.
///
/// ```
/// use std::path::Path;
/// use fiducial_train::{DataSource, Recipe};
///
/// let text = r#"
/// format = "fiducial-recipe/1"
/// view = "../view.toml"
/// dataset = "../dataset"
///
/// [model]
/// kind = "particle-flow-network"
///
/// [training]
/// epochs = 20
/// batch_size = 256
/// learning_rate = 1e-3
/// "#;
/// let recipe = Recipe::parse(text, Path::new("top/recipes/pfn.toml"))?;
/// assert_eq!(recipe.view.as_deref(), Some(Path::new("top/recipes/../view.toml")));
/// assert_eq!(recipe.data, Some(DataSource::Dataset("top/recipes/../dataset".into())));
/// assert_eq!(recipe.training.seed, 20);
/// # Ok::<(), fiducial_train::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// The file that the recipe was read from.
    pub path: PathBuf,
    /// The recipe as it was written.
    pub text: String,
    /// The view; none if who uses the recipe brings it, as a benchmark task does.
    pub view: Option<PathBuf>,
    /// The data; none if who uses the recipe brings it.
    pub data: Option<DataSource>,
    /// The model's configuration, without what the view gives.
    pub model: toml::Table,
    /// What is minimised.
    pub loss: LossTable,
    /// Whose parameters are drawn; none where each row has its own.
    pub parameters: Option<ParametersTable>,
    /// The weights to start from; none if they are drawn.
    pub start: Option<Start>,
    /// The settings of the training.
    pub training: Training,
}

/// The `[start]` table of a recipe: fine-tuning.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// A model directory, whose standardisation then is used too, or a safetensors file.
    pub from: PathBuf,
    /// Parameters, by names with stars, that are drawn anew: they may have another shape there, or not be there.
    #[serde(default)]
    pub fresh: Vec<String>,
}

/// Where a recipe's data comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataSource {
    /// A prepared dataset's directory.
    Dataset(PathBuf),
    /// Files to prepare a dataset from; the last part of each path may hold `*`.
    Files(Vec<PathBuf>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    format: String,
    view: Option<PathBuf>,
    dataset: Option<PathBuf>,
    files: Option<Vec<PathBuf>>,
    model: toml::Table,
    #[serde(default)]
    loss: LossTable,
    parameters: Option<ParametersTable>,
    start: Option<Start>,
    training: Training,
}

impl Recipe {
    /// Reads a recipe.
    ///
    /// # Errors
    /// If the file cannot be read, or [`Recipe::parse`] refuses it.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::parse(&files::read_text(path.as_ref())?, path.as_ref())
    }

    /// Reads a recipe from its text; `path` is for relative paths and for messages.
    ///
    /// # Errors
    /// If the text is no TOML, a key is missing, unknown or of the wrong type, the format is another one, or a value
    /// makes no sense.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        let refuse = |reason: String| Error::Recipe { path: path.to_path_buf(), reason };
        let wrong = |error: toml::de::Error| refuse(error.to_string().trim_end().to_owned());
        let written: Written = match for_trees(text).map_err(refuse)? {
            Some(table) => table.try_into().map_err(wrong)?,
            None => toml::from_str(text).map_err(wrong)?,
        };
        if written.format != RECIPE_FORMAT {
            return Err(refuse(format!("format is \"{}\", not \"{RECIPE_FORMAT}\"", written.format)));
        }
        let near = |other: PathBuf| path.parent().unwrap_or(Path::new("")).join(other);
        let data = match (written.dataset, written.files) {
            (Some(_), Some(_)) => return Err(refuse("it has `dataset` and `files`: give one".into())),
            (Some(dataset), None) => Some(DataSource::Dataset(near(dataset))),
            (None, Some(files)) if files.is_empty() => return Err(refuse("`files` is empty".into())),
            (None, Some(files)) => Some(DataSource::Files(files.into_iter().map(near).collect())),
            (None, None) => None,
        };
        for key in ["features", "classes", "outputs"] {
            if written.model.contains_key(key) {
                return Err(refuse(format!("`model.{key}` is given by the view: leave it out")));
            }
        }
        if let Some(reason) = written.loss.mistake() {
            return Err(refuse(format!("[loss]: {reason}")));
        }
        if let Some((field, value, reason)) = written.training.first_mistake() {
            return Err(refuse(format!("{field} = {value}: {reason}")));
        }
        Ok(Self {
            path: path.to_path_buf(),
            text: text.to_owned(),
            view: written.view.map(near),
            data,
            model: written.model,
            loss: written.loss,
            parameters: written.parameters,
            start: written.start.map(|start| Start { from: near(start.from), ..start }),
            training: written.training,
        })
    }
}

/// A recipe of boosted trees, whose `[training]` says nothing of batches and of the other things that networks alone have: all
/// jets are one batch. None for a network's.
fn for_trees(text: &str) -> Result<Option<toml::Table>, String> {
    // What is no TOML is refused, with its place, by who reads it next.
    let Ok(mut table) = toml::from_str::<toml::Table>(text) else { return Ok(None) };
    let kind = table.get("model").and_then(|model| model.get("kind")).and_then(toml::Value::as_str);
    if kind != Some(trees::KIND) {
        return Ok(None);
    }
    if let Some(training) = table.get_mut("training").and_then(toml::Value::as_table_mut) {
        if let Some(key) = training.keys().find(|key| !trees::TRAINING_KEYS.contains(&key.as_str())) {
            let keys = trees::TRAINING_KEYS.join(", ");
            return Err(format!("`training.{key}` is nothing that {} have; they have {keys}", trees::KIND));
        }
        // A training without warm-up or decay: each round is scaled down alike.
        training.insert("batch_size".to_owned(), toml::Value::Integer(u32::MAX.into()));
        training.insert("warmup_epochs".to_owned(), toml::Value::Float(0.0));
        training.insert("last_learning_rate".to_owned(), toml::Value::Float(1.0));
    }
    Ok(Some(table))
}

impl DataSource {
    /// The files of [`DataSource::Files`], with each `*` in a file's name filled in, sorted; none for a dataset.
    ///
    /// # Errors
    /// If a directory cannot be read, or nothing matches a pattern.
    pub fn files(&self) -> Result<Vec<PathBuf>, Error> {
        let Self::Files(patterns) = self else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for pattern in patterns {
            let name = pattern.file_name().unwrap_or_default().to_string_lossy();
            if !name.contains('*') {
                found.push(pattern.clone());
                continue;
            }
            let directory = match pattern.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            };
            let mut matches = Vec::new();
            for entry in std::fs::read_dir(directory).map_err(Error::io("read directory", directory))? {
                let entry = entry.map_err(Error::io("read directory", directory))?;
                if pattern::matches(&name, &entry.file_name().to_string_lossy()) {
                    matches.push(directory.join(entry.file_name()));
                }
            }
            if matches.is_empty() {
                let none = std::io::Error::new(std::io::ErrorKind::NotFound, "no file matches");
                return Err(Error::io("find files", pattern)(none));
            }
            matches.sort();
            found.append(&mut matches);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
format = "fiducial-recipe/1"
view = "view.toml"
files = ["sample/*.root"]
[model]
kind = "particle-flow-network"
[training]
epochs = 20
batch_size = 256
learning_rate = 1e-3
"#;

    #[test]
    fn mistakes_are_named() {
        let check = |from: &str, to: &str, message: &str| {
            let text = GOOD.replace(from, to);
            assert_ne!(text, GOOD, "{from}");
            let error = Recipe::parse(&text, Path::new("dir/a.toml")).unwrap_err().to_string();
            assert!(error.starts_with("read recipe dir/a.toml: "), "{error}");
            assert!(error.contains(message), "{error} lacks {message}");
        };
        check("recipe/1", "recipe/7", "format is \"fiducial-recipe/7\", not \"fiducial-recipe/1\"");
        check("format = \"fiducial-recipe/1\"", "", "missing field `format`");
        check("epochs = 20", "epoch = 20", "unknown field `epoch`");
        check("view =", "veiw =", "unknown field `veiw`");
        check("epochs = 20", "epochs = \"many\"", "epochs = \"many\"");
        check("epochs = 20", "epochs = 0", "training.epochs = 0: it must be at least 1");
        check("batch_size = 256", "batch_size = 0", "training.batch_size = 0");
        check("1e-3", "-1e-3", "training.learning_rate = -0.001: it must be a positive number");
        check("1e-3", "nan", "training.learning_rate = NaN");
        check("1e-3", "1e-3\nwarmup_epochs = 21", "it is longer than the training");
        check("1e-3", "1e-3\nlast_learning_rate = 2", "from 0 to 1");
        check("1e-3", "1e-3\ngradient_clip = 0.0", "training.gradient_clip");
        check("1e-3", "1e-3\npatience = 0", "training.patience");
        check("1e-3", "1e-3\nmax_minutes = -3", "training.max_minutes");
        check("1e-3", "1e-3\nclass_weights = { top = -1.0 }", "training.class_weights");
        check("files = [\"sample/*.root\"]", "files = []", "`files` is empty");
        check("files =", "dataset = \"d\"\nfiles =", "it has `dataset` and `files`");
        check("[training]", "classes = 2\n[training]", "`model.classes` is given by the view");
        check("[training]", "[loss]\ngamma = 2.0\n[training]", "missing field `kind`");
        check("[training]", "[loss]\nkind = \"focus\"\n[training]", "unknown variant `focus`");
        check("[training]", "[loss]\nkind = \"focal\"\ndelta = 1\n[training]", "unknown field `delta`");
        check(
            "[training]",
            "[loss]\nkind = \"huber\"\ndelta = 0\n[training]",
            "[loss]: delta must be a positive",
        );
        check(
            "[training]",
            "[loss]\nkind = \"quantile\"\nlevels = [0.9, 0.1]\n[training]",
            "[loss]: levels must",
        );
        check("[training]", "[parameters]\nclass = \"qcd\"\n[training]", "unknown field `class`");
        let term = "[loss]\nkind = \"gaussian\"\n[loss.decorrelation]\ncolumn = \"mass\"\nstrength = 1\n\
                    score = \"top\"\namong = \"qcd\"\n[training]";
        check("[training]", term, "[loss]: only the scores of a classification can be decorrelated");
        check("[training]", &term.replace("column", "columns"), "unknown field `columns`");
    }

    #[test]
    fn patterns_become_sorted_files() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.root", "a.root", "c.txt"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let source = |name: &str| DataSource::Files(vec![dir.path().join(name)]);
        assert_eq!(source("*.root").files().unwrap(), [dir.path().join("a.root"), dir.path().join("b.root")]);
        assert_eq!(source("plain").files().unwrap(), [dir.path().join("plain")]);
        let error = source("*.parquet").files().unwrap_err().to_string();
        assert!(error.ends_with("*.parquet: no file matches"), "{error}");
    }
}
