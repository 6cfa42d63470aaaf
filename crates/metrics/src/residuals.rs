use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::binary::{check_events, check_finite, check_total};
use crate::bootstrap::estimate;
use crate::estimate::effective;
use crate::{Bootstrap, CONFIDENCE, Error, Estimate};

/// Residuals of a regression, predicted minus true, with their weights: checked, and sorted once.
///
/// ```
/// use fiducial_metrics::{Bootstrap, Residuals};
///
/// let events = Residuals::new(&[-1.0, 0.5, 2.0, 0.5], Some(&[1.0, 1.0, 1.0, 2.0]))?;
/// let summary = events.summary(&Bootstrap::default())?;
/// assert_eq!(summary.bias.value, Some(0.5));
/// assert_eq!(events.coverage(&Bootstrap::default())?.value, Some(0.8));
/// # Ok::<(), fiducial_metrics::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Residuals {
    /// Original positions of the events, by rising residual.
    order: Vec<usize>,
    residuals: Vec<f64>,
    weights: Vec<f64>,
    n: u64,
    n_effective: f64,
}

/// What [`Residuals::summary`] measures in one pass of the bootstrap.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ResidualSummary {
    /// The weighted mean.
    pub bias: Estimate,
    /// The weighted median.
    pub median: Estimate,
    /// Half of the width that holds the central 68.27 % of the weight: one standard deviation of a Gaussian, and it does not feel
    /// the tails.
    pub resolution: Estimate,
    /// The root of the weighted mean square.
    pub rmse: Estimate,
}

/// What [`Residuals::relative`] measures in one pass of the bootstrap.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RelativeSummary {
    /// The weighted median.
    pub median: Estimate,
    /// Half of the width that holds the central 68.27 % of the weight, as a part of the median.
    pub resolution: Estimate,
}

/// The numbers of one replica.
#[derive(Debug, Clone, Copy)]
struct Measured {
    mean: f64,
    median: f64,
    half_width: f64,
    root_mean_square: f64,
}

impl Residuals {
    /// Checks and sorts the events: `residuals` (n), `weights` (n) or all 1.
    ///
    /// # Errors
    /// No events, lengths that differ, a residual or weight that is not finite, a total weight that is not positive.
    pub fn new(residuals: &[f64], weights: Option<&[f64]>) -> Result<Self, Error> {
        let expected = residuals.len();
        check_events(expected, expected, "residuals", weights)?;
        check_finite("residual", residuals)?;
        let mut order: Vec<usize> = (0..expected).collect();
        order.par_sort_by(|&a, &b| residuals[a].total_cmp(&residuals[b]));
        let weights: Vec<f64> = order.iter().map(|&i| weights.map_or(1.0, |weights| weights[i])).collect();
        let (sum, squares) = weights.iter().fold((0.0, 0.0), |(sum, squares), w| (sum + w, squares + w * w));
        check_total("all events", sum)?;
        Ok(Self {
            n: weights.iter().filter(|&&weight| weight != 0.0).count() as u64,
            n_effective: effective(sum, squares),
            residuals: order.iter().map(|&i| residuals[i]).collect(),
            order,
            weights,
        })
    }

    /// Bias, median, resolution and root mean square.
    ///
    /// # Errors
    /// Negative weights that make the mean square negative; fewer than 10 replicas, or more than half of them without a value.
    pub fn summary(&self, bootstrap: &Bootstrap) -> Result<ResidualSummary, Error> {
        let (value, replicas) = self.replicas(bootstrap)?;
        let of = |field: fn(&Measured) -> f64| self.estimate(field(&value), replicas.iter().map(field));
        Ok(ResidualSummary {
            bias: of(|it| it.mean),
            median: of(|it| it.median),
            resolution: of(|it| it.half_width),
            rmse: of(|it| it.root_mean_square),
        })
    }

