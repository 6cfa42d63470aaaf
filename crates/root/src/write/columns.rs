//! What Arrow columns become in a tree: branches of numbers, arrays, jagged arrays, strings and vectors.

use arrow_schema::{DataType, Field, Schema};

use crate::prim::Prim;

/// Dimensions beyond this are no data, and readers multiply them.
const MAX_ITEMS: usize = 1 << 24;
/// Vectors within vectors, and structs within structs.
const MAX_DEPTH: usize = 16;

/// A branch, and the way from the batch's column to its values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    pub(crate) name: String,
    pub(crate) title: String,
    /// The column, then the fields of structs on the way.
    pub(crate) path: Vec<usize>,
    pub(crate) shape: Shape,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    /// As many numbers for each entry as the dimensions say; none for one number.
    Fixed { prim: Prim, dims: Vec<usize> },
    /// A list of such, whose length a counter tells. Lists of structs give several branches, with one list.
    Jagged { prim: Prim, dims: Vec<usize> },
    /// `std::string`.
    Text,
    /// `std::vector` of anything but plain numbers.
    Vector(Item),
}

/// What a `std::vector` holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Item {
    Number(Prim),
    Text,
    Vector(Box<Item>),
}

impl Item {
    /// The C++ type, as ROOT spells it.
    pub(crate) fn type_name(&self) -> String {
        match self {
            Self::Number(prim) => leaf_type(*prim).1.to_owned(),
            Self::Text => "string".to_owned(),
            Self::Vector(item) => vector_name(item),
        }
    }
}

/// `vector<T>`; a closing bracket keeps its distance from another.
pub(crate) fn vector_name(item: &Item) -> String {
    let inner = item.type_name();
    let space = if inner.ends_with('>') { " " } else { "" };
    format!("vector<{inner}{space}>")
}

/// The letter in leaf lists and the C++ type.
pub(crate) fn leaf_type(prim: Prim) -> (char, &'static str) {
    match prim {
        Prim::Bool => ('O', "bool"),
        Prim::I8 => ('B', "char"),
        Prim::U8 => ('b', "unsigned char"),
        Prim::I16 => ('S', "short"),
        Prim::U16 => ('s', "unsigned short"),
        Prim::I32 => ('I', "int"),
        Prim::U32 => ('i', "unsigned int"),
        Prim::I64 => ('L', "Long64_t"),
        Prim::U64 => ('l', "ULong64_t"),
        Prim::F32 => ('F', "float"),
        Prim::F64 | Prim::Packed(_) => ('D', "double"),
    }
}

/// The number type of an Arrow type, if it is one.
pub(crate) fn prim_of(data_type: &DataType) -> Option<Prim> {
    Some(match data_type {
        DataType::Boolean => Prim::Bool,
        DataType::Int8 => Prim::I8,
        DataType::UInt8 => Prim::U8,
        DataType::Int16 => Prim::I16,
        DataType::UInt16 => Prim::U16,
        DataType::Int32 => Prim::I32,
        DataType::UInt32 => Prim::U32,
        DataType::Int64 => Prim::I64,
        DataType::UInt64 => Prim::U64,
        DataType::Float32 => Prim::F32,
        DataType::Float64 => Prim::F64,
        _ => return None,
    })
}

/// Why a tree cannot hold a column of this type; `None` where it can.
pub fn unwritable_in_tree(field: &Field) -> Option<String> {
    add(field, field.name(), &mut vec![0], &mut Vec::new(), 0).err()
}

/// The branches of every column, in the order of the schema.
pub(crate) fn plans(schema: &Schema) -> Result<Vec<Plan>, (String, String)> {
    let mut out = Vec::new();
    for (i, field) in schema.fields().iter().enumerate() {
        add(field, field.name(), &mut vec![i], &mut out, 0)
            .map_err(|reason| (field.name().clone(), reason))?;
    }
    Ok(out)
}

