//! Values to their places in the tensors.

use std::borrow::Cow;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_buffer::OffsetBuffer;
use arrow_schema::{Field, Schema};
use arrow_select::concat::concat_batches;
use rayon::prelude::*;

use super::plan::{GroupPlan, Plan, VariablePlan};
use super::scale::Rows;
use super::{GroupTensor, Labels, Tensors};
use crate::expr::{Environment, Values};
use crate::source::Error;
use crate::view::{View, ViewError};

/// Rows whose variables are computed together: few enough for the values of all variables to stay in a core's second-level cache
/// (of 100 constituents, 0.1 MB each), and for the memory of each to be smaller than what is mapped anew when it is asked for.
const BLOCK: usize = 128;

/// A piece of the rows.
pub(super) struct Loaded<'a> {
    pub(super) batch: RecordBatch,
    pub(super) row_ids: Vec<u64>,
    /// Where it came from, for errors.
    pub(super) path: &'a Path,
}

/// The place in the tensors of one piece.
struct Target<'a> {
    groups: Vec<&'a mut [f32]>,
    labels: &'a mut [u32],
    targets: &'a mut [f32],
    weights: &'a mut [f32],
}

/// What is left to say about one piece.
struct Done {
    row_ids: Vec<u64>,
    observers: RecordBatch,
    counts: Counts,
}

/// What was lost on the way.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    truncated_rows: u64,
    truncated_constituents: u64,
    clipped_values: u64,
}

/// Memory of tensors that are done with.
#[derive(Debug, Default)]
pub(super) struct Spare(Mutex<Vec<Vec<f32>>>);

impl Spare {
    /// Blocks that are kept at most: those of some batches.
    const MOST: usize = 64;

    pub(super) fn give(&self, blocks: impl IntoIterator<Item = Vec<f32>>) {
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spare.extend(blocks);
        let excess = spare.len().saturating_sub(Self::MOST);
        spare.drain(..excess);
    }

    /// Memory for so many numbers; what is used again holds what it held.
    fn take(&self, size: usize) -> Vec<f32> {
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The one that was given last: the most of it is still in the cache.
        let fitting =
            spare.iter().rposition(|block| block.capacity() >= size && block.capacity() / 2 <= size);
        let known = fitting.map(|place| spare.remove(place));
        drop(spare);
        match known {
            Some(mut block) => {
                block.resize(size, 0.0);
                block
            }
            None => vec![0.0; size],
        }
    }
}

/// Fills tensors from pieces of given sizes, which are loaded side by side.
pub(super) fn fill<'a>(
    plan: &Plan<'_>,
    sizes: &[usize],
    load: impl Fn(usize) -> Result<Loaded<'a>, Error> + Sync,
) -> Result<Tensors, Error> {
    fill_into(plan, sizes, &Spare::default(), load)
}

