//! Sources to an AI-ready dataset, in one streaming pass.
//!
//! Each partition of each file is read, selected clause by clause, assigned to its splits and written, a few partitions
//! at a time: as many as a limit of memory allows. The result depends neither on that limit nor on the number of threads:
//! partitions follow the files' clusters, and their results are consumed in order. The dataset appears whole or not at all. A
//! run that is killed goes on, when it is started again, behind its last whole shards.

mod bad_values;
mod budget;
mod commit;
mod inputs;
mod known;
mod scan;
mod shards;
mod split;
mod stage;
mod state;
mod statistics;
mod widen;

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::dataset::{About, Dataset, MANIFEST, SourceFile};
use crate::source::{Error, Source};
use crate::view::View;

use budget::Budget;
use commit::Sink;
use inputs::Inputs;
use known::{KNOWN, Known};
use scan::{Scan, Task};
use stage::Stage;
use state::{STATE, State};

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
    /// What a file means that cannot be read or lacks a column. [`OnBadFile::Fail`].
    pub on_bad_file: OnBadFile,
    /// What a row means with a value that is NaN or infinite in a column of [`View::finite_columns`]. [`OnBadValue::Fail`].
    pub on_bad_value: OnBadValue,
    /// Bytes of memory that are used, whatever the number of rows. 4 GiB. The dataset does not depend on it.
    pub memory_limit: u64,
}

/// What to do about a source that cannot be opened, whose bytes turn out to be bad, or that lacks a column of the view.
///
/// A file that holds a column of another type than the others is not bad: the type that holds all of their values is taken, and where
/// there is none that is always an error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnBadFile {
    /// Give up.
    #[default]
    Fail,
    /// Leave out all of its rows, and say so in the dataset's manifest and card.
    Skip,
}

/// What to do about a row with a value that is NaN or infinite where the view needs a number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnBadValue {
    /// Give up, with the file, the row and the column.
    #[default]
    Fail,
    /// Leave out the row, and count it in the cutflow under its column.
    Drop,
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
            on_bad_value: OnBadValue::Fail,
            memory_limit: 4 << 30,
        }
    }
}

