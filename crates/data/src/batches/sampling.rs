//! Which rows an epoch draws, and in what order.
//!
//! The method is weaver's (<https://github.com/hqucms/weaver-core>): all rows are gone through again and again, and each is kept
//! with a probability that is its weight. Unlike there, an epoch has exactly as many rows as the split, and the draw
//! follows from the seed and the epoch alone.

use super::random::{Use, stream, uniform};
use super::rows::evaluate;
use super::shuffle::shuffled;
use super::standardise::{TRAINING_SPLIT, quantile};
use crate::dataset::Dataset;
use crate::expr::Expr;
use crate::source::Error;
use crate::view::{Bucketing, Buckets, Reweight, ReweightMethod, Sampling, View};

/// Sampling weights with a smaller mean would have all rows gone through hundreds of times in each epoch.
const LEAST_MEAN: f64 = 0.005;

/// Below 1, so that even the rarest class is drawn with some chance.
const MAX_WEIGHT: f64 = 0.9;

/// Draws the rows of epochs.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampler {
    rows: usize,
    /// The probability of each row to be kept; empty where all are.
    probabilities: Vec<f64>,
    /// The bucket of each row; empty where there are none.
    buckets: Vec<u32>,
}

impl Sampler {
    /// Every one of some rows once in an epoch.
    pub fn every_row(rows: usize) -> Self {
        Self { rows, probabilities: Vec::new(), buckets: Vec::new() }
    }

    /// The sampler of a split: every row once where the view has neither sampling nor bucketing. What makes classes alike is
    /// measured on the training split, whichever split is sampled.
    ///
    /// # Errors
    /// When a column is missing, an expression cannot be evaluated, a weight is negative or not finite, or a class has no row
    /// in the bins.
    pub fn new(view: &View, dataset: &Dataset, split: &str) -> Result<Self, Error> {
        let rows = usize::try_from(dataset.rows(split)?)
            .map_err(|_| Error::settings("sample rows", "more rows than memory can hold"))?;
        let probabilities = match view.sampling() {
            None => Vec::new(),
            Some(Sampling::Weight(weight)) => {
                evaluate(view, dataset, split, &[weight])?.into_iter().next().unwrap_or_default()
            }
            Some(Sampling::Reweight(reweight)) => {
                let expressions = view.sampling().map(Sampling::expressions).unwrap_or_default();
                let training = evaluate(view, dataset, TRAINING_SPLIT, &expressions)?;
                let histograms = Histograms::measure(reweight, &training)?;
                let values = evaluate(view, dataset, split, &expressions)?;
                (0..rows).map(|row| histograms.weight(reweight, &values, row)).collect()
            }
        };
        if let Some(row) = probabilities.iter().position(|weight| !(weight.is_finite() && *weight >= 0.0)) {
            let reason = format!("row {row} of the split has the sampling weight {}", probabilities[row]);
            return Err(Error::settings("sample rows", reason));
        }
        let mean = probabilities.iter().map(|weight| weight.min(1.0)).sum::<f64>() / rows.max(1) as f64;
        if rows > 0 && !probabilities.is_empty() && mean < LEAST_MEAN {
            let reason =
                format!("the mean of the sampling weights is {mean}, below {LEAST_MEAN}: scale them up");
            return Err(Error::settings("sample rows", reason));
        }
        let buckets = match view.bucketing() {
            None => Vec::new(),
            Some(bucketing) => {
                let values = evaluate(view, dataset, split, &[&bucketing.variable])?;
                buckets(bucketing, &values.into_iter().next().unwrap_or_default())
            }
        };
        Ok(Self { rows, probabilities, buckets })
    }

    /// The rows of an epoch in the order in which they are to be used: the same for equal seeds and epochs, on any machine and at
    /// any number of threads. There are as many as the split has; where the view has sampling weights, one may come several times
    /// or not at all.
    ///
    /// With buckets, each `batch_size` rows in a row are of one bucket; what fills no batch stands at the end.
    pub fn order(&self, batch_size: usize, seed: u64, epoch: u64) -> Vec<u32> {
        let drawn = self.draw(seed, epoch);
        // Of the drawn rows, which may repeat, an order.
        let order = shuffled(drawn.len() as u32, seed, epoch);
        let order: Vec<u32> = order.into_iter().map(|place| drawn[place as usize]).collect();
        if self.buckets.is_empty() || batch_size == 0 {
            order
        } else {
            self.bucketed(&order, batch_size, seed, epoch)
        }
    }