/// As [`fill`], in memory that is there already where some of the right size is.
pub(super) fn fill_into<'a>(
    plan: &Plan<'_>,
    sizes: &[usize],
    spare: &Spare,
    load: impl Fn(usize) -> Result<Loaded<'a>, Error> + Sync,
) -> Result<Tensors, Error> {
    let rows: usize = sizes.iter().sum();
    let has_labels = plan.labels == Labels::Required && !plan.view.classes().is_empty();
    let mut data: Vec<Vec<f32>> = Vec::with_capacity(plan.groups.len());
    for group in &plan.groups {
        let size = rows.checked_mul(group.row_size()).filter(|size| *size <= isize::MAX as usize / 4);
        let size = size.ok_or_else(|| Error::settings("allocate tensors", "they do not fit into memory"))?;
        data.push(spare.take(size));
    }
    let mut labels = vec![0; if has_labels { rows } else { 0 }];
    let number = if plan.labels == Labels::Required { plan.view.targets().len() } else { 0 };
    let mut found = vec![0.0; rows.saturating_mul(number)];
    let mut weights = vec![1.0; rows];
    let targets = targets(plan, sizes, &mut data, (&mut labels, &mut found, &mut weights));
    let done: Vec<Result<Done, Error>> = targets
        .into_par_iter()
        .enumerate()
        .map(|(index, target)| {
            let loaded = load(index)?;
            if loaded.batch.num_rows() != sizes[index] {
                return Err(Error::malformed(loaded.path, "its number of rows changed while it was read"));
            }
            fill_piece(plan, loaded, target)
        })
        .collect();
    let (mut row_ids, mut observers, mut counts) = (Vec::with_capacity(rows), Vec::new(), Counts::default());
    for done in done {
        let done = done?;
        row_ids.extend(done.row_ids);
        observers.push(done.observers);
        counts.add(done.counts);
    }
    let schema = observers.first().map_or_else(|| Arc::new(Schema::empty()), RecordBatch::schema);
    let observers = if schema.fields().is_empty() {
        RecordBatch::new_empty(schema)
    } else {
        concat_batches(&schema, &observers)
            .map_err(|error| Error::settings("collect observers", error.to_string()))?
    };
    if has_labels && plan.balances {
        Balance::measure(plan.view, &labels, &weights)?.apply(&labels, &mut weights);
    }
    let groups = plan.groups.iter().zip(data).map(|(group, data)| GroupTensor {
        name: group.group.name.clone(),
        variables: group.variables.len(),
        length: group.length(),
        data,
    });
    Ok(Tensors {
        groups: groups.collect(),
        labels,
        targets: found,
        weights,
        row_ids,
        observers,
        truncated_rows: counts.truncated_rows,
        truncated_constituents: counts.truncated_constituents,
        clipped_values: counts.clipped_values,
    })
}

/// Cuts the tensors into the places of the pieces.
fn targets<'a>(
    plan: &Plan<'_>,
    sizes: &[usize],
    data: &'a mut [Vec<f32>],
    (mut labels, mut found, mut weights): (&'a mut [u32], &'a mut [f32], &'a mut [f32]),
) -> Vec<Target<'a>> {
    let mut rest: Vec<&mut [f32]> = data.iter_mut().map(Vec::as_mut_slice).collect();
    let mut targets = Vec::with_capacity(sizes.len());
    for &size in sizes {
        let groups = rest
            .iter_mut()
            .zip(&plan.groups)
            .map(|(rest, group)| take(rest, size * group.row_size()))
            .collect();
        let count = size.min(labels.len());
        let values = if found.is_empty() { 0 } else { size * plan.view.targets().len() };
        targets.push(Target {
            groups,
            labels: take(&mut labels, count),
            targets: take(&mut found, values),
            weights: take(&mut weights, size),
        });
    }
    targets
}

/// Splits off the first part of a slice.
fn take<'a, T>(slice: &mut &'a mut [T], count: usize) -> &'a mut [T] {
    let (first, rest) = std::mem::take(slice).split_at_mut(count);
    *slice = rest;
    first
}

fn fill_piece(plan: &Plan<'_>, loaded: Loaded<'_>, mut target: Target<'_>) -> Result<Done, Error> {
    let Loaded { batch, row_ids, path } = loaded;
    let (mut counts, mut observers) = (Counts::default(), Vec::new());
    let (mut start, mut scratch) = (0, Vec::new());
    loop {
        let size = BLOCK.min(batch.num_rows() - start);
        let part = batch.slice(start, size);
        let row_ids = &row_ids[start..start + size];
        let environment = plan.view.environment(&part).with_row_numbers(row_ids.to_vec());
        let block = Block { plan, environment, row_ids, path };
        counts.add(block.fill(&mut target, start, &mut scratch)?);
        observers.push(block.observers()?);
        start += size;
        if start >= batch.num_rows() {
            break;
        }
    }
    let schema = observers.first().map_or_else(|| Arc::new(Schema::empty()), RecordBatch::schema);
    let observers = if schema.fields().is_empty() {
        RecordBatch::new_empty(schema)
    } else {
        concat_batches(&schema, &observers).map_err(|error| Error::malformed(path, error.to_string()))?
    };
    Ok(Done { row_ids, observers, counts })
}

