//! The zip archives that PyTorch writes: entries that are stored as they are, with sizes of 32 or 64 bits.
//!
//! A general reader of zip archives would also unpack what PyTorch never packs, and the one that this project has elsewhere
//! (`zip` 9.4) refuses some files of `torch.save` that Python's reads.

use std::collections::BTreeMap;

/// The entries of an archive by name.
pub(super) struct Archive<'a> {
    bytes: &'a [u8],
    entries: BTreeMap<String, Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    method: u64,
    checksum: u32,
    packed: u64,
    size: u64,
    /// Where its local header begins.
    header: u64,
}

const END: &[u8] = b"PK\x05\x06";
const END_LENGTH: usize = 22;
const WIDE_LOCATOR: &[u8] = b"PK\x06\x07";
const WIDE_END: &[u8] = b"PK\x06\x06";
const CENTRAL: &[u8] = b"PK\x01\x02";
const LOCAL: &[u8] = b"PK\x03\x04";
/// Stands in the fields of 32 bits for what is given with 64.
const WIDE: u64 = 0xffff_ffff;
const LONGEST_COMMENT: usize = 0xffff;

type Failure = String;

fn cut_short() -> Failure {
    "it is cut short or no zip archive".to_owned()
}

/// `bytes[at..at + length]`.
fn part(bytes: &[u8], at: u64, length: usize) -> Result<&[u8], Failure> {
    let at = usize::try_from(at).map_err(|_| cut_short())?;
    at.checked_add(length).and_then(|end| bytes.get(at..end)).ok_or_else(cut_short)
}

/// A little-endian number of `length` bytes.
fn number(bytes: &[u8], at: u64, length: usize) -> Result<u64, Failure> {
    Ok(part(bytes, at, length)?.iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte)))
}

impl<'a> Archive<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, Failure> {
        let last = bytes.len().checked_sub(END_LENGTH).ok_or_else(cut_short)?;
        let first = last.saturating_sub(LONGEST_COMMENT);
        let is_end = |at: &usize| {
            bytes[*at..].starts_with(END)
                && number(bytes, *at as u64 + 20, 2).is_ok_and(|comment| comment as usize == last - at)
        };
        let end = (first..=last).rev().find(is_end).ok_or_else(cut_short)? as u64;
        let (mut count, mut at) = (number(bytes, end + 10, 2)?, number(bytes, end + 16, 4)?);
        if let Some(locator) = end.checked_sub(20)
            && part(bytes, locator, 4)? == WIDE_LOCATOR
        {
            let wide = number(bytes, locator + 8, 8)?;
            if part(bytes, wide, 4)? != WIDE_END {
                return Err(cut_short());
            }
            let after = |by: u64| wide.checked_add(by).ok_or_else(cut_short);
            (count, at) = (number(bytes, after(32)?, 8)?, number(bytes, after(48)?, 8)?);
        }
        let mut entries = BTreeMap::new();
        // Each entry takes its share of the bytes, so that a count that lies runs into the end.
        for _ in 0..count {
            let (name, entry, next) = central(bytes, at)?;
            if entries.insert(name.clone(), entry).is_some() {
                return Err(format!("it holds the entry {name} twice"));
            }
            at = next;
        }
        Ok(Self { bytes, entries })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// The bytes of an entry, which lie in the file as they are: none is larger than the file.
    pub(super) fn entry(&self, name: &str) -> Result<&'a [u8], Failure> {
        let entry = self.entries.get(name).ok_or_else(|| format!("it holds no entry {name}"))?;
        if entry.method != 0 || entry.packed != entry.size {
            return Err(format!("the entry {name} is compressed, which PyTorch does not do"));
        }
        let header = part(self.bytes, entry.header, 30)?;
        if !header.starts_with(LOCAL) {
            return Err(format!("the entry {name} does not begin where the archive says"));
        }
        let skip = 30 + number(header, 26, 2)? + number(header, 28, 2)?;
        let at = entry.header.checked_add(skip).ok_or_else(cut_short)?;
        let content = part(self.bytes, at, usize::try_from(entry.size).map_err(|_| cut_short())?)?;
        // PyTorch leaves the sum out (0) where it was told to, for speed.
        let sum = checksum(content);
        if entry.checksum != 0 && sum != entry.checksum {
            return Err(format!(
                "the entry {name} is damaged: its CRC-32 is {sum:08x}, not {:08x}",
                entry.checksum
            ));
        }
        Ok(content)
    }
}

/// An entry of the directory at `at`, and where the next begins.
fn central(bytes: &[u8], at: u64) -> Result<(String, Entry, u64), Failure> {
    let fixed = part(bytes, at, 46)?;
    if !fixed.starts_with(CENTRAL) {
        return Err(cut_short());
    }
    let field = |place: u64, length: usize| number(fixed, place, length);
    let [name, extra, comment] = [field(28, 2)?, field(30, 2)?, field(32, 2)?];
    let text = part(bytes, at + 46, name as usize)?;
    let name_text = std::str::from_utf8(text).map_err(|_| "a name in it is not UTF-8")?.to_owned();
    let mut extras = part(bytes, at + 46 + name, extra as usize)?;
    let mut sizes = [field(24, 4)?, field(20, 4)?, field(42, 4)?];
    while extras.len() >= 4 {
        let (tag, length) = (number(extras, 0, 2)?, number(extras, 2, 2)? as usize);
        let content = part(extras, 4, length)?;
        if tag == 1 {
            let mut place = 0;
            for size in sizes.iter_mut().filter(|size| **size == WIDE) {
                *size = number(content, place, 8)?;
                place += 8;
            }
        }
        extras = &extras[4 + length..];
    }
    let [size, packed, header] = sizes;
    let entry = Entry { method: field(10, 2)?, checksum: field(16, 4)? as u32, packed, size, header };
    Ok((name_text, entry, at + 46 + name + extra + comment))
}

/// CRC-32 as zip has it (ISO 3309), eight bits at a time.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    static TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut index = 0;
        while index < 256 {
            let mut value = index as u32;
            let mut bit = 0;
            while bit < 8 {
                value = if value & 1 == 1 { value >> 1 ^ 0xedb8_8320 } else { value >> 1 };
                bit += 1;
            }
            table[index] = value;
            index += 1;
        }
        table
    };
    !bytes.iter().fold(!0, |sum, &byte| TABLE[(sum as u8 ^ byte) as usize] ^ sum >> 8)
}

#[cfg(test)]
mod tests {
    use super::checksum;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
    }
}
