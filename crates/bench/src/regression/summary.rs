//! A regression to what its report shows.

use fiducial_data::dataset::Dataset;
use fiducial_metrics::Estimate;
use fiducial_models::LossKind;
use fiducial_train::SavedModel;

use super::target::Target;
use super::{EvaluateOptions, RegressionMetrics};
use crate::record::{Machine, Versions};
use crate::report::{Fact, Histogram, Plane, RegressionReport, RunSummary, TargetReport};
use crate::summary::{code_and_machine, data, training, used};

const BINS: usize = 60;
const PLANE_BINS: usize = 40;

/// Half of a histogram's range in widths of what it shows.
const WIDTHS: f64 = 5.0;

/// The share of the rows that the plane leaves out at either end.
const OUTSIDE: f64 = 0.002;

pub(super) fn report(
    saved: &SavedModel,
    dataset: &Dataset,
    options: &EvaluateOptions<'_>,
    metrics: &RegressionMetrics,
    targets: &[Target<'_>],
    notes: &[String],
) -> RegressionReport {
    let info = &saved.info;
    let manifest = dataset.manifest();
    let intervals = &metrics.intervals;
    RegressionReport {
        model: info.name.clone(),
        description: format!(
            "A {} with {} trained numbers that predicts {}.",
            info.kind,
            info.parameters,
            saved.prediction_names().join(", ")
        ),
        measured_on: format!("the {} split of {}, {} rows", metrics.split, manifest.about.name, metrics.rows),
        intervals: format!(
            "{:.0} % intervals: {}, {} replicas, and {} in bins",
            100.0 * intervals.confidence,
            intervals.method,
            intervals.bootstrap.replicas,
            metrics.bin_intervals.bootstrap.replicas
        ),
        targets: targets.iter().map(|target| target_report(target, metrics, notes)).collect(),
        training: saved.training.as_ref().map(training),
        data: data(manifest, Vec::new()),
        run: run(saved, options),
    }
}

fn target_report(target: &Target<'_>, metrics: &RegressionMetrics, notes: &[String]) -> TargetReport {
    let found = metrics.targets.get(&target.name).cloned().unwrap_or_default();
    let value = |key: &str| found.get(key).and_then(|estimate: &Estimate| estimate.value);
    let histogram = |values: Option<Vec<f64>>, centre: Option<f64>, width: Option<f64>| {
        let (values, centre, width) = (values?, centre?, width?);
        // Of what has no width at all, one bin holds everything.
        let reach = if width > 0.0 { WIDTHS * width } else { (1e-6 * centre.abs()).max(1e-6) };
        Some(filled(&values, target.weights, centre - reach, centre + reach))
    };
    let response_width =
        value("response").zip(value("response_resolution")).map(|(median, width)| median * width);
    let levels = match target.kind {
        LossKind::Quantile { levels } => levels.clone(),
        _ => Vec::new(),
    };
    TargetReport {
        name: target.name.clone(),
        bins: metrics.bins.get(&target.name).cloned().unwrap_or_default(),
        against_truth: target.best().map(|best| plane(&target.truth, best, target.weights)),
        residuals: histogram(target.residuals(), value("median"), value("resolution")),
        responses: histogram(target.responses(), value("response"), response_width),
        pulls: target.pulls().map(|pulls| filled(&pulls, target.weights, -WIDTHS, WIDTHS)),
        levels,
        notes: notes.to_vec(),
        metrics: found,
    }
}

fn filled(values: &[f64], weights: &[f64], low: f64, high: f64) -> Histogram {
    let mut histogram = Histogram::new(low, high, BINS);
    values.iter().zip(weights).for_each(|(value, weight)| histogram.fill(*value, *weight));
    histogram
}

/// Predicted against true, over the range that holds nearly all of both.
fn plane(truth: &[f64], best: &[f64], weights: &[f64]) -> Plane {
    let mut sorted: Vec<f64> = truth.iter().chain(best).copied().collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    let cut = (OUTSIDE * sorted.len() as f64) as usize;
    let at = |place: usize| sorted.get(place.min(last)).copied().unwrap_or(0.0);
    let (low, high) = (at(cut), at(last.saturating_sub(cut)));
    let mut plane = Plane::new(low, if high > low { high } else { low + 1.0 }, PLANE_BINS);
    truth
        .iter()
        .zip(best)
        .zip(weights)
        .for_each(|((truth, best), weight)| plane.fill(*truth, *best, *weight));
    plane
}

fn run(saved: &SavedModel, options: &EvaluateOptions<'_>) -> RunSummary {
    let info = &saved.info;
    let mut facts = vec![
        Fact::new("model", info.name.clone()),
        Fact::new("parameters", info.parameters.to_string()),
        Fact::new("trained by", info.code.clone()),
        Fact::new("trained on", format!("{} {}", info.dataset, info.dataset_version)),
        Fact::new("seed", info.seed.to_string()),
    ];
    facts.extend(code_and_machine(&Versions::here(), &Machine::here()));
    let resources = saved.training.as_ref().map(|training| &training.resources);
    RunSummary {
        command: options.command.to_owned(),
        facts,
        steps: resources.map(|resources| used("train", resources)).into_iter().collect(),
        energy_note: resources.map(|resources| resources.energy.note.clone()).unwrap_or_default(),
        texts: vec![
            Fact::new("recipe", info.recipe.clone()),
            Fact::new("view", saved.view.text().to_owned()),
        ],
    }
}
