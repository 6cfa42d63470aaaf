//! Attention within each jet, with one bias for each pair and head.

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::Tensor;
use pulp::{Simd, WithSimd};

use super::composed;
use super::dense::exp;
use super::glue::Operand;
use super::kernel::{Matrix, Room, build, fill_columns, fill_several, multiply, ranges, scratch};
use super::rows::{dot, largest, sum, with_vectors};
use super::{Array, Gradient, apply};
use crate::Error;

/// Rows `offsets[j]..offsets[j + 1]` belong to jet `j`.
pub(crate) type Offsets = Arc<Vec<usize>>;

pub(crate) fn jets_of(offsets: &[usize]) -> Vec<Range<usize>> {
    offsets.windows(2).map(|pair| pair[0]..pair[1]).collect()
}

/// `softmax(q k^T / sqrt(width) + bias) v` of the constituents of each jet to each other, for each head.
///
/// `packed` has q, k and v beside each other, (constituents, 3 channels), and heads lie beside each other in the channels of
/// each. `bias` is the scores' own layout, that of [`pair_bias`](super::pair_bias::pair_bias). (On a GPU it has another.)
pub(crate) fn self_attention(
    packed: Tensor<2>,
    bias: Option<Tensor<2>>,
    offsets: &Offsets,
    heads: usize,
) -> Result<Tensor<2>, Error> {
    let channels = packed.dims()[1] / 3;
    let places = [0, 1, 2].map(|part| Place { array: 0, start: part * channels });
    let plan = Plan::new(heads, channels, places, bias.is_some(), offsets, offsets);
    match bias {
        Some(bias) => plan.run([packed, bias]),
        None => plan.run([packed]),
    }
}

/// [`self_attention`], but of queries, (queries, channels), to keys, with k and v beside each other in `packed`, (keys, 2 channels).
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
    Plan::new(heads, channels, places, false, queries, keys).run([q, packed])
}

/// Where q, k or v lies: the operand, and its first column there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) array: usize,
    pub(super) start: usize,
}

