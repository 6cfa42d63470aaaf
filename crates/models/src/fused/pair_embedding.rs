//! The embedding of pairs of constituents: a batch norm, then linear layers, each with a batch norm and GELU after it.
//!
//! A jet of n constituents has n (n + 1) / 2 pairs, so that each array of them is many times a core's cache. Only the
//! outputs of the linear layers are stored: norm and GELU are computed again, tile by tile, by what reads them, forward
//! and back.

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::composed;
use super::dense::{add_to_rows, gelu_with_derivative};
use super::glue::Operand;
use super::kernel::{Matrix, Room, TILE, fill, piece_of, ranges, scratch, sum_in_order, vectorised};
use super::norm::{Affine, Moments, NormBackward, Statistics, add_sums};
use super::normed_layers::{Layer, LayerBackward, Sums, Tile, layout, running};
use super::{Activation, Array, Gradient, apply};
use crate::Error;

/// The first "layer" is the norm of the inputs.
fn layers(inputs: usize, widths: &[usize]) -> Vec<Layer> {
    let before = std::iter::once(inputs).chain(widths.iter().copied());
    let further = before.zip(widths.iter().copied());
    layout(std::iter::once((0, inputs)).chain(further), |layer| layer > 0)
}

/// `norm(gelu(norm(... norm(x) W_1 + b_1 ...)) W_n + b_n)` of rows of `inputs` numbers: (rows, widths[n - 1]).
///
/// `parameters` are the gain and shift of the first norm, then for each layer its weights (inputs, outputs), bias, gain and
/// shift. `statistics` has one entry a norm. With [`Statistics::Batch`] the moments of each norm's rows come back.
pub(crate) fn pair_embedding(
    pairs: Vec<f32>,
    inputs: usize,
    widths: &[usize],
    parameters: Tensor<1>,
    statistics: &[Statistics],
) -> Result<(Tensor<2>, Vec<Moments>), Error> {
    if composed::wanted(&parameters) {
        return composed::pair_embedding(pairs, inputs, widths, parameters, statistics);
    }
    let mut seen = Vec::new();
    let output = apply([Operand::new(parameters)?], |[parameters], tracked| {
        let layers = layers(inputs, widths);
        let rows = pairs.len() / inputs;
        let shape = [rows, widths.last().copied().unwrap_or(inputs)];
        let mut embedding = PairEmbedding {
            layers,
            rows,
            parameters,
            pairs: Arc::new(pairs),
            outputs: vec![],
            affines: vec![],
            running: false,
        };
        if let Some(affines) = running(&embedding.layers, statistics, embedding.parameters.values()) {
            embedding.affines = affines;
            embedding.running = true;
        }
        if embedding.running && !tracked {
            return (Array::new(embedding.evaluate(), shape), None);
        }
        let output = embedding.forward(&mut seen);
        (Array::new(output, shape), tracked.then_some(embedding))
    })?;
    Ok((output, seen))
}

#[derive(Clone, Debug)]
struct PairEmbedding {
    layers: Vec<Layer>,
    rows: usize,
    parameters: Array,
    pairs: Arc<Vec<f32>>,
    /// The output of each linear layer, before its norm.
    outputs: Vec<Array>,
    affines: Vec<Affine>,
    /// Whether the norms use running moments, which do not depend on the rows.
    running: bool,
}

impl PairEmbedding {
    fn part(&self, range: &Range<usize>) -> &[f32] {
        &self.parameters.values()[range.clone()]
    }

