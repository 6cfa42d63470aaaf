//! Batch norm and layer norm.

use burn::tensor::Tensor;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::composed;
use super::dense::{gelu, gelu_derivative, rectify};
use super::glue::Operand;
use super::kernel::{Room, TILE, fill, piece_of, ranges, sum_in_order, vectorised};
use super::rows::{products, square_deviation, sum, with_vectors};
use super::{Activation, Array, Gradient, apply};
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
            .map(|tile| {
                vectorised(
                    #[inline(always)]
                    || Self::of_tile(tile, channels),
                )
            })
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

    /// `activation(x scale + shift)` of rows.
    #[inline(always)]
    pub(crate) fn finish<'a>(&self, x: &[f32], activation: Activation, room: Room<'a>) -> &'a mut [f32] {
        match activation {
            Activation::Identity => self.rows(
                x,
                room,
                #[inline(always)]
                |y| y,
            ),
            Activation::Relu => self.rows(x, room, rectify),
            Activation::Gelu => self.rows(x, room, gelu),
        }
    }

    #[inline(always)]
    fn rows<'a>(&self, x: &[f32], room: Room<'a>, map: impl Fn(f32) -> f32) -> &'a mut [f32] {
        let channels = self.scale.len();
        room.tiles(
            channels,
            #[inline(always)]
            |row, room| {
                let x = x[row * channels..(row + 1) * channels].iter();
                room.collect(x.zip(&self.scale).zip(&self.shift).map(
                    #[inline(always)]
                    |((x, scale), shift)| map(x * scale + shift),
                ))
            },
        )
    }

    pub(crate) fn running(mean: &[f32], variance: &[f32], gamma: &[f32], beta: &[f32]) -> Self {
        let double = |values: &[f32]| values.iter().copied().map(f64::from).collect::<Vec<_>>();
        Self::new(&double(mean), &double(variance), gamma, beta)
    }
}

/// Normalises each channel of `x`, (rows, channels), over the rows; then comes the activation.
///
/// With [`Statistics::Batch`] the moments of the batch come back too.
pub(crate) fn batch_norm(
    x: Tensor<2>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    statistics: &Statistics,
    activation: Activation,
) -> Result<(Tensor<2>, Option<Moments>), Error> {
    if composed::wanted(&x) {
        return composed::batch_norm(x, gamma, beta, statistics, activation);
    }
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
        let (output, _) = fill(&tiles, channels, |tile, room| {
            let x = &x.values()[tiles[tile].start * channels..tiles[tile].end * channels];
            let output = vectorised(
                #[inline(always)]
                || affine.finish(x, activation, room),
            );
            (output, ())
        });
        let batch = matches!(statistics, Statistics::Batch);
        let state = tracked.then_some(BatchNorm { x, affine, batch, activation });
        (Array::new(output, [rows, channels]), state)
    })?;
    Ok((output, moments))
}

#[derive(Clone, Debug)]
struct BatchNorm {
    x: Array,
    affine: Affine,
    batch: bool,
    activation: Activation,
}

