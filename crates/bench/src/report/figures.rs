//! The report's figures.

use maud::{Markup, html};

use fiducial_metrics::{RocCurve, RocPoint};

use super::chart::{Axis, Chart, HeatMap, Mark, Sample, Scale, power_of_ten, range};
use super::data::{EpochValues, JetImage, ReportData, TrainingHistory};
use super::format;

/// What the cards and the curves call the background rejection's keys, before the signal efficiency.
const REJECTION: &str = "background_rejection_at_";

/// Background efficiency, and rejection, against signal efficiency.
pub(crate) fn roc(report: &ReportData, curve: &RocCurve) -> Markup {
    html! {
        div class="figures" {
            figure {
                (background_efficiency(report, curve))
                figcaption {
                    "ROC curve: background efficiency ε" sub { "B" } " against signal efficiency ε" sub { "S" }
                    ". Lower is better. The band is the 68 % bootstrap interval at fixed ε" sub { "S" } "."
                }
            }
            figure {
                (rejection(report, curve))
                figcaption {
                    "Background rejection 1/ε" sub { "B" } " against signal efficiency. Higher is better. Where few "
                    (report.background) " jets are left the band widens; where none is left there is only a lower limit."
                }
            }
        }
    }
}

fn finite_positive(values: impl Iterator<Item = f64>) -> impl Iterator<Item = f64> {
    values.filter(|value| value.is_finite() && *value > 0.0)
}

fn working_points(report: &ReportData) -> impl Iterator<Item = (f64, &fiducial_metrics::Estimate)> {
    report
        .metrics
        .iter()
        .filter_map(|metric| Some((metric.key.strip_prefix(REJECTION)?.parse().ok()?, &metric.estimate)))
}

/// Tooltips at every fourth point: enough to find one, few enough for a small page.
fn tips(curve: &RocCurve, y: impl Fn(&RocPoint) -> f64) -> Vec<Mark> {
    let text = |p: &RocPoint| {
        let (low, high) = (rejection_text(p.high), rejection_text(p.low));
        format!(
            "signal efficiency {:.3}: background efficiency {:.2e}, rejection {} (68 %: {low} to {high}), score ≥ {:.5}",
            p.signal_efficiency,
            p.background_efficiency,
            rejection_text(p.background_efficiency),
            p.threshold
        )
    };
    let shown = curve.points.iter().skip(3).step_by(4);
    shown.map(|p| Mark::Tip { at: (p.signal_efficiency, y(p)), text: text(p) }).collect()
}

fn rejection_text(background_efficiency: f64) -> String {
    if background_efficiency > 0.0 { significant(1.0 / background_efficiency) } else { "no bound".to_owned() }
}

/// Three significant digits.
fn significant(x: f64) -> String {
    let decimals = (2.0 - x.abs().max(1e-9).log10().floor()).clamp(0.0, 6.0) as usize;
    format!("{x:.decimals$}")
}

/// Points where no background is left, as `(signal efficiency, upper limit on the background efficiency)`.
fn limits(curve: &RocCurve) -> Vec<(f64, f64)> {
    let without = curve.points.iter().filter(|p| p.background_efficiency <= 0.0);
    without.map(|p| (p.signal_efficiency, p.high)).collect()
}