    fn weight(&self, layer: usize) -> Matrix<'_> {
        let layer = &self.layers[layer];
        Matrix::new(self.part(&layer.weight), layer.outputs)
    }

    /// What the norm of layer `layer` gets, for some rows.
    fn before(&self, layer: usize, rows: &Range<usize>) -> &[f32] {
        let width = self.layers[layer].outputs;
        let all = if layer == 0 { &self.pairs[..] } else { self.outputs[layer - 1].values() };
        &all[rows.start * width..rows.end * width]
    }

    /// Whether GELU follows the norm of layer `layer`: neither after that of the inputs nor after the last.
    fn activates(&self, layer: usize) -> bool {
        layer > 0 && layer + 1 < self.layers.len()
    }

    fn activation(&self, layer: usize) -> Activation {
        if self.activates(layer) { Activation::Gelu } else { Activation::Identity }
    }

    /// Norm and GELU of layer `layer`.
    fn finish<'a>(&self, layer: usize, x: &[f32], room: Room<'a>) -> &'a mut [f32] {
        let affine = &self.affines[layer];
        vectorised(
            #[inline(always)]
            || affine.finish(x, self.activation(layer), room),
        )
    }

    /// The linear layer `layer` of some rows.
    fn linear<'a>(&self, layer: usize, x: &[f32], room: Room<'a>) -> &'a mut [f32] {
        let output = room.product(Matrix::new(x, self.layers[layer].inputs), self.weight(layer), 1.0);
        add_to_rows(output, self.part(&self.layers[layer].bias));
        output
    }

    /// All layers of a tile at once, with running moments: nothing but the output is stored.
    fn evaluate(&self) -> Vec<f32> {
        let tiles = ranges(self.rows, TILE);
        let last = self.layers.len() - 1;
        let widest = self.layers.iter().map(|layer| layer.outputs).max().unwrap_or(0);
        let (output, _) = fill(&tiles, self.layers[last].outputs, |tile, room| {
            let rows = tiles[tile].len();
            scratch(2 * TILE * widest, |both| {
                let (x, y) = both.split_at_mut(TILE * widest);
                y[..rows * self.layers[0].outputs].copy_from_slice(self.before(0, &tiles[tile]));
                for layer in 0..last {
                    let (width, next) = (self.layers[layer].outputs, self.layers[layer + 1].outputs);
                    self.finish(layer, &y[..rows * width], Room::of(&mut x[..rows * width]));
                    self.linear(layer + 1, &x[..rows * width], Room::of(&mut y[..rows * next]));
                }
                (self.finish(last, &y[..room.len()], room), ())
            })
        });
        output
    }

    fn forward(&mut self, seen: &mut Vec<Moments>) -> Vec<f32> {
        let tiles = ranges(self.rows, TILE);
        for index in 0..self.layers.len() {
            let width = self.layers[index].outputs;
            let moments: Vec<Moments> = if index == 0 {
                let tiles = tiles.par_iter().map(|tile| moments(self.before(0, tile), width));
                tiles.collect()
            } else {
                let below = self.layers[index].inputs;
                let (output, moments) = fill(&tiles, width, |tile, room| {
                    let output = scratch(tiles[tile].len() * below, |x| {
                        self.finish(index - 1, self.before(index - 1, &tiles[tile]), Room::of(x));
                        self.linear(index, x, room)
                    });
                    let moments = moments(output, width);
                    (output, moments)
                });
                self.outputs.push(Array::new(output, [self.rows, width]));
                moments
            };
            if !self.running {
                let moments = Moments::merged(&moments, width);
                let layer = &self.layers[index];
                let (gamma, beta) = (self.part(&layer.gamma), self.part(&layer.beta));
                self.affines.push(Affine::new(&moments.mean, &moments.variance(), gamma, beta));
                seen.push(moments);
            }
        }
        let last = self.layers.len() - 1;
        let (output, _) = fill(&tiles, self.layers[last].outputs, |tile, room| {
            (self.finish(last, self.before(last, &tiles[tile]), room), ())
        });
        output
    }

    /// [`PairEmbedding::finish`], and where GELU is part of it, its derivative.
    fn finish_with_slope(&self, layer: usize, x: &[f32], output: &mut [f32], slope: &mut [f32]) {
        if !self.activates(layer) {
            self.finish(layer, x, Room::of(output));
            return;
        }
        vectorised(
            #[inline(always)]
            || activate(x, &self.affines[layer], output, slope),
        );
    }

    /// For the norm of the last layer: the sums over rows that its backward needs.
    fn top_sums(&self, gradient: &[f32]) -> Vec<f32> {
        let last = self.layers.len() - 1;
        let width = self.layers[last].outputs;
        let pieces = ranges(self.rows, piece_of(self.rows, TILE)).into_par_iter();
        let sums = pieces.map(|rows| {
            let mut sums = vec![0.0; 2 * width];
            let gradient = &gradient[rows.start * width..rows.end * width];
            vectorised(
                #[inline(always)]
                || add_sums(&mut sums, gradient, self.before(last, &rows), &self.affines[last]),
            );
            sums
        });
        sum_in_order(sums.collect(), 2 * width)
    }

    /// The backward of linear layer `index` from `upper`, the gradient after its norm: the gradient after the norm of the
    /// layer below, those of the weights and of the bias, and the sums for the norm below.
    fn sweep(&self, index: usize, norm: &NormBackward, upper: &[f32]) -> (Vec<f32>, Sums) {
        let layer = &self.layers[index];
        let Layer { inputs, outputs, .. } = *layer;
        let (above, below) = (&self.affines[index], &self.affines[index - 1]);
        let backward = LayerBackward { norm, above, below, weight: self.weight(index) };
        let pieces = ranges(self.rows, piece_of(self.rows, TILE));
        let (lower, partials) = fill(&pieces, inputs, |piece, room| {
            let mut sums = Sums::none(layer);
            let tiles = ranges(pieces[piece].len(), TILE);
            let lower = scratch(TILE * (outputs + 2 * inputs), |all| {
                let (gradient, rest) = all.split_at_mut(TILE * outputs);
                let (finished, slope) = rest.split_at_mut(TILE * inputs);
                room.tiles(TILE * inputs, |tile, room| {
                    let rows = pieces[piece].start + tiles[tile].start..pieces[piece].start + tiles[tile].end;
                    let gradient = &mut gradient[..rows.len() * outputs];
                    gradient.copy_from_slice(&upper[rows.start * outputs..rows.end * outputs]);
                    let x = self.before(index - 1, &rows);
                    let (finished, slope) = (&mut finished[..x.len()], &mut slope[..x.len()]);
                    self.finish_with_slope(index - 1, x, finished, slope);
                    let tile = Tile { above: self.before(index, &rows), below: x, finished };
                    backward.tile(
                        &tile,
                        gradient,
                        #[inline(always)]
                        |lower| {
                            if self.activates(index - 1) {
                                lower.iter_mut().zip(&*slope).for_each(|(value, slope)| *value *= slope);
                            }
                        },
                        &mut sums,
                        room,
                    )
                })
            });
            (lower, sums)
        });
        (lower, Sums::total(partials, layer))
    }
}