/// Which columns of which operands are q, k and v, and which rows belong to which jet.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) heads: usize,
    pub(super) channels: usize,
    /// Of q, k and v.
    pub(super) places: [Place; 3],
    /// Whether the last operand is the bias.
    pub(super) bias: bool,
    pub(super) queries: Offsets,
    pub(super) keys: Offsets,
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

    fn run<const N: usize>(self, operands: [Tensor<2>; N]) -> Result<Tensor<2>, Error> {
        if operands.first().is_some_and(composed::wanted) {
            return composed::attention(&self, &operands);
        }
        let operands: Vec<_> = operands.into_iter().map(Operand::new).collect::<Result<_, _>>()?;
        let operands: [Operand; N] =
            operands.try_into().map_err(|_| Error::Backend("an operand was lost".to_owned()))?;
        apply(operands, |arrays, tracked| {
            let (output, weights) = self.forward(&arrays, tracked);
            (output, tracked.then(|| Attention { plan: self, arrays, weights }))
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

    pub(super) fn scale(&self) -> f32 {
        1.0 / ((self.channels / self.heads) as f32).sqrt()
    }

    fn forward(&self, arrays: &[Array], keep: bool) -> (Array, Arc<Vec<f32>>) {
        let channels = self.channels;
        let (queries, places) = (jets_of(&self.queries), self.weights());
        let rows = queries.last().map_or(0, |jet| jet.end);
        let (output, weights) = if keep {
            let ([output, weights], _) =
                fill_several([&queries, &places], [channels, 1], |jet, [output, room]| {
                    let output = output.zeros();
                    let weights = self.weights_of(arrays, jet, &places[jet], room);
                    self.mix(arrays, jet, weights, output);
                    ([output, weights], ())
                });
            (output, weights)
        } else if let [place] = &places[..] {
            (self.forward_jet(arrays, rows, place), Vec::new())
        } else {
            let (output, _) = build(&queries, channels, |jet, output| {
                scratch(places[jet].len(), |weights| {
                    let weights = self.weights_of(arrays, jet, &places[jet], Room::of(weights));
                    self.mix(arrays, jet, weights, output);
                });
            });
            (output, Vec::new())
        };
        (Array::new(output, [rows, channels]), Arc::new(weights))
    }

    /// The rows of one jet: of its queries and of its keys.
    fn rows(&self, jet: usize) -> (Range<usize>, Range<usize>) {
        (self.queries[jet]..self.queries[jet + 1], self.keys[jet]..self.keys[jet + 1])
    }

    /// The output for a batch of one jet, whose heads are spread over the threads.
    fn forward_jet(&self, arrays: &[Array], rows: usize, place: &Range<usize>) -> Vec<f32> {
        let (queries, keys) = self.rows(0);
        if queries.is_empty() || keys.is_empty() {
            return vec![0.0; rows * self.channels];
        }
        let columns = ranges(self.channels, self.channels / self.heads);
        fill_columns(rows, self.channels, &columns, |head, room| {
            scratch(place.len() / self.heads, |weights| {
                let weights = self.weights_of_head(arrays, 0, head, place, Room::of(weights));
                room.product(Matrix::new(weights, keys.len()), self.head(arrays, 2, head, &keys), 1.0)
            })
        })
    }

    /// The attention weights of one jet, (heads, queries, keys).
    fn weights_of<'a>(
        &self,
        arrays: &[Array],
        jet: usize,
        place: &Range<usize>,
        room: Room<'a>,
    ) -> &'a mut [f32] {
        let size = place.len() / self.heads;
        room.tiles(size, |head, room| self.weights_of_head(arrays, jet, head, place, room))
    }

    /// The attention weights of one head of a jet, (queries, keys); those of all heads lie at `place`.
    fn weights_of_head<'a>(
        &self,
        arrays: &[Array],
        jet: usize,
        head: usize,
        place: &Range<usize>,
        room: Room<'a>,
    ) -> &'a mut [f32] {
        let (queries, keys) = self.rows(jet);
        let size = queries.len() * keys.len();
        let (q, k) = (self.head(arrays, 0, head, &queries), self.head(arrays, 1, head, &keys).t());
        let weights = if self.bias {
            let start = place.start + head * size;
            let weights = room.copy(&arrays[arrays.len() - 1].values()[start..start + size]);
            multiply(q, k, weights, keys.len(), true, self.scale());
            weights
        } else {
            room.product(q, k, self.scale())
        };
        with_vectors(Softmax { rows: weights, width: keys.len() });
        weights
    }

    /// The values of one jet under its weights.
    fn mix(&self, arrays: &[Array], jet: usize, weights: &[f32], output: &mut [f32]) {
        let (queries, keys) = self.rows(jet);
        let width = self.channels / self.heads;
        for (head, weights) in weights.chunks_exact((queries.len() * keys.len()).max(1)).enumerate() {
            let v = self.head(arrays, 2, head, &keys);
            let weights = Matrix::new(weights, keys.len());
            multiply(weights, v, &mut output[head * width..], self.channels, false, 1.0);
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
        for row in self.rows.chunks_exact_mut(self.width.max(1)) {
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
struct Attention<const N: usize> {
    plan: Plan,
    arrays: [Array; N],
    weights: Arc<Vec<f32>>,
}

impl<const N: usize> Attention<N> {
    /// The gradient of each operand.
    fn backward(&self, output: &Array) -> [Vec<f32>; N] {
        let plan = &self.plan;
        let (queries, keys) = (jets_of(&plan.queries), jets_of(&plan.keys));
        let weights = plan.weights();
        let bias = |index: usize| plan.bias && index + 1 == N;
        let parts: [&[Range<usize>]; N] = std::array::from_fn(|index| match index {
            _ if bias(index) => &weights[..],
            _ if plan.places[0].array == index => &queries,
            _ => &keys,
        });
        let widths = std::array::from_fn(|index| if bias(index) { 1 } else { self.arrays[index].columns() });
        let (gradients, _) = fill_several(parts, widths, |jet, rooms| {
            let mut gradients = rooms.map(Room::zeros);
            let (queries, keys) = (&queries[jet], &keys[jet]);
            if !queries.is_empty() && !keys.is_empty() {
                let output = &output.values()[queries.start * plan.channels..queries.end * plan.channels];
                let weights = &self.weights[weights[jet].clone()];
                // The gradient of the scores is that of the bias.
                match gradients.split_last_mut() {
                    Some((scores, rest)) if plan.bias => {
                        self.backward_jet(output, weights, queries, keys, scores, rest);
                    }
                    _ => scratch(weights.len(), |scores| {
                        self.backward_jet(output, weights, queries, keys, scores, &mut gradients);
                    }),
                }
            }
            (gradients, ())
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

impl<const N: usize> Gradient<N> for Attention<N> {
    fn gradients(self, output: Array, _: [bool; N]) -> [Option<Vec<f32>>; N] {
        self.backward(&output).map(Some)
    }
}

/// One row of `first`, (jets, channels), before the rows of `x` of each jet.
pub(crate) fn prepend(first: Tensor<2>, x: Tensor<2>, offsets: &Offsets) -> Result<Tensor<2>, Error> {
    if composed::wanted(&x) {
        return composed::prepend(first, x, offsets);
    }
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
