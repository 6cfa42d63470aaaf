//! The two layouts in which pandas writes a frame: `fixed` (arrays of a type side by side) and `table` (records).
//!
//! Columns that are numbered, such as `E_0` to `E_199`, are one column of lists, `E`; those of a frame whose columns are
//! numbers alone are `values`.

use std::collections::BTreeMap;

use hdf5_reader::group::Group;
use hdf5_reader::{Attribute, Datatype};

use super::pickle::{Label, labels};
use super::{Dataset, Node, Opened, add, element};
use crate::source::array::{Block, Column, Found, Padding, trimmed};

/// Fewer numbered columns than this stay as they are.
const SHORTEST_LIST: usize = 3;

/// Whether a group is a frame.
pub(super) fn is_frame(group: &Group) -> bool {
    kind(group).is_some_and(|kind| kind.starts_with("frame"))
}

fn kind(group: &Group) -> Option<String> {
    text(&group.attribute("pandas_type").ok()?)
}

/// A text that is an attribute's value.
fn text(attribute: &Attribute) -> Option<String> {
    let text = std::str::from_utf8(trimmed(&attribute.raw_data, Padding::Zeros)).ok()?;
    Some(text.to_owned())
}

/// The columns of a frame.
pub(super) fn open(opened: &Opened, group: &Group) -> Result<Found, String> {
    let kind = kind(group).ok_or("it is no frame")?;
    let mut found = match kind.as_str() {
        "frame" => fixed(opened, group)?,
        "frame_table" => table(opened, group)?,
        other => return Err(format!("frames of the kind {other} cannot be read")),
    };
    found.columns = with_lists(std::mem::take(&mut found.columns));
    Ok(found)
}

/// `axis1` has the index, `block0_values` the values of the columns that `block0_items` names, and so on.
fn fixed(opened: &Opened, group: &Group) -> Result<Found, String> {
    let dataset = |name: &str| group.dataset(name).map_err(|error| format!("`{name}`: {error}"));
    let blocks =
        group.attribute("nblocks").and_then(|count| count.read_as_f64()).map_err(|e| e.to_string())?;
    let index = Node { path: "index".to_owned(), dataset: dataset("axis1")? };
    let mut found = Found { rows: index.dataset.shape().first().copied().unwrap_or(0), ..Found::default() };
    add(opened, &mut found, &index, "");
    for number in 0..(blocks.clamp(0.0, 1000.0) as usize) {
        let (items, values) = (format!("block{number}_items"), format!("block{number}_values"));
        let names = names(opened, &dataset(&items)?).map_err(|reason| format!("`{items}`: {reason}"))?;
        let values_found = dataset(&values)?;
        let refuse = |found: &mut Found, reason: String| {
            let refused = names.iter().map(|name| (name_of(name), reason.clone()));
            found.unreadable.extend(refused);
        };
        let parts = Dataset::new(&opened.file, &opened.bytes, opened.base, &values_found)
            .and_then(|block| Ok((block, element(values_found.dtype())?)));
        match parts {
            Ok((block, (element, inner)))
                if block.shape() == [found.rows, names.len() as u64] && inner.is_empty() =>
            {
                for (place, name) in names.iter().enumerate() {
                    let origin = place * element.size;
                    let name = name_of(name);
                    found.columns.push(Column::dense(name, found.blocks.len(), element, origin, Vec::new()));
                }
                found.blocks.push(Block::Hdf5(Box::new(block)));
            }
            Ok((block, _)) => {
                let reason = format!(
                    "its values are {:?}, for {} rows and {} names",
                    block.shape(),
                    found.rows,
                    names.len()
                );
                refuse(&mut found, reason);
            }
            Err(reason) => refuse(&mut found, reason),
        }
    }
    Ok(found)
}

