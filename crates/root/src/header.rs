//! What stands before objects: byte counts, versions, and the tags by which pointers name classes and objects.
//!
//! The rules are those of ROOT's `TBufferFile`. All readers of objects share them.

use crate::cursor::Cursor;
use crate::error::Result;
use crate::prim::Prim;

const BYTE_COUNT: u32 = 0x4000_0000;
const NEW_CLASS: u32 = 0xFFFF_FFFF;
const CLASS_MASK: u32 = 0x8000_0000;
/// Classes and objects are referred to by two more than their position, the key counted.
const MAP_OFFSET: usize = 2;
/// The flag of a `TObject` that others refer to.
const IS_REFERENCED: u8 = 1 << 4;

/// In the version of a collection: its items are written member by member.
pub(crate) const MEMBERWISE: u16 = 0x4000;
/// The flag of a `TClonesArray` whose items are written member by member.
pub(crate) const BYPASS_STREAMER: u32 = 1 << 12;

/// The header of an object or a collection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    pub(crate) at: usize,
    /// Where the object ends; some do not tell.
    pub(crate) end: Option<usize>,
    pub(crate) version: u16,
}

impl Header {
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self> {
        let at = cursor.pos();
        let first = cursor.u32()?;
        let Some(end) = counted_end(at, first) else {
            cursor.seek(at)?;
            return Ok(Self { at, end: None, version: cursor.u16()? });
        };
        if end > cursor.len() || end < at + 6 {
            return Err(cursor.error(format!("a byte count lets an object end at {end}")));
        }
        Ok(Self { at, end: Some(end), version: cursor.u16()? })
    }
}

/// Where an object that starts with this word ends, if it is a byte count.
fn counted_end(at: usize, word: u32) -> Option<usize> {
    (word & BYTE_COUNT != 0 && word != NEW_CLASS).then(|| at + 4 + (word & !BYTE_COUNT) as usize)
}

/// A pointer: a member, or an item of a collection.
#[derive(Debug)]
pub(crate) struct Pointer<'a> {
    /// The number by which later pointers refer to its object.
    pub(crate) number: usize,
    /// Where the object ends, if that is told.
    pub(crate) end: Option<usize>,
    pub(crate) tag: Tag<'a>,
}

/// What a pointer leads to.
#[derive(Debug)]
pub(crate) enum Tag<'a> {
    Null,
    /// An object that an earlier pointer led to, by its number.
    Object(usize),
    /// An object of a class that is named here, and that later tags refer to by this number.
    NewClass(usize, &'a [u8]),
    /// An object of a class that was named before, by its number.
    Class(usize),
}

impl<'a> Pointer<'a> {
    /// Reads a pointer up to its object, in a record whose key has `key_len` bytes.
    pub(crate) fn read(cursor: &mut Cursor<'a>, key_len: usize) -> Result<Self> {
        let at = cursor.pos();
        let first = cursor.u32()?;
        let end = counted_end(at, first);
        if let Some(end) = end.filter(|&end| end > cursor.len()) {
            return Err(cursor.error(format!("a byte count lets an object end at {end}")));
        }
        let (tag_at, word) = if end.is_some() { (at + 4, cursor.u32()?) } else { (at, first) };
        let tag = match word {
            0 => Tag::Null,
            NEW_CLASS => Tag::NewClass(tag_at + key_len + MAP_OFFSET, cursor.c_text_bytes()?),
            word if word & CLASS_MASK != 0 => Tag::Class((word & !CLASS_MASK) as usize),
            word => Tag::Object(word as usize),
        };
        Ok(Self { number: at + key_len + MAP_OFFSET, end, tag })
    }
}

/// A `TObject`: its identity and its flags, of four bytes each.
pub(crate) fn t_object<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8]> {
    let version = cursor.u16()?;
    if u32::from(version) << 16 & BYTE_COUNT != 0 {
        cursor.take(4)?; // the rest of a byte count, then the version proper
    }
    let bytes = cursor.take(8)?;
    process(cursor, bytes[7])?;
    Ok(bytes)
}

/// Passes over the two bytes that name the process which numbered an object: they are there where the last byte of its
/// flags says that it is referred to.
pub(crate) fn process(cursor: &mut Cursor<'_>, flags: u8) -> Result<()> {
    if flags & IS_REFERENCED != 0 {
        cursor.take(2)?;
    }
    Ok(())
}

/// Bytes of a member whose class is not known, by the byte count that it starts with; 0: none.
pub(crate) fn opaque<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8]> {
    let at = cursor.pos();
    match cursor.u32()? {
        0 => Ok(&[]),
        first => match counted_end(at, first) {
            Some(end) => cursor.take(end - at - 4),
            None => Err(cursor.error("a member whose class is not known does not tell its length")),
        },
    }
}

/// What the items of ROOT's own arrays are.
pub(crate) fn array_item(class: &str) -> Option<Prim> {
    Some(match class {
        "TArrayC" => Prim::I8,
        "TArrayS" => Prim::I16,
        "TArrayI" => Prim::I32,
        "TArrayL" | "TArrayL64" => Prim::I64,
        "TArrayF" => Prim::F32,
        "TArrayD" => Prim::F64,
        _ => return None,
    })
}
