//! Public datasets: downloaded, resumed, checked and unpacked.
//!
//! Nothing that comes from a network is trusted. A download has a checksum and a largest size before it starts; what
//! arrives goes into a file of its own (`NAME.part`), which a later call goes on with, and gets its name only after the
//! checksum of all its bytes is right. What the server says about lengths, ranges and versions is compared with what it
//! sends. Members of an archive are taken out by name; nothing else in it is written.
//!
//! Proxies come from the usual variables (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`).
//!
//! ```no_run
//! use fiducial_data::fetch::{Download, FetchOptions, cache_directory, fetch};
//!
//! let download = Download {
//!     url: "https://example.org/jets.tar".to_owned(),
//!     checksum: "md5:4fca2e47afbf321b0f201da6b804c404".parse()?,
//!     bytes: None,
//!     max_bytes: 2_000_000_000,
//! };
//! let path = cache_directory()?.join("jets.tar");
//! fetch(&download, &path, &FetchOptions::default(), &mut |progress| drop(progress))?;
//! # Ok::<(), fiducial_data::fetch::FetchError>(())
//! ```

mod archive;
mod cache;
mod checksum;
mod download;
mod error;
mod http;
mod part;

pub use archive::{Member, unpack};
pub use cache::{cache_directory, fetch_archive};
pub use checksum::{Algorithm, Checksum};
pub use download::{Download, FetchOptions, Progress, Stage, fetch};
pub use error::FetchError;
