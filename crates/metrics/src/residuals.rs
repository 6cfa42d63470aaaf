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
    /// Half of the width that holds the central 68.27 % of the weight: one standard deviation of a Gaussian, and it does not feel
    /// the tails.
    pub resolution: Estimate,
    /// The root of the weighted mean square.
    pub rmse: Estimate,
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

    /// Bias, resolution and root mean square.
    ///
    /// # Errors
    /// Negative weights that make the mean square negative; fewer than 10 replicas, or more than half of them without a value.
    pub fn summary(&self, bootstrap: &Bootstrap) -> Result<ResidualSummary, Error> {
        let value = self.measure(&vec![1; self.order.len()]).ok_or(Error::MeanSquare)?;
        let replicas = bootstrap.run(self.order.len(), |counts, (): &mut ()| self.measure(counts))?;
        let of = |which: usize| self.estimate(value[which], replicas.iter().map(|replica| replica[which]));
        Ok(ResidualSummary { bias: of(0), resolution: of(1), rmse: of(2) })
    }

    /// The share of the weight whose residual is not negative: how often the truth does not lie above the prediction. For a
    /// predicted quantile it is its level, if the prediction is right.
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
        Ok(self.estimate(value, replicas))
    }

    /// The weights in the order of the residuals, times how often each event counts.
    fn drawn<'a>(&'a self, counts: &'a [u8]) -> impl Iterator<Item = f64> + 'a {
        self.order.iter().zip(&self.weights).map(|(&event, weight)| weight * f64::from(counts[event]))
    }

    /// Mean, half of the central width, and root mean square.
    fn measure(&self, counts: &[u8]) -> Option<[f64; 3]> {
        let (mut total, mut sum, mut squares) = (0.0, 0.0, 0.0);
        for (residual, weight) in self.residuals.iter().zip(self.drawn(counts)) {
            total += weight;
            sum += weight * residual;
            squares += weight * residual * residual;
        }
        if total.is_nan() || total <= 0.0 || squares < 0.0 {
            return None;
        }
        let [low, high] = [0.5 * (1.0 - CONFIDENCE), 0.5 * (1.0 + CONFIDENCE)];
        let width = self.quantile(counts, high * total)? - self.quantile(counts, low * total)?;
        Some([sum / total, 0.5 * width, (squares / total).sqrt()])
    }

    /// The first residual at which the weight so far reaches `below`: for a share of the total, the inverse of the cumulative
    /// distribution.
    fn quantile(&self, counts: &[u8], below: f64) -> Option<f64> {
        let mut sum = 0.0;
        let mut last = None;
        for (residual, weight) in self.residuals.iter().zip(self.drawn(counts)) {
            if weight != 0.0 {
                sum += weight;
                last = Some(*residual);
                if sum >= below {
                    break;
                }
            }
        }
        last
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
        let ResidualSummary { bias, resolution, rmse } = events.summary(&BOOTSTRAP).unwrap();
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
