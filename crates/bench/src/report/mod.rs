//! The report: one HTML file that needs no network.
//!
//! [`ReportData`] is what a report shows, and [`render`] makes the page of it; of a regression [`RegressionReport`] and
//! [`render_regression`]. Charts are SVG made here; the page has no
//! script, and loads nothing: it can be kept beside the run for ever, mailed and printed.

mod chart;
mod data;
mod explanation;
mod figures;
mod format;
mod page;
mod published;
mod regression;

pub use data::{
    ClassHistogram, CutflowStep, DataSummary, EpochValues, Explanation, Fact, GradientShares, Histogram,
    JetImage, MetricValue, ReportData, RunSummary, Share, SourceSummary, SplitSummary, StepResources,
    TrainingHistory,
};
pub use published::{PUBLISHED_FORMAT, Published, PublishedResult, PublishedSource, PublishedValue, Status};
pub use regression::{Plane, RegressionReport, TargetReport, render_regression};

/// The page as HTML. The same report gives the same bytes.
#[must_use]
pub fn render(report: &ReportData) -> String {
    page::page(report).into_string()
}

pub(crate) use regression::title as regression_title;
