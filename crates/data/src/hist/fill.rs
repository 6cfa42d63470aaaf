//! One pass over the sources.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use arrow_array::{BooleanArray, RecordBatch, RecordBatchOptions};
use arrow_buffer::BooleanBufferBuilder;
use arrow_schema::Schema;
use arrow_select::filter::filter_record_batch;
use fiducial_root::{Axis, Histogram};
use rayon::prelude::*;

use super::bins::Bins;
use super::{Filled, Spec};
use crate::expr::{Environment, Expr, Shape, Values};
use crate::source::{Error, Source};
use crate::view::View;

/// Rows that are evaluated together: few enough for the combinations of their particles to stay in a core's cache.
const BLOCK: usize = 2048;

/// Bins, flow bins included, that a histogram may have.
const MAX_BINS: usize = 1 << 31;

/// Fills a histogram from all rows of all sources that the view selects. The columns of the selection are read first, and the others
/// only where a row is left. The result does not depend on the number of threads. `progress` is told how many rows are done.
///
/// # Errors
/// When a source cannot be read or lacks a column, when an expression cannot be evaluated, and when the axes and the weight of an
/// entry have different numbers of items.
pub fn fill(
    view: &View,
    spec: &Spec,
    sources: &[Box<dyn Source>],
    progress: &mut dyn FnMut(u64),
) -> Result<Filled, Error> {
    if !(1..=2).contains(&spec.axes.len()) {
        return Err(Error::settings(
            "fill a histogram",
            format!("it has {} axes, not one or two", spec.axes.len()),
        ));
    }
    let axes: Vec<&Axis> = spec.axes.iter().map(|(_, axis)| axis).collect();
    if let Some(axis) = axes.iter().find(|axis| axis.bins == 0) {
        return Err(Error::settings("fill a histogram", format!("the axis {:?} has no bins", axis.title)));
    }
    let bins = axes.iter().try_fold(1, |bins: usize, axis| bins.checked_mul(axis.bins.checked_add(2)?));
    if bins.is_none_or(|bins| bins > MAX_BINS) {
        return Err(Error::settings("fill a histogram", format!("it has more than {MAX_BINS} bins")));
    }
    let pass = Pass {
        view,
        spec,
        selecting: names(view, view.selection()),
        filling: names(view, expressions(spec)),
    };
    let tasks: Vec<(&dyn Source, Range<u64>)> = sources
        .iter()
        .flat_map(|source| source.partitions().into_iter().map(move |rows| (source.as_ref(), rows)))
        .collect();
    let mut bins = Bins::new(&axes, spec.weight.is_some());
    let (mut rows, mut passed) = (0, vec![0; view.selection().len()]);
    // In windows, and in order within each: sums are the same at any number of threads.
    for tasks in tasks.chunks(4 * rayon::current_num_threads()) {
        let parts: Vec<_> = tasks.par_iter().map(|(source, rows)| pass.run(*source, rows)).collect();
        for part in parts {
            let (part, of_part) = part?;
            bins.merge(&part);
            passed.iter_mut().zip(of_part).for_each(|(sum, rows)| *sum += rows);
        }
        rows += tasks.iter().map(|(_, rows)| rows.end - rows.start).sum::<u64>();
        progress(rows);
    }
    Ok(Filled { rows, passed, nan: bins.nan, histogram: histogram(spec, bins)? })
}

fn expressions(spec: &Spec) -> impl Iterator<Item = &Expr> {
    spec.axes.iter().map(|(expr, _)| expr).chain(&spec.weight)
}

fn names<'a>(view: &View, expressions: impl IntoIterator<Item = &'a Expr>) -> BTreeSet<String> {
    view.base_columns(expressions.into_iter().flat_map(Expr::columns))
}

fn histogram(spec: &Spec, bins: Bins) -> Result<Histogram, Error> {
    let axes: Vec<Axis> = spec.axes.iter().map(|(_, axis)| axis.clone()).collect();
    let title = expressions(spec).take(spec.axes.len()).map(Expr::text).collect::<Vec<_>>().join(" : ");
    let squares = (!bins.squares.is_empty()).then_some(bins.squares);
    let mut histogram = Histogram::new(&spec.name, &title, axes, bins.values, squares)
        .map_err(|error| Error::settings("fill a histogram", error.to_string()))?;
    histogram.entries = bins.entries as f64;
    histogram.sums = bins.sums;
    Ok(histogram)
}

