//! `fiducial convert`.

use std::ops::Range;

use fiducial_data::convert::{ConvertOptions, Converted, RootForm, convert, split_object};
use fiducial_data::source::{self, Error};
use fiducial_root::Compression;

use crate::arguments::{Convert, RootFormat};
use crate::failure::Failure;
use crate::tables::count;

pub(crate) fn run(options: &Convert, quiet: bool) -> Result<(), Failure> {
    let (path, object) = split_object(&options.input);
    let source = source::open(&path, object.as_deref())?;
    let compression = options.compression.as_deref().map(str::parse::<Compression>).transpose();
    let convert_options = ConvertOptions {
        columns: options.columns.clone(),
        rows: options.entries.as_deref().map(|text| entries(text, source.rows())).transpose()?,
        form: match options.format {
            RootFormat::Tree => RootForm::Tree,
            RootFormat::Ntuple => RootForm::Ntuple,
        },
        compression: compression.map_err(|reason| Failure::usage(format!("choose a codec: {reason}")))?,
    };
    let name = match (&options.name, &object) {
        (Some(name), _) => name.clone(),
        (None, Some(object)) => last_part(object),
        (None, None) => source.table().map_or_else(
            || path.file_stem().map_or_else(|| "events".into(), |stem| stem.to_string_lossy().into_owned()),
            last_part,
        ),
    };
    let converted = convert(&*source, &options.output, &name, &convert_options).map_err(failure)?;
    if !quiet {
        for (from, to) in &converted.renamed {
            eprintln!("note: column {from} is called {to} in {}", options.output.display());
        }
    }
    for skipped in &converted.skipped {
        eprintln!("warning: column {} is left out: {}", skipped.column, skipped.reason);
    }
    crate::print(&format!(
        "{}: {} rows, {} columns\n",
        options.output.display(),
        count(converted.rows),
        count(converted.columns.len() as u64)
    ))?;
    whole(&converted, options)
}

/// Settings are the user's, a full disk is nobody's; the rest is the input's.
fn failure(error: Error) -> Failure {
    match &error {
        Error::Settings { .. } => Failure::usage(error),
        Error::Io { .. } => Failure::other(error),
        Error::RootWrite { source } if matches!(**source, fiducial_root::Error::Write { .. }) => {
            Failure::other(error)
        }
        _ => error.into(),
    }
}

/// The name of a tree without its directories and its cycle.
fn last_part(name: &str) -> String {
    let name = name.rsplit('/').next().unwrap_or(name);
    name.split(';').next().unwrap_or(name).to_owned()
}

/// Columns that are left out are a failure, though the others are written.
fn whole(converted: &Converted, options: &Convert) -> Result<(), Failure> {
    match converted.skipped.len() {
        0 => Ok(()),
        n => {
            let all = n + converted.columns.len();
            Err(Failure::check(format!("convert {n} of {all} columns of {}", options.input))
                .hint("the other columns are written; choose columns with --columns to leave these out"))
        }
    }
}

/// "A..B", of which either may be missing.
fn entries(text: &str, rows: u64) -> Result<Range<u64>, Failure> {
    let bound = |text: &str, default: u64| match text {
        "" => Some(default),
        text => text.parse().ok(),
    };
    let bounds = text.split_once("..").and_then(|(a, b)| Some(bound(a, 0)?..bound(b, rows)?));
    bounds.ok_or_else(|| Failure::usage(format!("take entries {text:?}: a range is written A..B")))
}
