//! What the constituents of one jet are to each other, with jets padded to the longest.

use burn::tensor::activation::softmax;
use burn::tensor::{DType, Tensor};

use super::route::take;
use super::{product, same_graph};
use crate::Error;
use crate::fused::attention::Plan;
use crate::fused::from_values;
use crate::fused::gather::ZEROS;
use crate::fused::minkowski::{INVARIANTS, partners};

/// Where the rows of jets lie once each jet has as many as the longest.
struct Padding {
    jets: usize,
    length: usize,
    /// For each place the row there.
    rows: Vec<u32>,
    /// For each row its place.
    places: Vec<u32>,
}

impl Padding {
    fn new(offsets: &[usize]) -> Self {
        let jets = offsets.len() - 1;
        let length = offsets.windows(2).map(|jet| jet[1] - jet[0]).max().unwrap_or(0).max(1);
        let mut rows = vec![ZEROS; jets * length];
        let mut places = Vec::with_capacity(offsets[jets]);
        for (jet, ends) in offsets.windows(2).enumerate() {
            for row in ends[0]..ends[1] {
                let place = jet * length + row - ends[0];
                rows[place] = row as u32;
                places.push(place as u32);
            }
        }
        Self { jets, length, rows, places }
    }

    /// Whether no jet is shorter than the longest.
    fn is_full(&self) -> bool {
        self.rows.len() == self.places.len()
    }

    /// (rows, channels) to (jets, length, channels), with zeros behind each jet.
    fn pad(&self, x: Tensor<2>) -> Result<Tensor<3>, Error> {
        let [_, channels] = x.dims();
        let x = if self.is_full() { x } else { take(x, &self.rows)? };
        Ok(x.reshape([self.jets, self.length, channels]))
    }

    /// And back.
    fn unpad(&self, x: Tensor<3>) -> Result<Tensor<2>, Error> {
        let [_, _, channels] = x.dims();
        let x = x.reshape([self.jets * self.length, channels]);
        if self.is_full() { Ok(x) } else { take(x, &self.places) }
    }
}

/// The sum or mean of the rows of each jet.
pub(in crate::fused) fn pool(x: Tensor<2>, offsets: &[usize], mean: bool) -> Result<Tensor<2>, Error> {
    let sums: Tensor<2> = Padding::new(offsets).pad(x)?.sum_dim(1).squeeze_dim(1);
    if !mean {
        return Ok(sums);
    }
    let shares: Vec<f32> = offsets.windows(2).map(|jet| 1.0 / (jet[1] - jet[0]).max(1) as f32).collect();
    let jets = shares.len();
    let shares = from_values(shares, [jets, 1], &sums.device());
    Ok(sums * shares)
}

/// `softmax(q k^T / sqrt(width) + bias) v` for each jet and head. The last operand is the bias, where there is one.
pub(in crate::fused) fn attention(plan: &Plan, operands: &[Tensor<2>]) -> Result<Tensor<2>, Error> {
    /// A score that no weight is left of.
    const NONE: f32 = -1e30;
    let (queries, keys) = (Padding::new(&plan.queries), Padding::new(&plan.keys));
    let (heads, width) = (plan.heads, plan.channels / plan.heads);
    let part = |part: usize, padding: &Padding| -> Result<Tensor<4>, Error> {
        let place = plan.places[part];
        let padded = padding.pad(operands[place.array].clone().narrow(1, place.start, plan.channels))?;
        Ok(padded.reshape([padding.jets, padding.length, heads, width]).swap_dims(1, 2))
    };
    let (q, k, v) = (part(0, &queries)?, part(1, &keys)?, part(2, &keys)?);
    let mut scores = product(q, k.swap_dims(2, 3)) * plan.scale();
    if plan.bias
        && let Some(bias) = operands.last()
    {
        scores = scores + bias.clone().reshape([queries.jets, heads, queries.length, keys.length]);
    }
    if !keys.is_full() {
        let none = keys.rows.iter().map(|&row| if row == ZEROS { NONE } else { 0.0 }).collect();
        let none: Tensor<4> = from_values(none, [keys.jets, 1, 1, keys.length], &scores.device());
        scores = scores + none;
    }
    let output = product(softmax(scores, 3), v).swap_dims(1, 2);
    queries.unpad(output.reshape([queries.jets, queries.length, plan.channels]))
}

/// From (pairs, heads) to attention's bias, (jets x heads x length, length).
pub(in crate::fused) fn pair_bias(bias: Tensor<2>, offsets: &[usize]) -> Result<Tensor<2>, Error> {
    let [_, heads] = bias.dims();
    let jets = offsets.len() - 1;
    let length = offsets.windows(2).map(|jet| jet[1] - jet[0]).max().unwrap_or(0).max(1);
    let mut rows = vec![ZEROS; jets * length * length];
    let mut pair = 0;
    for (jet, ends) in offsets.windows(2).enumerate() {
        let square = &mut rows[jet * length * length..(jet + 1) * length * length];
        for i in 0..ends[1] - ends[0] {
            for j in 0..=i {
                square[i * length + j] = pair;
                square[j * length + i] = pair;
                pair += 1;
            }
        }
    }
    let squares = take(bias, &rows)?.reshape([jets, length, length, heads]).permute([0, 3, 1, 2]);
    Ok(squares.reshape([jets * heads * length, length]))
}

/// One row of `first` before the rows of `x` of each jet.
pub(in crate::fused) fn prepend(
    first: Tensor<2>,
    x: Tensor<2>,
    offsets: &[usize],
) -> Result<Tensor<2>, Error> {
    let jets = offsets.len() - 1;
    let rows: Vec<u32> = offsets
        .windows(2)
        .enumerate()
        .flat_map(|(jet, ends)| {
            std::iter::once(jet as u32).chain((ends[0]..ends[1]).map(move |row| (jets + row) as u32))
        })
        .collect();
    take(Tensor::cat(vec![first, x], 0), &rows)
}

/// `psi(|x_i - x_j|^2)` and `psi(<x_i, x_j>)` of each ordered pair of different constituents, in double precision.
pub(in crate::fused) fn invariants(x: Tensor<2>, offsets: &[usize]) -> Result<Tensor<2>, Error> {
    let pairs = || {
        offsets.windows(2).flat_map(|jet| {
            partners(jet[1] - jet[0]).map(move |(i, j)| ((jet[0] + i) as u32, (jet[0] + j) as u32))
        })
    };
    let (first, second): (Vec<u32>, Vec<u32>) = pairs().unzip();
    let (a, b) = (take(x.clone(), &first)?.cast(DType::F64), take(x, &second)?.cast(DType::F64));
    let signs: Tensor<2> = from_values(vec![-1.0, -1.0, -1.0, 1.0], [1, 4], &a.device());
    let signs = same_graph(signs.without_autodiff().cast(DType::F64), &a);
    let minkowski = |a: Tensor<2>, b: Tensor<2>| -> Tensor<2> { (a * b * signs.clone()).sum_dim(1) };
    let psi = |z: Tensor<2>| z.clone().sign() * z.abs().log1p();
    let difference = a.clone() - b.clone();
    let columns: [Tensor<2>; INVARIANTS] =
        [psi(minkowski(difference.clone(), difference)), psi(minkowski(a, b))];
    Ok(Tensor::cat(columns.to_vec(), 1).cast(DType::F32))
}