/// Some rows, with what is needed to name one of them in an error.
struct Block<'a> {
    plan: &'a Plan<'a>,
    environment: Environment<'a>,
    row_ids: &'a [u64],
    path: &'a Path,
}

impl Block<'_> {
    fn fill(&self, target: &mut Target<'_>, start: usize, scratch: &mut Vec<f32>) -> Result<Counts, Error> {
        let rows = self.environment.rows();
        let mut counts = Counts::default();
        let mut truncated = vec![false; rows];
        for (group, data) in self.plan.groups.iter().zip(&mut target.groups) {
            let data = &mut data[start * group.row_size()..(start + rows) * group.row_size()];
            let (cut, clipped) = match group.group.length {
                Some(length) => self.fill_lists(group, length, (data, &mut truncated), scratch)?,
                None => (0, self.fill_events(group, data)?),
            };
            counts.truncated_constituents = counts.truncated_constituents.max(cut);
            counts.clipped_values += clipped;
        }
        counts.truncated_rows = truncated.iter().filter(|is_truncated| **is_truncated).count() as u64;
        if self.plan.labels == Labels::Required {
            let view = self.plan.view;
            if !view.classes().is_empty() {
                let labels = view.labels_of(&self.environment).map_err(|error| self.view_error(error))?;
                target.labels[start..start + rows].copy_from_slice(&labels);
            }
            let places = &mut target.targets[start * view.targets().len()..];
            self.fill_targets(&mut places[..rows * view.targets().len()])?;
            let weights = view.weights_of(&self.environment).map_err(|error| self.view_error(error))?;
            for (target, weight) in target.weights[start..start + rows].iter_mut().zip(weights) {
                *target = weight as f32;
            }
        }
        Ok(counts)
    }

    /// A group with one list per row; how many constituents were cut and how many values were clipped.
    fn fill_lists(
        &self,
        group: &GroupPlan<'_>,
        length: usize,
        (data, truncated): (&mut [f32], &mut [bool]),
        scratch: &mut Vec<f32>,
    ) -> Result<(u64, u64), Error> {
        let (mut cut, mut clipped) = (0, 0);
        let stride = group.row_size();
        let mut first: Option<(&str, OffsetBuffer<i32>)> = None;
        for (index, variable) in group.variables.iter().enumerate() {
            let values = self.values(variable)?;
            let (offsets, numbers) = self.lists(group, length, variable.name, &values)?;
            let offsets = &offsets;
            if group.group.shape.is_some() {
                self.check_pixels(group, length, variable.name, offsets)?;
            }
            match &first {
                None => {
                    for (row, ends) in offsets.windows(2).enumerate() {
                        let beyond = ((ends[1] - ends[0]) as usize).saturating_sub(length);
                        cut += beyond as u64;
                        truncated[row] |= beyond > 0;
                    }
                    first = Some((variable.name, offsets.clone()));
                }
                Some((name, expected)) => self.check_offsets(name, expected, variable.name, offsets)?,
            }
            let rows = Rows { length, place: index * length, stride };
            let (moved, is_finite) = variable.transform_lists(&numbers, offsets, (data, rows), scratch);
            clipped += moved;
            if !is_finite {
                return Err(self.not_finite_in_lists(variable, &numbers, offsets, (data, rows)));
            }
            if group.wraps() {
                rows.each(data, offsets, |_, real, padding| {
                    padding.iter_mut().zip(real.iter().cycle()).for_each(|(to, from)| *to = *from);
                });
            }
        }
        Ok((cut, clipped))
    }

    /// A variable's lists. In a group of length 1 a value per row is a list of one, as weaver has it.
    fn lists<'v>(
        &self,
        group: &GroupPlan<'_>,
        length: usize,
        name: &str,
        values: &'v Values,
    ) -> Result<(OffsetBuffer<i32>, Cow<'v, [f64]>), Error> {
        if let Some(offsets) = values.offsets() {
            return Ok((offsets.clone(), values.numbers()));
        }
        let rows = self.environment.rows();
        if let Some(numbers) = values.event_numbers(rows).filter(|_| length == 1) {
            return Ok((OffsetBuffer::from_lengths(vec![1; rows]), Cow::Owned(numbers)));
        }
        let (shape, group) = (values.shape().name(), &group.group.name);
        Err(Error::column(
            self.path,
            name,
            format!("it is {shape}, but the group `{group}` has a length of {length}"),
        ))
    }

    /// A group with one value per row; how many values were clipped.
    fn fill_events(&self, group: &GroupPlan<'_>, data: &mut [f32]) -> Result<u64, Error> {
        let mut clipped = 0;
        for (index, variable) in group.variables.iter().enumerate() {
            let values = self.values(variable)?;
            let numbers = values.event_numbers(self.environment.rows()).ok_or_else(|| {
                let shape = values.shape().name();
                let reason = format!("it is {shape}, but the group `{}` has no length", group.group.name);
                Error::column(self.path, variable.name, reason)
            })?;
            let mut scaled = vec![0.0; numbers.len()];
            let (moved, is_finite) = variable.transform(&numbers, &mut scaled);
            clipped += moved;
            if !is_finite {
                let row = scaled.iter().position(|value| !value.is_finite()).unwrap_or(0);
                return Err(self.not_finite(variable, row, 0, numbers[row]));
            }
            let places = data.iter_mut().skip(index).step_by(group.variables.len());
            places.zip(scaled).for_each(|(place, value)| *place = value);
        }
        Ok(clipped)
    }

    /// What a regression is to find, (rows, targets).
    fn fill_targets(&self, data: &mut [f32]) -> Result<(), Error> {
        let targets = self.plan.view.targets();
        for (index, (name, expr)) in targets.iter().enumerate() {
            let values =
                expr.evaluate(&self.environment).map_err(Error::expression("a target", self.path))?;
            let numbers = values.event_numbers(self.environment.rows()).ok_or_else(|| {
                let reason = format!("the target `{name}` must give one number per row");
                Error::settings("evaluate a view", reason)
            })?;
            for (row, (place, number)) in
                data.iter_mut().skip(index).step_by(targets.len()).zip(&numbers).enumerate()
            {
                *place = *number as f32;
                if !place.is_finite() {
                    return Err(self.value_error(format!("the target `{name}` is {number}"), row));
                }
            }
        }
        Ok(())
    }

    fn values(&self, variable: &VariablePlan<'_>) -> Result<Values, Error> {
        let values = self.plan.view.variable(variable.name, &self.environment);
        let values = values.map_err(|error| self.view_error(error))?;
        match values.first_inexact() {
            Some((row, value)) => {
                let reason =
                    format!("`{}` is {value}, beyond 2^53, up to which floats are exact", variable.name);
                Err(self.value_error(reason, row))
            }
            None => Ok(values),
        }
    }

    /// An image has all of its pixels.
    fn check_pixels(
        &self,
        group: &GroupPlan<'_>,
        pixels: usize,
        name: &str,
        offsets: &OffsetBuffer<i32>,
    ) -> Result<(), Error> {
        let mut found = offsets.windows(2).map(|ends| (ends[1] - ends[0]) as usize);
        match found.clone().position(|found| found != pixels) {
            None => Ok(()),
            Some(row) => {
                let (found, shape) = (found.nth(row).unwrap_or(0), group.group.shape.unwrap_or_default());
                let reason = format!("`{name}` has {found} values, images of shape {shape:?} have {pixels}");
                Err(self.value_error(reason, row))
            }
        }
    }

    /// Variables of a group must have the same constituents.
    fn check_offsets(
        &self,
        first: &str,
        expected: &OffsetBuffer<i32>,
        name: &str,
        offsets: &OffsetBuffer<i32>,
    ) -> Result<(), Error> {
        if expected.ptr_eq(offsets) || expected == offsets {
            return Ok(());
        }
        let lengths = expected.windows(2).zip(offsets.windows(2)).map(|(a, b)| (a[1] - a[0], b[1] - b[0]));
        let (row, (here, there)) = lengths.enumerate().find(|(_, (a, b))| a != b).unwrap_or((0, (0, 0)));
        Err(self.value_error(format!("`{first}` has {here} constituents but `{name}` has {there}"), row))
    }

    /// The error for the first value that is not finite.
    fn not_finite_in_lists(
        &self,
        variable: &VariablePlan<'_>,
        numbers: &[f64],
        offsets: &OffsetBuffer<i32>,
        (data, rows): (&mut [f32], Rows),
    ) -> Error {
        let (mut row, mut place) = (0, None);
        rows.each(data, offsets, |start, real, _| {
            if place.is_none() {
                place = real
                    .iter()
                    .position(|value| !value.is_finite())
                    .map(|item| (row, item, numbers[start + item]));
            }
            row += 1;
        });
        let (row, item, value) = place.unwrap_or((0, 0, f64::NAN));
        self.not_finite(variable, row, item, value)
    }

    fn not_finite(&self, variable: &VariablePlan<'_>, row: usize, constituent: usize, value: f64) -> Error {
        self.value_error(format!("`{}` is {value} for constituent {constituent}", variable.name), row)
    }

    fn value_error(&self, reason: String, row: usize) -> Error {
        let row = self.row_ids.get(row).copied().unwrap_or_default();
        Error::Value { action: "fill tensors".to_owned(), reason, row, path: self.path.to_owned() }
    }

    fn view_error(&self, source: ViewError) -> Error {
        Error::View { path: self.path.to_owned(), source: Box::new(source) }
    }

    /// The observers: columns as they are, new variables as 64-bit floats, integers or booleans.
    fn observers(&self) -> Result<RecordBatch, Error> {
        let batch = self.environment.batch();
        let (mut fields, mut arrays) = (Vec::new(), Vec::new());
        for name in self.plan.view.observers() {
            let (field, array) = match batch.schema_ref().column_with_name(name) {
                Some((index, field)) => (field.clone(), batch.column(index).clone()),
                None => {
                    let values = self.plan.view.variable(name, &self.environment);
                    let array = values.map_err(|error| self.view_error(error))?.to_array(batch.num_rows());
                    (Field::new(name, array.data_type().clone(), false), array)
                }
            };
            fields.push(field);
            arrays.push(array);
        }
        let schema = Arc::new(Schema::new(fields));
        if arrays.is_empty() {
            return Ok(RecordBatch::new_empty(schema));
        }
        RecordBatch::try_new(schema, arrays).map_err(|error| Error::malformed(self.path, error.to_string()))
    }
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.truncated_rows += other.truncated_rows;
        self.truncated_constituents += other.truncated_constituents;
        self.clipped_values += other.clipped_values;
    }
}

