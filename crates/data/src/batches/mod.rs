//! A dataset and a view to padded, standardised tensors.
//!
//! [`tensors`] fills the tensors of a whole split in one pass, row groups side by side, and allocates nothing for a row.
//! [`Tensors::gather`] then takes any rows as one [`Batch`], in the order that [`shuffled`] gives.
//!
//! What happens to a value, as in weaver: `(x - center) * scale`, then clipping, then cutting or padding to the group's
//! length. Unlike in weaver, a value that is not finite after this is an error, which names the variable and the row, and
//! what was cut or clipped is counted.
//!
//! ```no_run
//! use fiducial_data::batches::{Standardisation, shuffled, tensors};
//! use fiducial_data::dataset::Dataset;
//! use fiducial_data::view::View;
//!
//! let view = View::read("view.toml")?;
//! let dataset = Dataset::open("top-dataset")?;
//! let standardisation = Standardisation::measure(&view, &dataset)?;
//! let train = tensors(&view, &standardisation, &dataset, "train")?;
//! for rows in shuffled(train.rows() as u32, 20, 0).chunks(512) {
//!     let batch = train.gather(rows);
//!     let features = &batch.groups[1]; // (512, variables, length)
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod draw;
mod fill;
mod gather;
mod loader;
mod memory;
mod plan;
mod random;
mod rows;
mod sampling;
mod scale;
mod shuffle;
mod standardise;

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{RecordBatch, UInt64Array};
use rayon::prelude::*;

use crate::dataset::{Chunk, Dataset, ROW_ID};
use crate::source::{Error, Source};
use crate::view::View;

pub use draw::drawn;
pub use loader::{Epoch, Loader, LoaderOptions};
pub use rows::{quantity, targets};
pub use sampling::Sampler;
pub use shuffle::shuffled;
pub use standardise::{Measured, Standardisation, TRAINING_SPLIT};

use fill::{Loaded, fill};
use plan::Plan;

/// The inputs, labels and weights of many rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensors {
    /// The input groups, in the order of the view.
    pub groups: Vec<GroupTensor>,
    /// The class of each row, as its place among the view's classes; empty with [`Labels::Absent`] and without classes.
    pub labels: Vec<u32>,
    /// `(n, targets)`: what a regression is to find, in the order of the view's targets and in their units; empty with
    /// [`Labels::Absent`] and without targets.
    pub targets: Vec<f32>,
    /// The weight of each row.
    pub weights: Vec<f32>,
    /// The `row_id` of each row.
    pub row_ids: Vec<u64>,
    /// The view's observers.
    pub observers: RecordBatch,
    /// Rows that had more constituents than the length of a group.
    pub truncated_rows: u64,
    /// Constituents that were cut off for this, in the group that lost most.
    pub truncated_constituents: u64,
    /// Values that were moved to a bound of their variable.
    pub clipped_values: u64,
}

/// One input of a model for many rows.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupTensor {
    /// The group's name.
    pub name: String,
    /// How many variables it has.
    pub variables: usize,
    /// To how many constituents it is padded; 1 for a group of one value per row.
    pub length: usize,
    /// `(n, variables, length)`, the last running fastest.
    pub data: Vec<f32>,
}

/// Some rows of [`Tensors`].
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The input groups.
    pub groups: Vec<GroupTensor>,
    /// The class of each row; empty where the tensors have none.
    pub labels: Vec<u32>,
    /// `(n, targets)`; empty where the tensors have none.
    pub targets: Vec<f32>,
    /// The weight of each row.
    pub weights: Vec<f32>,
}

/// Whether rows have labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Labels {
    /// They must, and exactly one class is true for each. A view with targets and no classes has weights alone.
    Required,
    /// They are not looked at, nor are weights: for predictions on data without truth.
    Absent,
}

/// The tensors of a whole split, with labels and weights.
///
/// # Errors
/// When the split or a column is missing, when an expression cannot be evaluated, when a value is not finite, when the
/// variables of a group differ in their numbers of constituents, and when a row does not have exactly one class.
pub fn tensors(
    view: &View,
    standardisation: &Standardisation,
    dataset: &Dataset,
    split: &str,
) -> Result<Tensors, Error> {
    tensors_with(view, standardisation, dataset, split, Labels::Required)
}

/// As [`tensors`], where labels may be absent.
///
/// # Errors
/// As [`tensors`].
pub fn tensors_with(
    view: &View,
    standardisation: &Standardisation,
    dataset: &Dataset,
    split: &str,
    labels: Labels,
) -> Result<Tensors, Error> {
    fill_split(&Plan::new(view, standardisation, labels)?, dataset, split)
}

/// The labels, weights and observers of a split without its inputs: what predictions are measured against.
///
/// # Errors
/// As [`tensors`].
pub fn truth(view: &View, dataset: &Dataset, split: &str) -> Result<Tensors, Error> {
    fill_split(&Plan::truth(view)?, dataset, split)
}

