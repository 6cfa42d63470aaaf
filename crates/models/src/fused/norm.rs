//! Batch norm and layer norm.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::glue::Operand;
use super::kernel::{TILE, build, piece_of, ranges, sum_in_order, vectorised};
use super::{Array, Gradient, apply};
use crate::Error;

/// Added to variances before the root, as in the papers' codes.
pub(crate) const EPSILON: f64 = 1e-5;

/// Mean and variance of each channel over rows, in double precision.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Moments {
    /// Rows seen.
    pub(crate) count: f64,
    pub(crate) mean: Vec<f64>,
    /// Sum of squared deviations from the mean.
    pub(crate) deviation: Vec<f64>,
}

impl Moments {
    pub(crate) fn none(channels: usize) -> Self {
        Self { count: 0.0, mean: vec![0.0; channels], deviation: vec![0.0; channels] }
    }

    /// Of a tile that lies in the cache, in two passes.
    #[inline(always)]
    pub(crate) fn of_tile(values: &[f32], channels: usize) -> Self {
        let count = (values.len() / channels) as f32;
        let mut mean = vec![0.0_f32; channels];
        let mut deviation = vec![0.0_f32; channels];
        for row in values.chunks_exact(channels) {
            for (sum, value) in mean.iter_mut().zip(row) {
                *sum += value;
            }
        }
        let scale = 1.0 / count.max(1.0);
        mean.iter_mut().for_each(|sum| *sum *= scale);
        for row in values.chunks_exact(channels) {
            for ((sum, value), mean) in deviation.iter_mut().zip(row).zip(&mean) {
                *sum += (value - mean) * (value - mean);
            }
        }
        Self {
            count: f64::from(count),
            mean: mean.into_iter().map(f64::from).collect(),
            deviation: deviation.into_iter().map(f64::from).collect(),
        }
    }

    /// Takes in the rows of `other` (Chan, Golub and LeVeque).
    pub(crate) fn merge(&mut self, other: &Self) {
        let count = self.count + other.count;
        if other.count == 0.0 {
            return;
        }
        for channel in 0..self.mean.len() {
            let delta = other.mean[channel] - self.mean[channel];
            self.mean[channel] += delta * other.count / count;
            self.deviation[channel] +=
                other.deviation[channel] + delta * delta * self.count * other.count / count;
        }
        self.count = count;
    }

    /// Of the rows of all `parts`, in their order.
    pub(crate) fn merged(parts: &[Self], channels: usize) -> Self {
        let mut total = Self::none(channels);
        parts.iter().for_each(|part| total.merge(part));
        total
    }

    fn of(values: &[f32], channels: usize) -> Self {
        let parts: Vec<Self> = values
            .par_chunks(TILE * channels)
            .map(|tile| vectorised(|| Self::of_tile(tile, channels)))
            .collect();
        Self::merged(&parts, channels)
    }

    /// The variance that normalises a batch.
    pub(crate) fn variance(&self) -> Vec<f64> {
        self.deviation.iter().map(|sum| sum / self.count.max(1.0)).collect()
    }

    /// The estimate of the variance of what the batch was drawn from.
    pub(crate) fn unbiased_variance(&self) -> Vec<f64> {
        self.deviation.iter().map(|sum| sum / (self.count - 1.0).max(1.0)).collect()
    }
}

/// What a batch norm normalises by.
#[derive(Clone, Debug)]
pub(crate) enum Statistics {
    /// The moments of the rows themselves.
    Batch,
    /// Running mean and variance.
    Running { mean: Vec<f32>, variance: Vec<f32> },
}

/// `y = (x - mean) / sqrt(variance + eps) gamma + beta`, as `x scale + shift`.
#[derive(Clone, Debug)]
pub(crate) struct Affine {
    pub(crate) mean: Vec<f32>,
    /// 1 / sqrt(variance + eps).
    pub(crate) inverse: Vec<f32>,
    pub(crate) scale: Vec<f32>,
    pub(crate) shift: Vec<f32>,
}

