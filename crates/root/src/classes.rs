//! From class names and streamer infos to shapes.

use std::sync::Arc;

mod derived;
mod fields;

use self::fields::{Fields, Slots, absent, mark_optional, optional, renumber, same};
use crate::cxx;
use crate::header;
use crate::layout::{MAX_ITEM, packed};
use crate::objects;
use crate::prim::Prim;
use crate::shape::{Any, Class, Header, Lead, Record, Shape, Step, Variant};
use crate::streamer::{Layout, Member, Streamers};

/// Objects within objects: deeper nesting than this is no data.
const MAX_DEPTH: usize = 32;

/// Members that all shapes of a tree may have together: classes that use each other twice, twice, ... would never end.
const MAX_MEMBERS: usize = 200_000;

/// Why there is no shape.
type Made<T> = Result<T, String>;

/// Makes shapes of the classes that a file describes.
pub(crate) struct Classes<'a> {
    streamers: &'a Streamers,
    left: usize,
    /// The classes that are being made: one that holds itself has no shape.
    open: Vec<Arc<str>>,
    /// The classes once more, for objects of any of them; made when they are needed.
    any: Option<Arc<objects::classes::Classes>>,
}

/// What the code of a member that is an array adds to the code of its items.
const ARRAY: i32 = 20;
const POINTER_ARRAY: i32 = 40;

impl<'a> Classes<'a> {
    pub(crate) fn new(streamers: &'a Streamers) -> Self {
        Self { streamers, left: MAX_MEMBERS, open: Vec::new(), any: None }
    }

