//! `fiducial evaluate`.

use std::path::Path;

use fiducial_bench::regression::{self, RegressionMetrics};
use fiducial_bench::{Task, protocol};
use fiducial_data::dataset::Dataset;
use fiducial_train::SavedModel;

use super::bench::metrics_table;
use crate::arguments::Evaluate;
use crate::failure::Failure;
use crate::tables::{count, table};

pub(crate) fn run(options: &Evaluate) -> Result<(), Failure> {
    let model = Path::new(&options.task);
    let (json, table) = if model.join("model.json").is_file() {
        let metrics = of_regression(options, model)?;
        (serde_json::to_string_pretty(&metrics), regression_table(&metrics))
    } else {
        let metrics = of_task(options)?;
        (serde_json::to_string_pretty(&metrics), metrics_table(&metrics))
    };
    match options.json {
        true => crate::print(&format!("{}\n", json.map_err(Failure::other)?)),
        false => crate::print(&table),
    }
}

fn of_task(options: &Evaluate) -> Result<fiducial_bench::Metrics, Failure> {
    if options.split != protocol::TEST_SPLIT {
        return Err(Failure::usage(format!(
            "evaluate the split {}: a task is measured on its test split",
            options.split
        )));
    }
    let task = Task::find(&options.task)?;
    let dataset = options.dataset.as_ref().map(Dataset::open).transpose()?;
    let output = options.output.as_deref();
    Ok(protocol::evaluate_file(&task, dataset.as_ref(), &options.predictions, output)?)
}

fn of_regression(options: &Evaluate, model: &Path) -> Result<RegressionMetrics, Failure> {
    let saved = SavedModel::load(model)?;
    let Some(dataset) = &options.dataset else {
        return Err(Failure::usage(format!("evaluate by {}: there is no dataset", model.display()))
            .hint("give the dataset that was predicted on with --dataset DIR"));
    };
    let (dataset, output) = (Dataset::open(dataset)?, options.output.as_deref());
    Ok(regression::evaluate_file(&saved, &dataset, &options.split, &options.predictions, output)?)
}

/// One line a metric of a target.
fn regression_table(metrics: &RegressionMetrics) -> String {
    let of_target =
        |(target, metrics): (&String, &std::collections::BTreeMap<String, _>)| -> Vec<Vec<String>> {
            let line = |(key, estimate): (&String, &fiducial_metrics::Estimate)| {
                vec![target.clone(), key.clone(), estimate.to_string(), count(estimate.n)]
            };
            metrics.iter().map(line).collect()
        };
    let rows: Vec<Vec<String>> = metrics.targets.iter().flat_map(of_target).collect();
    let header = ["target", "metric", "value [68 % interval]", "n"];
    table(&header, &[false, false, false, true], &rows)
}
