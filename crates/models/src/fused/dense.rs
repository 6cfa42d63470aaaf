//! A linear layer with its bias and activation.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::glue::Operand;
use super::kernel::{Matrix, TILE, multiply, piece_of, sum_in_order, vectorised};
use super::{Array, Gradient, apply};
use crate::Error;

/// What follows a linear layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    Identity,
    Relu,
    /// x Phi(x), with the error function.
    Gelu,
}

/// `activation(x w + b)` for rows `x` of shape (rows, inputs), `w` (inputs, outputs), `b` (outputs).
pub(crate) fn dense(
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    activation: Activation,
) -> Result<Tensor<2>, Error> {
    let (x, weight) = (Operand::new(x)?, Operand::new(weight)?);
    match bias {
        Some(bias) => apply([x, weight, Operand::new(bias)?], |[x, weight, bias], tracked| {
            let (output, kept) = forward(&x, &weight, bias.values(), activation, tracked);
            (output.clone(), tracked.then_some(Dense { x, weight, kept: kept.unwrap_or(output), activation }))
        }),
        None => apply([x, weight], |[x, weight], tracked| {
            let (output, kept) = forward(&x, &weight, &[], activation, tracked);
            (output.clone(), tracked.then_some(Dense { x, weight, kept: kept.unwrap_or(output), activation }))
        }),
    }
}

/// The output, and what stands before the activation where the output does not say enough about it.
fn forward(x: &Array, w: &Array, bias: &[f32], activation: Activation, tracked: bool) -> (Array, Option<Array>) {
    let (rows, inputs, outputs) = (x.rows(), w.rows(), w.columns());
    let mut output = vec![0.0; rows * outputs];
    let keep = tracked && activation == Activation::Gelu;
    let mut before = vec![0.0; if keep { rows * outputs } else { 0 }];
    let run = |x: &[f32], output: &mut [f32], before: &mut [f32]| {
        multiply(Matrix::new(x, inputs), Matrix::new(w.values(), outputs), output, outputs, false, 1.0);
        vectorised(|| {
            if !bias.is_empty() {
                for row in output.chunks_exact_mut(outputs) {
                    for (value, bias) in row.iter_mut().zip(bias) {
                        *value += bias;
                    }
                }
            }
            if keep {
                before.copy_from_slice(output);
            }
            match activation {
                Activation::Identity => {}
                Activation::Relu => output.iter_mut().for_each(|value| *value = value.max(0.0)),
                Activation::Gelu => output.iter_mut().for_each(|value| *value = gelu(*value)),
            }
        });
    };
    if keep {
        output
            .par_chunks_mut(TILE * outputs)
            .zip(before.par_chunks_mut(TILE * outputs))
            .zip(x.values().par_chunks(TILE * inputs))
            .for_each(|((output, before), x)| run(x, output, before));
    } else {
        output
            .par_chunks_mut(TILE * outputs)
            .zip(x.values().par_chunks(TILE * inputs))
            .for_each(|(output, x)| run(x, output, &mut []));
    }
    (Array::new(output, [rows, outputs]), keep.then(|| Array::new(before, [rows, outputs])))
}

#[derive(Clone, Debug)]
struct Dense {
    x: Array,
    weight: Array,
    /// The output, or with GELU its argument.
    kept: Array,
    activation: Activation,
}

