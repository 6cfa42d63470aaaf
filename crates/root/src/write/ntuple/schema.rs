//! What Arrow columns become in an RNTuple: fields, their columns, and the way from an array to the columns.

use arrow_schema::{DataType, Field, Fields, Schema};

use super::super::columns::prim_of;
use crate::prim::Prim;

/// Lists within lists, structs within structs.
const MAX_DEPTH: usize = 32;

/// The structural role of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Leaf = 0,
    Collection = 1,
    Record = 2,
}

/// A field as the header describes it.
#[derive(Debug)]
pub(crate) struct FieldRecord {
    pub(crate) name: String,
    pub(crate) type_name: String,
    pub(crate) description: String,
    pub(crate) parent: u32,
    pub(crate) role: Role,
    /// The items of a fixed-size array.
    pub(crate) repetition: Option<u64>,
}

/// How the elements of a column are stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Bit,
    Char,
    Index,
    /// Whole numbers and reals; `Double32_t` and `Float16_t` do not occur.
    Number(Prim),
}

impl Kind {
    /// Type code and bits on storage. Bytes of numbers are split where columns are compressed.
    pub(crate) fn code(self, split: bool) -> (u16, u16) {
        match (self, split) {
            (Self::Bit, _) => (0x00, 1),
            (Self::Char, _) => (0x02, 8),
            (Self::Index, false) => (0x0F, 64),
            (Self::Index, true) => (0x1B, 64),
            (Self::Number(prim), split) => (number_code(prim, split), 8 * prim.width() as u16),
        }
    }

    /// Bytes of an element in memory.
    pub(crate) fn width(self) -> usize {
        match self {
            Self::Bit | Self::Char => 1,
            Self::Index => 8,
            Self::Number(prim) => prim.width(),
        }
    }
}

/// The type code of a column of numbers.
fn number_code(prim: Prim, split: bool) -> u16 {
    let (plain, in_bytes) = match prim {
        Prim::Bool => (0x00, 0x00),
        Prim::I8 => (0x03, 0x03),
        Prim::U8 => (0x04, 0x04),
        Prim::I16 => (0x05, 0x11),
        Prim::U16 => (0x06, 0x12),
        Prim::I32 => (0x07, 0x13),
        Prim::U32 => (0x08, 0x14),
        Prim::I64 => (0x09, 0x15),
        Prim::U64 => (0x0A, 0x16),
        Prim::F32 | Prim::Packed(_) => (0x0C, 0x18),
        Prim::F64 => (0x0D, 0x19),
    };
    if split { in_bytes } else { plain }
}

/// The name of a number type as RNTuple spells it.
fn number_name(prim: Prim) -> String {
    let name = prim.name();
    if name.ends_with("_t") { format!("std::{name}") } else { name.to_owned() }
}

/// A column, and the field that it belongs to.
#[derive(Debug)]
pub(crate) struct ColumnRecord {
    pub(crate) kind: Kind,
    pub(crate) field: u32,
}

/// How an array's values go into columns, which are named by their numbers.
#[derive(Debug)]
pub(crate) enum Node {
    Bits(usize),
    Numbers(usize),
    Text {
        index: usize,
        chars: usize,
    },
    List {
        index: usize,
        item: Box<Node>,
    },
    Array {
        item: Box<Node>,
        n: usize,
    },
    Record(Vec<Node>),
    /// `std::optional`: an index, and the value where there is one.
    Optional {
        index: usize,
        item: Box<Node>,
    },
}

impl Node {
    /// The highest number of its columns, if it has any: an empty struct has none.
    pub(crate) fn last_column(&self) -> Option<usize> {
        match self {
            Self::Bits(column) | Self::Numbers(column) => Some(*column),
            Self::Text { chars, .. } => Some(*chars),
            Self::List { index, item } | Self::Optional { index, item } => {
                Some(item.last_column().map_or(*index, |last| last.max(*index)))
            }
            Self::Array { item, .. } => item.last_column(),
            Self::Record(nodes) => nodes.iter().filter_map(Self::last_column).max(),
        }
    }
}

/// Everything that the header says of a schema.
#[derive(Debug, Default)]
pub(crate) struct Description {
    pub(crate) fields: Vec<FieldRecord>,
    pub(crate) columns: Vec<ColumnRecord>,
    pub(crate) nodes: Vec<Node>,
}

/// Why an RNTuple cannot hold a column of this type; `None` where it can.
pub fn unwritable_in_ntuple(field: &Field) -> Option<String> {
    Description::default().top(field).err()
}

