//! A linear layer with its bias and activation.

use std::ops::Range;

use burn::tensor::Tensor;

use super::composed;
use super::glue::Operand;
use super::kernel::{
    Matrix, TILE, fill, fill_columns, fill_several, multiply, piece_of, ranges, scratch, sum_in_order,
    vectorised,
};
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
    if composed::wanted(&x) {
        return Ok(composed::dense(x, weight, bias, activation));
    }
    let (x, weight) = (Operand::new(x)?, Operand::new(weight)?);
    match bias {
        Some(bias) => apply([x, weight, Operand::new(bias)?], |[x, weight, bias], tracked| {
            let (output, kept) = forward(&x, &weight, bias.values(), activation, tracked);
            (output, tracked.then_some(Dense { x, weight, kept, activation }))
        }),
        None => apply([x, weight], |[x, weight], tracked| {
            let (output, kept) = forward(&x, &weight, &[], activation, tracked);
            (output, tracked.then_some(Dense { x, weight, kept, activation }))
        }),
    }
}

/// The same rows through several linear layers, `(weight, bias)` each, whose outputs come beside each other: one product instead
/// of several, of weights that are put beside each other before. For few rows, and where no gradient is asked for, that takes a
/// fifth of the time, and each layer makes its own columns.
pub(crate) fn side_by_side(
    x: Tensor<2>,
    layers: Vec<(Tensor<2>, Option<Tensor<1>>)>,
) -> Result<Tensor<2>, Error> {
    let [rows, inputs] = x.dims();
    if rows > TILE || inputs == 0 || x.is_autodiff() || composed::wanted(&x) {
        let (weights, biases): (Vec<_>, Vec<_>) = layers.into_iter().unzip();
        let bias = biases.into_iter().collect::<Option<Vec<_>>>().map(|biases| Tensor::cat(biases, 0));
        return dense(x, Tensor::cat(weights, 1), bias, Activation::Identity);
    }
    let x = Operand::new(x)?.untracked();
    let mut arrays = Vec::with_capacity(layers.len());
    for (weight, bias) in layers {
        let bias = bias.map(Operand::new).transpose()?.map(Operand::untracked);
        arrays.push((Operand::new(weight)?.untracked(), bias));
    }
    let (mut outputs, mut parts) = (0, Vec::new());
    for (weight, bias) in &arrays {
        let layer = Columns { weight, bias: bias.as_ref().map_or(&[], Array::values), first: outputs };
        outputs += weight.columns();
        parts.extend(columns_of(rows, inputs, weight.columns()).into_iter().map(|part| (layer, part)));
    }
    Ok(Array::new(in_columns(&x, outputs, &parts, Activation::Identity), [rows, outputs]).into_tensor())
}

/// The output, and what the backward of the activation needs: its output or its derivative.
fn forward(
    x: &Array,
    w: &Array,
    bias: &[f32],
    activation: Activation,
    tracked: bool,
) -> (Array, Option<Array>) {
    let (rows, inputs, outputs) = (x.rows(), w.rows(), w.columns());
    let tiles = ranges(rows, TILE);
    let weight = Matrix::new(w.values(), outputs);
    let argument = |tile: usize| &x.values()[tiles[tile].start * inputs..tiles[tile].end * inputs];
    if tracked && activation == Activation::Gelu {
        // The derivative is kept instead of the argument: it shares the exponential with the output.
        let ([output, slope], _) =
            fill_several([&tiles, &tiles], [outputs, outputs], |tile, [room, slope]| {
                let output = room.product(Matrix::new(argument(tile), inputs), weight, 1.0);
                add_to_rows(output, bias);
                let slope = vectorised(
                    #[inline(always)]
                    || {
                        slope.collect(output.iter_mut().map(
                            #[inline(always)]
                            |value| {
                                let (output, slope) = gelu_with_derivative(*value);
                                *value = output;
                                slope
                            },
                        ))
                    },
                );
                ([output, slope], ())
            });
        return (Array::new(output, [rows, outputs]), Some(Array::new(slope, [rows, outputs])));
    }
    let columns = columns_of(rows, inputs, outputs);
    let output = if columns.len() > 1 {
        let layer = Columns { weight: w, bias, first: 0 };
        in_columns(x, outputs, &columns.into_iter().map(|part| (layer, part)).collect::<Vec<_>>(), activation)
    } else {
        let (output, _) = fill(&tiles, outputs, |tile, room| {
            let output = room.product(Matrix::new(argument(tile), inputs), weight, 1.0);
            add_to_rows(output, bias);
            vectorised(
                #[inline(always)]
                || activate(output, activation),
            );
            (output, ())
        });
        output
    };
    let output = Array::new(output, [rows, outputs]);
    let kept = (activation == Activation::Relu).then(|| output.clone());
    (output, kept)
}

