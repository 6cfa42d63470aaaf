//! Tasks, the protocol of a run, evaluation and the report.
//!
//! | item | what it is |
//! |---|---|
//! | [`Task`] | a folder under `benchmarks/` with a `task.toml`: data, view, metrics, baselines, published results |
//! | [`protocol`] | a run, from a task's data to its report |
//! | [`Predictions`] | scores, or the numbers of a regression, on disk, from any framework |
//! | [`evaluate`] | predictions and truth to metrics with their intervals |
//! | [`regression`] | bias, resolution and coverage of a model that predicts numbers |
//! | [`RunRecord`] | what was run, on what, with which code, and what it cost |
//! | [`report`] | one HTML file that needs no network |
//!
//! ```
//! use fiducial_bench::Metric;
//!
//! let metric = Metric::BackgroundRejection { signal_efficiency: 0.5 };
//! assert_eq!(metric.key(), "background_rejection_at_0.5");
//! ```
#![deny(missing_docs)]

mod embedded;
mod error;
mod evaluate;
mod explain;
mod files;
mod full;
mod predictions;
pub mod protocol;
mod record;
pub mod regression;
pub mod report;
mod summary;
mod task;

pub use error::Error;
pub use evaluate::{Evaluation, Intervals, METRICS_FORMAT, Metrics, Truth, evaluate};
pub use predictions::{Predictions, ROW_ID};
pub use record::{DatasetRecord, Losses, Machine, RUN_FORMAT, Request, RunRecord, Versions};
pub use task::{FullData, Metric, Sample, TASK_FORMAT, Task, TaskFile, task_names};
