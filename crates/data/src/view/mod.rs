//! Views: TOML files that say how a dataset becomes tensors.
//!
//! A dataset keeps physical quantities. A view on it selects rows, computes new variables, groups them into the model's
//! inputs with their length, padding and standardisation, and defines labels, weights and observers.
//! `docs/guides/views.md` describes every key.
//!
//! ```
//! use std::sync::Arc;
//! use arrow_array::{ArrayRef, Float64Array, Int32Array, RecordBatch};
//! use fiducial_data::view::View;
//!
//! let view = View::parse(r#"
//!     format = "fiducial-view/1"
//!     selection = ["jet_pt > 550", "jet_pt < 650"]
//!     [new_variables]
//!     jet_logpt = "log(jet_pt)"
//!     [inputs.jet]
//!     variables = [{ name = "jet_logpt", center = 6.4, scale = 10.0 }]
//!     [labels]
//!     classes = { qcd = "is_top == 0", top = "is_top == 1" }
//! "#)?;
//! assert_eq!(view.stored_columns(), ["is_top", "jet_pt"]);
//!
//! let batch = RecordBatch::try_from_iter([
//!     ("jet_pt", Arc::new(Float64Array::from(vec![600.0, 700.0, 640.0])) as ArrayRef),
//!     ("is_top", Arc::new(Int32Array::from(vec![1, 1, 0])) as ArrayRef),
//! ])?;
//! let selection = view.select(&batch, 0)?;
//! assert_eq!(selection.passed, [3, 2]);
//! assert_eq!(selection.mask.iter().collect::<Vec<_>>(), [true, false, true]);
//!
//! let environment = view.environment(&batch);
//! assert_eq!(view.labels_of(&environment)?, [1, 1, 0]);
//! assert_eq!(view.variable("jet_logpt", &environment)?.numbers()[0], 600f64.ln());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use arrow_schema::DataType;

use crate::expr::{Definitions, Expr};
use crate::source::OpenOptions;

mod apply;
mod error;
mod raw;
mod sampling;
mod validate;
pub mod weaver;

pub use apply::Selection;
pub use error::ViewError;
pub use sampling::{Bucketing, Buckets, FileColumn, Reweight, ReweightMethod, Sampling};

/// The format that this version reads and writes.
pub const FORMAT: &str = "fiducial-view/1";

/// The splits that a dataset may have, in order.
pub const SPLITS: [&str; 3] = ["train", "validation", "test"];

/// What a center alone implies: `[-5, 5]`, as in weaver.
pub const DEFAULT_CLIP: (f64, f64) = (-5.0, 5.0);

/// A view, read and validated: its expressions parse, its names are defined and unique, its numbers make sense.
///
/// Two views are equal when their text is.
#[derive(Debug, Clone)]
pub struct View {
    text: String,
    raw: raw::RawView,
    selection: Vec<Expr>,
    splits: Option<Splits>,
    columns: Vec<ColumnNote>,
    file_columns: Vec<FileColumn>,
    new_variables: Definitions,
    inputs: Vec<Group>,
    classes: Vec<Class>,
    targets: Vec<(String, Expr)>,
    weights: Weights,
    sampling: Option<Sampling>,
    bucketing: Option<Bucketing>,
}

/// How `prepare` assigns rows to splits. Split names are among [`SPLITS`].
#[derive(Debug, Clone, PartialEq)]
pub enum Splits {
    /// By a hash of the seed and the row's number; the fractions sum to 1.
    Fractions {
        /// Fraction of the rows of each split.
        fractions: Vec<(String, f64)>,
        /// Of the hash.
        seed: u64,
    },
    /// By the value of a column.
    Column {
        /// The column.
        column: String,
        /// The value that stands for each split.
        values: Vec<(String, i64)>,
    },
    /// By a pattern on the end of the file's path, in which `*` stands for any characters of a name and `?` for one.
    Files(Vec<(String, String)>),
}

