//! The file that a download is written to until it is complete and right, and what is known about it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Download, FetchError};

const FORMAT: &str = "fiducial-part/1";

/// What the server said about the version of the file whose first bytes are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Validator {
    /// The strong ETag.
    pub(super) etag: Option<String>,
    /// The date of the last change.
    pub(super) last_modified: Option<String>,
}

impl Validator {
    /// The value of `If-Range`: a server that has another version by now sends all of it.
    pub(super) fn if_range(&self) -> Option<&str> {
        self.etag.as_deref().or(self.last_modified.as_deref())
    }
}

/// `NAME.part.json`.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    format: String,
    url: String,
    checksum: String,
    total: Option<u64>,
    validator: Validator,
}

/// `NAME.part`, locked against other processes as long as this lives.
#[derive(Debug)]
pub(super) struct Part {
    path: PathBuf,
    state_path: PathBuf,
    file: File,
    len: u64,
    /// The size of the whole file, as the server said.
    pub(super) total: Option<u64>,
    pub(super) validator: Validator,
}

impl Part {
    /// Opens or creates the part of `target`. Bytes of another address or checksum are dropped.
    pub(super) fn open(target: &Path, download: &Download) -> Result<Self, FetchError> {
        let path = beside(target, ".part");
        let state_path = beside(target, ".part.json");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(FetchError::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FetchError::Busy { path }),
            Err(TryLockError::Error(source)) => return Err(FetchError::io("lock", &path)(source)),
        }
        let len = file.seek(SeekFrom::End(0)).map_err(FetchError::io("read", &path))?;
        let state =
            std::fs::read(&state_path).ok().and_then(|text| serde_json::from_slice::<State>(&text).ok());
        let mut part = Self { path, state_path, file, len, total: None, validator: Validator::default() };
        match state {
            Some(state)
                if state.format == FORMAT
                    && state.url == download.url
                    && state.checksum == download.checksum.to_string() =>
            {
                part.total = state.total;
                part.validator = state.validator;
            }
            _ => part.clear()?,
        }
        if part.len > part.total.unwrap_or(download.max_bytes) {
            part.clear()?;
        }
        Ok(part)
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Drops all bytes and what is known about them.
    pub(super) fn clear(&mut self) -> Result<(), FetchError> {
        let io = |source| FetchError::io("empty", &self.path)(source);
        self.file.set_len(0).map_err(io)?;
        self.file.seek(SeekFrom::Start(0)).map_err(io)?;
        self.len = 0;
        self.total = None;
        self.validator = Validator::default();
        Ok(())
    }

    /// Starts from the first byte with what the server says about the file.
    pub(super) fn restart(
        &mut self,
        download: &Download,
        total: Option<u64>,
        validator: Validator,
    ) -> Result<(), FetchError> {
        self.clear()?;
        self.total = total;
        self.validator = validator;
        let state = State {
            format: FORMAT.to_owned(),
            url: download.url.clone(),
            checksum: download.checksum.to_string(),
            total,
            validator: self.validator.clone(),
        };
        let text = serde_json::to_vec_pretty(&state)
            .map_err(|error| FetchError::io("write", &self.state_path)(error.into()))?;
        std::fs::write(&self.state_path, text).map_err(FetchError::io("write", &self.state_path))
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        self.file.write_all(bytes).map_err(FetchError::io("write", &self.path))?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Brings the bytes to the disk.
    pub(super) fn sync(&mut self) -> Result<(), FetchError> {
        self.file.sync_all().map_err(FetchError::io("write", &self.path))
    }

    /// Gives the file its name.
    pub(super) fn finish(self, target: &Path) -> Result<(), FetchError> {
        let Self { path, state_path, file, .. } = self;
        // Some systems do not rename an open file.
        drop(file);
        std::fs::rename(&path, target).map_err(FetchError::io("rename", &path))?;
        remove(&state_path)
    }

    /// Removes the file and its state.
    pub(super) fn discard(self) -> Result<(), FetchError> {
        let Self { path, state_path, file, .. } = self;
        drop(file);
        remove(&state_path)?;
        remove(&path)
    }
}

fn remove(path: &Path) -> Result<(), FetchError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(FetchError::io("remove", path)(error))
        }
        _ => Ok(()),
    }
}

fn beside(target: &Path, suffix: &str) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
