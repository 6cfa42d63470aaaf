//! One bias for each pair of constituents and head, laid out as attention adds it.

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::Tensor;

use super::attention::{Offsets, jets_of};
use super::composed;
use super::glue::Operand;
use super::kernel::build;
use super::{Array, Gradient, apply};
use crate::Error;

/// The number of unordered pairs, each constituent with itself too, up to each jet; pairs (i, j <= i) follow i, then j.
pub(crate) fn pair_offsets(offsets: &[usize]) -> Vec<usize> {
    let mut pairs = vec![0];
    for jet in offsets.windows(2) {
        let n = jet[1] - jet[0];
        pairs.push(pairs[pairs.len() - 1] + n * (n + 1) / 2);
    }
    pairs
}

/// From `bias`, (pairs, heads) in the order of [`pair_offsets`], to one number for each score of each jet: (heads, n, n)
/// of the first jet, then of the next, together (sum of n^2, heads).
///
/// All blocks of a network add the same biases: the walk over the triangle is made once, and each adds what lies in order.
pub(crate) fn pair_bias(bias: Tensor<2>, offsets: &Offsets) -> Result<Tensor<2>, Error> {
    if composed::wanted(&bias) {
        return composed::pair_bias(bias, offsets);
    }
    apply([Operand::new(bias)?], |[bias], tracked| {
        let heads = bias.columns();
        let jets = jets_of(offsets);
        let pairs = pair_offsets(offsets);
        let squares = squares(&jets);
        let (output, _) = build(&squares, heads, |jet, scores| {
            let bias = &bias.values()[pairs[jet] * heads..pairs[jet + 1] * heads];
            spread(bias, scores, jets[jet].len());
        });
        let rows = squares.last().map_or(0, |jet| jet.end);
        let state = tracked.then(|| PairBias { offsets: Arc::clone(offsets), heads });
        (Array::new(output, [rows, heads]), state)
    })
}

/// Where the scores of each jet lie, in units of the number of heads.
fn squares(jets: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut next = 0;
    jets.iter()
        .map(|jet| {
            let start = next;
            next += jet.len() * jet.len();
            start..next
        })
        .collect()
}

fn spread(bias: &[f32], scores: &mut [f32], n: usize) {
    for (head, scores) in scores.chunks_exact_mut((n * n).max(1)).enumerate() {
        let heads = bias.len() / (n * (n + 1) / 2).max(1);
        let mut pair = head;
        for i in 0..n {
            for j in 0..=i {
                scores[i * n + j] = bias[pair];
                scores[j * n + i] = bias[pair];
                pair += heads;
            }
        }
    }
}

fn gather(scores: &[f32], bias: &mut [f32], n: usize) {
    for (head, scores) in scores.chunks_exact((n * n).max(1)).enumerate() {
        let heads = bias.len() / (n * (n + 1) / 2).max(1);
        let mut pair = head;
        for i in 0..n {
            for j in 0..i {
                bias[pair] = scores[i * n + j] + scores[j * n + i];
                pair += heads;
            }
            bias[pair] = scores[i * n + i];
            pair += heads;
        }
    }
}

#[derive(Clone, Debug)]
struct PairBias {
    offsets: Offsets,
    heads: usize,
}

impl Gradient<1> for PairBias {
    fn gradients(self, output: Array, _: [bool; 1]) -> [Option<Vec<f32>>; 1] {
        let jets = jets_of(&self.offsets);
        let pairs = jets_of(&pair_offsets(&self.offsets));
        let squares = squares(&jets);
        let (gradient, _) = build(&pairs, self.heads, |jet, gradient| {
            let place = squares[jet].start * self.heads..squares[jet].end * self.heads;
            gather(&output.values()[place], gradient, jets[jet].len());
        });
        [Some(gradient)]
    }
}