impl BatchNorm {
    /// The gradient before the activation, computed anew: cheaper than to keep it between the two sweeps over the rows.
    #[inline(always)]
    fn before(&self, gradient: &[f32], x: &[f32], output: &mut [f32]) {
        let channels = output.len();
        let (gradient, x) = (&gradient[..channels], &x[..channels]);
        let (scale, shift) = (&self.affine.scale[..channels], &self.affine.shift[..channels]);
        match self.activation {
            Activation::Identity => output.copy_from_slice(gradient),
            Activation::Relu => {
                for channel in 0..channels {
                    let passes = x[channel] * scale[channel] + shift[channel] > 0.0;
                    let mask = u32::from(passes).wrapping_neg();
                    output[channel] = f32::from_bits(gradient[channel].to_bits() & mask);
                }
            }
            Activation::Gelu => {
                for channel in 0..channels {
                    let argument = x[channel] * scale[channel] + shift[channel];
                    output[channel] = gradient[channel] * gelu_derivative(argument);
                }
            }
        }
    }
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
                let mut before = vec![0.0_f32; channels];
                vectorised(
                    #[inline(always)]
                    || {
                        let (mean, inverse) =
                            (&self.affine.mean[..channels], &self.affine.inverse[..channels]);
                        for (gradient, x) in gradient.chunks_exact(channels).zip(x.chunks_exact(channels)) {
                            self.before(gradient, x, &mut before);
                            let gradient = &before[..channels];
                            for channel in 0..channels {
                                let normal = (x[channel] - mean[channel]) * inverse[channel];
                                dgamma[channel] += gradient[channel] * normal;
                                dbeta[channel] += gradient[channel];
                            }
                        }
                    },
                );
                sums
            })
            .collect();
        let sums = sum_in_order(sums, 2 * channels);
        let (dgamma, dbeta) = sums.split_at(channels);
        let dx = wanted[0].then(|| {
            let share = if self.batch { 1.0 / rows.max(1) as f32 } else { 0.0 };
            let Affine { mean, inverse, scale, .. } = &self.affine;
            let (mean, inverse, scale) = (&mean[..channels], &inverse[..channels], &scale[..channels]);
            let (dgamma, dbeta) = (&dgamma[..channels], &dbeta[..channels]);
            let tiles = ranges(rows, TILE);
            let (dx, _) = fill(&tiles, channels, |tile, room| {
                let start = tiles[tile].start;
                let mut before = vec![0.0; channels];
                let dx = vectorised(
                    #[inline(always)]
                    || {
                        room.tiles(
                            channels,
                            #[inline(always)]
                            |row, room| {
                                let place = (start + row) * channels..(start + row + 1) * channels;
                                let (x, gradient) =
                                    (&self.x.values()[place.clone()], &output.values()[place]);
                                self.before(gradient, x, &mut before);
                                let before = &before[..channels];
                                room.collect((0..channels).map(
                                    #[inline(always)]
                                    |channel| {
                                        let normal = (x[channel] - mean[channel]) * inverse[channel];
                                        let common = (dbeta[channel] + normal * dgamma[channel]) * share;
                                        scale[channel] * (before[channel] - common)
                                    },
                                ))
                            },
                        )
                    },
                );
                (dx, ())
            });
            dx
        });
        [dx, wanted[1].then(|| dgamma.to_vec()), wanted[2].then(|| dbeta.to_vec())]
    }
}

/// Adds to the gradients of gain and shift what rows of the gradient and of the norm's input give.
#[inline(always)]
pub(crate) fn add_sums(sums: &mut [f32], gradient: &[f32], x: &[f32], affine: &Affine) {
    let width = affine.scale.len();
    let (gamma, beta) = sums.split_at_mut(width);
    let (mean, inverse) = (&affine.mean[..width], &affine.inverse[..width]);
    for (gradient, x) in gradient.chunks_exact(width).zip(x.chunks_exact(width)) {
        for channel in 0..width {
            gamma[channel] += gradient[channel] * (x[channel] - mean[channel]) * inverse[channel];
            beta[channel] += gradient[channel];
        }
    }
}

/// Constants of `dx = scale (dy - (dbeta + normal dgamma) / rows)`, written as `dx = scale dy + slope x + constant`.
pub(crate) struct NormBackward {
    pub(crate) slope: Vec<f32>,
    pub(crate) constant: Vec<f32>,
}

impl NormBackward {
    pub(crate) fn new(sums: &[f32], affine: &Affine, rows: usize, running: bool) -> Self {
        let width = affine.scale.len();
        if running {
            return Self { slope: vec![0.0; width], constant: vec![0.0; width] };
        }
        let share = 1.0 / rows.max(1) as f32;
        let slope: Vec<f32> =
            (0..width).map(|c| -affine.scale[c] * sums[c] * share * affine.inverse[c]).collect();
        let constant = (0..width)
            .map(|c| -affine.scale[c] * sums[width + c] * share - slope[c] * affine.mean[c])
            .collect();
        Self { slope, constant }
    }

    #[inline(always)]
    pub(crate) fn apply(&self, affine: &Affine, gradient: &mut [f32], x: &[f32]) {
        let width = self.slope.len();
        let (scale, slope, constant) =
            (&affine.scale[..width], &self.slope[..width], &self.constant[..width]);
        for (gradient, x) in gradient.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
            for channel in 0..width {
                gradient[channel] =
                    scale[channel] * gradient[channel] + slope[channel] * x[channel] + constant[channel];
            }
        }
    }
}

