use std::fmt;

use serde::{Deserialize, Serialize};

/// The probability content of every interval: that of one standard deviation of a Gaussian.
pub const CONFIDENCE: f64 = 0.682_689_492_137_085_9;

/// A measured value with its 68.27 % interval and the number of events that it rests on.
///
/// Data cannot always bound a value from both sides. When no background event survives a cut, the background
/// rejection has no best value and no upper bound: `value` and `high` are `None` and `low` is the 68.27 % lower limit.
/// JSON shows `None` as `null`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The value on all events, or `None` where the data give only a limit.
    pub value: Option<f64>,
    /// Lower end of the interval (the 15.87 % percentile of the bootstrap), or the lower limit.
    pub low: f64,
    /// Upper end of the interval (the 84.13 % percentile), or `None` where there is no upper bound.
    pub high: Option<f64>,
    /// Number of events that the value rests on: all events of non-zero weight, and for a background rejection the
    /// background events that pass the cut, because their number sets its uncertainty.
    pub n: u64,
    /// The same as an effective number, `(sum of w)^2 / sum of w^2`: `n` for equal weights, fewer otherwise.
    pub n_effective: f64,
}

impl Estimate {
    /// Whether the data give a lower limit only.
    #[must_use]
    pub fn is_limit(&self) -> bool {
        self.value.is_none()
    }

    /// Value, lower and upper end as text, with as many decimals as show two significant digits of the interval's length.
    #[must_use]
    pub fn rounded(&self) -> [Option<String>; 3] {
        let width = match (self.value, self.high) {
            (None, _) => self.low,
            (Some(_), Some(high)) => high - self.low,
            (Some(value), None) => value - self.low,
        };
        [self.value, Some(self.low), self.high].map(|end| end.map(|end| significant(end, width)))
    }

    /// Half the length of the interval, a stand-in for a symmetric error; `None` where there is no upper bound.
    #[must_use]
    pub fn half_width(&self) -> Option<f64> {
        self.high.map(|high| 0.5 * (high - self.low))
    }
}

/// `0.9731 [0.9712, 0.9750]`, `412 [350, 520]`, `412 [350, none]` or `> 1204`: the interval gets two significant digits.
impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [value, low, high] = self.rounded();
        let low = low.unwrap_or_default();
        match (value, high) {
            (None, _) => write!(f, "> {low}"),
            (Some(value), Some(high)) => write!(f, "{value} [{low}, {high}]"),
            (Some(value), None) => write!(f, "{value} [{low}, none]"),
        }
    }
}

/// `x` with as many decimals as show two significant digits of `width`.
fn significant(x: f64, width: f64) -> String {
    let magnitude = if width > 0.0 && width.is_finite() { width.log10().floor() } else { -4.0 };
    let decimals = (1.0 - magnitude).clamp(0.0, 9.0) as usize;
    format!("{x:.decimals$}")
}

/// The number of unweighted events that would give the same relative statistical error: `(sum of w)^2 / sum of w^2`.
///
/// It is 0 without events. Negative weights lower it, as they lower the statistical power of a sample.
///
/// ```
/// assert_eq!(fiducial_metrics::effective_events(&[2.0, 2.0, 2.0]), 3.0);
/// assert_eq!(fiducial_metrics::effective_events(&[3.0, -1.0]), 0.4);
/// ```
#[must_use]
pub fn effective_events(weights: &[f64]) -> f64 {
    let (sum, squares) = weights.iter().fold((0.0, 0.0), |(sum, squares), w| (sum + w, squares + w * w));
    effective(sum, squares)
}

pub(crate) fn effective(sum: f64, squares: f64) -> f64 {
    if squares > 0.0 { sum * sum / squares } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_two_digits_of_the_interval() {
        let estimate = |value, low, high| Estimate { value, low, high, n: 10, n_effective: 10.0 };
        for (estimate, expected) in [
            (estimate(Some(0.973_12), 0.971_16, Some(0.975_01)), "0.9731 [0.9712, 0.9750]"),
            (estimate(Some(412.3), 350.2, Some(520.1)), "412 [350, 520]"),
            (estimate(Some(4.23), 3.5, Some(5.2)), "4.2 [3.5, 5.2]"),
            (estimate(Some(412.3), 350.2, None), "412 [350, none]"),
            (estimate(None, 1204.3, None), "> 1204"),
            (estimate(Some(1.0), 1.0, Some(1.0)), "1.00000 [1.00000, 1.00000]"),
        ] {
            assert_eq!(estimate.to_string(), expected);
        }
    }
}