    /// Whether it does no more than to shuffle.
    pub fn draws_every_row_once(&self) -> bool {
        self.probabilities.is_empty() && self.buckets.is_empty()
    }

    /// The bucket of each row of the split; empty where there are none.
    pub fn buckets(&self) -> &[u32] {
        &self.buckets
    }

    /// For each row of the split the probability that it is kept when all are gone through once; empty where every row is.
    pub fn probabilities(&self) -> &[f64] {
        &self.probabilities
    }

    fn draw(&self, seed: u64, epoch: u64) -> Vec<u32> {
        if self.probabilities.is_empty() {
            return (0..self.rows as u32).collect();
        }
        let mut drawn = Vec::with_capacity(self.rows);
        // The last time through fills the epoch from rows in any order, not from the first ones.
        for repeat in 0.. {
            let kept = self.kept(seed, epoch, repeat);
            let missing = self.rows - drawn.len();
            if kept.len() >= missing {
                let order = shuffled(kept.len() as u32, seed.wrapping_add(repeat), epoch);
                drawn.extend(order[..missing].iter().map(|place| kept[*place as usize]));
                break;
            }
            drawn.extend(kept);
        }
        drawn
    }

    /// The rows that are kept when they are gone through once.
    fn kept(&self, seed: u64, epoch: u64, repeat: u64) -> Vec<u32> {
        let mut random = stream(seed, epoch, Use::Keep(repeat));
        let rows = self.probabilities.iter().enumerate();
        rows.filter(|(_, probability)| uniform(&mut random) < **probability)
            .map(|(row, _)| row as u32)
            .collect()
    }

    /// Full batches of one bucket each, in an order of their own; then the rest of each bucket.
    fn bucketed(&self, order: &[u32], batch_size: usize, seed: u64, epoch: u64) -> Vec<u32> {
        let count = self.buckets.iter().max().map_or(0, |last| *last as usize + 1);
        let mut rows_of: Vec<Vec<u32>> = vec![Vec::new(); count];
        for row in order {
            rows_of[self.buckets[*row as usize] as usize].push(*row);
        }
        let full: Vec<&[u32]> = rows_of.iter().flat_map(|rows| rows.chunks_exact(batch_size)).collect();
        let mut out = Vec::with_capacity(order.len());
        // Another epoch's seed would give another order too; what matters is that it is not the one of the rows.
        for batch in shuffled(full.len() as u32, !seed, epoch) {
            out.extend_from_slice(full[batch as usize]);
        }
        out.extend(rows_of.iter().flat_map(|rows| rows.chunks_exact(batch_size).remainder()));
        out
    }
}

/// The bucket of each value.
fn buckets(bucketing: &Bucketing, values: &[f64]) -> Vec<u32> {
    let edges: Vec<f64> = match &bucketing.buckets {
        Buckets::Edges(edges) => edges.clone(),
        Buckets::Count(count) => {
            let mut values: Vec<f32> = values.iter().map(|value| *value as f32).collect();
            let fractions = (0..=*count).map(|i| i as f64 / *count as f64);
            fractions.filter_map(|fraction| quantile(&mut values, fraction)).collect()
        }
    };
    // The outermost edges count as infinite.
    let inner = edges.get(1..edges.len().saturating_sub(1)).unwrap_or_default();
    values.iter().map(|value| inner.partition_point(|edge| *edge <= *value) as u32).collect()
}

/// For each class, a weight for each bin of the two variables.
struct Histograms {
    weights: Vec<Vec<f64>>,
}