/// How far [`prepare`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Rows of an earlier run, which was broken off and is gone on with.
    pub rows_before: u64,
    /// Rows read so far, with those.
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
/// a dataset of the same [version](Dataset::version). Columns of which files differ in type get the type that holds all values, see
/// [`Manifest::widened`](crate::dataset::Manifest::widened). After a kill the same call goes on behind the last whole shards, which lie
/// in a hidden directory beside `out`; sources that did not change since are not hashed again.
///
/// # Errors
/// When `out` is there (and is no dataset, or `overwrite` is off); when a file cannot be read, lacks a column, or has a
/// column of a type that has none in common with the others'; when a selection meets a NaN or is not true or false for each row; when a value is
/// bad; when a row is in no split; when one partition does not fit into the limit of memory; when `out` cannot be written.
pub fn prepare(
    view: &View,
    files: &[PathBuf],
    out: &Path,
    options: &PrepareOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Dataset, Error> {
    check_target(out, options.overwrite)?;
    write(open(view, files, out, options)?, view, out, options, progress)
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
    let sources = open(view, files, out, options)?;
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

/// Opens and hashes the sources, but for those that an earlier run which was broken off has hashed.
fn open(view: &View, files: &[PathBuf], out: &Path, options: &PrepareOptions) -> Result<Inputs, Error> {
    let known = Stage::unfinished(out).map(|directory| Known::read(&directory));
    Inputs::open(view, files, options, &known.unwrap_or_default())
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

/// Writes the dataset, from where an earlier run with the same request was broken off. A source that turns out to be bad on the
/// way is left out, where that is allowed, and everything is done again without it: so the dataset is the same as if it had
/// been known before.
fn write(
    mut inputs: Inputs,
    view: &View,
    out: &Path,
    options: &PrepareOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Dataset, Error> {
    let request = inputs.digest(view, options);
    let stage = Stage::begin(out)?;
    known::write(&inputs.hashed, stage.path())?;
    let mut state = State::read(stage.path(), &request).filter(|state| inputs.leave_out_again(state));
    loop {
        let keep: Vec<PathBuf> = state.iter().flat_map(|state| state.paths(stage.path())).collect();
        let has_state = state.is_some().then(|| stage.path().join(STATE));
        stage.clean(keep.into_iter().chain(has_state).chain([stage.path().join(KNOWN)]))?;
        match try_write(&inputs, view, &stage, options, &request, state.take(), progress) {
            Ok(sink) => {
                sink.finish(&inputs, view, options)?;
                stage.commit()?;
                return Dataset::open(out);
            }
            Err(error) => inputs.leave_out(error, options)?,
        }
    }
}

fn try_write(
    inputs: &Inputs,
    view: &View,
    stage: &Stage,
    options: &PrepareOptions,
    request: &str,
    state: Option<State>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Sink, Error> {
    let Inputs { sources, files, .. } = inputs;
    let scan = Scan::new(view, sources, options.on_bad_value)?;
    let tasks = tasks(sources, files);
    let mut budget = Budget::new(&scan, options);
    budget.check(&scan, sources, &tasks)?;
    let mut next = state.as_ref().map_or(0, |state| state.task).min(tasks.len());
    let mut sink = Sink::new(stage.path(), &scan, inputs, options, request, state)?;
    let rows_total = files.iter().map(|file| file.rows).sum();
    let rows_before = sink.rows_read();
    // While the pieces of one window are written, the next window is scanned: at most two windows are in memory.
    let mut scanned = Vec::new();
    while next < tasks.len() || !scanned.is_empty() {
        let rest = &tasks[next..];
        let window = &rest[..budget.window(&scan, sources, rest)];
        let scan_next = || -> Vec<_> {
            let run =
                |place: usize| (place, scan.run(sources[window[place].source].as_ref(), &window[place]));
            let mut pieces: Vec<_> = side_by_side(window.len()).into_par_iter().map(run).collect();
            pieces.sort_unstable_by_key(|(place, _)| *place);
            pieces
        };
        let (pieces, written) = rayon::join(scan_next, || sink.consume(scanned));
        written?;
        // In order, so that of several errors the same one is reported each time.
        scanned = Vec::with_capacity(pieces.len());
        for (task, (_, piece)) in window.iter().zip(pieces) {
            let piece = piece?;
            budget.measure(&scan, sources[task.source].as_ref(), task, &piece)?;
            scanned.push(piece);
        }
        next += window.len();
        // Sources that no later partition is of.
        let current = tasks.get(next).map_or(sources.len(), |task| task.source);
        let first = window.first().map_or(current, |task| task.source);
        sources[first..current].iter().for_each(|source| source.release());
        progress(Progress {
            rows_before,
            rows_read: sink.rows_read(),
            rows_total,
            rows_kept: sink.rows_kept(),
        });
    }
    Ok(sink)
}

/// An order of so many tasks in which threads that take a stretch of it each work on neighbouring tasks at the same time: they
/// share decoders, and none has to go far ahead of another.
fn side_by_side(tasks: usize) -> Vec<usize> {
    let threads = rayon::current_num_threads();
    (0..threads).flat_map(|thread| (thread..tasks).step_by(threads)).collect()
}

/// The partitions of all sources, in order.
fn tasks(sources: &[Box<dyn Source>], files: &[SourceFile]) -> Vec<Task> {
    let sources = sources.iter().zip(files).enumerate();
    sources
        .flat_map(|(index, (source, file))| {
            let first_row_id = file.first_row_id;
            source.partitions().into_iter().map(move |rows| Task { source: index, first_row_id, rows })
        })
        .collect()
}