fn background_efficiency(report: &ReportData, curve: &RocCurve) -> Markup {
    let points = &curve.points;
    let efficiencies = finite_positive(points.iter().flat_map(|p| [p.background_efficiency, p.low, p.high]));
    let lowest = range(efficiencies).0;
    let limits = limits(curve);
    let mut marks = vec![
        Mark::Line {
            points: points.iter().map(|p| (p.signal_efficiency, p.signal_efficiency)).collect(),
            style: 2,
        },
        Mark::Band {
            points: points.iter().map(|p| (p.signal_efficiency, p.low, p.high)).collect(),
            style: 0,
        },
        Mark::Line {
            points: points.iter().map(|p| (p.signal_efficiency, p.background_efficiency)).collect(),
            style: 0,
        },
    ];
    let mut legend =
        vec![(Sample::Band, 0, report.model.clone()), (Sample::Line, 2, "no separation".to_owned())];
    if !limits.is_empty() {
        marks.push(Mark::Line { points: limits, style: 3 });
        legend.push((Sample::Line, 3, "68 % upper limit".to_owned()));
    }
    for (efficiency, estimate) in working_points(report) {
        if let Some(value) = estimate.value {
            let bar = estimate.high.map(|high| (1.0 / high, 1.0 / estimate.low));
            marks.push(Mark::Dot { at: (efficiency, 1.0 / value), bar, style: 1 });
        }
    }
    legend.push((Sample::Dot, 1, "working points".to_owned()));
    marks.extend(tips(curve, |p| p.background_efficiency));
    Chart {
        id: "roc".to_owned(),
        description: format!(
            "ROC curve of {}: background efficiency ({}) against signal efficiency ({})",
            report.model, report.background, report.signal
        ),
        x: Axis::linear(&format!("signal efficiency ({})", report.signal), 0.0, 1.0),
        y: Axis::log(&format!("background efficiency ({})", report.background), decade_below(lowest), 1.0),
        marks,
        legend,
    }
    .render()
}

fn rejection(report: &ReportData, curve: &RocCurve) -> Markup {
    let points = &curve.points;
    let invert = |efficiency: f64| if efficiency > 0.0 { 1.0 / efficiency } else { f64::INFINITY };
    let rejections = points.iter().flat_map(|p| [p.background_efficiency, p.low, p.high].map(invert));
    let highest = range(finite_positive(rejections)).1;
    let limits: Vec<_> = limits(curve).into_iter().map(|(x, limit)| (x, invert(limit))).collect();
    let band = |p: &RocPoint| (p.signal_efficiency, invert(p.high), invert(p.low));
    let mut marks = vec![
        Mark::Line {
            points: points.iter().map(|p| (p.signal_efficiency, invert(p.signal_efficiency))).collect(),
            style: 2,
        },
        Mark::Band { points: points.iter().map(band).collect(), style: 0 },
        Mark::Line {
            points: points.iter().map(|p| (p.signal_efficiency, invert(p.background_efficiency))).collect(),
            style: 0,
        },
    ];
    let mut legend =
        vec![(Sample::Band, 0, report.model.clone()), (Sample::Line, 2, "no separation".to_owned())];
    if !limits.is_empty() {
        marks.push(Mark::Line { points: limits, style: 3 });
        legend.push((Sample::Line, 3, "68 % lower limit".to_owned()));
    }
    for (efficiency, estimate) in working_points(report) {
        if let Some(value) = estimate.value {
            let bar = Some((estimate.low, estimate.high.unwrap_or(10.0 * highest)));
            marks.push(Mark::Dot { at: (efficiency, value), bar, style: 1 });
        }
    }
    legend.push((Sample::Dot, 1, "working points".to_owned()));
    marks.extend(tips(curve, |p| invert(p.background_efficiency)));
    Chart {
        id: "rejection".to_owned(),
        description: format!(
            "Background rejection of {} against signal efficiency, with its band",
            report.model
        ),
        x: Axis::linear(&format!("signal efficiency ({})", report.signal), 0.0, 1.0),
        y: Axis::log(
            &format!("background rejection ({})", report.background),
            1.0,
            1.0 / decade_below(1.0 / highest),
        ),
        marks,
        legend,
    }
    .render()
}

fn decade_below(value: f64) -> f64 {
    10_f64.powf((value.clamp(1e-9, 0.1)).log10().floor())
}

/// Score distributions, once with a logarithmic and once with a linear axis.
pub(crate) fn scores(report: &ReportData) -> Markup {
    html! {
        div class="figures" {
            figure {
                (score_chart(report, Scale::Log))
                figcaption {
                    "Distribution of the " (report.signal) " score on the test split, each class normalised to 1; error bars "
                    "are statistical. Logarithmic axis: it shows the tails that set the background rejection."
                }
            }
            figure {
                (score_chart(report, Scale::Linear))
                figcaption { "The same with a linear axis." }
            }
        }
    }
}

