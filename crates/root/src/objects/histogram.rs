//! Histograms and profiles.

use crate::objects::value::{Members, Value};

/// A histogram of one to three dimensions: TH1, TH2 or TH3 of any type of number, or a profile.
///
/// Bins come with the under- and overflow bins of each axis, row by row: the last axis runs fastest. An axis of `n` bins
/// takes `n + 2` places, of which the first is the underflow and the last is the overflow. ROOT's own order has the
/// first axis fastest.
///
/// ```
/// # fn main() -> Result<(), fiducial_root::Error> {
/// use fiducial_root::{Axis, Histogram};
/// let axis = Axis::regular("", 2, 0.0, 1.0);
/// let counts = vec![0.0, 3.0, 4.0, 1.0];
/// let histogram = Histogram::new("pt", "transverse momentum", vec![axis], counts, None)?;
/// assert_eq!((histogram.shape(), histogram.integral()), (vec![4], 7.0));
/// assert_eq!(histogram.variances(), histogram.values());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// The C++ class, such as "TH1D".
    pub class_name: String,
    /// The object's own name; its key may have another.
    pub name: String,
    /// The title.
    pub title: String,
    /// The axes: x, then y, then z.
    pub axes: Vec<Axis>,
    /// What the bins hold, as the title of the axis after the last says: that of y for a TH1.
    pub label: String,
    /// How often the histogram was filled; weights count as 1. Operations on histograms leave it fractional.
    pub entries: f64,
    /// The sums that ROOT keeps of all fills within range, which a mean and width without binning follow from:
    /// of w, w², then wx, wx² for one dimension; wy, wy², wxy for two; wz, wz², wxz, wyz for three; and wt, wt² for the
    /// values of a profile.
    pub sums: Vec<f64>,
    /// What the bins hold.
    pub bins: Bins,
}

/// What the bins of a histogram hold.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Bins {
    /// Sums of weights.
    Sums {
        /// The sum of the weights in each bin.
        values: Vec<f64>,
        /// The sum of the squares of the weights, where they were kept (`Sumw2`).
        squares: Option<Vec<f64>>,
    },
    /// The fills of a profile, which has a mean of another quantity t in each bin.
    Means {
        /// The sum of the weights, w.
        weights: Vec<f64>,
        /// The sum of w², where it was kept.
        squares: Option<Vec<f64>>,
        /// The sum of w t.
        sums: Vec<f64>,
        /// The sum of w t².
        square_sums: Vec<f64>,
        /// What the profile was told to show as its error.
        spread: Spread,
    },
}

/// The error of a profile's bin (the option of `TProfile::SetErrorOption`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// "": the error of the mean, s / √n.
    ErrorOfMean,
    /// "s": the standard deviation, s.
    Deviation,
    /// "i": s / √n, and 1 / √(12 n) where all values agree, as for whole numbers.
    Integers,
    /// "g": 1 / √w, for weights that are the inverse squares of errors.
    Weights,
}

/// An axis of a histogram.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// What is along the axis, perhaps with its unit.
    pub title: String,
    /// The number of bins, without under- and overflow.
    pub bins: usize,
    /// The lower edge of the first bin.
    pub lower: f64,
    /// The upper edge of the last bin.
    pub upper: f64,
    /// The edges, one more than there are bins, where they are not evenly spaced.
    pub edges: Option<Vec<f64>>,
    /// The bins' names by their number, the first being 0, where some have one. Sorted by number.
    pub labels: Vec<(usize, String)>,
}

impl Axis {
    /// An axis of bins of equal width.
    pub fn regular(title: &str, bins: usize, lower: f64, upper: f64) -> Self {
        Self { title: title.to_owned(), bins, lower, upper, edges: None, labels: Vec::new() }
    }

    /// An axis with these edges, which rise from bin to bin.
    pub fn variable(title: &str, edges: Vec<f64>) -> Self {
        let (lower, upper) = (edges.first().copied().unwrap_or(0.0), edges.last().copied().unwrap_or(0.0));
        let bins = edges.len().saturating_sub(1);
        Self { title: title.to_owned(), bins, lower, upper, edges: Some(edges), labels: Vec::new() }
    }

