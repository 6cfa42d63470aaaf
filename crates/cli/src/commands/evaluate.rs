//! `fiducial evaluate`.

use fiducial_bench::{Task, protocol};
use fiducial_data::dataset::Dataset;

use super::bench::metrics_table;
use crate::arguments::Evaluate;
use crate::failure::Failure;

pub(crate) fn run(options: &Evaluate) -> Result<(), Failure> {
    let task = Task::find(&options.task)?;
    let dataset = options.dataset.as_ref().map(Dataset::open).transpose()?;
    let metrics =
        protocol::evaluate_file(&task, dataset.as_ref(), &options.predictions, options.output.as_deref())?;
    if options.json {
        let text = serde_json::to_string_pretty(&metrics).map_err(Failure::other)?;
        crate::print(&format!("{text}\n"))
    } else {
        crate::print(&metrics_table(&metrics))
    }
}
