//! The page: sections in the order in which a reader asks.

use fiducial_metrics::Estimate;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::data::{DataSummary, MetricValue, ReportData, RunSummary};
use super::published::{Published, PublishedValue};
use super::{explanation, figures, format};

const STYLE: &str = include_str!("style.css");

pub(crate) fn page(report: &ReportData) -> Markup {
    let roc = match &report.roc_curve {
        Some(curve) => figures::roc(report, curve),
        None => absent("There is no ROC curve."),
    };
    let scores =
        if report.scores.is_empty() { absent("There are no scores.") } else { figures::scores(report) };
    let training = match &report.training {
        Some(training) if !training.epochs.is_empty() => figures::training(training),
        _ => absent("The predictions came from elsewhere: there is no record of the training."),
    };
    let images = if report.images.is_empty() {
        absent("There are no jet images.")
    } else {
        figures::images(&report.images)
    };
    let explanation = match &report.explanation {
        Some(found) => explanation::explanation(report, found),
        None => absent("The predictions came from elsewhere: there is no model to ask."),
    };
    let sections = [
        ("metrics", "Metrics", metrics(report)),
        ("roc", "Background rejection", roc),
        ("scores", "Scores", scores),
        ("training", "Training", training),
        ("images", "Average jets", images),
        ("explanation", "What the scores rest on", explanation),
        ("published", "Beside published results", published(report)),
        ("data", "Data", data(&report.data)),
        ("run", "Run", run(&report.run)),
    ];
    let sections = sections.map(|(id, title, content)| (id.to_owned(), title.to_owned(), content));
    let header = Header {
        title: format!("{} on {}", report.model, report.task),
        kicker: html! { "Fiducial report · task " strong { (report.task) } " · model " strong { (report.model) } },
        heading: report.title.clone(),
        description: report.description.clone(),
        numbers: "Numbers for machines are in metrics.json and run.json beside it.",
    };
    shell(&header, &sections)
}

/// What stands above the sections of a page, and below.
pub(crate) struct Header {
    /// The name of the page for a browser.
    pub(crate) title: String,
    /// The line above the heading.
    pub(crate) kicker: Markup,
    pub(crate) heading: String,
    pub(crate) description: String,
    /// Where the same numbers are for machines.
    pub(crate) numbers: &'static str,
}

/// A page of sections: their ids, titles and contents.
pub(crate) fn shell(header: &Header, sections: &[(String, String, Markup)]) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="generator" content="fiducial";
                title { (header.title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    p class="kicker" { (header.kicker) }
                    h1 { (header.heading) }
                    p { (header.description) }
                }
                nav aria-label="Sections" {
                    ul { @for (id, title, _) in sections { li { a href=(format!("#{id}")) { (title) } } } }
                }
                main {
                    @for (id, title, content) in sections {
                        section id=(id) aria-labelledby=(format!("{id}-title")) {
                            h2 id=(format!("{id}-title")) { (title) }
                            (content)
                        }
                    }
                }
                footer { "This page loads nothing: it can be kept, mailed and printed. " (header.numbers) }
            }
        }
    }
}

pub(crate) fn absent(text: &str) -> Markup {
    html! { p class="soft" { (text) } }
}

fn metrics(report: &ReportData) -> Markup {
    html! {
        p { "Measured on " (report.measured_on) "." }
        dl class="cards" { @for metric in &report.metrics { (card(metric)) } }
        p class="soft" { (report.intervals) "." }
    }
}

fn card(metric: &MetricValue) -> Markup {
    let estimate = &metric.estimate;
    let [value, low, high] = estimate.rounded();
    let low = low.unwrap_or_default();
    html! {
        div class="card" {
            dt { (subscripts(&metric.title)) }
            @match (value, high) {
                (Some(value), Some(high)) => {
                    dd class="value" { (value) }
                    dd { "68 %: " (low) " to " (high) }
                },
                (Some(value), None) => {
                    dd class="value" { (value) }
                    dd { "68 %: from " (low) ", no upper bound" }
                },
                (None, _) => {
                    dd class="value" { "> " (low) }
                    dd { "68 % lower limit" }
                },
            }
            dd class="soft" { (counted(estimate, &metric.counted)) }
        }
    }
}

