//! Reads any object of a file into a plain tree of values, by the layouts that the file carries.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cursor::Cursor;
use crate::error::Result;
use crate::file::Record;
use crate::header::{self, BYPASS_STREAMER, Header, MEMBERWISE, Pointer, Tag, array_item};
use crate::objects::classes::{Class, Classes, Kind};
use crate::objects::reason;
use crate::objects::stl::{self, Stl};
use crate::objects::value::{Members, Value};
use crate::prim::{BigEndian, Prim};

/// An object within an object within ...
const MAX_DEPTH: usize = 64;

/// Reads the objects of one record.
pub(crate) struct Reader<'a> {
    cursor: Cursor<'a>,
    key_len: usize,
    classes: &'a Classes,
    /// The names of classes and the numbers of objects, by the position that later tags give.
    names: BTreeMap<usize, Arc<str>>,
    numbers: BTreeMap<usize, u32>,
    /// How many values may still be made. Each takes a byte of the record at least, but for empty arrays and classes:
    /// of those a broken layout could name any number.
    budget: usize,
    /// The members of a `TObject`, which there are many of.
    own_names: [Arc<str>; 2],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(record: &'a Record<'_>, classes: &'a Classes) -> Self {
        Self {
            cursor: Cursor::new(&record.data, &record.place),
            key_len: record.key_len,
            classes,
            names: BTreeMap::new(),
            numbers: BTreeMap::new(),
            budget: record.data.len().saturating_add(4096),
            own_names: ["fUniqueID".into(), "fBits".into()],
        }
    }

    /// Reads what stands at a place of an entry of a tree, with so many values at most.
    pub(crate) fn within(cursor: Cursor<'a>, key_len: usize, classes: &'a Classes, budget: usize) -> Self {
        Self {
            cursor,
            key_len,
            classes,
            names: BTreeMap::new(),
            numbers: BTreeMap::new(),
            budget,
            own_names: ["fUniqueID".into(), "fBits".into()],
        }
    }

    /// A class that was named before, by the number that tags give it.
    pub(crate) fn name(&mut self, number: usize, class: &[u8]) {
        self.names.insert(number, String::from_utf8_lossy(class).into());
    }

    /// The object behind a pointer.
    pub(crate) fn item(&mut self) -> Result<Value> {
        self.pointer(0)
    }

    /// Where it stands, and how many values are left.
    pub(crate) fn rest(&self) -> (usize, usize) {
        (self.cursor.pos(), self.budget)
    }

    /// The object that the record itself is.
    pub(crate) fn top(&mut self, class: &str) -> Result<Value> {
        self.object(&class.into(), 0, 0)
    }

    fn spend(&mut self, values: usize) -> Result<()> {
        match self.budget.checked_sub(values) {
            Some(left) => {
                self.budget = left;
                Ok(())
            }
            None => Err(self.cursor.error("its objects claim more values than it has bytes")),
        }
    }

    /// Checks that an object ends where it says.
    fn finish(&mut self, class: &str, end: Option<usize>) -> Result<()> {
        match end {
            Some(end) if end != self.cursor.pos() => {
                let left = end as i64 - self.cursor.pos() as i64;
                Err(self.cursor.error(format!("an object of class {class} ends {left} bytes further on")))
            }
            _ => Ok(()),
        }
    }

    /// An object in place. `number` is that of the pointer that leads to it, or 0.
    fn object(&mut self, class: &Arc<str>, number: u32, depth: usize) -> Result<Value> {
        if depth > MAX_DEPTH {
            return Err(self.cursor.error(format!("objects nest deeper than {MAX_DEPTH}")));
        }
        self.spend(1)?;
        if let Some(prim) = array_item(class) {
            let n = self.cursor.count(prim.width())?;
            return self.numbers(prim, n);
        }
        let mut object = Members { class_name: Arc::clone(class), number, members: Vec::new() };
        match &**class {
            // A string that is an object of its own has no header, unlike one that is a member.
            "TString" | "string" | "std::string" => return Ok(Value::Text(self.cursor.text()?)),
            "TDatime" => return Ok(Value::Text(date(self.cursor.u32()?))),
            "TObject" => self.t_object(&mut object)?,
            "TRef" => {
                self.t_object(&mut object)?;
                let process = self.cursor.u16()?;
                object.members.push(("fPID".into(), Value::UInt(process.into())));
            }
            "TList" | "THashList" | "TSortedList" | "TObjArray" | "TMap" | "TRefArray" | "TClonesArray" => {
                return self.collection(class, depth);
            }
            _ if class.starts_with("TMatrixTSym<") => self.symmetric(&mut object, depth)?,
            _ => match stl::parse(class) {
                // Nor has a collection.
                Some(stl) => return self.stl_item(&stl, depth),
                None => self.members(class, &mut object, depth)?,
            },
        }
        Ok(Value::Object(Box::new(object)))
    }

    /// The members of a class, as its layout says, into the object that they belong to.
    fn members(&mut self, name: &str, object: &mut Members, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(self.cursor.error(format!("classes nest deeper than {MAX_DEPTH}")));
        }
        let Header { version, end, .. } = Header::read(&mut self.cursor)?;
        let Some(class) = self.class(name, version)? else {
            return Err(self.cursor.error(format!("class {name} has no layout in the file")));
        };
        for element in &class.elements {
            match &element.kind {
                Kind::Base(base) => self.base(base, object, depth + 1)?,
                kind => {
                    let value = self.element(kind, object, depth + 1)?;
                    object.members.push((Arc::clone(&element.name), value));
                }
            }
            if end.is_some_and(|end| self.cursor.pos() > end) {
                let reason = format!("member {} of {name} reaches beyond its object", element.name);
                return Err(self.cursor.error(reason));
            }
        }
        self.finish(name, end)
    }

    /// The layout of a class. One without a version of its own is followed by its checksum.
    fn class(&mut self, name: &str, version: u16) -> Result<Option<Arc<Class>>> {
        if version == 0 && self.cursor.remaining() >= 4 {
            let start = self.cursor.pos();
            let checksum = self.cursor.u32()?;
            if let Some(class) = self.classes.by_checksum(name, checksum) {
                return Ok(Some(Arc::clone(class)));
            }
            self.cursor.seek(start)?;
        }
        Ok(self.classes.get(name, i32::from(version as i16)).cloned())
    }

    fn base(&mut self, class: &Arc<str>, object: &mut Members, depth: usize) -> Result<()> {
        self.spend(1)?;
        match &**class {
            "TObject" => self.t_object(object),
            // The contents of histograms: an array is their base class.
            _ if array_item(class).is_some() => {
                let value = self.object(class, 0, depth)?;
                object.members.push(("fArray".into(), value));
                Ok(())
            }
            "TList" | "THashList" | "TObjArray" | "TMap" | "TRefArray" | "TClonesArray" => {
                let value = self.collection(class, depth)?;
                object.members.push((Arc::clone(class), value));
                Ok(())
            }
            _ => self.members(class, object, depth),
        }
    }

    fn element(&mut self, kind: &Kind, object: &Members, depth: usize) -> Result<Value> {
        self.spend(1)?;
        match kind {
            Kind::Base(class) | Kind::Object(class) => self.object(class, 0, depth),
            Kind::Number(prim) => self.number(*prim),
            Kind::Numbers(prim, n) => self.numbers(*prim, *n),
            Kind::Counted(prim, count) => {
                let n = if self.cursor.u8()? == 0 { Some(0) } else { object.count(count) };
                match n {
                    Some(n) => self.numbers(*prim, n),
                    None => {
                        Err(self.cursor.error(format!("an array is counted by {count}, which is no count")))
                    }
                }
            }
            Kind::CharStar => {
                let n = self.cursor.count(1)?;
                Ok(Value::Text(String::from_utf8_lossy(self.cursor.take(n)?).into_owned()))
            }
            Kind::Pointer => self.pointer(depth),
            Kind::Stl(stl) => self.stl(stl, depth),
            Kind::Array(kind, n) => {
                let items = (0..*n).map(|_| self.element(kind, object, depth + 1));
                Ok(Value::List(items.collect::<Result<_>>()?))
            }
            Kind::Loop(class, count) => self.repeated(class, object.count(count), depth),
            Kind::Unknown(code, class) => match Header::read(&mut self.cursor)?.end {
                Some(end) => {
                    self.cursor.seek(end)?;
                    Ok(unread(class, &format!("members with the type code {code} are not read")))
                }
                None => Err(self.cursor.error(format!("a member of type {code} cannot be passed over"))),
            },
        }
    }

    /// Objects behind a pointer, as many as an earlier member says. Old files have them in another way, which ends
    /// elsewhere than announced.
    fn repeated(&mut self, class: &Arc<str>, count: Option<usize>, depth: usize) -> Result<Value> {
        let Header { end, .. } = Header::read(&mut self.cursor)?;
        let Some(count) = count else {
            return Err(self.cursor.error("an array of objects has no count"));
        };
        let items = (0..count).map(|_| self.object(class, 0, depth + 1)).collect::<Result<_>>();
        let value = items.and_then(|items| {
            self.finish(class, end)?;
            Ok(Value::List(items))
        });
        self.or_unread(class, value, end)
    }

    /// What cannot be read does not disturb what follows, where it tells its length.
    fn or_unread(&mut self, class: &str, value: Result<Value>, end: Option<usize>) -> Result<Value> {
        match (value, end) {
            (Err(error), Some(end)) => {
                self.cursor.seek(end)?;
                Ok(unread(class, &reason(error)))
            }
            (value, _) => value,
        }
    }

    fn number(&mut self, prim: Prim) -> Result<Value> {
        let bytes = self.cursor.take(prim.width())?;
        Ok(match prim {
            Prim::Bool => Value::Bool(prim.int(bytes) != 0),
            Prim::U8 | Prim::U16 | Prim::U32 | Prim::U64 => Value::UInt(prim.int(bytes) as u64),
            Prim::I8 | Prim::I16 | Prim::I32 | Prim::I64 => Value::Int(prim.int(bytes)),
            Prim::F32 | Prim::F64 => Value::Float(prim.float(bytes).unwrap_or(f64::NAN)),
            Prim::Packed(packed) => {
                let mut out = [0.0];
                packed.convert(bytes, &mut out);
                Value::Float(out[0])
            }
        })
    }

    fn numbers(&mut self, prim: Prim, n: usize) -> Result<Value> {
        let Some(len) = n.checked_mul(prim.width()) else {
            return Err(self.cursor.error(format!("an array of {n} is too long")));
        };
        let bytes = self.cursor.take(len)?;
        Ok(match prim {
            Prim::U8 | Prim::U16 | Prim::U32 | Prim::U64 => {
                Value::UInts(bytes.chunks_exact(prim.width()).map(|b| prim.int(b) as u64).collect())
            }
            Prim::Bool | Prim::I8 | Prim::I16 | Prim::I32 | Prim::I64 => Value::Ints(prim.ints(bytes)),
            Prim::F32 => {
                let mut out = vec![0f32; n];
                BigEndian::convert(bytes, &mut out);
                Value::Floats(out.into_iter().map(f64::from).collect())
            }
            Prim::F64 => {
                let mut out = vec![0f64; n];
                BigEndian::convert(bytes, &mut out);
                Value::Floats(out)
            }
            Prim::Packed(packed) => {
                let mut out = vec![0f64; n];
                packed.convert(bytes, &mut out);
                Value::Floats(out)
            }
        })
    }

    fn t_object(&mut self, object: &mut Members) -> Result<()> {
        let (id, flags) = header::t_object(&mut self.cursor)?.split_at(4);
        for (name, bytes) in self.own_names.iter().zip([id, flags]) {
            object.members.push((Arc::clone(name), Value::UInt(Prim::U32.int(bytes) as u64)));
        }
        Ok(())
    }

    /// A symmetric matrix has no header of its own. It is written as its base class, and then row by row from the diagonal
    /// on: n (n + 1) / 2 numbers.
    fn symmetric(&mut self, object: &mut Members, depth: usize) -> Result<()> {
        let base = object.class_name.replace("TMatrixTSym", "TMatrixTBase");
        self.members(&base, object, depth + 1)?;
        let rows = object.count("fNrows").unwrap_or(0);
        let prim = if object.class_name.contains("float") { Prim::F32 } else { Prim::F64 };
        let Some(n) = rows.checked_add(1).and_then(|next| rows.checked_mul(next)) else {
            return Err(self.cursor.error(format!("a matrix has {rows} rows")));
        };
        let values = self.numbers(prim, n / 2)?;
        object.members.push(("fElements".into(), values));
        Ok(())
    }

    /// ROOT's own collections, which are written by code of their own.
    fn collection(&mut self, class: &str, depth: usize) -> Result<Value> {
        let Header { version, end, .. } = Header::read(&mut self.cursor)?;
        let mut own = Members { class_name: class.into(), number: 0, members: Vec::new() };
        let arrays = matches!(class, "TObjArray" | "TClonesArray");
        if !arrays || version > 2 {
            self.t_object(&mut own)?;
        }
        if !arrays || version > 1 {
            self.cursor.text_bytes()?; // the collection's own name
        }
        let value = match class {
            "TMap" => self.map(depth)?,
            "TRefArray" => self.references()?,
            "TClonesArray" => self.clones(own.int("fBits").unwrap_or(0), depth)?,
            "TObjArray" => {
                let n = self.cursor.count(4)?;
                let _lower_bound = self.cursor.i32()?;
                Value::List((0..n).map(|_| self.pointer(depth + 1)).collect::<Result<_>>()?)
            }
            _ => {
                let n = self.cursor.count(5)?;
                Value::List((0..n).map(|_| self.link(depth + 1)).collect::<Result<_>>()?)
            }
        };
        self.finish(class, end)?;
        Ok(value)
    }

    /// An item of a list: an object, and an option, such as how to draw it.
    fn link(&mut self, depth: usize) -> Result<Value> {
        let value = self.pointer(depth)?;
        self.cursor.text_bytes()?;
        Ok(value)
    }

    fn map(&mut self, depth: usize) -> Result<Value> {
        let n = self.cursor.count(8)?;
        let pairs = (0..n).map(|_| Ok((self.pointer(depth + 1)?, self.pointer(depth + 1)?)));
        Ok(Value::Map(pairs.collect::<Result<_>>()?))
    }

    /// The ids of a `TRefArray`; the process that they belong to is left out.
    fn references(&mut self) -> Result<Value> {
        let n = self.cursor.count(4)?;
        let (_lower_bound, _process) = (self.cursor.i32()?, self.cursor.u16()?);
        self.numbers(Prim::U32, n)
    }

    fn clones(&mut self, bits: i64, depth: usize) -> Result<Value> {
        let described = self.cursor.text()?;
        let class: Arc<str> = described.split(';').next().unwrap_or_default().into();
        let n = self.cursor.count(1)?;
        let _lower_bound = self.cursor.i32()?;
        if bits & i64::from(BYPASS_STREAMER) != 0 {
            return Err(self.cursor.error(format!("objects of class {class} are written member by member")));
        }
        let items = (0..n).map(|_| match self.cursor.u8()? {
            0 => Ok(Value::Null),
            _ => self.object(&class, 0, depth + 1),
        });
        Ok(Value::List(items.collect::<Result<_>>()?))
    }

    /// A pointer member or an item of a collection. What cannot be read does not disturb what follows, where the
    /// object tells its length.
    fn pointer(&mut self, depth: usize) -> Result<Value> {
        self.spend(1)?;
        let Pointer { number: at, end, tag } = Pointer::read(&mut self.cursor, self.key_len)?;
        let class = match tag {
            Tag::Null => return Ok(Value::Null),
            Tag::Object(at) => {
                let unknown = || Value::Unread(format!("a reference to what was not read, at {at}"));
                return Ok(self.numbers.get(&at).map_or_else(unknown, |&n| Value::Reference(n)));
            }
            Tag::NewClass(at, name) => {
                let class: Arc<str> = String::from_utf8_lossy(name).into();
                self.names.insert(at, Arc::clone(&class));
                class
            }
            Tag::Class(at) => match self.names.get(&at) {
                Some(class) => Arc::clone(class),
                None => return Err(self.cursor.error(format!("there is no class at {at}"))),
            },
        };
        let number = self.numbers.len() as u32 + 1;
        self.numbers.insert(at, number);
        let value = self.object(&class, number, depth + 1).and_then(|value| {
            self.finish(&class, end)?;
            Ok(value)
        });
        self.or_unread(&class, value, end)
    }

    /// A standard collection with its header.
    fn stl(&mut self, stl: &Stl, depth: usize) -> Result<Value> {
        let Header { version, end, .. } = Header::read(&mut self.cursor)?;
        let value =
            if version & MEMBERWISE != 0 { self.memberwise(stl, depth) } else { self.stl_item(stl, depth) };
        let value = value.and_then(|value| {
            self.finish("a collection", end)?;
            Ok(value)
        });
        self.or_unread("a collection", value, end)
    }

    /// A collection or an item of one, without a header.
    fn stl_item(&mut self, stl: &Stl, depth: usize) -> Result<Value> {
        if depth > MAX_DEPTH {
            return Err(self.cursor.error(format!("collections nest deeper than {MAX_DEPTH}")));
        }
        self.spend(1)?;
        match stl {
            Stl::Number(prim) => self.number(*prim),
            Stl::Text => Ok(Value::Text(self.cursor.text()?)),
            Stl::Pointer => self.pointer(depth),
            Stl::Class(class) => self.object(class, 0, depth + 1),
            Stl::Pair(first, second) => {
                Ok(Value::List(vec![self.stl_item(first, depth + 1)?, self.stl_item(second, depth + 1)?]))
            }
            Stl::List(item) => {
                if let Stl::Number(prim) = **item {
                    let n = self.cursor.count(prim.width())?;
                    return self.numbers(prim, n);
                }
                let n = self.cursor.count(1)?;
                Ok(Value::List((0..n).map(|_| self.stl_item(item, depth + 1)).collect::<Result<_>>()?))
            }
            Stl::Map(key, value) => {
                let n = self.cursor.count(1)?;
                let pairs =
                    (0..n).map(|_| Ok((self.stl_item(key, depth + 1)?, self.stl_item(value, depth + 1)?)));
                Ok(Value::Map(pairs.collect::<Result<_>>()?))
            }
        }
    }

    /// A collection that is written member by member: the first member of all items, then the second, and so on.
    fn memberwise(&mut self, stl: &Stl, depth: usize) -> Result<Value> {
        let version = self.cursor.u16()?;
        match stl {
            Stl::Map(first, second) => Ok(Value::Map(self.pairs(version, first, second, depth)?)),
            Stl::List(item) => match &**item {
                Stl::Pair(first, second) => {
                    let pairs = self.pairs(version, first, second, depth)?.into_iter();
                    Ok(Value::List(pairs.map(|(first, second)| Value::List(vec![first, second])).collect()))
                }
                Stl::Class(class) => self.memberwise_objects(class, version, depth),
                _ => Err(self
                    .cursor
                    .error("a collection without members is marked as written member by member")),
            },
            _ => Err(self.cursor.error("a value is marked as written member by member")),
        }
    }

    fn pairs(
        &mut self,
        version: u16,
        first: &Stl,
        second: &Stl,
        depth: usize,
    ) -> Result<Vec<(Value, Value)>> {
        if version == 0 {
            self.cursor.u32()?; // a checksum stands for the version of a pair
        }
        let n = self.cursor.count(2)?;
        let firsts: Vec<Value> = (0..n).map(|_| self.member(first, depth)).collect::<Result<_>>()?;
        firsts.into_iter().map(|first| Ok((first, self.member(second, depth)?))).collect()
    }

    /// A member of a pair: collections and strings have headers there.
    fn member(&mut self, stl: &Stl, depth: usize) -> Result<Value> {
        match stl {
            Stl::Number(_) | Stl::Pointer | Stl::Class(_) => self.stl_item(stl, depth),
            _ => self.stl(stl, depth),
        }
    }

    fn memberwise_objects(&mut self, name: &Arc<str>, version: u16, depth: usize) -> Result<Value> {
        let Some(class) = self.class(name, version)? else {
            return Err(self.cursor.error(format!("class {name} has no layout in the file")));
        };
        let n = self.cursor.count(1)?;
        self.spend(n)?;
        let object = Members { class_name: Arc::clone(name), number: 0, members: Vec::new() };
        let mut objects = vec![object; n];
        for element in &class.elements {
            for object in &mut objects {
                match &element.kind {
                    Kind::Base(base) => self.base(base, object, depth + 1)?,
                    kind => {
                        let value = self.element(kind, object, depth + 1)?;
                        object.members.push((Arc::clone(&element.name), value));
                    }
                }
            }
        }
        Ok(Value::List(objects.into_iter().map(|object| Value::Object(Box::new(object))).collect()))
    }
}

/// What stands for a value that could not be read. Texts that a file chooses are cut: there may be many of these.
fn unread(class: &str, reason: &str) -> Value {
    let cut = |text: &str| text.chars().take(200).collect::<String>();
    Value::Unread(format!("{}: {}", cut(class), cut(reason)))
}

/// "2026-11-22 09:30:00": six bits of years since 1995, then month, day, hour, minute and second.
fn date(word: u32) -> String {
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        1995 + (word >> 26),
        word >> 22 & 15,
        word >> 17 & 31,
        word >> 12 & 31,
        word >> 6 & 63,
        word & 63
    )
}