    pub(crate) fn streamers(&self) -> &'a Streamers {
        self.streamers
    }

    /// A type as an item of a collection, or as a whole branch.
    pub(crate) fn value(&mut self, type_name: &str) -> Made<Shape> {
        self.left = self.left.checked_sub(1).ok_or("the classes of the tree have too many members")?;
        if self.open.len() > MAX_DEPTH {
            return Err(format!("objects nest deeper than {MAX_DEPTH}"));
        }
        let name = cxx::bare(type_name);
        if let Some(shape) = cxx::simple(name) {
            return Ok(shape);
        }
        if let Some(pointee) = name.strip_suffix('*') {
            return self.pointer(pointee);
        }
        if let Some(shape) = plain(name) {
            return Ok(shape);
        }
        if let Some((outer, arguments)) = cxx::template(name) {
            match (outer, arguments.as_slice()) {
                (outer, [item, ..]) if cxx::is_list(outer) => return self.item(item).map(list),
                (outer, [key, value, ..]) if cxx::is_map(outer) => return self.map(key, value).map(list),
                ("bitset", [_]) => return Ok(list(Shape::Number(Prim::Bool))),
                ("unique_ptr", [pointee, ..]) => return self.pointer(pointee),
                ("atomic", [inner]) => return self.value(inner),
                ("pair", [first, second]) if self.streamers.versions(name).is_none() => {
                    return self.pair(name, ["first", "second"], [first, second], Header::Versioned);
                }
                (_, [item, ..]) if self.is_own_collection(name) => return self.item(item).map(list),
                _ => {}
            }
        }
        // Of one whose name does not tell the class of its items only their number can be known.
        if self.is_own_collection(name) {
            return Ok(list(Shape::Nothing(format!("{name}::value_type").into())));
        }
        self.record(name, None).map(Shape::Record)
    }

    /// Whether a class that is none of the standard library's is written as a collection: its one member is itself.
    pub(crate) fn is_own_collection(&self, name: &str) -> bool {
        let layout = self.streamers.versions(name).and_then(|versions| versions.values().next_back());
        layout.is_some_and(|layout| {
            layout.members.first().is_some_and(|m| {
                layout.members.len() == 1 && &*m.name == "This" && &*m.element.kind == "TStreamerSTL"
            })
        })
    }

    /// A value within another: bounded in depth, also where no class is in between.
    fn nested(&mut self, type_name: &str) -> Made<Shape> {
        self.open.push("".into());
        let shape = self.value(type_name);
        self.open.pop();
        shape
    }

    fn map(&mut self, key: &str, value: &str) -> Made<Shape> {
        self.pair("pair", ["key", "value"], [key, value], Header::Bare)
    }

    /// The items of a map; and pairs whose layout the file does not tell, since it follows from their name.
    fn pair(&mut self, name: &str, names: [&str; 2], types: [&str; 2], header: Header) -> Made<Shape> {
        let mut fields = Vec::with_capacity(2);
        for (name, type_name) in names.iter().zip(types) {
            let shape = self.item(type_name)?;
            fields.push(((*name).to_owned(), headed(shape, type_name)));
        }
        let steps = fields.iter().enumerate().map(|(i, (_, shape))| Step::Field(i, shape.clone())).collect();
        let variants = vec![Variant { version: 0, checksum: 0, steps, missing: Vec::new() }];
        let class = Class { name: name.into(), header, variants };
        Ok(Shape::Record(Arc::new(Record { fields, class, derived: Vec::new() })))
    }

    fn pointer(&mut self, pointee: &str) -> Made<Shape> {
        let pointee = cxx::bare(pointee);
        match self.described(pointee) {
            true => self.family(pointee).map(|record| Shape::Pointer(Arc::new(record))),
            false => Ok(Shape::Nothing(pointee.into())),
        }
    }

    /// The items of a collection. A file describes every class that it holds an object of: where it does not, the
    /// collections are empty.
    fn item(&mut self, type_name: &str) -> Made<Shape> {
        let shape = self.nested(type_name);
        let name = cxx::bare(type_name);
        if shape.is_err() && self.streamers.is_enumeration(name) {
            return Ok(Shape::Number(Prim::I32));
        }
        match shape {
            Err(_) if !name.ends_with('*') && !is_collection(name) && !self.described(name) => {
                Ok(Shape::Nothing(name.into()))
            }
            shape => shape,
        }
    }

    fn described(&self, class: &str) -> bool {
        special(class, &mut Fields::default()).is_some() || self.streamers.versions(class).is_some()
    }

    /// An object that is a whole branch: where its class has no streamer of its own, it has no header.
    pub(crate) fn whole(&mut self, class: &str, version: i32) -> Made<Shape> {
        match plain(class) {
            Some(Shape::ObjString(_)) => return Ok(Shape::ObjString(Header::None)),
            Some(shape) => return Ok(shape),
            None => {}
        }
        let mut record = self.unshared(class, Some(version))?;
        if record.class.header == Header::Versioned {
            record.class.header = Header::None;
        }
        Ok(Shape::Record(Arc::new(record)))
    }

    /// The object of a `TBranchObject`.
    pub(crate) fn named(&mut self, class: &str) -> Made<Shape> {
        self.record(cxx::bare(class), None).map(Shape::Named)
    }

    /// The items of a `TClonesArray`.
    pub(crate) fn clones(&mut self, class: &str, named: bool) -> Made<Shape> {
        self.record(class, None).map(|record| Shape::Clones(record, named))
    }

    /// A class with all its fields.
    fn record(&mut self, class: &str, prefer: Option<i32>) -> Made<Arc<Record>> {
        self.unshared(class, prefer).map(Arc::new)
    }

    fn unshared(&mut self, class: &str, prefer: Option<i32>) -> Made<Record> {
        let mut fields = Fields::default();
        let mut class = self.class(class, prefer, &mut fields)?;
        let mut fields = fields.0;
        let mut missing = Vec::new();
        absent(&class, &mut missing);
        missing.sort_unstable();
        missing.dedup();
        for &field in &missing {
            optional(&mut fields[field].1);
        }
        if !missing.is_empty() {
            mark_optional(&mut class, &missing);
        }
        Ok(Record { fields, class, derived: Vec::new() })
    }

    fn class(&mut self, name: &str, prefer: Option<i32>, fields: &mut Fields) -> Made<Class> {
        if let Some(class) = special(name, fields) {
            return Ok(class);
        }
        match name {
            "TClonesArray" => return Err("a TClonesArray in an object, which does not tell its class".into()),
            "TList" | "THashList" | "TObjArray" | "TMap" | "TCollection" | "TSeqCollection" => {
                return Err(format!("class {name} holds objects of any class"));
            }
            _ => {}
        }
        let streamers = self.streamers;
        let Some(versions) = streamers.versions(name).filter(|versions| !versions.is_empty()) else {
            return Err(format!("the file does not describe class {name}"));
        };
        let name: Arc<str> = versions.values().next().map_or(name.into(), |layout| Arc::clone(&layout.class));
        if self.open.contains(&name) {
            return Err(format!("class {name} contains itself"));
        }
        self.open.push(Arc::clone(&name));
        let class = self.versions(&name, versions.iter().rev().collect(), prefer, fields);
        self.open.pop();
        class
    }

    fn versions(
        &mut self,
        name: &Arc<str>,
        mut versions: Vec<(&i32, &Arc<Layout>)>,
        prefer: Option<i32>,
        fields: &mut Fields,
    ) -> Made<Class> {
        // The newest, unless an object says of which version its base class is.
        if let Some(at) = prefer.and_then(|prefer| versions.iter().position(|(v, _)| **v == prefer)) {
            versions[..=at].rotate_right(1);
        }
        let start = fields.0.len();
        let mut variants = Vec::with_capacity(versions.len());
        let mut owned = start..start;
        for (i, (&version, layout)) in versions.into_iter().enumerate() {
            let mut slots = Slots { fields, known: (i > 0).then(|| owned.clone()), used: Vec::new() };
            match self.steps(layout, &mut slots) {
                Ok(steps) => {
                    let used = slots.used;
                    owned = start..fields.0.len();
                    let missing = owned.clone().filter(|field| !used.contains(field)).collect();
                    variants.push(Variant { version, checksum: layout.checksum, steps, missing });
                }
                Err(reason) if i == 0 => return Err(reason),
                // An older version with other members: its objects are then refused by their byte count.
                Err(_) => {}
            }
        }
        Ok(Class { name: Arc::clone(name), header: Header::Versioned, variants })
    }

    fn steps(&mut self, layout: &Layout, slots: &mut Slots<'_>) -> Made<Vec<Step>> {
        let mut steps = Vec::with_capacity(layout.members.len());
        for member in &layout.members {
            self.left = self.left.checked_sub(1).ok_or("the classes of the tree have too many members")?;
            match self.step(member, &layout.class, slots)? {
                Some(step) => steps.push(step),
                None => continue,
            }
        }
        Ok(steps)
    }

    fn step(&mut self, member: &Member, class: &str, slots: &mut Slots<'_>) -> Made<Option<Step>> {
        let element = &member.element;
        let is_base = &*element.kind == "TStreamerBase" || matches!(member.type_name.as_str(), "BASE");
        Ok(Some(match element.code {
            _ if &*element.kind == "TStreamerArtificial" => return Ok(None),
            _ if is_base && &*member.name == "TObject" => Step::Skip,
            _ if is_base => Step::Base(self.base(member, slots)?),
            code @ (41..=59 | 501 | 521) if code != 47 => self.counted(member, code, class, slots)?,
            _ => {
                let shape = self.member(member)?;
                Step::Field(slots.take(&member.name, class, shape.clone())?, shape)
            }
        }))
    }

    /// An array behind a pointer, as long as an earlier member says.
    fn counted(&mut self, member: &Member, code: i32, class: &str, slots: &mut Slots<'_>) -> Made<Step> {
        let element = &member.element;
        let (item, lead) = if code > 500 {
            let name = member.type_name.trim();
            let item = match name.strip_suffix("**") {
                Some(pointee) => self.inner(|classes| classes.pointer(pointee.trim()))?,
                None => self.inner(|classes| {
                    classes.record(cxx::bare(name.trim_end_matches('*')), None).map(Shape::Record)
                })?,
            };
            (item, Lead::Header)
        } else {
            let prim = number(code - POINTER_ARRAY, &member.title);
            let prim = prim.ok_or_else(|| format!("member {} has the type code {code}", member.name))?;
            (Shape::Number(prim), Lead::Flag)
        };
        let counter = element.count.as_deref().and_then(|name| slots.find(name));
        let counter = counter.ok_or_else(|| format!("member {} has no counter", member.name))?;
        let times = match element.dims.iter().try_fold(1usize, |all, &n| all.checked_mul(n)) {
            _ if element.dims.is_empty() => None,
            Some(n) if n <= MAX_ITEM => Some(n),
            _ => return Err(format!("member {} has {:?} arrays", member.name, element.dims)),
        };
        let arrays = list(item.clone());
        let shape = match times {
            Some(n) => Shape::Fixed(Box::new(arrays), n),
            None => arrays,
        };
        let field = slots.take(&member.name, class, shape)?;
        Ok(Step::Counted { field, item, counter, lead, times })
    }

    fn base(&mut self, member: &Member, slots: &mut Slots<'_>) -> Made<Class> {
        let before = slots.fields.0.len();
        if let Some(known) = &slots.known {
            // An older version: its base class must be one that is known already, with the same fields.
            let mut own = Fields::default();
            let mut class = self.class(&member.name, member.element.base_version, &mut own)?;
            let mut places = Vec::with_capacity(own.0.len());
            for (name, shape) in &own.0 {
                let found = known
                    .clone()
                    .find(|&i| slots.fields.0[i].0 == *name && same(&slots.fields.0[i].1, shape));
                places.push(found.ok_or("an older version has other fields")?);
            }
            slots.used.extend_from_slice(&places);
            renumber(&mut class, &places);
            return Ok(class);
        }
        let class = self.class(&member.name, member.element.base_version, slots.fields)?;
        slots.used.extend(before..slots.fields.0.len());
        Ok(class)
    }

    /// A member of an object: as a value, but that collections have a header.
    pub(crate) fn member(&mut self, member: &Member) -> Made<Shape> {
        let element = &member.element;
        if element.dims.iter().try_fold(1usize, |all, &n| all.checked_mul(n)).is_none_or(|n| n > MAX_ITEM) {
            return Err(format!("member {} has {:?} items", member.name, element.dims));
        }
        let code = match element.code {
            code @ (21..=39 | 81..=89) => code - ARRAY,
            320 => 300,
            385 => 365,
            520 => 500,
            code => code,
        };
        let type_name = if member.type_name == "BASE" { &*member.name } else { member.type_name.trim() };
        let class = type_name.trim_end_matches('*').trim();
        let shape = match code {
            7 => Shape::LongText,
            15 => Shape::Bits,
            1..=19 => Shape::Number(
                number(code, &member.title)
                    .ok_or_else(|| format!("member {} has the type code {code}", member.name))?,
            ),
            // Texts one by one; an array of them has a header.
            65 if element.code == 65 => Shape::Text,
            65 => return Ok(Shape::Headed(Box::new(array(Shape::Text, &element.dims)))),
            66 => identity(),
            61..=63 if holds_anything(class) => self.any(class, false),
            // The items of an `std::array`: collections that have no header.
            61..=63 if is_collection(class) => self.inner(|classes| classes.nested(class))?,
            0 | 61..=63 | 67 | 68 => match plain(cxx::bare(class)) {
                Some(shape) => shape,
                None => self.inner(|classes| classes.record(cxx::bare(class), None).map(Shape::Record))?,
            },
            64 | 69 if holds_anything(class) => self.any(class, true),
            64 | 69 => self.inner(|classes| classes.pointer(class))?,
            // A pointer to a collection is written as the collection.
            71 | 91 | 300 | 365 | 500 if is_collection(class) => {
                match self.collection(class, element.items) {
                    Ok(shape) => return Ok(Shape::Headed(Box::new(array(shape, &element.dims)))),
                    Err(reason) if self.open.is_empty() || reason.starts_with("the classes") => {
                        return Err(reason);
                    }
                    Err(_) => return Ok(Shape::Opaque),
                }
            }
            _ => return Ok(Shape::Opaque),
        };
        Ok(array(shape, &element.dims))
    }

    /// One of ROOT's collections of objects of any class.
    fn any(&mut self, class: &str, pointer: bool) -> Shape {
        let streamers = self.streamers;
        let classes = self.any.get_or_insert_with(|| Arc::new(objects::classes::Classes::new(streamers)));
        Shape::Any(Arc::new(Any { class: class.into(), pointer, classes: Arc::clone(classes) }))
    }

    /// A collection of which the file tells the code of its items: of enumerations it tells nothing else.
    fn collection(&mut self, class: &str, items: i32) -> Made<Shape> {
        match (self.nested(class)?, Prim::from_code(items)) {
            (Shape::List(item), Some(prim)) if matches!(*item, Shape::Nothing(_)) => {
                Ok(list(Shape::Number(prim)))
            }
            (shape, _) => Ok(shape),
        }
    }

    /// A member whose class has no shape is kept as bytes.
    fn inner(&mut self, make: impl FnOnce(&mut Self) -> Made<Shape>) -> Made<Shape> {
        match make(self) {
            Err(reason) if !reason.starts_with("the classes") && !self.open.is_empty() => Ok(Shape::Opaque),
            made => made,
        }
    }
}

