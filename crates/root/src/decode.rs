//! Reads the values of baskets by their shapes.
//!
//! ROOT writes an object as a header (byte count and version), the members of its base classes, and its own. A
//! collection is a count and its items, or, "memberwise", the first members of all items, the second members, and so
//! on. The rules are those of `TStreamerInfo::ReadBuffer` and `TGenCollectionStreamer`.

mod any;
mod collections;
mod objects;

use std::collections::BTreeMap;
use std::ops::Range;

use crate::basket::Basket;
use crate::cursor::Cursor;
use crate::error::{Place, Result};
use crate::header::{self, Header};
use crate::nested::Nested;
use crate::shape::{self, Shape};

/// Items that a byte may stand for: collections within collections, each counted once. Only items without bytes, which
/// a broken file can claim any number of, are more.
const ITEMS_A_BYTE: usize = 16;

/// So many items that have no bytes, and take no memory, count as one.
const EMPTY_ITEMS: usize = 64;

/// Reads the wanted entries of a basket.
pub(crate) fn basket(shape: &Shape, basket: &Basket<'_>, wanted: &Range<usize>) -> Result<Nested> {
    let values = basket.values();
    let mut out = Nested::new(shape);
    let mut decoder = Decoder::new(basket);
    match &basket.offsets {
        Some(offsets) => {
            for w in offsets[wanted.start..=wanted.end].windows(2) {
                // Of a text in a leaf ROOT writes no length where it is empty.
                if w[0] == w[1] && *shape == Shape::Text {
                    out.push_default();
                    continue;
                }
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
                decoder.forget();
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

/// Reads objects that were streamed each by itself, between these offsets.
pub(crate) fn streamed(shape: &Shape, bytes: &[u8], offsets: &[i32], place: &Place) -> Result<Nested> {
    let basket = Basket::of_bytes(bytes.into(), place.clone());
    let mut out = Nested::new(shape);
    let mut decoder = Decoder::new(&basket);
    for w in offsets.windows(2) {
        let Some(entry) = basket.values().get(w[0] as usize..w[1] as usize) else {
            return Err(place.error(0, format!("an object lies at {} to {} of its bytes", w[0], w[1])));
        };
        decoder.start(entry, 0)?;
        decoder.read(&mut out, shape, 1)?;
        decoder.end()?;
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
    /// Objects that pointers of the entry have led to, by their numbers: the names of their classes, and where they lie.
    objects: BTreeMap<usize, (&'a [u8], Range<usize>)>,
}

impl<'a> Decoder<'a> {
    fn new(basket: &'a Basket<'_>) -> Self {
        let budget = basket.values().len().saturating_mul(ITEMS_A_BYTE).saturating_add(1 << 12);
        let cursor = Cursor::new(basket.values(), &basket.place);
        Self { cursor, key_len: basket.key_len, budget, classes: Vec::new(), objects: BTreeMap::new() }
    }

    /// Goes to the entry from `at` to the end of `values`.
    fn start(&mut self, values: &'a [u8], at: usize) -> Result<()> {
        self.cursor = Cursor::new(values, self.cursor.place());
        self.forget();
        self.cursor.seek(at)
    }

    /// What one entry has named means nothing to the next.
    fn forget(&mut self) {
        self.classes.clear();
        self.objects.clear();
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

    /// The count of items without bytes, of which nothing but their number is kept.
    fn count_of_empty(&mut self) -> Result<usize> {
        let n = self.cursor.i32()?;
        let Ok(n) = usize::try_from(n) else {
            return Err(self.cursor.error(format!("a count of {n}")));
        };
        self.spend(n.div_ceil(EMPTY_ITEMS))?;
        Ok(n)
    }

    /// Reads `n` values, one after the other.
    fn read(&mut self, out: &mut Nested, shape: &Shape, n: usize) -> Result<()> {
        match (out, shape) {
            (out, Shape::Headed(inner)) => self.headed(out, inner, Some(n))?,
            (out, Shape::Shared(inner)) => self.shared(out, inner)?,
            (Nested::Numbers { bytes, .. }, Shape::Bits) => {
                for _ in 0..n {
                    let flags = self.cursor.take(4)?;
                    bytes.extend_from_slice(flags);
                    header::process(&mut self.cursor, flags[3])?;
                }
            }
            (Nested::Numbers { prim, bytes }, Shape::Number(_)) => {
                let width = n.saturating_mul(prim.width());
                bytes.extend_from_slice(self.cursor.take(width)?);
            }
            (Nested::Text { ends, bytes }, Shape::Any(any)) => {
                for _ in 0..n {
                    self.any(any, bytes)?;
                    ends.push(bytes.len());
                }
            }
            (Nested::Text { ends, bytes }, shape) => {
                for _ in 0..n {
                    bytes.extend_from_slice(self.text(shape)?);
                    ends.push(bytes.len());
                }
            }
            (Nested::List { ends, items }, Shape::List(item)) => {
                for _ in 0..n {
                    let count = if item.is_empty() { self.count_of_empty()? } else { self.count()? };
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
                    let class = self.class_of(name, record)?;
                    self.object(class, fields)?;
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
            Shape::Opaque => header::opaque(&mut self.cursor),
            Shape::ObjString(kind) => {
                let start = match kind {
                    shape::Header::None => None,
                    _ => Some(Header::read(&mut self.cursor)?),
                };
                header::t_object(&mut self.cursor)?;
                let text = self.cursor.text_bytes()?;
                start.map_or(Ok(()), |start| self.check(&start, "a TObjString"))?;
                Ok(text)
            }
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

    /// Lists that share the bytes of the entry.
    fn shared(&mut self, out: &mut Nested, shape: &Shape) -> Result<()> {
        let (Nested::Fixed { len, size, items }, Shape::Fixed(lists, _)) = (out, shape) else {
            return Err(self.cursor.error("arrays where a value belongs"));
        };
        let (Nested::List { ends, items }, Shape::List(item)) = (items.as_mut(), lists.as_ref()) else {
            return Err(self.cursor.error("arrays where a value belongs"));
        };
        let Shape::Number(prim) = **item else {
            return Err(self.cursor.error("arrays of what are no numbers"));
        };
        let there = self.cursor.u8()? != 0;
        let bytes = self.cursor.remaining();
        let each = bytes / prim.width() / *size;
        if each * prim.width() * *size != bytes || (!there && bytes > 0) {
            return Err(self.cursor.error(format!("{size} arrays of one length have {bytes} bytes")));
        }
        self.spend(*size)?;
        for _ in 0..*size {
            self.read(items, item, each)?;
            ends.push(items.len());
        }
        *len += 1;
        Ok(())
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

    fn check(&self, start: &Header, what: &str) -> Result<()> {
        match start.end {
            Some(end) if end != self.cursor.pos() => Err(self.cursor.error(format!(
                "{what} has {} bytes, its members {}: its class may have a streamer of its own",
                end - start.at,
                self.cursor.pos() - start.at
            ))),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
