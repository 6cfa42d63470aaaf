//! One partition of one source: select, assign to splits, keep.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array, UInt64Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::take::take_record_batch;

use super::split::Assignment;
use super::statistics::Statistics;
use crate::dataset::{ROW_ID, type_name};
use crate::expr::{Definitions, Environment, Expr};
use crate::source::{DESCRIPTION, Error, Source, UNIT, check_columns};
use crate::view::View;

/// One clause of the selection.
pub(super) struct Clause<'a> {
    pub(super) expr: &'a Expr,
    /// The columns of the source that it needs, new variables resolved.
    pub(super) columns: Vec<String>,
    /// Whether the clause itself looks for NaN.
    pub(super) handles_nan: bool,
}

/// What is done to every partition.
pub(super) struct Scan<'a> {
    definitions: &'a Definitions,
    pub(super) clauses: Vec<Clause<'a>>,
    /// The names of the splits.
    pub(super) splits: Vec<String>,
    assignment: Assignment<'a>,
    /// The columns to keep.
    keep: Vec<String>,
    /// The kept columns, then `row_id`.
    pub(super) schema: SchemaRef,
}

/// What a partition came to.
pub(super) struct Piece {
    /// The index of the source.
    pub(super) source: usize,
    pub(super) rows: u64,
    /// Rows left after each clause.
    pub(super) passed: Vec<u64>,
    /// The kept rows of each split.
    pub(super) splits: Vec<RecordBatch>,
    /// Of each column.
    pub(super) statistics: Vec<Statistics>,
}

/// A partition of a source.
pub(super) struct Task {
    pub(super) source: usize,
    /// The `row_id` of the source's first row.
    pub(super) first_row_id: u64,
    pub(super) rows: Range<u64>,
}

impl<'a> Scan<'a> {
    /// Looks at all sources, before any is read: each must have every column, of one type.
    pub(super) fn new(view: &'a View, sources: &[Box<dyn Source>]) -> Result<Self, Error> {
        let (splits, assignment) = Assignment::new(view, sources)?;
        let keep = view.stored_columns();
        let clauses = view.selection().iter().map(|expr| {
            let columns = view.base_columns(expr.columns()).into_iter().collect();
            let handles_nan = ["isnan", "isfinite"].iter().any(|name| expr.text().contains(name));
            Clause { expr, columns, handles_nan }
        });
        let schema = schema(view, &keep, sources)?;
        let definitions = view.new_variables();
        Ok(Self { definitions, clauses: clauses.collect(), splits, assignment, keep, schema })
    }

    /// Reads the columns of the selection, then the kept columns where a row is left.
    pub(super) fn run(&self, source: &dyn Source, task: &Task) -> Result<Piece, Error> {
        let selecting: BTreeSet<&str> = self
            .clauses
            .iter()
            .flat_map(|clause| &clause.columns)
            .map(String::as_str)
            .chain(self.assignment.column())
            .collect();
        let selecting: Vec<&str> = selecting.into_iter().collect();
        let first = source.read(&selecting, task.rows.clone())?;
        let count = u32::try_from(first.num_rows())
            .map_err(|_| Error::malformed(source.path(), "a partition of more than 2^32 rows"))?;
        let mut alive: Vec<u32> = (0..count).collect();
        let mut passed = Vec::with_capacity(self.clauses.len());
        for clause in &self.clauses {
            self.apply(clause, &first, &mut alive, source.path(), task.rows.start)?;
            passed.push(alive.len() as u64);
        }
        let first_row_id = task.first_row_id + task.rows.start;
        let members = self.assignment.assign(source.path(), task, &first, &alive, self.splits.len())?;
        let (splits, statistics) = self.keep(source, task, &first, &members, first_row_id)?;
        Ok(Piece { source: task.source, rows: u64::from(count), passed, splits, statistics })
    }

