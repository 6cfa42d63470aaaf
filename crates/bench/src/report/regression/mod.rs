//! The report of a regression: residuals, response, pulls and coverage, for all rows and in bins.

mod data;
mod figures;

use maud::{Markup, html};

use fiducial_metrics::Estimate;

pub use data::{Plane, RegressionReport, TargetReport};

use super::{figures as common, format, page};

/// The page as HTML. The same report gives the same bytes.
#[must_use]
pub fn render_regression(report: &RegressionReport) -> String {
    let training = match &report.training {
        Some(training) if !training.epochs.is_empty() => common::training(training),
        _ => page::absent("The model came from elsewhere: there is no record of the training."),
    };
    let of_target = |(index, target): (usize, &TargetReport)| {
        (format!("target-{index}"), target.name.clone(), figures::target(index, target))
    };
    let mut sections = vec![("metrics".to_owned(), "Metrics".to_owned(), metrics(report))];
    sections.extend(report.targets.iter().enumerate().map(of_target));
    for (id, title, content) in [
        ("training", "Training", training),
        ("data", "Data", page::data(&report.data)),
        ("run", "Run", page::run(&report.run)),
    ] {
        sections.push((id.to_owned(), title.to_owned(), content));
    }
    let header = page::Header {
        title: format!("{}: a regression", report.model),
        kicker: html! { "Fiducial report · regression · model " strong { (report.model) } },
        heading: "What is predicted, and how far it is off".to_owned(),
        description: report.description.clone(),
        numbers: "Numbers for machines are what `fiducial evaluate` writes with `--output`.",
    };
    page::shell(&header, &sections).into_string()
}

/// The metrics of each target in one table.
fn metrics(report: &RegressionReport) -> Markup {
    html! {
        p { "Measured on " (report.measured_on) ". A residual is what is predicted minus what is true, in the units of the target; a response is what is predicted over what is true." }
        @for target in &report.targets {
            h3 { (target.name) }
            div class="scroll" tabindex="0" role="region" aria-label=(format!("Metrics of {}", target.name)) {
                table {
                    thead { tr {
                        th scope="col" { "Metric" }
                        th scope="col" class="n" { "Value" }
                        th scope="col" class="n" { "68 % interval" }
                        th scope="col" { "Should be" }
                        th scope="col" class="n" { "Rows" }
                    } }
                    tbody { @for (key, estimate) in sorted(target) { (row(key, estimate)) } }
                }
            }
        }
        p class="soft" { (report.intervals) "." }
    }
}

/// The metrics of a target in the order in which a reader asks.
fn sorted(target: &TargetReport) -> Vec<(&str, &Estimate)> {
    let rank = |key: &str| {
        let order = ["bias", "median", "resolution", "rmse", "response", "pull", "within", "coverage"];
        order.iter().position(|start| key.starts_with(start)).unwrap_or(order.len())
    };
    let mut found: Vec<(&str, &Estimate)> =
        target.metrics.iter().map(|(key, estimate)| (key.as_str(), estimate)).collect();
    found.sort_by_key(|(key, _)| rank(key));
    found
}

fn row(key: &str, estimate: &Estimate) -> Markup {
    let [value, low, high] = estimate.rounded().map(Option::unwrap_or_default);
    html! {
        tr {
            th scope="row" { (title(key)) }
            td class="n" { (value) }
            td class="n" { (low) " to " (high) }
            td { (expected(key).map(format::short).unwrap_or_default()) }
            td class="n" { (format::count(estimate.n)) }
        }
    }
}

/// The name of a metric for a person.
pub(crate) fn title(key: &str) -> String {
    let named = match key {
        "bias" => "bias: mean residual",
        "median" => "median residual",
        "resolution" => "resolution: half of the central 68 % width",
        "rmse" => "root mean square of the residuals",
        "response" => "median response",
        "response_resolution" => {
            "relative resolution: half of the response's central 68 % width over its median"
        }
        "pull_mean" => "mean pull",
        "pull_width" => "root mean square of the pulls",
        "pull_resolution" => "half of the pulls' central 68 % width",
        "within_1_sigma" => "truth within 1 predicted sigma",
        "within_2_sigma" => "truth within 2 predicted sigma",
        "ordered" => "rows whose quantiles do not cross",
        _ => return of_levels(key),
    };
    named.to_owned()
}

fn of_levels(key: &str) -> String {
    if let Some(level) = key.strip_prefix("coverage_") {
        return format!("truth not above the {level} quantile");
    }
    match key.strip_prefix("within_").and_then(|levels| levels.split_once('_')) {
        Some((low, high)) => format!("truth between the quantiles {low} and {high}"),
        None => key.to_owned(),
    }
}

/// What a metric is for a prediction that is right; none for those that are as good as they are.
pub(crate) fn expected(key: &str) -> Option<f64> {
    match key {
        "bias" | "median" | "pull_mean" => Some(0.0),
        "response" | "pull_width" | "pull_resolution" | "ordered" => Some(1.0),
        // Of a normal distribution.
        "within_1_sigma" => Some(fiducial_metrics::CONFIDENCE),
        "within_2_sigma" => Some(0.954_499_736_103_641_6),
        _ => {
            if let Some(level) = key.strip_prefix("coverage_") {
                return level.parse().ok();
            }
            let (low, high) = key.strip_prefix("within_")?.split_once('_')?;
            Some(high.parse::<f64>().ok()? - low.parse::<f64>().ok()?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_have_names_and_what_they_should_be() {
        for (key, name, value) in [
            ("bias", "bias: mean residual", Some(0.0)),
            ("rmse", "root mean square of the residuals", None),
            ("coverage_0.16", "truth not above the 0.16 quantile", Some(0.16)),
            ("within_0.25_0.75", "truth between the quantiles 0.25 and 0.75", Some(0.5)),
            ("within_1_sigma", "truth within 1 predicted sigma", Some(fiducial_metrics::CONFIDENCE)),
        ] {
            assert_eq!((title(key).as_str(), expected(key)), (name, value), "{key}");
        }
    }
}
