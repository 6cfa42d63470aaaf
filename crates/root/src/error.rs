//! The error type: what was read, where, and why it could not be.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Why something in a ROOT file could not be read.
///
/// Messages are fragments that fit after "failed to ".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused to open, size or map the file.
    #[error("open {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A server did not hand out the bytes.
    #[error(
        "read {object} of {file} at byte {offset}: {reason} ({host} was tried in {attempts} {} over {:.1} s)",
        if *attempts == 1 { "attempt" } else { "attempts" },
        elapsed.as_secs_f64()
    )]
    Remote {
        /// The address, without passwords and tokens.
        file: Arc<str>,
        /// The header, directory, tree or column that was being read.
        object: Arc<str>,
        /// Where the first of the bytes that were asked for lie in the file.
        offset: u64,
        /// The host of the address, or its bucket.
        host: String,
        /// What became of the last attempt.
        reason: String,
        /// How many attempts were made.
        attempts: u32,
        /// From the first attempt to the last one's end.
        elapsed: Duration,
    },
    /// The bytes are not what the format says.
    #[error("read {object} of {file} at byte {offset}{}: {reason}", Within(*within))]
    Malformed {
        /// The file.
        file: Arc<str>,
        /// The header, directory, tree, branch or basket that was being read.
        object: Arc<str>,
        /// Where the object's record starts in the file.
        offset: u64,
        /// How far into the (decompressed) record the problem lies.
        within: u64,
        /// What is wrong.
        reason: String,
    },
    /// The parts of a histogram do not fit together.
    #[error("make histogram {name}: {reason}")]
    Histogram {
        /// The histogram's name.
        name: String,
        /// What does not fit.
        reason: String,
    },
    /// The file has no such object or column.
    #[error("find {what} in {file}")]
    NotFound {
        /// The file, or the file and tree.
        file: Arc<str>,
        /// What was asked for.
        what: String,
    },
    /// The column is there, but this reader cannot turn it into an Arrow array.
    #[error("read column {column} of {object} in {file}: {reason}")]
    Column {
        /// The file.
        file: Arc<str>,
        /// The tree.
        object: Arc<str>,
        /// The column.
        column: String,
        /// Why not.
        reason: String,
    },
    /// The operating system refused to make or write a file.
    #[error("write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Jagged columns that were of equal lengths at first, and so share a counter, differ.
    #[error("write column {column} of tree {tree} to {}: its length in entry {entry} is not that of {other}, with which it shares a counter", path.display())]
    Lengths {
        /// The file.
        path: PathBuf,
        /// The tree.
        tree: String,
        /// The column.
        column: String,
        /// The column that it is compared with, its counter or one that has the same counter.
        other: String,
        /// The first entry where they differ.
        entry: u64,
    },
    /// Something that the format, or this writer, has no form for.
    #[error("write {object} to {}: {reason}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The object or column.
        object: String,
        /// Why not.
        reason: String,
    },
}

struct Within(u64);

impl std::fmt::Display for Within {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            0 => Ok(()),
            n => write!(f, "+{n}"),
        }
    }
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

/// Which record is being read: carried by every cursor, so that every error can name it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) file: Arc<str>,
    pub(crate) object: Arc<str>,
    pub(crate) offset: u64,
}

impl Place {
    pub(crate) fn new(file: &Arc<str>, object: impl Into<Arc<str>>, offset: u64) -> Self {
        Self { file: Arc::clone(file), object: object.into(), offset }
    }

    pub(crate) fn error(&self, within: usize, reason: impl Into<String>) -> Error {
        Error::Malformed {
            file: Arc::clone(&self.file),
            object: Arc::clone(&self.object),
            offset: self.offset,
            within: within as u64,
            reason: reason.into(),
        }
    }
}
