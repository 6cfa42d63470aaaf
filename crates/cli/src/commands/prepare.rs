//! `fiducial prepare`.

use fiducial_data::dataset::{About, Manifest};
use fiducial_data::prepare::{OnBadFile, OnBadValue, PrepareOptions, prepare};
use fiducial_data::source::expand;

use crate::arguments::{BadFile, BadValue, Prepare};
use crate::failure::Failure;
use crate::progress::Display;
use crate::tables::{count, table};

pub(crate) fn run(options: &Prepare, quiet: bool) -> Result<(), Failure> {
    let view = super::view::read(&options.view)?;
    let name = options.output.file_name().map_or_else(|| "dataset".into(), |name| name.to_string_lossy());
    let prepare_options = PrepareOptions {
        about: About { name: name.into_owned(), ..About::default() },
        overwrite: options.overwrite,
        on_bad_file: match options.on_bad_file {
            BadFile::Fail => OnBadFile::Fail,
            BadFile::Skip => OnBadFile::Skip,
        },
        on_bad_value: match options.on_bad_value {
            BadValue::Fail => OnBadValue::Fail,
            BadValue::Drop => OnBadValue::Drop,
        },
        memory_limit: options.memory_limit,
        ..PrepareOptions::default()
    };
    let mut display = Display::new(quiet);
    let files = expand(&options.files)?;
    let mut is_begun = false;
    let dataset = prepare(&view, &files, &options.output, &prepare_options, &mut |done| {
        if !is_begun && done.rows_before > 0 {
            display.say(&format!("goes on with an earlier run, after {} rows", count(done.rows_before)));
        }
        is_begun = true;
        display.preparing(done);
    })?;
    display.done();
    for skipped in &dataset.manifest().skipped {
        eprintln!("warning: {} is left out, {} are lost: {}", skipped.file, skipped.lost(), skipped.reason);
    }
    for widened in &dataset.manifest().widened {
        eprintln!("note: the column {} is {}", widened.column, widened.told());
    }
    if dataset.manifest().splits.iter().all(|split| split.rows == 0) {
        eprintln!("warning: no row is left: the dataset is empty");
    }
    crate::print(&format!("{}\n{}\n", cutflow(dataset.manifest()), options.output.display()))
}

/// The cutflow over all sources, and where the rows went.
fn cutflow(manifest: &Manifest) -> String {
    let (rows, steps) = manifest.total_cutflow();
    let share = |part: u64| {
        if rows == 0 { "-".to_owned() } else { format!("{:.2} %", 100.0 * part as f64 / rows as f64) }
    };
    let lost = manifest.skipped.iter().map(|skipped| {
        let rows = skipped.rows.map_or_else(|| "unknown".to_owned(), count);
        vec![format!("bad file {}", skipped.file), rows, "-".to_owned()]
    });
    let mut lines: Vec<Vec<String>> = lost.collect();
    lines.push(vec!["read".to_owned(), count(rows), share(rows)]);
    lines.extend(steps.into_iter().map(|step| {
        let what = step.column.map(|column| format!("no bad value in {column}"));
        vec![what.unwrap_or(step.clause), count(step.after), share(step.after)]
    }));
    lines.extend(
        manifest
            .splits
            .iter()
            .map(|split| vec![format!("split {}", split.name), count(split.rows), share(split.rows)]),
    );
    table(&["cutflow", "rows", "of all"], &[false, true, true], &lines)
}