    /// Drops the rows that do not pass. Later clauses see only the rows that passed the earlier ones, so that a clause can
    /// guard the next.
    fn apply(
        &self,
        clause: &Clause<'_>,
        batch: &RecordBatch,
        alive: &mut Vec<u32>,
        path: &Path,
        first_row: u64,
    ) -> Result<(), Error> {
        if alive.is_empty() {
            return Ok(());
        }
        let action = || format!("apply the selection `{}`", clause.expr.text());
        let row_at = |index: usize| first_row + alive.get(index).map_or(0, |row| u64::from(*row));
        let columns: Vec<usize> =
            clause.columns.iter().filter_map(|column| batch.schema_ref().index_of(column).ok()).collect();
        let rows = batch
            .project(&columns)
            .and_then(|batch| if alive.len() == batch.num_rows() { Ok(batch) } else { take(&batch, alive) });
        let rows = rows.map_err(|error| Error::malformed(path, error.to_string()))?;
        if !clause.handles_nan {
            for (field, array) in rows.schema_ref().fields().iter().zip(rows.columns()) {
                if let Some(index) = first_nan(array) {
                    let reason =
                        format!("the column `{}` is NaN; say what is wanted with isnan()", field.name());
                    return Err(Error::Value {
                        action: action(),
                        reason,
                        row: row_at(index),
                        path: path.to_owned(),
                    });
                }
            }
        }
        let numbers = alive.iter().map(|row| first_row + u64::from(*row)).collect();
        let environment =
            Environment::new(&rows).with_definitions(self.definitions).with_row_numbers(numbers);
        let values = clause.expr.evaluate(&environment).map_err(Error::expression("the selection", path))?;
        let Some(mask) = values.event_mask(rows.num_rows()) else {
            let reason =
                "it must be true or false for each row, it is neither: compare it with something".to_owned();
            return Err(Error::Settings {
                action: "apply the selection",
                reason: format!("`{}`: {reason}", clause.expr.text()),
            });
        };
        let mut flags = mask.iter();
        alive.retain(|_| flags.next().unwrap_or(false));
        Ok(())
    }

    /// The kept columns of the rows of each split, and their statistics.
    fn keep(
        &self,
        source: &dyn Source,
        task: &Task,
        first: &RecordBatch,
        members: &[Vec<u32>],
        first_row_id: u64,
    ) -> Result<(Vec<RecordBatch>, Vec<Statistics>), Error> {
        let mut statistics = vec![Statistics::default(); self.schema.fields().len()];
        if members.iter().all(Vec::is_empty) {
            return Ok((vec![RecordBatch::new_empty(self.schema.clone()); members.len()], statistics));
        }
        let missing: Vec<&str> = self
            .keep
            .iter()
            .map(String::as_str)
            .filter(|column| first.column_by_name(column).is_none())
            .collect();
        // The rows of all splits together: of the other columns only these are read.
        let mut rows: Vec<u32> = members.iter().flatten().copied().collect();
        rows.sort_unstable();
        let mut chosen = vec![false; first.num_rows()];
        rows.iter().for_each(|row| chosen[*row as usize] = true);
        let second = source.read_chosen(&missing, task.rows.clone(), &BooleanArray::from(chosen))?;
        let malformed = |error: arrow_schema::ArrowError| Error::malformed(source.path(), error.to_string());
        let first = if rows.len() == first.num_rows() {
            first.clone()
        } else {
            take(first, &rows).map_err(malformed)?
        };
        let row_ids = UInt64Array::from_iter_values(rows.iter().map(|row| first_row_id + u64::from(*row)));
        let kept = self.keep.iter().filter_map(|column| {
            first.column_by_name(column).or_else(|| second.column_by_name(column)).cloned()
        });
        let arrays: Vec<ArrayRef> = kept.chain(std::iter::once(Arc::new(row_ids) as ArrayRef)).collect();
        let all = RecordBatch::try_new(self.schema.clone(), arrays).map_err(malformed)?;
        let mut splits = Vec::with_capacity(members.len());
        for members in members {
            // Where the split's rows stand among those that were read.
            let places: Vec<u32> =
                members.iter().filter_map(|row| u32::try_from(rows.binary_search(row).ok()?).ok()).collect();
            let batch = if places.len() == rows.len() {
                all.clone()
            } else {
                take(&all, &places).map_err(malformed)?
            };
            for (sum, array) in statistics.iter_mut().zip(batch.columns()) {
                sum.merge(&Statistics::of(array));
            }
            splits.push(batch);
        }
        Ok((splits, statistics))
    }
}

