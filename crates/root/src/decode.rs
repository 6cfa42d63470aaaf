//! Reads the values of baskets by their shapes.
//!
//! ROOT writes an object as a header (byte count and version), the members of its base classes, and its own. A
//! collection is a count and its items, or, "memberwise", the first members of all items, the second members, and so
//! on. The rules are those of `TStreamerInfo::ReadBuffer` and `TGenCollectionStreamer`.

use std::ops::Range;
use std::sync::Arc;

use crate::basket::Basket;
use crate::cursor::Cursor;
use crate::error::Result;
use crate::nested::Nested;
use crate::object::IS_REFERENCED;
use crate::prim::Prim;
use crate::shape::{Class, Header, Lead, Record, Shape, Step, Variant};

const BYTE_COUNT: u32 = 0x4000_0000;
const NEW_CLASS: u32 = 0xFFFF_FFFF;
const CLASS_MASK: u32 = 0x8000_0000;
/// Classes are referred to by two more than their position.
const MAP_OFFSET: usize = 2;
/// In the version of a collection: its items are written member by member.
const MEMBERWISE: u16 = 0x4000;
/// Collections tell the version of their items' class since this version of `TStreamerInfo`.
const ITEM_VERSIONS: u16 = 8;
/// Members of empty collections are left out since this version.
const NOTHING_FOR_EMPTY: u16 = 7;
/// The flag of a `TClonesArray` whose items are written member by member.
const BYPASS_STREAMER: u32 = 1 << 12;
/// Items that a byte may stand for: collections within collections, each counted once. Only items without bytes, which
/// a broken file can claim any number of, are more.
const ITEMS_A_BYTE: usize = 16;

/// Reads the wanted entries of a basket.
pub(crate) fn basket(shape: &Shape, basket: &Basket<'_>, wanted: &Range<usize>) -> Result<Nested> {
    let values = basket.values();
    let mut out = Nested::new(shape);
    let mut decoder = Decoder::new(basket);
    match &basket.offsets {
        Some(offsets) => {
            for w in offsets[wanted.start..=wanted.end].windows(2) {
                decoder.start(&values[..w[1] as usize], w[0] as usize)?;
                decoder.read(&mut out, shape, 1)?;
                decoder.end()?;
            }
        }
        None if matches!(shape, Shape::Rest(_)) => {
            return Err(basket.place.error(0, "it has no entry offsets, so that its entries do not end"));
        }
        None => {
            let mut before = Nested::new(shape);
            decoder.start(values, 0)?;
            for entry in 0..basket.entries.min(wanted.end) {
                decoder.classes.clear();
                let out = if entry < wanted.start { &mut before } else { &mut out };
                decoder.read(out, shape, 1)?;
            }
            if wanted.end == basket.entries {
                decoder.end()?;
            }
        }
    }
    Ok(out)
}

struct Decoder<'a> {
    cursor: Cursor<'a>,
    key_len: usize,
    /// How many items may still be made.
    budget: usize,
    /// Names of classes that the entry has given, and the numbers by which it refers to them.
    classes: Vec<(usize, &'a [u8])>,
}

/// The start of an object or a collection.
struct Start {
    at: usize,
    end: Option<usize>,
    version: u16,
}

/// How the items of collections are written member by member.
struct Columns {
    item_version: Option<u16>,
    checksum: u32,
    skip_empty: bool,
    end: usize,
}

impl<'a> Decoder<'a> {
    fn new(basket: &'a Basket<'_>) -> Self {
        let budget = basket.values().len().saturating_mul(ITEMS_A_BYTE).saturating_add(1 << 12);
        let cursor = Cursor::new(basket.values(), &basket.place);
        Self { cursor, key_len: basket.key_len, budget, classes: Vec::new() }
    }

    /// Goes to the entry from `at` to the end of `values`.
    fn start(&mut self, values: &'a [u8], at: usize) -> Result<()> {
        self.cursor = Cursor::new(values, self.cursor.place());
        self.classes.clear();
        self.cursor.seek(at)
    }