/// What the dataset's card says about a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnNote {
    /// The column.
    pub name: String,
    /// Its unit, such as `GeV`.
    pub unit: Option<String>,
    /// What it is.
    pub description: Option<String>,
    /// Its type in a CSV file, where that is not to be inferred.
    pub data_type: Option<DataType>,
}

/// One input of the model: `(rows, variables, length)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Its name, such as `points`.
    pub name: String,
    /// Number of particles to which lists are cut or padded. Without it the variables have one value per row.
    pub length: Option<usize>,
    /// Height and width of a group of images: each variable is a channel, a list of exactly `height * width` values per
    /// row, line after line. Their product is then the `length`.
    pub shape: Option<[usize; 2]>,
    /// What fills places beyond the last particle.
    pub pad: Pad,
    /// The variables, in order.
    pub variables: Vec<Variable>,
}

/// What fills places beyond the last particle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pad {
    /// Each variable's padding value.
    Constant,
    /// The particles again, from the first.
    Wrap,
}

/// A variable of an input group, and what happens to its values: first standardised, then clipped, then padded.
#[derive(Debug, Clone, PartialEq)]
pub struct Variable {
    /// A column or a new variable.
    pub name: String,
    /// `(x - center) * scale`.
    pub scaling: Scaling,
    /// Lower and upper bound after scaling.
    pub clip: Option<(f64, f64)>,
    /// The padding value, which is not scaled.
    pub pad: f64,
}

/// How a variable is standardised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scaling {
    /// Not at all.
    None,
    /// `(x - center) * scale` with given numbers.
    Given {
        /// Subtracted first.
        center: f64,
        /// Multiplied next.
        scale: f64,
    },
    /// `(x - center) * scale` with numbers that are measured on the training split.
    Measured,
}

/// A class that a model may assign.
#[derive(Debug, Clone, PartialEq)]
pub struct Class {
    /// Its name: letters, digits, `_`, `-` and `.`.
    pub name: String,
    /// Whether a row belongs to it.
    pub condition: Expr,
}

/// The weights of the rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Weights {
    /// One number per row, which may be negative; 1 where it is not given.
    pub event: Option<Expr>,
    /// Whether training gives each class the same sum of weights.
    pub class_balance: bool,
}

impl View {
    /// Parses and validates a view.
    ///
    /// # Errors
    /// Names the key and, for expressions, the position in the text.
    pub fn parse(text: &str) -> Result<Self, ViewError> {
        validate::validate(text, toml::from_str(text)?)
    }

    /// The view with further new variables, which may use those that it has, and further clauses of its selection.
    ///
    /// # Errors
    /// As [`View::parse`].
    pub fn extended(
        &self,
        new_variables: impl IntoIterator<Item = (String, String)>,
        selection: impl IntoIterator<Item = String>,
    ) -> Result<Self, ViewError> {
        let mut raw = self.raw.clone();
        raw.new_variables.0.extend(new_variables);
        raw.selection.extend(selection);
        let text = toml::to_string(&raw).unwrap_or_else(|_| self.text.clone());
        validate::validate(&text, raw)
    }

    /// The view with splits by a hash of the row's number, whose fractions sum to 1, in the place of those that it has.
    ///
    /// # Errors
    /// As [`View::parse`].
    pub fn with_fractions(&self, fractions: &[(&str, f64)]) -> Result<Self, ViewError> {
        let fractions = fractions.iter().map(|(name, fraction)| ((*name).to_owned(), *fraction)).collect();
        let mut raw = self.raw.clone();
        raw.splits = Some(raw::RawSplits { fractions: Some(raw::Ordered(fractions)), ..Default::default() });
        let text = toml::to_string(&raw).unwrap_or_else(|_| self.text.clone());
        validate::validate(&text, raw)
    }

