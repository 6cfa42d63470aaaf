//! The figures of one target.

use fiducial_metrics::Estimate;
use maud::{Markup, html};

use super::data::{Plane, TargetReport};
use super::{expected, title};
use crate::regression::{Bin, Binned, Variable};
use crate::report::chart::{Axis, Chart, HeatMap, Mark, Sample, range};
use crate::report::data::Histogram;
use crate::report::format;

/// Everything that is shown of a target. `index` makes the ids of its charts unique.
pub(super) fn target(index: usize, target: &TargetReport) -> Markup {
    let id = |name: &str| format!("t{index}-{name}");
    html! {
        div class="figures" {
            @if let Some(plane) = &target.against_truth { (against_truth(target, plane)) }
            @if let Some(residuals) = &target.residuals { (residual_figure(&id("residuals"), target, residuals)) }
            @if let Some(responses) = &target.responses { (response_figure(&id("responses"), target, responses)) }
            @if let Some(pulls) = &target.pulls { (pull_figure(&id("pulls"), target, pulls)) }
            @if !target.levels.is_empty() { (coverage_figure(&id("coverage"), target)) }
        }
        @for (number, binned) in target.bins.iter().enumerate() {
            h3 { "In bins of " @if binned.variable != Variable::Column { "the " } (variable(target, binned)) }
            p class="soft" { (reading(binned.variable)) }
            div class="figures" { (in_bins(&id(&format!("bins{number}")), target, binned)) }
            (unmeasured(binned))
        }
        @if !target.notes.is_empty() { ul { @for note in &target.notes { li { (note) } } } }
    }
}

fn variable(target: &TargetReport, binned: &Binned) -> String {
    match binned.variable {
        Variable::Truth => format!("true {}", target.name),
        Variable::Prediction => format!("predicted {}", target.name),
        Variable::Sigma => format!("predicted sigma of {}", target.name),
        Variable::Column => binned.name.clone(),
    }
}

/// What bins of a variable can show and what they cannot.
fn reading(variable: Variable) -> &'static str {
    match variable {
        Variable::Truth => {
            "At a given truth even the best prediction is off where it is unsure: it lies above the smallest true values and \
             below the largest ones, and a quantile or a pull that is right on average is not so in each of these bins."
        }
        Variable::Prediction => {
            "At a given prediction a good one is right on average: what is off here can be taken out."
        }
        Variable::Sigma => {
            "Where the predicted sigmas are right, pulls have mean 0 and width 1 in each bin, and the resolution rises as sigma does."
        }
        Variable::Column => {
            "A dependence that is seen here is one that the model did not learn, or could not."
        }
    }
}

fn against_truth(target: &TargetReport, plane: &Plane) -> Markup {
    let total = plane.sums.iter().sum::<f64>() + plane.outside;
    let norm = if total > 0.0 { 1.0 / total } else { 0.0 };
    let shares: Vec<f64> = plane.sums.iter().map(|sum| sum * norm).collect();
    let positive = shares.iter().copied().filter(|share| *share > 0.0);
    let (lowest, highest) = range(positive);
    html! {
        figure {
            (HeatMap {
                description: format!("Predicted against true {}", target.name),
                title: format!("{}: predicted against true", target.name),
                x: Axis::linear(&format!("true {}", target.name), plane.low, plane.high),
                y: Axis::linear(&format!("predicted {}", target.name), plane.low, plane.high),
                z: Axis::log("share of all rows per cell", 0.5 * lowest, highest),
                bins: plane.bins,
                values: &shares,
                diagonal: true,
            }.render())
            figcaption {
                "What is predicted against what is true; on the line both are equal. "
                (format::percent(plane.outside, total)) " of the weight lies outside the figure."
            }
        }
    }
}

/// A distribution as shares of all rows, with a curve beside it.
struct Distribution<'a> {
    id: &'a str,
    histogram: &'a Histogram,
    label: &'a str,
    name: &'a str,
    /// Centre, width and name of a normal distribution.
    normal: Option<(f64, f64, &'a str)>,
    is_log: bool,
}