impl Dense {
    /// Gradients of x, the weight and the bias.
    fn backward(&self, output: &Array, wanted: [bool; 3]) -> [Option<Vec<f32>>; 3] {
        let (rows, inputs, outputs) = (self.x.rows(), self.weight.rows(), self.weight.columns());
        let piece = piece_of(rows, TILE);
        let mut dx = vec![0.0; if wanted[0] { rows * inputs } else { 0 }];
        let run = |(((gradient, kept), x), dx): (((&[f32], &[f32]), &[f32]), &mut [f32])| {
            let mut dw = vec![0.0; if wanted[1] { inputs * outputs } else { 0 }];
            let mut db = vec![0.0_f32; if wanted[2] { outputs } else { 0 }];
            let mut scratch = vec![0.0; TILE * outputs];
            let mut dx = dx;
            for ((gradient, kept), x) in gradient
                .chunks(TILE * outputs)
                .zip(kept.chunks(TILE * outputs))
                .zip(x.chunks(TILE * inputs))
            {
                let before = &mut scratch[..gradient.len()];
                vectorised(|| {
                    match self.activation {
                        Activation::Identity => before.copy_from_slice(gradient),
                        Activation::Relu => {
                            for ((before, gradient), output) in before.iter_mut().zip(gradient).zip(kept) {
                                *before = if *output > 0.0 { *gradient } else { 0.0 };
                            }
                        }
                        Activation::Gelu => {
                            for ((before, gradient), argument) in before.iter_mut().zip(gradient).zip(kept) {
                                *before = gradient * gelu_derivative(*argument);
                            }
                        }
                    }
                    if wanted[2] {
                        for row in before.chunks_exact(outputs) {
                            for (sum, value) in db.iter_mut().zip(row) {
                                *sum += value;
                            }
                        }
                    }
                });
                let before = Matrix::new(before, outputs);
                if wanted[1] {
                    multiply(Matrix::new(x, inputs).t(), before, &mut dw, outputs, true, 1.0);
                }
                if wanted[0] {
                    let (now, later) = dx.split_at_mut(x.len());
                    multiply(before, Matrix::new(self.weight.values(), outputs).t(), now, inputs, false, 1.0);
                    dx = later;
                }
            }
            (dw, db)
        };
        let pieces = output
            .values()
            .par_chunks(piece * outputs)
            .zip(self.kept.values().par_chunks(piece * outputs))
            .zip(self.x.values().par_chunks(piece * inputs));
        let partials: Vec<(Vec<f32>, Vec<f32>)> = if wanted[0] {
            pieces.zip(dx.par_chunks_mut(piece * inputs)).map(run).collect()
        } else {
            pieces.map(|piece| run((piece, &mut []))).collect()
        };
        let (dw, db): (Vec<_>, Vec<_>) = partials.into_iter().unzip();
        [
            wanted[0].then_some(dx),
            wanted[1].then(|| sum_in_order(dw, inputs * outputs)),
            wanted[2].then(|| sum_in_order(db, outputs)),
        ]
    }
}

impl Gradient<3> for Dense {
    fn gradients(self, output: Array, wanted: [bool; 3]) -> [Option<Vec<f32>>; 3] {
        self.backward(&output, wanted)
    }
}

impl Gradient<2> for Dense {
    fn gradients(self, output: Array, [x, weight]: [bool; 2]) -> [Option<Vec<f32>>; 2] {
        let [dx, dw, _] = self.backward(&output, [x, weight, false]);
        [dx, dw]
    }
}

/// exp(x) to about one unit in the last place, in a form that compilers turn into vectors.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // Cephes expf: x = n ln 2 + r, exp(r) by a polynomial, the power of two by the exponent's bits.
    let x = x.clamp(-87.0, 88.0);
    let n = (x * std::f32::consts::LOG2_E + 12_582_912.0) - 12_582_912.0;
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let mut p = 1.987_569_1e-4;
    for coefficient in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_66, 0.5] {
        p = p * r + coefficient;
    }
    let p = p * r * r + r + 1.0;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let power = f32::from_bits(((n as i32 + 127) << 23) as u32);
    p * power
}

/// The standard normal distribution function and its density, after Abramowitz and Stegun 7.1.26 (error 1.5e-7).
#[inline(always)]
fn normal(x: f32) -> (f32, f32) {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let gauss = exp(-z * z);
    let polynomial = t
        * (0.254_829_6 + t * (-0.284_496_74 + t * (1.421_413_7 + t * (-1.453_152 + t * 1.061_405_4))));
    let upper = 0.5 * polynomial * gauss;
    let distribution = if x >= 0.0 { 1.0 - upper } else { upper };
    (distribution, gauss * 0.398_942_3)
}

#[inline(always)]
pub(crate) fn gelu(x: f32) -> f32 {
    x * normal(x).0
}

#[inline(always)]
pub(crate) fn gelu_derivative(x: f32) -> f32 {
    let (distribution, density) = normal(x);
    distribution + x * density
}
