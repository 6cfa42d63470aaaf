//! What the fields mean: from the schema to a tree of nodes that can be read, with their Arrow types.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields};

use super::columns::{ColumnKind, Stored, Target};
use super::schema::{STREAMED, Schema};
use crate::classes::{Classes, is_collection};
use crate::prim::Prim;
use crate::shape::Shape;
use crate::streamer::Streamers;

/// Fields nest no deeper than this; a file that says otherwise is broken.
const MAX_DEPTH: usize = 64;

/// The most alternatives that a variant can have.
const MAX_ALTERNATIVES: usize = 125;

/// One of a field's columns, in each of its representations: in every cluster one of them has the values.
pub(crate) type Columns = Vec<u32>;

/// A field that can be read.
#[derive(Debug)]
pub(crate) enum Node {
    /// Numbers or booleans.
    Number { columns: Columns, prim: Prim },
    /// Lists of items, told apart by where each ends.
    List { ends: Columns, item: Arc<Node>, of: Lists },
    /// The lengths of lists without their items.
    Lengths { ends: Columns, wide: bool },
    /// Arrays of one size.
    Array { size: i32, item: Arc<Node> },
    /// Values side by side.
    Record(Vec<Member>),
    /// One of several types in each entry.
    Variant { switch: Columns, items: Vec<Arc<Node>> },
}

/// What a row of items stands for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Lists {
    Items,
    /// Characters: a text.
    Text,
    /// One item or none.
    Optional,
    /// Bytes: an object that a ROOT streamer wrote.
    Streamed(Arc<Shape>),
}

/// A part of a record.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) name: Arc<str>,
    pub(crate) field: u32,
    pub(crate) node: Arc<Node>,
}

impl Node {
    /// The Arrow type, and whether values may be missing.
    pub(crate) fn data_type(&self) -> (DataType, bool) {
        let kind = match self {
            Self::Number { prim, .. } => prim.data_type(),
            Self::Lengths { wide, .. } => {
                if *wide {
                    DataType::UInt64
                } else {
                    DataType::UInt32
                }
            }
            Self::List { of: Lists::Text, .. } => DataType::Utf8,
            Self::List { of: Lists::Streamed(shape), .. } => shape.data_type(),
            Self::List { of: Lists::Optional, item, .. } => return (item.data_type().0, true),
            Self::List { item, .. } => DataType::List(item.field("item")),
            Self::Array { size, item } => DataType::FixedSizeList(item.field("item"), *size),
            Self::Record(members) => {
                DataType::Struct(members.iter().map(|member| member.node.field(&*member.name)).collect())
            }
            Self::Variant { items, .. } => DataType::Struct(variant_fields(items)),
        };
        (kind, false)
    }

    pub(crate) fn field(&self, name: impl Into<String>) -> Arc<Field> {
        let (kind, nullable) = self.data_type();
        Arc::new(Field::new(name, kind, nullable))
    }

    /// The columns of this node and all below.
    pub(crate) fn columns(&self, out: &mut Vec<u32>) {
        match self {
            Self::Number { columns, .. } | Self::Lengths { ends: columns, .. } => out.extend(columns),
            Self::List { ends, item, .. } => {
                out.extend(ends);
                item.columns(out);
            }
            Self::Array { item, .. } => item.columns(out),
            Self::Record(members) => members.iter().for_each(|member| member.node.columns(out)),
            Self::Variant { switch, items } => {
                out.extend(switch);
                items.iter().for_each(|item| item.columns(out));
            }
        }
    }

    /// How many nodes there are from here down.
    pub(crate) fn size(&self) -> usize {
        1 + match self {
            Self::Number { .. } | Self::Lengths { .. } => 0,
            Self::List { item, .. } | Self::Array { item, .. } => item.size(),
            Self::Record(members) => members.iter().map(|member| member.node.size()).sum(),
            Self::Variant { items, .. } => items.iter().map(|item| item.size()).sum(),
        }
    }