    fn end(&self) -> Result<()> {
        match self.cursor.remaining() {
            0 => Ok(()),
            n => Err(self.cursor.error(format!("an entry has {n} bytes too many"))),
        }
    }

    fn spend(&mut self, items: usize) -> Result<()> {
        match self.budget.checked_sub(items) {
            Some(left) => {
                self.budget = left;
                Ok(())
            }
            None => Err(self.cursor.error("it claims more items than its bytes can stand for")),
        }
    }

    fn count(&mut self) -> Result<usize> {
        let n = self.cursor.count(1)?;
        self.spend(n)?;
        Ok(n)
    }

    /// Reads `n` values, one after the other.
    fn read(&mut self, out: &mut Nested, shape: &Shape, n: usize) -> Result<()> {
        match (out, shape) {
            (out, Shape::Headed(inner)) => self.headed(out, inner, Some(n))?,
            (Nested::Numbers { bytes, .. }, Shape::Bits) => {
                for _ in 0..n {
                    let flags = self.cursor.take(4)?;
                    bytes.extend_from_slice(flags);
                    self.process(flags[3])?;
                }
            }
            (Nested::Numbers { prim, bytes }, Shape::Number(_)) => {
                let width = n.saturating_mul(prim.width());
                bytes.extend_from_slice(self.cursor.take(width)?);
            }
            (Nested::Text { ends, bytes }, shape) => {
                for _ in 0..n {
                    bytes.extend_from_slice(self.text(shape)?);
                    ends.push(bytes.len());
                }
            }
            (Nested::List { ends, items }, Shape::List(item)) => {
                for _ in 0..n {
                    let count = self.count()?;
                    self.read(items, item, count)?;
                    ends.push(items.len());
                }
            }
            (Nested::List { ends, items }, Shape::Rest(item)) => {
                self.rest(items, item)?;
                ends.push(items.len());
            }
            (Nested::List { ends, items }, Shape::Clones(record, named)) => {
                for _ in 0..n {
                    if *named {
                        self.cursor.text_bytes()?;
                        self.cursor.take(1)?;
                    }
                    self.clones(items, record)?;
                    ends.push(items.len());
                }
            }
            (Nested::Fixed { len, size, items }, Shape::Fixed(item, _)) => {
                let all = n.saturating_mul(*size);
                self.spend(all)?;
                self.read(items, item, all)?;
                *len += n;
            }
            (Nested::Struct { len, fields }, Shape::Record(record)) => {
                for _ in 0..n {
                    self.object(&record.class, fields)?;
                    *len += 1;
                }
            }
            (Nested::Struct { len, fields }, Shape::Named(record)) => {
                for _ in 0..n {
                    let name = self.cursor.text_bytes()?;
                    self.cursor.take(1)?;
                    self.same(name, &record.class)?;
                    self.object(&record.class, fields)?;
                    *len += 1;
                }
            }
            (Nested::Optional { valid, item }, Shape::Pointer(record)) => {
                for _ in 0..n {
                    let there = self.pointer(item, record)?;
                    valid.push(there);
                }
            }
            (Nested::Nothing { len }, Shape::Nothing(class)) => {
                for _ in 0..n {
                    if self.cursor.u32()? != 0 {
                        return Err(self.cursor.error(format!("the file does not describe class {class}")));
                    }
                    *len += 1;
                }
            }
            (Nested::Optional { valid, item }, Shape::Optional(inner)) => {
                valid.resize(valid.len() + n, true);
                self.read(item, inner, n)?;
            }
            _ => return Err(self.cursor.error("a value of one shape where another belongs")),
        }
        Ok(())
    }