impl Distribution<'_> {
    fn render(&self) -> Markup {
        let Histogram { low, high, sums, squares, .. } = self.histogram;
        let total = self.histogram.total();
        let norm = if total > 0.0 { 1.0 / total } else { 0.0 };
        let width = (high - low) / sums.len() as f64;
        let edges: Vec<f64> = (0..=sums.len()).map(|bin| low + width * bin as f64).collect();
        let values: Vec<f64> = sums.iter().map(|sum| sum * norm).collect();
        let errors: Vec<f64> = squares.iter().map(|square| square.sqrt() * norm).collect();
        let (lowest, highest) = range(values.iter().copied().filter(|value| *value > 0.0));
        let mut legend = vec![(Sample::Area, 0, self.name.to_owned())];
        let mut marks = Vec::new();
        let mut top = highest;
        if let Some((centre, spread, name)) = self.normal.filter(|(_, spread, _)| *spread > 0.0) {
            let density = |x: f64| {
                let pull = (x - centre) / spread;
                width * (-0.5 * pull * pull).exp() / (spread * std::f64::consts::TAU.sqrt())
            };
            let points = (0..=200).map(|step| low + (high - low) * f64::from(step) / 200.0);
            marks.push(Mark::Line { points: points.map(|x| (x, density(x))).collect(), style: 1 });
            legend.push((Sample::Line, 1, name.to_owned()));
            top = top.max(density(centre));
        }
        let tips = edges.windows(2).zip(values.iter().zip(&errors)).map(|(edge, (share, error))| Mark::Tip {
            at: (0.5 * (edge[0] + edge[1]), *share),
            text: format!(
                "{} to {}: {share:.5} ± {error:.5} of all",
                format::short(edge[0]),
                format::short(edge[1])
            ),
        });
        let tips: Vec<Mark> = tips.collect();
        marks.insert(0, Mark::Steps { edges, values, errors, style: 0 });
        marks.extend(tips);
        let label = "share of all rows per bin";
        Chart {
            id: self.id.to_owned(),
            description: format!("Distribution of the {}", self.name),
            x: Axis::linear(self.label, *low, *high),
            y: if self.is_log {
                Axis::log(label, 0.5 * lowest, 2.0 * top)
            } else {
                Axis::linear(label, 0.0, 1.08 * top)
            },
            marks,
            legend,
        }
        .render()
    }

    /// What of it lies outside the figure.
    fn outside(&self) -> String {
        format!(
            "{} of the weight lies outside the figure.",
            format::percent(self.histogram.outside, self.histogram.total())
        )
    }
}

fn value(target: &TargetReport, key: &str) -> f64 {
    target.metrics.get(key).and_then(|estimate| estimate.value).unwrap_or(f64::NAN)
}

fn residual_figure(id: &str, target: &TargetReport, histogram: &Histogram) -> Markup {
    let normal =
        (value(target, "median"), value(target, "resolution"), "normal of that median and resolution");
    let label = format!("{}: predicted − true", target.name);
    let figure =
        Distribution { id, histogram, label: &label, name: "residuals", normal: Some(normal), is_log: false };
    html! {
        figure {
            (figure.render())
            figcaption {
                "Residuals of all rows; error bars are statistical. The normal distribution is no fit: it has the median and the \
                 central 68 % width of the residuals, and what lies beyond it are tails. " (figure.outside())
            }
        }
    }
}

fn response_figure(id: &str, target: &TargetReport, histogram: &Histogram) -> Markup {
    let median = value(target, "response");
    let normal =
        (median, median * value(target, "response_resolution"), "normal of that median and resolution");
    let label = format!("{}: predicted / true", target.name);
    let figure =
        Distribution { id, histogram, label: &label, name: "response", normal: Some(normal), is_log: true };
    html! {
        figure {
            (figure.render())
            figcaption { "The response of all rows, on a logarithmic axis, with the same kind of curve. " (figure.outside()) }
        }
    }
}

fn pull_figure(id: &str, target: &TargetReport, histogram: &Histogram) -> Markup {
    let label = format!("{}: (predicted − true) / predicted sigma", target.name);
    let normal = Some((0.0, 1.0, "standard normal"));
    let figure = Distribution { id, histogram, label: &label, name: "pulls", normal, is_log: true };
    html! {
        figure {
            (figure.render())
            figcaption {
                "Pulls of all rows, on a logarithmic axis. They follow the standard normal distribution where what is left to \
                 chance is normal and the sigmas are right. " (figure.outside())
            }
        }
    }
}

/// How far each quantile's coverage is from its level.
fn coverage_figure(id: &str, target: &TargetReport) -> Markup {
    let found = target.levels.iter().filter_map(|level| {
        let estimate = target.metrics.get(&format!("coverage_{level}"))?;
        Some((*level, *estimate))
    });
    let mut marks = vec![Mark::Line { points: vec![(0.0, 0.0), (1.0, 0.0)], style: 2 }];
    let mut reach = vec![0.0];
    for (level, estimate) in found {
        let [low, high] = [estimate.low - level, estimate.high.unwrap_or(1.0) - level];
        let at = (level, estimate.value.unwrap_or(level) - level);
        reach.extend([low, high]);
        marks.push(Mark::Dot { at, bar: Some((low, high)), style: 0 });
        marks.push(Mark::Tip { at, text: format!("level {level}: {estimate}") });
    }
    html! {
        figure {
            (Chart {
                id: id.to_owned(),
                description: format!("Coverage of the quantiles of {} minus their levels", target.name),
                x: Axis::linear("level of the quantile", 0.0, 1.0),
                y: Axis::around("share of truths not above it − level", reach),
                marks,
                legend: vec![(Sample::Dot, 0, "measured".to_owned()), (Sample::Line, 2, "right".to_owned())],
            }.render())
            figcaption {
                "For each quantile the share of the weight whose truth is not above it, minus its level; the bars are the 68 % \
                 intervals."
            }
        }
    }
}

