//! The schema of an ntuple: its fields and columns as header and footer list them.

use super::envelope::Frame;
use crate::error::Result;

/// The role of a field that is an object which a ROOT streamer wrote.
pub(crate) const STREAMED: u16 = 4;

/// Flags of a field.
const REPETITIVE: u16 = 1;
const PROJECTED: u16 = 2;

/// Flags of a column.
const DEFERRED: u16 = 1;
const RANGE: u16 = 2;

/// A node of the tree of C++ types.
#[derive(Debug, Clone)]
pub(crate) struct FieldRecord {
    pub(crate) version: u32,
    /// The field that this one is part of; itself at the top.
    pub(crate) parent: u32,
    pub(crate) role: u16,
    pub(crate) name: String,
    pub(crate) type_name: String,
    pub(crate) description: String,
    /// The number of items of an array of fixed size.
    pub(crate) repetition: Option<u64>,
    /// The field whose values this one shows.
    pub(crate) source: Option<u32>,
}

/// A row of numbers of one kind, cut into pages.
#[derive(Debug, Clone)]
pub(crate) struct ColumnRecord {
    pub(crate) kind: u16,
    pub(crate) bits: u16,
    pub(crate) field: u32,
    pub(crate) representation: u16,
    /// Of a column that was added while the ntuple was written: the first element that was. Negative where another
    /// representation holds what came before.
    pub(crate) first: Option<i64>,
    /// The lowest and highest value, of quantised numbers.
    pub(crate) range: Option<(f64, f64)>,
}

/// All fields and columns, with what belongs to what.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    pub(crate) fields: Vec<FieldRecord>,
    pub(crate) columns: Vec<ColumnRecord>,
    /// Of each field, the fields that it is made of.
    pub(crate) children: Vec<Vec<u32>>,
    /// Of each field, its columns; of a projected field those of its source.
    pub(crate) columns_of: Vec<Vec<u32>>,
    pub(crate) top: Vec<u32>,
}

impl Schema {
    /// Reads the four lists of a schema description and appends them to what is known already.
    pub(crate) fn extend(&mut self, frame: &mut Frame<'_>) -> Result<()> {
        let (first, first_column) = (self.fields.len(), self.columns.len());
        self.fields.extend(frame.items(|list| list.record(field))?);
        self.columns.extend(frame.items(|list| list.record(column))?);
        let aliases = frame.items(|list| list.record(|alias| Ok((alias.u32()?, alias.u32()?))))?;
        // Streamer information, for fields that a streamer wrote, is not needed here.
        frame.list()?;

        self.children.resize(self.fields.len(), Vec::new());
        self.columns_of.resize(self.fields.len(), Vec::new());
        for (id, field) in self.fields.iter().enumerate().skip(first) {
            let parent = field.parent as usize;
            match parent.cmp(&id) {
                std::cmp::Ordering::Less => self.children[parent].push(id as u32),
                std::cmp::Ordering::Equal => self.top.push(id as u32),
                std::cmp::Ordering::Greater => {
                    let reason =
                        format!("field {:?} comes before field {parent}, of which it is part", field.name);
                    return Err(frame.error(reason));
                }
            }
        }
        for (id, column) in self.columns.iter().enumerate().skip(first_column) {
            match self.columns_of.get_mut(column.field as usize) {
                Some(columns) => columns.push(id as u32),
                None => {
                    return Err(frame.error(format!(
                        "column {id} belongs to field {}, which is not there",
                        column.field
                    )));
                }
            }
        }
        for (physical, field) in aliases {
            match self.columns_of.get_mut(field as usize) {
                Some(columns) if (physical as usize) < self.columns.len() => columns.push(physical),
                _ => {
                    let reason =
                        format!("field {field} shows column {physical}, and one of them is not there");
                    return Err(frame.error(reason));
                }
            }
        }
        Ok(())
    }
}

fn field(record: &mut Frame<'_>) -> Result<FieldRecord> {
    let (version, _type_version, parent) = (record.u32()?, record.u32()?, record.u32()?);
    let (role, flags) = (record.u16()?, record.u16()?);
    let (name, type_name, _alias, description) =
        (record.text()?, record.text()?, record.text()?, record.text()?);
    let repetition = if flags & REPETITIVE != 0 { Some(record.u64()?) } else { None };
    let source = if flags & PROJECTED != 0 { Some(record.u32()?) } else { None };
    Ok(FieldRecord { version, parent, role, name, type_name, description, repetition, source })
}

fn column(record: &mut Frame<'_>) -> Result<ColumnRecord> {
    let (kind, bits, field) = (record.u16()?, record.u16()?, record.u32()?);
    let (flags, representation) = (record.u16()?, record.u16()?);
    let first = if flags & DEFERRED != 0 { Some(record.i64()?) } else { None };
    let range = if flags & RANGE != 0 { Some((record.f64()?, record.f64()?)) } else { None };
    Ok(ColumnRecord { kind, bits, field, representation, first, range })
}
