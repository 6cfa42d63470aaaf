//! Linear layers with a batch norm after each: what [`super::edge_conv`] has on edges and [`super::pair_embedding`] on pairs.
//!
//! Both keep the outputs of the linear layers alone. The backward of a layer finds the rest anew, tile by tile, in one sweep:
//! [`LayerBackward::tile`] is what happens to a tile.

use std::ops::Range;

use super::kernel::{Matrix, Room, multiply, sum_in_order, vectorised};
use super::norm::{Affine, NormBackward, Statistics, add_sums};

/// Where the parameters of a linear layer and its norm lie in a flat list. A first "layer" may be a norm alone.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// (inputs, outputs)
    pub(super) weight: Range<usize>,
    /// Empty without a bias.
    pub(super) bias: Range<usize>,
    pub(super) gamma: Range<usize>,
    pub(super) beta: Range<usize>,
}

/// Layers in the order of a flat list of parameters: weights, bias, gain and shift of each.
pub(super) fn layout(
    sizes: impl Iterator<Item = (usize, usize)>,
    has_bias: impl Fn(usize) -> bool,
) -> Vec<Layer> {
    let mut next = 0;
    let mut take = |length: usize| {
        next += length;
        next - length..next
    };
    sizes
        .enumerate()
        .map(|(index, (inputs, outputs))| Layer {
            inputs,
            outputs,
            weight: take(inputs * outputs),
            bias: take(if has_bias(index) { outputs } else { 0 }),
            gamma: take(outputs),
            beta: take(outputs),
        })
        .collect()
}

/// The norms by running moments, where all are.
pub(super) fn running(
    layers: &[Layer],
    statistics: &[Statistics],
    parameters: &[f32],
) -> Option<Vec<Affine>> {
    let norms = layers.iter().zip(statistics);
    norms
        .map(|(layer, statistics)| match statistics {
            Statistics::Batch => None,
            Statistics::Running { mean, variance } => {
                let (gamma, beta) = (&parameters[layer.gamma.clone()], &parameters[layer.beta.clone()]);
                Some(Affine::running(mean, variance, gamma, beta))
            }
        })
        .collect()
}

/// Sums over rows that the backward of a layer makes.
pub(super) struct Sums {
    pub(super) weight: Vec<f32>,
    /// Empty without a bias.
    pub(super) bias: Vec<f32>,
    /// For the norm below: of its gains, then of its shifts.
    pub(super) norm: Vec<f32>,
}

impl Sums {
    pub(super) fn none(layer: &Layer) -> Self {
        Self {
            weight: vec![0.0; layer.weight.len()],
            bias: vec![0.0; layer.bias.len()],
            norm: vec![0.0; 2 * layer.inputs],
        }
    }

    /// Of all pieces, in their order.
    pub(super) fn total(pieces: Vec<Self>, layer: &Layer) -> Self {
        let (mut weight, mut bias, mut norm) = (vec![], vec![], vec![]);
        for piece in pieces {
            weight.push(piece.weight);
            bias.push(piece.bias);
            norm.push(piece.norm);
        }
        Self {
            weight: sum_in_order(weight, layer.weight.len()),
            bias: sum_in_order(bias, layer.bias.len()),
            norm: sum_in_order(norm, 2 * layer.inputs),
        }
    }
}

/// What the backward of a linear layer and of the norm above it needs, the same for all tiles.
pub(super) struct LayerBackward<'a> {
    pub(super) norm: &'a NormBackward,
    /// The norm of this layer's outputs, and that of its inputs.
    pub(super) above: &'a Affine,
    pub(super) below: &'a Affine,
    /// (inputs, outputs)
    pub(super) weight: Matrix<'a>,
}

/// The numbers of one tile on both sides of a linear layer.
pub(super) struct Tile<'a> {
    /// What the norm above gets.
    pub(super) above: &'a [f32],
    /// What the norm below gets.
    pub(super) below: &'a [f32],
    /// What the layer gets: `below` after norm and activation.
    pub(super) finished: &'a [f32],
}

impl LayerBackward<'_> {
    /// The gradient after the norm below, from `gradient` after the norm above, which becomes that before it. `activation`
    /// multiplies rows by the derivative of the activation between norm and layer. What the tile adds to sums over rows goes to `sums`.
    #[inline(always)]
    pub(super) fn tile<'r>(
        &self,
        tile: &Tile<'_>,
        gradient: &mut [f32],
        activation: impl FnOnce(&mut [f32]),
        sums: &mut Sums,
        room: Room<'r>,
    ) -> &'r mut [f32] {
        let (inputs, outputs) = (self.weight.rows, self.weight.columns);
        vectorised(
            #[inline(always)]
            || {
                self.norm.apply(self.above, gradient, tile.above);
                if !sums.bias.is_empty() {
                    add_rows(&mut sums.bias, gradient);
                }
            },
        );
        let gradient = Matrix::new(gradient, outputs);
        let finished = Matrix::new(tile.finished, inputs);
        multiply(finished.t(), gradient, &mut sums.weight, outputs, true, 1.0);
        let lower = room.product(gradient, self.weight.t(), 1.0);
        vectorised(
            #[inline(always)]
            || {
                activation(lower);
                add_sums(&mut sums.norm, lower, tile.below, self.below);
            },
        );
        lower
    }
}

#[inline(always)]
fn add_rows(sums: &mut [f32], rows: &[f32]) {
    for row in rows.chunks_exact(sums.len()) {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += value;
        }
    }
}