    /// The edges, `(bins + 1)` of them, of whichever kind the axis is.
    pub fn edges(&self) -> Vec<f64> {
        match &self.edges {
            Some(edges) => edges.clone(),
            None => {
                let width = (self.upper - self.lower) / self.bins as f64;
                (0..=self.bins)
                    .map(|i| if i == self.bins { self.upper } else { self.lower + i as f64 * width })
                    .collect()
            }
        }
    }

    fn read(axis: &Members) -> Result<Self, String> {
        let (Some(bins), Some(lower), Some(upper)) =
            (axis.count("fNbins"), axis.float("fXmin"), axis.float("fXmax"))
        else {
            return Err("an axis has no number of bins or no limits".into());
        };
        let edges = axis.floats("fXbins");
        let edges = match edges.len() {
            0 => None,
            n if Some(n) == bins.checked_add(1) => Some(edges),
            n => return Err(format!("an axis of {bins} bins has {n} edges")),
        };
        let title = axis.text("fTitle").unwrap_or_default().to_owned();
        Ok(Self { title, bins, lower, upper, edges, labels: labels(axis, bins) })
    }
}

/// The names of bins: texts whose ids are the numbers of their bins, counted from 1.
fn labels(axis: &Members, bins: usize) -> Vec<(usize, String)> {
    let Some(Value::List(items)) = axis.get("fLabels") else { return Vec::new() };
    let mut labels: Vec<_> = items
        .iter()
        .filter_map(|item| match item {
            Value::Object(label) => {
                let bin = label.count("fUniqueID")?.checked_sub(1).filter(|&bin| bin < bins)?;
                Some((bin, label.text("fString")?.to_owned()))
            }
            _ => None,
        })
        .collect();
    labels.sort();
    labels
}

impl Histogram {
    /// A histogram of sums of weights, of class TH1D, TH2D or TH3D by the number of axes.
    ///
    /// `values` and `squares` (the sums of squared weights, if the fills had weights) have the shape of
    /// [`Histogram::shape`], under- and overflow included. The sums over all fills are made from the bins' centres, as ROOT
    /// does where it has no others, and the entries are the effective ones, (Σ w)² / Σ w².
    ///
    /// # Errors
    /// [`crate::Error::Histogram`] where the shapes do not fit, or an axis has no bins or edges that do not rise.
    pub fn new(
        name: &str,
        title: &str,
        axes: Vec<Axis>,
        values: Vec<f64>,
        squares: Option<Vec<f64>>,
    ) -> Result<Self, crate::Error> {
        let mut histogram = Self {
            class_name: format!("TH{}D", axes.len()),
            name: name.to_owned(),
            title: title.to_owned(),
            axes,
            label: String::new(),
            entries: 0.0,
            sums: Vec::new(),
            bins: Bins::Sums { values, squares },
        };
        histogram.check().map_err(|reason| crate::Error::Histogram { name: name.to_owned(), reason })?;
        histogram.sums = histogram.sums_of_bins();
        histogram.entries = match histogram.sums[..] {
            [w, w2, ..] if w2 > 0.0 => w * w / w2,
            _ => 0.0,
        };
        Ok(histogram)
    }

