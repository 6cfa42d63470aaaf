//! HDF5 files: plain arrays, tables of records, and the frames of pandas.
//!
//! `hdf5-reader` reads what describes a file (superblock, groups, headers, the indexes of chunks). The values are read here:
//! from where they lie in the mapped file, or chunk by chunk, side by side, through the filters that HEP's files have.

mod blosc;
mod dataset;
mod filters;
mod pandas;
mod pickle;

use std::path::Path;
use std::sync::Arc;

use hdf5_reader::error::ByteOrder;
use hdf5_reader::group::Group;
use hdf5_reader::{Datatype, Hdf5File, OpenOptions, StringPadding, StringSize};

pub(crate) use dataset::Dataset;

use super::Error;
use super::array::{Block, Column, Element, Found, Kind, Padding};
use super::bytes::Bytes;

/// The first bytes of an HDF5 file without a user block.
pub(super) const MAGIC: [u8; 8] = *b"\x89HDF\r\n\x1a\n";
/// Groups within groups that are looked into.
const DEEPEST: usize = 16;
/// Datasets and groups that are looked at.
const MOST_OBJECTS: usize = 100_000;

/// What reading needs of an opened file.
struct Opened {
    file: Arc<Hdf5File>,
    bytes: Bytes,
    /// Where addresses count from: a user block moves it away from the first byte.
    base: u64,
}

/// A dataset and where it stands.
struct Node {
    path: String,
    dataset: hdf5_reader::Dataset,
}

/// Looks for the table in a file; `table` names a dataset, a group or the key of a frame.
pub(super) fn open(path: &Path, table: Option<&str>) -> Result<Found, Error> {
    let bad = |error: hdf5_reader::error::Error| Error::malformed(path, error.to_string());
    let bytes = Bytes::map(path)?;
    let options = OpenOptions::default().with_chunk_cache_bytes(0).with_max_read_bytes(1 << 28);
    let file = Arc::new(Hdf5File::from_owner(bytes.clone(), options).map_err(bad)?);
    let base = (bytes.len() as u64).saturating_sub(file.storage().len());
    let opened = Opened { file, bytes, base };
    let Some(name) = table.map(|name| name.trim_matches('/')).filter(|name| !name.is_empty()) else {
        return only_table(&opened, path).map_err(|reason| Error::malformed(path, reason));
    };
    let found = match opened.file.group(name) {
        Ok(group) => of_group(&opened, &group, name),
        Err(_) => match opened.file.dataset(name) {
            Ok(dataset) => single(&opened, &Node { path: name.to_owned(), dataset }),
            Err(_) if name.contains(',') => named(&opened, name),
            Err(error) => {
                let has = names(&opened).map(|names| names.join(", ")).unwrap_or_default();
                return Err(Error::malformed(path, format!("find `{name}`: {error}; it has {has}")));
            }
        },
    };
    let mut found = found.map_err(|reason| Error::malformed(path, format!("`{name}`: {reason}")))?;
    found.table = Some(name.to_owned());
    Ok(found)
}

/// The only frame of a file, else all arrays of it.
fn only_table(opened: &Opened, path: &Path) -> Result<Found, String> {
    let root = opened.file.root_group().map_err(|error| error.to_string())?;
    let mut frames = Vec::new();
    let mut seen = 0;
    find_frames(&root, "", 0, &mut seen, &mut frames)?;
    match frames.as_slice() {
        [] => {}
        [(name, group)] => {
            let mut found = pandas::open(opened, group)?;
            found.table = Some(name.clone());
            return Ok(found);
        }
        several => {
            let names: Vec<&str> = several.iter().map(|(name, _)| name.as_str()).collect();
            return Err(format!("it holds several frames ({}): name one in `tree`", names.join(", ")));
        }
    }
    let mut found = of_group(opened, &root, "")?;
    found.table = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    Ok(found)
}

fn find_frames(
    group: &Group,
    path: &str,
    depth: usize,
    seen: &mut usize,
    frames: &mut Vec<(String, Group)>,
) -> Result<(), String> {
    if depth > DEEPEST {
        return Err(format!("groups within groups within `{path}` go deeper than {DEEPEST}"));
    }
    if pandas::is_frame(group) {
        frames.push((path.to_owned(), group.clone()));
        return Ok(());
    }
    for child in group.groups().map_err(|error| error.to_string())? {
        *seen += 1;
        if *seen > MOST_OBJECTS {
            return Err(format!("it has more than {MOST_OBJECTS} groups"));
        }
        let path = joined(path, child.name());
        find_frames(&child, &path, depth + 1, seen, frames)?;
    }
    Ok(())
}