fn counted(estimate: &Estimate, what: &str) -> String {
    let n = estimate.n;
    // Equal weights need no second number.
    if estimate.n_effective < 0.995 * n as f64 {
        format!("{} {what}, worth {:.0} of equal weight", format::count(n), estimate.n_effective)
    } else {
        format!("{} {what}", format::count(n))
    }
}

/// `εS` and `εB` with subscripts.
fn subscripts(title: &str) -> Markup {
    let mut rest = title;
    let mut parts = Vec::new();
    while let Some(at) = rest.find(['ε', 'ϵ']) {
        let after = at + 'ε'.len_utf8();
        let index = rest[after..].chars().next().filter(|c| matches!(c, 'S' | 'B'));
        parts.push((&rest[..after], index));
        rest = &rest[after + index.map_or(0, char::len_utf8)..];
    }
    html! {
        @for (text, index) in parts { (text) @if let Some(index) = index { sub { (index) } } }
        (rest)
    }
}

fn published(report: &ReportData) -> Markup {
    let Some(published) = &report.published else { return absent("The task names no published results.") };
    html! {
        @if !report.is_reference_data {
            div class="note" role="note" {
                p {
                    strong { "Not to be compared. " }
                    "The numbers of this run were measured on " strong { (report.data.name) } ", the published ones on the "
                    strong { (published.data) } ". "
                    @if let Some(difference) = &report.data_difference { (difference) }
                }
            }
        }
        div class="scroll" tabindex="0" role="region" aria-label="Table of results" {
            table {
                thead {
                    tr {
                        th scope="col" { "Model" }
                        @for metric in &report.metrics { th scope="col" class="n" { (subscripts(&metric.title)) } }
                        th scope="col" { "Source" }
                    }
                }
                tbody {
                    tr class="group" { th colspan=(report.metrics.len() + 2) scope="rowgroup" { "This run, on " (report.data.name) } }
                    tr class="own" {
                        th scope="row" { (report.model) }
                        @for metric in &report.metrics { td class="n" { (own_value(&metric.estimate)) } }
                        td { "this run" }
                    }
                }
                tbody {
                    tr class="group" {
                        th colspan=(report.metrics.len() + 2) scope="rowgroup" { "Published, on the " (published.data) }
                    }
                    @for result in &published.results {
                        tr {
                            th scope="row" {
                                (result.model)
                                @if let Some(note) = &result.note { br; small { (note) } }
                            }
                            @for metric in &report.metrics {
                                td class="n" { (published_value(result.metrics.get(&metric.key))) }
                            }
                            td { (source_number(published, &result.source)) }
                        }
                    }
                }
            }
        }
        p class="soft" {
            @for (i, source) in published.sources.values().enumerate() {
                "[" (i + 1) "] " (source.reference) " (" (source.status.describe()) "). "
            }
            (published.protocol)
            " “Seen in the source”: compared with the paper itself; “third party”: from a transcription by others."
        }
    }
}

fn own_value(estimate: &Estimate) -> Markup {
    let [value, low, high] = estimate.rounded();
    let low = low.unwrap_or_default();
    html! {
        @match value {
            Some(value) => { (value) br; small { (low) " – " (high.unwrap_or_else(|| "∞".to_owned())) } },
            None => { "> " (low) br; small { "68 % limit" } },
        }
    }
}

fn published_value(value: Option<&PublishedValue>) -> String {
    let Some(PublishedValue { value, uncertainty }) = value else { return "–".to_owned() };
    // Rejections are whole numbers. Shares of one have three decimals or more, and as many as their uncertainty.
    let written = |x: f64| x.to_string().split_once('.').map_or(0, |(_, digits)| digits.len());
    let decimals = if *value > 1.5 { 0 } else { written(*value).max(uncertainty.map_or(0, written)).max(3) };
    match uncertainty {
        Some(uncertainty) => format!("{value:.decimals$} ± {uncertainty:.decimals$}"),
        None => format!("{value:.decimals$}"),
    }
}

/// The number of a source in the list below the table.
fn source_number(published: &Published, key: &str) -> String {
    published
        .sources
        .keys()
        .position(|source| source == key)
        .map_or_else(|| key.to_owned(), |i| format!("[{}]", i + 1))
}

