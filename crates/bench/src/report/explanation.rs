//! What the scores rest on, as bars with their errors.

use maud::{Markup, html};

use super::data::{Explanation, GradientShares, ReportData, Share};
use super::format;

const WIDTH: f64 = 560.0;
const NAMES: f64 = 190.0;
const NUMBERS: f64 = 120.0;
const ROW: f64 = 22.0;

pub(super) fn explanation(report: &ReportData, found: &Explanation) -> Markup {
    let [jets, parts] = found.importance_jets;
    html! {
        div class="figures" {
            figure {
                (bars("Loss of ROC AUC for each shuffled input", &found.importances, 4))
                figcaption {
                    "Permutation importance: how much ROC AUC is lost where one input is shuffled, between all constituents \
                     what is known of a constituent, between the jets what is known of a jet. "
                    (format::count(jets as u64)) " jets in " (parts) " parts, each with a permutation of its own; the bars end \
                     at one standard error, of jets and permutations together. What two inputs both know, shuffling one does \
                     not take away."
                }
            }
            @if let Some(found) = &found.gradients { (gradients(report, found)) }
        }
    }
}

fn gradients(report: &ReportData, found: &GradientShares) -> Markup {
    let [jets, steps] = found.jets;
    html! {
        figure {
            (bars("Size of the integrated gradients of each feature", &found.features, 3))
            figcaption {
                "Integrated gradients: what a feature adds to the score of " (report.signal) " over " (report.background)
                " (before the softmax), in size, summed over the constituents of a jet and averaged over "
                (format::count(jets as u64)) " jets. The path has " (steps) " steps, from the same jet with all \
                 features at their centre; " (format!("{:.1} %", 100.0 * found.incompleteness))
                " of the score's change is left unexplained by the steps."
            }
        }
        figure {
            (bars("Size of the integrated gradients of each constituent", &found.constituents, 3))
            figcaption {
                "The same for the constituents of a jet in the order of the data, the features summed; a place averages over \
                 the jets that have it."
            }
        }
    }
}

/// Horizontal bars from zero, each with its name, value and error.
fn bars(title: &str, shares: &[Share], decimals: usize) -> Markup {
    let reach = |share: &Share| [share.value - share.error, share.value + share.error, 0.0];
    let ends = shares.iter().flat_map(reach).filter(|end| end.is_finite());
    let (low, high) = ends.fold((0.0_f64, 0.0_f64), |(low, high), end| (low.min(end), high.max(end)));
    let scale = (WIDTH - NAMES - NUMBERS) / (high - low).max(1e-30);
    let x = |value: f64| NAMES + (value - low) * scale;
    let height = ROW * shares.len() as f64 + 4.0;
    html! {
        svg class="chart" viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-label=(title) {
            title { (title) }
            @for (row, share) in shares.iter().enumerate() {
                @let middle = ROW * (row as f64 + 0.5) + 2.0;
                @let (left, right) = (x(share.value.min(0.0)), x(share.value.max(0.0)));
                @let (from, to) = (x(share.value - share.error), x(share.value + share.error));
                text x=(px(NAMES - 8.0)) y=(px(middle + 4.0)) text-anchor="end" { (share.name) }
                rect class="bar" x=(px(left)) y=(px(middle - 7.0)) width=(px(right - left)) height="14" {}
                path class="bar-error" d=(format!("M{} {}H{}M{} {}v6M{} {}v6", px(from), px(middle), px(to), px(from), px(middle - 3.0), px(to), px(middle - 3.0))) {}
                text x=(px(WIDTH - NUMBERS + 8.0)) y=(px(middle + 4.0)) { (format!("{:.decimals$} ± {:.decimals$}", share.value, share.error)) }
            }
            path class="bar-zero" d=(format!("M{} 0V{height}", px(x(0.0)))) {}
        }
    }
}

/// A coordinate with one decimal.
fn px(x: f64) -> String {
    format!("{x:.1}")
}