/// The schema of the dataset: the kept columns with the view's words on them, or else the first source's, and `row_id`.
fn schema(view: &View, keep: &[String], sources: &[Box<dyn Source>]) -> Result<SchemaRef, Error> {
    let Some(first) = sources.first() else { return Ok(SchemaRef::new(Schema::empty())) };
    let mut fields = Vec::with_capacity(keep.len() + 1);
    for source in sources {
        check_columns(source.as_ref(), keep.iter().map(String::as_str))?;
        let schema = source.schema();
        view.check_columns(schema.fields().iter().map(|field| field.name().as_str()))
            .map_err(|error| Error::View { path: source.path().to_owned(), source: Box::new(error) })?;
    }
    for column in keep {
        if column == ROW_ID {
            let reason = "a dataset numbers its rows in a column of this name; rename the source's";
            return Err(Error::column(first.path(), column, reason));
        }
        let found = first.schema().field_with_name(column).cloned();
        let found = found.map_err(|error| Error::column(first.path(), column, error.to_string()))?;
        for source in &sources[1..] {
            let other = source.schema().field_with_name(column).map(|field| field.data_type().clone()).ok();
            if other.as_ref() != Some(found.data_type()) {
                let (here, there) =
                    (other.as_ref().map(type_name).unwrap_or_default(), type_name(found.data_type()));
                let reason =
                    format!("it is {here} here but {there} in {}", fiducial_root::shown(first.path()));
                return Err(Error::column(source.path(), column, reason));
            }
        }
        let note = view.columns().iter().find(|note| note.name == *column);
        let mut metadata = found.metadata().clone();
        metadata.retain(|key, _| key == UNIT || key == DESCRIPTION);
        for (key, value) in [
            (UNIT, note.and_then(|note| note.unit.as_ref())),
            (DESCRIPTION, note.and_then(|note| note.description.as_ref())),
        ] {
            metadata.extend(value.map(|value| (key.to_owned(), value.clone())));
        }
        // Not nullable where the first file's is not: another file's nulls must be let in too.
        let is_nullable = sources
            .iter()
            .any(|source| source.schema().field_with_name(column).is_ok_and(Field::is_nullable));
        fields.push(found.with_nullable(is_nullable).with_metadata(metadata));
    }
    let description = "number of the row in the sources, before any selection".to_owned();
    let row_id = Field::new(ROW_ID, DataType::UInt64, false);
    fields.push(row_id.with_metadata([(DESCRIPTION.to_owned(), description)].into()));
    Ok(SchemaRef::new(Schema::new(fields)))
}

fn take(batch: &RecordBatch, rows: &[u32]) -> Result<RecordBatch, arrow_schema::ArrowError> {
    if batch.num_columns() == 0 {
        let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(rows.len()));
        return RecordBatch::try_new_with_options(batch.schema(), Vec::new(), &options);
    }
    take_record_batch(batch, &UInt32Array::from(rows.to_vec()))
}

/// The first row with a NaN in it, in lists too.
fn first_nan(array: &ArrayRef) -> Option<usize> {
    match array.data_type() {
        DataType::Float32 => {
            array.as_primitive::<Float32Type>().values().iter().position(|value| value.is_nan())
        }
        DataType::Float64 => {
            array.as_primitive::<Float64Type>().values().iter().position(|value| value.is_nan())
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let offsets = list.value_offsets();
            let start = *offsets.first()? as usize;
            let length = *offsets.last()? as usize - start;
            let item = start + first_nan(&list.values().slice(start, length))?;
            Some(offsets.partition_point(|offset| *offset as usize <= item) - 1)
        }
        DataType::FixedSizeList(_, length) => {
            let item = first_nan(array.as_fixed_size_list().values())?;
            Some(item / usize::try_from(*length).ok()?.max(1))
        }
        _ => None,
    }
}
