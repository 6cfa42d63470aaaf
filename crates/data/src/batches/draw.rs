//! Rows that are drawn by their weights.

use super::random::{Use, stream, uniform};

/// `count` places of `weights`, drawn with replacement, each with a probability in proportion to its absolute weight: what the seed
/// and the epoch decide, on any machine and at any number of threads. Nothing where all weights are zero.
///
/// ```
/// use fiducial_data::batches::drawn;
///
/// let places = drawn(&[0.0, 3.0, -1.0], 1000, 20, 0);
/// assert_eq!(places, drawn(&[0.0, 3.0, -1.0], 1000, 20, 0));
/// let of = |place| places.iter().filter(|drawn| **drawn == place).count();
/// assert!(of(0) == 0 && of(1) > 700 && of(2) > 200);
/// ```
pub fn drawn(weights: &[f32], count: usize, seed: u64, epoch: u64) -> Vec<u32> {
    let mut sum = 0.0;
    let mut sums = Vec::with_capacity(weights.len());
    for weight in weights {
        sum += f64::from(weight.abs());
        sums.push(sum);
    }
    let Some(last) = weights.iter().rposition(|weight| *weight != 0.0) else { return Vec::new() };
    let mut random = stream(seed, epoch, Use::Draw);
    let mut draw = |_| {
        let place = uniform(&mut random) * sum;
        sums.partition_point(|sum| *sum <= place).min(last) as u32
    };
    (0..count).map(&mut draw).collect()
}
