//! Any file behind an address, for formats that other libraries read.

use std::path::Path;

use super::{Opened, RemoteOptions, Url, open};
use crate::error::{Place, Result};

/// A file on a server, of whatever format: its size, and any of its bytes.
pub struct RemoteFile {
    name: String,
    opened: Opened,
}

impl RemoteFile {
    /// Opens the file behind an address.
    ///
    /// # Errors
    /// [`crate::Error::Remote`] where the server does not hand it out; [`crate::Error::Malformed`] where `url` is no address.
    pub fn open(url: &Path, options: &RemoteOptions) -> Result<Self> {
        let Some(parsed) = Url::of(url) else {
            let place = Place::new(&url.to_string_lossy().into(), "the address", 0);
            return Err(place.error(0, "it is no address of a file"));
        };
        Ok(Self { name: parsed.shown(), opened: open(&parsed, options)? })
    }

    /// Its address without what may be secret in it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        match &self.opened {
            Opened::Remote(remote) => remote.len(),
            Opened::Whole(bytes) => bytes.len() as u64,
        }
    }

    /// Some of its bytes; fewer than `len` where it ends before.
    ///
    /// # Errors
    /// [`crate::Error::Remote`] where the server does not hand them out.
    pub fn bytes(&self, seek: u64, len: usize) -> Result<Vec<u8>> {
        let place = Place::new(&self.name.as_str().into(), "bytes", seek);
        match &self.opened {
            Opened::Remote(remote) => remote.read(seek, len, &place),
            Opened::Whole(bytes) => {
                let start = usize::try_from(seek).unwrap_or(usize::MAX).min(bytes.len());
                Ok(bytes[start..start.saturating_add(len).min(bytes.len())].to_vec())
            }
        }
    }
}
