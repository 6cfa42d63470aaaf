//! How each version of each class is written, as the file's streamer list says: of what `streamer.rs` reads of it,
//! every kind of member counts here.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::layout::packed;
use crate::objects::built_in;
use crate::objects::stl::{self, Stl};
use crate::prim::Prim;
use crate::streamer::{Member, Streamers};

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

    /// The classes of a file, by its streamer list. One that cannot be understood is left out: it is then missing where it is
    /// needed, and named there.
    pub(crate) fn new(streamers: &Streamers) -> Self {
        let mut classes = Self::default();
        for (version, layout) in streamers.iter() {
            let elements = layout.members.iter().map(element).collect::<Option<Vec<_>>>();
            if let Some(elements) = elements.filter(|_| layout.class.len() <= MAX_NAME) {
                classes.insert(version, layout.checksum, Class { name: Arc::clone(&layout.class), elements });
            }
        }
        classes
    }
}

fn element(member: &Member) -> Option<Element> {
    let kind = kind(member)?;
    (member.name.len() <= MAX_NAME).then(|| Element { name: Arc::clone(&member.name), kind })
}

fn kind(member: &Member) -> Option<Kind> {
    let Member { name, title, type_name, element, .. } = member;
    let class: Arc<str> = type_name.trim_start_matches("const ").trim_end_matches('*').trim().into();
    let prim = |code: i32| match code {
        9 | 19 => Some(packed(code == 9, title)),
        code => Prim::from_code(code),
    };
    let len: usize = if element.dims.is_empty() { 0 } else { element.dims.iter().product() };
    let repeated = |kind: Kind| match len {
        0 => kind,
        n => Kind::Array(Box::new(kind), n),
    };
    if matches!(&*element.kind, "TStreamerSTL" | "TStreamerSTLstring") {
        // A class may also derive from a collection.
        let name = if type_name == "BASE" { &**name } else { type_name };
        let unknown = || Kind::Unknown(element.code, name.to_owned());
        return Some(repeated(stl::parse(name).map_or_else(unknown, Kind::Stl)));
    }
    Some(match element.code {
        0 => Kind::Base(Arc::clone(name)),
        7 => Kind::CharStar,
        code @ 1..=19 => Kind::Number(prim(code)?),
        code @ 21..=39 if code != 27 => Kind::Numbers(prim(code - 20)?, len),
        code @ 41..=59 if code != 47 => Kind::Counted(prim(code - 40)?, element.count.clone()?),
        // Objects in place; those behind "->" are written as if they stood there.
        61 | 62 | 63 | 68 => repeated(Kind::Object(class)),
        64 | 69 | 70 => repeated(Kind::Pointer),
        65 => repeated(Kind::Object("TString".into())),
        66 | 67 => Kind::Base(Arc::clone(name)),
        81 | 82 | 83 | 88 => repeated(Kind::Object(class)),
        84 | 89 => repeated(Kind::Pointer),
        85 => repeated(Kind::Object("TString".into())),
        501 => Kind::Loop(class, element.count.clone()?),
        code => Kind::Unknown(code, class.to_string()),
    })
}
