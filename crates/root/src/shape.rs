//! Shapes: values that tell their own length, from numbers to objects within collections within objects.
//!
//! A shape is made once, from class names and streamer infos ([`crate::classes`]), and read many times
//! ([`crate::decode`]). It has no cycles, so that the depth of reading is bounded by the shape's.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields};

use crate::objects::classes::Classes;
use crate::prim::Prim;

/// A value that tells its own length.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    Number(Prim),
    /// A length of one or five bytes, then bytes.
    Text,
    /// A `TObjString`, which stands for its text, with its header or without.
    ObjString(Header),
    /// A length of four bytes, then bytes.
    LongText,
    /// Four bytes of flags, and two more if a flag says so.
    Bits,
    /// A count of four bytes, then items.
    List(Box<Shape>),
    /// Items up to the end of the entry.
    Rest(Box<Shape>),
    /// A fixed number of items.
    Fixed(Box<Shape>, usize),
    /// A byte that says whether they have items, then a fixed number of lists of one length, up to the end of the entry.
    Shared(Box<Shape>),
    /// One header of byte count and version for all values that follow it. If a bit of the version says so, the
    /// members of all items of a collection follow each other, instead of the items.
    Headed(Box<Shape>),
    /// An object.
    Record(Arc<Record>),
    /// An object behind a pointer: null, or the object after the name of its class.
    Pointer(Arc<Record>),
    /// What only its byte count tells the length of: kept as bytes, without the byte count.
    Opaque,
    /// An object of this class, which the file does not describe: there is none where the file was written whole.
    Nothing(Arc<str>),
    /// A value that objects of other versions of the class do not have.
    Optional(Box<Shape>),
    /// The name of the class, a zero, and the object: a `TBranchObject`.
    Named(Arc<Record>),
    /// A collection of objects of any class, as JSON text.
    Any(Arc<Any>),
    /// A `TClonesArray`: the class that its items must have, and whether its own name stands before it.
    Clones(Arc<Record>, bool),
}

/// A collection of ROOT's own, whose items each name their class.
#[derive(Debug)]
pub(crate) struct Any {
    pub(crate) class: Arc<str>,
    /// Whether it stands behind a pointer.
    pub(crate) pointer: bool,
    pub(crate) classes: Arc<Classes>,
}

impl PartialEq for Any {
    fn eq(&self, other: &Self) -> bool {
        // The classes are those of the file.
        (&self.class, self.pointer) == (&other.class, other.pointer)
    }
}

/// The fields of an object, those of its base classes included, and how its class writes them.
#[derive(Debug, PartialEq)]
pub(crate) struct Record {
    pub(crate) fields: Vec<(String, Shape)>,
    pub(crate) class: Class,
    /// Behind a pointer: the classes derived from this one, whose objects may stand there too. Where there are any, the first
    /// field is the name of the object's class, and the others are those of all classes.
    pub(crate) derived: Vec<Class>,
}

/// How a class writes itself.
#[derive(Debug, PartialEq)]
pub(crate) struct Class {
    pub(crate) name: Arc<str>,
    pub(crate) header: Header,
    /// The versions that the file knows: the one that the fields were made for comes first.
    pub(crate) variants: Vec<Variant>,
}

/// What stands before the members of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Header {
    /// A byte count and a version.
    Versioned,
    /// The same, also where the objects of a collection are written member by member.
    Always,
    /// Nothing: objects that are whole branches.
    None,
    /// Nothing, and nothing before members that are collections: the pairs of a map.
    Bare,
}

/// The members of one version of a class.
#[derive(Debug, PartialEq)]
pub(crate) struct Variant {
    pub(crate) version: i32,
    pub(crate) checksum: u32,
    pub(crate) steps: Vec<Step>,
    /// Fields that this version does not have.
    pub(crate) missing: Vec<usize>,
}

/// How a member is read; fields are those of the outermost record.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    Field(usize, Shape),
    /// As many items as an earlier field says; with `times`, that many arrays.
    Counted {
        field: usize,
        item: Shape,
        counter: usize,
        lead: Lead,
        times: Option<usize>,
    },
    /// A base class: its fields are the record's own.
    Base(Class),
    /// A `TObject` whose identity and flags are not kept.
    Skip,
    /// The identity and flags of a `TObject`.
    Identity(usize, usize),
    /// The identity of the object that a `TRef` points to.
    Reference(usize),
    /// Bytes that are not kept.
    Pass(usize),
}

