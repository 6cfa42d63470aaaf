//! Attention within each jet, with one bias for each pair and head.

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::Tensor;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::dense::exp;
use super::glue::Operand;
use super::kernel::{Matrix, build, multiply, scratch, split, zeros};
use super::rows::{dot, largest, sum, with_vectors};
use super::{Array, Gradient, apply};
use crate::Error;

/// Rows `offsets[j]..offsets[j + 1]` belong to jet `j`.
pub(crate) type Offsets = Arc<Vec<usize>>;

pub(crate) fn jets_of(offsets: &[usize]) -> Vec<Range<usize>> {
    offsets.windows(2).map(|pair| pair[0]..pair[1]).collect()
}

/// `softmax(q k^T / sqrt(width) + bias) v` for each jet and head.
///
/// `q` is (queries, channels); `k` and `v` are (keys, channels); heads lie beside each other in the channels. `bias` is
/// the scores' own layout, that of [`pair_bias`](super::pair_bias::pair_bias), and needs equal queries and keys.
pub(crate) fn attention(
    [q, k, v]: [Tensor<2>; 3],
    bias: Option<Tensor<2>>,
    queries: &Offsets,
    keys: &Offsets,
    heads: usize,
) -> Result<Tensor<2>, Error> {
    let places = [0, 1, 2].map(|array| Place { array, start: 0 });
    let plan = Plan::new(heads, q.dims()[1], places, bias.is_some(), queries, keys);
    let [q, k, v] = [Operand::new(q)?, Operand::new(k)?, Operand::new(v)?];
    match bias {
        Some(bias) => plan.run([q, k, v, Operand::new(bias)?]),
        None => plan.run([q, k, v]),
    }
}

/// [`attention`] of constituents to each other, with q, k and v beside each other in `packed`, (constituents, 3 channels).
pub(crate) fn self_attention(
    packed: Tensor<2>,
    bias: Option<Tensor<2>>,
    offsets: &Offsets,
    heads: usize,
) -> Result<Tensor<2>, Error> {
    let channels = packed.dims()[1] / 3;
    let places = [0, 1, 2].map(|part| Place { array: 0, start: part * channels });
    let plan = Plan::new(heads, channels, places, bias.is_some(), offsets, offsets);
    let packed = Operand::new(packed)?;
    match bias {
        Some(bias) => plan.run([packed, Operand::new(bias)?]),
        None => plan.run([packed]),
    }
}

/// [`attention`] with k and v beside each other in `packed`, (keys, 2 channels).
pub(crate) fn cross_attention(
    q: Tensor<2>,
    packed: Tensor<2>,
    queries: &Offsets,
    keys: &Offsets,
    heads: usize,
) -> Result<Tensor<2>, Error> {
    let channels = q.dims()[1];
    let place = |array, start| Place { array, start };
    let places = [place(0, 0), place(1, 0), place(1, channels)];
    Plan::new(heads, channels, places, false, queries, keys).run([Operand::new(q)?, Operand::new(packed)?])
}

/// Where q, k or v lies: the operand, and its first column there.
#[derive(Clone, Copy, Debug)]
struct Place {
    array: usize,
    start: usize,
}

#[derive(Clone, Debug)]
struct Plan {
    heads: usize,
    channels: usize,
    /// Of q, k and v.
    places: [Place; 3],
    /// Whether the last operand is the bias.
    bias: bool,
    queries: Offsets,
    keys: Offsets,
}

impl Plan {
    fn new(
        heads: usize,
        channels: usize,
        places: [Place; 3],
        bias: bool,
        queries: &Offsets,
        keys: &Offsets,
    ) -> Self {
        let (queries, keys) = (Arc::clone(queries), Arc::clone(keys));
        Self { heads, channels, places, bias, queries, keys }
    }

    fn run<const N: usize>(self, operands: [Operand; N]) -> Result<Tensor<2>, Error> {
        apply(operands, |arrays, tracked| {
            let (output, weights) = self.forward(&arrays, tracked);
            (output, tracked.then(|| Attention { plan: self, arrays: arrays.into(), weights }))
        })
    }

    /// Where the weights of each jet lie: heads x queries x keys.
    fn weights(&self) -> Vec<Range<usize>> {
        let mut next = 0;
        let sizes = jets_of(&self.queries).into_iter().zip(jets_of(&self.keys));
        sizes
            .map(|(queries, keys)| {
                next += self.heads * queries.len() * keys.len();
                next - self.heads * queries.len() * keys.len()..next
            })
            .collect()
    }