    /// Checks what every operation relies on: that shapes fit, and edges rise.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !(1..=3).contains(&self.axes.len()) {
            return Err(format!("a histogram has one to three axes, not {}", self.axes.len()));
        }
        for axis in &self.axes {
            if axis.bins == 0 {
                return Err("an axis has no bins".into());
            }
            let edges = axis.edges.as_deref().unwrap_or(&[]);
            // What is not a number does not rise either.
            let rises = |pair: &[f64]| pair[0] < pair[1];
            if !edges.windows(2).all(rises) {
                return Err("the edges of an axis do not rise".into());
            }
            if axis.edges.as_ref().is_some_and(|edges| edges.len() != axis.bins + 1) {
                return Err(format!("an axis of {} bins has {} edges", axis.bins, edges.len()));
            }
        }
        let cells = cells(&self.axes)?;
        let lengths = match &self.bins {
            Bins::Sums { values, squares } => vec![Some(values.len()), squares.as_ref().map(Vec::len)],
            Bins::Means { weights, squares, sums, square_sums, .. } => vec![
                Some(weights.len()),
                squares.as_ref().map(Vec::len),
                Some(sums.len()),
                Some(square_sums.len()),
            ],
        };
        match lengths.into_iter().flatten().find(|&n| n != cells) {
            Some(n) => Err(format!("its axes need {cells} values, under- and overflow included, not {n}")),
            None => Ok(()),
        }
    }

    pub(crate) fn read(object: &Members) -> Result<Self, String> {
        let (dimensions, is_profile) = match &*object.class_name {
            "TProfile" => (1, true),
            "TProfile2D" => (2, true),
            "TProfile3D" => (3, true),
            class => match class.strip_prefix("TH").and_then(|rest| rest.bytes().next()) {
                Some(digit @ b'1'..=b'3') => (usize::from(digit - b'0'), false),
                _ => return Err(format!("class {class} is no histogram")),
            },
        };
        let mut axes = Vec::with_capacity(dimensions);
        for name in &["fXaxis", "fYaxis", "fZaxis"][..dimensions] {
            axes.push(Axis::read(object.object(name).ok_or_else(|| format!("it has no {name}"))?)?);
        }
        let label =
            ["fYaxis", "fZaxis"].get(dimensions - 1).and_then(|name| object.object(name)?.text("fTitle"));
        let shape: Vec<usize> = axes.iter().map(|axis| axis.bins.saturating_add(2)).collect();
        let array = |name: &str| rows(&object.floats(name), &shape);
        // An array that was never made is empty; ROOT takes any other length for none, too.
        let cells = cells(&axes)?;
        let optional = |name: &str| Some(array(name)).filter(|values| values.len() == cells);
        let bins = if is_profile {
            Bins::Means {
                weights: array("fBinEntries"),
                squares: optional("fBinSumw2"),
                sums: array("fArray"),
                square_sums: array("fSumw2"),
                spread: match object.int("fErrorMode") {
                    Some(1) => Spread::Deviation,
                    Some(2) => Spread::Integers,
                    Some(3) => Spread::Weights,
                    _ => Spread::ErrorOfMean,
                },
            }
        } else {
            Bins::Sums { values: array("fArray"), squares: optional("fSumw2") }
        };
        let names: &[&str] = match dimensions {
            1 => &SUMS[..4],
            2 => &SUMS[..7],
            _ => &SUMS[..11],
        };
        let own = ["fTsumwy", "fTsumwy2", "fTsumwz", "fTsumwz2", "fTsumwt", "fTsumwt2"];
        let of_profile = if is_profile { &own[2 * dimensions - 2..2 * dimensions] } else { &[] };
        let mut histogram = Self {
            class_name: object.class_name.to_string(),
            name: object.text("fName").unwrap_or_default().to_owned(),
            title: object.text("fTitle").unwrap_or_default().to_owned(),
            axes,
            label: label.unwrap_or_default().to_owned(),
            entries: object.float("fEntries").unwrap_or(0.0),
            sums: names.iter().chain(of_profile).map(|name| object.float(name).unwrap_or(0.0)).collect(),
            bins,
        };
        histogram.check()?;
        histogram.empty_buffer(object)?;
        Ok(histogram)
    }

    /// The number of places along each axis, under- and overflow included: bins + 2.
    pub fn shape(&self) -> Vec<usize> {
        self.axes.iter().map(|axis| axis.bins + 2).collect()
    }

    /// Whether the bins hold means: a TProfile.
    pub fn is_profile(&self) -> bool {
        matches!(self.bins, Bins::Means { .. })
    }

    /// Whether sums of squared weights were kept.
    pub fn is_weighted(&self) -> bool {
        match &self.bins {
            Bins::Sums { squares, .. } | Bins::Means { squares, .. } => squares.is_some(),
        }
    }

    /// The value of each bin: the sum of weights, or the mean of a profile, Σ w t / Σ w, which is 0 where there is none.
    pub fn values(&self) -> Vec<f64> {
        match &self.bins {
            Bins::Sums { values, .. } => values.clone(),
            Bins::Means { weights, sums, .. } => {
                weights.iter().zip(sums).map(|(&w, &sum)| if w == 0.0 { 0.0 } else { sum / w }).collect()
            }
        }
    }

    /// The variance of each value, the square of the error that ROOT shows.
    ///
    /// Without weights that of a Poisson count, |value|; with weights Σ w². For a profile it is as its [`Spread`] says,
    /// where s² = |Σ w t² / Σ w − mean²| and n = (Σ w)² / Σ w² (`TProfileHelper::GetBinError` in ROOT's source).
    pub fn variances(&self) -> Vec<f64> {
        match &self.bins {
            Bins::Sums { squares: Some(squares), .. } => squares.clone(),
            Bins::Sums { values, squares: None } => values.iter().map(|value| value.abs()).collect(),
            Bins::Means { weights, sums, square_sums, spread, .. } => {
                let n = self.effective_entries();
                let bins = weights.iter().zip(&n).zip(sums.iter().zip(square_sums));
                bins.map(|((&w, &n), (&sum, &squares))| spread.variance(w, n, sum, squares)).collect()
            }
        }
    }

    /// The effective number of entries in each bin, (Σ w)² / Σ w²; Σ w where no squares were kept.
    pub fn effective_entries(&self) -> Vec<f64> {
        let (weights, squares) = match &self.bins {
            Bins::Sums { values, squares } => (values, squares),
            Bins::Means { weights, squares, .. } => (weights, squares),
        };
        match squares {
            None => weights.clone(),
            Some(squares) => {
                let ratio = |(&w, &w2): (&f64, &f64)| if w2 > 0.0 { w * w / w2 } else { 0.0 };
                weights.iter().zip(squares).map(ratio).collect()
            }
        }
    }

    /// The sum of the values of all bins, without under- and overflow.
    pub fn integral(&self) -> f64 {
        let values = self.values();
        self.inner().map(|(i, _)| values[i]).sum()
    }

    /// The places that are no under- or overflow, with their bins along each axis counted from 0.
    fn inner(&self) -> impl Iterator<Item = (usize, Vec<usize>)> {
        let shape = self.shape();
        let cells = shape.iter().product::<usize>();
        (0..cells).filter_map(move |place| {
            let mut rest = place;
            let mut bins = vec![0; shape.len()];
            for (bin, n) in bins.iter_mut().zip(&shape).rev() {
                let at = rest % n;
                rest /= n;
                *bin = at.checked_sub(1).filter(|at| at + 2 < *n)?;
            }
            Some((place, bins))
        })
    }

    /// [`Histogram::sums`] where they are complete, else those of the bins.
    pub(crate) fn sums_or_those_of_bins(&self) -> Vec<f64> {
        let of_bins = self.sums_of_bins();
        if self.sums.len() == of_bins.len() { self.sums.clone() } else { of_bins }
    }

    /// ROOT's sums over all fills, as if each had been at the centre of its bin (`TH1::GetStats` and its kin).
    fn sums_of_bins(&self) -> Vec<f64> {
        let (values, squares) = (self.values(), self.variances());
        let centres: Vec<Vec<f64>> = self
            .axes
            .iter()
            .map(|axis| axis.edges().windows(2).map(|pair| 0.5 * (pair[0] + pair[1])).collect())
            .collect();
        let mut sums = vec![0.0; [4, 7, 11][self.axes.len() - 1]];
        for (place, bins) in self.inner() {
            let w = values[place];
            let x: Vec<f64> = bins.iter().zip(&centres).map(|(&bin, centres)| centres[bin]).collect();
            let mut terms = vec![w, squares[place], w * x[0], w * x[0] * x[0]];
            if let Some(y) = x.get(1) {
                terms.extend([w * y, w * y * y, w * x[0] * y]);
            }
            if let (Some(y), Some(z)) = (x.get(1), x.get(2)) {
                terms.extend([w * z, w * z * z, w * x[0] * z, w * y * z]);
            }
            sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
        }
        sums
    }
}

