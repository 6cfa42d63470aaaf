//! Collections behind a header: object by object, or "memberwise", and a `TClonesArray` in one piece.

use super::Decoder;
use super::objects::{Mode, same_class, variant};
use crate::error::Result;
use crate::header::{self, BYPASS_STREAMER, Header, MEMBERWISE};
use crate::nested::Nested;
use crate::prim::Prim;
use crate::shape::{Record, Shape, Variant};

/// Collections tell the version of their items' class since this version of `TStreamerInfo`.
const ITEM_VERSIONS: u16 = 8;
/// Members of empty collections are left out since this version.
const NOTHING_FOR_EMPTY: u16 = 7;

/// How the items of collections are written member by member.
struct Columns {
    item_version: Option<u16>,
    checksum: u32,
    skip_empty: bool,
    end: usize,
}

impl Decoder<'_> {
    /// One header, and `n` collections or strings; `None`: as many as the header's byte count holds.
    pub(super) fn headed(&mut self, out: &mut Nested, inner: &Shape, n: Option<usize>) -> Result<()> {
        let start = Header::read(&mut self.cursor)?;
        if start.version & MEMBERWISE != 0 {
            self.memberwise(out, inner, n, &start)?;
        } else {
            match n {
                Some(n) => self.read(out, inner, n)?,
                None => self.until(start.end.unwrap_or(self.cursor.len()), out, inner)?,
            }
        }
        self.check(&start, "a collection")
    }

    /// Collections whose items' members follow each other.
    fn memberwise(
        &mut self,
        out: &mut Nested,
        inner: &Shape,
        n: Option<usize>,
        start: &Header,
    ) -> Result<()> {
        let version = start.version & !MEMBERWISE;
        let (mut item_version, mut checksum) = (None, 0);
        if version >= ITEM_VERSIONS {
            let found = self.cursor.u16()?;
            item_version = Some(found);
            if found == 0 {
                checksum = self.cursor.u32()?;
            }
        }
        let columns = Columns {
            item_version,
            checksum,
            skip_empty: version >= NOTHING_FOR_EMPTY,
            end: start.end.unwrap_or(self.cursor.len()),
        };
        self.collections(out, inner, n, &columns)
    }

    fn collections(
        &mut self,
        out: &mut Nested,
        inner: &Shape,
        n: Option<usize>,
        columns: &Columns,
    ) -> Result<()> {
        match (out, inner) {
            // Arrays of collections: all of them under one header.
            (Nested::Fixed { len, size, items }, Shape::Fixed(inner, _)) => match n {
                Some(n) => {
                    *len += n;
                    self.collections(items, inner, Some(n.saturating_mul(*size)), columns)
                }
                None => {
                    while self.cursor.pos() < columns.end {
                        self.spend(1)?;
                        *len += 1;
                        self.collections(items, inner, Some(*size), columns)?;
                    }
                    Ok(())
                }
            },
            // What the file does not describe was written without a member.
            (Nested::List { ends, items }, Shape::List(item)) if matches!(**item, Shape::Nothing(_)) => {
                let (Nested::Nothing { len }, Some(n)) = (items.as_mut(), n) else {
                    return Err(self.cursor.error("the members of objects that the file does not describe"));
                };
                for _ in 0..n {
                    *len += self.count_of_empty()?;
                    ends.push(*len);
                }
                Ok(())
            }
            (Nested::List { ends, items }, Shape::List(item)) => {
                let (Nested::Struct { len, fields }, Shape::Record(record)) = (items.as_mut(), item.as_ref())
                else {
                    return Err(self.cursor.error("the members of what are no objects"));
                };
                let class = &record.class;
                let known = |v: &Variant| v.checksum == columns.checksum || v.checksum == 0;
                if columns.item_version == Some(0) && !class.variants.iter().any(known) {
                    let name = &class.name;
                    return Err(self.cursor.error(format!("items of another class or version than {name}")));
                }
                let variant = variant(class, columns.item_version, columns.checksum);
                let mut done = 0;
                while n.map_or(self.cursor.pos() < columns.end, |n| done < n) {
                    let count = if variant.is_empty() { self.count_of_empty()? } else { self.count()? };
                    if count > 0 || !columns.skip_empty {
                        self.members(variant, fields, count, Mode::Members)?;
                    }
                    *len += count;
                    ends.push(*len);
                    done += 1;
                }
                Ok(())
            }
            _ => Err(self.cursor.error("the members of what is no collection")),
        }
    }

    /// A `TClonesArray` in one piece: it names the class of its items.
    pub(super) fn clones(&mut self, items: &mut Nested, record: &Record) -> Result<()> {
        let start = Header::read(&mut self.cursor)?;
        let mut flags = 0;
        if start.version > 2 {
            flags = Prim::U32.int(&header::t_object(&mut self.cursor)?[4..]) as u32;
        }
        if start.version > 1 {
            self.cursor.text_bytes()?;
        }
        let class = self.cursor.text_bytes()?;
        let split = class.iter().rposition(|&b| b == b';').unwrap_or(class.len());
        let version = class.get(split + 1..).and_then(|v| std::str::from_utf8(v).ok()?.parse().ok());
        let n = self.cursor.i32()?.unsigned_abs() as usize;
        let _lower_bound = self.cursor.i32()?;
        if n > self.cursor.remaining() {
            return Err(self.cursor.error(format!("an array of {n} objects is longer than its bytes")));
        }
        self.spend(n)?;
        if !same_class(&class[..split], &record.class.name) {
            let name = String::from_utf8_lossy(&class[..split]);
            let first = &record.class.name;
            return Err(self.cursor.error(format!("a TClonesArray of {name} after one of {first}")));
        }
        let Nested::Optional { valid, item } = items else {
            return Err(self.cursor.error("an array where a value belongs"));
        };
        let Nested::Struct { len, fields } = item.as_mut() else {
            return Err(self.cursor.error("an array where a value belongs"));
        };
        if flags & BYPASS_STREAMER != 0 {
            // Also of no objects: collections among their members have headers.
            self.members(variant(&record.class, version, 0), fields, n, Mode::Members)?;
            *len += n;
            valid.resize(valid.len() + n, true);
        } else {
            for _ in 0..n {
                let there = self.cursor.u8()? != 0;
                valid.push(there);
                if there {
                    self.object(&record.class, fields)?;
                } else {
                    self.spend(fields.len())?;
                    fields.iter_mut().for_each(Nested::push_default);
                }
                *len += 1;
            }
        }
        self.check(&start, "a TClonesArray")
    }
}
