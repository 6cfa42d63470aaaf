//! Reads ROOT objects into a plain tree of values, by their layouts.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::basket::Embedded;
use crate::cursor::Cursor;
use crate::error::{Place, Result};
use crate::file::Record;
use crate::header::{self, Header, Pointer, Tag};
use crate::prim::Prim;
use crate::streamer::{Layout, Step, Streamers, read_step};

/// An object within an object within ...: a branch takes four levels.
const MAX_DEPTH: usize = 100;

/// Where an object lies in the reader's store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ObjectId(usize);

/// The value of a member.
#[derive(Debug)]
pub(crate) enum Value {
    Int(i64),
    Float(f64),
    Text(String),
    Numbers(Prim, Range<usize>),
    Object(Box<Object>),
    Reference(Option<ObjectId>),
    Skipped,
}

/// An object: its members in the order of its layout, or the items of a collection.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) class: Arc<str>,
    layout: Option<Arc<Layout>>,
    values: Vec<Value>,
    pub(crate) items: Vec<Option<ObjectId>>,
    /// Of a basket: what it holds, or why it cannot be used.
    pub(crate) basket: Option<std::result::Result<Embedded, String>>,
}

impl Object {
    fn new(class: &str) -> Self {
        Self { class: class.into(), layout: None, values: Vec::new(), items: Vec::new(), basket: None }
    }

    /// A member of this class or of a base class.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        let members = &self.layout.as_ref()?.members;
        members.iter().zip(&self.values).find_map(|(member, value)| match (&member.step, value) {
            _ if &*member.name == name => Some(value),
            (Step::Base(_) | Step::TNamed, Value::Object(base)) => base.get(name),
            _ => None,
        })
    }

    pub(crate) fn int(&self, name: &str) -> Option<i64> {
        match self.get(name)? {
            Value::Int(n) => Some(*n),
            // Counts were doubles once.
            Value::Float(x) if x.fract() == 0.0 && x.abs() < 1e15 => Some(*x as i64),
            _ => None,
        }
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn reference(&self, name: &str) -> Option<ObjectId> {
        match self.get(name)? {
            Value::Reference(id) => *id,
            _ => None,
        }
    }

    /// A member that is an object, in place or behind a pointer.
    pub(crate) fn object<'a>(&'a self, name: &str, reader: &'a Reader<'_>) -> Option<&'a Object> {
        match self.get(name)? {
            Value::Object(object) => Some(object),
            Value::Reference(id) => reader.get((*id)?),
            _ => None,
        }
    }

    /// An array of whole numbers; empty where the member is missing.
    pub(crate) fn ints(&self, name: &str, record: &[u8]) -> Vec<i64> {
        match self.get(name) {
            Some(Value::Numbers(prim, range)) => prim.ints(&record[range.clone()]),
            _ => Vec::new(),
        }
    }
}