    fn text(&mut self, shape: &Shape) -> Result<&'a [u8]> {
        match shape {
            Shape::LongText => {
                let n = self.cursor.count(1)?;
                self.cursor.take(n)
            }
            Shape::Opaque => match self.cursor.u32()? {
                0 => Ok(&[]),
                first if first & BYTE_COUNT != 0 && first != NEW_CLASS => {
                    self.cursor.take((first & !BYTE_COUNT) as usize)
                }
                _ => Err(self.cursor.error("a member whose class is not known does not tell its length")),
            },
            _ => self.cursor.text_bytes(),
        }
    }

    /// Values up to the end of the entry.
    fn rest(&mut self, items: &mut Nested, item: &Shape) -> Result<()> {
        if self.cursor.remaining() == 0 {
            return Ok(());
        }
        match item {
            Shape::Headed(inner) => self.headed(items, inner, None),
            item => self.until(self.cursor.len(), items, item),
        }
    }

    fn until(&mut self, end: usize, items: &mut Nested, item: &Shape) -> Result<()> {
        while self.cursor.pos() < end {
            let before = self.cursor.pos();
            self.read(items, item, 1)?;
            if self.cursor.pos() == before {
                return Err(self.cursor.error("items that take no bytes do not end"));
            }
        }
        Ok(())
    }

    /// The start of an object or a collection: some have no byte count.
    fn header(&mut self) -> Result<Start> {
        let at = self.cursor.pos();
        let first = self.cursor.u32()?;
        if first & BYTE_COUNT == 0 || first == NEW_CLASS {
            self.cursor.seek(at)?;
            return Ok(Start { at, end: None, version: self.cursor.u16()? });
        }
        let end = at + 4 + (first & !BYTE_COUNT) as usize;
        if end > self.cursor.len() || end < at + 6 {
            return Err(self.cursor.error(format!("a byte count lets a value end at {end}")));
        }
        Ok(Start { at, end: Some(end), version: self.cursor.u16()? })
    }

    fn check(&self, start: &Start, what: &str) -> Result<()> {
        match start.end {
            Some(end) if end != self.cursor.pos() => Err(self.cursor.error(format!(
                "{what} has {} bytes, its members {}: its class may have a streamer of its own",
                end - start.at,
                self.cursor.pos() - start.at
            ))),
            _ => Ok(()),
        }
    }

    /// One header, and `n` collections or strings; `None`: as many as the header's byte count holds.
    fn headed(&mut self, out: &mut Nested, inner: &Shape, n: Option<usize>) -> Result<()> {
        let start = self.header()?;
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
    fn memberwise(&mut self, out: &mut Nested, inner: &Shape, n: Option<usize>, start: &Start) -> Result<()> {
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
            // An array of collections: all of them under one header.
            (Nested::Fixed { len, size, items }, Shape::Fixed(inner, _)) => {
                let Some(n) = n else {
                    return Err(self.cursor.error("arrays of collections in a collection"));
                };
                *len += n;
                let all = n.saturating_mul(*size);
                self.collections(items, inner, Some(all), columns)
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
                    let count = self.count()?;
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

    /// An object with its header, into the fields of its record.
    fn object(&mut self, class: &Class, fields: &mut [Nested]) -> Result<()> {
        match class.header {
            Header::Bare => return self.members(variant(class, None, 0), fields, 1, Mode::Bare),
            Header::None => return self.members(variant(class, None, 0), fields, 1, Mode::Object),
            Header::Versioned | Header::Always => {}
        }
        let start = self.header()?;
        let mut checksum = 0;
        if start.end.is_none() && class.variants.iter().all(|v| v.version != i32::from(start.version)) {
            // Neither a byte count nor a version that exists: the object has no header at all.
            self.cursor.seek(start.at)?;
        } else if start.version == 0 {
            checksum = self.cursor.u32()?;
        }
        let variant = variant(class, Some(start.version), checksum);
        self.members(variant, fields, 1, Mode::Object)?;
        if start.end.is_some_and(|end| end != self.cursor.pos()) {
            self.check(&start, &format!("an object of class {}", class.name))?;
        }
        Ok(())
    }

    /// The members of `n` objects of one version, the first members of all, then the second, and so on.
    fn members(&mut self, variant: &Variant, fields: &mut [Nested], n: usize, mode: Mode) -> Result<()> {
        for step in &variant.steps {
            match step {
                Step::Field(field, Shape::Headed(inner)) if mode == Mode::Bare => {
                    self.read(&mut fields[*field], inner, n)?;
                }
                Step::Field(field, shape) => self.read(&mut fields[*field], shape, n)?,
                Step::Counted { .. } => self.counted(step, fields, n)?,
                Step::Base(class) if mode == Mode::Members && class.header == Header::Versioned => {
                    let Some(variant) = class.variants.first() else { continue };
                    self.members(variant, fields, n, mode)?;
                }
                Step::Base(class) => {
                    for _ in 0..n {
                        self.object(class, fields)?;
                    }
                }
                Step::Skip => {
                    for _ in 0..n {
                        self.t_object()?;
                    }
                }
                Step::Identity(id, flags) => {
                    for _ in 0..n {
                        let bytes = self.t_object()?;
                        number(&mut fields[*id], &bytes[..4]);
                        number(&mut fields[*flags], &bytes[4..]);
                    }
                }
                Step::Reference(field) => {
                    for _ in 0..n {
                        let bytes = self.t_object()?;
                        // What refers to an object in another file names it by a text.
                        if u32::from(bytes[7]) & HAS_UUID != 0 {
                            return Err(self.cursor.error("a reference to an object of another file"));
                        }
                        number(&mut fields[*field], &bytes[..4]);
                        self.cursor.take(2)?;
                    }
                }
                Step::Pass(bytes) => {
                    self.cursor.take(n.saturating_mul(*bytes))?;
                }
            }
        }
        for &field in &variant.missing {
            for _ in 0..n {
                self.spend(1)?;
                fields[field].push_default();
            }
        }
        Ok(())
    }

    /// Arrays behind pointers, whose lengths are in an earlier member.
    fn counted(&mut self, step: &Step, fields: &mut [Nested], n: usize) -> Result<()> {
        let Step::Counted { field, item, counter, lead, times } = step else { return Ok(()) };
        let start = if *lead == Lead::Header { Some(self.header()?) } else { None };
        for i in 0..n {
            let Some(count) = value(&fields[*counter], n - i) else {
                return Err(self.cursor.error("an array's counter is not there"));
            };
            let there = *lead != Lead::Flag || self.cursor.u8()? != 0;
            let count = match usize::try_from(count) {
                Ok(count) if there => count,
                Ok(_) => 0,
                Err(_) => return Err(self.cursor.error(format!("an array has a length of {count}"))),
            };
            let out = match (&mut fields[*field], times) {
                (Nested::Fixed { len, items, .. }, Some(_)) => {
                    *len += 1;
                    items.as_mut()
                }
                (out, _) => out,
            };
            let Nested::List { ends, items } = out else {
                return Err(self.cursor.error("an array where a value belongs"));
            };
            for _ in 0..times.unwrap_or(1) {
                if count > self.cursor.remaining() {
                    let left = self.cursor.remaining();
                    return Err(self.cursor.error(format!("an array of {count} items has {left} bytes")));
                }
                self.spend(count.saturating_add(1))?;
                self.read(items, item, count)?;
                ends.push(items.len());
            }
        }
        start.map_or(Ok(()), |start| self.check(&start, "an array of objects"))
    }

    /// A `TObject`: its identity and its flags.
    fn t_object(&mut self) -> Result<&'a [u8]> {
        let version = self.cursor.u16()?;
        if u32::from(version) << 16 & BYTE_COUNT != 0 {
            self.cursor.take(4)?; // the rest of a byte count, then the version proper
        }
        let bytes = self.cursor.take(8)?;
        self.process(bytes[7])?;
        Ok(bytes)
    }

    /// Where an object is referred to, two bytes name the process that numbered it.
    fn process(&mut self, flags: u8) -> Result<()> {
        if u32::from(flags) & IS_REFERENCED != 0 {
            self.cursor.take(2)?;
        }
        Ok(())
    }

    /// Whether there is an object behind the pointer.
    fn pointer(&mut self, item: &mut Nested, record: &Arc<Record>) -> Result<bool> {
        let at = self.cursor.pos();
        let first = self.cursor.u32()?;
        if first == 0 {
            self.spend(record.fields.iter().fold(1, |sum, (_, shape)| shape.cost().saturating_add(sum)))?;
            item.push_default();
            return Ok(false);
        }
        let (end, tag_at, tag) = if first & BYTE_COUNT == 0 || first == NEW_CLASS {
            (None, at, first)
        } else {
            (Some(at + 4 + (first & !BYTE_COUNT) as usize), at + 4, self.cursor.u32()?)
        };
        let name: &[u8] = if tag == NEW_CLASS {
            let name = self.cursor.c_text_bytes()?;
            self.classes.push((tag_at + self.key_len + MAP_OFFSET, name));
            name
        } else if tag & CLASS_MASK != 0 {
            let number = (tag & !CLASS_MASK) as usize;
            match self.classes.iter().find(|(at, _)| *at == number) {
                Some((_, name)) => name,
                None => return Err(self.cursor.error(format!("there is no class number {number}"))),
            }
        } else {
            return Err(self.cursor.error("a pointer to an object that another pointer has given"));
        };
        self.same(name, &record.class)?;
        let Nested::Struct { len, fields } = item else {
            return Err(self.cursor.error("a pointer where a value belongs"));
        };
        self.object(&record.class, fields)?;
        *len += 1;
        match end {
            Some(end) if end != self.cursor.pos() => {
                Err(self.cursor.error(format!("an object behind a pointer should end at {end}")))
            }
            _ => Ok(true),
        }
    }

    /// An object must be of the class that is declared: one of a derived class has other members.
    fn same(&self, name: &[u8], class: &Class) -> Result<()> {
        if same_class(name, &class.name) {
            return Ok(());
        }
        let (name, class) = (String::from_utf8_lossy(name), &class.name);
        Err(self.cursor.error(format!("an object of class {name} where {class} is declared")))
    }

    /// A `TClonesArray` in one piece: it names the class of its items.
    fn clones(&mut self, items: &mut Nested, record: &Record) -> Result<()> {
        let start = self.header()?;
        let mut flags = 0;
        if start.version > 2 {
            flags = Prim::U32.int(&self.t_object()?[4..]) as u32;
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

/// The flag of a `TRef` that names its object by a text.
const HAS_UUID: u32 = 1 << 5;

/// In what surroundings members are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// An object of its own: base classes have headers.
    Object,
    /// The members of many objects: base classes have none.
    Members,
    /// A pair of a map: collections have none.
    Bare,
}

/// The members of a version, or of that with the checksum; else those that the fields were made for.
fn variant(class: &Class, version: Option<u16>, checksum: u32) -> &Variant {
    static NONE: Variant = Variant { version: 0, checksum: 0, steps: Vec::new(), missing: Vec::new() };
    let found = match version {
        Some(0) => class.variants.iter().find(|v| v.checksum == checksum),
        Some(version) => class.variants.iter().find(|v| v.version == i32::from(version)),
        None => None,
    };
    found.or(class.variants.first()).unwrap_or(&NONE)
}

fn number(out: &mut Nested, bytes: &[u8]) {
    if let Nested::Numbers { bytes: all, .. } = out {
        all.extend_from_slice(bytes);
    }
}

/// A whole number, counted from the end.
fn value(numbers: &Nested, from_end: usize) -> Option<i64> {
    match numbers {
        Nested::Numbers { prim, bytes } => {
            let at = bytes.len().checked_sub(from_end.checked_mul(prim.width())?)?;
            Some(prim.int(&bytes[at..]))
        }
        Nested::Optional { item, .. } => value(item, from_end),
        _ => None,
    }
}

/// Class names that differ in spaces alone are the same.
fn same_class(a: &[u8], b: &str) -> bool {
    a.iter().filter(|&&c| c != b' ').eq(b.as_bytes().iter().filter(|&&c| c != b' '))
}

#[cfg(test)]
mod tests;