fn joined(path: &str, name: &str) -> String {
    let name = name.rsplit('/').next().unwrap_or(name);
    if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }
}

/// The datasets of a group and of the groups within it.
fn nodes(group: &Group, path: &str, depth: usize, nodes_so_far: &mut Vec<Node>) -> Result<(), String> {
    let text = |error: hdf5_reader::error::Error| error.to_string();
    if depth > DEEPEST || nodes_so_far.len() > MOST_OBJECTS {
        return Err("it has too many groups or datasets".to_owned());
    }
    let (groups, datasets) = group.members().map_err(text)?;
    for dataset in datasets {
        nodes_so_far.push(Node { path: joined(path, dataset.name()), dataset });
    }
    groups.iter().try_for_each(|child| nodes(child, &joined(path, child.name()), depth + 1, nodes_so_far))
}

fn names(opened: &Opened) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    let root = opened.file.root_group().map_err(|error| error.to_string())?;
    nodes(&root, "", 0, &mut found)?;
    Ok(found.into_iter().map(|node| node.path).collect())
}

/// A group is a frame, or all its arrays, which must have one number of rows.
fn of_group(opened: &Opened, group: &Group, name: &str) -> Result<Found, String> {
    if pandas::is_frame(group) {
        return pandas::open(opened, group);
    }
    let mut found = Vec::new();
    nodes(group, "", 0, &mut found)?;
    found.retain(|node| node.dataset.ndim() > 0);
    let (found, others) = table_of(found);
    let mut found = together(opened, found, name)?;
    found.unreadable.extend(others);
    Ok(found)
}

/// Several datasets that are named together.
fn named(opened: &Opened, names: &str) -> Result<Found, String> {
    let mut found = Vec::new();
    for path in names.split(',').map(|name| name.trim().trim_matches('/')) {
        let dataset = opened.file.dataset(path).map_err(|error| format!("find `{path}`: {error}"))?;
        found.push(Node { path: path.to_owned(), dataset });
    }
    together(opened, found, names)
}

fn rows_of(node: &Node) -> u64 {
    node.dataset.shape().first().copied().unwrap_or(0)
}

/// The datasets that make the table of a group: where those within its groups have other numbers of rows than its own, which have
/// one, they stand beside it, with the reason. Such are the counters in the files of ATLAS's flavour tagging.
fn table_of(found: Vec<Node>) -> (Vec<Node>, Vec<(String, String)>) {
    let own = || found.iter().filter(|node| !node.path.contains('/'));
    let Some(first) = own().next().map(|node| (node.path.clone(), rows_of(node))) else {
        return (found, Vec::new());
    };
    let (name, rows) = first;
    if own().any(|node| rows_of(node) != rows) {
        return (found, Vec::new());
    }
    let (table, others): (Vec<Node>, Vec<Node>) = found.into_iter().partition(|node| rows_of(node) == rows);
    let reason = |node: &Node| format!("it has {} rows, where `{name}` has {rows}", rows_of(node));
    (table, others.into_iter().map(|node| (node.path.clone(), reason(&node))).collect())
}

/// Datasets as one table, which must have one number of rows.
fn together(opened: &Opened, found: Vec<Node>, name: &str) -> Result<Found, String> {
    let Some(first) = found.first() else { return Err("it holds no arrays".to_owned()) };
    let rows = rows_of(first);
    if found.iter().any(|node| rows_of(node) != rows) {
        let list = found.iter().map(|node| format!("{} {:?}", node.path, node.dataset.shape()));
        let list: Vec<String> = list.collect();
        return Err(format!(
            "its arrays have different numbers of rows ({}): name one of them, several (\"a,b\"), or a group, in `tree`",
            list.join(", ")
        ));
    }
    if let [only] = found.as_slice() {
        let mut found = single(opened, only)?;
        found.table = Some(name.to_owned());
        return Ok(found);
    }
    let mut table = Found { rows, ..Found::default() };
    for node in found {
        let prefix = format!("{}.", node.path);
        add(opened, &mut table, &node, &prefix);
    }
    Ok(table)
}