/// Normalises each row of `x`, (rows, channels), over its channels.
pub(crate) fn layer_norm(x: Tensor<2>, gamma: Tensor<1>, beta: Tensor<1>) -> Result<Tensor<2>, Error> {
    if composed::wanted(&x) {
        return Ok(composed::layer_norm(x, gamma, beta));
    }
    apply([Operand::new(x)?, Operand::new(gamma)?, Operand::new(beta)?], |[x, gamma, beta], tracked| {
        let (rows, channels) = (x.rows(), x.columns());
        let tiles = ranges(rows, TILE);
        let (output, _) = fill(&tiles, channels, |tile, room| {
            let x = &x.values()[tiles[tile].start * channels..tiles[tile].end * channels];
            (with_vectors(Normalise { x, gains: gamma.values(), shifts: beta.values(), room }), ())
        });
        (Array::new(output, [rows, channels]), tracked.then_some(LayerNorm { x, gamma: gamma.clone() }))
    })
}

/// Mean and 1 / sqrt(variance + eps) of a row.
#[inline(always)]
fn row_moments<S: Simd>(simd: S, row: &[f32]) -> (f32, f32) {
    let scale = 1.0 / row.len().max(1) as f32;
    let mean = sum(simd, row) * scale;
    let variance = square_deviation(simd, row, mean) * scale;
    (mean, 1.0 / (variance + EPSILON as f32).sqrt())
}

/// The layer norm of some rows.
struct Normalise<'a, 'b> {
    x: &'a [f32],
    gains: &'a [f32],
    shifts: &'a [f32],
    room: Room<'b>,
}

impl<'b> WithSimd for Normalise<'_, 'b> {
    type Output = &'b mut [f32];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let channels = self.gains.len();
        self.room.tiles(
            channels,
            #[inline(always)]
            |row, room| {
                let x = &self.x[row * channels..(row + 1) * channels];
                let (mean, inverse) = row_moments(simd, x);
                room.collect(x.iter().zip(self.gains).zip(self.shifts).map(
                    #[inline(always)]
                    |((x, gain), shift)| (x - mean) * inverse * gain + shift,
                ))
            },
        )
    }
}

/// The backward of the layer norm of some rows; `sums` are those for the gains, then those for the shifts.
struct NormaliseBackward<'a, 'b> {
    x: &'a [f32],
    gains: &'a [f32],
    gradient: &'a [f32],
    sums: &'a mut [f32],
    room: Room<'b>,
}

impl<'b> WithSimd for NormaliseBackward<'_, 'b> {
    type Output = &'b mut [f32];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let channels = self.gains.len();
        let share = 1.0 / channels.max(1) as f32;
        let (dgains, dshifts) = self.sums.split_at_mut(channels);
        let (dgains, dshifts) = (&mut dgains[..channels], &mut dshifts[..channels]);
        let gains = &self.gains[..channels];
        self.room.tiles(
            channels,
            #[inline(always)]
            |row, room| {
                let place = row * channels..(row + 1) * channels;
                let (x, gradient) = (&self.x[place.clone()], &self.gradient[place]);
                let (mean, inverse) = row_moments(simd, x);
                let dx = room.collect(x.iter().map(
                    #[inline(always)]
                    |x| (x - mean) * inverse,
                ));
                let (a, b) = products(simd, gradient, gains, dx);
                let (a, b) = (a * share, b * share);
                let (gradient, dx) = (&gradient[..channels], &mut dx[..channels]);
                for channel in 0..channels {
                    let normal = dx[channel];
                    dgains[channel] += gradient[channel] * normal;
                    dshifts[channel] += gradient[channel];
                    dx[channel] = inverse * (gradient[channel] * gains[channel] - a - normal * b);
                }
                dx
            },
        )
    }
}

#[derive(Clone, Debug)]
struct LayerNorm {
    x: Array,
    gamma: Array,
}

impl Gradient<3> for LayerNorm {
    fn gradients(self, output: Array, wanted: [bool; 3]) -> [Option<Vec<f32>>; 3] {
        let (rows, channels) = (self.x.rows(), self.x.columns());
        let pieces = ranges(rows, piece_of(rows, TILE));
        let (dx, sums) = fill(&pieces, channels, |piece, room| {
            let place = pieces[piece].start * channels..pieces[piece].end * channels;
            let (x, gradient) = (&self.x.values()[place.clone()], &output.values()[place]);
            let mut sums = vec![0.0_f32; 2 * channels];
            let gains = self.gamma.values();
            (with_vectors(NormaliseBackward { x, gains, gradient, sums: &mut sums, room }), sums)
        });
        let sums = sum_in_order(sums, 2 * channels);
        [
            wanted[0].then_some(dx),
            wanted[1].then(|| sums[..channels].to_vec()),
            wanted[2].then(|| sums[channels..].to_vec()),
        ]
    }
}
