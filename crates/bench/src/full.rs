//! The full data of a task: fetched, checked and unpacked into the cache.

use std::path::PathBuf;

use fiducial_data::dataset::About;
use fiducial_data::fetch::{Download, FetchOptions, cache_directory, fetch_archive};
use fiducial_data::view::View;

use crate::{Error, FullData, Task};

/// What the task says of its full data.
fn declared(task: &Task) -> Result<&FullData, Error> {
    task.about.full.as_ref().ok_or_else(|| Error::NoFullData { task: task.about.name.clone() })
}

/// The task's view with the splits of the full data.
pub(crate) fn view(task: &Task) -> Result<View, Error> {
    let full = declared(task)?;
    let refuse = |reason: String| Error::Task { path: task.folder.join("task.toml"), reason };
    let mut table: toml::Table =
        task.view.text().parse().map_err(|error: toml::de::Error| refuse(error.to_string()))?;
    table.insert("splits".to_owned(), toml::Value::Table(full.splits.clone()));
    let text = toml::to_string(&table).map_err(|error| refuse(error.to_string()))?;
    Ok(View::parse(&text)?)
}

/// Fetches the archive, checks its hash, and gives the paths of the members that hold the data.
pub(crate) fn fetch(task: &Task, progress: &mut dyn FnMut(u64, Option<u64>)) -> Result<Vec<PathBuf>, Error> {
    let full = declared(task)?;
    let download = Download {
        url: full.url.clone(),
        checksum: format!("md5:{}", full.md5).parse()?,
        bytes: None,
        max_bytes: full.max_bytes,
    };
    let members: Vec<&str> = full.members.iter().map(String::as_str).collect();
    let mut report = |done: fiducial_data::fetch::Progress| progress(done.bytes, done.total);
    Ok(fetch_archive(&download, &members, &cache_directory()?, &FetchOptions::default(), &mut report)?)
}

/// What its dataset's card says.
pub(crate) fn about(task: &Task) -> Result<About, Error> {
    let full = declared(task)?;
    Ok(About {
        name: full.name.clone(),
        description: full.description.clone(),
        license: Some(full.license.clone()),
        citation: Some(full.citation.clone()),
        url: Some(full.page.clone()),
        ..About::default()
    })
}
