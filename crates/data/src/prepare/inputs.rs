//! The files that a dataset is made of: opened, hashed, and left out where they are bad.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::known::{Hashed, Known};
use super::state::{LeftOut, State};
use super::{CREATED_BY, OnBadFile, OnBadValue, PrepareOptions};
use crate::dataset::{FORMAT, SkippedFile, SourceFile, digest_parts};
use crate::source::{self, Error, Source, check_columns};
use crate::view::View;

/// The sources that can be read, and those that cannot.
pub(super) struct Inputs {
    pub(super) sources: Vec<Box<dyn Source>>,
    pub(super) files: Vec<SourceFile>,
    pub(super) skipped: Vec<SkippedFile>,
    /// Those that were opened and then left out.
    pub(super) left_out: Vec<LeftOut>,
    /// What the next run may know of the files.
    pub(super) hashed: Vec<Hashed>,
}

impl Inputs {
    /// Opens the files, and hashes those of which no earlier run has left the hash.
    pub(super) fn open(
        view: &View,
        paths: &[PathBuf],
        options: &PrepareOptions,
        known: &Known,
    ) -> Result<Self, Error> {
        if paths.is_empty() {
            return Err(Error::settings("prepare a dataset", "no source files are given"));
        }
        let open_options = view.open_options();
        let columns = view.stored_columns();
        let opened: Vec<_> = paths
            .par_iter()
            .map(|path| {
                let source = source::with_file_columns(source::open_with(path, &open_options)?, view)?;
                let digest = known.digest(source.as_ref())?;
                Ok((source, digest))
            })
            .collect();
        let mut inputs = Self {
            sources: Vec::new(),
            files: Vec::new(),
            skipped: Vec::new(),
            left_out: Vec::new(),
            hashed: Vec::new(),
        };
        let mut first_row_id = 0;
        for (path, opened) in paths.iter().zip(opened) {
            let (source, ((bytes, sha256), hashed)) = match opened {
                Ok(opened) => opened,
                Err(error) => {
                    inputs.skip(path, None, error, options)?;
                    continue;
                }
            };
            inputs.hashed.extend(hashed);
            let rows = source.rows();
            if options.on_bad_file == OnBadFile::Skip
                && let Err(error) = check_columns(source.as_ref(), columns.iter().map(String::as_str))
            {
                inputs.note(path, Some(rows), &error);
                // Its rows keep their numbers, so that once it is mended the others stay in their splits.
                first_row_id += rows;
                continue;
            }
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
        self.note(path, rows, &error);
        Ok(())
    }

    fn note(&mut self, path: &Path, rows: Option<u64>, error: &Error) {
        let reason = format!("failed to {error}");
        self.skipped.push(SkippedFile { file: file_name(path), rows, reason });
    }

    /// Leaves out a source whose bytes turned out to be bad. The others keep their row ids.
    pub(super) fn leave_out(&mut self, error: Error, options: &PrepareOptions) -> Result<(), Error> {
        let mut paths = self.sources.iter().map(|source| source.path());
        let Some(index) = paths.position(|path| error.bad_file() == Some(path)) else { return Err(error) };
        if options.on_bad_file == OnBadFile::Fail {
            return Err(error);
        }
        self.remove(LeftOut { place: index, reason: format!("failed to {error}") });
        self.check_any()
    }

    /// Leaves out what an earlier run had left out; whether that can be.
    pub(super) fn leave_out_again(&mut self, state: &State) -> bool {
        let is_possible = state.left_out.len() < self.sources.len().max(1)
            && state.left_out.iter().enumerate().all(|(done, bad)| bad.place < self.sources.len() - done);
        if is_possible {
            state.left_out.iter().for_each(|bad| self.remove(bad.clone()));
        }
        is_possible
    }

    fn remove(&mut self, bad: LeftOut) {
        self.sources.remove(bad.place);
        let SourceFile { file, rows, .. } = self.files.remove(bad.place);
        self.skipped.push(SkippedFile { file, rows: Some(rows), reason: bad.reason.clone() });
        self.left_out.push(bad);
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
    pub(super) fn digest(&self, view: &View, options: &PrepareOptions) -> String {
        let PrepareOptions { about, row_group_rows, shard_rows, compression_level, .. } = options;
        let settings = format!("{row_group_rows} {shard_rows} {compression_level}");
        // What derives `Serialize` from strings and lists always has a text.
        let about = serde_json::to_string(about).unwrap_or_default();
        let sources = self.files.iter().flat_map(|file| [file.file.as_str(), file.sha256.as_str()]);
        let skipped = self.skipped.iter().flat_map(|file| ["skipped", file.file.as_str()]);
        let fixed = [FORMAT, CREATED_BY, view.text(), &settings, &about];
        // Only where it is so: what was made before there was a choice stays what it is.
        let drops = (options.on_bad_value == OnBadValue::Drop).then_some("rows with bad values are dropped");
        digest_parts(fixed.into_iter().chain(sources).chain(skipped).chain(drops))
    }
}

/// The last part of a path; of an address without its query, which often is somebody's token.
pub(super) fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match name.split_once('?') {
        Some((name, _)) if fiducial_root::is_url(path) => name.to_owned(),
        _ => name.into_owned(),
    }
}