/// The members that hold [`Histogram::sums`].
pub(crate) const SUMS: [&str; 11] = [
    "fTsumw", "fTsumw2", "fTsumwx", "fTsumwx2", "fTsumwy", "fTsumwy2", "fTsumwxy", "fTsumwz", "fTsumwz2",
    "fTsumwxz", "fTsumwyz",
];

impl Spread {
    fn variance(self, w: f64, n: f64, sum: f64, square_sum: f64) -> f64 {
        if w == 0.0 {
            return 0.0;
        }
        let mean = sum / w;
        let deviation = (square_sum / w - mean * mean).abs();
        match self {
            Self::Weights => 1.0 / w,
            Self::Deviation => deviation,
            Self::Integers if deviation == 0.0 => 1.0 / (12.0 * n),
            Self::Integers | Self::ErrorOfMean => deviation / n,
        }
    }
}

/// The number of places for the bins of some axes, under- and overflow included.
fn cells(axes: &[Axis]) -> Result<usize, String> {
    let product = axes.iter().try_fold(1usize, |n, axis| n.checked_mul(axis.bins.checked_add(2)?));
    product.ok_or_else(|| "its axes have more bins than there can be".into())
}

/// From ROOT's order, the first axis fastest, to rows, the last axis fastest. Lengths that do not fit stay as they are, and
/// are refused later.
fn rows(values: &[f64], shape: &[usize]) -> Vec<f64> {
    transposed(values, shape, |i, j| (i, j))
}