    /// Median and relative resolution of what is no difference but a response: predicted over true.
    ///
    /// # Errors
    /// As [`Residuals::summary`]; a median that is not positive.
    pub fn relative(&self, bootstrap: &Bootstrap) -> Result<RelativeSummary, Error> {
        let (value, replicas) = self.replicas(bootstrap)?;
        let resolution = |it: &Measured| it.half_width / it.median;
        if value.median <= 0.0 {
            return Err(Error::Median { value: value.median });
        }
        let positive = replicas.iter().filter(|it| it.median > 0.0);
        Ok(RelativeSummary {
            median: self.estimate(value.median, replicas.iter().map(|it| it.median)),
            resolution: self.estimate(resolution(&value), positive.map(resolution)),
        })
    }

    fn replicas(&self, bootstrap: &Bootstrap) -> Result<(Measured, Vec<Measured>), Error> {
        let value = self.measure(&vec![1; self.order.len()]).ok_or(Error::MeanSquare)?;
        Ok((value, bootstrap.run(self.order.len(), |counts, (): &mut ()| self.measure(counts))?))
    }

    /// The share of the weight whose residual is not negative: how often the truth does not lie above the prediction. For a
    /// predicted quantile it is its level, if the prediction is right. Where all events are on one side, no replica says how many might
    /// not be: the interval then ends at the 68.27 % limit of a binomial share.
    ///
    /// # Errors
    /// Fewer than 10 replicas, or more than half of them without a value.
    pub fn coverage(&self, bootstrap: &Bootstrap) -> Result<Estimate, Error> {
        let share = |counts: &[u8]| {
            let (mut held, mut total) = (0.0, 0.0);
            for (residual, weight) in self.residuals.iter().zip(self.drawn(counts)) {
                held += if *residual >= 0.0 { weight } else { 0.0 };
                total += weight;
            }
            (total > 0.0).then(|| held / total)
        };
        let value = share(&vec![1; self.order.len()]).ok_or(Error::Empty)?;
        let replicas = bootstrap.run(self.order.len(), |counts, (): &mut ()| share(counts))?;
        let mut estimate = self.estimate(value, replicas);
        let beyond = 1.0 - (1.0 - CONFIDENCE).powf(1.0 / self.n_effective.max(1.0));
        let held = self.residuals.iter().zip(&self.weights).filter(|(_, weight)| **weight != 0.0);
        let held = held.map(|(residual, _)| *residual >= 0.0);
        if held.clone().all(|held| held) {
            estimate.low = 1.0 - beyond;
        } else if !held.clone().any(|held| held) {
            estimate.high = Some(beyond);
        }
        Ok(estimate)
    }

    /// The weights in the order of the residuals, times how often each event counts.
    fn drawn<'a>(&'a self, counts: &'a [u8]) -> impl Iterator<Item = f64> + 'a {
        self.order.iter().zip(&self.weights).map(|(&event, weight)| weight * f64::from(counts[event]))
    }

    fn measure(&self, counts: &[u8]) -> Option<Measured> {
        let (mut total, mut sum, mut squares) = (0.0, 0.0, 0.0);
        for (residual, weight) in self.residuals.iter().zip(self.drawn(counts)) {
            total += weight;
            sum += weight * residual;
            squares += weight * residual * residual;
        }
        if total.is_nan() || total <= 0.0 || squares < 0.0 {
            return None;
        }
        let shares = [0.5 * (1.0 - CONFIDENCE), 0.5, 0.5 * (1.0 + CONFIDENCE)];
        let [low, median, high] = self.quantiles(counts, shares.map(|share| share * total))?;
        let root_mean_square = (squares / total).sqrt();
        Some(Measured { mean: sum / total, median, half_width: 0.5 * (high - low), root_mean_square })
    }

    /// The first residuals at which the weight so far reaches each of `below`, which rise: for a share of the total, the inverse of
    /// the cumulative distribution.
    fn quantiles<const N: usize>(&self, counts: &[u8], below: [f64; N]) -> Option<[f64; N]> {
        let mut found = [None; N];
        let (mut sum, mut next, mut last) = (0.0, 0, None);
        for (residual, weight) in self.residuals.iter().zip(self.drawn(counts)) {
            if weight != 0.0 {
                sum += weight;
                last = Some(*residual);
                while next < N && sum >= below[next] {
                    found[next] = last;
                    next += 1;
                }
                if next == N {
                    break;
                }
            }
        }
        // What rounding did not let the sum reach lies at the end.
        let last = last?;
        Some(found.map(|residual| residual.unwrap_or(last)))
    }