/// The dataset `table` has records, in which `values_block_0` has the columns that its attribute names.
fn table(opened: &Opened, group: &Group) -> Result<Found, String> {
    let records = group.dataset("table").map_err(|error| error.to_string())?;
    let members = match records.dtype() {
        Datatype::Compound { fields, .. } => {
            fields.iter().map(|field| field.name.clone()).collect::<Vec<_>>()
        }
        _ => return Err("its table holds no records".to_owned()),
    };
    let mut named = BTreeMap::new();
    for member in members {
        let attribute = records.attribute(&format!("{member}_kind")).ok();
        if let Some(names) = attribute.and_then(|attribute| labels(&attribute.raw_data)) {
            named.insert(member, names);
        }
    }
    let rows = records.shape().first().copied().unwrap_or(0);
    let mut found = Found { rows, ..Found::default() };
    add(opened, &mut found, &Node { path: "table".to_owned(), dataset: records }, "");
    let mut columns = Vec::new();
    for column in std::mem::take(&mut found.columns) {
        match (named.get(&column.name), column.dims.as_slice()) {
            (Some(names), [count]) if names.len() == *count => {
                columns.extend(names.iter().enumerate().map(|(place, name)| Column {
                    name: name_of(name),
                    origin: column.origin + place * column.element.size,
                    dims: Vec::new(),
                    strides: Vec::new(),
                    ..column.clone()
                }));
            }
            // A data column of its own, or the index; and what is not named as pandas does it keeps the member's name.
            _ => columns.push(column),
        }
    }
    found.columns = columns;
    Ok(found)
}

fn name_of(label: &Label) -> String {
    match label {
        Label::Text(text) => text.clone(),
        Label::Number(number) => number.to_string(),
    }
}

/// The labels in an array of texts or whole numbers.
fn names(opened: &Opened, dataset: &hdf5_reader::Dataset) -> Result<Vec<Label>, String> {
    let block = Dataset::new(&opened.file, &opened.bytes, opened.base, dataset)?;
    let (element, dims) = element(dataset.dtype())?;
    let &[rows] = block.shape() else { return Err("names with several levels cannot be read".to_owned()) };
    if !dims.is_empty() || rows > 1 << 20 {
        return Err("these are no names".to_owned());
    }
    let (bytes, start) = block.rows(&(0..rows))?;
    let bytes = bytes.get(start..).unwrap_or_default();
    let values = bytes.chunks_exact(element.size.max(1)).take(rows as usize);
    let label = |value: &[u8]| match (element.kind, value.try_into()) {
        (crate::source::array::Kind::Text(padding), _) => {
            let text = std::str::from_utf8(trimmed(value, padding)).map_err(|_| "a name is not UTF-8")?;
            Ok(Label::Text(text.to_owned()))
        }
        (crate::source::array::Kind::Signed, Ok(bytes)) if !element.is_big_endian => {
            Ok(Label::Number(i64::from_le_bytes(bytes)))
        }
        _ => Err("names that are neither texts nor whole numbers cannot be read".to_owned()),
    };
    values.map(label).collect()
}

/// Makes one column of lists out of columns that are numbered from 0 without a gap and lie at equal distances.
fn with_lists(columns: Vec<Column>) -> Vec<Column> {
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, column) in columns.iter().enumerate() {
        if let Some((base, number)) = numbered(&column.name) {
            let members = groups.entry(base.to_owned()).or_default();
            // Out of order, or twice: no list.
            if number == members.len() {
                members.push(index);
            } else {
                members.push(usize::MAX);
            }
        }
    }
    let taken: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let list = |base: &str, members: &[usize]| -> Option<Column> {
        let name = if base.is_empty() { "values" } else { base };
        if members.len() < SHORTEST_LIST || members.contains(&usize::MAX) || taken.contains(&name) {
            return None;
        }
        let first = &columns[members[0]];
        let stride = columns[members[1]].origin.checked_sub(first.origin)?;
        let fits = |(place, index): (usize, &usize)| {
            let column = &columns[*index];
            column.block == first.block
                && column.element == first.element
                && column.dims.is_empty()
                && column.origin == first.origin + place * stride
        };
        let name = name.to_owned();
        let same = members.iter().enumerate().all(fits);
        same.then(|| Column { name, dims: vec![members.len()], strides: vec![stride], ..first.clone() })
    };
    let mut lists: BTreeMap<usize, Column> = BTreeMap::new();
    let mut replaced = vec![false; columns.len()];
    for (base, members) in &groups {
        if let Some(column) = list(base, members) {
            members.iter().for_each(|index| replaced[*index] = true);
            lists.insert(members[0], column);
        }
    }
    let mut out = Vec::new();
    for (index, column) in columns.into_iter().enumerate() {
        out.extend(lists.remove(&index));
        if !replaced[index] {
            out.push(column);
        }
    }
    out
}

/// `E_12` as `E` and 12; `12` as nothing and 12.
fn numbered(name: &str) -> Option<(&str, usize)> {
    let (base, digits) = name.rsplit_once('_').unwrap_or(("", name));
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = digits == "0" || !digits.starts_with('0');
    (is_number && is_plain && digits.len() < 8).then(|| digits.parse().ok()).flatten().map(|n| (base, n))
}