/// What gives each class the same sum of weights, and keeps the sum of all.
#[derive(Debug, Clone)]
pub(super) struct Balance {
    share: f64,
    /// The sum of each class.
    sums: Vec<f64>,
}

impl Balance {
    /// From the labels and weights of all rows.
    pub(super) fn measure(view: &View, labels: &[u32], weights: &[f32]) -> Result<Self, Error> {
        let classes = view.classes();
        let mut sums = vec![0.0; classes.len()];
        for (label, weight) in labels.iter().zip(weights) {
            sums[*label as usize] += f64::from(*weight);
        }
        for (class, sum) in classes.iter().zip(&sums) {
            if sum.is_nan() || *sum <= 0.0 {
                let reason = format!(
                    "the weights of the class `{}` add up to {sum}, which cannot be scaled",
                    class.name
                );
                return Err(Error::settings("balance the classes", reason));
            }
        }
        Ok(Self { share: sums.iter().sum::<f64>() / classes.len() as f64, sums })
    }

    /// Scales some rows' weights.
    pub(super) fn apply(&self, labels: &[u32], weights: &mut [f32]) {
        for (label, weight) in labels.iter().zip(weights) {
            *weight = (f64::from(*weight) * self.share / self.sums[*label as usize]) as f32;
        }
    }
}
