//! `fiducial prepare`.

use fiducial_data::dataset::{About, Manifest};
use fiducial_data::prepare::{PrepareOptions, prepare};

use crate::arguments::Prepare;
use crate::failure::Failure;
use crate::progress::Display;
use crate::tables::{count, table};

pub(crate) fn run(options: &Prepare, quiet: bool) -> Result<(), Failure> {
    let view = super::view::read(&options.view)?;
    let name = options.output.file_name().map_or_else(|| "dataset".into(), |name| name.to_string_lossy());
    let prepare_options = PrepareOptions {
        about: About { name: name.into_owned(), ..About::default() },
        overwrite: options.overwrite,
        ..PrepareOptions::default()
    };
    let mut display = Display::new(quiet);
    let dataset = prepare(&view, &options.files, &options.output, &prepare_options, &mut |done| {
        display.preparing(done);
    })?;
    display.done();
    crate::print(&format!("{}\n{}\n", cutflow(dataset.manifest()), options.output.display()))
}

/// The cutflow over all sources, and where the rows went.
fn cutflow(manifest: &Manifest) -> String {
    let (rows, steps) = manifest.total_cutflow();
    let share = |part: u64| {
        if rows == 0 { "-".to_owned() } else { format!("{:.2} %", 100.0 * part as f64 / rows as f64) }
    };
    let mut lines = vec![vec!["read".to_owned(), count(rows), share(rows)]];
    lines.extend(steps.into_iter().map(|step| vec![step.clause, count(step.after), share(step.after)]));
    lines.extend(
        manifest
            .splits
            .iter()
            .map(|split| vec![format!("split {}", split.name), count(split.rows), share(split.rows)]),
    );
    table(&["cutflow", "rows", "of all"], &[false, true, true], &lines)
}