    fn estimate(&self, value: f64, replicas: impl IntoIterator<Item = f64>) -> Estimate {
        estimate(value, replicas, self.n, self.n_effective)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOTSTRAP: Bootstrap = Bootstrap { replicas: 20, seed: 1 };

    fn values(residuals: &[f64], weights: Option<&[f64]>) -> [f64; 4] {
        let events = Residuals::new(residuals, weights).unwrap();
        let ResidualSummary { bias, resolution, rmse, .. } = events.summary(&BOOTSTRAP).unwrap();
        let coverage = events.coverage(&BOOTSTRAP).unwrap();
        [bias, resolution, rmse, coverage].map(|estimate| estimate.value.unwrap())
    }

    #[test]
    fn a_weight_is_a_number_of_events() {
        let once = values(&[3.0, -1.0, 0.5, 9.0], Some(&[2.0, 3.0, 1.0, 0.0]));
        let many = values(&[-1.0, 3.0, -1.0, 0.5, 3.0, -1.0], None);
        assert_eq!(once, many);
        // An event and its counterpart of negative weight are nothing.
        assert_eq!(values(&[3.0, -1.0, 7.0, 7.0], Some(&[2.0, 3.0, 1.0, -1.0]))[0], 0.6);
    }

    #[test]
    fn a_share_of_all_has_a_limit() {
        let coverage = |residuals: &[f64]| {
            let found = Residuals::new(residuals, None).unwrap().coverage(&BOOTSTRAP).unwrap();
            [found.value.unwrap(), found.low, found.high.unwrap()]
        };
        // The share p of which a sample of two has none with a probability of 31.73 %: (1 - p)^2 = 0.3173.
        let limit = 1.0 - (1.0 - CONFIDENCE).sqrt();
        assert_eq!(coverage(&[1.0, 0.0]), [1.0, 1.0 - limit, 1.0]);
        assert_eq!(coverage(&[-1.0, -2.0]), [0.0, 0.0, limit]);
    }

    #[test]
    fn a_response_is_relative_to_its_median() {
        let responses: Vec<f64> = (1..=1000).map(|i| 2.0 * f64::from(i) / 1000.0).collect();
        let events = Residuals::new(&responses, None).unwrap();
        let found = events.relative(&BOOTSTRAP).unwrap();
        assert_eq!(
            (found.median.value, events.summary(&BOOTSTRAP).unwrap().median),
            (Some(1.0), found.median)
        );
        // Uniform from 0 to 2: the central 68.27 % are 2 times 0.6827 wide.
        assert!((found.resolution.value.unwrap() - CONFIDENCE).abs() < 2e-3, "{found:?}");
        assert!(found.resolution.low < CONFIDENCE && found.resolution.high.unwrap() > CONFIDENCE);
        let error = Residuals::new(&[-1.0, -2.0], None).unwrap().relative(&BOOTSTRAP).unwrap_err();
        assert!(error.to_string().contains("the median response is -2"), "{error}");
    }

    #[test]
    fn what_cannot_be_measured_is_an_error() {
        let check = |residuals: &[f64], weights: &[f64], message: &str| {
            let error = Residuals::new(residuals, Some(weights))
                .and_then(|events| events.summary(&BOOTSTRAP).map(|_| events))
                .unwrap_err()
                .to_string();
            assert!(error.contains(message), "{error}");
        };
        check(&[], &[], "without events");
        check(&[1.0, f64::NAN], &[1.0, 1.0], "the residual of event 1: it is NaN");
        check(&[1.0, 2.0], &[1.0], "1 weights with 2 events");
        check(&[1.0, 2.0], &[1.0, -2.0], "the total weight of all events: it is -1");
        check(&[1.0, 20.0], &[1.0, -0.5], "the mean squared residual is negative");
    }
}