    /// Reads a view from a file: TOML, or, where its name ends in `.yaml` or `.yml`, weaver's configuration, which is
    /// imported. [`View::read_with_notes`] also says what weaver would do otherwise.
    ///
    /// # Errors
    /// As [`View::parse`] and [`weaver::import`], and names the file.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, ViewError> {
        Ok(Self::read_with_notes(path)?.0)
    }

    /// As [`View::read`], with the notes of [`weaver::Imported`]; a view in TOML has none.
    ///
    /// # Errors
    /// As [`View::read`].
    pub fn read_with_notes(path: impl AsRef<Path>) -> Result<(Self, Vec<String>), ViewError> {
        let path = path.as_ref();
        let text =
            fs::read_to_string(path).map_err(|source| ViewError::Read { path: path.to_owned(), source })?;
        let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        let view = || match is_yaml {
            true => {
                let imported = weaver::import(&text)?;
                Ok((Self::parse(&imported.toml)?, imported.notes))
            }
            false => Ok((Self::parse(&text)?, Vec::new())),
        };
        view().map_err(|source| ViewError::File { path: path.to_owned(), source: Box::new(source) })
    }

    /// The text that was parsed: what is hashed and stored.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The view as TOML in normal form: without comments, keys in the order of the documentation.
    pub fn to_toml(&self) -> String {
        // The raw form was read from TOML, so that it can be written; the text stands in should that ever fail.
        toml::to_string(&self.raw).unwrap_or_else(|_| self.text.clone())
    }

    /// Name of the tree in a ROOT file; none means the only one.
    pub fn tree(&self) -> Option<&str> {
        self.raw.tree.as_deref()
    }

    /// What a source is opened with: its table, the columns that are slices of its arrays, and declared types.
    pub fn open_options(&self) -> OpenOptions {
        let declared = |column: &ColumnNote| Some((column.name.clone(), column.data_type.clone()?));
        OpenOptions {
            table: self.raw.tree.clone(),
            arrays: self.raw.arrays.0.clone(),
            types: self.columns.iter().filter_map(declared).collect(),
        }
    }

    /// The clauses of the selection, each a line of the cutflow.
    pub fn selection(&self) -> &[Expr] {
        &self.selection
    }

    /// How rows are assigned to splits.
    pub fn splits(&self) -> Option<&Splits> {
        self.splits.as_ref()
    }

    /// What is said about columns, in order.
    pub fn columns(&self) -> &[ColumnNote] {
        &self.columns
    }

    /// Columns whose values follow from a file's name, in order.
    pub fn file_columns(&self) -> &[FileColumn] {
        &self.file_columns
    }

    /// The new variables, in order.
    pub fn new_variables(&self) -> &Definitions {
        &self.new_variables
    }

    /// The input groups, in order.
    pub fn inputs(&self) -> &[Group] {
        &self.inputs
    }

    /// The input group of a name.
    pub fn input(&self, name: &str) -> Option<&Group> {
        self.inputs.iter().find(|group| group.name == name)
    }

    /// The classes, in order; empty where the view has no labels.
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// What a regression is to find, in order: a name, and one number per row.
    pub fn targets(&self) -> &[(String, Expr)] {
        &self.targets
    }

    /// The weights.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// How often each row is drawn in training; none means once.
    pub fn sampling(&self) -> Option<&Sampling> {
        self.sampling.as_ref()
    }

    /// Whether batches are made of rows that are alike.
    pub fn bucketing(&self) -> Option<&Bucketing> {
        self.bucketing.as_ref()
    }

    /// Columns and new variables that are copied to the predictions, in order.
    pub fn observers(&self) -> &[String] {
        &self.raw.observers
    }

    /// The columns that a dataset must keep for this view: those under `[columns]` in order, then all others that the view
    /// refers to, sorted.
    pub fn stored_columns(&self) -> Vec<String> {
        let mut stored: Vec<String> = self.columns.iter().map(|column| column.name.clone()).collect();
        let listed: BTreeSet<String> = stored.iter().cloned().collect();
        let mut names = self.selection_columns();
        names.extend(self.input_columns());
        names.extend(self.label_columns());
        names.extend(self.weight_columns());
        names.extend(self.sampling_columns());
        names.extend(self.base_columns(self.observers().iter().cloned()));
        names.extend(self.base_columns(self.new_variables.iter().map(|(name, _)| name.to_owned())));
        if let Some(Splits::Column { column, .. }) = &self.splits {
            names.insert(column.clone());
        }
        stored.extend(names.difference(&listed).cloned());
        stored
    }

    /// The columns in which a value that is NaN or infinite cannot be used: those that the selection, inputs, labels, targets,
    /// weights and sampling read, unless an expression of the view looks at them with `isnan` or its like. What a dataset
    /// merely keeps, and observers, may be anything.
    pub fn finite_columns(&self) -> BTreeSet<String> {
        let mut needed = self.selection_columns();
        needed.extend(self.input_columns());
        needed.extend(self.label_columns());
        needed.extend(self.weight_columns());
        needed.extend(self.sampling_columns());
        let sampling = self.sampling.iter().flat_map(Sampling::expressions);
        let expressions = (self.selection.iter())
            .chain(self.new_variables.iter().map(|(_, expr)| expr))
            .chain(self.classes.iter().map(|class| &class.condition))
            .chain(self.targets.iter().map(|(_, expr)| expr))
            .chain(&self.weights.event)
            .chain(sampling);
        let looking = expressions.filter(|expr| Self::looks_for_nan(expr)).flat_map(Expr::columns);
        let looked_at = self.base_columns(looking);
        needed.difference(&looked_at).cloned().collect()
    }

    /// Whether an expression itself asks what is NaN.
    pub(crate) fn looks_for_nan(expr: &Expr) -> bool {
        ["isnan", "isfinite", "isinf", "nan_to_num"].iter().any(|name| expr.text().contains(name))
    }

    /// The columns behind names: a column stands for itself, a new variable for all that its expression reads.
    pub fn base_columns(&self, names: impl IntoIterator<Item = String>) -> BTreeSet<String> {
        let mut pending: Vec<String> = names.into_iter().collect();
        let (mut columns, mut seen) = (BTreeSet::new(), BTreeSet::new());
        while let Some(name) = pending.pop() {
            match self.new_variables.resolve(&name) {
                None => {
                    columns.insert(name);
                }
                Some((variable, expr)) => {
                    if seen.insert(variable.to_owned()) {
                        pending.extend(expr.columns());
                    }
                }
            }
        }
        columns
    }

    /// The columns that the selection reads.
    pub fn selection_columns(&self) -> BTreeSet<String> {
        self.base_columns(self.selection.iter().flat_map(Expr::columns))
    }

    /// The columns that the inputs read.
    pub fn input_columns(&self) -> BTreeSet<String> {
        self.base_columns(self.inputs.iter().flat_map(|group| group.variables.iter().map(|v| v.name.clone())))
    }

    /// The columns that the labels and targets read.
    pub fn label_columns(&self) -> BTreeSet<String> {
        let classes = self.classes.iter().map(|class| &class.condition);
        self.base_columns(classes.chain(self.targets.iter().map(|(_, expr)| expr)).flat_map(Expr::columns))
    }

    /// The columns that sampling and bucketing read.
    pub fn sampling_columns(&self) -> BTreeSet<String> {
        let sampling = self.sampling.iter().flat_map(Sampling::expressions);
        let bucketing = self.bucketing.iter().map(|bucketing| &bucketing.variable);
        self.base_columns(sampling.chain(bucketing).flat_map(Expr::columns))
    }

    /// The columns that the event weights read.
    pub fn weight_columns(&self) -> BTreeSet<String> {
        self.base_columns(self.weights.event.iter().flat_map(Expr::columns))
    }
}

impl PartialEq for View {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
