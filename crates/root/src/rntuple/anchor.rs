//! The anchor, which a key of the file holds, and the blobs that it leads to.

use std::borrow::Cow;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use crate::cursor::Cursor;
use crate::error::{Error, Place, Result};
use crate::file::{KeyInfo, RootFile};
use crate::storage::Wanted;

/// The byte count and the class version that stand before the members.
const OBJECT_HEADER: usize = 6;

/// Where an envelope lies, and its size when decompressed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link {
    pub(crate) seek: u64,
    pub(crate) bytes: u64,
    pub(crate) len: u64,
}

/// What the anchor says: all that is needed to read header and footer.
#[derive(Debug)]
pub(crate) struct Anchor {
    pub(crate) header: Link,
    pub(crate) footer: Link,
    pub(crate) max_key: u64,
}

impl Anchor {
    pub(crate) fn read(file: &RootFile, key: &KeyInfo) -> Result<Self> {
        let object = format!("the anchor of ntuple {}", key.path);
        let bytes = usize::try_from(key.bytes).unwrap_or(usize::MAX);
        let record = file.record(key.seek, bytes, &object)?;
        Self::parse(&record.data, &record.place)
    }

    fn parse(data: &[u8], place: &Place) -> Result<Self> {
        let Some((body, stored)) = data.split_last_chunk::<8>() else {
            return Err(place.error(0, "it is too short for its checksum"));
        };
        let mut cursor = Cursor::new(body, place);
        cursor.take(OBJECT_HEADER)?;
        let (stored, found) = (u64::from_be_bytes(*stored), xxh3_64(&body[OBJECT_HEADER..]));
        if stored != found {
            return Err(place.error(0, format!("its checksum is {found:016x} instead of {stored:016x}")));
        }
        let version = [cursor.u16()?, cursor.u16()?, cursor.u16()?, cursor.u16()?];
        if version[0] != 1 {
            let [epoch, major, minor, patch] = version;
            let reason = format!("format {epoch}.{major}.{minor}.{patch} is not read, only 1");
            return Err(place.error(OBJECT_HEADER, reason));
        }
        let mut link = || Ok(Link { seek: cursor.u64()?, bytes: cursor.u64()?, len: cursor.u64()? });
        let (header, footer) = (link()?, link()?);
        // What later versions of the format append is not for us.
        let max_key = if cursor.remaining() >= 8 { cursor.u64()? } else { 0 };
        Ok(Self { header, footer, max_key })
    }
}

fn too_short(len: u64, seek: u64, found: usize, place: &Place) -> Error {
    place.error(0, format!("{len} bytes are needed at byte {seek}, the file has {found}"))
}

/// Reads envelopes and pages by position and size.
#[derive(Clone)]
pub(crate) struct Blobs {
    pub(crate) file: RootFile,
    /// No key holds more than this; a larger blob continues in other keys. 0: no limit.
    max_key: u64,
}

impl Blobs {
    pub(crate) fn new(file: &RootFile, anchor: &Anchor) -> Self {
        Self { file: file.clone(), max_key: anchor.max_key }
    }

    /// Exactly `len` bytes from `seek` on.
    pub(crate) fn read(&self, seek: u64, len: u64, place: &Place) -> Result<Cow<'_, [u8]>> {
        if len > self.file.len() {
            return Err(
                place.error(0, format!("{len} bytes are more than the file has, {}", self.file.len()))
            );
        }
        if self.max_key == 0 || len <= self.max_key {
            self.part(seek, len, place)
        } else {
            self.in_keys(seek, len, place).map(Cow::Owned)
        }
    }

    /// Several blobs, each at its position with its size: from a server in few requests.
    pub(crate) fn read_many(&self, blobs: &[(u64, u64)], object: &Arc<str>) -> Result<Vec<Cow<'_, [u8]>>> {
        let place = |seek| Place::new(self.file.name(), Arc::clone(object), seek);
        if blobs.iter().any(|&(_, len)| len > self.file.len() || (self.max_key > 0 && len > self.max_key)) {
            return blobs.iter().map(|&(seek, len)| self.read(seek, len, &place(seek))).collect();
        }
        let wanted: Vec<_> = blobs
            .iter()
            .map(|&(seek, len)| Wanted { seek, len: len as usize, object: Arc::clone(object) })
            .collect();
        self.file.read_each(&wanted, |i, data| {
            let (seek, len) = blobs[i];
            if data.len() as u64 == len {
                Ok(data)
            } else {
                Err(too_short(len, seek, data.len(), &place(seek)))
            }
        })
    }

    fn part(&self, seek: u64, len: u64, place: &Place) -> Result<Cow<'_, [u8]>> {
        let data = self.file.read(seek, usize::try_from(len).unwrap_or(usize::MAX), place)?;
        if data.len() as u64 != len {
            return Err(too_short(len, seek, data.len(), place));
        }
        Ok(data)
    }

    /// A blob that is larger than a key may be: the first key ends with the positions of the others.
    fn in_keys(&self, seek: u64, len: u64, place: &Place) -> Result<Vec<u8>> {
        let max = self.max_key;
        let mut others = len.div_ceil(max) - 1;
        let spare = (max - len % max) % max;
        if others * 8 > spare {
            others += 1;
        }
        let Some(first) = max.checked_sub(others * 8) else {
            return Err(place.error(0, format!("{len} bytes do not fit keys of {max} bytes")));
        };
        let start = self.part(seek, max, place)?;
        let (data, positions) = start.split_at(first as usize);
        let mut out = data.to_vec();
        for position in positions.as_chunks::<8>().0 {
            let left = len.saturating_sub(out.len() as u64);
            let part = self.part(u64::from_le_bytes(*position), left.min(max), place)?;
            out.extend_from_slice(&part);
        }
        match out.len() as u64 == len {
            true => Ok(out),
            false => Err(place.error(0, format!("its keys hold {} bytes instead of {len}", out.len()))),
        }
    }
}