struct Pass<'a> {
    view: &'a View,
    spec: &'a Spec,
    selecting: BTreeSet<String>,
    filling: BTreeSet<String>,
}

impl Pass<'_> {
    /// Fills from one partition; also the rows that each clause leaves.
    fn run(&self, source: &dyn Source, rows: &Range<u64>) -> Result<(Bins, Vec<u64>), Error> {
        let axes: Vec<&Axis> = self.spec.axes.iter().map(|(_, axis)| axis).collect();
        let mut bins = Bins::new(&axes, self.spec.weight.is_some());
        let selecting: Vec<&str> = self.selecting.iter().map(String::as_str).collect();
        let more: Vec<&str> =
            self.filling.iter().map(String::as_str).filter(|name| !self.selecting.contains(*name)).collect();
        if self.view.selection().is_empty() {
            let batch = source.read(&more, rows.clone())?;
            let numbers: Vec<u64> = rows.clone().collect();
            self.fill(source, &batch, &numbers, &mut bins)?;
            return Ok((bins, Vec::new()));
        }
        let first = source.read(&selecting, rows.clone())?;
        let (chosen, passed) = self.select(source, &first, rows.start)?;
        if chosen.has_true() {
            let broken = |error: arrow_schema::ArrowError| Error::malformed(source.path(), error.to_string());
            let first =
                filter_record_batch(&self.needed(&first).map_err(broken)?, &chosen).map_err(broken)?;
            let more = source.read_chosen(&more, rows.clone(), &chosen)?;
            let left = beside(&first, &more).map_err(broken)?;
            let numbers: Vec<u64> =
                chosen.values().set_indices().map(|row| rows.start + row as u64).collect();
            self.fill(source, &left, &numbers, &mut bins)?;
        }
        Ok((bins, passed))
    }

    /// Of the columns of the selection, those that are filled from too.
    fn needed(&self, batch: &RecordBatch) -> Result<RecordBatch, arrow_schema::ArrowError> {
        let names = self.selecting.iter().enumerate();
        let kept = names.filter(|(_, name)| self.filling.contains(*name)).map(|(place, _)| place);
        batch.project(&kept.collect::<Vec<_>>())
    }

    /// The rows that pass the selection, and how many each clause leaves.
    fn select(
        &self,
        source: &dyn Source,
        batch: &RecordBatch,
        first_row: u64,
    ) -> Result<(BooleanArray, Vec<u64>), Error> {
        let mut mask = BooleanBufferBuilder::new(batch.num_rows());
        let mut passed = vec![0; self.view.selection().len()];
        for (start, block) in blocks(batch) {
            let selection = self.view.select(&block, first_row + start as u64);
            let selection = selection
                .map_err(|error| Error::View { path: source.path().to_owned(), source: Box::new(error) })?;
            mask.append_buffer(&selection.mask);
            passed.iter_mut().zip(selection.passed).for_each(|(sum, rows)| *sum += rows);
        }
        Ok((BooleanArray::new(mask.finish(), None), passed))
    }

    /// Fills from rows that have these numbers in the source.
    fn fill(
        &self,
        source: &dyn Source,
        batch: &RecordBatch,
        numbers: &[u64],
        bins: &mut Bins,
    ) -> Result<(), Error> {
        blocks(batch).try_for_each(|(start, block)| {
            let numbers = numbers[start..start + block.num_rows()].to_vec();
            self.fill_block(source, &block, numbers, bins)
        })
    }

    fn fill_block(
        &self,
        source: &dyn Source,
        batch: &RecordBatch,
        numbers: Vec<u64>,
        bins: &mut Bins,
    ) -> Result<(), Error> {
        let environment: Environment<'_> = self.view.environment(batch).with_row_numbers(numbers);
        let evaluate = |expr: &Expr| {
            expr.evaluate(&environment).map_err(Error::expression("a histogram", source.path()))
        };
        let axes: Vec<Values> =
            self.spec.axes.iter().map(|(expr, _)| evaluate(expr)).collect::<Result<_, _>>()?;
        let weight = self.spec.weight.as_ref().map(evaluate).transpose()?;
        let all: Vec<&Values> = axes.iter().chain(&weight).collect();
        // The one with a list per row, if there is one, says how many entries there are.
        let shape = all.iter().map(|values| values.shape()).max_by_key(|shape| depth(shape));
        let columns = all.iter().map(|values| {
            spread(values, shape, batch.num_rows()).ok_or_else(|| self.mismatch(source, &all, &environment))
        });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let weights = weight.is_some().then(|| columns[axes.len()].as_ref());
        match axes.len() {
            1 => bins.fill_1d(&columns[0], weights),
            _ => bins.fill_2d(&columns[0], &columns[1], weights),
        }
        Ok(())
    }
}

