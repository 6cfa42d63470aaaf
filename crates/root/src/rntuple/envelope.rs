//! Envelopes: the checked blocks that describe an ntuple, and the frames within them.

use std::borrow::Cow;

use xxhash_rust::xxh3::xxh3_64;

use super::anchor::{Blobs, Link};
use crate::compress;
use crate::error::{Error, Place, Result};

/// What an envelope holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Header = 1,
    Footer = 2,
    PageList = 3,
}

/// A decompressed envelope whose checksum is right.
pub(crate) struct Envelope<'a> {
    data: Cow<'a, [u8]>,
    pub(crate) checksum: u64,
    place: Place,
}

impl<'a> Envelope<'a> {
    pub(crate) fn open(blobs: &'a Blobs, link: &Link, kind: Kind, object: &str) -> Result<Self> {
        let place = Place::new(blobs.file.name(), object, link.seek);
        let stored = blobs.read(link.seek, link.bytes, &place)?;
        let data = if link.bytes == link.len {
            stored
        } else {
            let len = usize::try_from(link.len).unwrap_or(usize::MAX);
            Cow::Owned(compress::decompress(&stored, len, &place)?)
        };
        Self::check(data, kind, place)
    }

    fn check(data: Cow<'a, [u8]>, kind: Kind, place: Place) -> Result<Self> {
        let (Some(first), Some((body, last))) = (data.first_chunk::<8>(), data.split_last_chunk::<8>())
        else {
            return Err(place.error(0, format!("{} bytes are no envelope", data.len())));
        };
        let (first, checksum) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
        if first & 0xFFFF != kind as u64 {
            return Err(
                place.error(0, format!("an envelope of type {} is where {kind:?} should be", first & 0xFFFF))
            );
        }
        if first >> 16 != data.len() as u64 {
            return Err(
                place.error(0, format!("it says that it has {} bytes of {}", first >> 16, data.len()))
            );
        }
        let found = xxh3_64(body);
        if found != checksum {
            return Err(place.error(0, format!("its checksum is {found:016x} instead of {checksum:016x}")));
        }
        Ok(Self { data, checksum, place })
    }

    /// A reader of what stands between the envelope's own header and its checksum.
    pub(crate) fn frame(&self) -> Frame<'_> {
        let end = self.data.len() - 8;
        Frame { data: &self.data[..end], pos: 8.min(end), place: &self.place }
    }
}

/// A checked reader of little-endian bytes: of an envelope or of one frame in it.
pub(crate) struct Frame<'a> {
    /// From the start of the envelope to the end of the frame.
    data: &'a [u8],
    pos: usize,
    place: &'a Place,
}

macro_rules! little_endian {
    ($($name:ident: $t:ty),*) => {
        $(pub(crate) fn $name(&mut self) -> Result<$t> {
            Ok(<$t>::from_le_bytes(self.array()?))
        })*
    };
}

impl<'a> Frame<'a> {
    little_endian!(u16: u16, u32: u32, i32: i32, u64: u64, i64: i64, f64: f64);

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let left = &self.data[self.pos..];
        let Some(out) = left.get(..n) else {
            return Err(self.error(format!("{n} bytes are needed, {} are left", left.len())));
        };
        self.pos += n;
        Ok(out)
    }

    pub(crate) fn error(&self, reason: impl Into<String>) -> Error {
        self.place.error(self.pos, reason)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pos == self.data.len()
    }

    /// Names and types; what is not UTF-8 is replaced.
    pub(crate) fn text(&mut self) -> Result<String> {
        let n = self.u32()? as usize;
        Ok(String::from_utf8_lossy(self.take(n)?).into_owned())
    }

    /// Bits that say which later features the data need. None is defined yet, so any of them is too much for us.
    pub(crate) fn feature_flags(&mut self) -> Result<()> {
        loop {
            let flags = self.i64()?;
            if flags & i64::MAX != 0 {
                return Err(self.error(format!("it needs features that are not known (flags {flags:#x})")));
            }
            if flags >= 0 {
                return Ok(());
            }
        }
    }

    /// The content of a frame that starts here, after its size; this reader goes on behind it.
    fn inner(&mut self, list: bool) -> Result<Frame<'a>> {
        let start = self.pos;
        let size = self.i64()?;
        if (size < 0) != list {
            let kinds = if list { "record where a list" } else { "list where a record" };
            return Err(self.error(format!("a {kinds} should be")));
        }
        let end = usize::try_from(size.unsigned_abs()).ok().and_then(|size| start.checked_add(size));
        match end {
            Some(end) if end >= self.pos && end <= self.data.len() => {
                let inner = Frame { data: &self.data[..end], pos: self.pos, place: self.place };
                self.pos = end;
                Ok(inner)
            }
            _ => Err(self.error(format!("a frame of {} bytes does not fit", size.unsigned_abs()))),
        }
    }

    /// A record frame. What later versions of the format append to it is passed over.
    pub(crate) fn record<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        read(&mut self.inner(false)?)
    }

    /// A list frame: its number of items, and a reader of them. What may follow the items belongs to the list.
    pub(crate) fn list(&mut self) -> Result<(u32, Self)> {
        let mut inner = self.inner(true)?;
        Ok((inner.u32()?, inner))
    }

    /// All items of a list frame. Each takes bytes of its own, so that a lying count comes to an end.
    pub(crate) fn items<T>(&mut self, mut read: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let (n, mut list) = self.list()?;
        let mut out = Vec::new();
        for _ in 0..n {
            let start = list.pos;
            out.push(read(&mut list)?);
            if list.pos == start {
                return Err(list.error("an item of a list takes no bytes"));
            }
        }
        Ok(out)
    }

    /// Where a page or an envelope lies: position and size.
    pub(crate) fn locator(&mut self) -> Result<(u64, u64)> {
        let size = self.i32()?;
        if let Ok(size) = u64::try_from(size) {
            return Ok((self.u64()?, size));
        }
        let word = size.unsigned_abs();
        let (len, kind) = (usize::from(word as u16), word >> 24);
        let Some(payload) = len.checked_sub(4) else {
            return Err(self.error(format!("a locator of {len} bytes is too short")));
        };
        let end = self.pos.saturating_add(payload);
        let found = match kind {
            1 => {
                let size = self.u64()?;
                (self.u64()?, size)
            }
            kind => return Err(self.error(format!("locators of type {kind} are not known"))),
        };
        if end < self.pos || end > self.data.len() {
            return Err(self.error(format!("a locator of {len} bytes does not fit")));
        }
        self.pos = end;
        Ok(found)
    }

    /// The link to another envelope.
    pub(crate) fn link(&mut self) -> Result<Link> {
        let len = self.u64()?;
        let (seek, bytes) = self.locator()?;
        Ok(Link { seek, bytes, len })
    }
}
