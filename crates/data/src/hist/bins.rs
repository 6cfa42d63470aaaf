//! Numbers to bins, and what the bins hold.

use fiducial_root::Axis;

use crate::expr::vectorised;

/// Entries that are worked on together: their places stay in the first-level cache.
const BLOCK: usize = 512;

/// Sums that are kept side by side, so that each is an instruction on whole vectors, and added up in order for each block.
const LANES: usize = 8;

/// Added to a small whole number, it leaves that in the lowest bits: 2^52.
const WHOLE: f64 = (1u64 << 52) as f64;

/// The place of what is not a number.
const NOWHERE: u32 = u32::MAX;

/// Finds the bin of a number.
#[derive(Debug, Clone)]
pub(super) enum Finder {
    Regular { bins: f64, lower: f64, width: f64 },
    Variable(Vec<f64>),
}

impl Finder {
    pub(super) fn new(axis: &Axis) -> Self {
        match &axis.edges {
            None => {
                Self::Regular { bins: axis.bins as f64, lower: axis.lower, width: axis.upper - axis.lower }
            }
            Some(edges) => Self::Variable(edges.clone()),
        }
    }

    /// The places of numbers among `bins + 2`: 0 for the underflow, the last for the overflow, and [`NOWHERE`]. A number on an edge
    /// belongs to the bin above.
    fn places(&self, x: &[f64], out: &mut [u32]) {
        match self {
            Self::Regular { bins, lower, width } => {
                vectorised(
                    #[inline(always)]
                    || regular(x, out, *bins, *lower, *width),
                );
            }
            Self::Variable(edges) => {
                for (place, x) in out.iter_mut().zip(x) {
                    let below = edges.partition_point(|edge| edge <= x) as u32;
                    *place = if x.is_nan() { NOWHERE } else { below };
                }
            }
        }
    }
}

/// Every number takes the same steps: the loop becomes vector instructions.
#[inline(always)]
fn regular(x: &[f64], out: &mut [u32], bins: f64, lower: f64, width: f64) {
    for (place, &x) in out.iter_mut().zip(x) {
        let part = (x - lower) / width;
        // Rounding may reach the number of bins below 1.
        let within = (part * bins).trunc().min(bins - 1.0) + 1.0;
        let found = if part >= 1.0 { bins + 1.0 } else { within };
        let found = if part >= 0.0 { found } else { 0.0 };
        // A conversion that must know of numbers beyond 2^32 is done one at a time.
        *place = if part.is_nan() { NOWHERE } else { (found + WHOLE).to_bits() as u32 };
    }
}

/// The bins of a histogram and its sums over entries within range, as ROOT keeps them.
#[derive(Debug, Clone)]
pub(super) struct Bins {
    finders: Vec<Finder>,
    /// Bins of the last axis, flow bins included.
    stride: usize,
    pub(super) values: Vec<f64>,
    /// Empty without weights.
    pub(super) squares: Vec<f64>,
    pub(super) entries: u64,
    pub(super) nan: u64,
    /// w, w², wx, wx², and for two axes wy, wy², wxy.
    pub(super) sums: Vec<f64>,
}

impl Bins {
    pub(super) fn new(axes: &[&Axis], has_weights: bool) -> Self {
        let size = axes.iter().map(|axis| axis.bins + 2).product();
        Self {
            finders: axes.iter().map(|axis| Finder::new(axis)).collect(),
            stride: axes.last().map_or(1, |axis| axis.bins + 2),
            values: vec![0.0; size],
            squares: vec![0.0; if has_weights { size } else { 0 }],
            entries: 0,
            nan: 0,
            sums: vec![0.0; if axes.len() == 1 { 4 } else { 7 }],
        }
    }

    /// Adds entries with one coordinate.
    pub(super) fn fill_1d(&mut self, x: &[f64], weights: Option<&[f64]>) {
        let (finder, last) = (self.finders[0].clone(), self.values.len() as u32 - 1);
        let (mut places, ones) = ([0; BLOCK], [1.0; BLOCK]);
        for (i, x) in x.chunks(BLOCK).enumerate() {
            let weights = weights.map(|weights| &weights[i * BLOCK..][..x.len()]);
            let places = &mut places[..x.len()];
            finder.places(x, places);
            self.count(places, weights);
            let weights = weights.unwrap_or(&ones[..x.len()]);
            self.add_sums(vectorised(
                #[inline(always)]
                || sums_1d(x, weights, places, last),
            ));
        }
    }

