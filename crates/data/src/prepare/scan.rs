//! One partition of one source: select, assign to splits, keep.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, RecordBatch, UInt32Array, UInt64Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::take::take_record_batch;

use super::OnBadValue;
use super::bad_values::{bad_rows, has_floats};
use super::split::Assignment;
use super::statistics::Statistics;
use super::widen::{common_field, widen};
use crate::dataset::{CutflowStep, ROW_ID, Widened};
use crate::expr::{Definitions, Environment, Expr};
use crate::source::{DESCRIPTION, Error, Source, UNIT, check_columns};
use crate::view::View;

/// One clause of the selection.
struct Clause<'a> {
    expr: &'a Expr,
    /// The columns of the source that it needs, new variables resolved.
    columns: Vec<String>,
    /// Whether the clause itself looks for NaN.
    handles_nan: bool,
}

/// What rows must pass, in order.
enum Step<'a> {
    /// No bad value in a column.
    Finite(String),
    /// A clause of the selection.
    Clause(Clause<'a>),
}

/// What is done to every partition.
pub(super) struct Scan<'a> {
    definitions: &'a Definitions,
    /// Of the columns of the selection, before the others are read.
    steps: Vec<Step<'a>>,
    /// The kept columns in which no value may be bad.
    finite: Vec<String>,
    on_bad_value: OnBadValue,
    /// The names of the splits.
    pub(super) splits: Vec<String>,
    assignment: Assignment<'a>,
    /// The columns to keep.
    keep: Vec<String>,
    /// The kept columns, then `row_id`.
    pub(super) schema: SchemaRef,
    /// The columns whose type is not the same in all sources.
    pub(super) widened: Vec<Widened>,
}

/// What a partition came to.
pub(super) struct Piece {
    /// The index of the source.
    pub(super) source: usize,
    pub(super) rows: u64,
    /// Bytes of the columns that were read.
    pub(super) decoded: u64,
    /// Rows left after each step of [`Scan::cutflow`].
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
    /// Looks at all sources, before any is read: each must have every column, of types that have one in common.
    pub(super) fn new(
        view: &'a View,
        sources: &[Box<dyn Source>],
        on_bad_value: OnBadValue,
    ) -> Result<Self, Error> {
        let (splits, assignment) = Assignment::new(view, sources)?;
        let keep = view.stored_columns();
        let (schema, widened) = schema(view, &keep, sources)?;
        let can_be_bad =
            |name: &str| schema.field_with_name(name).is_ok_and(|field| has_floats(field.data_type()));
        let mut steps = Vec::new();
        for expr in view.selection() {
            let columns: Vec<String> = view.base_columns(expr.columns()).into_iter().collect();
            let handles_nan = View::looks_for_nan(expr);
            if on_bad_value == OnBadValue::Drop && !handles_nan {
                let finite = columns.iter().filter(|name| can_be_bad(name));
                steps.extend(finite.map(|name| Step::Finite(name.clone())));
            }
            steps.push(Step::Clause(Clause { expr, columns, handles_nan }));
        }
        let finite = view.finite_columns().into_iter().filter(|name| can_be_bad(name)).collect();
        let definitions = view.new_variables();
        Ok(Self { definitions, steps, finite, on_bad_value, splits, assignment, keep, schema, widened })
    }

    /// The steps that rows pass, of which nothing is counted yet.
    pub(super) fn cutflow(&self) -> Vec<CutflowStep> {
        let finite = |name: &String| CutflowStep {
            clause: format!("isfinite({name})"),
            column: Some(name.clone()),
            before: 0,
            after: 0,
        };
        let mut cutflow: Vec<CutflowStep> = Vec::new();
        for step in &self.steps {
            cutflow.push(match step {
                Step::Finite(name) => finite(name),
                Step::Clause(clause) => {
                    CutflowStep { clause: clause.expr.text().to_owned(), column: None, before: 0, after: 0 }
                }
            });
        }
        if self.on_bad_value == OnBadValue::Drop {
            cutflow.extend(self.finite.iter().map(finite));
        }
        cutflow
    }

    /// What the columns of a partition will take in memory, where its file tells.
    pub(super) fn decoded_bytes(&self, source: &dyn Source, task: &Task) -> Option<u64> {
        let columns: Vec<&str> = self.keep.iter().map(String::as_str).collect();
        source.decoded_bytes(&columns, &task.rows)
    }

