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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bit,
    Char,
    Index,
    Number(Number),
}

/// The numbers of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number {
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    F32,
    F64,
}

impl Kind {
    /// Type code and bits on storage. Bytes of numbers are split where columns are compressed.
    pub(crate) fn code(self, split: bool) -> (u16, u16) {
        match (self, split) {
            (Self::Bit, _) => (0x00, 1),
            (Self::Char, _) => (0x02, 8),
            (Self::Index, false) => (0x0F, 64),
            (Self::Index, true) => (0x1B, 64),
            (Self::Number(number), split) => number.code(split),
        }
    }

    /// Bytes of an element in memory.
    pub(crate) fn width(self) -> usize {
        match self {
            Self::Bit | Self::Char => 1,
            Self::Index => 8,
            Self::Number(number) => usize::from(number.code(false).1 / 8),
        }
    }
}

impl Number {
    fn code(self, split: bool) -> (u16, u16) {
        match (self, split) {
            (Self::I8, _) => (0x03, 8),
            (Self::U8, _) => (0x04, 8),
            (Self::I16, false) => (0x05, 16),
            (Self::U16, false) => (0x06, 16),
            (Self::I32, false) => (0x07, 32),
            (Self::U32, false) => (0x08, 32),
            (Self::I64, false) => (0x09, 64),
            (Self::U64, false) => (0x0A, 64),
            (Self::F32, false) => (0x0C, 32),
            (Self::F64, false) => (0x0D, 64),
            (Self::I16, true) => (0x11, 16),
            (Self::U16, true) => (0x12, 16),
            (Self::I32, true) => (0x13, 32),
            (Self::U32, true) => (0x14, 32),
            (Self::I64, true) => (0x15, 64),
            (Self::U64, true) => (0x16, 64),
            (Self::F32, true) => (0x18, 32),
            (Self::F64, true) => (0x19, 64),
        }
    }

    fn type_name(self) -> &'static str {
        match self {
            Self::I8 => "std::int8_t",
            Self::U8 => "std::uint8_t",
            Self::I16 => "std::int16_t",
            Self::U16 => "std::uint16_t",
            Self::I32 => "std::int32_t",
            Self::U32 => "std::uint32_t",
            Self::I64 => "std::int64_t",
            Self::U64 => "std::uint64_t",
            Self::F32 => "float",
            Self::F64 => "double",
        }
    }
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
            (Some(number), _) => number.type_name().to_owned(),
            (None, other) => return Err(format!("an RNTuple has no form for {other}")),
        },
    };
    match (field.is_nullable(), name.as_str()) {
        (true, "") | (false, _) => Ok(name),
        (true, _) => Ok(format!("std::optional<{name}>")),
    }
}

fn number_of(data_type: &DataType) -> Option<Number> {
    Some(match prim_of(data_type)? {
        Prim::I8 => Number::I8,
        Prim::U8 => Number::U8,
        Prim::I16 => Number::I16,
        Prim::U16 => Number::U16,
        Prim::I32 => Number::I32,
        Prim::U32 => Number::U32,
        Prim::I64 => Number::I64,
        Prim::U64 => Number::U64,
        Prim::F32 => Number::F32,
        Prim::F64 => Number::F64,
        Prim::Bool | Prim::Packed(_) => return None,
    })
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
                Some(number) => {
                    let id = self.field(name, type_name, parent, Role::Leaf);
                    Ok(Node::Numbers(self.column(id, Kind::Number(number))))
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
