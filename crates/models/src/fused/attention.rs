//! Attention within each jet, with one bias for each pair and head.

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::dense::{exp, gelu as gelu_of, gelu_derivative};
use super::glue::Operand;
use super::kernel::{Matrix, TILE, build, multiply, ranges, split, vectorised};
use super::{Array, Gradient, apply};
use crate::Error;

/// Rows `offsets[j]..offsets[j + 1]` belong to jet `j`.
pub(crate) type Offsets = Arc<Vec<usize>>;

fn jets_of(offsets: &[usize]) -> Vec<Range<usize>> {
    offsets.windows(2).map(|pair| pair[0]..pair[1]).collect()
}

/// The number of unordered pairs, each constituent with itself too, up to each jet.
pub(crate) fn pair_offsets(offsets: &[usize]) -> Vec<usize> {
    let mut pairs = vec![0];
    for jet in offsets.windows(2) {
        let n = jet[1] - jet[0];
        pairs.push(pairs[pairs.len() - 1] + n * (n + 1) / 2);
    }
    pairs
}

/// The place of an unordered pair among those of its jet.
#[inline(always)]
fn pair(i: usize, j: usize) -> usize {
    let (low, high) = if i < j { (i, j) } else { (j, i) };
    high * (high + 1) / 2 + low
}

/// `softmax(q k^T / sqrt(width) + bias) v` for each jet and head.
///
/// `q` is (queries, channels); `k` and `v` are (keys, channels); heads lie beside each other in the channels. `bias` is
/// (pairs, heads) in the order of [`pair_offsets`], and needs equal queries and keys.
pub(crate) fn attention(
    [q, k, v]: [Tensor<2>; 3],
    bias: Option<Tensor<2>>,
    queries: &Offsets,
    keys: &Offsets,
    heads: usize,
) -> Result<Tensor<2>, Error> {
    let plan = Plan {
        heads,
        queries: Arc::clone(queries),
        keys: Arc::clone(keys),
        pairs: if bias.is_some() { pair_offsets(queries) } else { vec![0; queries.len()] },
    };
    let [q, k, v] = [Operand::new(q)?, Operand::new(k)?, Operand::new(v)?];
    match bias {
        Some(bias) => apply([q, k, v, Operand::new(bias)?], |[q, k, v, bias], tracked| {
            let (output, weights) = plan.forward([&q, &k, &v], Some(&bias), tracked);
            (output, tracked.then(|| Attention { plan, q, k, v, weights }))
        }),
        None => apply([q, k, v], |[q, k, v], tracked| {
            let (output, weights) = plan.forward([&q, &k, &v], None, tracked);
            (output, tracked.then(|| Attention { plan, q, k, v, weights }))
        }),
    }
}

#[derive(Clone, Debug)]
struct Plan {
    heads: usize,
    queries: Offsets,
    keys: Offsets,
    pairs: Vec<usize>,
}

impl Plan {
    /// Where the weights of each jet lie: heads x queries x keys.
    fn weights(&self) -> Vec<Range<usize>> {
        let mut next = 0;
        jets_of(&self.queries)
            .iter()
            .zip(jets_of(&self.keys))
            .map(|(queries, keys)| {
                let start = next;
                next += self.heads * queries.len() * keys.len();
                start..next
            })
            .collect()
    }

