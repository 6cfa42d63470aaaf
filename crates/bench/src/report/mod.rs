//! The report: one HTML file that needs no network.
//!
//! [`ReportData`] is what a report shows, and [`render`] makes the page of it. Charts are SVG made here; the page has no
//! script, and loads nothing: it can be kept beside the run for ever, mailed and printed.

mod chart;
mod data;
mod explanation;
mod figures;
mod format;
mod page;
mod published;

pub use data::{
    ClassHistogram, CutflowStep, DataSummary, EpochValues, Explanation, Fact, GradientShares, Histogram,
    JetImage, MetricValue, ReportData, RunSummary, Share, SourceSummary, SplitSummary, StepResources,
    TrainingHistory,
};
pub use published::{PUBLISHED_FORMAT, Published, PublishedResult, PublishedSource, PublishedValue, Status};

/// The page as HTML. The same report gives the same bytes.
#[must_use]
pub fn render(report: &ReportData) -> String {
    page::page(report).into_string()
}
