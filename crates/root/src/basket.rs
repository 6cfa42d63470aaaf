//! Baskets: the records that hold a branch's entries.

use std::borrow::Cow;
use std::ops::{Deref, Range};
use std::sync::Arc;

use crate::compress;
use crate::cursor::Cursor;
use crate::error::{Place, Result};
use crate::file::{Key, RootFile, body, payload};
use crate::scratch::Scratch;

/// Decompressed bytes: those of the file, or memory that is used again.
pub(crate) enum Data<'a> {
    Plain(Cow<'a, [u8]>),
    Decompressed(Scratch, usize),
}

impl Deref for Data<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Plain(bytes) => bytes,
            Self::Decompressed(scratch, len) => &scratch[..*len],
        }
    }
}

/// The values of some consecutive entries, decompressed.
pub(crate) struct Basket<'a> {
    pub(crate) data: Data<'a>,
    /// Where the values end; entry offsets may follow.
    border: usize,
    /// Where each entry starts within `data`, and the border: one more than there are entries. `None` where all
    /// entries are of one size, or a counter tells theirs.
    pub(crate) offsets: Option<Vec<u32>>,
    pub(crate) entries: usize,
    /// Bytes of the key: objects count positions from its start.
    pub(crate) key_len: usize,
    pub(crate) place: Place,
}

impl<'a> Basket<'a> {
    /// Objects that lie in no basket: their positions count from their own start.
    pub(crate) fn of_bytes(data: Cow<'a, [u8]>, place: Place) -> Self {
        Self { border: data.len(), data: Data::Plain(data), offsets: None, entries: 0, key_len: 0, place }
    }

    #[cfg(test)]
    pub(crate) fn of_test(
        data: Cow<'a, [u8]>,
        offsets: Option<Vec<u32>>,
        entries: usize,
        key_len: usize,
        place: Place,
    ) -> Self {
        Self { border: data.len(), data: Data::Plain(data), offsets, entries, key_len, place }
    }

    pub(crate) fn values(&self) -> &[u8] {
        &self.data[..self.border]
    }
}

/// A basket's own header, which ends its key.
struct Header {
    entry_size: i32,
    entries: usize,
    last: usize,
    flag: u8,
}

impl Header {
    fn read(cursor: &mut Cursor<'_>) -> Result<(u16, Self)> {
        let version = cursor.u16()?;
        let _buffer = cursor.i32()?;
        let entry_size = cursor.i32()?;
        if entry_size < 0 {
            // Then a byte of options follows, such as "entry offsets are left out".
            cursor.u8()?;
        }
        let (entries, last) = (cursor.i32()?, cursor.i32()?);
        let flag = cursor.u8()?;
        match (usize::try_from(entries), usize::try_from(last)) {
            (Ok(entries), Ok(last)) => {
                Ok((version, Self { entry_size: entry_size.saturating_abs(), entries, last, flag }))
            }
            _ => Err(cursor.error(format!("a basket claims {entries} entries up to byte {last}"))),
        }
    }
}

/// Entry offsets as they are written: a count, then positions that count the key.
fn offsets(cursor: &mut Cursor<'_>, entries: usize, key_len: usize, border: usize) -> Result<Vec<u32>> {
    let n = cursor.count(4)?;
    if n < entries {
        return Err(cursor.error(format!("a basket of {entries} entries has {n} offsets")));
    }
    let Ok(end) = i32::try_from(border + key_len) else {
        return Err(cursor.error("a basket is larger than 2 GiB"));
    };
    let written = &cursor.take(4 * n)?.as_chunks::<4>().0[..entries];
    let key_len = key_len as i32;
    let mut out = Vec::with_capacity(entries + 1);
    out.extend(written.iter().map(|bytes| i32::from_be_bytes(*bytes).wrapping_sub(key_len) as u32));
    out.push((end - key_len) as u32);
    // Every pair is looked at: a loop without a way out becomes vector instructions. None starts before the key ends, since
    // that would be a number beyond the border.
    if out.windows(2).fold(false, |falls, pair| falls | (pair[0] > pair[1])) {
        let at = out.windows(2).position(|pair| pair[0] > pair[1]).unwrap_or_default();
        return Err(cursor.error(format!("entry {at} of a basket starts at {}", out[at] as i32)));
    }
    Ok(out)
}

/// A basket that was written within the tree's record, because it was not full yet.
#[derive(Debug, Clone)]
pub(crate) struct Embedded {
    pub(crate) entries: usize,
    offsets: Option<Vec<u32>>,
    key_len: usize,
    data: Range<usize>,
}

