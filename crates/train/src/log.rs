//! The log of a training: one JSON object a line, which grows while the training runs (`schemas/log-1.json`).
//!
//! A checkpoint holds the log's length. A training that goes on from it first cuts the log to that length, and then writes the
//! lines of the steps that it makes again: no line is lost and none comes twice.
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::Error;
use crate::report::Epoch;

/// The format that the first line names.
const FORMAT: &str = "fiducial-log/1";

/// A line of the log.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum Line<'a> {
    /// The first line.
    Start {
        format: &'a str,
        kind: &'a str,
        parameters: usize,
        train_jets: usize,
        validation_jets: usize,
        epochs: usize,
        steps_per_epoch: usize,
    },
    /// A step of a training.
    Step {
        /// From 1.
        epoch: usize,
        /// From 1, over all epochs.
        step: u64,
        loss: f64,
        learning_rate: f64,
        gradient_norm: f64,
        jets_per_second: f64,
        /// Since the training began, pauses between its sessions left out.
        seconds: f64,
    },
    /// The end of an epoch.
    Epoch {
        #[serde(flatten)]
        epoch: &'a Epoch,
        #[serde(skip_serializing_if = "Option::is_none")]
        peak_memory_bytes: Option<u64>,
        cpu_seconds: f64,
        joules: f64,
    },
}

impl Line<'_> {
    pub(crate) const FORMAT: &'static str = FORMAT;
}

/// A log that is open for writing.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    file: File,
    length: u64,
}

impl Log {
    /// Opens a log and cuts it to the length that a checkpoint names; 0 begins it anew.
    pub(crate) fn open(path: &Path, length: u64) -> Result<Self, Error> {
        let open = || {
            let mut file =
                OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)?;
            let found = file.metadata()?.len();
            if found >= length {
                file.set_len(length)?;
                file.seek(SeekFrom::Start(length))?;
            }
            Ok((file, found))
        };
        let (file, found) = open().map_err(Error::io("open", path))?;
        if found < length {
            let reason = format!("it has {found} bytes, where the checkpoint says {length}");
            return Err(Error::damaged(path, reason));
        }
        Ok(Self { path: path.to_path_buf(), file, length })
    }

    pub(crate) fn write(&mut self, line: &Line<'_>) -> Result<(), Error> {
        let mut text = serde_json::to_vec(line).map_err(|error| Error::damaged(&self.path, error))?;
        text.push(b'\n');
        self.file.write_all(&text).map_err(Error::io("write", &self.path))?;
        self.length += text.len() as u64;
        Ok(())
    }

    /// Its length, once all of it is on disk.
    pub(crate) fn synced(&mut self) -> Result<u64, Error> {
        self.file.sync_data().map_err(Error::io("write", &self.path))?;
        Ok(self.length)
    }
}
