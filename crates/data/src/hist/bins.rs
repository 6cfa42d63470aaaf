//! Numbers to bins, and what the bins hold.

use fiducial_root::Axis;

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

    /// The place among `bins + 2`: 0 for the underflow, the last for the overflow. A number on an edge belongs to the bin above.
    pub(super) fn place(&self, x: f64) -> usize {
        match self {
            Self::Regular { bins, lower, width } => {
                let place = (x - lower) / width;
                if place >= 1.0 {
                    *bins as usize + 1
                } else if place >= 0.0 {
                    // Rounding may reach the number of bins below 1.
                    ((place * bins) as usize).min(*bins as usize - 1) + 1
                } else {
                    0
                }
            }
            Self::Variable(edges) => edges.partition_point(|edge| *edge <= x),
        }
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
        let finder = self.finders[0].clone();
        let last = self.values.len() - 1;
        for (i, &x) in x.iter().enumerate() {
            let weight = weights.map_or(1.0, |weights| weights[i]);
            if x.is_nan() || weight.is_nan() {
                self.nan += 1;
                continue;
            }
            let place = finder.place(x);
            self.add(place, weight);
            if place != 0 && place != last {
                for (sum, term) in self.sums.iter_mut().zip([1.0, weight, x, x * x]) {
                    *sum += weight * term;
                }
            }
        }
    }

    /// Adds entries with two coordinates.
    pub(super) fn fill_2d(&mut self, x: &[f64], y: &[f64], weights: Option<&[f64]>) {
        let finders = self.finders.clone();
        let lasts = [self.values.len() / self.stride - 1, self.stride - 1];
        for (i, (&x, &y)) in x.iter().zip(y).enumerate() {
            let weight = weights.map_or(1.0, |weights| weights[i]);
            if x.is_nan() || y.is_nan() || weight.is_nan() {
                self.nan += 1;
                continue;
            }
            let places = [finders[0].place(x), finders[1].place(y)];
            self.add(places[0] * self.stride + places[1], weight);
            if places.iter().zip(lasts).all(|(place, last)| *place != 0 && *place != last) {
                let terms = [1.0, weight, x, x * x, y, y * y, x * y];
                for (sum, term) in self.sums.iter_mut().zip(terms) {
                    *sum += weight * term;
                }
            }
        }
    }

    fn add(&mut self, place: usize, weight: f64) {
        self.values[place] += weight;
        if let Some(square) = self.squares.get_mut(place) {
            *square += weight * weight;
        }
        self.entries += 1;
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
        ] {
            assert_eq!((regular.place(x), variable.place(x)), (place, place), "{x}");
        }
    }
}