fn add(
    field: &Field,
    name: &str,
    path: &mut Vec<usize>,
    out: &mut Vec<Plan>,
    depth: usize,
) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err(format!("structs nest deeper than {MAX_DEPTH}"));
    }
    check_name(name)?;
    let title = field.metadata().get("title").or_else(|| field.metadata().get("description"));
    let mut push = |shape| {
        let title = title.cloned().unwrap_or_default();
        out.push(Plan { name: name.to_owned(), title, path: path.clone(), shape });
    };
    match field.data_type() {
        DataType::Struct(fields) => members(fields, name, path, out, depth),
        DataType::Utf8 | DataType::LargeUtf8 => {
            push(Shape::Text);
            Ok(())
        }
        DataType::List(item) | DataType::LargeList(item) => match item.data_type() {
            // A list of structs is a list of each of its fields.
            DataType::Struct(fields) => {
                for (i, field) in fields.iter().enumerate() {
                    let list = DataType::List(field.clone());
                    let name = format!("{name}_{}", field.name());
                    path.push(i);
                    add(&Field::new(&name, list, false), &name, path, out, depth + 1)?;
                    path.pop();
                }
                Ok(())
            }
            inner => {
                match array_of(inner)? {
                    Some((prim, dims)) => push(Shape::Jagged { prim, dims }),
                    None => push(Shape::Vector(item_of(inner, 0)?)),
                }
                Ok(())
            }
        },
        other => match array_of(other)? {
            Some((prim, dims)) => {
                push(Shape::Fixed { prim, dims });
                Ok(())
            }
            None => Err(format!("a tree has no form for {other}")),
        },
    }
}

fn members(
    fields: &arrow_schema::Fields,
    name: &str,
    path: &mut Vec<usize>,
    out: &mut Vec<Plan>,
    depth: usize,
) -> Result<(), String> {
    for (i, field) in fields.iter().enumerate() {
        path.push(i);
        add(field, &format!("{name}_{}", field.name()), path, out, depth + 1)?;
        path.pop();
    }
    Ok(())
}

/// ROOT takes these apart: a slash separates directories, the others belong to leaf lists and expressions.
fn check_name(name: &str) -> Result<(), String> {
    match name.chars().find(|c| c.is_control() || "/[]:;".contains(*c)) {
        Some(c) => Err(format!("{c:?} cannot stand in a branch's name")),
        None if name.is_empty() => Err("its name is empty".to_owned()),
        None => Ok(()),
    }
}

/// A number, or a fixed-size list of them.
fn array_of(data_type: &DataType) -> Result<Option<(Prim, Vec<usize>)>, String> {
    let mut dims = Vec::new();
    let mut inner = data_type;
    while let DataType::FixedSizeList(item, n) = inner {
        let n = usize::try_from(*n).ok().filter(|&n| n > 0).ok_or("a tree has no arrays of no items")?;
        dims.push(n);
        inner = item.data_type();
    }
    if dims.iter().try_fold(1usize, |all, &n| all.checked_mul(n)).is_none_or(|all| all > MAX_ITEMS) {
        return Err(format!("its arrays have more than {MAX_ITEMS} items"));
    }
    match prim_of(inner) {
        Some(prim) => Ok(Some((prim, dims))),
        None if dims.is_empty() => Ok(None),
        None => Err(format!("a tree has no form for fixed-size arrays of {inner}")),
    }
}

fn item_of(data_type: &DataType, depth: usize) -> Result<Item, String> {
    if depth > MAX_DEPTH {
        return Err(format!("lists nest deeper than {MAX_DEPTH}"));
    }
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 => Ok(Item::Text),
        DataType::List(item) | DataType::LargeList(item) => {
            Ok(Item::Vector(Box::new(item_of(item.data_type(), depth + 1)?)))
        }
        other => match prim_of(other) {
            Some(prim) => Ok(Item::Number(prim)),
            None => Err(format!("a tree has no form for lists of {other}")),
        },
    }
}
