//! The records of a ROOT file, found without the reader that is tested: what a changed byte belongs to.

use std::io::Read;
use std::ops::Range;

/// Bytes of a key up to its position in the file, 32 bits of it: every copy of the key starts with the same ones.
const KEY_START: usize = 22;

/// A record: its key, and an object that is compressed most often.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) bytes: Range<usize>,
    pub(crate) class: String,
    pub(crate) name: String,
    /// Of a basket the name of its tree.
    pub(crate) title: String,
    key_len: usize,
    object_len: usize,
    /// Whether positions have 64 bits.
    is_large: bool,
}

impl Record {
    /// Whether it describes data and holds none: a tree, the streamer list, lists of keys, directories.
    pub(crate) fn is_metadata(&self) -> bool {
        !matches!(self.class.as_str(), "TBasket" | "RBlob")
    }

    /// A tree, or the streamer list.
    fn is_description(&self) -> bool {
        let is_tree = matches!(self.class.as_str(), "TTree" | "TNtuple" | "TNtupleD");
        (is_tree || self.name == "StreamerInfo") && !self.is_large
    }
}

fn number(file: &[u8], at: usize, width: usize) -> Option<usize> {
    let bytes = file.get(at..at.checked_add(width)?)?;
    Some(bytes.iter().fold(0, |n, &byte| n << 8 | usize::from(byte)))
}

/// A text behind its length of one byte: longer ones are none of those looked for.
fn text(file: &[u8], at: &mut usize) -> Option<String> {
    let len = number(file, *at, 1)?;
    let text = file.get(*at + 1..*at + 1 + len)?;
    *at += 1 + len;
    Some(String::from_utf8_lossy(text).into_owned())
}

/// The records, one behind the other as they lie in the file.
pub(crate) fn records(file: &[u8]) -> Vec<Record> {
    let mut out = Vec::new();
    let mut at = number(file, 8, 4).unwrap_or(file.len());
    while let Some(n) = number(file, at, 4) {
        // A negative length is that of a gap.
        if n >= 1 << 31 {
            at += (1 << 32) - n;
            continue;
        }
        let Some(record) = record(file, at, n) else { break };
        out.push(record);
        at += n;
    }
    out
}

fn record(file: &[u8], at: usize, n: usize) -> Option<Record> {
    let is_large = number(file, at + 4, 2)? > 1000;
    let (object_len, key_len) = (number(file, at + 6, 4)?, number(file, at + 14, 2)?);
    let mut names = at + if is_large { 34 } else { 26 };
    let mut text = || text(file, &mut names);
    let (class, name, title) = (text()?, text()?, text()?);
    (n >= key_len && key_len > KEY_START && at + n <= file.len()).then(|| Record {
        bytes: at..at + n,
        class,
        name,
        title,
        key_len,
        object_len,
        is_large,
    })
}

/// The file with its trees and its streamer list unpacked at its end: changed bytes in compressed ones would seldom come
/// past their codec.
pub(crate) fn unpacked(file: &[u8]) -> Vec<u8> {
    let mut out = file.to_vec();
    for record in records(file).into_iter().filter(Record::is_description) {
        let (start, end) = (record.bytes.start, record.bytes.end);
        let stored = &file[start + record.key_len..end];
        if stored.len() == record.object_len {
            continue;
        }
        let Some(object) = decompressed(stored, record.object_len) else { continue };
        let (seek, bytes) = (out.len() as u32, (record.key_len + object.len()) as u32);
        let old = &file[start..start + KEY_START];
        let mut new = old.to_vec();
        new[..4].copy_from_slice(&bytes.to_be_bytes());
        new[18..].copy_from_slice(&seek.to_be_bytes());
        // The directory's copy of the key, and the header's of where the streamer list is.
        let copies: Vec<_> = file.windows(KEY_START).enumerate().filter(|(_, w)| *w == old).collect();
        for (at, _) in copies {
            out[at..at + KEY_START].copy_from_slice(&new);
        }
        if record.name == "StreamerInfo" && number(file, 4, 4).is_some_and(|version| version < 1_000_000) {
            out[37..41].copy_from_slice(&seek.to_be_bytes());
            out[41..45].copy_from_slice(&bytes.to_be_bytes());
        }
        out.extend_from_slice(&new);
        out.extend_from_slice(&file[start + KEY_START..start + record.key_len]);
        out.extend_from_slice(&object);
    }
    out
}

/// The blocks of a compressed object, put together.
fn decompressed(mut stored: &[u8], len: usize) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(len);
    while out.len() < len {
        let (header, rest) = stored.split_first_chunk::<9>()?;
        let size = |at: usize| (0..3).fold(0, |n, i| n | usize::from(header[at + i]) << (8 * i));
        let (payload, after) = rest.split_at_checked(size(3))?;
        let mut block = vec![0; size(6)];
        let written = match &header[..2] {
            b"ZL" => libdeflater::Decompressor::new().zlib_decompress(payload, &mut block).ok(),
            b"CS" => libdeflater::Decompressor::new().deflate_decompress(payload, &mut block).ok(),
            b"XZ" => liblzma::read::XzDecoder::new(payload).read_exact(&mut block).ok().map(|()| block.len()),
            b"L4" => lz4_flex::block::decompress_into(payload.get(8..)?, &mut block).ok(),
            _ => zstd::bulk::decompress_to_buffer(payload, &mut block).ok(),
        };
        written.filter(|&n| n == block.len())?;
        out.extend_from_slice(&block);
        stored = after;
    }
    (out.len() == len).then_some(out)
}
