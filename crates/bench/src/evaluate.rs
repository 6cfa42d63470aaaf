//! Predictions and truth to metrics.

use std::collections::BTreeMap;

use fiducial_metrics::{BinaryScores, Bootstrap, Estimate, RocCurve};
use serde::{Deserialize, Serialize};

use crate::{Metric, Predictions, Task};

/// The format of `metrics.json`. Its JSON schema is `schemas/metrics-1.json` in the repository.
pub const METRICS_FORMAT: &str = "fiducial-metrics/1";

/// Points of the ROC curve in a report.
const ROC_POINTS: usize = 200;

/// What is true of the rows of a split.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    /// `row_id` of each row, `(n)`.
    pub row_ids: Vec<u64>,
    /// The index of its class.
    pub labels: Vec<u32>,
    /// Its weight.
    pub weights: Vec<f64>,
}

/// `metrics.json`: each metric with its interval and the number of events behind it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Always [`METRICS_FORMAT`].
    pub format: String,
    /// The task.
    pub task: String,
    /// The version of the dataset, the hash of its content.
    pub dataset: String,
    /// The split that was measured.
    pub split: String,
    /// The class that counts as signal.
    pub signal: String,
    /// Rows of the split.
    pub rows: u64,
    /// How the intervals were made.
    pub intervals: Intervals,
    /// The metrics by key.
    pub metrics: BTreeMap<String, Estimate>,
}

/// How intervals are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intervals {
    /// In words.
    pub method: String,
    /// The probability content.
    pub confidence: f64,
    /// Replicas and seed.
    pub bootstrap: Bootstrap,
}

impl Intervals {
    /// By the bootstrap.
    pub(crate) fn bootstrap(bootstrap: Bootstrap) -> Self {
        Self {
            method: "Poisson bootstrap over the events, percentiles".to_owned(),
            confidence: fiducial_metrics::CONFIDENCE,
            bootstrap,
        }
    }
}

/// The metrics of a task, and what its report shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The metrics.
    pub metrics: Metrics,
    /// The ROC curve with its band.
    pub roc_curve: RocCurve,
    /// The signal's probability of each row, in the order of the truth.
    pub signal_scores: Vec<f64>,
}

/// Measures predictions by a task's metrics.
///
/// Events are ordered by the signal's score where the scores of each row are probabilities (they add up to 1), else by
/// the difference of the two scores, as of logits.
///
/// # Errors
/// If a row has no prediction or two, or a metric cannot be measured on these events (one class alone, say). The text
/// says why.
pub fn evaluate(
    task: &Task,
    truth: &Truth,
    dataset_version: &str,
    split: &str,
    predictions: &Predictions,
    bootstrap: Bootstrap,
) -> Result<Evaluation, String> {
    let scores = predictions.aligned(&truth.row_ids)?;
    let signal = task.signal();
    let discriminant = Discriminant::new(&scores, signal);
    let is_signal: Vec<bool> = truth.labels.iter().map(|label| *label as usize == signal).collect();
    let fail = |error: fiducial_metrics::Error| error.to_string();
    let events = BinaryScores::new(&discriminant.values, &is_signal, Some(&truth.weights)).map_err(fail)?;
    let efficiencies: Vec<f64> = task.about.metrics.iter().filter_map(Metric::signal_efficiency).collect();
    let summary =
        events.summary(discriminant.threshold, &efficiencies, ROC_POINTS, &bootstrap).map_err(fail)?;

    let mut working_points = summary.working_points.iter();
    let estimates = task.about.metrics.iter().filter_map(|metric| {
        let estimate = match metric {
            Metric::Accuracy => summary.accuracy,
            Metric::RocAuc => summary.roc_auc,
            Metric::BackgroundRejection { .. } => working_points.next()?.background_rejection,
        };
        Some((metric.key(), estimate))
    });
    Ok(Evaluation {
        metrics: Metrics {
            format: METRICS_FORMAT.to_owned(),
            task: task.about.name.clone(),
            dataset: dataset_version.to_owned(),
            split: split.to_owned(),
            signal: task.about.signal.clone(),
            rows: truth.row_ids.len() as u64,
            intervals: Intervals::bootstrap(bootstrap),
            metrics: estimates.collect(),
        },
        roc_curve: summary.roc_curve,
        signal_scores: discriminant.probabilities(),
    })
}

/// One number an event that rises towards the signal.
struct Discriminant {
    values: Vec<f64>,
    /// From here on an event counts as signal.
    threshold: f64,
}

impl Discriminant {
    /// How far the sum of a row's probabilities may be from 1, for those written in single precision.
    const TOLERANCE: f64 = 1e-3;

    /// From the scores of two classes, `(n, 2)`.
    fn new(scores: &[f64], signal: usize) -> Self {
        let rows = || scores.as_chunks::<2>().0.iter();
        let are_probabilities = rows().all(|[first, second]| {
            *first >= 0.0 && *second >= 0.0 && (first + second - 1.0).abs() <= Self::TOLERANCE
        });
        if are_probabilities {
            Self { values: rows().map(|row| row[signal]).collect(), threshold: 0.5 }
        } else {
            Self { values: rows().map(|row| row[signal] - row[1 - signal]).collect(), threshold: 0.0 }
        }
    }

    /// As probabilities, for histograms: of a difference of logits, its logistic function.
    fn probabilities(self) -> Vec<f64> {
        if self.threshold > 0.0 {
            return self.values;
        }
        self.values.iter().map(|difference| 1.0 / (1.0 + (-difference).exp())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_and_logits_are_told_apart() {
        let check = |scores: &[f64], signal: usize, values: &[f64], threshold: f64| {
            let discriminant = Discriminant::new(scores, signal);
            assert_eq!((discriminant.values.as_slice(), discriminant.threshold), (values, threshold));
        };
        check(&[0.25, 0.75, 1.0, 0.0], 1, &[0.75, 0.0], 0.5);
        check(&[0.25, 0.75, 1.0, 0.0], 0, &[0.25, 1.0], 0.5);
        check(&[-1.0, 2.0, 0.5, 0.5], 1, &[3.0, 0.0], 0.0);
    }
}
