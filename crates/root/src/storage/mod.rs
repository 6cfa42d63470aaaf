//! Where a file's bytes come from: this machine, or a server.
//!
//! A file on this machine is mapped or in memory, and is read where it lies. A [`Storage`] is a file on a server, of which
//! ranges can be asked for. It makes one attempt at a time; what is common to all servers stands in [`remote`]: a
//! small cache for metadata, ranges that are asked for together, several requests at once, and further attempts.
#![cfg_attr(
    not(all(feature = "http", feature = "xrootd")),
    allow(
        dead_code,
        unused_variables,
        reason = "what only the kinds of servers that are left out would use"
    )
)]

mod file;
#[cfg(feature = "http")]
mod http;
mod pace;
mod plan;
mod remote;
mod retry;
#[cfg(feature = "s3")]
mod s3;
mod url;
#[cfg(feature = "xrootd")]
mod xrootd;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Place, Result};
pub use file::RemoteFile;
pub(crate) use remote::{Remote, Wanted};
pub(crate) use url::Url;

/// How patient the reader is with a server. The defaults suit files across a continent.
///
/// One request that a server never answers fails after `attempts` times `read_timeout` and the pauses between them: some
/// 160 seconds by default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteOptions {
    /// How often a request is made before it counts as failed; at least once.
    pub attempts: u32,
    /// The pause after the first failed attempt. It doubles with each one, and up to half of it is added by chance, so
    /// that many readers do not come back at the same moment.
    pub backoff: Duration,
    /// For finding a host, and again for connecting to it.
    pub connect_timeout: Duration,
    /// For an answer to begin, and for each wait for more of it. Less than 4 KiB in that time count as nothing.
    pub read_timeout: Duration,
    /// The most that pauses may add up to in one request, those that the server asks for included.
    pub patience: Duration,
}

impl Default for RemoteOptions {
    fn default() -> Self {
        Self {
            attempts: 5,
            backoff: Duration::from_millis(500),
            connect_timeout: Duration::from_secs(20),
            read_timeout: Duration::from_secs(30),
            patience: Duration::from_secs(120),
        }
    }
}

/// Whether [`crate::RootFile::open`] takes a path for the address of a remote file: `SCHEME://...`.
pub fn is_url(path: impl AsRef<Path>) -> bool {
    Url::of(path.as_ref()).is_some()
}

/// A path or an address for messages: of an address without password and query, since tokens and signatures stand there.
///
/// ```
/// assert_eq!(fiducial_root::shown("https://me:secret@a.org/x.root?token=1"), "https://a.org/x.root?...");
/// assert_eq!(fiducial_root::shown("data/x.root"), "data/x.root");
/// ```
pub fn shown(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    Url::of(path).map_or_else(|| path.display().to_string(), |url| url.shown())
}

/// Why an attempt failed.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) reason: String,
    /// Whether another attempt may succeed.
    pub(crate) again: bool,
    /// How long the server asked to wait before it.
    pub(crate) wait: Option<Duration>,
}

impl Fault {
    /// Another attempt may succeed.
    pub(crate) fn again(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), again: true, wait: None }
    }

    /// Another attempt would fail for the same reason.
    pub(crate) fn last(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), again: false, wait: None }
    }
}

/// What one request to a server may ask for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Ranges with fewer bytes than this between them are asked for as one: the bytes between cost less than a request.
    pub(crate) gap: u64,
    /// Bytes that are asked for together, unless a single range is longer.
    pub(crate) bytes: u64,
    /// Ranges in one request.
    pub(crate) spans: usize,
    /// Requests at once, for each file.
    pub(crate) parallel: usize,
}

/// A file on a server.
pub(crate) trait Storage: Send + Sync {
    /// Its size in bytes.
    fn len(&self) -> u64;

    fn limits(&self) -> Limits;

    /// Makes one attempt to read some ranges, all within the file and none of them empty: exactly their bytes, in the
    /// same order. `attempt` counts from 1; a later one does not trust what the earlier ones left open.
    fn read(&self, spans: &[Range<u64>], attempt: u32) -> std::result::Result<Vec<Vec<u8>>, Fault>;
}

/// What was found behind an address.
pub(crate) enum Found {
    /// A server that hands out ranges, and the file's first bytes.
    Parts { storage: Box<dyn Storage>, first: Vec<u8> },
    /// All bytes, from a server that hands out nothing less.
    Whole(Vec<u8>),
}

/// A remote file that has been opened.
pub(crate) enum Opened {
    Remote(Remote),
    Whole(Vec<u8>),
}

/// Bytes that an opened file has at hand at once: its header and, in most files, its top directory. Also the unit in
/// which metadata is read and kept.
pub(crate) const BLOCK: u64 = 32 << 10;

/// Opens a file on a server. One request is made: its answer tells the size and brings the first bytes.
pub(crate) fn open(url: &Url, options: &RemoteOptions) -> Result<Opened> {
    let name: Arc<str> = url.shown().into();
    let place = Place::new(&name, "the header", 0);
    let found = retry::run(options, retry::seed(&name), |_| find(url, options));
    match found.map_err(|failure| failure.at(&place, url.host()))? {
        Found::Whole(bytes) => Ok(Opened::Whole(bytes)),
        Found::Parts { storage, first } => {
            Ok(Opened::Remote(Remote::new(&name, url.host(), storage, options, &first)))
        }
    }
}

fn find(url: &Url, options: &RemoteOptions) -> std::result::Result<Found, Fault> {
    match url.scheme() {
        #[cfg(feature = "http")]
        "http" | "https" => http::open(url, options),
        #[cfg(feature = "s3")]
        "s3" => s3::open(url, options),
        #[cfg(feature = "xrootd")]
        "root" | "xroot" => xrootd::open(url, options),
        #[allow(unreachable_patterns, reason = "they are reached where a feature is left out")]
        scheme => Err(Fault::last(match scheme {
            "http" | "https" => left_out(scheme, "http"),
            "s3" => left_out(scheme, "s3"),
            "root" | "xroot" => left_out(scheme, "xrootd"),
            "roots" | "xroots" => "XRootD over TLS is not supported: try root:// or https://".to_owned(),
            _ => format!("{scheme}:// is not supported: http://, https://, s3:// and root:// are"),
        })),
    }
}

fn left_out(scheme: &str, feature: &str) -> String {
    format!("{scheme}:// is left out of this build (cargo feature `{feature}`)")
}
