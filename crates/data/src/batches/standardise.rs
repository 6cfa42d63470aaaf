//! Centres and scales, measured on the training split.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::rows::of_chunk;
use crate::dataset::{Chunk, Dataset};
use crate::expr::Expr;
use crate::source::Error;
use crate::view::{Scaling, View};

/// Rows that a measurement uses at most. More do not move a median by anything that matters (one part in a thousand of
/// the width), and a training split may have a billion.
const MEASURED_ROWS: usize = 500_000;

/// The split that is measured, and the only one: what is learnt from others leaks into the evaluation.
pub const TRAINING_SPLIT: &str = "train";

/// What was measured of one variable: a value `x` becomes `(x - center) * scale`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// The median.
    pub center: f64,
    /// `1 / max(p84 - p50, p50 - p16)`, or 1 where that is zero.
    pub scale: f64,
}

/// The measured centres and scales of a view on a dataset, and what they were measured on.
///
/// It belongs to a model: what was measured for training is used for every prediction. In JSON it is an object of the
/// fields.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standardisation {
    /// The version of the dataset, empty where nothing was measured.
    pub dataset: String,
    /// How many rows of the training split were used.
    pub rows: u64,
    /// For each measured variable its centre and scale.
    pub variables: BTreeMap<String, Measured>,
    /// For each target of a regression its centre and scale. Tensors hold targets in their units; who trains scales them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub targets: BTreeMap<String, Measured>,
}

impl Standardisation {
    /// Measures the targets and the variables for which the view says so, over all real values (padding is none) of the split
    /// [`TRAINING_SPLIT`]. Of more than 500,000 rows, row groups at even distances are used.
    ///
    /// The percentiles are those of `numpy.percentile` with linear interpolation, as weaver takes them.
    ///
    /// # Errors
    /// When there is no such split, when it has no values, and when a value is not finite.
    pub fn measure(view: &View, dataset: &Dataset) -> Result<Self, Error> {
        let variables = view.inputs().iter().flat_map(|group| &group.variables);
        let measured = variables.filter(|variable| variable.scaling == Scaling::Measured);
        let names: BTreeSet<&str> = measured.map(|variable| variable.name.as_str()).collect();
        let names: Vec<&str> = names.into_iter().collect();
        if names.is_empty() && view.targets().is_empty() {
            return Ok(Self::default());
        }
        let chunks = evenly(dataset.chunks(TRAINING_SPLIT)?);
        let rows = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        let values: Vec<Vec<Vec<f32>>> =
            chunks.par_iter().map(|chunk| raw_values(view, &names, chunk)).collect::<Result<_, _>>()?;
        let variables = names.par_iter().enumerate().map(|(index, name)| {
            Ok(((*name).to_owned(), measured_of(name, values.iter().map(|chunk| &chunk[index]))?))
        });
        let variables = variables.collect::<Result<_, Error>>()?;
        let values: Vec<Vec<Vec<f32>>> =
            chunks.par_iter().map(|chunk| raw_targets(view, chunk)).collect::<Result<_, _>>()?;
        let targets = view.targets().iter().enumerate().map(|(index, (name, _))| {
            Ok((name.clone(), measured_of(name, values.iter().map(|chunk| &chunk[index]))?))
        });
        let targets = targets.collect::<Result<_, Error>>()?;
        Ok(Self { dataset: dataset.version().to_owned(), rows, variables, targets })
    }
}

/// What is measured of the values of a name.
fn measured_of<'a>(name: &str, chunks: impl Iterator<Item = &'a Vec<f32>>) -> Result<Measured, Error> {
    let mut all: Vec<f32> = chunks.flatten().copied().collect();
    measure(&mut all).ok_or_else(|| {
        let reason = format!("the split `{TRAINING_SPLIT}` has no value of `{name}`");
        Error::settings("measure a standardisation", reason)
    })
}

/// The targets in a chunk.
fn raw_targets(view: &View, chunk: &Chunk) -> Result<Vec<Vec<f32>>, Error> {
    let expressions: Vec<&Expr> = view.targets().iter().map(|(_, expr)| expr).collect();
    if expressions.is_empty() {
        return Ok(Vec::new());
    }
    let values = of_chunk(view, chunk, &expressions)?;
    let named = view.targets().iter().map(|(name, _)| name).zip(values);
    let finite = named.map(|(name, values)| {
        let numbers: Vec<f32> = values.iter().map(|value| *value as f32).collect();
        match numbers.iter().find(|value| !value.is_finite()) {
            Some(value) => {
                let reason = format!("the target `{name}` is {value} in a row of {}", chunk.path().display());
                Err(Error::settings("measure a standardisation", reason))
            }
            None => Ok(numbers),
        }
    });
    finite.collect()
}

/// The values of some variables in a chunk, unscaled and not cut.
fn raw_values(view: &View, names: &[&str], chunk: &Chunk) -> Result<Vec<Vec<f32>>, Error> {
    let columns = view.base_columns(names.iter().map(|name| (*name).to_owned()));
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let batch = chunk.read(&columns)?;
    let environment = view.environment(&batch);
    let values = names.iter().map(|name| {
        let values = view
            .variable(name, &environment)
            .map_err(|source| Error::View { path: chunk.path().to_owned(), source: Box::new(source) })?;
        let numbers: Vec<f32> = values.numbers().iter().map(|value| *value as f32).collect();
        match numbers.iter().find(|value| !value.is_finite()) {
            Some(value) => {
                Err(Error::column(chunk.path(), name, format!("a value is {value}, which has no percentile")))
            }
            None => Ok(numbers),
        }
    });
    values.collect()
}

/// Chunks at even distances, [`MEASURED_ROWS`] rows in all at most, but one at least.
fn evenly(chunks: Vec<Chunk>) -> Vec<Chunk> {
    let rows: usize = chunks.iter().map(Chunk::len).sum();
    let step = rows.div_ceil(MEASURED_ROWS).max(1);
    chunks.into_iter().step_by(step).collect()
}

/// Centre and scale of some values, which it reorders; none of none.
fn measure(values: &mut [f32]) -> Option<Measured> {
    let [low, center, high] = [0.16, 0.50, 0.84].map(|fraction| quantile(values, fraction));
    let (low, center, high) = (low?, center?, high?);
    let width = (high - center).max(center - low);
    Some(Measured { center, scale: if width > 0.0 { width.recip() } else { 1.0 } })
}

/// The quantile with linear interpolation between neighbours.
pub(super) fn quantile(values: &mut [f32], fraction: f64) -> Option<f64> {
    let place = fraction * values.len().checked_sub(1)? as f64;
    let below = place.floor() as usize;
    let (_, &mut value, above) = values.select_nth_unstable_by(below, f32::total_cmp);
    let value = f64::from(value);
    let next = above.iter().copied().min_by(f32::total_cmp).map_or(value, f64::from);
    Some(value + (next - value) * (place - place.floor()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_numpys() {
        // numpy.percentile([3, 1, 4, 1, 5, 9, 2, 6], [16, 50, 84])
        let mut values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0];
        let check = |found: Option<f64>, expected: f64| {
            assert!((found.unwrap() - expected).abs() < 1e-12, "{found:?}");
        };
        check(quantile(&mut values, 0.16), 1.12);
        check(quantile(&mut values, 0.50), 3.5);
        check(quantile(&mut values, 0.84), 5.88);
        check(quantile(&mut [7.0], 0.84), 7.0);
        assert_eq!(quantile(&mut [], 0.5), None);
        assert_eq!(measure(&mut [2.0, 2.0]), Some(Measured { center: 2.0, scale: 1.0 }));
    }
}
