//! Why something could not be fetched.

use std::io;
use std::path::{Path, PathBuf};

/// Why a file could not be fetched or unpacked. Each message is a fragment that fits after "failed to".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// No variable says where the cache is.
    #[error("find a cache directory: none of FIDUCIAL_CACHE, XDG_CACHE_HOME, HOME and LOCALAPPDATA is set")]
    NoCacheDirectory,
    /// The operating system refused.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried, such as "open" or "write".
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The address or the checksum cannot be used.
    #[error("use `{text}`: {reason}")]
    Setting {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Another process writes the same file.
    #[error("fetch into {}: another process is doing it", path.display())]
    Busy {
        /// The file that is locked.
        path: PathBuf,
    },
    /// The server refused, and would refuse again.
    #[error("fetch {url}: {host} answered {status}")]
    Status {
        /// The address, without password and query.
        url: String,
        /// The host of the address.
        host: String,
        /// The HTTP status with its meaning.
        status: String,
    },
    /// The server sends more than the file may have, or says so.
    #[error("fetch {url}: {host} has {found}, expected were {expected}")]
    Size {
        /// The address, without password and query.
        url: String,
        /// The host of the address.
        host: String,
        /// What the server has.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// All bytes came, and they are not the right ones.
    #[error(
        "fetch {url}: the {algorithm} of what {host} sent is {found}, expected was {expected}; nothing was kept"
    )]
    Checksum {
        /// The address, without password and query.
        url: String,
        /// The host of the address.
        host: String,
        /// `md5` or `sha256`.
        algorithm: &'static str,
        /// What came, in hexadecimal digits.
        found: String,
        /// What should have come.
        expected: String,
    },
    /// Every attempt failed.
    #[error(
        "fetch {url} from {host}: {reason}; tried {attempts} times in a row, {kept} bytes are kept in {}: run again to go on",
        part.display()
    )]
    GaveUp {
        /// The address, without password and query.
        url: String,
        /// The host of the address.
        host: String,
        /// Why the last attempt failed.
        reason: String,
        /// The number of attempts since bytes last came.
        attempts: u32,
        /// The bytes that wait for the next call.
        kept: u64,
        /// The file that they wait in.
        part: PathBuf,
    },
    /// An archive does not hold what it should, or holds it in a way that is refused.
    #[error("unpack {}: {reason}", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl FetchError {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    pub(crate) fn setting(text: &str, reason: impl Into<String>) -> Self {
        Self::Setting { text: text.to_owned(), reason: reason.into() }
    }

    pub(super) fn archive(path: &Path, reason: impl Into<String>) -> Self {
        Self::Archive { path: path.to_owned(), reason: reason.into() }
    }
}