fn score_chart(report: &ReportData, scale: Scale) -> Markup {
    let mut marks = Vec::new();
    let mut legend = Vec::new();
    let mut values = Vec::new();
    let mut bounds = (0.0, 1.0);
    let mut others = 1..;
    for class in &report.scores {
        let style = if class.class == report.signal { 0 } else { others.next().unwrap_or(1) };
        let histogram = &class.histogram;
        let total = histogram.total();
        let norm = if total > 0.0 { 1.0 / total } else { 0.0 };
        let width = (histogram.high - histogram.low) / histogram.sums.len() as f64;
        bounds = (histogram.low, histogram.high);
        let edges: Vec<f64> = (0..=histogram.sums.len()).map(|i| histogram.low + width * i as f64).collect();
        let shares: Vec<f64> = histogram.sums.iter().map(|sum| sum * norm).collect();
        let errors: Vec<f64> = histogram.squares.iter().map(|squares| squares.sqrt() * norm).collect();
        let style = style % 4;
        legend.push((Sample::Area, style, class.class.clone()));
        values.extend_from_slice(&shares);
        let tips: Vec<Mark> = edges
            .windows(2)
            .zip(shares.iter().zip(&errors))
            .map(|(edge, (share, error))| Mark::Tip {
                at: (0.5 * (edge[0] + edge[1]), *share),
                text: format!(
                    "{}, {:.3} to {:.3}: {share:.5} ± {error:.5} of all",
                    class.class, edge[0], edge[1]
                ),
            })
            .collect();
        marks.push(Mark::Steps { edges, values: shares, errors, style });
        marks.extend(tips);
    }
    // Tooltips above all areas.
    marks.sort_by_key(|mark| matches!(mark, Mark::Tip { .. }));
    let (lowest, highest) = range(finite_positive(values.into_iter()));
    let label = "share of the class per bin";
    let (id, y) = match scale {
        Scale::Log => ("scores-log", Axis::log(label, 0.5 * lowest, 2.0 * highest)),
        Scale::Linear => ("scores-linear", Axis::linear(label, 0.0, 1.08 * highest)),
    };
    Chart {
        id: id.to_owned(),
        description: format!("Distributions of the {} score, one for each class", report.signal),
        x: Axis::linear(&format!("{} score", report.signal), bounds.0, bounds.1),
        y,
        marks,
        legend,
    }
    .render()
}