impl Affine {
    pub(crate) fn new(mean: &[f64], variance: &[f64], gamma: &[f32], beta: &[f32]) -> Self {
        let mut affine = Self { mean: vec![], inverse: vec![], scale: vec![], shift: vec![] };
        for channel in 0..gamma.len() {
            let inverse = 1.0 / (variance[channel] + EPSILON).sqrt();
            let scale = f64::from(gamma[channel]) * inverse;
            affine.mean.push(mean[channel] as f32);
            affine.inverse.push(inverse as f32);
            affine.scale.push(scale as f32);
            affine.shift.push((f64::from(beta[channel]) - mean[channel] * scale) as f32);
        }
        affine
    }

    pub(crate) fn running(mean: &[f32], variance: &[f32], gamma: &[f32], beta: &[f32]) -> Self {
        let double = |values: &[f32]| values.iter().copied().map(f64::from).collect::<Vec<_>>();
        Self::new(&double(mean), &double(variance), gamma, beta)
    }
}

/// Normalises each channel of `x`, (rows, channels), over the rows.
///
/// With [`Statistics::Batch`] the moments of the batch come back too.
pub(crate) fn batch_norm(
    x: Tensor<2>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    statistics: &Statistics,
) -> Result<(Tensor<2>, Option<Moments>), Error> {
    let mut moments = None;
    let inputs = [Operand::new(x)?, Operand::new(gamma)?, Operand::new(beta)?];
    let output = apply(inputs, |[x, gamma, beta], tracked| {
        let (rows, channels) = (x.rows(), x.columns());
        let affine = match statistics {
            Statistics::Running { mean, variance } => {
                Affine::running(mean, variance, gamma.values(), beta.values())
            }
            Statistics::Batch => {
                let batch = Moments::of(x.values(), channels);
                let affine = Affine::new(&batch.mean, &batch.variance(), gamma.values(), beta.values());
                moments = Some(batch);
                affine
            }
        };
        let tiles = ranges(rows, TILE);
        let (output, _) = build(&tiles, channels, |tile, output| {
            let x = &x.values()[tiles[tile].start * channels..tiles[tile].end * channels];
            vectorised(|| {
                for (output, x) in output.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
                    for (((output, x), scale), shift) in
                        output.iter_mut().zip(x).zip(&affine.scale).zip(&affine.shift)
                    {
                        *output = x * scale + shift;
                    }
                }
            });
        });
        let batch = matches!(statistics, Statistics::Batch);
        (Array::new(output, [rows, channels]), tracked.then_some(BatchNorm { x, affine, batch }))
    })?;
    Ok((output, moments))
}

#[derive(Clone, Debug)]
struct BatchNorm {
    x: Array,
    affine: Affine,
    batch: bool,
}

impl Gradient<3> for BatchNorm {
    fn gradients(self, output: Array, wanted: [bool; 3]) -> [Option<Vec<f32>>; 3] {
        let (rows, channels) = (self.x.rows(), self.x.columns());
        let piece = piece_of(rows, TILE);
        let sums: Vec<Vec<f32>> = output
            .values()
            .par_chunks(piece * channels)
            .zip(self.x.values().par_chunks(piece * channels))
            .map(|(gradient, x)| {
                let mut sums = vec![0.0_f32; 2 * channels];
                let (dgamma, dbeta) = sums.split_at_mut(channels);
                vectorised(|| {
                    for (gradient, x) in gradient.chunks_exact(channels).zip(x.chunks_exact(channels)) {
                        for channel in 0..channels {
                            let normal =
                                (x[channel] - self.affine.mean[channel]) * self.affine.inverse[channel];
                            dgamma[channel] += gradient[channel] * normal;
                            dbeta[channel] += gradient[channel];
                        }
                    }
                });
                sums
            })
            .collect();
        let sums = sum_in_order(sums, 2 * channels);
        let (dgamma, dbeta) = sums.split_at(channels);
        let dx = wanted[0].then(|| {
            let share = if self.batch { 1.0 / rows.max(1) as f32 } else { 0.0 };
            let Affine { mean, inverse, scale, .. } = &self.affine;
            let tiles = ranges(rows, TILE);
            let (dx, _) = build(&tiles, channels, |tile, dx| {
                let place = tiles[tile].start * channels..tiles[tile].end * channels;
                let (x, gradient) = (&self.x.values()[place.clone()], &output.values()[place]);
                vectorised(|| {
                    for ((dx, gradient), x) in dx
                        .chunks_exact_mut(channels)
                        .zip(gradient.chunks_exact(channels))
                        .zip(x.chunks_exact(channels))
                    {
                        for channel in 0..channels {
                            let normal = (x[channel] - mean[channel]) * inverse[channel];
                            let common = (dbeta[channel] + normal * dgamma[channel]) * share;
                            dx[channel] = scale[channel] * (gradient[channel] - common);
                        }
                    }
                });
            });
            dx
        });
        [dx, wanted[1].then(|| dgamma.to_vec()), wanted[2].then(|| dbeta.to_vec())]
    }
}