    /// The members of the records in this node, each within the lists that the record is in: of a list of records with
    /// `pt` and `eta`, a list of `pt` and one of `eta`.
    pub(crate) fn members(&self) -> Vec<Member> {
        let within = |item: &Node, wrap: &dyn Fn(Arc<Node>) -> Node| {
            let members = item.members().into_iter();
            members.map(|member| Member { node: Arc::new(wrap(member.node)), ..member }).collect()
        };
        match self {
            Self::Record(members) => members.clone(),
            Self::List { ends, item, of } => {
                within(item, &|item| Self::List { ends: ends.clone(), item, of: of.clone() })
            }
            Self::Array { size, item } => within(item, &|item| Self::Array { size: *size, item }),
            _ => Vec::new(),
        }
    }
}

/// A variant in Arrow: which type it holds (0 for none, else one more than the number of the field), and a field for
/// each type, null where the variant holds another.
pub(crate) fn variant_fields(items: &[Arc<Node>]) -> Fields {
    let tag = Arc::new(Field::new("tag", DataType::UInt8, false));
    let alternative =
        |(i, item): (usize, &Arc<Node>)| Arc::new(Field::new(format!("_{i}"), item.data_type().0, true));
    std::iter::once(tag).chain(items.iter().enumerate().map(alternative)).collect()
}

