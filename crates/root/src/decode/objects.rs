//! Objects: their members in the order in which each version of a class writes them.

use std::sync::Arc;

use super::Decoder;
use crate::error::Result;
use crate::header::{self, Header, Pointer, Tag};
use crate::nested::Nested;
use crate::shape::{self, Class, Lead, Record, Shape, Step, Variant};

/// The flag of a `TRef` that names its object by a text.
const HAS_UUID: u32 = 1 << 5;

impl Decoder<'_> {
    /// An object with its header, into the fields of its record.
    pub(super) fn object(&mut self, class: &Class, fields: &mut [Nested]) -> Result<()> {
        match class.header {
            shape::Header::Bare => return self.members(variant(class, None, 0), fields, 1, Mode::Bare),
            shape::Header::None => return self.members(variant(class, None, 0), fields, 1, Mode::Object),
            shape::Header::Versioned | shape::Header::Always => {}
        }
        let start = Header::read(&mut self.cursor)?;
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
    pub(super) fn members(
        &mut self,
        variant: &Variant,
        fields: &mut [Nested],
        n: usize,
        mode: Mode,
    ) -> Result<()> {
        for step in &variant.steps {
            match step {
                Step::Field(field, Shape::Headed(inner)) if mode == Mode::Bare => {
                    self.read(&mut fields[*field], inner, n)?;
                }
                Step::Field(field, shape) => self.read(&mut fields[*field], shape, n)?,
                Step::Counted { .. } => self.counted(step, fields, n)?,
                Step::Base(class) if mode == Mode::Members && class.header == shape::Header::Versioned => {
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
                        header::t_object(&mut self.cursor)?;
                    }
                }
                Step::Identity(id, flags) => {
                    for _ in 0..n {
                        let bytes = header::t_object(&mut self.cursor)?;
                        number(&mut fields[*id], &bytes[..4]);
                        number(&mut fields[*flags], &bytes[4..]);
                    }
                }
                Step::Reference(field) => {
                    for _ in 0..n {
                        let bytes = header::t_object(&mut self.cursor)?;
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
                self.spend(fields[field].cost())?;
                fields[field].push_default();
            }
        }
        Ok(())
    }

    /// Arrays behind pointers, whose lengths are in an earlier member.
    fn counted(&mut self, step: &Step, fields: &mut [Nested], n: usize) -> Result<()> {
        let Step::Counted { field, item, counter, lead, times } = step else { return Ok(()) };
        let start = if *lead == Lead::Header { Some(Header::read(&mut self.cursor)?) } else { None };
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
            let out = match &mut fields[*field] {
                Nested::Optional { valid, item } => {
                    valid.push(true);
                    item.as_mut()
                }
                out => out,
            };
            let out = match (out, times) {
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

    /// Whether there is an object behind the pointer.
    pub(super) fn pointer(&mut self, item: &mut Nested, record: &Arc<Record>) -> Result<bool> {
        let Pointer { end, tag, number } = Pointer::read(&mut self.cursor, self.key_len)?;
        let name = match tag {
            Tag::Null => {
                self.spend(record.fields.iter().fold(1, |sum, (_, shape)| shape.cost().saturating_add(sum)))?;
                item.push_default();
                return Ok(false);
            }
            Tag::NewClass(number, name) => {
                self.classes.push((number, name));
                name
            }
            Tag::Class(number) => match self.classes.iter().find(|(known, _)| *known == number) {
                Some((_, name)) => name,
                None => return Err(self.cursor.error(format!("there is no class number {number}"))),
            },
            Tag::Object(number) => {
                let Some((name, bytes)) = self.objects.get(&number).cloned() else {
                    return Err(self
                        .cursor
                        .error("a pointer to an object that no earlier pointer has given"));
                };
                // Its bytes are read once more, which costs as much as if they stood here.
                self.spend(bytes.len())?;
                let after = self.cursor.pos();
                self.cursor.seek(bytes.start)?;
                self.pointee(item, record, name, Some(bytes.end))?;
                self.cursor.seek(after)?;
                return Ok(true);
            }
        };
        let start = self.cursor.pos();
        self.pointee(item, record, name, end)?;
        self.objects.insert(number, (name, start..self.cursor.pos()));
        Ok(true)
    }

    fn pointee(&mut self, item: &mut Nested, record: &Record, name: &[u8], end: Option<usize>) -> Result<()> {
        let class = self.class_of(name, record)?;
        let Nested::Struct { len, fields } = item else {
            return Err(self.cursor.error("a pointer where a value belongs"));
        };
        if let (false, Some(Nested::Text { ends, bytes })) = (record.derived.is_empty(), fields.first_mut()) {
            bytes.extend_from_slice(class.name.as_bytes());
            ends.push(bytes.len());
        }
        self.object(class, fields)?;
        *len += 1;
        match end {
            Some(end) if end != self.cursor.pos() => {
                Err(self.cursor.error(format!("an object behind a pointer should end at {end}")))
            }
            _ => Ok(()),
        }
    }

    /// The class of an object: that which is declared, or one of the derived ones that the file describes.
    pub(super) fn class_of<'r>(&self, name: &[u8], record: &'r Record) -> Result<&'r Class> {
        let mut classes = std::iter::once(&record.class).chain(&record.derived);
        classes.find(|class| same_class(name, &class.name)).ok_or_else(|| {
            let (name, class) = (String::from_utf8_lossy(name), &record.class.name);
            self.cursor.error(format!("an object of class {name} where {class} is declared"))
        })
    }
}

/// In what surroundings members are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// An object of its own: base classes have headers.
    Object,
    /// The members of many objects: base classes have none.
    Members,
    /// A pair of a map: collections have none.
    Bare,
}

/// The members of a version, or of that with the checksum; else those that the fields were made for.
pub(super) fn variant(class: &Class, version: Option<u16>, checksum: u32) -> &Variant {
    static NONE: Variant = Variant { version: 0, checksum: 0, steps: Vec::new(), missing: Vec::new() };
    let found = match version {
        Some(0) => class.variants.iter().find(|v| v.checksum == checksum),
        Some(version) => class.variants.iter().find(|v| v.version == i32::from(version)),
        None => None,
    };
    found.or(class.variants.first()).unwrap_or(&NONE)
}

fn number(out: &mut Nested, bytes: &[u8]) {
    match out {
        Nested::Numbers { bytes: all, .. } => all.extend_from_slice(bytes),
        Nested::Optional { valid, item } => {
            valid.push(true);
            number(item, bytes);
        }
        _ => {}
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
pub(super) fn same_class(a: &[u8], b: &str) -> bool {
    a.iter().filter(|&&c| c != b' ').eq(b.as_bytes().iter().filter(|&&c| c != b' '))
}