/// Whether a class is one of ROOT's collections whose items may be of any class.
fn holds_anything(class: &str) -> bool {
    matches!(class, "TList" | "THashList" | "TSortedList" | "TObjArray" | "TMap")
}

/// Whether a type is an STL collection or string, by its name.
pub(crate) fn is_collection(type_name: &str) -> bool {
    let name = cxx::bare(type_name);
    let outer = cxx::template(name).map_or("", |(outer, _)| outer);
    name == "string"
        || outer == "basic_string"
        || outer == "bitset"
        || cxx::is_list(outer)
        || cxx::is_map(outer)
}

/// A member that is a collection has a header.
fn headed(shape: Shape, type_name: &str) -> Shape {
    if is_collection(type_name) { Shape::Headed(Box::new(shape)) } else { shape }
}

fn list(item: Shape) -> Shape {
    Shape::List(Box::new(item))
}

/// Fixed arrays, from the innermost dimension out.
pub(crate) fn array(item: Shape, dims: &[usize]) -> Shape {
    dims.iter().rev().fold(item, |item, &n| Shape::Fixed(Box::new(item), n))
}

fn number(code: i32, title: &str) -> Option<Prim> {
    match code {
        9 | 19 => Some(packed(code == 9, title)),
        code => Prim::from_code(code),
    }
}

