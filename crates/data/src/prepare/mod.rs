//! Sources to an AI-ready dataset, in one streaming pass.
//!
//! Each partition of each file is read, selected clause by clause, assigned to its splits and written, a few partitions
//! at a time. The result does not depend on the number of threads: partitions follow the files' clusters, and their
//! results are consumed in order. The dataset appears whole or not at all.

mod commit;
mod scan;
mod shards;
mod split;
mod stage;
mod statistics;

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::dataset::{About, Dataset, FORMAT, MANIFEST, SkippedFile, SourceFile, digest_parts};
use crate::source::{self, Error, Source};
use crate::view::View;

use commit::{Provenance, Sink};
use scan::{Scan, Task};
use stage::Stage;

/// The program's name and version in manifests.
const CREATED_BY: &str = concat!("fiducial-data ", env!("CARGO_PKG_VERSION"));

/// How a dataset is written.
#[derive(Debug, Clone, PartialEq)]
pub struct PrepareOptions {
    /// Name, description, licence and the like.
    pub about: About,
    /// Rows of a row group. A row group is what one thread reads at a time. 10,000.
    pub row_group_rows: usize,
    /// Rows after which a new shard begins. 1,000,000.
    pub shard_rows: u64,
    /// The level of zstd, 1 to 22. 3: higher ones cost much time and save little on physical values.
    pub compression_level: i32,
    /// Whether a dataset that is there already is replaced. What is no dataset is never replaced.
    pub overwrite: bool,
    /// What a file means that cannot be read. [`OnBadFile::Fail`].
    pub on_bad_file: OnBadFile,
}

/// What to do about a source that cannot be opened, or whose bytes turn out to be bad.
///
/// A file that lacks a column, or holds a value that the view does not allow, is not bad: that is always an error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnBadFile {
    /// Give up.
    #[default]
    Fail,
    /// Leave out all of its rows, and say so in the dataset's manifest and card.
    Skip,
}

impl Default for PrepareOptions {
    fn default() -> Self {
        Self {
            about: About { name: "dataset".to_owned(), ..About::default() },
            row_group_rows: 10_000,
            shard_rows: 1_000_000,
            compression_level: 3,
            overwrite: false,
            on_bad_file: OnBadFile::Fail,
        }
    }
}

/// How far [`prepare`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Rows read so far.
    pub rows_read: u64,
    /// Rows of all sources.
    pub rows_total: u64,
    /// Rows kept so far.
    pub rows_kept: u64,
}

/// What [`prepare_or_reuse`] found or made.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The dataset.
    pub dataset: Dataset,
    /// Whether it was there already.
    pub is_reused: bool,
}