    /// The columns of one head of q, k or v, in rows of one jet.
    #[inline(always)]
    fn head<'a>(&self, arrays: &'a [Array], part: usize, head: usize, rows: &Range<usize>) -> Matrix<'a> {
        let Place { array, start } = self.places[part];
        let (width, stride) = (self.channels / self.heads, arrays[array].columns());
        let values = &arrays[array].values()[rows.start * stride..rows.end * stride];
        Matrix::columns(values, stride, start + head * width, width)
    }

    fn scale(&self) -> f32 {
        1.0 / ((self.channels / self.heads) as f32).sqrt()
    }

    fn forward(&self, arrays: &[Array], keep: bool) -> (Array, Arc<Vec<f32>>) {
        let channels = self.channels;
        let (queries, keys) = (jets_of(&self.queries), jets_of(&self.keys));
        let places = self.weights();
        let rows = queries.last().map_or(0, |jet| jet.end);
        let mut output = zeros(rows * channels);
        let mut weights = zeros(if keep { places.last().map_or(0, |place| place.end) } else { 0 });
        let kept: Vec<&mut [f32]> = if keep {
            split(&mut weights, &places, 1)
        } else {
            places.iter().map(|_| [].as_mut_slice()).collect()
        };
        split(&mut output, &queries, channels).into_par_iter().zip(kept).enumerate().for_each(
            |(jet, (output, kept))| {
                let (queries, keys) = (&queries[jet], &keys[jet]);
                if queries.is_empty() || keys.is_empty() {
                    return;
                }
                let bias = self.bias.then(|| &arrays[arrays.len() - 1].values()[places[jet].clone()]);
                let mut work =
                    |weights: &mut [f32]| self.forward_jet(arrays, bias, queries, keys, weights, output);
                if keep { work(kept) } else { scratch(places[jet].len(), work) }
            },
        );
        (Array::new(output, [rows, channels]), Arc::new(weights))
    }

    fn forward_jet(
        &self,
        arrays: &[Array],
        bias: Option<&[f32]>,
        queries: &Range<usize>,
        keys: &Range<usize>,
        weights: &mut [f32],
        output: &mut [f32],
    ) {
        let (nq, nk, width) = (queries.len(), keys.len(), self.channels / self.heads);
        if let Some(bias) = bias {
            weights.copy_from_slice(bias);
        }
        for (head, scores) in weights.chunks_exact_mut(nq * nk).enumerate() {
            let (q, k) = (self.head(arrays, 0, head, queries), self.head(arrays, 1, head, keys));
            multiply(q, k.t(), scores, nk, bias.is_some(), self.scale());
        }
        with_vectors(Softmax { rows: weights, width: nk });
        for (head, weights) in weights.chunks_exact(nq * nk).enumerate() {
            let v = self.head(arrays, 2, head, keys);
            multiply(Matrix::new(weights, nk), v, &mut output[head * width..], self.channels, false, 1.0);
        }
    }
}

/// The softmax of each row.
struct Softmax<'a> {
    rows: &'a mut [f32],
    width: usize,
}

impl WithSimd for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for row in self.rows.chunks_exact_mut(self.width) {
            let largest = largest(simd, row);
            row.iter_mut().for_each(|value| *value = exp(*value - largest));
            let scale = 1.0 / sum(simd, row);
            row.iter_mut().for_each(|value| *value *= scale);
        }
    }
}

/// The gradient before the softmax of each row, from that after it, in its place.
struct SoftmaxBackward<'a> {
    gradients: &'a mut [f32],
    weights: &'a [f32],
    width: usize,
}

impl WithSimd for SoftmaxBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let rows = self.gradients.chunks_exact_mut(self.width);
        for (gradients, weights) in rows.zip(self.weights.chunks_exact(self.width)) {
            let sum = dot(simd, gradients, weights);
            for (gradient, weight) in gradients.iter_mut().zip(weights) {
                *gradient = weight * (*gradient - sum);
            }
        }
    }
}

#[derive(Clone, Debug)]
struct Attention {
    plan: Plan,
    arrays: Vec<Array>,
    weights: Arc<Vec<f32>>,
}

