//! NumPy files: one array (NPY), or several in a zip archive (NPZ).

mod records;

use std::io::Cursor;
use std::path::Path;

use self::records::{Member, members};
use super::Error;
use super::array::{Block, Column, Element, Found, Kind, Padding, dense_strides};
use super::bytes::Bytes;

/// The first bytes of an NPY file.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";
/// A header is never longer.
const LONGEST_HEADER: usize = 1 << 20;
/// Deflate packs at most this much.
const LARGEST_RATIO: u64 = 1100;

/// Looks at the arrays of a file; `table` names one of them.
pub(super) fn open(path: &Path, table: Option<&str>) -> Result<Found, Error> {
    let bytes = Bytes::unpack(path)?;
    let mut found = if bytes.starts_with(MAGIC) {
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        let name = name.split('.').next().unwrap_or("array").to_owned();
        let mut found = Found::default();
        let end = bytes.len();
        let rows = add_within(&mut found, (&name, ""), bytes, 0, end);
        if rows.map_err(|reason| Error::malformed(path, reason))?.is_none() {
            return Err(Error::malformed(path, "it is a single value and has no rows"));
        }
        found
    } else {
        archive(path, &bytes, table)?
    };
    found.table = table.map(str::to_owned);
    Ok(found)
}

/// The arrays of an archive: those that are stored stay where they are, packed ones are unpacked to a file aside.
fn archive(path: &Path, bytes: &Bytes, table: Option<&str>) -> Result<Found, Error> {
    let bad = |error: zip::result::ZipError| Error::malformed(path, format!("its zip archive: {error}"));
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes.clone())).map_err(bad)?;
    let mut found = Found::default();
    let mut several: Vec<(String, u64)> = Vec::new();
    let arrays = archive.file_names().flatten().filter(|name| name.ends_with(".npy")).count();
    let is_alone = arrays == 1 || table.is_some_and(|table| !table.contains(','));
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).map_err(bad)?;
        let Some(name) = member.name().map_err(bad)?.strip_suffix(".npy").map(str::to_owned) else {
            continue;
        };
        if table.is_some_and(|table| table != name && table.split(',').all(|part| part.trim() != name)) {
            continue;
        }
        let refuse = |reason: String| Error::malformed(path, format!("the array `{name}`: {reason}"));
        let start = usize::try_from(member.data_start().unwrap_or(0)).unwrap_or(usize::MAX);
        let (content, start, end) = match member.compression() {
            zip::CompressionMethod::Stored => {
                let end = usize::try_from(member.size()).ok().and_then(|size| size.checked_add(start));
                let end = end.filter(|end| *end <= bytes.len());
                (
                    bytes.clone(),
                    start,
                    end.ok_or_else(|| refuse("it goes beyond the end of the file".to_owned()))?,
                )
            }
            zip::CompressionMethod::Deflated => {
                let largest = member.compressed_size().saturating_mul(LARGEST_RATIO).min(member.size());
                let content = Bytes::collect(&mut member, largest, path)?;
                let end = content.len();
                (content, 0, end)
            }
            other => return Err(refuse(format!("it is packed with {other}, which cannot be undone"))),
        };
        let prefix = if is_alone { String::new() } else { format!("{name}.") };
        let rows = add_within(&mut found, (&name, &prefix), content, start, end).map_err(refuse)?;
        several.extend(rows.map(|rows| (name, rows)));
    }
    let is_there = |part: &str| several.iter().any(|(name, _)| name == part);
    if let Some(table) = table.filter(|table| !is_there(table))
        && let Some(missing) = table.split(',').map(str::trim).find(|part| !is_there(part))
    {
        return Err(Error::malformed(path, format!("it has no array `{missing}`")));
    }
    if several.is_empty() {
        let reason =
            table.map_or_else(|| "it holds no arrays".to_owned(), |name| format!("it has no array `{name}`"));
        return Err(Error::malformed(path, reason));
    }
    if several.iter().any(|(_, rows)| *rows != several[0].1) {
        let list: Vec<String> = several.iter().map(|(name, rows)| format!("{name} {rows}")).collect();
        let list = list.join(", ");
        let reason = format!(
            "its arrays have different numbers of rows ({list}): name one of them, or several (\"a,b\"), in `tree`"
        );
        return Err(Error::malformed(path, reason));
    }
    Ok(found)
}