/// A dataset alone: its records' members have no prefix.
fn single(opened: &Opened, node: &Node) -> Result<Found, String> {
    let rows = node.dataset.shape().first().copied().ok_or("it is a single value and has no rows")?;
    let mut found = Found { rows, ..Found::default() };
    add(opened, &mut found, node, "");
    Ok(found)
}

/// Adds the columns of a dataset: one, or one for each member of its records.
fn add(opened: &Opened, found: &mut Found, node: &Node, prefix: &str) {
    let name = joined("", &node.path);
    let name = if prefix.is_empty() { name } else { node.path.clone() };
    let block = match Dataset::new(&opened.file, &opened.bytes, opened.base, &node.dataset) {
        Ok(block) => block,
        Err(reason) => return found.unreadable.push((name, reason)),
    };
    let dims: Option<Vec<usize>> = block.shape()[1..].iter().map(|dim| usize::try_from(*dim).ok()).collect();
    let Some(dims) = dims else { return found.unreadable.push((name, "its rows are too long".to_owned())) };
    let members = match node.dataset.dtype() {
        Datatype::Compound { fields, .. } => fields
            .iter()
            .map(|field| (format!("{prefix}{}", field.name), field.byte_offset as usize, &field.datatype))
            .collect(),
        other => vec![(name, 0, other)],
    };
    let element_bytes = node.dataset.raw_element_size().unwrap_or(0);
    for (name, offset, data_type) in members {
        match element(data_type) {
            Ok((element, inner)) => {
                let outer_strides = super::array::dense_strides(&dims, element_bytes);
                let inner_strides = super::array::dense_strides(&inner, element.size);
                let column = Column {
                    name,
                    block: found.blocks.len(),
                    element,
                    origin: offset,
                    dims: [dims.clone(), inner].concat(),
                    strides: [outer_strides, inner_strides].concat(),
                };
                found.columns.push(column);
            }
            Err(reason) => found.unreadable.push((name, reason)),
        }
    }
    found.blocks.push(Block::Hdf5(Box::new(block)));
}

/// The values of a type, and the axes of an array of them.
fn element(data_type: &Datatype) -> Result<(Element, Vec<usize>), String> {
    let scalar = |kind, size: usize, order: &ByteOrder| {
        Ok((Element { kind, size, is_big_endian: *order == ByteOrder::BigEndian }, Vec::new()))
    };
    match data_type {
        Datatype::FixedPoint { size, signed, byte_order } => {
            scalar(if *signed { Kind::Signed } else { Kind::Unsigned }, usize::from(*size), byte_order)
        }
        Datatype::FloatingPoint { size, byte_order } => scalar(Kind::Float, usize::from(*size), byte_order),
        // PyTables' booleans.
        Datatype::Bitfield { size: 1, byte_order } => scalar(Kind::Bool, 1, byte_order),
        Datatype::Bitfield { size, byte_order } => scalar(Kind::Unsigned, usize::from(*size), byte_order),
        Datatype::String { size: StringSize::Fixed(size), padding, .. } => {
            let padding = match padding {
                StringPadding::NullTerminate => Padding::Terminated,
                StringPadding::NullPad => Padding::Zeros,
                StringPadding::SpacePad => Padding::Spaces,
            };
            scalar(Kind::Text(padding), *size as usize, &ByteOrder::LittleEndian)
        }
        Datatype::Enum { base, members } => {
            let (mut inner, dims) = element(base)?;
            // h5py's booleans.
            let mut names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
            names.sort_unstable();
            if names == ["FALSE", "TRUE"] && inner.size == 1 {
                inner.kind = Kind::Bool;
            }
            Ok((inner, dims))
        }
        Datatype::Array { base, dims } => {
            let (inner, inner_dims) = element(base)?;
            let dims: Option<Vec<usize>> = dims.iter().map(|dim| usize::try_from(*dim).ok()).collect();
            Ok((inner, [dims.ok_or("its arrays are too long")?, inner_dims].concat()))
        }
        Datatype::Compound { .. } => Err("records within records cannot be read".to_owned()),
        Datatype::VarLen { .. } | Datatype::String { size: StringSize::Variable, .. } => {
            Err("values of variable length cannot be read".to_owned())
        }
        Datatype::Opaque { tag, .. } => Err(format!("opaque values ({tag}) cannot be read")),
        Datatype::Reference { .. } => Err("references cannot be read".to_owned()),
    }
}