impl Attention {
    /// The gradient of each operand.
    fn backward(&self, output: &Array) -> Vec<Vec<f32>> {
        let plan = &self.plan;
        let (queries, keys) = (jets_of(&plan.queries), jets_of(&plan.keys));
        let weights = plan.weights();
        let mut gradients: Vec<Vec<f32>> =
            self.arrays.iter().map(|array| zeros(array.values().len())).collect();
        let mut jets: Vec<Vec<&mut [f32]>> = queries.iter().map(|_| Vec::new()).collect();
        for (index, (gradient, array)) in gradients.iter_mut().zip(&self.arrays).enumerate() {
            let (rows, width) = if plan.bias && index + 1 == self.arrays.len() {
                (&weights, 1)
            } else if plan.places[0].array == index {
                (&queries, array.columns())
            } else {
                (&keys, array.columns())
            };
            for (jet, part) in jets.iter_mut().zip(split(gradient, rows, width)) {
                jet.push(part);
            }
        }
        jets.into_par_iter().enumerate().for_each(|(jet, mut gradients)| {
            let bias_gradient = if plan.bias { gradients.pop() } else { None };
            let (queries, keys) = (&queries[jet], &keys[jet]);
            if queries.is_empty() || keys.is_empty() {
                return;
            }
            let output = &output.values()[queries.start * plan.channels..queries.end * plan.channels];
            let weights = &self.weights[weights[jet].clone()];
            let mut work = |scores: &mut [f32]| {
                self.backward_jet(output, weights, queries, keys, scores, &mut gradients);
            };
            // The gradient of the scores is that of the bias.
            match bias_gradient {
                Some(scores) => work(scores),
                None => scratch(weights.len(), work),
            }
        });
        gradients
    }

    fn backward_jet(
        &self,
        output: &[f32],
        weights: &[f32],
        queries: &Range<usize>,
        keys: &Range<usize>,
        all_scores: &mut [f32],
        gradients: &mut [&mut [f32]],
    ) {
        let plan = &self.plan;
        let (nq, nk, width) = (queries.len(), keys.len(), plan.channels / plan.heads);
        let mut store = |part: usize, head: usize, a: Matrix<'_>, b: Matrix<'_>, scale: f32| {
            let Place { array, start } = plan.places[part];
            let place = &mut gradients[array][start + head * width..];
            multiply(a, b, place, self.arrays[array].columns(), false, scale);
        };
        for (head, scores) in all_scores.chunks_exact_mut(nq * nk).enumerate() {
            let weights = &weights[head * nq * nk..(head + 1) * nq * nk];
            let gradient = Matrix::columns(output, plan.channels, head * width, width);
            let [q, k, v] = [(0, queries), (1, keys), (2, keys)]
                .map(|(part, rows)| plan.head(&self.arrays, part, head, rows));
            store(2, head, Matrix::new(weights, nk).t(), gradient, 1.0);
            multiply(gradient, v.t(), scores, nk, false, 1.0);
            with_vectors(SoftmaxBackward { gradients: scores, weights, width: nk });
            let scores = Matrix::new(scores, nk);
            store(0, head, scores, k, plan.scale());
            store(1, head, scores.t(), q, plan.scale());
        }
    }
}

impl<const N: usize> Gradient<N> for Attention {
    fn gradients(self, output: Array, _: [bool; N]) -> [Option<Vec<f32>>; N] {
        let mut gradients = self.backward(&output).into_iter();
        std::array::from_fn(|_| gradients.next())
    }
}

/// One row of `first`, (jets, channels), before the rows of `x` of each jet.
pub(crate) fn prepend(first: Tensor<2>, x: Tensor<2>, offsets: &Offsets) -> Result<Tensor<2>, Error> {
    apply([Operand::new(first)?, Operand::new(x)?], |[first, x], tracked| {
        let channels = first.columns();
        let jets = jets_of(offsets);
        let (output, _) = build(&with_first(&jets), channels, |jet, output| {
            let (one, many) = output.split_at_mut(channels);
            one.copy_from_slice(&first.values()[jet * channels..(jet + 1) * channels]);
            many.copy_from_slice(&x.values()[jets[jet].start * channels..jets[jet].end * channels]);
        });
        let rows = first.rows() + x.rows();
        let state = tracked.then(|| Prepend { offsets: Arc::clone(offsets), channels });
        (Array::new(output, [rows, channels]), state)
    })
}

/// The rows of each jet once it has one more.
fn with_first(jets: &[Range<usize>]) -> Vec<Range<usize>> {
    jets.iter().enumerate().map(|(jet, rows)| rows.start + jet..rows.end + jet + 1).collect()
}

#[derive(Clone, Debug)]
struct Prepend {
    offsets: Offsets,
    channels: usize,
}

impl Gradient<2> for Prepend {
    fn gradients(self, output: Array, _: [bool; 2]) -> [Option<Vec<f32>>; 2] {
        let jets = jets_of(&self.offsets);
        let places = with_first(&jets);
        let (x, first) = build(&jets, self.channels, |jet, x| {
            let gradient =
                &output.values()[places[jet].start * self.channels..places[jet].end * self.channels];
            let (one, many) = gradient.split_at(self.channels);
            x.copy_from_slice(many);
            one.to_vec()
        });
        [Some(first.concat()), Some(x)]
    }
}