/// Adds the array that stands in some bytes, under its name or, where it holds records, those of their members behind a prefix; the
/// number of its rows, of which a single value has none.
fn add_within(
    found: &mut Found,
    (name, prefix): (&str, &str),
    bytes: Bytes,
    start: usize,
    end: usize,
) -> Result<Option<u64>, String> {
    let content = bytes.get(start..end).ok_or("it goes beyond the end of the file")?;
    let (text, length) = header_text(content)?;
    let header = Header::parse(text)?;
    let &[rows, ref dims @ ..] = header.shape.as_slice() else {
        found.unreadable.push((name.to_owned(), "it is a single value and has no rows".to_owned()));
        return Ok(None);
    };
    let (members, record) = match header.members {
        Ok(members) => members,
        Err(reason) => {
            found.unreadable.push((name.to_owned(), reason));
            found.rows = rows as u64;
            return Ok(Some(rows as u64));
        }
    };
    let size = header.shape.iter().try_fold(record, |all, dim| all.checked_mul(*dim));
    let end = size.and_then(|size| size.checked_add(length)).filter(|end| *end <= content.len());
    end.ok_or_else(|| format!("it ends before its {:?} values do", header.shape))?;
    let (row_stride, strides) = if header.is_fortran {
        let mut strides = Vec::with_capacity(dims.len());
        let mut stride = record * rows;
        for dim in dims {
            strides.push(stride);
            stride *= dim;
        }
        (record, strides)
    } else {
        (dims.iter().product::<usize>() * record, dense_strides(dims, record))
    };
    for Member { name: member, element, origin, dims: inner } in members {
        let name = if member.is_empty() { name.to_owned() } else { format!("{prefix}{member}") };
        match element {
            Ok(element) => found.columns.push(Column {
                name,
                block: found.blocks.len(),
                element,
                origin,
                strides: [strides.clone(), dense_strides(&inner, element.size)].concat(),
                dims: [dims.to_vec(), inner].concat(),
            }),
            Err(reason) => found.unreadable.push((name, reason)),
        }
    }
    found.blocks.push(Block::Mapped { bytes, start: start + length, row_stride });
    found.rows = rows as u64;
    Ok(Some(rows as u64))
}

/// The header's text, and where the values begin.
fn header_text(content: &[u8]) -> Result<(&str, usize), String> {
    let rest = content.strip_prefix(MAGIC).ok_or("it does not begin as an NPY file does")?;
    let (length, start) = match rest {
        [1, 0, a, b, ..] => (usize::from(u16::from_le_bytes([*a, *b])), 10),
        [2 | 3, 0, a, b, c, d, ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, 12),
        [major, minor, ..] => return Err(format!("version {major}.{minor} of the NPY format is not known")),
        _ => return Err("its header is cut short".to_owned()),
    };
    let text = content.get(start..).and_then(|rest| rest.get(..length)).filter(|_| length <= LONGEST_HEADER);
    let text = std::str::from_utf8(text.ok_or("its header is cut short")?);
    Ok((text.map_err(|_| "its header is not a text")?, start + length))
}

/// What an array is.
struct Header {
    /// The members of its records with their size in bytes, one without a name where it holds none; or why they cannot be read.
    members: Result<(Vec<Member>, usize), String>,
    is_fortran: bool,
    shape: Vec<usize>,
}

impl Header {
    /// Reads a dictionary of Python: `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`.
    fn parse(text: &str) -> Result<Self, String> {
        let bad = || format!("its header `{}` is not understood", text.trim_end());
        let value = |key: &str| {
            // The last one: a member of records may have the same name.
            let at = text.rfind(&format!("'{key}'")).or_else(|| text.rfind(&format!("\"{key}\"")))?;
            Some(text[at + key.len() + 2..].trim_start().strip_prefix(':')?.trim_start())
        };
        let is_fortran = match value("fortran_order").ok_or_else(bad)? {
            order if order.starts_with("False") => false,
            order if order.starts_with("True") => true,
            _ => return Err(bad()),
        };
        let shape =
            value("shape").and_then(|shape| shape.strip_prefix('(')?.split(')').next()).ok_or_else(bad)?;
        let shape = shape.split(',').map(str::trim).filter(|dim| !dim.is_empty());
        // Python 2 wrote `3L`.
        let shape = shape.map(|dim| dim.trim_end_matches('L').parse().ok()).collect::<Option<Vec<usize>>>();
        let descr = text.split_once("'descr'").or_else(|| text.split_once("\"descr\""));
        let descr =
            descr.and_then(|(_, descr)| descr.trim_start().strip_prefix(':')).ok_or_else(bad)?.trim_start();
        let members = if descr.starts_with('[') {
            members(descr)
        } else {
            let quote = descr.chars().next().filter(|quote| matches!(quote, '\'' | '"')).ok_or_else(bad)?;
            let element = element(descr[1..].split(quote).next().ok_or_else(bad)?);
            element.map(|element| (vec![Member::alone(element)], element.size))
        };
        Ok(Self { members, is_fortran, shape: shape.ok_or_else(bad)? })
    }
}

/// The type of a description such as `<f4` or `|S8`.
fn element(descr: &str) -> Result<Element, String> {
    let refuse = || format!("values of the type `{descr}` cannot be read");
    let mut characters = descr.chars();
    let (order, kind) = (characters.next().ok_or_else(refuse)?, characters.next().ok_or_else(refuse)?);
    let count: usize = characters.as_str().parse().map_err(|_| refuse())?;
    let (kind, size) = match kind {
        'b' => (Kind::Bool, count),
        'i' => (Kind::Signed, count),
        'u' => (Kind::Unsigned, count),
        'f' => (Kind::Float, count),
        'S' | 'a' => (Kind::Text(Padding::Zeros), count),
        'U' => (Kind::CodePoints, count.checked_mul(4).ok_or_else(refuse)?),
        _ => return Err(refuse()),
    };
    let element = Element { kind, size, is_big_endian: order == '>' };
    if !matches!(order, '<' | '>' | '|' | '=') || element.data_type().is_none() {
        return Err(refuse());
    }
    Ok(element)
}
