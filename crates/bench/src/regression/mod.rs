//! How good a model is that predicts numbers: bias, resolution, pulls and coverage, for all rows and in bins.

mod bins;
mod summary;
mod target;

use std::collections::BTreeMap;
use std::path::Path;

use fiducial_data::batches::{Tensors, quantity, targets};
use fiducial_data::dataset::Dataset;
use fiducial_metrics::Estimate;
use fiducial_train::{Card, MeasuredMetric, Measurement, SavedModel};
use serde::{Deserialize, Serialize};

pub use bins::{Bin, Binned, Variable};
use target::Target;

use crate::protocol::{BOOTSTRAP, weights};
use crate::{Error, Intervals, Predictions, files, report};

/// The format of [`RegressionMetrics`]. Its JSON schema is `schemas/regression-1.json` in the repository.
pub const REGRESSION_FORMAT: &str = "fiducial-regression/1";

/// For each target its metrics with their intervals, in the target's units.
///
/// A residual is what is predicted minus what is true, a response what is predicted over what is true. Where there is one best number
/// (the prediction, the mean, or the quantile of level 0.5): `bias`, `median`, `resolution` and `rmse` of the residuals, and where all
/// that is true is positive, `response` (its median) and `response_resolution` (half of the central 68.27 % width over the median). For
/// each quantile `coverage_LEVEL`, the share that is not above it; `within_LOW_HIGH` between two that are central; `ordered`, the share
/// of rows whose quantiles do not cross. For a Gaussian `pull_mean`, `pull_width` (root mean square) and `pull_resolution` of residual /
/// sigma, and the shares `within_1_sigma` and `within_2_sigma`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegressionMetrics {
    /// Always [`REGRESSION_FORMAT`].
    pub format: String,
    /// The model's name.
    pub model: String,
    /// The version of the dataset, the hash of its content.
    pub dataset: String,
    /// The split that was measured.
    pub split: String,
    /// Rows of the split.
    pub rows: u64,
    /// How the intervals were made.
    pub intervals: Intervals,
    /// The metrics by target and by key.
    pub targets: BTreeMap<String, BTreeMap<String, Estimate>>,
    /// How the intervals of bins were made.
    pub bin_intervals: Intervals,
    /// The metrics of each target in bins of its truth, of what is predicted, and of columns.
    pub bins: BTreeMap<String, Vec<Binned>>,
}

/// What to measure, and where it goes.
#[derive(Debug, Clone, Copy)]
pub struct EvaluateOptions<'a> {
    /// The file of predictions.
    pub predictions: &'a Path,
    /// The split that was predicted on.
    pub split: &'a str,
    /// Columns and new variables of the view in whose bins to measure; the view's observers where it is empty.
    pub against: &'a [String],
    /// A file for the metrics.
    pub output: Option<&'a Path>,
    /// A file for the report.
    pub report: Option<&'a Path>,
    /// The command that does it again, for the report.
    pub command: &'a str,
}

/// Measures a file of predictions of a regression on a split of a dataset, by the weights of the model's view.
///
/// # Errors
/// A model that classifies; predictions that cannot be read or do not fit the split; a dataset that does not fit the view; a column that
/// does not have one number per row.
pub fn evaluate_file(
    saved: &SavedModel,
    dataset: &Dataset,
    options: &EvaluateOptions<'_>,
) -> Result<RegressionMetrics, Error> {
    let path = options.predictions;
    let refuse = |reason: String| Error::Predictions { path: path.to_path_buf(), reason };
    if saved.info.loss.classifies() {
        return Err(refuse(format!("{} is no regression: measure its scores by a task", saved.info.name)));
    }
    let found = Predictions::read_columns(path, &saved.prediction_names())?;
    let truth = fiducial_data::batches::truth(&saved.view, dataset, options.split)?;
    let values = found.aligned(&truth.row_ids).map_err(refuse)?;
    let weights = weights(&truth);
    let targets = targets(&saved.view, dataset, options.split)?;
    let each = found.columns / targets.len().max(1);
    let column = |index: usize| values.iter().skip(index).step_by(found.columns.max(1)).copied().collect();
    let targets: Vec<Target<'_>> = targets
        .into_iter()
        .enumerate()
        .map(|(index, (name, truth))| Target {
            name,
            kind: &saved.info.loss.kind,
            truth,
            columns: (index * each..(index + 1) * each).map(column).collect(),
            weights: &weights,
        })
        .collect();
    let (columns, notes) = columns(saved, dataset, options, &truth)?;

    let mut metrics = RegressionMetrics {
        format: REGRESSION_FORMAT.to_owned(),
        model: saved.info.name.clone(),
        dataset: dataset.version().to_owned(),
        split: options.split.to_owned(),
        rows: truth.row_ids.len() as u64,
        intervals: Intervals::bootstrap(BOOTSTRAP),
        targets: BTreeMap::new(),
        bin_intervals: Intervals::bootstrap(bins::BIN_BOOTSTRAP),
        bins: BTreeMap::new(),
    };
    let rows: Vec<usize> = (0..truth.row_ids.len()).collect();
    for target in &targets {
        let name = &target.name;
        let measured = target.measure(&rows, &BOOTSTRAP);
        let measured = measured.map_err(|error| refuse(format!("{name}: {error}")))?;
        metrics.targets.insert(name.clone(), measured);
        metrics.bins.insert(name.clone(), in_bins(target, &columns));
    }
    if let Some(path) = options.output {
        files::write_json(path, &metrics)?;
    }
    if let Some(path) = options.report {
        let shown = summary::report(saved, dataset, options, &metrics, &targets, &notes);
        files::write_text(path, &report::render_regression(&shown))?;
    }
    Ok(metrics)
}