/// From rows to ROOT's order.
pub(crate) fn columns(values: &[f64], shape: &[usize]) -> Vec<f64> {
    transposed(values, shape, |i, j| (j, i))
}

fn transposed(values: &[f64], shape: &[usize], order: impl Fn(usize, usize) -> (usize, usize)) -> Vec<f64> {
    let cells = shape.iter().try_fold(1usize, |n, &m| n.checked_mul(m));
    if shape.len() < 2 || cells != Some(values.len()) {
        return values.to_vec();
    }
    let mut out = vec![0.0; values.len()];
    for place in 0..values.len() {
        // The same place in the other order.
        let (mut rest, mut other, mut stride) = (place, 0, values.len());
        for n in shape {
            stride /= n;
            other += rest % n * stride;
            rest /= n;
        }
        let (from, to) = order(place, other);
        out[to] = values[from];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_of_bins_turn_into_each_other() {
        let shape = [2, 3, 2];
        // The value says the place: 100 x + 10 y + z.
        let at = |x: usize, y: usize, z: usize| (100 * x + 10 * y + z) as f64;
        let mut in_columns = Vec::new();
        for z in 0..2 {
            for y in 0..3 {
                in_columns.extend((0..2).map(|x| at(x, y, z)));
            }
        }
        let mut in_rows = Vec::new();
        for x in 0..2 {
            for y in 0..3 {
                in_rows.extend((0..2).map(|z| at(x, y, z)));
            }
        }
        assert_eq!(rows(&in_columns, &shape), in_rows);
        assert_eq!(columns(&in_rows, &shape), in_columns);
    }

    #[test]
    fn errors_of_profiles_are_as_root_defines_them() {
        // Two fills of 1 and 3: mean 2, s² = 1.
        for (spread, (w, n, sum, squares), expected) in [
            (Spread::ErrorOfMean, (2.0, 2.0, 4.0, 10.0), 0.5),
            (Spread::Deviation, (2.0, 2.0, 4.0, 10.0), 1.0),
            (Spread::Integers, (2.0, 2.0, 4.0, 10.0), 0.5),
            (Spread::Integers, (2.0, 2.0, 4.0, 8.0), 1.0 / 24.0),
            (Spread::Weights, (4.0, 2.0, 4.0, 10.0), 0.25),
            (Spread::ErrorOfMean, (0.0, 0.0, 0.0, 0.0), 0.0),
        ] {
            assert_eq!(spread.variance(w, n, sum, squares), expected, "{spread:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let two = || Axis::regular("", 2, 0.0, 1.0);
        for (axes, n, squares, reason) in [
            (vec![two()], 4, None, None),
            (vec![two(), two()], 16, Some(16), None),
            (vec![two()], 3, None, Some("need 4 values")),
            (vec![two()], 4, Some(2), Some("need 4 values")),
            (vec![], 0, None, Some("one to three axes")),
            (vec![two(), two(), two(), two()], 256, None, Some("one to three axes")),
            (vec![Axis::regular("", 0, 0.0, 1.0)], 2, None, Some("no bins")),
            (vec![Axis::variable("", vec![0.0, 0.0])], 3, None, Some("do not rise")),
            (vec![Axis::variable("", vec![0.0, f64::NAN])], 3, None, Some("do not rise")),
        ] {
            let found = Histogram::new("h", "", axes, vec![0.0; n], squares.map(|n| vec![0.0; n]));
            match (found, reason) {
                (Ok(histogram), None) => assert_eq!(histogram.values().len(), n),
                (Err(error), Some(reason)) => assert!(error.to_string().contains(reason), "{error}"),
                (found, reason) => panic!("{found:?} instead of {reason:?}"),
            }
        }
    }
}