/// A `TObject` that is a whole value: its identity and its flags.
pub(crate) fn identity() -> Shape {
    let mut fields = Fields::default();
    match special("TObject", &mut fields) {
        Some(class) => Shape::Record(Arc::new(Record { fields: fields.0, class, derived: Vec::new() })),
        None => Shape::Opaque,
    }
}

/// Classes of ROOT that stand for the one value that they hold, where they are not a base class.
fn plain(name: &str) -> Option<Shape> {
    match name {
        "TObjString" => Some(Shape::ObjString(Header::Versioned)),
        name => header::array_item(name).map(|prim| list(Shape::Number(prim))),
    }
}

/// Classes of ROOT that have a streamer of their own.
fn special(name: &str, fields: &mut Fields) -> Option<Class> {
    let mut field = |name: &str, shape: Shape| {
        fields.0.push((name.to_owned(), shape));
        fields.0.len() - 1
    };
    let plain = |at: usize, prim: Prim| Step::Field(at, Shape::Number(prim));
    let mut array = |prim: Prim| {
        let shape = list(Shape::Number(prim));
        vec![Step::Field(field("fArray", shape.clone()), shape)]
    };
    let (header, steps) = match name {
        "TArrayC" => (Header::Bare, array(Prim::I8)),
        "TArrayS" => (Header::Bare, array(Prim::I16)),
        "TArrayI" => (Header::Bare, array(Prim::I32)),
        "TArrayL" | "TArrayL64" => (Header::Bare, array(Prim::I64)),
        "TArrayF" => (Header::Bare, array(Prim::F32)),
        "TArrayD" => (Header::Bare, array(Prim::F64)),
        "TObject" => {
            let id = field("fUniqueID", Shape::Number(Prim::U32));
            (Header::Bare, vec![Step::Identity(id, field("fBits", Shape::Number(Prim::U32)))])
        }
        "TNamed" => {
            let (name, title) = (field("fName", Shape::Text), field("fTitle", Shape::Text));
            let steps = vec![Step::Skip, Step::Field(name, Shape::Text), Step::Field(title, Shape::Text)];
            (Header::Always, steps)
        }
        "TDatime" => (Header::Bare, vec![plain(field("fDatime", Shape::Number(Prim::U32)), Prim::U32)]),
        "TRef" => (Header::Bare, vec![Step::Reference(field("ref", Shape::Number(Prim::U32)))]),
        "TRefArray" => {
            let name = field("fName", Shape::Text);
            let size = field("fSize", Shape::Number(Prim::I32));
            let item = Shape::Number(Prim::I32);
            let refs = field("refs", list(item.clone()));
            let refs = Step::Counted { field: refs, item, counter: size, lead: Lead::Nothing, times: None };
            // The lower bound, and the process that numbered the objects.
            let steps =
                vec![Step::Skip, Step::Field(name, Shape::Text), plain(size, Prim::I32), Step::Pass(6), refs];
            (Header::Always, steps)
        }
        _ => return None,
    };
    let variants = vec![Variant { version: 0, checksum: 0, steps, missing: Vec::new() }];
    Some(Class { name: name.into(), header, variants })
}