impl Pass<'_> {
    /// Why the axes and the weight do not go together: the first row in which two of them have other numbers of items.
    fn mismatch(&self, source: &dyn Source, all: &[&Values], environment: &Environment<'_>) -> Error {
        let named: Vec<_> = expressions(self.spec).map(Expr::text).zip(all).collect();
        let lists: Vec<_> = named.iter().filter(|(_, values)| values.is_jagged()).collect();
        let differing = (0..environment.rows()).find_map(|row| {
            let (first, values) = lists.first()?;
            let count = count(values, row);
            let (other, its) = lists.iter().find_map(|(text, values)| {
                let other = self::count(values, row);
                (other != count).then_some((*text, other))
            })?;
            Some((
                environment.row_number(row),
                format!("`{first}` has {count} items and `{other}` has {its}"),
            ))
        });
        match differing {
            Some((row, reason)) => Error::Value {
                action: "fill a histogram".to_owned(),
                reason: format!("{reason}: axes and weight need equal numbers of items"),
                row,
                path: source.path().to_owned(),
            },
            None => {
                let names: Vec<String> = lists.iter().map(|(text, _)| format!("`{text}`")).collect();
                let reason = format!(
                    "the lists within the lists of {} have other numbers of items",
                    names.join(" and ")
                );
                Error::settings("fill a histogram", reason)
            }
        }
    }
}

/// How many items the outermost list of a row has.
fn count(values: &Values, row: usize) -> i32 {
    values.shape().levels().first().map_or(0, |offsets| offsets[row + 1] - offsets[row])
}

/// A batch in pieces of [`BLOCK`] rows, each with the number of its first row.
fn blocks(batch: &RecordBatch) -> impl Iterator<Item = (usize, RecordBatch)> {
    let rows = batch.num_rows();
    (0..rows).step_by(BLOCK).map(move |start| (start, batch.slice(start, BLOCK.min(rows - start))))
}

/// The columns of two batches with equally many rows.
fn beside(a: &RecordBatch, b: &RecordBatch) -> Result<RecordBatch, arrow_schema::ArrowError> {
    let fields = a.schema_ref().fields().iter().chain(b.schema_ref().fields()).cloned().collect::<Vec<_>>();
    let columns = a.columns().iter().chain(b.columns()).cloned().collect();
    let options = RecordBatchOptions::new().with_row_count(Some(a.num_rows()));
    RecordBatch::try_new_with_options(Schema::new(fields).into(), columns, &options)
}

fn depth(shape: &Shape) -> usize {
    match shape {
        Shape::Scalar => 0,
        Shape::Events => 1,
        Shape::Jagged(levels) => 1 + levels.len(),
    }
}

/// Values as one number for each entry of a shape: those of a row, or of an outer list, count for all that is in it.
fn spread<'a>(values: &'a Values, shape: Option<&Shape>, rows: usize) -> Option<Cow<'a, [f64]>> {
    let shape = shape?;
    if depth(shape) < 2 {
        return values.event_numbers(rows).map(Cow::Owned);
    }
    let levels = shape.levels();
    let own = values.shape().levels();
    let inner = levels.strip_prefix(own)?;
    let numbers = if own.is_empty() { Cow::Owned(values.event_numbers(rows)?) } else { values.numbers() };
    if inner.is_empty() {
        return Some(numbers);
    }
    let mut out = Vec::new();
    for (place, number) in numbers.iter().enumerate() {
        let items = inner.iter().fold(place..place + 1, |range, offsets| {
            offsets[range.start] as usize..offsets[range.end] as usize
        });
        out.resize(out.len() + items.len(), *number);
    }
    Some(Cow::Owned(out))
}