    fn forward(&self, [q, k, v]: [&Array; 3], bias: Option<&Array>, keep: bool) -> (Array, Arc<Vec<f32>>) {
        let channels = q.columns();
        let width = channels / self.heads;
        let (queries, keys) = (jets_of(&self.queries), jets_of(&self.keys));
        let places = self.weights();
        let mut output = vec![0.0; q.rows() * channels];
        let mut weights = vec![0.0; if keep { places.last().map_or(0, |place| place.end) } else { 0 }];
        let kept: Vec<&mut [f32]> = if keep {
            split(&mut weights, &places, 1)
        } else {
            places.iter().map(|_| [].as_mut_slice()).collect()
        };
        let scale = 1.0 / (width as f32).sqrt();
        split(&mut output, &queries, channels).into_par_iter().zip(kept).enumerate().for_each(
            |(jet, (output, kept))| {
                let (nq, nk) = (queries[jet].len(), keys[jet].len());
                if nq == 0 || nk == 0 {
                    return;
                }
                let q = &q.values()[queries[jet].start * channels..queries[jet].end * channels];
                let k = &k.values()[keys[jet].start * channels..keys[jet].end * channels];
                let v = &v.values()[keys[jet].start * channels..keys[jet].end * channels];
                let mut scratch = vec![0.0; if keep { 0 } else { nq * nk }];
                vectorised(|| {
                    for head in 0..self.heads {
                        let weights = if keep {
                            &mut kept[head * nq * nk..(head + 1) * nq * nk]
                        } else {
                            &mut scratch[..]
                        };
                        let column = |data| Matrix::columns(data, channels, head * width, width);
                        multiply(column(q), column(k).t(), weights, nk, false, scale);
                        if let Some(bias) = bias {
                            let bias = &bias.values()
                                [self.pairs[jet] * self.heads..self.pairs[jet + 1] * self.heads];
                            for i in 0..nq {
                                for j in 0..nk {
                                    weights[i * nk + j] += bias[pair(i, j) * self.heads + head];
                                }
                            }
                        }
                        for row in weights.chunks_exact_mut(nk) {
                            softmax(row);
                        }
                        let weights = Matrix::new(weights, nk);
                        if let Some(output) = output.get_mut(head * width..) {
                            multiply(weights, column(v), output, channels, false, 1.0);
                        }
                    }
                });
            },
        );
        (Array::new(output, [q.rows(), channels]), Arc::new(weights))
    }
}

#[inline(always)]
fn softmax(row: &mut [f32]) {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for value in &mut *row {
        *value = exp(*value - largest);
        sum += *value;
    }
    let scale = 1.0 / sum;
    row.iter_mut().for_each(|value| *value *= scale);
}

#[derive(Clone, Debug)]
struct Attention {
    plan: Plan,
    q: Array,
    k: Array,
    v: Array,
    weights: Arc<Vec<f32>>,
}

impl Attention {
    fn backward(&self, output: &Array, with_bias: bool) -> [Vec<f32>; 4] {
        let Plan { heads, queries, keys, pairs } = &self.plan;
        let heads = *heads;
        let channels = self.q.columns();
        let width = channels / heads;
        let (queries, keys) = (jets_of(queries), jets_of(keys));
        let places = self.plan.weights();
        let biases: Vec<Range<usize>> = pairs.windows(2).map(|pair| pair[0]..pair[1]).collect();
        let mut dq = vec![0.0; self.q.rows() * channels];
        let mut dk = vec![0.0; self.k.rows() * channels];
        let mut dv = vec![0.0; self.k.rows() * channels];
        let mut dbias = vec![0.0; if with_bias { pairs.last().copied().unwrap_or(0) * heads } else { 0 }];
        let scale = 1.0 / (width as f32).sqrt();
        split(&mut dq, &queries, channels)
            .into_par_iter()
            .zip(split(&mut dk, &keys, channels))
            .zip(split(&mut dv, &keys, channels))
            .zip(split(&mut dbias, &biases, heads))
            .enumerate()
            .for_each(|(jet, (((dq, dk), dv), dbias))| {
                let (nq, nk) = (queries[jet].len(), keys[jet].len());
                let rows = |array: &'_ Array, rows: &Range<usize>| {
                    rows.start * array.columns()..rows.end * array.columns()
                };
                let q = &self.q.values()[rows(&self.q, &queries[jet])];
                let gradient = &output.values()[rows(&self.q, &queries[jet])];
                let k = &self.k.values()[rows(&self.k, &keys[jet])];
                let v = &self.v.values()[rows(&self.k, &keys[jet])];
                let weights = &self.weights[places[jet].clone()];
                let mut scores = vec![0.0; nq * nk];
                if nq == 0 || nk == 0 {
                    return;
                }
                vectorised(|| {
                    for head in 0..heads {
                        let weights = &weights[head * nq * nk..(head + 1) * nq * nk];
                        let column = |data| Matrix::columns(data, channels, head * width, width);
                        let place = head * width..;
                        multiply(
                            Matrix::new(weights, nk).t(),
                            column(gradient),
                            &mut dv[place.clone()],
                            channels,
                            false,
                            1.0,
                        );
                        multiply(column(gradient), column(v).t(), &mut scores, nk, false, 1.0);
                        for (scores, weights) in scores.chunks_exact_mut(nk).zip(weights.chunks_exact(nk)) {
                            let sum: f32 =
                                scores.iter().zip(weights).map(|(score, weight)| score * weight).sum();
                            for (score, weight) in scores.iter_mut().zip(weights) {
                                *score = weight * (*score - sum);
                            }
                        }
                        if !dbias.is_empty() {
                            for i in 0..nq {
                                for j in 0..nk {
                                    dbias[pair(i, j) * heads + head] += scores[i * nk + j];
                                }
                            }
                        }
                        let scores = Matrix::new(&scores, nk);
                        multiply(scores, column(k), &mut dq[place.clone()], channels, false, scale);
                        multiply(scores.t(), column(q), &mut dk[place], channels, false, scale);
                    }
                });
            });
        [dq, dk, dv, dbias]
    }
}