    /// Reads the columns of the selection, then the kept columns where a row is left.
    pub(super) fn run(&self, source: &dyn Source, task: &Task) -> Result<Piece, Error> {
        let of_step = |step: &'_ Step<'_>| match step {
            Step::Finite(name) => vec![name.clone()],
            Step::Clause(clause) => clause.columns.clone(),
        };
        let mut selecting: BTreeSet<String> = self.steps.iter().flat_map(of_step).collect();
        selecting.extend(self.assignment.column().map(str::to_owned));
        let selecting: Vec<&str> = selecting.iter().map(String::as_str).collect();
        let first = widen(source, &self.schema, source.read(&selecting, task.rows.clone())?)?;
        let count = u32::try_from(first.num_rows())
            .map_err(|_| Error::malformed(source.path(), "a partition of more than 2^32 rows"))?;
        let mut alive: Vec<u32> = (0..count).collect();
        let mut passed = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            match step {
                Step::Finite(name) => drop_bad(name, &first, &mut alive, source.path())?,
                Step::Clause(clause) => {
                    self.apply(clause, &first, &mut alive, source.path(), task.rows.start)?;
                }
            }
            passed.push(alive.len() as u64);
        }
        let members = self.assignment.assign(source.path(), task, &first, &alive, self.splits.len())?;
        let piece = Piece {
            source: task.source,
            rows: u64::from(count),
            decoded: bytes(&first),
            passed,
            splits: Vec::new(),
            statistics: Vec::new(),
        };
        self.keep(source, task, &first, members, piece)
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
                let nan = bad_rows(array.as_ref(), f64::is_nan);
                if let Some(index) = nan.and_then(|marks| marks.iter().position(|is_nan| *is_nan)) {
                    let reason = format!(
                        "the column `{}` is NaN or missing; say what is wanted with isnan(), or have such rows dropped",
                        field.name()
                    );
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

    /// Completes a piece with the kept columns of the rows of each split, and their statistics.
    fn keep(
        &self,
        source: &dyn Source,
        task: &Task,
        first: &RecordBatch,
        mut members: Vec<Vec<u32>>,
        mut piece: Piece,
    ) -> Result<Piece, Error> {
        if members.iter().all(Vec::is_empty) {
            source.pass_over(&self.missing(first), &task.rows);
            piece.statistics = vec![Statistics::default(); self.schema.fields().len()];
            piece.splits = vec![RecordBatch::new_empty(self.schema.clone()); members.len()];
            piece.passed.resize(self.cutflow().len(), 0);
            return Ok(piece);
        }
        // The rows of all splits together: of the other columns only these are read.
        let mut rows: Vec<u32> = members.iter().flatten().copied().collect();
        rows.sort_unstable();
        let malformed = |error: arrow_schema::ArrowError| Error::malformed(source.path(), error.to_string());
        let mut all = self.read_rows(source, task, first, &rows, &mut piece)?;
        let of_columns = |batch: &RecordBatch| batch.columns().iter().map(Statistics::of).collect();
        piece.statistics = of_columns(&all);
        if let Some(places) = self.finite_rows(source.path(), task, &all, &rows, &mut piece)? {
            all = take(&all, &places).map_err(malformed)?;
            rows = places.iter().map(|place| rows[*place as usize]).collect();
            members.iter_mut().for_each(|split| split.retain(|row| rows.binary_search(row).is_ok()));
            piece.statistics = of_columns(&all);
        }
        for members in members {
            // Where the split's rows stand among those that were read.
            let places: Vec<u32> =
                members.iter().filter_map(|row| u32::try_from(rows.binary_search(row).ok()?).ok()).collect();
            piece.splits.push(if places.len() == rows.len() {
                all.clone()
            } else {
                take(&all, &places).map_err(malformed)?
            });
        }
        Ok(piece)
    }

    /// The kept columns that the selection did not read.
    fn missing(&self, first: &RecordBatch) -> Vec<&str> {
        let keep = self.keep.iter().map(String::as_str);
        keep.filter(|column| first.column_by_name(column).is_none()).collect()
    }

    /// The kept columns of some rows, and their numbers.
    fn read_rows(
        &self,
        source: &dyn Source,
        task: &Task,
        first: &RecordBatch,
        rows: &[u32],
        piece: &mut Piece,
    ) -> Result<RecordBatch, Error> {
        let missing = self.missing(first);
        let mut chosen = vec![false; first.num_rows()];
        rows.iter().for_each(|row| chosen[*row as usize] = true);
        let second = source.read_chosen(&missing, task.rows.clone(), &BooleanArray::from(chosen))?;
        let second = widen(source, &self.schema, second)?;
        piece.decoded += bytes(&second);
        let malformed = |error: arrow_schema::ArrowError| Error::malformed(source.path(), error.to_string());
        let first = if rows.len() == first.num_rows() {
            first.clone()
        } else {
            take(first, rows).map_err(malformed)?
        };
        let first_row_id = task.first_row_id + task.rows.start;
        let row_ids = UInt64Array::from_iter_values(rows.iter().map(|row| first_row_id + u64::from(*row)));
        let kept = self.keep.iter().filter_map(|column| {
            first.column_by_name(column).or_else(|| second.column_by_name(column)).cloned()
        });
        let arrays: Vec<ArrayRef> = kept.chain(std::iter::once(Arc::new(row_ids) as ArrayRef)).collect();
        RecordBatch::try_new(self.schema.clone(), arrays).map_err(malformed)
    }

    /// Looks for bad values where none may be: an error, or the places of the rows that have none where some have.
    fn finite_rows(
        &self,
        path: &Path,
        task: &Task,
        all: &RecordBatch,
        rows: &[u32],
        piece: &mut Piece,
    ) -> Result<Option<Vec<u32>>, Error> {
        let mut good: Vec<u32> = (0..rows.len() as u32).collect();
        for name in &self.finite {
            let column = self.schema.index_of(name).ok();
            let is_bad = column.is_some_and(|column| piece.statistics[column].has_bad());
            if is_bad && let Some(array) = all.column_by_name(name) {
                let marks = bad_rows(array.as_ref(), is_bad_value).unwrap_or_default();
                if self.on_bad_value == OnBadValue::Fail
                    && let Some(place) = marks.iter().position(|is_bad| *is_bad)
                {
                    return Err(Error::Value {
                        action: "prepare a dataset".to_owned(),
                        reason: format!(
                            "the column `{name}` is NaN, infinite or missing, and the view needs it; look for such values with \
                             isfinite() in the view, or have these rows dropped"
                        ),
                        row: task.rows.start + u64::from(rows[place]),
                        path: path.to_owned(),
                    });
                }
                good.retain(|place| !marks.get(*place as usize).is_some_and(|is_bad| *is_bad));
            }
            if self.on_bad_value == OnBadValue::Drop {
                piece.passed.push(good.len() as u64);
            }
        }
        Ok((good.len() < rows.len()).then_some(good))
    }
}

/// Drops the rows in which a column has a bad value.
fn drop_bad(name: &str, batch: &RecordBatch, alive: &mut Vec<u32>, path: &Path) -> Result<(), Error> {
    let column = batch.column_by_name(name).ok_or_else(|| Error::column(path, name, "it was not read"))?;
    if let Some(marks) = bad_rows(column.as_ref(), is_bad_value) {
        alive.retain(|row| !marks[*row as usize]);
    }
    Ok(())
}

fn is_bad_value(value: f64) -> bool {
    !value.is_finite()
}

fn bytes(batch: &RecordBatch) -> u64 {
    batch.get_array_memory_size() as u64
}

/// The schema of the dataset: the kept columns with the view's words on them, or else the first source's, and `row_id`.
fn schema(
    view: &View,
    keep: &[String],
    sources: &[Box<dyn Source>],
) -> Result<(SchemaRef, Vec<Widened>), Error> {
    let Some(first) = sources.first() else { return Ok((SchemaRef::new(Schema::empty()), Vec::new())) };
    let mut all_widened = Vec::new();
    let mut fields = Vec::with_capacity(keep.len() + 1);
    for source in sources {
        check_columns(source.as_ref(), keep.iter().map(String::as_str))
            .map_err(|error| found_elsewhere(error, sources))?;
        let schema = source.schema();
        view.check_columns(schema.fields().iter().map(|field| field.name().as_str()))
            .map_err(|error| Error::View { path: source.path().to_owned(), source: Box::new(error) })?;
    }
    for column in keep {
        if column == ROW_ID {
            let reason = "a dataset numbers its rows in a column of this name; rename the source's";
            return Err(Error::column(first.path(), column, reason));
        }
        let Some((found, widened)) = common_field(column, sources)? else { continue };
        all_widened.extend(widened);
        let note = view.columns().iter().find(|note| note.name == *column);
        let mut metadata = found.metadata().clone();
        metadata.retain(|key, _| key == UNIT || key == DESCRIPTION);
        for (key, value) in [
            (UNIT, note.and_then(|note| note.unit.as_ref())),
            (DESCRIPTION, note.and_then(|note| note.description.as_ref())),
        ] {
            metadata.extend(value.map(|value| (key.to_owned(), value.clone())));
        }
        fields.push(found.with_metadata(metadata));
    }
    let description = "number of the row in the sources, before any selection".to_owned();
    let row_id = Field::new(ROW_ID, DataType::UInt64, false);
    fields.push(row_id.with_metadata([(DESCRIPTION.to_owned(), description)].into()));
    Ok((SchemaRef::new(Schema::new(fields)), all_widened))
}

/// Says of a column that one file lacks which one has it.
fn found_elsewhere(error: Error, sources: &[Box<dyn Source>]) -> Error {
    let Error::Column { path, column, reason } = error else { return error };
    let has_it = |source: &&dyn Source| source.schema().field_with_name(&column).is_ok();
    let reason = match sources.iter().map(AsRef::as_ref).find(has_it) {
        Some(other) => {
            // A column of a like name is no help where this one is known.
            let reason = reason.split_once("; ").map_or(reason.as_str(), |(reason, _)| reason);
            let other = fiducial_root::shown(other.path());
            format!("{reason}, while {other} has it; files that lack a column can be left out")
        }
        None => reason,
    };
    Error::Column { path, column, reason }
}

fn take(batch: &RecordBatch, rows: &[u32]) -> Result<RecordBatch, arrow_schema::ArrowError> {
    if batch.num_columns() == 0 {
        let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(rows.len()));
        return RecordBatch::try_new_with_options(batch.schema(), Vec::new(), &options);
    }
    take_record_batch(batch, &UInt32Array::from(rows.to_vec()))
}