/// Normalises each row of `x`, (rows, channels), over its channels.
pub(crate) fn layer_norm(x: Tensor<2>, gamma: Tensor<1>, beta: Tensor<1>) -> Result<Tensor<2>, Error> {
    apply([Operand::new(x)?, Operand::new(gamma)?, Operand::new(beta)?], |[x, gamma, beta], tracked| {
        let (rows, channels) = (x.rows(), x.columns());
        let (gains, shifts) = (gamma.values(), beta.values());
        let tiles = ranges(rows, TILE);
        let (output, _) = build(&tiles, channels, |tile, output| {
            let x = &x.values()[tiles[tile].start * channels..tiles[tile].end * channels];
            vectorised(|| {
                for (output, x) in output.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
                    let (mean, inverse) = row_moments(x);
                    for (((output, x), gain), shift) in output.iter_mut().zip(x).zip(gains).zip(shifts) {
                        *output = (x - mean) * inverse * gain + shift;
                    }
                }
            });
        });
        (Array::new(output, [rows, channels]), tracked.then_some(LayerNorm { x, gamma: gamma.clone() }))
    })
}

/// Mean and 1 / sqrt(variance + eps) of a row, summed in eight lanes.
#[inline(always)]
fn row_moments(row: &[f32]) -> (f32, f32) {
    let scale = 1.0 / row.len().max(1) as f32;
    let mean = lanes(row.iter().copied()) * scale;
    let variance = lanes(row.iter().map(|value| (value - mean) * (value - mean))) * scale;
    let inverse = 1.0 / (variance + EPSILON as f32).sqrt();
    (mean, inverse)
}

#[inline(always)]
fn lanes(values: impl Iterator<Item = f32>) -> f32 {
    let mut sums = [0.0_f32; 8];
    for (index, value) in values.enumerate() {
        sums[index % 8] += value;
    }
    sums.iter().sum()
}

#[derive(Clone, Debug)]
struct LayerNorm {
    x: Array,
    gamma: Array,
}

impl Gradient<3> for LayerNorm {
    fn gradients(self, output: Array, wanted: [bool; 3]) -> [Option<Vec<f32>>; 3] {
        let (rows, channels) = (self.x.rows(), self.x.columns());
        let gamma = self.gamma.values();
        let share = 1.0 / channels.max(1) as f32;
        let pieces = ranges(rows, piece_of(rows, TILE));
        let (dx, sums) = build(&pieces, channels, |piece, dx| {
            let place = pieces[piece].start * channels..pieces[piece].end * channels;
            let (x, gradient) = (&self.x.values()[place.clone()], &output.values()[place]);
            let mut sums = vec![0.0_f32; 2 * channels];
            let (dgamma, dbeta) = sums.split_at_mut(channels);
            vectorised(|| {
                for ((gradient, x), dx) in gradient
                    .chunks_exact(channels)
                    .zip(x.chunks_exact(channels))
                    .zip(dx.chunks_exact_mut(channels))
                {
                    let (mean, inverse) = row_moments(x);
                    for channel in 0..channels {
                        dgamma[channel] += gradient[channel] * (x[channel] - mean) * inverse;
                        dbeta[channel] += gradient[channel];
                    }
                    let products = gradient.iter().zip(gamma).map(|(gradient, gamma)| gradient * gamma);
                    let a = lanes(products.clone()) * share;
                    let b = lanes(products.zip(x).map(|(product, x)| product * (x - mean) * inverse)) * share;
                    for channel in 0..channels {
                        let normal = (x[channel] - mean) * inverse;
                        dx[channel] = inverse * (gradient[channel] * gamma[channel] - a - normal * b);
                    }
                }
            });
            sums
        });
        let sums = sum_in_order(sums, 2 * channels);
        [
            wanted[0].then_some(dx),
            wanted[1].then(|| sums[..channels].to_vec()),
            wanted[2].then(|| sums[channels..].to_vec()),
        ]
    }
}
