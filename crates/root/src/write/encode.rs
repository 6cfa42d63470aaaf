//! Rows of Arrow arrays as the bytes of a branch's entries.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;

use super::arrays::{Lists, first_null, lists, numbers, texts};
use super::columns::{Item, Plan, Shape};

/// The version of a collection's header: "written by a StreamerInfo of version 9".
const VECTOR_VERSION: u16 = 9;
const BYTE_COUNT: u32 = 0x4000_0000;
/// The bytes of one entry, at most: byte counts have 30 bits.
const MAX_ENTRY: usize = (1 << 30) - 2;

/// Entries of a branch that are not yet written.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    pub(crate) data: Vec<u8>,
    /// Where each entry ends in the data; empty where all are of one size.
    pub(crate) ends: Vec<usize>,
    /// Of a jagged branch: the items of each entry.
    pub(crate) counts: Vec<u32>,
}

/// Appends the rows of a batch. Errors are reasons.
pub(crate) fn append(plan: &Plan, batch: &RecordBatch, out: &mut Pending) -> Result<(), String> {
    let Some((&column, path)) = plan.path.split_first() else { return Err("it has no column".to_owned()) };
    let array = batch.column(column);
    match &plan.shape {
        Shape::Fixed { dims, .. } => items(&inner(array, path)?, dims.len(), &mut out.data),
        Shape::Text => text(&inner(array, path)?, out),
        Shape::Jagged { prim, dims } => {
            let lists = list_of(array, path)?;
            let width = dims.iter().product::<usize>() * prim.width();
            let start = out.data.len();
            items(&lists.items, dims.len(), &mut out.data)?;
            for w in lists.offsets.windows(2) {
                let n = w[1] - w[0];
                out.counts.push(count(n)? as u32);
                out.ends.push(start + w[1] * width);
            }
            Ok(())
        }
        Shape::Vector(item) => {
            let lists = list_of(array, path)?;
            let node = Node::new(item, &lists.items)?;
            for w in lists.offsets.windows(2) {
                vector(&node, w[0]..w[1], &mut out.data)?;
                out.ends.push(out.data.len());
            }
            Ok(())
        }
    }
}

fn no_nulls(array: &ArrayRef) -> Result<(), String> {
    match first_null(array) {
        None => Ok(()),
        Some(_) => Err("it holds a null, for which a tree has no form".to_owned()),
    }
}

/// The field of a struct of structs.
fn inner(array: &ArrayRef, path: &[usize]) -> Result<ArrayRef, String> {
    no_nulls(array)?;
    match path.split_first() {
        None => Ok(array.clone()),
        Some((&i, rest)) => match array.as_struct_opt() {
            Some(fields) => inner(fields.column(i), rest),
            None => Err(format!("a struct was expected, not {}", array.data_type())),
        },
    }
}

/// The lists of a column: directly, within a struct, or made of one field of its structs.
fn list_of(array: &ArrayRef, path: &[usize]) -> Result<Lists, String> {
    no_nulls(array)?;
    if let (DataType::Struct(_), Some((&i, rest))) = (array.data_type(), path.split_first()) {
        return list_of(array.as_struct().column(i), rest);
    }
    let Some(Lists { offsets, items }) = lists(array) else {
        return Err(format!("lists were expected, not {}", array.data_type()));
    };
    Ok(Lists { offsets, items: inner(&items, path)? })
}

/// The numbers of fixed-size lists of `depth` dimensions.
fn items(array: &ArrayRef, depth: usize, out: &mut Vec<u8>) -> Result<(), String> {
    no_nulls(array)?;
    if depth > 0 {
        return match array.as_fixed_size_list_opt() {
            Some(list) => items(list.values(), depth - 1, out),
            None => Err(format!("arrays of one size were expected, not {}", array.data_type())),
        };
    }
    match numbers(array, true, out) {
        true => Ok(()),
        false => Err(format!("numbers were expected, not {}", array.data_type())),
    }
}

fn text(array: &ArrayRef, out: &mut Pending) -> Result<(), String> {
    let node = Node::new(&Item::Text, array)?;
    for row in 0..array.len() {
        node.write(row..row + 1, &mut out.data)?;
        out.ends.push(out.data.len());
    }
    Ok(())
}

/// The items of vectors, ready to be written one entry at a time.
enum Node {
    Numbers { bytes: Vec<u8>, width: usize },
    Text { offsets: Vec<usize>, bytes: Vec<u8> },
    Vector { offsets: Vec<usize>, items: Box<Node> },
}

impl Node {
    fn new(item: &Item, array: &ArrayRef) -> Result<Self, String> {
        no_nulls(array)?;
        let other = || format!("items of another type were expected, not {}", array.data_type());
        match item {
            Item::Number(prim) => {
                let mut bytes = Vec::new();
                items(array, 0, &mut bytes)?;
                Ok(Self::Numbers { bytes, width: prim.width() })
            }
            Item::Text => {
                let (offsets, bytes) = texts(array).ok_or_else(other)?;
                Ok(Self::Text { offsets, bytes: bytes.to_vec() })
            }
            Item::Vector(item) => {
                let Lists { offsets, items } = lists(array).ok_or_else(other)?;
                Ok(Self::Vector { offsets, items: Box::new(Self::new(item, &items)?) })
            }
        }
    }

    /// Some items one after the other: within a vector they have no headers but their counts.
    fn write(&self, range: Range<usize>, out: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Self::Numbers { bytes, width } => {
                out.extend_from_slice(&bytes[range.start * width..range.end * width]);
            }
            Self::Text { offsets, bytes } => {
                for w in offsets[range.start..=range.end].windows(2) {
                    let text = &bytes[w[0]..w[1]];
                    match u8::try_from(text.len()) {
                        Ok(n) if n < 255 => out.push(n),
                        _ => {
                            out.push(255);
                            out.extend_from_slice(&count(text.len())?.to_be_bytes());
                        }
                    }
                    out.extend_from_slice(text);
                }
            }
            Self::Vector { offsets, items } => {
                for w in offsets[range.start..=range.end].windows(2) {
                    out.extend_from_slice(&count(w[1] - w[0])?.to_be_bytes());
                    items.write(w[0]..w[1], out)?;
                }
            }
        }
        Ok(())
    }
}

/// A vector as an entry: byte count, version, number of items, items.
fn vector(node: &Node, range: Range<usize>, out: &mut Vec<u8>) -> Result<(), String> {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&VECTOR_VERSION.to_be_bytes());
    out.extend_from_slice(&count(range.len())?.to_be_bytes());
    node.write(range, out)?;
    let bytes = out.len() - start - 4;
    if bytes > MAX_ENTRY {
        return Err(format!("an entry has {bytes} bytes, a tree holds 1 GiB at most"));
    }
    out[start..start + 4].copy_from_slice(&(bytes as u32 | BYTE_COUNT).to_be_bytes());
    Ok(())
}

fn count(n: usize) -> Result<i32, String> {
    i32::try_from(n).map_err(|_| format!("an entry has {n} items"))
}
