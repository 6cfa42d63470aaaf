//! Features as bins: what trees are grown on instead of the numbers themselves.

use rayon::prelude::*;

use crate::Table;

/// The bin of missing values.
pub(crate) const MISSING: u8 = 255;

/// Features that lie next to each other in memory, at most: their histograms, 4 KiB each, fit the nearest cache.
const WIDEST: usize = 10;

/// The bin of each row in each feature.
pub(crate) struct Binned {
    pub(crate) rows: usize,
    /// Features in a block; the last block may have fewer.
    pub(crate) width: usize,
    /// Bins of shape (rows, features of the block), for each block of features.
    pub(crate) blocks: Vec<Block>,
    /// For each feature the ascending cuts between its bins: a value is in bin `b` if `b` cuts are not above it.
    pub(crate) cuts: Vec<Vec<f32>>,
}

/// Some neighbouring features.
pub(crate) struct Block {
    pub(crate) bins: Vec<u8>,
    pub(crate) width: usize,
}

impl Binned {
    /// Bins of about equal weight; `max_bins` with the one of missing values.
    pub(crate) fn new(table: &Table<'_>, weights: Option<&[f32]>, max_bins: usize) -> Self {
        let features = table.features();
        let cuts: Vec<Vec<f32>> = (0..features)
            .into_par_iter()
            .map(|feature| cuts(table, feature, weights, max_bins - 1))
            .collect();
        let width = features.div_ceil(features.div_ceil(WIDEST));
        let blocks = cuts.chunks(width).enumerate().map(|(number, cuts)| {
            let mut bins = vec![0; table.rows() * cuts.len()];
            bins.par_chunks_mut(cuts.len()).enumerate().with_min_len(1024).for_each(|(row, bins)| {
                let values = &table.row(row)[number * width..];
                for ((bin, value), cuts) in bins.iter_mut().zip(values).zip(cuts) {
                    *bin =
                        if value.is_nan() { MISSING } else { cuts.partition_point(|cut| cut <= value) as u8 };
                }
            });
            Block { bins, width: cuts.len() }
        });
        let blocks = blocks.collect();
        Self { rows: table.rows(), width, blocks, cuts }
    }
}

/// The cuts of one feature into at most `bins` bins of about equal absolute weight.
///
/// Few distinct values get a bin each. Otherwise each bin takes, from below, the weight that is left over the bins that are
/// left, so that a value which holds much of the weight has a bin of its own and the others share the rest. Rows without
/// weight have no say.
fn cuts(table: &Table<'_>, feature: usize, weights: Option<&[f32]>, bins: usize) -> Vec<f32> {
    let column = table.values().iter().skip(feature).step_by(table.features());
    // Order and weight in one word, which sorts faster than pairs.
    let mut order: Vec<u64> = column
        .enumerate()
        .map(|(row, &value)| (value, weights.map_or(1.0, |weights| weights[row].abs())))
        .filter(|&(value, weight)| !value.is_nan() && weight > 0.0)
        .map(|(value, weight)| u64::from(to_order(value)) << 32 | u64::from(weight.to_bits()))
        .collect();
    order.sort_unstable();
    let mut distinct: Vec<(f32, f64)> = Vec::new();
    for word in order {
        let value = from_order((word >> 32) as u32);
        let weight = f64::from(f32::from_bits(word as u32));
        match distinct.last_mut() {
            // -0 and 0 are one value.
            Some((last, sum)) if *last == value => *sum += weight,
            _ => distinct.push((value, weight)),
        }
    }
    let mut left: f64 = distinct.iter().map(|(_, weight)| weight).sum();
    let one_each = distinct.len() <= bins;
    let (mut cuts, mut filled) = (Vec::new(), 0.0);
    for pair in distinct.windows(2) {
        let [(value, weight), (next, next_weight)] = [pair[0], pair[1]];
        filled += weight;
        let share = left / (bins - cuts.len()) as f64;
        // Cut here if the bin is full, or if the next value alone would fill one.
        let full = filled >= share || (next_weight >= share && filled > 0.0);
        if one_each || (full && cuts.len() + 1 < bins) {
            cuts.push(between(value, next));
            left -= filled;
            filled = 0.0;
        }
    }
    cuts
}

/// A number above `low` and not above `high`, about half-way.
fn between(low: f32, high: f32) -> f32 {
    let middle = low * 0.5 + high * 0.5;
    if middle > low && middle <= high { middle } else { high }
}

/// The bits of a number, such that they sort as the numbers do.
fn to_order(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 0 { bits | 1 << 31 } else { !bits }
}

fn from_order(order: u32) -> f32 {
    f32::from_bits(if order >> 31 == 1 { order & !(1 << 31) } else { !order })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cuts_of(values: &[f32], weights: Option<&[f32]>, bins: usize) -> Vec<f32> {
        cuts(&Table::new(values, 1).unwrap(), 0, weights, bins)
    }

    #[test]
    fn few_values_have_a_bin_each() {
        assert_eq!(cuts_of(&[3.0, 1.0, f32::NAN, 1.0, 2.0], None, 255), [1.5, 2.5]);
        assert_eq!(cuts_of(&[0.0, -0.0], None, 255), [0.0; 0]);
        assert_eq!(cuts_of(&[f32::NAN], None, 255), [0.0; 0]);
        // The next number up, and the largest ones: the cut parts them nevertheless.
        let next = 1.0_f32.next_up();
        assert_eq!(cuts_of(&[1.0, next], None, 255), [next]);
        let cut = cuts_of(&[f32::MIN, f32::MAX], None, 255)[0];
        assert!(cut > f32::MIN && cut <= f32::MAX);
    }

    #[test]
    fn bins_have_equal_weight() {
        let values: Vec<f32> = (0..10_000).map(|value| value as f32).collect();
        let flat = cuts_of(&values, None, 10);
        assert_eq!(flat.len(), 9);
        assert!((flat[4] - 4999.5).abs() < 1.0, "{flat:?}");
        // The upper half weighs three times as much: 0.25 of the weight is below 5,000.
        let weights: Vec<f32> = values.iter().map(|&value| if value < 5000.0 { -1.0 } else { 3.0 }).collect();
        let weighted = cuts_of(&values, Some(&weights), 8);
        assert!((weighted[1] - 4999.5).abs() < 2.0, "{weighted:?}");
    }

    #[test]
    fn a_heavy_value_takes_one_bin() {
        let values: Vec<f32> =
            (0..10_000).map(|row| if row < 8000 { 500.5 } else { (row - 8000) as f32 }).collect();
        let cuts = cuts_of(&values, None, 100);
        assert!(cuts.len() > 90, "{}", cuts.len());
    }

    #[test]
    fn a_bin_is_the_number_of_cuts_not_above() {
        let values = [1.0, f32::NAN, 2.0, 3.0, f32::NAN, 3.0];
        let binned = Binned::new(&Table::new(&values, 1).unwrap(), None, 256);
        assert_eq!(binned.blocks[0].bins, [0, MISSING, 1, 2, MISSING, 2]);
    }
}
