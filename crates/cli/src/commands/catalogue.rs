//! `fiducial dataset list`, `info` and `fetch`: the catalogue of public datasets.

use std::path::PathBuf;

use fiducial_data::catalogue::{self, Entry};
use fiducial_data::fetch::{FetchError, FetchOptions};

use crate::failure::Failure;
use crate::progress::Display;
use crate::tables::{bytes, table};

const NOT_KNOWN: &str = "not known";

pub(crate) fn list() -> Result<(), Failure> {
    let rows: Vec<Vec<String>> = catalogue::entries()
        .iter()
        .map(|entry| {
            vec![
                entry.name.clone(),
                entry.title.clone(),
                entry.formats.clone(),
                entry.bytes().map_or_else(|| NOT_KNOWN.to_owned(), bytes),
                entry.license.clone().unwrap_or_else(|| NOT_KNOWN.to_owned()),
                if entry.view_text().is_some() { "yes" } else { "-" }.to_owned(),
            ]
        })
        .collect();
    let header = ["name", "title", "format", "size", "licence", "view"];
    crate::print(&table(&header, &[false, false, false, true, false, false], &rows))
}

pub(crate) fn info(name: &str, view: bool) -> Result<(), Failure> {
    let entry = find(name)?;
    if view {
        let text = entry.view_text().ok_or_else(|| {
            Failure::input(format!("show the view of {name}: the catalogue has none for it yet"))
        })?;
        return crate::print(text);
    }
    let mut text = format!("{}: {}\n\n{}\n\n", entry.name, entry.title, entry.description);
    for (what, value) in [
        ("format", entry.formats.as_str()),
        ("licence", entry.license.as_deref().unwrap_or(NOT_KNOWN)),
        ("cite", &entry.citation),
        ("page", &entry.page),
        ("task", entry.task.as_deref().unwrap_or("-")),
        ("view", if entry.view_text().is_some() { "fiducial dataset info NAME --view" } else { "none yet" }),
    ] {
        text += &format!("{what:8} {value}\n");
    }
    if !entry.files.is_empty() {
        let rows: Vec<Vec<String>> = entry
            .files
            .iter()
            .map(|file| {
                vec![
                    file.name.clone(),
                    file.bytes.map_or_else(|| NOT_KNOWN.to_owned(), bytes),
                    file.checksum.clone().unwrap_or_else(|| NOT_KNOWN.to_owned()),
                ]
            })
            .collect();
        text += &format!("\n{}", table(&["file", "size", "checksum"], &[false, true, false], &rows));
    }
    crate::print(&text)
}

pub(crate) fn fetch(
    name: &str,
    files: &[String],
    output: Option<PathBuf>,
    quiet: bool,
) -> Result<(), Failure> {
    let entry = find(name)?;
    let directory = output.unwrap_or_else(|| PathBuf::from(name));
    let mut display = Display::new(quiet);
    let outcome = catalogue::fetch(&entry, files, &directory, &FetchOptions::default(), &mut |_, done| {
        display.fetching(done.bytes, done.total);
    });
    display.done();
    let paths = outcome.map_err(|error| match error {
        FetchError::Setting { .. } => Failure::input(error),
        error => Failure::other(error),
    })?;
    let lines: String = paths.iter().map(|path| format!("{}\n", path.display())).collect();
    crate::print(&lines)
}

fn find(name: &str) -> Result<Entry, Failure> {
    catalogue::find(name).ok_or_else(|| {
        Failure::usage(format!("find the dataset {name}")).hint("`fiducial dataset list` names them all")
    })
}
