//! Sums of gradients over bins, and the best split in them.
//!
//! Gradients are whole numbers: a round's first and second derivatives, scaled to 31 bits. Their sums are exact in 64 bits, so
//! that no order of summation, and so no number of threads, changes a tree; and a sibling's histogram, by subtraction, is what
//! counting would have given.

use rayon::prelude::*;

use crate::Config;
use crate::bins::{Binned, Block, MISSING};

/// The scaled first and second derivative of a row.
pub(crate) type Gradient = [i32; 2];
/// Their sums.
pub(crate) type Sum = [i64; 2];
/// The sums of a feature, for each of its bins.
pub(crate) type Histogram = [Sum; 256];

/// What [`Gradient`]s are to be multiplied by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    pub(crate) first: f64,
    pub(crate) second: f64,
}

impl Scale {
    /// Derivatives as whole numbers of at most 30 bits and a sign. The scale is a power of two.
    pub(crate) fn quantise(derivatives: &[[f32; 2]], into: &mut [Gradient]) -> Self {
        const CHUNK: usize = 8192;
        let largest = derivatives
            .par_chunks(CHUNK)
            .map(|chunk| {
                chunk.iter().fold([0_f32; 2], |max, pair| [0, 1].map(|at| max[at].max(pair[at].abs())))
            })
            .reduce(|| [0.0; 2], |a, b| [a[0].max(b[0]), a[1].max(b[1])]);
        let exponent = largest
            .map(|largest| if largest > 0.0 { 29 - f64::from(largest).log2().floor() as i32 } else { 0 });
        let [first, second] = exponent.map(|exponent| 2.0_f64.powi(exponent));
        into.par_chunks_mut(CHUNK).zip(derivatives.par_chunks(CHUNK)).for_each(|(into, derivatives)| {
            for (into, pair) in into.iter_mut().zip(derivatives) {
                *into = [to_whole(f64::from(pair[0]) * first), to_whole(f64::from(pair[1]) * second)];
            }
        });
        Self { first: 1.0 / first, second: 1.0 / second }
    }

    /// The sums in the units of the derivatives.
    #[inline]
    pub(crate) fn apply(self, sum: Sum) -> [f64; 2] {
        [sum[0] as f64 * self.first, sum[1] as f64 * self.second]
    }
}

/// The nearest whole number, of two the even one: adding so much leaves no bits behind the point. As
/// `value.round_ties_even()`, which calls a function where the processor is not known to have an instruction for it.
#[inline(always)]
fn to_whole(value: f64) -> i32 {
    const NO_FRACTION: f64 = 1.5 * (1_u64 << 52) as f64;
    ((value + NO_FRACTION) - NO_FRACTION) as i32
}

/// A histogram to be filled from some rows.
pub(crate) struct Order<'a> {
    pub(crate) rows: &'a [u32],
    /// One for each feature, all zero.
    pub(crate) into: &'a mut [Histogram],
}

/// The fewest rows that are worth a task of their own.
const FEWEST: usize = 16_384;

/// Fills the histograms of some features (their places, ascending), in parallel over nodes, blocks of features and, where that
/// leaves threads idle, rows.
pub(crate) fn fill(orders: Vec<Order<'_>>, binned: &Binned, gradients: &[Gradient], features: &[usize]) {
    let mut wanted: Vec<Vec<usize>> = vec![Vec::new(); binned.blocks.len()];
    for feature in features {
        wanted[feature / binned.width].push(feature % binned.width);
    }
    let tasks: Vec<_> = orders
        .into_iter()
        .flat_map(|order| {
            let blocks = order.into.chunks_mut(binned.width).zip(&binned.blocks).zip(&wanted);
            blocks.map(move |((into, block), wanted)| (order.rows, into, (block, wanted.as_slice())))
        })
        .collect();
    let share = rayon::current_num_threads().div_ceil(tasks.len().max(1));
    tasks.into_par_iter().for_each(|(rows, into, block)| {
        let length = rows.len().div_ceil(share).max(FEWEST);
        if rows.len() <= length {
            return add(rows, into, block, gradients);
        }
        let parts: Vec<Vec<Histogram>> = rows
            .par_chunks(length)
            .map(|rows| {
                let mut part = vec![[[0; 2]; 256]; into.len()];
                add(rows, &mut part, block, gradients);
                part
            })
            .collect();
        for part in parts {
            for (into, part) in into.as_flattened_mut().iter_mut().zip(part.as_flattened()) {
                *into = [into[0] + part[0], into[1] + part[1]];
            }
        }
    });
}