impl Histograms {
    /// From the values of [`Sampling::expressions`]: the two variables, the classes' conditions, the base weight.
    fn measure(reweight: &Reweight, values: &[Vec<f64>]) -> Result<Self, Error> {
        let rows = values.first().map_or(0, Vec::len);
        let bins = bins(reweight);
        let mut raw = vec![vec![0.0; bins]; reweight.classes.len()];
        for row in 0..rows {
            let Some(bin) = bin(reweight, values, row) else { continue };
            for (class, histogram) in raw.iter_mut().enumerate() {
                if values[2 + class][row] != 0.0 {
                    histogram[bin] += base(reweight, values, row);
                }
            }
        }
        let shape = match reweight.method {
            ReweightMethod::Flat => flat,
            ReweightMethod::Reference => reference,
        };
        let mut weights = Vec::with_capacity(raw.len());
        let mut sums = Vec::with_capacity(raw.len());
        for ((condition, share), histogram) in reweight.classes.iter().zip(&raw) {
            let own = shape(histogram, &raw[0], reweight.threshold).ok_or_else(|| no_rows(condition))?;
            let sum: f64 = own.iter().zip(histogram).map(|(weight, n)| weight * n).sum();
            if !(sum.is_finite() && sum > 0.0) {
                return Err(no_rows(condition));
            }
            sums.push(sum / share);
            weights.push(own);
        }
        // Each class gets its share: the one with the fewest rows is kept almost whole.
        let least = sums.iter().copied().fold(f64::INFINITY, f64::min) * MAX_WEIGHT;
        for (weights, sum) in weights.iter_mut().zip(&sums) {
            weights.iter_mut().for_each(|weight| *weight *= least / sum);
        }
        let mut histograms = Self { weights };
        if reweight.base.is_some() {
            let mut all: Vec<f32> =
                (0..rows).map(|row| histograms.weight(reweight, values, row) as f32).collect();
            let reference =
                quantile(&mut all, 1.0 - reweight.threshold / 100.0).filter(|weight| *weight > 0.0);
            let reference = reference.ok_or_else(|| {
                Error::settings(
                    "sample rows",
                    "most rows have a base weight of 0, or lie outside of all bins",
                )
            })?;
            histograms.weights.iter_mut().flatten().for_each(|weight| *weight /= reference);
        }
        Ok(histograms)
    }

    /// The probability of a row: 0 for one of no class, and outside of the bins where these are discarded.
    fn weight(&self, reweight: &Reweight, values: &[Vec<f64>], row: usize) -> f64 {
        let Some(bin) = bin(reweight, values, row) else { return 0.0 };
        // Of several classes the last counts, as in weaver.
        let class = (0..reweight.classes.len()).rev().find(|class| values[2 + class][row] != 0.0);
        class.map_or(0.0, |class| self.weights[class][bin]) * base(reweight, values, row)
    }
}

fn no_rows(condition: &Expr) -> Error {
    Error::settings(
        "sample rows",
        format!("no row of the training split with `{}` lies in the bins", condition.text()),
    )
}

fn bins(reweight: &Reweight) -> usize {
    reweight.variables.iter().map(|(_, edges)| edges.len() - 1).product()
}

/// The bin of a row; the last edge belongs to the last bin.
fn bin(reweight: &Reweight, values: &[Vec<f64>], row: usize) -> Option<usize> {
    let mut index = 0;
    for ((_, edges), values) in reweight.variables.iter().zip(values) {
        let (value, last) = (values[row], edges.len() - 2);
        let inside = value >= edges[0] && value <= edges[last + 1];
        if value.is_nan() || (!inside && reweight.discard_outside) {
            return None;
        }
        let place = edges.partition_point(|edge| *edge <= value).saturating_sub(1).min(last);
        index = index * (last + 1) + place;
    }
    Some(index)
}

fn base(reweight: &Reweight, values: &[Vec<f64>], row: usize) -> f64 {
    if reweight.base.is_some() { values[2 + reweight.classes.len()][row] } else { 1.0 }
}

/// Weights that make a histogram flat where it has enough rows; the other bins are kept whole.
fn flat(histogram: &[f64], _: &[f64], threshold: f64) -> Option<Vec<f64>> {
    let mut filled: Vec<f32> = histogram.iter().filter(|n| **n > 0.0).map(|n| *n as f32).collect();
    let least = quantile(&mut filled, 0.5)? * 0.01;
    let mut counted: Vec<f32> = histogram.iter().filter(|n| **n > least).map(|n| *n as f32).collect();
    let reference = quantile(&mut counted, threshold / 100.0)?;
    let weight = |n: &f64| if *n == 0.0 { 0.0 } else { (reference / n).clamp(0.0, 1.0) };
    Some(histogram.iter().map(weight).collect())
}

/// Weights that give a histogram the shape of another.
fn reference(histogram: &[f64], reference: &[f64], threshold: f64) -> Option<Vec<f64>> {
    let ratio = |(n, reference): (&f64, &f64)| if *n == 0.0 { 0.0 } else { reference / n };
    let ratios: Vec<f64> = histogram.iter().zip(reference).map(ratio).collect();
    let mut filled: Vec<f32> =
        ratios.iter().filter(|ratio| **ratio > 0.0).map(|ratio| *ratio as f32).collect();
    let upper = quantile(&mut filled, 1.0 - threshold / 100.0)?;
    Some(ratios.iter().map(|ratio| (ratio / upper).clamp(0.0, 1.0)).collect())
}