pub(crate) fn data(data: &DataSummary) -> Markup {
    let all: u64 = data.splits.iter().map(|split| split.rows).sum();
    let first = data.cutflow.first().map_or(0, |step| step.rows);
    html! {
        p { (data.description) }
        dl class="facts" {
            dt { "Dataset" } dd { (data.name) }
            dt { "Version" } dd class="mono" { (data.version) }
        }
        @if !data.sources.is_empty() {
            h3 { "Source files" }
            div class="scroll" tabindex="0" role="region" aria-label="Source files" {
                table {
                    thead { tr { th scope="col" { "File" } th scope="col" class="n" { "Rows" } th scope="col" class="n" { "Size" } th scope="col" { "SHA-256" } } }
                    tbody {
                        @for source in &data.sources {
                            tr {
                                th scope="row" { (source.file) }
                                td class="n" { (format::count(source.rows)) }
                                td class="n" { (format::bytes(source.bytes)) }
                                td class="hash mono" { (source.sha256) }
                            }
                        }
                    }
                }
            }
        }
        div class="figures" {
            @if !data.cutflow.is_empty() {
                div {
                    h3 { "Cutflow" }
                    div class="scroll" tabindex="0" role="region" aria-label="Cutflow" {
                        table {
                            thead { tr { th scope="col" { "Step" } th scope="col" class="n" { "Rows left" } th scope="col" class="n" { "Of the step before" } th scope="col" class="n" { "Of all" } } }
                            tbody {
                                @for (i, step) in data.cutflow.iter().enumerate() {
                                    tr {
                                        th scope="row" class="mono" { (step.step) }
                                        td class="n" { (format::count(step.rows)) }
                                        @let before = data.cutflow[i.saturating_sub(1)].rows;
                                        td class="n" { (format::percent(step.rows as f64, before as f64)) }
                                        td class="n" { (format::percent(step.rows as f64, first as f64)) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
            @if !data.splits.is_empty() {
                div {
                    h3 { "Splits" }
                    div class="scroll" tabindex="0" role="region" aria-label="Splits" {
                        table {
                            thead { tr { th scope="col" { "Split" } th scope="col" class="n" { "Rows" } th scope="col" class="n" { "Share" } } }
                            tbody {
                                @for split in &data.splits {
                                    tr {
                                        th scope="row" { (split.name) }
                                        td class="n" { (format::count(split.rows)) }
                                        td class="n" { (format::percent(split.rows as f64, all as f64)) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        @if !data.notes.is_empty() {
            h3 { "Cut, clipped, dropped" }
            ul { @for note in &data.notes { li { (note) } } }
        }
    }
}

pub(crate) fn run(run: &RunSummary) -> Markup {
    html! {
        p { "This command does it again:" }
        pre class="command" { code { (run.command) } }
        dl class="facts" { @for fact in &run.facts { dt { (fact.name) } dd { (fact.value) } } }
        @if !run.steps.is_empty() {
            h3 { "Time, memory, energy" }
            div class="scroll" tabindex="0" role="region" aria-label="Time, memory and energy" {
                table {
                    thead {
                        tr {
                            th scope="col" { "Step" }
                            th scope="col" class="n" { "Time" }
                            th scope="col" class="n" { "Processor time" }
                            th scope="col" class="n" { "Peak memory" }
                            th scope="col" class="n" { "Energy" }
                        }
                    }
                    tbody {
                        @for step in &run.steps {
                            tr {
                                th scope="row" { (step.step) }
                                td class="n" { (format::duration(step.wall_seconds)) }
                                td class="n" { (format::duration(step.cpu_seconds)) }
                                td class="n" { (step.peak_memory_bytes.map_or_else(|| "unknown".to_owned(), format::bytes)) }
                                td class="n" {
                                    (format::energy(step.energy_joules))
                                    @if step.energy_is_estimated { " estimated" }
                                }
                            }
                        }
                    }
                }
            }
            p class="soft" { (run.energy_note) }
        }
        @for text in &run.texts {
            details { summary { (text.name) } pre { code { (text.value) } } }
        }
    }
}