/// The C++ type of an Arrow field. Structs have none, and neither have lists of them.
fn type_name(field: &Field, depth: usize) -> Result<String, String> {
    if depth > MAX_DEPTH {
        return Err(format!("types nest deeper than {MAX_DEPTH}"));
    }
    let name = match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => "std::string".to_owned(),
        DataType::List(item) | DataType::LargeList(item) => match type_name(item, depth + 1)?.as_str() {
            "" => String::new(),
            inner => format!("std::vector<{inner}>"),
        },
        DataType::FixedSizeList(item, n) => match type_name(item, depth + 1)?.as_str() {
            "" => return Err("an RNTuple has no form for fixed-size arrays of structs".to_owned()),
            inner if *n > 0 => format!("std::array<{inner},{n}>"),
            _ => return Err("an RNTuple has no arrays of no items".to_owned()),
        },
        DataType::Struct(fields) => {
            for field in fields {
                type_name(field, depth + 1)?;
            }
            return Ok(String::new());
        }
        other => match (number_of(other), other) {
            (_, DataType::Boolean) => "bool".to_owned(),
            (Some(prim), _) => number_name(prim),
            (None, other) => return Err(format!("an RNTuple has no form for {other}")),
        },
    };
    match (field.is_nullable(), name.as_str()) {
        (true, "") | (false, _) => Ok(name),
        (true, _) => Ok(format!("std::optional<{name}>")),
    }
}

fn number_of(data_type: &DataType) -> Option<Prim> {
    prim_of(data_type).filter(|prim| *prim != Prim::Bool)
}

fn check_name(name: &str) -> Result<(), String> {
    match name.chars().find(|c| c.is_control() || ". \\/".contains(*c)) {
        Some(c) => Err(format!("{c:?} cannot stand in a field's name")),
        None if name.is_empty() => Err("its name is empty".to_owned()),
        None => Ok(()),
    }
}

impl Description {
    /// An error is a column and the reason.
    pub(crate) fn new(schema: &Schema) -> Result<Self, (String, String)> {
        let mut out = Self::default();
        for field in schema.fields() {
            let node = out.top(field).map_err(|reason| (field.name().clone(), reason))?;
            out.nodes.push(node);
        }
        Ok(out)
    }

    fn top(&mut self, field: &Field) -> Result<Node, String> {
        let parent = self.fields.len() as u32;
        let description = field.metadata().get("title").or_else(|| field.metadata().get("description"));
        let node = self.add(field, field.name(), parent)?;
        if let Some(record) = self.fields.get_mut(parent as usize) {
            record.description = description.cloned().unwrap_or_default();
        }
        Ok(node)
    }

    fn field(&mut self, name: &str, type_name: String, parent: u32, role: Role) -> u32 {
        let (name, description) = (name.to_owned(), String::new());
        self.fields.push(FieldRecord { name, type_name, description, parent, role, repetition: None });
        self.fields.len() as u32 - 1
    }

    fn column(&mut self, field: u32, kind: Kind) -> usize {
        self.columns.push(ColumnRecord { kind, field });
        self.columns.len() - 1
    }

    fn add(&mut self, field: &Field, name: &str, parent: u32) -> Result<Node, String> {
        check_name(name)?;
        let type_name = type_name(field, 0)?;
        if field.is_nullable() && !type_name.is_empty() {
            let id = self.field(name, type_name, parent, Role::Collection);
            let index = self.column(id, Kind::Index);
            let inner = field.clone().with_nullable(false);
            return Ok(Node::Optional { index, item: Box::new(self.add(&inner, "_0", id)?) });
        }
        match field.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 => {
                let id = self.field(name, type_name, parent, Role::Leaf);
                Ok(Node::Text { index: self.column(id, Kind::Index), chars: self.column(id, Kind::Char) })
            }
            DataType::List(item) | DataType::LargeList(item) => {
                let id = self.field(name, type_name, parent, Role::Collection);
                let index = self.column(id, Kind::Index);
                Ok(Node::List { index, item: Box::new(self.add(item, "_0", id)?) })
            }
            DataType::FixedSizeList(item, n) => {
                let n = usize::try_from(*n).map_err(|_| "an array has a negative length".to_owned())?;
                let id = self.field(name, type_name, parent, Role::Leaf);
                self.fields[id as usize].repetition = Some(n as u64);
                Ok(Node::Array { item: Box::new(self.add(item, "_0", id)?), n })
            }
            DataType::Struct(fields) => self.record(fields, name, parent),
            DataType::Boolean => {
                let id = self.field(name, type_name, parent, Role::Leaf);
                Ok(Node::Bits(self.column(id, Kind::Bit)))
            }
            other => match number_of(other) {
                Some(prim) => {
                    let id = self.field(name, type_name, parent, Role::Leaf);
                    Ok(Node::Numbers(self.column(id, Kind::Number(prim))))
                }
                None => Err(format!("an RNTuple has no form for {other}")),
            },
        }
    }

    fn record(&mut self, fields: &Fields, name: &str, parent: u32) -> Result<Node, String> {
        let id = self.field(name, String::new(), parent, Role::Record);
        let nodes = fields.iter().map(|field| self.add(field, field.name(), id));
        Ok(Node::Record(nodes.collect::<Result<_, _>>()?))
    }
}