/// Columns with their names.
type Columns = Vec<(String, Vec<f64>)>;

/// The columns in whose bins to measure; and for each observer that is no number per row, why it is not among them.
fn columns(
    saved: &SavedModel,
    dataset: &Dataset,
    options: &EvaluateOptions<'_>,
    truth: &Tensors,
) -> Result<(Columns, Vec<String>), Error> {
    let values = |name: &str| quantity(&saved.view, dataset, options.split, name);
    let of_row = |name: &str, values: &[f64]| match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(row) => Err(format!("{name} is {} for row id {}", values[row], truth.row_ids[row])),
    };
    let (mut columns, mut notes) = (Columns::new(), Vec::new());
    for name in options.against {
        let values = values(name)?;
        let refuse = |reason| Error::Binning { column: name.clone(), reason };
        of_row(name, &values).map_err(refuse)?;
        columns.push((name.clone(), values));
    }
    if options.against.is_empty() {
        for name in saved.view.observers() {
            let found = values(name).map_err(|error| error.to_string());
            match found.and_then(|values| of_row(name, &values).map(|()| values)) {
                Ok(values) => columns.push((name.clone(), values)),
                Err(reason) => notes.push(format!("No bins of the observer {name}: {reason}.")),
            }
        }
    }
    Ok((columns, notes))
}

fn in_bins(target: &Target<'_>, columns: &Columns) -> Vec<Binned> {
    let own = [
        (Variable::Truth, Some(target.truth.as_slice())),
        (Variable::Prediction, target.best()),
        (Variable::Sigma, target.sigmas()),
    ];
    let own =
        own.into_iter().filter_map(|(variable, values)| Some((variable, target.name.as_str(), values?)));
    let others = columns.iter().map(|(name, values)| (Variable::Column, name.as_str(), values.as_slice()));
    own.chain(others).map(|(variable, name, values)| bins::measure(target, variable, name, values)).collect()
}

/// Puts what was measured into the card of the model in `directory`, in the place of what it said of the same split before.
///
/// # Errors
/// A card that cannot be read or written.
pub fn write_card(
    saved: &SavedModel,
    directory: &Path,
    dataset: &Dataset,
    metrics: &RegressionMetrics,
) -> Result<(), Error> {
    let of_target = |(target, found): (&String, &BTreeMap<String, Estimate>)| -> Vec<MeasuredMetric> {
        let metric = |(key, estimate): (&String, &Estimate)| MeasuredMetric {
            key: format!("{target}_{key}"),
            name: format!("{target}, {}", report::regression_title(key)),
            value: estimate.value,
            low: estimate.low,
            high: estimate.high,
            events: estimate.n,
        };
        found.iter().map(metric).collect()
    };
    let measured = Measurement {
        task: format!("Regression of {}", metrics.targets.keys().cloned().collect::<Vec<_>>().join(", ")),
        dataset: dataset.manifest().about.name.clone(),
        dataset_version: metrics.dataset.clone(),
        split: metrics.split.clone(),
        confidence: metrics.intervals.confidence,
        metrics: metrics.targets.iter().flat_map(of_target).collect(),
    };
    let mut card = Card::read(directory)?;
    let is_same = |other: &Measurement| {
        (&other.task, &other.dataset_version, &other.split)
            == (&measured.task, &measured.dataset_version, &measured.split)
    };
    card.measured.retain(|other| !is_same(other));
    card.measured.push(measured);
    Ok(card.write(saved, directory)?)
}