/// Makes a dataset in the directory `out` out of files of any format that [`source::open`] reads.
///
/// `row_id` counts the rows of all files in the order given, before any selection. The same files, view and options make
/// a dataset of the same [version](Dataset::version).
///
/// # Errors
/// When `out` is there (and is no dataset, or `overwrite` is off); when a file cannot be read, lacks a column, or has a
/// column of another type than the first; when a selection meets a NaN or is not true or false for each row; when a
/// row is in no split; when `out` cannot be written.
pub fn prepare(
    view: &View,
    files: &[PathBuf],
    out: &Path,
    options: &PrepareOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Dataset, Error> {
    check_target(out, options.overwrite)?;
    write(Inputs::open(view, files, options)?, view, out, options, progress)
}

/// As [`prepare`], but takes a dataset that `out` holds already where it was made from the same files, view and options,
/// and every byte of it is right. Any other dataset there is replaced.
///
/// # Errors
/// As [`prepare`].
pub fn prepare_or_reuse(
    view: &View,
    files: &[PathBuf],
    out: &Path,
    options: &PrepareOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Prepared, Error> {
    check_target(out, true)?;
    let sources = Inputs::open(view, files, options)?;
    if out.join(MANIFEST).exists() {
        // A dataset that cannot be opened or is not sound is made again.
        let existing = Dataset::open(out).ok().filter(|dataset| {
            dataset.manifest().inputs == sources.digest(view, options)
                && dataset.verify().is_ok_and(|report| report.problems.is_empty())
        });
        if let Some(dataset) = existing {
            return Ok(Prepared { dataset, is_reused: true });
        }
    }
    let dataset = write(sources, view, out, options, progress)?;
    Ok(Prepared { dataset, is_reused: false })
}

/// Refuses to touch a directory that may hold something else.
fn check_target(out: &Path, overwrite: bool) -> Result<(), Error> {
    let refuse =
        |reason: &str| Err(Error::settings("prepare a dataset", format!("{} {reason}", out.display())));
    if !out.exists() {
        return Ok(());
    }
    let mut entries = std::fs::read_dir(out).map_err(Error::io("list", out))?;
    if entries.next().is_none() {
        return Ok(());
    }
    if !out.join(MANIFEST).exists() {
        return refuse("is there and is no dataset; name another directory");
    }
    if overwrite {
        Ok(())
    } else {
        refuse("is there already; allow to overwrite it or name another directory")
    }
}

/// The sources that can be read, and those that cannot.
struct Inputs {
    sources: Vec<Box<dyn Source>>,
    files: Vec<SourceFile>,
    skipped: Vec<SkippedFile>,
}

impl Inputs {
    /// Opens and hashes the files.
    fn open(view: &View, paths: &[PathBuf], options: &PrepareOptions) -> Result<Self, Error> {
        if paths.is_empty() {
            return Err(Error::settings("prepare a dataset", "no source files are given"));
        }
        let open_options = view.open_options();
        let opened: Vec<_> = paths
            .par_iter()
            .map(|path| {
                let source = source::with_file_columns(source::open_with(path, &open_options)?, view)?;
                let digest = source.digest()?;
                Ok((source, digest))
            })
            .collect();
        let mut inputs = Self { sources: Vec::new(), files: Vec::new(), skipped: Vec::new() };
        let mut first_row_id = 0;
        for (path, opened) in paths.iter().zip(opened) {
            let (source, (bytes, sha256)) = match opened {
                Ok(opened) => opened,
                Err(error) => {
                    inputs.skip(path, None, error, options)?;
                    continue;
                }
            };
            let rows = source.rows();
            let file = file_name(source.path());
            inputs.files.push(SourceFile { file, sha256, bytes, rows, first_row_id });
            inputs.sources.push(source);
            first_row_id += rows;
        }
        inputs.check_any()?;
        Ok(inputs)
    }

    /// Notes a file that is bad, or gives its error back where that is not to be skipped.
    fn skip(
        &mut self,
        path: &Path,
        rows: Option<u64>,
        error: Error,
        options: &PrepareOptions,
    ) -> Result<(), Error> {
        if options.on_bad_file == OnBadFile::Fail || error.bad_file() != Some(path) {
            return Err(error);
        }
        self.skipped.push(SkippedFile { file: file_name(path), rows, reason: format!("failed to {error}") });
        Ok(())
    }

    /// Leaves out a source whose bytes turned out to be bad. The others keep their row ids.
    fn leave_out(&mut self, error: Error, options: &PrepareOptions) -> Result<(), Error> {
        let mut paths = self.sources.iter().map(|source| source.path());
        let Some(index) = paths.position(|path| error.bad_file() == Some(path)) else { return Err(error) };
        let (source, file) = (self.sources.remove(index), self.files.remove(index));
        self.skip(source.path(), Some(file.rows), error, options)?;
        self.check_any()
    }

    fn check_any(&self) -> Result<(), Error> {
        match (self.sources.as_slice(), self.skipped.as_slice()) {
            ([], [first, ..]) => Err(Error::settings(
                "prepare a dataset",
                format!("none of the files can be read; {}: {}", first.file, first.reason),
            )),
            _ => Ok(()),
        }
    }

    /// SHA-256 of all that decides what a dataset holds, and how it describes itself.
    fn digest(&self, view: &View, options: &PrepareOptions) -> String {
        let PrepareOptions { about, row_group_rows, shard_rows, compression_level, .. } = options;
        let settings = format!("{row_group_rows} {shard_rows} {compression_level}");
        // What derives `Serialize` from strings and lists always has a text.
        let about = serde_json::to_string(about).unwrap_or_default();
        let sources = self.files.iter().flat_map(|file| [file.file.as_str(), file.sha256.as_str()]);
        let skipped = self.skipped.iter().flat_map(|file| ["skipped", file.file.as_str()]);
        let fixed = [FORMAT, CREATED_BY, view.text(), &settings, &about];
        digest_parts(fixed.into_iter().chain(sources).chain(skipped))
    }
}

/// The last part of a path; of an address without its query, which often is somebody's token.
fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match name.split_once('?') {
        Some((name, _)) if fiducial_root::is_url(path) => name.to_owned(),
        _ => name.into_owned(),
    }
}

/// Writes the dataset. A source that turns out to be bad on the way is left out, where that is allowed, and everything is
/// done again without it: so the dataset is the same as if it had been known before.
fn write(
    mut inputs: Inputs,
    view: &View,
    out: &Path,
    options: &PrepareOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Dataset, Error> {
    loop {
        match try_write(&inputs, view, out, options, progress) {
            Err(error) => inputs.leave_out(error, options)?,
            Ok(()) => return Dataset::open(out),
        }
    }
}

fn try_write(
    inputs: &Inputs,
    view: &View,
    out: &Path,
    options: &PrepareOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Error> {
    let Inputs { sources, files, skipped } = inputs;
    let scan = Scan::new(view, sources)?;
    let stage = Stage::begin(out)?;
    let mut sink = Sink::new(stage.path(), &scan, files, options)?;
    let tasks: Vec<Task> = sources
        .iter()
        .zip(files)
        .enumerate()
        .flat_map(|(index, (source, file))| {
            let first_row_id = file.first_row_id;
            source.partitions().into_iter().map(move |rows| Task { source: index, first_row_id, rows })
        })
        .collect();
    let rows_total = files.iter().map(|file| file.rows).sum();
    // While the pieces of one window are written, the next window is scanned: at most two windows are in memory.
    let window = 2 * rayon::current_num_threads();
    let mut scanned = Vec::new();
    for tasks in tasks.chunks(window).chain(std::iter::once(Default::default())) {
        let scan_next = || -> Vec<_> {
            tasks.par_iter().map(|task| scan.run(sources[task.source].as_ref(), task)).collect()
        };
        let (next, written) = rayon::join(scan_next, || sink.consume(scanned));
        written?;
        // In order, so that of several errors the same one is reported each time.
        scanned = next.into_iter().collect::<Result<Vec<_>, _>>()?;
        progress(Progress { rows_read: sink.rows_read(), rows_total, rows_kept: sink.rows_kept() });
    }
    let provenance = Provenance {
        inputs: inputs.digest(view, options),
        view: view.text(),
        sources: files.clone(),
        skipped: skipped.clone(),
        about: &options.about,
    };
    sink.finish(stage, provenance)
}
