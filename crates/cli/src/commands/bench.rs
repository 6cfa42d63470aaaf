//! `fiducial bench`.

use fiducial_bench::protocol::{self, DataChoice, Progress, RunOptions};
use fiducial_bench::{Metrics, Task, task_names};

use crate::arguments::{BenchRun, Data};
use crate::failure::Failure;
use crate::progress::Display;
use crate::tables::{bytes, count, duration, table};

use super::quoted;

pub(crate) fn list() -> Result<(), Failure> {
    let mut rows = Vec::new();
    for name in task_names()? {
        let task = Task::find(&name)?;
        let models: Vec<&str> = task.about.recipes.keys().map(String::as_str).collect();
        rows.push(vec![name, task.about.title.clone(), models.join(", ")]);
    }
    crate::print(&table(&["task", "title", "models"], &[false; 3], &rows))
}

pub(crate) fn run(options: &BenchRun, quiet: bool) -> Result<(), Failure> {
    super::check_device(options.device)?;
    let data = match options.data {
        Data::Sample => DataChoice::Sample,
        Data::Full => DataChoice::Full,
    };
    let run_options = RunOptions {
        task: Task::find(&options.task)?,
        model: options.model.clone(),
        seed: options.seed,
        data,
        out: options.out.clone(),
        fresh: options.fresh,
        device: options.device,
        command: command(options, data),
    };
    let mut display = Display::new(quiet);
    let outcome = protocol::run(&run_options, &mut |progress| show(&mut display, &progress))?;
    display.done();
    if outcome.is_reused {
        display.say("this run was finished before; --fresh runs it anew");
    } else if let Some(used) = outcome.record.resources.get("total") {
        display.say(&format!(
            "done in {}, {} of memory at most, {:.1} kJ ({})",
            duration(used.wall_seconds),
            used.peak_memory_bytes.map_or_else(|| "an unknown amount".to_owned(), bytes),
            used.energy.joules / 1000.0,
            used.energy.note
        ));
    }
    crate::print(&format!(
        "{}\nreport: {}\n",
        metrics_table(&outcome.record.metrics),
        outcome.report().display()
    ))
}

fn show(display: &mut Display, progress: &Progress<'_>) {
    match progress {
        Progress::Started { out, model } => display.say(&format!("running {model} in {}", out.display())),
        Progress::Fetching { bytes, total } => display.fetching(*bytes, *total),
        Progress::Preparing(done) => display.preparing(*done),
        Progress::Prepared(dataset) => {
            let manifest = dataset.manifest();
            let splits: Vec<String> =
                manifest.splits.iter().map(|split| format!("{} {}", count(split.rows), split.name)).collect();
            display.say(&format!("dataset {}: {}", manifest.about.name, splits.join(", ")));
        }
        Progress::Training(done) => display.training(done),
        Progress::Trained(saved) => {
            let parameters = count(saved.info.parameters as u64);
            let end = saved.training.as_ref().map_or("", |training| training.stopped.describe());
            display.say(&format!("model {} with {parameters} parameters: {end}", saved.info.kind));
        }
        Progress::Evaluating => display.say("evaluating the test split"),
        Progress::Explaining => display.say("measuring what the scores rest on"),
        _ => {}
    }
}

/// The command that does a run again, as it is written into the record.
fn command(options: &BenchRun, data: DataChoice) -> String {
    let mut words = format!("fiducial bench run {}", quoted(&options.task));
    if let Some(model) = &options.model {
        words += &format!(" --model {}", quoted(model));
    }
    words += &format!(" --seed {} --data {}", options.seed, data.name());
    if let Some(device) = options.device {
        words += &format!(" --device {device}");
    }
    words
}

/// One line a metric: value, interval, number of events.
pub(crate) fn metrics_table(metrics: &Metrics) -> String {
    let rows: Vec<Vec<String>> = metrics
        .metrics
        .iter()
        .map(|(name, estimate)| vec![name.clone(), estimate.to_string(), count(estimate.n)])
        .collect();
    table(&["metric", "value [68 % interval]", "n"], &[false, false, true], &rows)
}