    /// Adds entries with two coordinates.
    pub(super) fn fill_2d(&mut self, x: &[f64], y: &[f64], weights: Option<&[f64]>) {
        let finders = self.finders.clone();
        let stride = self.stride as u32;
        let lasts = [self.values.len() as u32 / stride - 1, stride - 1];
        let (mut places, mut rows, mut columns, ones) = ([0; BLOCK], [0; BLOCK], [0; BLOCK], [1.0; BLOCK]);
        for (i, (x, y)) in x.chunks(BLOCK).zip(y.chunks(BLOCK)).enumerate() {
            let weights = weights.map(|weights| &weights[i * BLOCK..][..x.len()]);
            let (rows, columns) = (&mut rows[..x.len()], &mut columns[..x.len()]);
            finders[0].places(x, rows);
            finders[1].places(y, columns);
            let places = &mut places[..x.len()];
            for (place, (&row, &column)) in places.iter_mut().zip(rows.iter().zip(&*columns)) {
                *place = if row == NOWHERE || column == NOWHERE { NOWHERE } else { row * stride + column };
            }
            self.count(places, weights);
            let weights = weights.unwrap_or(&ones[..x.len()]);
            self.add_sums(vectorised(
                #[inline(always)]
                || sums_2d([x, y, weights], [rows, columns], lasts),
            ));
        }
    }

    /// Adds entries to the bins at some places.
    fn count(&mut self, places: &[u32], weights: Option<&[f64]>) {
        let Some(weights) = weights else {
            for &place in places {
                match self.values.get_mut(place as usize) {
                    Some(value) => *value += 1.0,
                    None => self.nan += 1,
                }
            }
            self.entries += places.iter().filter(|place| **place != NOWHERE).count() as u64;
            return;
        };
        for (&place, &weight) in places.iter().zip(weights) {
            match (self.values.get_mut(place as usize), self.squares.get_mut(place as usize)) {
                (Some(value), Some(square)) if !weight.is_nan() => {
                    *value += weight;
                    *square += weight * weight;
                    self.entries += 1;
                }
                _ => self.nan += 1,
            }
        }
    }

    fn add_sums<const N: usize>(&mut self, sums: [f64; N]) {
        self.sums.iter_mut().zip(sums).for_each(|(sum, of_block)| *sum += of_block);
    }

    /// Adds what others hold.
    pub(super) fn merge(&mut self, other: &Self) {
        let add = |ours: &mut Vec<f64>, theirs: &[f64]| {
            ours.iter_mut().zip(theirs).for_each(|(ours, theirs)| *ours += theirs);
        };
        add(&mut self.values, &other.values);
        add(&mut self.squares, &other.squares);
        add(&mut self.sums, &other.sums);
        self.entries += other.entries;
        self.nan += other.nan;
    }
}

/// Whether a place is that of a bin: neither underflow nor overflow, nor [`NOWHERE`].
#[inline(always)]
fn within(place: u32, last: u32) -> bool {
    place.wrapping_sub(1) < last - 1
}

/// w, w², wx and wx² of the entries inside, summed. All sums are taken in one walk over the entries: arrays of what is inside, made
/// before, were copied more often than they were added up. Chunks and lanes are counted, since adapters of iterators and of arrays
/// stay calls here.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "loops over places become vector instructions")]
fn sums_1d(x: &[f64], weights: &[f64], places: &[u32], last: u32) -> [f64; 4] {
    let mut sums = [[0.0; LANES]; 4];
    let ([xs, ws], ps) = ([x.as_chunks::<LANES>().0, weights.as_chunks().0], places.as_chunks::<LANES>().0);
    for chunk in 0..xs.len() {
        let (x, weights, places) = (&xs[chunk], &ws[chunk], &ps[chunk]);
        for lane in 0..LANES {
            add_1d(&mut sums, lane, x[lane], weights[lane], within(places[lane], last));
        }
    }
    for entry in LANES * xs.len()..x.len() {
        add_1d(&mut sums, entry % LANES, x[entry], weights[entry], within(places[entry], last));
    }
    sums.map(|lanes| lanes.iter().sum())
}

/// w, w², wx, wx², wy, wy² and wxy of the entries inside, summed as in [`sums_1d`]: of x, y and the weights, and of the places on both
/// axes.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "loops over places become vector instructions")]
fn sums_2d([x, y, weights]: [&[f64]; 3], [rows, columns]: [&[u32]; 2], lasts: [u32; 2]) -> [f64; 7] {
    let mut sums = [[0.0; LANES]; 7];
    let (xs, ys, ws) = (x.as_chunks::<LANES>().0, y.as_chunks::<LANES>().0, weights.as_chunks::<LANES>().0);
    let (rs, cs) = (rows.as_chunks::<LANES>().0, columns.as_chunks::<LANES>().0);
    for chunk in 0..xs.len() {
        let (x, y, weights) = (&xs[chunk], &ys[chunk], &ws[chunk]);
        let (rows, columns) = (&rs[chunk], &cs[chunk]);
        for lane in 0..LANES {
            let inside = within(rows[lane], lasts[0]) & within(columns[lane], lasts[1]);
            add_2d(&mut sums, lane, [x[lane], y[lane]], weights[lane], inside);
        }
    }
    for entry in LANES * xs.len()..x.len() {
        let inside = within(rows[entry], lasts[0]) & within(columns[entry], lasts[1]);
        add_2d(&mut sums, entry % LANES, [x[entry], y[entry]], weights[entry], inside);
    }
    sums.map(|lanes| lanes.iter().sum())
}