/// Reads the objects of one record, and keeps those that others point to.
pub(crate) struct Reader<'a> {
    cursor: Cursor<'a>,
    record: &'a [u8],
    key_len: usize,
    streamers: &'a Streamers,
    objects: Vec<Option<Object>>,
    by_position: BTreeMap<usize, ObjectId>,
    classes: BTreeMap<usize, Arc<str>>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(record: &'a Record<'_>, streamers: &'a Streamers) -> Self {
        Self {
            cursor: Cursor::new(&record.data, &record.place),
            record: &record.data,
            key_len: record.key_len,
            streamers,
            objects: Vec::new(),
            by_position: BTreeMap::new(),
            classes: BTreeMap::new(),
        }
    }

    pub(crate) fn get(&self, id: ObjectId) -> Option<&Object> {
        self.objects.get(id.0)?.as_ref()
    }

    pub(crate) fn place(&self) -> &'a Place {
        self.cursor.place()
    }

    /// The object that the record itself is.
    pub(crate) fn top(&mut self, class: &str) -> Result<Object> {
        self.object(class, 0)
    }

    fn object(&mut self, class: &str, depth: usize) -> Result<Object> {
        if depth > MAX_DEPTH {
            return Err(self.cursor.error(format!("objects nest deeper than {MAX_DEPTH}")));
        }
        match class {
            "TBasket" => Ok(self.basket()),
            "TObject" => self.t_object().map(|()| Object::new(class)),
            _ => match header::array_item(class) {
                Some(prim) => self.array(class, prim),
                None => self.with_header(class, depth),
            },
        }
    }

    fn with_header(&mut self, class: &str, depth: usize) -> Result<Object> {
        let Header { version, end, .. } = Header::read(&mut self.cursor)?;
        let version = i32::from(version as i16);
        let mut object = Object::new(class);
        match class {
            "TObjArray" => self.obj_array(&mut object, version, end, depth)?,
            "TList" | "THashList" => self.list(&mut object, depth)?,
            "TNamed" => {
                self.t_object()?;
                object.layout = Some(Arc::clone(named()));
                object.values = vec![self.text()?, self.text()?];
            }
            _ => self.members(&mut object, version, end, depth)?,
        }
        if let Some(end) = end {
            self.cursor.seek(end)?;
        }
        Ok(object)
    }

    fn members(&mut self, object: &mut Object, version: i32, end: Option<usize>, depth: usize) -> Result<()> {
        let Some(layout) = self.streamers.get(&object.class, version) else {
            // Without a layout the object can still be passed over, if it says how long it is.
            return match end {
                Some(_) => Ok(()),
                None => Err(self.cursor.error(format!("class {} has no layout and no length", object.class))),
            };
        };
        let layout = Arc::clone(layout);
        object.layout = Some(Arc::clone(&layout));
        object.values.reserve(layout.members.len());
        for member in &layout.members {
            let value = read_step(&member.step, object, self, depth + 1)?;
            if end.is_some_and(|end| self.cursor.pos() > end) {
                let reason = format!("member {} of {} reaches beyond its object", member.name, object.class);
                return Err(self.cursor.error(reason));
            }
            object.values.push(value);
            // What follows the branches and leaves of a tree (indices, friends, user objects) is not needed here.
            if &*object.class == "TTree" && &*member.name == "fLeaves" {
                break;
            }
        }
        Ok(())
    }

    pub(crate) fn inline(&mut self, class: &str, depth: usize) -> Result<Value> {
        Ok(Value::Object(Box::new(self.object(class, depth)?)))
    }

    pub(crate) fn t_object(&mut self) -> Result<()> {
        header::t_object(&mut self.cursor).map(|_| ())
    }

    pub(crate) fn text(&mut self) -> Result<Value> {
        Ok(Value::Text(self.cursor.text()?))
    }

    pub(crate) fn number(&mut self, prim: Prim) -> Result<Value> {
        let bytes = self.cursor.take(prim.width())?;
        Ok(match prim.float(bytes) {
            Some(x) => Value::Float(x),
            None => Value::Int(prim.int(bytes)),
        })
    }

    pub(crate) fn numbers(&mut self, prim: Prim, n: usize) -> Result<Value> {
        let Some(bytes) = n.checked_mul(prim.width()) else {
            return Err(self.cursor.error(format!("an array of {n} is too long")));
        };
        let start = self.cursor.pos();
        self.cursor.take(bytes)?;
        Ok(Value::Numbers(prim, start..start + bytes))
    }

    pub(crate) fn counted(&mut self, prim: Prim, count: Option<i64>) -> Result<Value> {
        // 0: none; 1: as the layout says; 2: positions of 64 bits, which large files of ROOT 3 and 4 announce so.
        let (n, prim) = match self.cursor.u8()? {
            0 => (0, prim),
            2 if prim == Prim::I32 => (count.unwrap_or(0), Prim::I64),
            _ => (count.unwrap_or(0), prim),
        };
        match usize::try_from(n) {
            Ok(n) => self.numbers(prim, n),
            Err(_) => Err(self.cursor.error(format!("an array has a length of {n}"))),
        }
    }

    /// Passes over a member that announces its length.
    pub(crate) fn skip(&mut self, code: i32) -> Result<Value> {
        match Header::read(&mut self.cursor)?.end {
            Some(end) => self.cursor.seek(end).map(|()| Value::Skipped),
            None => Err(self.cursor.error(format!("a member of type {code} cannot be passed over"))),
        }
    }

    fn obj_array(
        &mut self,
        object: &mut Object,
        version: i32,
        end: Option<usize>,
        depth: usize,
    ) -> Result<()> {
        if version > 2 {
            self.t_object()?;
        }
        if version > 1 {
            self.cursor.text_bytes()?;
        }
        let n = self.cursor.count(4)?;
        let _lower_bound = self.cursor.i32()?;
        object.items.reserve(n.min(1 << 16));
        for _ in 0..n {
            if end.is_some_and(|end| self.cursor.pos() >= end) {
                return Err(self
                    .cursor
                    .error(format!("an array of {n} objects ends after {}", object.items.len())));
            }
            let item = self.pointer(depth + 1)?;
            object.items.push(item);
        }
        Ok(())
    }

    fn list(&mut self, object: &mut Object, depth: usize) -> Result<()> {
        self.t_object()?;
        self.cursor.text_bytes()?;
        for _ in 0..self.cursor.count(5)? {
            let item = self.pointer(depth + 1)?;
            self.cursor.text_bytes()?; // an option, such as how to draw the object
            object.items.push(item);
        }
        Ok(())
    }

    fn array(&mut self, class: &str, prim: Prim) -> Result<Object> {
        let n = self.cursor.count(prim.width())?;
        self.numbers(prim, n)?;
        Ok(Object::new(class))
    }

    /// A broken basket spoils its column, not the tree.
    fn basket(&mut self) -> Object {
        let mut object = Object::new("TBasket");
        object.basket = Some(Embedded::read(&mut self.cursor).map_err(|e| e.to_string()));
        object
    }

    /// A pointer member or an item of a collection.
    pub(crate) fn pointer(&mut self, depth: usize) -> Result<Option<ObjectId>> {
        let Pointer { number, end, tag } = Pointer::read(&mut self.cursor, self.key_len)?;
        let class = match tag {
            // A reference into what was passed over is as good as null.
            Tag::Null => return Ok(None),
            Tag::Object(at) => return Ok(self.by_position.get(&at).copied()),
            Tag::NewClass(at, name) => {
                let class: Arc<str> = String::from_utf8_lossy(name).into();
                self.classes.insert(at, Arc::clone(&class));
                class
            }
            Tag::Class(at) => match self.classes.get(&at) {
                Some(class) => Arc::clone(class),
                None => return Err(self.cursor.error(format!("there is no class at {at}"))),
            },
        };
        let id = ObjectId(self.objects.len());
        self.objects.push(None);
        self.by_position.insert(number, id);
        let object = self.object(&class, depth)?;
        self.objects[id.0] = Some(object);
        if let Some(end) = end {
            self.cursor.seek(end)?;
        }
        Ok(Some(id))
    }

    pub(crate) fn record(&self) -> &'a [u8] {
        self.record
    }
}

fn named() -> &'static Arc<Layout> {
    static NAMED: std::sync::OnceLock<Arc<Layout>> = std::sync::OnceLock::new();
    NAMED.get_or_init(|| {
        let member = |name: &str| crate::streamer::Member {
            name: name.into(),
            title: String::new(),
            type_name: "TString".into(),
            step: Step::Text,
            element: crate::streamer::Element::default(),
        };
        Arc::new(Layout {
            class: "TNamed".into(),
            checksum: 0,
            members: vec![member("fName"), member("fTitle")],
        })
    })
}