fn fill_split(plan: &Plan<'_>, dataset: &Dataset, split: &str) -> Result<Tensors, Error> {
    let chunks = dataset.chunks(split)?;
    let sizes: Vec<usize> = chunks.iter().map(Chunk::len).collect();
    let columns: Vec<&str> = plan.columns.iter().map(String::as_str).chain([ROW_ID]).collect();
    fill(plan, &sizes, |index| {
        let chunk = &chunks[index];
        let batch = chunk.read(&columns)?;
        let row_ids =
            batch.column_by_name(ROW_ID).and_then(|ids| ids.as_primitive_opt::<UInt64Type>()).cloned();
        let row_ids = row_ids.ok_or_else(|| Error::column(chunk.path(), ROW_ID, "it must be uint64"))?;
        Ok(Loaded { batch, row_ids: row_ids.values().to_vec(), path: chunk.path() })
    })
}

/// The tensors of a whole source, such as a ROOT file to be predicted on; its rows are numbered from `first_row`. The
/// view's selection is not applied: every row has its place.
///
/// # Errors
/// As [`tensors`].
pub fn tensors_of_source(
    view: &View,
    standardisation: &Standardisation,
    source: &dyn Source,
    first_row: u64,
    labels: Labels,
) -> Result<Tensors, Error> {
    let plan = Plan::new(view, standardisation, labels)?;
    let mut pieces = source.partitions();
    if pieces.is_empty() {
        pieces.push(0..0);
    }
    let size = |rows: &Range<u64>| usize::try_from(rows.end - rows.start);
    let sizes: Vec<usize> = pieces
        .iter()
        .map(size)
        .collect::<Result<_, _>>()
        .map_err(|_| Error::settings("allocate tensors", "they do not fit into memory"))?;
    let columns: Vec<&str> = plan.columns.iter().map(String::as_str).collect();
    fill(&plan, &sizes, |index| {
        let rows = pieces[index].clone();
        let row_ids = (first_row + rows.start..first_row + rows.end).collect();
        Ok(Loaded { batch: source.read(&columns, rows)?, row_ids, path: source.path() })
    })
}

/// The tensors of a batch that is in memory; its rows are numbered from `first_row`.
///
/// # Errors
/// As [`tensors`], and names `name` in the place of the file.
pub fn tensors_of_batch(
    view: &View,
    standardisation: &Standardisation,
    batch: &RecordBatch,
    first_row: u64,
    labels: Labels,
    name: &str,
) -> Result<Tensors, Error> {
    /// Rows that one thread works on at a time.
    const ROWS: usize = 8192;
    let plan = Plan::new(view, standardisation, labels)?;
    let starts: Vec<usize> = (0..batch.num_rows().max(1)).step_by(ROWS).collect();
    let sizes: Vec<usize> = starts.iter().map(|start| ROWS.min(batch.num_rows() - start)).collect();
    fill(&plan, &sizes, |index| {
        let (start, size) = (starts[index], sizes[index]);
        let first = first_row + start as u64;
        let row_ids = (first..first + size as u64).collect();
        Ok(Loaded { batch: batch.slice(start, size), row_ids, path: name.as_ref() })
    })
}

impl Tensors {
    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.row_ids.len()
    }

    /// The group of a name.
    pub fn group(&self, name: &str) -> Option<&GroupTensor> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// The `row_id`s as an Arrow array.
    pub fn row_id_array(&self) -> UInt64Array {
        self.row_ids.clone().into()
    }

    /// Copies the rows at `indices`, in that order; an index may come more than once.
    ///
    /// # Panics
    /// When an index is not below [`Tensors::rows`].
    pub fn gather(&self, indices: &[u32]) -> Batch {
        let pick = |values: &[f32]| indices.iter().map(|index| values[*index as usize]).collect();
        let labels = match self.labels.is_empty() {
            true => Vec::new(),
            false => indices.iter().map(|index| self.labels[*index as usize]).collect(),
        };
        let groups = self.groups.iter().map(|group| group.gather(indices)).collect();
        let each = self.targets.len() / self.rows().max(1);
        let target_rows = indices.iter().map(|index| *index as usize * each..(*index as usize + 1) * each);
        let targets = target_rows.flat_map(|row| &self.targets[row]).copied().collect();
        Batch { groups, labels, targets, weights: pick(&self.weights) }
    }
}

impl GroupTensor {
    /// The values of one row, `(variables, length)`.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn row(&self, row: usize) -> &[f32] {
        let size = self.variables * self.length;
        &self.data[row * size..(row + 1) * size]
    }

    fn gather(&self, indices: &[u32]) -> Self {
        /// Bytes below which a copy is not worth a second thread.
        const SMALL: usize = 1 << 20;
        let size = self.variables * self.length;
        let mut data = vec![0.0; indices.len() * size];
        if size > 0 {
            let rows_at_once = (SMALL / 4).div_ceil(size);
            data.par_chunks_mut(size * rows_at_once).zip(indices.par_chunks(rows_at_once)).for_each(
                |(targets, indices)| {
                    for (target, index) in targets.chunks_exact_mut(size).zip(indices) {
                        target.copy_from_slice(self.row(*index as usize));
                    }
                },
            );
        }
        Self { name: self.name.clone(), variables: self.variables, length: self.length, data }
    }
}