/// Makes the nodes of fields.
pub(crate) struct Builder<'a> {
    schema: &'a Schema,
    /// Bytes left for names that are put together: they repeat in all that is below them, and a broken file could make
    /// that endless.
    names: Cell<usize>,
    /// For what ROOT streamers wrote.
    classes: RefCell<Classes<'a>>,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(schema: &'a Schema, streamers: &'a Streamers) -> Self {
        let bytes = schema.fields.iter().map(|field| field.name.len() + field.type_name.len());
        Self {
            schema,
            names: Cell::new(bytes.sum::<usize>().saturating_mul(MAX_DEPTH)),
            classes: RefCell::new(Classes::new(streamers)),
        }
    }

    /// The node of a field.
    ///
    /// # Errors
    /// The reason why the field cannot be read.
    pub(crate) fn node(&self, id: u32) -> Result<Arc<Node>, String> {
        self.field(id, 0).map(Arc::new)
    }

    /// Two names as one, such as "jets.pt".
    pub(crate) fn join(&self, path: &str, between: &str, name: &str) -> Result<String, String> {
        match self.names.get().checked_sub(path.len() + between.len() + name.len()) {
            Some(left) => self.names.set(left),
            None => return Err("the names of its fields are too long".into()),
        }
        Ok(format!("{path}{between}{name}"))
    }

    fn field(&self, id: u32, depth: usize) -> Result<Node, String> {
        if depth > MAX_DEPTH {
            return Err(format!("its fields nest deeper than {MAX_DEPTH}"));
        }
        let record = &self.schema.fields[id as usize];
        if record.version != 0 {
            return Err(format!(
                "{} is written in version {}, which is not known",
                self.name(id),
                record.version
            ));
        }
        match record.role {
            0 => self.leaf(id, depth),
            1 => self.collection(id, depth),
            2 => {
                let mut members = Vec::new();
                self.members(id, &[], depth, &mut members)?;
                self.named(members).map(Node::Record)
            }
            3 => self.variant(id, depth),
            STREAMED => self.streamed(id),
            role => Err(format!("{} has a structure that is not known ({role})", self.name(id))),
        }
    }

    fn name(&self, id: u32) -> String {
        let record = &self.schema.fields[id as usize];
        format!("{} {:?}", if record.type_name.is_empty() { "field" } else { &record.type_name }, record.name)
    }

    fn children(&self, id: u32) -> &[u32] {
        &self.schema.children[id as usize]
    }

    fn only_child(&self, id: u32, depth: usize) -> Result<Arc<Node>, String> {
        match self.children(id) {
            [child] => self.field(*child, depth + 1).map(Arc::new),
            children => Err(format!("{} has {} parts instead of one", self.name(id), children.len())),
        }
    }

    fn leaf(&self, id: u32, depth: usize) -> Result<Node, String> {
        let record = &self.schema.fields[id as usize];
        if let Some(size) = record.repetition {
            let size = i32::try_from(size).map_err(|_| format!("{} has {size} items", self.name(id)))?;
            let item = match self.children(id) {
                // Bits have no field of their own.
                [] => Arc::new(self.number(id, Some(Prim::Bool))?),
                _ => self.only_child(id, depth)?,
            };
            return Ok(Node::Array { size, item });
        }
        let name = record.type_name.as_str();
        if name.starts_with("ROOT::RNTupleCardinality<") {
            let ends = self.one_column(id, Target::Index)?;
            return Ok(Node::Lengths { ends, wide: name.contains("64") });
        }
        if name == "std::string" {
            return self.bytes(id, Lists::Text);
        }
        // Enumerations and atomic values have no columns but a field that has.
        if self.schema.columns_of[id as usize].is_empty() && self.children(id).len() == 1 {
            return self.field(self.children(id)[0], depth + 1);
        }
        self.number(id, number_type(name))
    }

    /// Lists of bytes, that stand for something else.
    fn bytes(&self, id: u32, of: Lists) -> Result<Node, String> {
        let [ends, bytes] = self.columns::<2>(id)?;
        self.check(id, &ends, Target::Index)?;
        self.check(id, &bytes, Target::Number(Prim::U8))?;
        let item = Arc::new(Node::Number { columns: bytes, prim: Prim::U8 });
        Ok(Node::List { ends, item, of })
    }

    /// An object that a ROOT streamer wrote, as into a branch that is not split.
    fn streamed(&self, id: u32) -> Result<Node, String> {
        let name = self.schema.fields[id as usize].type_name.as_str();
        let shape = self.classes.borrow_mut().value(name)?;
        let shape = if is_collection(name) { Shape::Headed(Box::new(shape)) } else { shape };
        self.bytes(id, Lists::Streamed(Arc::new(shape)))
    }

    fn number(&self, id: u32, prim: Option<Prim>) -> Result<Node, String> {
        let [columns] = self.columns::<1>(id)?;
        let prim = match (prim, columns.first()) {
            (Some(prim), _) => prim,
            (None, Some(&first)) => self.stored_type(first)?,
            (None, None) => return Err(format!("{} has no columns", self.name(id))),
        };
        self.check(id, &columns, Target::Number(prim))?;
        Ok(Node::Number { columns, prim })
    }

    /// The type of numbers that a column holds, for fields whose own type is not known to us.
    fn stored_type(&self, column: u32) -> Result<Prim, String> {
        Ok(match ColumnKind::of(&self.schema.columns[column as usize])?.stored {
            Stored::Bit => Prim::Bool,
            Stored::Number(prim) => prim,
            Stored::Char => Prim::I8,
            Stored::Half | Stored::Truncated | Stored::Quantised { .. } => Prim::F32,
            stored @ (Stored::Index { .. } | Stored::Switch) => {
                return Err(format!("a column of {stored:?} holds no numbers"));
            }
        })
    }

    fn collection(&self, id: u32, depth: usize) -> Result<Node, String> {
        let ends = self.one_column(id, Target::Index)?;
        let item = self.only_child(id, depth)?;
        let name = self.schema.fields[id as usize].type_name.as_str();
        let optional = name.starts_with("std::optional<") || name.starts_with("std::unique_ptr<");
        Ok(Node::List { ends, item, of: if optional { Lists::Optional } else { Lists::Items } })
    }

    /// The members of a class, each with the base classes that it comes from, the nearest first. Those of base classes come
    /// first, as in memory.
    fn members(
        &self,
        id: u32,
        bases: &[u32],
        depth: usize,
        out: &mut Vec<(Vec<u32>, Member)>,
    ) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!("its fields nest deeper than {MAX_DEPTH}"));
        }
        for &child in self.children(id) {
            let record = &self.schema.fields[child as usize];
            if record.name.starts_with(":_") && record.role == 2 {
                let bases = [bases, &[child]].concat();
                self.members(child, &bases, depth + 1, out)?;
            } else {
                let node = Arc::new(self.field(child, depth + 1)?);
                let name = record.name.as_str().into();
                out.push((bases.to_vec(), Member { name, field: child, node }));
            }
        }
        Ok(())
    }

    /// Gives members that have the name of another as many of their base classes as tell them apart: "Base::x".
    fn named(&self, members: Vec<(Vec<u32>, Member)>) -> Result<Vec<Member>, String> {
        let (bases, mut members): (Vec<_>, Vec<_>) = members.into_iter().unzip();
        let plain: Vec<_> = members.iter().map(|member| Arc::clone(&member.name)).collect();
        for level in 1..=MAX_DEPTH {
            let mut times: BTreeMap<Arc<str>, usize> = BTreeMap::new();
            members.iter().for_each(|member| *times.entry(Arc::clone(&member.name)).or_default() += 1);
            let mut changed = false;
            for (i, member) in members.iter_mut().enumerate() {
                if times.get(&member.name).is_some_and(|&n| n > 1) && bases[i].len() >= level {
                    let mut path = String::new();
                    for &base in &bases[i][..level] {
                        path = self.join(&path, &self.schema.fields[base as usize].type_name, "::")?;
                    }
                    member.name = self.join(&path, "", &plain[i])?.into();
                    changed = true;
                }
            }
            if !changed {
                break;
            }
        }
        Ok(members)
    }

    fn variant(&self, id: u32, depth: usize) -> Result<Node, String> {
        let switch = self.one_column(id, Target::Switch)?;
        let children = self.children(id);
        if children.len() > MAX_ALTERNATIVES {
            return Err(format!("{} has {} alternatives", self.name(id), children.len()));
        }
        let items = children.iter().map(|&child| self.field(child, depth + 1).map(Arc::new));
        Ok(Node::Variant { switch, items: items.collect::<Result<_, _>>()? })
    }

    fn one_column(&self, id: u32, target: Target) -> Result<Columns, String> {
        let [columns] = self.columns::<1>(id)?;
        self.check(id, &columns, target)?;
        Ok(columns)
    }

    fn check(&self, id: u32, columns: &[u32], target: Target) -> Result<(), String> {
        for &column in columns {
            let kind = ColumnKind::of(&self.schema.columns[column as usize])?;
            if let Some(reason) = kind.refuses(target) {
                return Err(format!("{}: {reason}", self.name(id)));
            }
        }
        Ok(())
    }

    /// The `N` columns of a field, each with its representations.
    fn columns<const N: usize>(&self, id: u32) -> Result<[Columns; N], String> {
        let record = &self.schema.fields[id as usize];
        let mut own = &self.schema.columns_of[id as usize];
        // Alias columns may be left out where the field's source says it all.
        if own.is_empty()
            && let Some(columns) =
                record.source.and_then(|source| self.schema.columns_of.get(source as usize))
        {
            own = columns;
        }
        let mut representations: BTreeMap<u16, Vec<u32>> = BTreeMap::new();
        for &column in own {
            let representation = self.schema.columns[column as usize].representation;
            representations.entry(representation).or_default().push(column);
        }
        let mut out = [const { Vec::new() }; N];
        for columns in representations.into_values() {
            if columns.len() != N {
                return Err(format!("{} has {} columns instead of {N}", self.name(id), columns.len()));
            }
            out.iter_mut().zip(columns).for_each(|(out, column)| out.push(column));
        }
        match out.first().is_some_and(|columns| !columns.is_empty()) {
            true => Ok(out),
            false => Err(format!("{} has no columns", self.name(id))),
        }
    }
}

/// The type of numbers that a C++ type stands for.
fn number_type(name: &str) -> Option<Prim> {
    match name.strip_prefix("std::").unwrap_or(name) {
        "byte" => Some(Prim::U8),
        name => match Prim::from_name(name) {
            Some(Prim::Packed(packed)) => Some(if packed.double { Prim::F64 } else { Prim::F32 }),
            prim => prim,
        },
    }
}