fn add(rows: &[u32], into: &mut [Histogram], (block, wanted): (&Block, &[usize]), gradients: &[Gradient]) {
    let width = block.width;
    if wanted.len() < width {
        for &row in rows {
            let row = row as usize;
            let [first, second] = gradients[row].map(i64::from);
            let bins = &block.bins[row * width..][..width];
            for &feature in wanted {
                let sum = &mut into[feature][usize::from(bins[feature])];
                *sum = [sum[0] + first, sum[1] + second];
            }
        }
        return;
    }
    for &row in rows {
        let row = row as usize;
        let [first, second] = gradients[row].map(i64::from);
        let bins = &block.bins[row * width..][..width];
        for (histogram, &bin) in into.iter_mut().zip(bins) {
            let sum = &mut histogram[usize::from(bin)];
            *sum = [sum[0] + first, sum[1] + second];
        }
    }
}

/// Turns the histograms of a node into those of one child, given those of the other.
pub(crate) fn subtract(node: &mut [Histogram], child: &[Histogram]) {
    for (node, child) in node.as_flattened_mut().iter_mut().zip(child.as_flattened()) {
        *node = [node[0] - child[0], node[1] - child[1]];
    }
}

/// A split that is worth its while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Split {
    pub(crate) gain: f64,
    pub(crate) feature: usize,
    /// Rows in this bin and below go left.
    pub(crate) bin: u8,
    pub(crate) missing_left: bool,
    /// The sums of the left child.
    pub(crate) left: Sum,
}

/// The best split of a node on one feature.
///
/// Missing values are tried on both sides. Where there are none at the node, those to come go to the heavier side.
pub(crate) fn best_split(
    histogram: &Histogram,
    feature: usize,
    cuts: usize,
    total: Sum,
    (config, scale): (&Config, Scale),
) -> Option<Split> {
    let score = |sum: Sum| {
        let [first, second] = scale.apply(sum);
        first * first / (second + config.lambda)
    };
    let heavy = |sum: Sum| {
        let second = scale.apply(sum)[1];
        second >= config.min_child_weight && second + config.lambda > 0.0
    };
    let missing = histogram[usize::from(MISSING)];
    let some_missing = missing != [0, 0];
    // What makes no difference beyond rounding is no gain; the bound is XGBoost's.
    let least = config.gamma.max(1e-6);
    let whole = score(total);
    let mut best: Option<Split> = None;
    // Behind the last cut lies the split of all values from missing ones.
    let last = if some_missing { cuts + 1 } else { cuts };
    let starts: &[Sum] = if some_missing { &[[0, 0], missing] } else { &[[0, 0]] };
    for (pass, &start) in starts.iter().enumerate() {
        let mut left = start;
        for (bin, &sum) in histogram[..last].iter().enumerate() {
            if sum == [0, 0] {
                // The same rows part as at the bin before.
                continue;
            }
            left = [left[0] + sum[0], left[1] + sum[1]];
            let right = [total[0] - left[0], total[1] - left[1]];
            if !heavy(left) || !heavy(right) {
                continue;
            }
            let gain = score(left) + score(right) - whole;
            if gain > best.map_or(least, |best| best.gain) {
                let missing_left = if some_missing { pass == 1 } else { left[1] >= right[1] };
                best = Some(Split { gain, feature, bin: bin as u8, missing_left, left });
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_the_nearest() {
        for value in [0.0, 0.5, 1.5, 2.5, -0.5, -1.5, 0.49, -0.51, 536_870_911.5, -1_073_741_823.2] {
            assert_eq!(to_whole(value), f64::round_ties_even(value) as i32, "{value}");
        }
    }

    #[test]
    fn derivatives_keep_thirty_bits() {
        let derivatives = [[0.3, 0.25], [-0.7, 1e-9], [0.0, 0.0]];
        let mut whole = [[0; 2]; 3];
        let scale = Scale::quantise(&derivatives, &mut whole);
        for (derivative, whole) in derivatives.iter().zip(whole) {
            let back = scale.apply(whole.map(i64::from));
            assert!((back[0] - f64::from(derivative[0])).abs() < 2e-9, "{back:?} {derivative:?}");
            assert!((back[1] - f64::from(derivative[1])).abs() < 2e-9, "{back:?} {derivative:?}");
        }
        assert_eq!(Scale::quantise(&[[0.0; 2]], &mut [[0; 2]]).first, 1.0);
    }
}