fn moments(values: &[f32], width: usize) -> Moments {
    vectorised(
        #[inline(always)]
        || Moments::of_tile(values, width),
    )
}

/// GELU after the norm of rows `x`, and its derivative.
#[inline(always)]
fn activate(x: &[f32], affine: &Affine, output: &mut [f32], slope: &mut [f32]) {
    let width = affine.scale.len();
    let (scale, shift) = (&affine.scale[..width], &affine.shift[..width]);
    let rows = output.chunks_exact_mut(width).zip(slope.chunks_exact_mut(width));
    for ((output, slope), x) in rows.zip(x.chunks_exact(width)) {
        for channel in 0..width {
            (output[channel], slope[channel]) =
                gelu_with_derivative(x[channel] * scale[channel] + shift[channel]);
        }
    }
}

impl Gradient<1> for PairEmbedding {
    fn gradients(self, output: Array, _: [bool; 1]) -> [Option<Vec<f32>>; 1] {
        let mut parameters = vec![0.0; self.parameters.values().len()];
        let mut norm = self.top_sums(output.values());
        let mut upper: Option<Vec<f32>> = None;
        for index in (0..self.layers.len()).rev() {
            let layer = &self.layers[index];
            parameters[layer.gamma.clone()].copy_from_slice(&norm[..layer.outputs]);
            parameters[layer.beta.clone()].copy_from_slice(&norm[layer.outputs..]);
            if index == 0 {
                break;
            }
            let backward = NormBackward::new(&norm, &self.affines[index], self.rows, self.running);
            let (lower, sums) = self.sweep(index, &backward, upper.as_deref().unwrap_or(output.values()));
            parameters[layer.weight.clone()].copy_from_slice(&sums.weight);
            parameters[layer.bias.clone()].copy_from_slice(&sums.bias);
            norm = sums.norm;
            upper = Some(lower);
        }
        [Some(parameters)]
    }
}