/// Series of metrics that share a chart in bins.
fn charts_in_bins(target: &TargetReport) -> Vec<(&'static str, &'static str, Vec<String>)> {
    let keys = |keys: &[&str]| -> Vec<String> {
        let there = keys.iter().filter(|key| target.metrics.contains_key(**key));
        there.map(|key| (*key).to_owned()).collect()
    };
    let coverages = target.levels.iter().map(|level| format!("coverage_{level}")).collect();
    let charts = [
        ("bias", "predicted − true", keys(&["bias", "median"])),
        ("resolution", "width of predicted − true", keys(&["resolution", "rmse"])),
        ("response", "predicted / true", keys(&["response"])),
        ("relative", "relative resolution", keys(&["response_resolution"])),
        ("pulls", "pull", keys(&["pull_mean", "pull_width", "pull_resolution"])),
        ("sigmas", "share of truths", keys(&["within_1_sigma", "within_2_sigma"])),
        ("coverage", "share of truths", coverages),
    ];
    charts.into_iter().filter(|(_, _, keys)| !keys.is_empty()).collect()
}

fn in_bins(id: &str, target: &TargetReport, binned: &Binned) -> Markup {
    let of = variable(target, binned);
    let x = bins_axis(&of, &binned.bins);
    html! {
        @for (name, label, keys) in charts_in_bins(target) {
            figure {
                (chart_in_bins(&format!("{id}-{name}"), &x, label, &keys, &binned.bins))
                figcaption { (caption(&keys)) " in bins of " (of) "; vertical bars are the 68 % intervals, horizontal ones the bins." }
            }
        }
    }
}

/// The first letter is large.
fn caption(keys: &[String]) -> String {
    let text = keys.iter().map(|key| title(key)).collect::<Vec<_>>().join("; ");
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// From the first bin to the last; the ends of those that reach far out are cut off.
fn bins_axis(label: &str, bins: &[Bin]) -> Axis {
    let (Some(first), Some(last)) = (bins.first(), bins.last()) else { return Axis::linear(label, 0.0, 1.0) };
    let low = first.low.max(first.median - 2.0 * (first.high - first.median));
    let high = last.high.min(last.median + 2.0 * (last.median - last.low));
    if bins.len() == 1 || high <= low {
        Axis::around(label, [first.low, last.high])
    } else {
        Axis::linear(label, low, high)
    }
}

fn chart_in_bins(id: &str, x: &Axis, label: &str, keys: &[String], bins: &[Bin]) -> Markup {
    let mut marks = Vec::new();
    let mut legend = Vec::new();
    let mut reach = Vec::new();
    let mut tips = Vec::new();
    let mut expectations: Vec<f64> = Vec::new();
    for (index, key) in keys.iter().enumerate() {
        let style = [0, 1, 3][index % 3];
        let found = bins.iter().filter_map(|bin| bin.metrics.get(key).map(|estimate| (bin, estimate)));
        for (bin, estimate) in found {
            let Some(value) = estimate.value else { continue };
            let high = estimate.high.unwrap_or(value);
            reach.extend([estimate.low, high]);
            marks.push(Mark::Line { points: vec![(bin.low, value), (bin.high, value)], style });
            marks.push(Mark::Dot { at: (bin.median, value), bar: Some((estimate.low, high)), style });
            tips.push(Mark::Tip { at: (bin.median, value), text: tip(key, bin, estimate) });
        }
        legend.push((Sample::Dot, style, short(key)));
        expectations.extend(expected(key));
    }
    for expectation in expectations {
        reach.push(expectation);
        marks.insert(0, Mark::Line { points: vec![(x.low, expectation), (x.high, expectation)], style: 2 });
    }
    marks.extend(tips);
    Chart {
        id: id.to_owned(),
        description: format!("{} against {}", caption(keys), x.label),
        x: x.clone(),
        y: Axis::around(label, reach),
        marks,
        legend,
    }
    .render()
}

fn short(key: &str) -> String {
    key.replace('_', " ")
}

fn tip(key: &str, bin: &Bin, estimate: &Estimate) -> String {
    let (low, high) = (format::short(bin.low), format::short(bin.high));
    format!("{} from {low} to {high}: {estimate}, {} rows", short(key), format::count(bin.rows))
}

/// Bins without metrics, with the reason.
fn unmeasured(binned: &Binned) -> Markup {
    let found = binned.bins.iter().filter_map(|bin| Some((bin, bin.unmeasured.as_ref()?)));
    let notes: Vec<String> = found
        .map(|(bin, why)| format!("From {} to {}: {why}.", format::short(bin.low), format::short(bin.high)))
        .collect();
    html! { @if !notes.is_empty() { ul { @for note in &notes { li { (note) } } } } }
}
