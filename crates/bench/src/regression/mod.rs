//! How good a model is that predicts numbers: bias, resolution, coverage.

use std::collections::BTreeMap;
use std::path::Path;

use fiducial_data::batches::targets;
use fiducial_data::dataset::Dataset;
use fiducial_metrics::{Estimate, ResidualSummary, Residuals};
use fiducial_models::LossKind;
use fiducial_train::SavedModel;
use serde::{Deserialize, Serialize};

use crate::protocol::{BOOTSTRAP, weights};
use crate::{Error, Intervals, Predictions, files};

/// The format of [`RegressionMetrics`]. Its JSON schema is `schemas/regression-1.json` in the repository.
pub const REGRESSION_FORMAT: &str = "fiducial-regression/1";

/// For each target its metrics with their intervals, in the target's units.
///
/// A residual is what is predicted minus what is true. Where there is one best number (the prediction, the mean, or the quantile of
/// level 0.5): `bias`, `resolution` and `rmse` of the residuals. For each quantile `coverage_LEVEL`, the share that is not above it.
/// For a Gaussian `pull_mean` and `pull_width`, the mean and the root mean square of residual / sigma, which are 0 and 1 where the
/// sigmas are right.
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
}

/// Measures a file of predictions of a regression on a split of a dataset, by the weights of the model's view. The metrics are
/// written to `output` too, if it is given.
///
/// # Errors
/// A model that classifies; predictions that cannot be read or do not fit the split; a dataset that does not fit the view.
pub fn evaluate_file(
    saved: &SavedModel,
    dataset: &Dataset,
    split: &str,
    predictions: &Path,
    output: Option<&Path>,
) -> Result<RegressionMetrics, Error> {
    let refuse = |reason: String| Error::Predictions { path: predictions.to_path_buf(), reason };
    let kind = &saved.info.loss.kind;
    if saved.info.loss.classifies() {
        return Err(refuse(format!("{} is no regression: measure its scores by a task", saved.info.name)));
    }
    let found = Predictions::read_columns(predictions, &saved.prediction_names())?;
    let truth = fiducial_data::batches::truth(&saved.view, dataset, split)?;
    let values = found.aligned(&truth.row_ids).map_err(refuse)?;
    let targets = targets(&saved.view, dataset, split)?;
    let each = found.columns / targets.len().max(1);
    let weights = weights(&truth);
    let metrics = targets.iter().enumerate().map(|(index, (name, truth))| {
        let rows =
            values.chunks_exact(found.columns.max(1)).map(|row| &row[index * each..(index + 1) * each]);
        let measured = measure(kind, &rows.collect::<Vec<_>>(), truth, &weights);
        Ok((name.clone(), measured.map_err(|error| refuse(format!("{name}: {error}")))?))
    });
    let metrics = RegressionMetrics {
        format: REGRESSION_FORMAT.to_owned(),
        model: saved.info.name.clone(),
        dataset: dataset.version().to_owned(),
        split: split.to_owned(),
        rows: truth.row_ids.len() as u64,
        intervals: Intervals::bootstrap(BOOTSTRAP),
        targets: metrics.collect::<Result<_, Error>>()?,
    };
    if let Some(path) = output {
        files::write_json(path, &metrics)?;
    }
    Ok(metrics)
}

/// The metrics of one target from its columns of each row.
fn measure(
    kind: &LossKind,
    rows: &[&[f64]],
    truth: &[f64],
    weights: &[f64],
) -> Result<BTreeMap<String, Estimate>, fiducial_metrics::Error> {
    let residuals = |column: usize| -> Vec<f64> {
        rows.iter().zip(truth).map(|(row, truth)| row[column] - truth).collect()
    };
    let mut found = BTreeMap::new();
    let mut best = Some(0);
    match kind {
        LossKind::Quantile { levels } => {
            best = levels.iter().position(|level| *level == 0.5);
            for (column, level) in levels.iter().enumerate() {
                let events = Residuals::new(&residuals(column), Some(weights))?;
                found.insert(format!("coverage_{level}"), events.coverage(&BOOTSTRAP)?);
            }
        }
        LossKind::Gaussian {} => {
            let pulls = rows.iter().zip(truth).map(|(row, truth)| (row[0] - truth) / row[1]);
            let pulls = Residuals::new(&pulls.collect::<Vec<_>>(), Some(weights))?.summary(&BOOTSTRAP)?;
            found.insert("pull_mean".to_owned(), pulls.bias);
            found.insert("pull_width".to_owned(), pulls.rmse);
        }
        _ => {}
    }
    if let Some(column) = best {
        let events = Residuals::new(&residuals(column), Some(weights))?;
        let ResidualSummary { bias, resolution, rmse } = events.summary(&BOOTSTRAP)?;
        for (key, estimate) in [("bias", bias), ("resolution", resolution), ("rmse", rmse)] {
            found.insert(key.to_owned(), estimate);
        }
    }
    Ok(found)
}