impl Gradient<4> for Attention {
    fn gradients(self, output: Array, _: [bool; 4]) -> [Option<Vec<f32>>; 4] {
        self.backward(&output, true).map(Some)
    }
}

impl Gradient<3> for Attention {
    fn gradients(self, output: Array, _: [bool; 3]) -> [Option<Vec<f32>>; 3] {
        let [dq, dk, dv, _] = self.backward(&output, false);
        [Some(dq), Some(dk), Some(dv)]
    }
}

/// One row of `first`, (jets, channels), before the rows of `x` of each jet.
pub(crate) fn prepend(first: Tensor<2>, x: Tensor<2>, offsets: &Offsets) -> Result<Tensor<2>, Error> {
    apply([Operand::new(first)?, Operand::new(x)?], |[first, x], tracked| {
        let channels = first.columns();
        let mut output = Vec::with_capacity(first.values().len() + x.values().len());
        for (jet, rows) in jets_of(offsets).into_iter().enumerate() {
            output.extend_from_slice(&first.values()[jet * channels..(jet + 1) * channels]);
            output.extend_from_slice(&x.values()[rows.start * channels..rows.end * channels]);
        }
        let rows = first.rows() + x.rows();
        let state = tracked.then(|| Prepend { offsets: Arc::clone(offsets), channels });
        (Array::new(output, [rows, channels]), state)
    })
}

#[derive(Clone, Debug)]
struct Prepend {
    offsets: Offsets,
    channels: usize,
}

impl Gradient<2> for Prepend {
    fn gradients(self, output: Array, _: [bool; 2]) -> [Option<Vec<f32>>; 2] {
        let (mut first, mut x) = (Vec::new(), Vec::new());
        let mut rest = output.values();
        for rows in jets_of(&self.offsets) {
            let (one, later) = rest.split_at(self.channels);
            let (many, later) = later.split_at(rows.len() * self.channels);
            first.extend_from_slice(one);
            x.extend_from_slice(many);
            rest = later;
        }
        [Some(first), Some(x)]
    }
}

/// x Phi(x) of each number.
pub(crate) fn gelu(x: Tensor<2>) -> Result<Tensor<2>, Error> {
    apply([Operand::new(x)?], |[x], tracked| {
        let shape = [x.rows(), x.columns()];
        let tiles = ranges(x.rows(), TILE);
        let (output, _) = build(&tiles, shape[1], |tile, output| {
            let x = &x.values()[tiles[tile].start * shape[1]..tiles[tile].end * shape[1]];
            vectorised(|| {
                for (output, x) in output.iter_mut().zip(x) {
                    *output = gelu_of(*x);
                }
            });
        });
        (Array::new(output, shape), tracked.then_some(Gelu { x }))
    })
}

#[derive(Clone, Debug)]
struct Gelu {
    x: Array,
}

impl Gradient<1> for Gelu {
    fn gradients(self, output: Array, _: [bool; 1]) -> [Option<Vec<f32>>; 1] {
        let columns = self.x.columns();
        let tiles = ranges(self.x.rows(), TILE);
        let (dx, _) = build(&tiles, columns, |tile, dx| {
            let place = tiles[tile].start * columns..tiles[tile].end * columns;
            let (x, gradient) = (&self.x.values()[place.clone()], &output.values()[place]);
            vectorised(|| {
                for ((dx, x), gradient) in dx.iter_mut().zip(x).zip(gradient) {
                    *dx = gradient * gelu_derivative(*x);
                }
            });
        });
        [Some(dx)]
    }
}
