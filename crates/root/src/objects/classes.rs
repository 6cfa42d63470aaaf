//! How each version of each class is written, as the file's streamer list says.
//!
//! The tree's own reader (`streamer.rs`) keeps what metadata needs. Here every kind of member counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::file::Record;
use crate::layout::packed;
use crate::objects::built_in;
use crate::objects::stl::{self, Stl};
use crate::prim::Prim;
use crate::streamer::Streamers;

/// Names of classes and members stand beside each value when it is printed: longer ones are no C++.
const MAX_NAME: usize = 4096;

/// One version of a class.
#[derive(Debug)]
pub(crate) struct Class {
    pub(crate) name: Arc<str>,
    pub(crate) elements: Vec<Element>,
}

/// A base class or a member.
#[derive(Debug, Clone)]
pub(crate) struct Element {
    pub(crate) name: Arc<str>,
    pub(crate) kind: Kind,
}

/// How an element is written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// A base class: its members follow in place.
    Base(Arc<str>),
    Number(Prim),
    Numbers(Prim, usize),
    /// As many numbers as an earlier member says, after one byte that says whether there are any.
    Counted(Prim, Arc<str>),
    /// A length of four bytes, then bytes.
    CharStar,
    /// An object in place.
    Object(Arc<str>),
    /// A pointer to an object, or nothing.
    Pointer,
    /// A standard collection or string.
    Stl(Stl),
    /// A fixed number of objects or pointers.
    Array(Box<Kind>, usize),
    /// As many objects as an earlier member says.
    Loop(Arc<str>, Arc<str>),
    /// Written by code of its own class; passed over where it tells its length.
    Unknown(i32, String),
}

/// The classes of a file, by name and version.
#[derive(Debug, Default)]
pub(crate) struct Classes {
    by_name: BTreeMap<Arc<str>, BTreeMap<i32, Arc<Class>>>,
    /// Classes without a version of their own are known by a checksum.
    by_checksum: BTreeMap<(Arc<str>, u32), Arc<Class>>,
}

impl Classes {
    /// A version of a class; the newest where the file does not have it, then what is built in.
    pub(crate) fn get(&self, class: &str, version: i32) -> Option<&Arc<Class>> {
        let versions = self.by_name.get(class).or_else(|| built_in::classes().by_name.get(class))?;
        versions.get(&version).or_else(|| versions.last_key_value().map(|(_, class)| class))
    }

    /// The class whose layout has this checksum.
    pub(crate) fn by_checksum(&self, class: &str, checksum: u32) -> Option<&Arc<Class>> {
        self.by_checksum.get(&(class.into(), checksum))
    }

    pub(crate) fn insert(&mut self, version: i32, checksum: u32, class: Class) {
        let class = Arc::new(class);
        self.by_checksum.insert((Arc::clone(&class.name), checksum), Arc::clone(&class));
        self.by_name.entry(Arc::clone(&class.name)).or_default().insert(version, class);
    }

    /// Reads the streamer list. What cannot be read is left out: it is then missing where it is needed, and named there.
    pub(crate) fn read(record: &Record<'_>) -> Self {
        let mut classes = Self::default();
        let bootstrap = Streamers::default();
        let mut reader = crate::object::Reader::new(record, &bootstrap);
        let Ok(list) = reader.top("TList") else { return classes };
        // An element takes 60 bytes at least. More of them than fit mean that infos share their elements endlessly.
        let mut left = record.data.len() / 40;
        for info in list.items.iter().flatten() {
            let Some(info) = reader.get(*info).filter(|object| &*object.class == "TStreamerInfo") else {
                continue;
            };
            if let Some((version, checksum, class)) = class(info, &reader, &mut left) {
                classes.insert(version, checksum, class);
            }
        }
        classes
    }
}

fn class(
    info: &crate::object::Object,
    reader: &crate::object::Reader<'_>,
    left: &mut usize,
) -> Option<(i32, u32, Class)> {
    let version = i32::try_from(info.int("fClassVersion")?).ok()?;
    let checksum = info.int("fCheckSum")? as u32;
    let list = info.object("fElements", reader)?;
    *left = left.checked_sub(list.items.len())?;
    let elements = list.items.iter().map(|&id| element(reader.get(id?)?)).collect::<Option<Vec<_>>>()?;
    let name = info.text("fName").filter(|name| name.len() <= MAX_NAME)?;
    Some((version, checksum, Class { name: name.into(), elements }))
}

fn element(element: &crate::object::Object) -> Option<Element> {
    let described = Described {
        name: element.text("fName").filter(|name| name.len() <= MAX_NAME)?,
        title: element.text("fTitle").unwrap_or_default(),
        type_name: element.text("fTypeName")?,
        code: i32::try_from(element.int("fType")?).ok()?,
        len: usize::try_from(element.int("fArrayLength").unwrap_or(0)).ok()?,
        count: element.text("fCountName"),
        is_stl: matches!(&*element.class, "TStreamerSTL" | "TStreamerSTLstring"),
    };
    Some(Element { name: described.name.into(), kind: described.kind()? })
}

/// What the streamer list says of an element.
struct Described<'a> {
    name: &'a str,
    title: &'a str,
    type_name: &'a str,
    code: i32,
    len: usize,
    count: Option<&'a str>,
    is_stl: bool,
}

impl Described<'_> {
    fn kind(&self) -> Option<Kind> {
        let class: Arc<str> = self.type_name.trim_start_matches("const ").trim_end_matches('*').trim().into();
        let prim = |code: i32| match code {
            9 | 19 => Some(packed(code == 9, self.title)),
            code => Prim::from_code(code),
        };
        let repeated = |kind: Kind| match self.len {
            0 => kind,
            n => Kind::Array(Box::new(kind), n),
        };
        if self.is_stl {
            // A class may also derive from a collection.
            let name = if self.type_name == "BASE" { self.name } else { self.type_name };
            let unknown = || Kind::Unknown(self.code, name.to_owned());
            return Some(repeated(stl::parse(name).map_or_else(unknown, Kind::Stl)));
        }
        Some(match self.code {
            0 => Kind::Base(self.name.into()),
            7 => Kind::CharStar,
            1..=19 => Kind::Number(prim(self.code)?),
            21..=39 if self.code != 27 => Kind::Numbers(prim(self.code - 20)?, self.len),
            41..=59 if self.code != 47 => Kind::Counted(prim(self.code - 40)?, self.count?.into()),
            // Objects in place; those behind "->" are written as if they stood there.
            61 | 62 | 63 | 68 => repeated(Kind::Object(class)),
            64 | 69 | 70 => repeated(Kind::Pointer),
            65 => repeated(Kind::Object("TString".into())),
            66 | 67 => Kind::Base(self.name.into()),
            81 | 82 | 83 | 88 => repeated(Kind::Object(class)),
            84 | 89 => repeated(Kind::Pointer),
            85 => repeated(Kind::Object("TString".into())),
            501 => Kind::Loop(class, self.count?.into()),
            code => Kind::Unknown(code, class.to_string()),
        })
    }
}
