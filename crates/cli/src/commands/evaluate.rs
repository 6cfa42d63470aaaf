//! `fiducial evaluate`.

use std::path::Path;

use fiducial_bench::regression::{self, EvaluateOptions, RegressionMetrics};
use fiducial_bench::{Task, protocol};

use super::bench::metrics_table;
use super::quoted;
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
    for (option, is_given) in [
        ("--against", !options.against.is_empty()),
        ("--report", options.report.is_some()),
        ("--card", options.card),
    ] {
        if is_given {
            return Err(Failure::usage(format!("use {option} with a task: it is for a regression's model"))
                .hint("`fiducial bench run` writes the report and the card of a task's model"));
        }
    }
    let task = Task::find(&options.task)?;
    let dataset = options.dataset.as_deref().map(super::dataset).transpose()?;
    let output = options.output.as_deref();
    Ok(protocol::evaluate_file(&task, dataset.as_ref(), &options.predictions, output)?)
}

fn of_regression(options: &Evaluate, model: &Path) -> Result<RegressionMetrics, Failure> {
    let saved = super::saved_model(model)?;
    let Some(dataset) = &options.dataset else {
        return Err(Failure::usage(format!("evaluate by {}: there is no dataset", model.display()))
            .hint("give the dataset that was predicted on with --dataset DIR"));
    };
    let dataset = super::dataset(dataset)?;
    let command = command(options);
    let evaluate = EvaluateOptions {
        predictions: &options.predictions,
        split: &options.split,
        against: &options.against,
        output: options.output.as_deref(),
        report: options.report.as_deref(),
        command: &command,
    };
    let metrics = regression::evaluate_file(&saved, &dataset, &evaluate)?;
    if options.card {
        regression::write_card(&saved, model, &dataset, &metrics)?;
    }
    Ok(metrics)
}

/// The command that measures it again.
fn command(options: &Evaluate) -> String {
    let mut words = vec!["fiducial".to_owned(), "evaluate".to_owned(), quoted(&options.task)];
    words.push(quoted(&options.predictions.display().to_string()));
    if let Some(dataset) = &options.dataset {
        words.extend(["--dataset".to_owned(), quoted(&dataset.display().to_string())]);
    }
    words.extend(["--split".to_owned(), quoted(&options.split)]);
    for column in &options.against {
        words.extend(["--against".to_owned(), quoted(column)]);
    }
    if let Some(report) = &options.report {
        words.extend(["--report".to_owned(), quoted(&report.display().to_string())]);
    }
    words.join(" ")
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