/// What stands before an array whose length is in another member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lead {
    Nothing,
    /// A byte that says whether there are any items.
    Flag,
    /// A header, once for all objects whose members follow each other.
    Header,
}

impl Shape {
    pub(crate) fn data_type(&self) -> DataType {
        match self {
            Self::Number(prim) => prim.data_type(),
            Self::Text | Self::ObjString(_) | Self::LongText | Self::Any(_) => DataType::Utf8,
            Self::Bits => DataType::UInt32,
            Self::Opaque => DataType::Binary,
            Self::Nothing(_) => DataType::Null,
            Self::List(item) | Self::Rest(item) => DataType::List(Arc::new(item.field("item"))),
            Self::Fixed(item, n) => DataType::FixedSizeList(Arc::new(item.field("item")), *n as i32),
            Self::Headed(inner) | Self::Optional(inner) | Self::Shared(inner) => inner.data_type(),
            Self::Record(record) | Self::Pointer(record) | Self::Named(record) => record.data_type(),
            Self::Clones(record, _) => DataType::List(Arc::new(Field::new("item", record.data_type(), true))),
        }
    }

    pub(crate) fn nullable(&self) -> bool {
        match self {
            Self::Pointer(_) | Self::Optional(_) | Self::Nothing(_) => true,
            Self::Headed(inner) => inner.nullable(),
            _ => false,
        }
    }

    /// The Arrow field of a list's items or a record's member.
    pub(crate) fn field(&self, name: &str) -> Field {
        Field::new(name, self.data_type(), self.nullable())
    }

    /// Whether classes of the file's own decide how it is written.
    pub(crate) fn has_objects(&self) -> bool {
        match self {
            Self::Record(_) | Self::Pointer(_) | Self::Named(_) | Self::Clones(..) => true,
            Self::Opaque | Self::Nothing(_) | Self::Any(_) => true,
            Self::List(inner)
            | Self::Rest(inner)
            | Self::Fixed(inner, _)
            | Self::Headed(inner)
            | Self::Optional(inner) => inner.has_objects(),
            _ => false,
        }
    }

    /// Whether a value has no bytes: an object without a header and members.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Record(record) => {
                record.class.header == Header::None
                    && record.class.variants.iter().all(|v| v.steps.is_empty())
            }
            _ => false,
        }
    }

    /// Items that a value of this shape brings along even where the bytes have none: what a null costs.
    pub(crate) fn cost(&self) -> usize {
        match self {
            Self::Fixed(item, n) => item.cost().saturating_mul(*n),
            Self::Headed(inner) | Self::Optional(inner) | Self::Shared(inner) => inner.cost(),
            Self::Record(record) | Self::Pointer(record) => {
                record.fields.iter().fold(1, |sum, (_, shape)| sum.saturating_add(shape.cost()))
            }
            _ => 1,
        }
    }
}

impl Variant {
    /// Whether the members of an object take no bytes, where base classes have no headers.
    pub(crate) fn is_empty(&self) -> bool {
        let empty = |step: &Step| match step {
            Step::Base(class) => {
                class.header == Header::Versioned && class.variants.first().is_none_or(Self::is_empty)
            }
            _ => false,
        };
        self.missing.is_empty() && self.steps.iter().all(empty)
    }
}

impl Record {
    /// An object without members.
    pub(crate) fn empty(class: &str) -> Self {
        let variants = vec![Variant { version: 0, checksum: 0, steps: Vec::new(), missing: Vec::new() }];
        let class = Class { name: class.into(), header: Header::None, variants };
        Self { fields: Vec::new(), class, derived: Vec::new() }
    }

    pub(crate) fn data_type(&self) -> DataType {
        DataType::Struct(self.arrow_fields())
    }

    pub(crate) fn arrow_fields(&self) -> Fields {
        self.fields.iter().map(|(name, shape)| shape.field(name)).collect()
    }
}
