//! What the report of a regression shows, as plain values.

use std::collections::BTreeMap;

use fiducial_metrics::Estimate;
use serde::{Deserialize, Serialize};

use crate::regression::Binned;
use crate::report::{DataSummary, Histogram, RunSummary, TrainingHistory};

/// All that [`render_regression`](crate::report::render_regression) needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegressionReport {
    /// The model's name.
    pub model: String,
    /// What the model is, in a sentence.
    pub description: String,
    /// What was measured, to follow "Measured on": sample, split, number of rows.
    pub measured_on: String,
    /// How the intervals were made, a sentence without its full stop.
    pub intervals: String,
    /// The targets in the order of the view.
    pub targets: Vec<TargetReport>,
    /// The training; none for a model that came from elsewhere.
    pub training: Option<TrainingHistory>,
    /// The data.
    pub data: DataSummary,
    /// What was run.
    pub run: RunSummary,
}

/// What is shown of one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetReport {
    /// Its name.
    pub name: String,
    /// The metrics on all rows, by key.
    pub metrics: BTreeMap<String, Estimate>,
    /// The metrics in bins of each variable.
    pub bins: Vec<Binned>,
    /// Predicted against true; none where there is no one best number.
    pub against_truth: Option<Plane>,
    /// Predicted minus true.
    pub residuals: Option<Histogram>,
    /// Predicted over true.
    pub responses: Option<Histogram>,
    /// Residual over the predicted spread.
    pub pulls: Option<Histogram>,
    /// The levels of the quantiles; empty for other losses.
    pub levels: Vec<f64>,
    /// What could not be shown, and why.
    pub notes: Vec<String>,
}

/// A two-dimensional histogram whose axes have the same range and number of bins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plane {
    /// Lower end of both axes.
    pub low: f64,
    /// Upper end of both axes.
    pub high: f64,
    /// Bins of each axis.
    pub bins: usize,
    /// Sum of the weights in each cell, `(bins, bins)`: rows are what is predicted, columns what is true.
    pub sums: Vec<f64>,
    /// Sum of the weights outside.
    pub outside: f64,
}

impl Plane {
    /// An empty plane.
    pub fn new(low: f64, high: f64, bins: usize) -> Self {
        let bins = bins.max(1);
        Self { low, high, bins, sums: vec![0.0; bins * bins], outside: 0.0 }
    }

    /// Adds a row.
    pub fn fill(&mut self, truth: f64, predicted: f64, weight: f64) {
        let bins = self.bins as f64;
        let place = |value: f64| {
            let position = (value - self.low) / (self.high - self.low) * bins;
            (position >= 0.0 && value <= self.high).then_some((position as usize).min(self.bins - 1))
        };
        match (place(truth), place(predicted)) {
            (Some(column), Some(row)) => self.sums[row * self.bins + column] += weight,
            _ => self.outside += weight,
        }
    }
}