impl Embedded {
    /// Reads a basket that is a member of a branch.
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self> {
        let start = cursor.pos();
        let key = Key::read(cursor)?;
        let (version, header) = Header::read(cursor)?;
        let Some(border) = header.last.checked_sub(key.key_len) else {
            // A basket whose values were dropped when its tree was written.
            return Ok(Self { entries: 0, offsets: None, key_len: 0, data: 0..0 });
        };
        let flag = if header.flag >= 80 { header.flag - 80 } else { header.flag };
        let has_offsets = header.flag < 80 && flag != 0 && flag % 10 != 2;
        let mut entry_offsets = None;
        if has_offsets && header.entries > 0 {
            entry_offsets = Some(offsets(cursor, header.entries, key.key_len, border)?);
        }
        if has_offsets && flag > 40 {
            let n = cursor.count(4)?;
            cursor.take(4 * n)?; // displacements, of objects that refer to each other
        }
        if flag != 1 && flag <= 10 {
            return Ok(Self { entries: 0, offsets: None, key_len: 0, data: 0..0 });
        }
        if version <= 1 {
            cursor.count(1)?;
        }
        // The buffer starts with room for a key.
        cursor.take(key.key_len)?;
        let at = cursor.pos();
        cursor.take(border)?;
        let fixed = (header.entry_size as usize).checked_mul(header.entries);
        if entry_offsets.is_none() && header.entries > border && fixed != Some(border) {
            return Err(cursor
                .place()
                .error(start, format!("{} entries lie in {border} bytes", header.entries)));
        }
        Ok(Self {
            entries: header.entries,
            offsets: entry_offsets,
            key_len: key.key_len,
            data: at..at + border,
        })
    }

    pub(crate) fn open<'a>(&self, record: &'a [u8], place: &Place) -> Result<Basket<'a>> {
        let Some(data) = record.get(self.data.clone()) else {
            return Err(place.error(self.data.start, "a basket lies beyond its tree's record"));
        };
        Ok(Basket {
            data: Data::Plain(Cow::Borrowed(data)),
            border: data.len(),
            offsets: self.offsets.clone(),
            entries: self.entries,
            key_len: self.key_len,
            place: place.clone(),
        })
    }
}

/// Where a basket with a record of its own lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stored {
    pub(crate) seek: u64,
    pub(crate) bytes: usize,
}

impl Stored {
    /// The number of entries that the basket itself claims.
    pub(crate) fn entries(&self, file: &RootFile, object: &str) -> Result<usize> {
        let place = Place::new(file.name(), object, self.seek);
        let data = file.read(self.seek, self.bytes, &place)?;
        let mut cursor = Cursor::new(&data, &place);
        Key::read(&mut cursor)?;
        Ok(Header::read(&mut cursor)?.1.entries)
    }

    /// Decompresses the basket, whose bytes `data` are and which must hold `entries` entries.
    pub(crate) fn open<'a>(
        &self,
        data: Cow<'a, [u8]>,
        file: &RootFile,
        object: &Arc<str>,
        entries: usize,
    ) -> Result<Basket<'a>> {
        let place = Place::new(file.name(), Arc::clone(object), self.seek);
        let mut cursor = Cursor::new(&data, &place);
        let key = Key::read(&mut cursor)?;
        if key.class_name != "TBasket" {
            return Err(place.error(0, format!("a {:?} is where a basket should be", key.class_name)));
        }
        let (_, header) = Header::read(&mut cursor)?;
        // The branch says how many bytes are the basket's: columns are checked not to share bytes by that.
        if key.bytes > self.bytes {
            return Err(
                place.error(0, format!("the basket has {} bytes, its branch says {}", key.bytes, self.bytes))
            );
        }
        if header.entries != entries {
            let reason = format!("the basket has {} entries, its branch says {entries}", header.entries);
            return Err(place.error(0, reason));
        }
        let stored = body(&data, &key, &place)?;
        let data = if stored.len() == key.object_len {
            Data::Plain(payload(data, &key, &place)?)
        } else {
            let mut scratch = Scratch::take();
            compress::decompress_into(stored, key.object_len, &mut scratch, &place)?;
            Data::Decompressed(scratch, key.object_len)
        };
        let border = header.last.checked_sub(key.key_len).filter(|&border| border <= data.len());
        let Some(border) = border else {
            return Err(place.error(0, format!("its values end at {} of {}", header.last, data.len())));
        };
        let offsets = if border < data.len() {
            let mut cursor = Cursor::new(&data, &place);
            cursor.seek(border)?;
            Some(offsets(&mut cursor, entries, key.key_len, border)?)
        } else {
            None
        };
        Ok(Basket { data, border, offsets, entries, key_len: key.key_len, place })
    }
}