#[inline(always)]
fn add_1d(sums: &mut [[f64; LANES]; 4], lane: usize, x: f64, weight: f64, inside: bool) {
    let counts = inside & !weight.is_nan();
    let (w, x) = (chosen(weight, counts), chosen(x, counts));
    sums[0][lane] += w;
    sums[1][lane] += w * w;
    sums[2][lane] += w * x;
    sums[3][lane] += w * x * x;
}

#[inline(always)]
fn add_2d(sums: &mut [[f64; LANES]; 7], lane: usize, [x, y]: [f64; 2], weight: f64, inside: bool) {
    let counts = inside & !weight.is_nan();
    let (w, x, y) = (chosen(weight, counts), chosen(x, counts), chosen(y, counts));
    let (wx, wy) = (w * x, w * y);
    sums[0][lane] += w;
    sums[1][lane] += w * w;
    sums[2][lane] += wx;
    sums[3][lane] += wx * x;
    sums[4][lane] += wy;
    sums[5][lane] += wy * y;
    sums[6][lane] += wx * y;
}

/// A number of an entry that counts, and 0 of others.
#[inline(always)]
fn chosen(number: f64, counts: bool) -> f64 {
    if counts { number } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_belong_to_the_bin_above() {
        let regular = Finder::new(&Axis::regular("", 4, 0.0, 2.0));
        let variable = Finder::new(&Axis::variable("", vec![0.0, 0.5, 1.0, 1.5, 2.0]));
        for (x, place) in [
            (f64::NEG_INFINITY, 0),
            (-1e-300, 0),
            (0.0, 1),
            (0.5f64.next_down(), 1),
            (0.5, 2),
            (1.999, 4),
            (2.0f64.next_down(), 4),
            (2.0, 5),
            (f64::INFINITY, 5),
            (f64::NAN, NOWHERE),
        ] {
            let places = [&regular, &variable].map(|finder| {
                let mut place = [7];
                finder.places(&[x], &mut place);
                place[0]
            });
            assert_eq!(places, [place, place], "{x}");
        }
    }

    #[test]
    fn sums_are_of_the_entries_in_range() {
        // More than a block, and no whole number of lanes.
        let x: Vec<f64> = (0..1003).map(|i| (f64::from(i) * 0.37).sin() * 3.0).collect();
        let mut weights: Vec<f64> = (0..1003).map(|i| 0.5 + f64::from(i % 7)).collect();
        let y: Vec<f64> = x.iter().map(|x| x * x - 1.0).collect();
        weights[600] = f64::NAN;
        let (axis, other) = (Axis::regular("", 8, -2.0, 2.5), Axis::variable("", vec![-0.5, 0.0, 1.0, 4.0]));
        let within = |v: f64, low: f64, high: f64| (low..high).contains(&v);
        let mut one = Bins::new(&[&axis], true);
        one.fill_1d(&x, Some(&weights));
        let mut two = Bins::new(&[&axis, &other], true);
        two.fill_2d(&x, &y, Some(&weights));
        let (mut expected, mut expected_two) = ([0.0; 4], [0.0; 7]);
        for ((&x, &y), &w) in x.iter().zip(&y).zip(&weights).filter(|(_, w)| !w.is_nan()) {
            if within(x, -2.0, 2.5) {
                expected.iter_mut().zip([w, w * w, w * x, w * x * x]).for_each(|(sum, term)| *sum += term);
                if within(y, -0.5, 4.0) {
                    let terms = [w, w * w, w * x, w * x * x, w * y, w * y * y, w * x * y];
                    expected_two.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
                }
            }
        }
        for (sums, expected) in [(&one.sums, &expected[..]), (&two.sums, &expected_two[..])] {
            for (sum, expected) in sums.iter().zip(expected) {
                assert!((sum - expected).abs() < 1e-9 * expected.abs(), "{sums:?} {expected:?}");
            }
        }
        assert_eq!((one.entries, one.nan, two.entries, two.nan), (1002, 1, 1002, 1));
        let all: f64 = weights.iter().filter(|w| !w.is_nan()).sum();
        assert!((one.values.iter().sum::<f64>() - all).abs() < 1e-9 * all);
        assert!((two.values.iter().sum::<f64>() - all).abs() < 1e-9 * all);
    }
}