/// A layer whose outputs begin at column `first` of all outputs.
#[derive(Clone, Copy)]
struct Columns<'a> {
    weight: &'a Array,
    bias: &'a [f32],
    first: usize,
}

/// The outputs of layers beside each other in rows of `outputs`, made in parts of columns: of each part its layer and the columns of
/// that.
fn in_columns(
    x: &Array,
    outputs: usize,
    parts: &[(Columns<'_>, Range<usize>)],
    activation: Activation,
) -> Vec<f32> {
    let places: Vec<_> =
        parts.iter().map(|(layer, part)| layer.first + part.start..layer.first + part.end).collect();
    let x = Matrix::new(x.values(), x.columns());
    fill_columns(x.rows, outputs, &places, |index, room| {
        let (layer, part) = &parts[index];
        let weight = Matrix::columns(layer.weight.values(), layer.weight.columns(), part.start, part.len());
        let mut output = room.product(x, weight, 1.0);
        let bias = layer.bias.get(part.clone()).unwrap_or(&[]);
        vectorised(
            #[inline(always)]
            || {
                output.each_row(
                    #[inline(always)]
                    |row| {
                        row.iter_mut().zip(bias).for_each(|(value, bias)| *value += bias);
                        activate(row, activation);
                    },
                );
            },
        );
        output
    })
}

#[inline(always)]
fn activate(values: &mut [f32], activation: Activation) {
    match activation {
        Activation::Identity => {}
        Activation::Relu => values.iter_mut().for_each(|value| *value = rectify(*value)),
        Activation::Gelu => values.iter_mut().for_each(|value| *value = gelu(*value)),
    }
}

/// Multiplications of a part: about 5 us of work. More parts than threads, so that an odd number of them is no loss.
const PART: usize = 1 << 19;

/// Multiplications that are worth waking another thread for, and handing a part to one that is awake.
const WHOLE: [usize; 2] = [1 << 21, 1 << 20];

/// The parts of the output's columns that a product with few rows, such as that of one jet, is cut into. Rows would be
/// worse to cut: the product rearranges the weights first, and each part would rearrange all of them.
fn columns_of(rows: usize, inputs: usize, outputs: usize) -> Vec<Range<usize>> {
    let work = rows * inputs * outputs;
    let in_pool = rayon::current_thread_index().is_some();
    let parts = if rows <= TILE && work >= WHOLE[usize::from(in_pool)] {
        (work / PART).min(outputs / VECTORS)
    } else {
        1
    };
    ranges(outputs, outputs.div_ceil(parts.max(1)).next_multiple_of(VECTORS))
}

/// Columns that the product works on at a time.
const VECTORS: usize = 64;

/// Adds `bias` to each row; an empty one to none.
pub(crate) fn add_to_rows(rows: &mut [f32], bias: &[f32]) {
    if bias.is_empty() {
        return;
    }
    vectorised(
        #[inline(always)]
        || {
            for row in rows.chunks_exact_mut(bias.len()) {
                for (value, bias) in row.iter_mut().zip(bias) {
                    *value += bias;
                }
            }
        },
    );
}

/// max(x, 0) that lets a NaN through, as the loss must see it.
#[inline(always)]
pub(crate) fn rectify(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

#[derive(Clone, Debug)]
struct Dense {
    x: Array,
    weight: Array,
    /// With ReLU the output, with GELU its derivative.
    kept: Option<Array>,
    activation: Activation,
}

impl Dense {
    /// Gradients of x, the weight and the bias.
    fn backward(&self, output: &Array, wanted: [bool; 3]) -> [Option<Vec<f32>>; 3] {
        let (rows, inputs, outputs) = (self.x.rows(), self.weight.rows(), self.weight.columns());
        let pieces = ranges(rows, piece_of(rows, TILE));
        let weight = Matrix::new(self.weight.values(), outputs).t();
        // Without a gradient of x the parts have no numbers.
        let (dx, sums) = fill(&pieces, if wanted[0] { inputs } else { 0 }, |piece, room| {
            let mut dw = vec![0.0; if wanted[1] { inputs * outputs } else { 0 }];
            let mut db = vec![0.0_f32; if wanted[2] { outputs } else { 0 }];
            let start = pieces[piece].start;
            let tiles: Vec<_> = ranges(pieces[piece].len(), TILE)
                .into_iter()
                .map(|tile| start + tile.start..start + tile.end)
                .collect();
            let dx = scratch(TILE * outputs, |scratch| {
                if wanted[0] {
                    room.tiles(TILE * inputs, |tile, room| {
                        let before = self.sums(output, &tiles[tile], scratch, &mut dw, &mut db);
                        room.product(before, weight, 1.0)
                    })
                } else {
                    for tile in &tiles {
                        self.sums(output, tile, scratch, &mut dw, &mut db);
                    }
                    room.zeros()
                }
            });
            (dx, (dw, db))
        });
        let (dw, db): (Vec<_>, Vec<_>) = sums.into_iter().unzip();
        [
            wanted[0].then_some(dx),
            wanted[1].then(|| sum_in_order(dw, inputs * outputs)),
            wanted[2].then(|| sum_in_order(db, outputs)),
        ]
    }
}

impl Dense {
    /// The gradient before the activation for some rows, from that of the output; what these rows give to those of the
    /// weight and of the bias is added to `dw` and `db`, where these are not empty.
    fn sums<'a>(
        &self,
        output: &'a Array,
        rows: &Range<usize>,
        scratch: &'a mut [f32],
        dw: &mut [f32],
        db: &mut [f32],
    ) -> Matrix<'a> {
        let (inputs, outputs) = (self.weight.rows(), self.weight.columns());
        let place = rows.start * outputs..rows.end * outputs;
        let gradient = &output.values()[place.clone()];
        let before = match &self.kept {
            None => gradient,
            Some(kept) => {
                let before = &mut scratch[..gradient.len()];
                self.deactivate(gradient, &kept.values()[place], before);
                before
            }
        };
        if !db.is_empty() {
            vectorised(
                #[inline(always)]
                || {
                    for row in before.chunks_exact(outputs) {
                        for (sum, value) in db.iter_mut().zip(row) {
                            *sum += value;
                        }
                    }
                },
            );
        }
        let before = Matrix::new(before, outputs);
        if !dw.is_empty() {
            let x = Matrix::new(&self.x.values()[rows.start * inputs..rows.end * inputs], inputs);
            multiply(x.t(), before, dw, outputs, true, 1.0);
        }
        before
    }

    fn deactivate(&self, gradient: &[f32], kept: &[f32], before: &mut [f32]) {
        vectorised(
            #[inline(always)]
            || match self.activation {
                Activation::Identity => before.copy_from_slice(gradient),
                Activation::Relu => {
                    for ((before, gradient), output) in before.iter_mut().zip(gradient).zip(kept) {
                        // A mask of bits: as a choice it became a branch for each number, which took a third of a
                        // training step.
                        let mask = u32::from(*output > 0.0).wrapping_neg();
                        *before = f32::from_bits(gradient.to_bits() & mask);
                    }
                }
                Activation::Gelu => {
                    for ((before, gradient), slope) in before.iter_mut().zip(gradient).zip(kept) {
                        *before = gradient * slope;
                    }
                }
            },
        );
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
    let rounded = x.mul_add(std::f32::consts::LOG2_E, 12_582_912.0);
    let n = rounded - 12_582_912.0;
    let r = n.mul_add(2.121_944_4e-4, n.mul_add(-0.693_359_4, x));
    let mut p = 1.987_569_1e-4_f32;
    for coefficient in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_66, 0.5] {
        p = p.mul_add(r, coefficient);
    }
    let p = (p * r).mul_add(r, r) + 1.0;
    // The lowest bits of the sum that rounded are n.
    let power = f32::from_bits((rounded.to_bits() << 23).wrapping_add(127 << 23));
    p * power
}

/// The standard normal distribution function and its density, after Abramowitz and Stegun 7.1.26 (error 1.5e-7).
#[inline(always)]
fn normal(x: f32) -> (f32, f32) {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let gauss = exp(-z * z);
    let mut polynomial = 1.061_405_4_f32;
    for coefficient in [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
        polynomial = polynomial.mul_add(t, coefficient);
    }
    let polynomial = t * polynomial;
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

/// GELU and its derivative, which share the exponential.
#[inline(always)]
pub(crate) fn gelu_with_derivative(x: f32) -> (f32, f32) {
    let (distribution, density) = normal(x);
    (x * distribution, distribution + x * density)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ComputeDevice;
    use crate::fused::awake::awake;
    use crate::fused::{device, from_values, values};

    #[test]
    fn layers_beside_each_other_give_what_each_gives_alone() {
        // To the bit, however it is cut: few rows are made in columns, more than a tile from joined weights, and with 160 outputs a
        // layer is cut into parts inside of the pool.
        for (rows, trains) in [(1, false), (70, false), (TILE + 1, false), (70, true)] {
            let device = device(ComputeDevice::Cpu, trains);
            let numbers =
                |count: usize, step: f32| (0..count).map(|i| (i as f32 * step).sin()).collect::<Vec<_>>();
            let x: Tensor<2> = from_values(numbers(rows * 128, 0.37), [rows, 128], &device);
            let layers: Vec<(Tensor<2>, Option<Tensor<1>>)> = [160, 3, 64]
                .map(|width| {
                    let weight =
                        from_values(numbers(128 * width, 0.11 * width as f32), [128, width], &device);
                    (weight, Some(from_values(numbers(width, 0.7), [width], &device)))
                })
                .into();
            let together = awake(|| values(side_by_side(x.clone(), layers.clone()).unwrap()).unwrap());
            let mut start = 0;
            for (weight, bias) in layers {
                let [_, width] = weight.dims();
                let alone = values(dense(x.clone(), weight, bias, Activation::Identity).unwrap()).unwrap();
                for (row, alone) in together.chunks_exact(160 + 3 + 64).zip(alone.chunks_exact(width)) {
                    for (a, b) in row[start..start + width].iter().zip(alone) {
                        assert_eq!(a.to_bits(), b.to_bits(), "{rows} rows, {width} outputs: {a} for {b}");
                    }
                }
                start += width;
            }
        }
    }

    #[test]
    fn exp_is_right_to_two_units_in_the_last_place() {
        for step in -80_000..80_000 {
            let x = step as f32 * 1e-3;
            let right = f64::from(x).exp();
            let error = (f64::from(exp(x)) - right).abs() / right;
            assert!(error < 2.0 * f64::from(f32::EPSILON), "exp({x}): {error:e}");
        }
        assert!(exp(f32::NAN).is_nan());
    }
}