/// A curve of the training: its name and its value at an epoch.
type Curve = (&'static str, fn(&EpochValues) -> f64);

/// One chart of the training. Values are drawn in units of `unit`.
fn training_chart(id: &str, y: Axis, unit: f64, training: &TrainingHistory, curves: &[Curve]) -> Markup {
    let epochs = &training.epochs;
    let last = epochs.last().map_or(1, |epoch| epoch.epoch) as f64;
    let mut marks = vec![Mark::Rule { x: training.best_epoch as f64 }];
    let mut legend = Vec::new();
    for (style, (name, value)) in curves.iter().enumerate() {
        let at = |epoch: &EpochValues| (epoch.epoch as f64, value(epoch) / unit);
        marks.push(Mark::Line { points: epochs.iter().map(at).collect(), style });
        for epoch in epochs {
            // Dots show single epochs; of many they would make a thick line.
            if epochs.len() <= 60 {
                marks.push(Mark::Dot { at: at(epoch), bar: None, style });
            }
            let text = format!("epoch {}: {name} {}", epoch.epoch, precise(value(epoch)));
            marks.push(Mark::Tip { at: at(epoch), text });
        }
        legend.push((Sample::Line, style, (*name).to_owned()));
    }
    legend.push((Sample::Rule, 0, format!("best epoch ({})", training.best_epoch)));
    Chart {
        id: id.to_owned(),
        description: format!("{} against the epoch", y.label),
        x: Axis::linear("epoch", 0.5, last + 0.5),
        y,
        marks,
        legend,
    }
    .render()
}

/// Loss, accuracy and learning rate against the epoch.
pub(crate) fn training(training: &TrainingHistory) -> Markup {
    let epochs = &training.epochs;
    let losses = epochs.iter().flat_map(|epoch| [epoch.train_loss, epoch.validation_loss]);
    let losses = Axis::around("loss", losses);
    let highest =
        epochs.iter().map(|epoch| epoch.learning_rate).filter(|rate| rate.is_finite()).fold(1e-12, f64::max);
    let exponent = highest.log10().floor() as i32;
    let unit = 10_f64.powi(exponent);
    let label = format!("learning rate / {}", power_of_ten(exponent));
    let rates = Axis::linear(&label, 0.0, 1.08 * highest / unit);
    let loss: [Curve; 2] =
        [("training", |epoch| epoch.train_loss), ("validation", |epoch| epoch.validation_loss)];
    let accuracy: [Curve; 1] = [("validation", |epoch| epoch.validation_accuracy.unwrap_or(f64::NAN))];
    let accuracies: Vec<f64> = epochs.iter().filter_map(|epoch| epoch.validation_accuracy).collect();
    let rate: [Curve; 1] = [("learning rate", |epoch| epoch.learning_rate)];
    html! {
        div class="figures" {
            figure {
                (training_chart("loss", losses, 1.0, training, &loss))
                figcaption {
                    "Mean loss. The training loss is taken while the weights move through the epoch, the validation loss "
                    "at its end."
                }
            }
            @if !accuracies.is_empty() {
                figure {
                    (training_chart("accuracy", Axis::around("validation accuracy", accuracies), 1.0, training, &accuracy))
                    figcaption { "Accuracy on the validation split at the end of each epoch." }
                }
            }
            figure {
                (training_chart("rate", rates, unit, training, &rate))
                figcaption { "Learning rate of the last step of each epoch." }
            }
            div {
                dl class="facts" {
                    dt { "Epochs" } dd { (epochs.len()) }
                    dt { "Best epoch" }
                    dd { (training.best_epoch) ", the lowest validation loss: the model has its weights" }
                    dt { "End" } dd { (training.ended) }
                    dt { "Trained parameters" } dd { (format::count(training.parameters as u64)) }
                }
            }
        }
    }
}

fn precise(x: f64) -> String {
    if x != 0.0 && x.abs() < 1e-3 { format!("{x:.3e}") } else { format!("{x:.5}") }
}

/// Average jet images on one colour scale.
pub(crate) fn images(images: &[JetImage]) -> Markup {
    let average = |image: &JetImage| -> Vec<f64> {
        let norm = if image.jets > 0.0 { 1.0 / image.jets } else { 0.0 };
        image.sums.iter().map(|sum| sum * norm).collect()
    };
    let averages: Vec<Vec<f64>> = images.iter().map(average).collect();
    let highest = range(finite_positive(averages.iter().flatten().copied())).1;
    html! {
        div class="figures" {
            @for (image, values) in images.iter().zip(&averages) {
                figure {
                    (HeatMap {
                        description: format!("Average image of {} jets in (Δη, Δφ)", image.class),
                        title: format!("{}, {} jets", image.class, format::count(image.jets.round().max(0.0) as u64)),
                        x: Axis::linear("Δη", -image.half_width, image.half_width),
                        y: Axis::linear("Δφ", -image.half_width, image.half_width),
                        z: Axis::log("mean share of the jet's pT per cell", 1e-5 * highest, highest),
                        bins: image.bins,
                        values,
                        diagonal: false,
                    }.render())
                    figcaption {
                        (format::percent(image.outside, image.outside + image.sums.iter().sum::<f64>()))
                        " of the transverse momentum lies outside the image."
                    }
                }
            }
        }
    }
}
