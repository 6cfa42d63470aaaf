//! ROOT trees and ntuples as a source.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use arrow_array::{BooleanArray, RecordBatch};
use arrow_schema::{ArrowError, Field, Schema, SchemaRef};
use arrow_select::filter::filter_record_batch;
use fiducial_root::{Column, RootFile, Table};

use super::{DESCRIPTION, Error, Source, UNIT, check_request, partitions};
use crate::dataset::{digest_file, digest_pieces};

/// Bytes of a remote file that are hashed at once.
const PIECE: usize = 8 << 20;

/// One tree or ntuple of a ROOT file.
pub struct RootSource {
    path: PathBuf,
    file: RootFile,
    table: Table,
    schema: SchemaRef,
    /// `Jet.PT` for the column `Jet/Jet.PT`, as `TTree::Draw` and uproot understand it.
    short_names: HashMap<String, String>,
    /// Found when they are first asked for: of a tree without clusters they follow from where all baskets are.
    partitions: OnceLock<Vec<Range<u64>>>,
}

impl RootSource {
    /// Opens a tree or ntuple of a ROOT file, a path or the address of a remote file; `None` takes the only one.
    ///
    /// # Errors
    /// When the file cannot be read, does not have the tree, or has several (or none) and none is named.
    pub fn open(path: &Path, tree: Option<&str>) -> Result<Self, Error> {
        let root = |source| Error::Root { path: path.to_owned(), source: Box::new(source) };
        let file = RootFile::open(path).map_err(root)?;
        let names = file.table_names().map_err(root)?;
        let name = match (tree, names.as_slice()) {
            (Some(name), _) => name,
            (None, [only]) => only.as_str(),
            (None, []) => return Err(Error::malformed(path, "it holds no tree and no ntuple")),
            (None, several) => {
                let reason =
                    format!("it holds several trees or ntuples ({}): name one in `tree`", several.join(", "));
                return Err(Error::malformed(path, reason));
            }
        };
        let mut table = file.table(name).map_err(root)?;
        // A class with C++ code of its own shows in its data alone: a column that would fail later is named now.
        table.check_objects();
        // Expressions work on numbers: of records within an ntuple's columns they need the members.
        let columns = table.columns().iter().chain(table.members());
        let mut fields: Vec<Field> = columns.filter_map(field).collect();
        let short_names = short_names(&table);
        let short = table.columns().iter().filter_map(|column| {
            let name = short_name(&column.name).filter(|name| short_names.contains_key(*name))?;
            Some(field(column)?.with_name(name))
        });
        fields.extend(short);
        let schema = Arc::new(Schema::new(fields));
        Ok(Self { path: path.to_owned(), schema, file, table, short_names, partitions: OnceLock::new() })
    }

    /// The tree or ntuple itself.
    pub fn table(&self) -> &Table {
        &self.table
    }
}

/// What a column within others is called by itself.
fn short_name(name: &str) -> Option<&str> {
    name.rsplit_once('/').map(|(_, name)| name).filter(|name| !name.is_empty())
}

/// The columns that have a short name of which there is no other.
fn short_names(table: &Table) -> HashMap<String, String> {
    let mut named: HashMap<&str, Option<&str>> = HashMap::new();
    for column in table.columns() {
        if let Some(short) = short_name(&column.name) {
            named.entry(short).and_modify(|full| *full = None).or_insert(Some(&column.name));
        }
    }
    let is_free =
        |short: &str| table.column(short).is_none() && !table.members().iter().any(|m| m.name == short);
    let named = named.into_iter().filter(|(short, _)| is_free(short));
    named.filter_map(|(short, full)| Some((short.to_owned(), full?.to_owned()))).collect()
}

/// A readable column as an Arrow field.
fn field(column: &Column) -> Option<Field> {
    let data_type = column.kind.as_ref().ok()?;
    let mut metadata = HashMap::new();
    if let Some(unit) = &column.unit {
        metadata.insert(UNIT.to_owned(), unit.clone());
    }
    // ROOT repeats the name and the leaf list in the title where nobody wrote one.
    let title = column.title.trim();
    let is_leaf_list = title.contains('/') && !title.contains(' ');
    if !title.is_empty() && !is_leaf_list && !title.starts_with(&column.name) {
        metadata.insert(DESCRIPTION.to_owned(), title.to_owned());
    }
    Some(Field::new(&column.name, data_type.clone(), column.nullable).with_metadata(metadata))
}

impl RootSource {
    /// The name that the table has for a column.
    fn full<'c>(&'c self, column: &'c str) -> &'c str {
        self.short_names.get(column).map_or(column, String::as_str)
    }

    /// Calls `read` with the table's own names, and gives the columns the names that they were asked for by.
    fn with_full_names(
        &self,
        columns: &[&str],
        read: impl FnOnce(&[&str]) -> Result<RecordBatch, Error>,
    ) -> Result<RecordBatch, Error> {
        if columns.iter().all(|column| !self.short_names.contains_key(*column)) {
            return read(columns);
        }
        let mut full: Vec<&str> = columns.iter().map(|column| self.full(column)).collect();
        full.sort_unstable();
        full.dedup();
        let batch = read(&full)?;
        let broken = |error: ArrowError| Error::malformed(&self.path, error.to_string());
        let places = columns.iter().map(|column| batch.schema_ref().index_of(self.full(column)));
        let batch = batch.project(&places.collect::<Result<Vec<_>, _>>().map_err(broken)?).map_err(broken)?;
        let fields = batch.schema_ref().fields().iter().zip(columns);
        let fields: Vec<Field> =
            fields.map(|(field, name)| field.as_ref().clone().with_name(*name)).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), batch.columns().to_vec()).map_err(broken)
    }
}

impl Source for RootSource {
    fn path(&self) -> &Path {
        &self.path
    }

    fn table(&self) -> Option<&str> {
        Some(self.table.name())
    }

    fn rows(&self) -> u64 {
        self.table.entries()
    }

    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn original<'c>(&'c self, column: &'c str) -> Option<&'c str> {
        if let Some(full) = self.short_names.get(column) {
            return Some(full);
        }
        if self.table.column(column).is_some() {
            return None;
        }
        // A member of the records of an ntuple's column.
        let ends = column.match_indices('.').map(|(dot, _)| &column[..dot]);
        ends.rev().find(|name| self.table.column(name).is_some())
    }

    fn unreadable(&self, column: &str) -> Option<String> {
        self.table.column(self.full(column)).and_then(|column| column.kind.as_ref().err().cloned())
    }

    fn unreadable_columns(&self) -> Vec<(String, String)> {
        let reason = |column: &Column| Some((column.name.clone(), column.kind.as_ref().err()?.clone()));
        self.table.columns().iter().filter_map(reason).collect()
    }

    fn partitions(&self) -> Vec<Range<u64>> {
        self.partitions.get_or_init(|| partitions(self.table.clusters())).clone()
    }

    fn decoded_bytes(&self, columns: &[&str], rows: &Range<u64>) -> Option<u64> {
        let members = || self.table.members().iter();
        let known = columns.iter().filter_map(|name| {
            let name = self.full(name);
            self.table.column(name).or_else(|| members().find(|member| member.name == name))
        });
        let bytes: u64 = known.map(|column| column.uncompressed_bytes).fold(0, u64::saturating_add);
        let share = (rows.end - rows.start) as f64 / self.table.entries().max(1) as f64;
        Some((bytes as f64 * share) as u64)
    }

    fn release(&self) {
        self.file.release_memory();
    }

    fn digest(&self) -> Result<(u64, String), Error> {
        if !fiducial_root::is_url(&self.path) {
            return digest_file(&self.path);
        }
        let root = |source| Error::Root { path: self.path.clone(), source: Box::new(source) };
        let pieces = (0..self.file.size()).step_by(PIECE);
        digest_pieces(pieces.map(|seek| self.file.bytes(seek, PIECE).map_err(root)))
    }

    fn read(&self, columns: &[&str], rows: Range<u64>) -> Result<RecordBatch, Error> {
        if let Some(empty) = check_request(self, columns, &rows)? {
            return Ok(empty);
        }
        let root = |source| Error::Root { path: self.path.clone(), source: Box::new(source) };
        self.with_full_names(columns, |columns| self.table.read(columns, rows).map_err(root))
    }

    fn read_chosen(
        &self,
        columns: &[&str],
        rows: Range<u64>,
        chosen: &BooleanArray,
    ) -> Result<RecordBatch, Error> {
        if let Some(empty) = check_request(self, columns, &rows)? {
            return filter_record_batch(&empty, chosen)
                .map_err(|error| Error::malformed(&self.path, error.to_string()));
        }
        let root = |source| Error::Root { path: self.path.clone(), source: Box::new(source) };
        match &self.table {
            Table::Tree(tree) => self.with_full_names(columns, |columns| {
                tree.read_where(&[], |_| chosen.clone(), columns, rows).map_err(root)
            }),
            Table::Ntuple(_) => {
                let batch = self.read(columns, rows)?;
                filter_record_batch(&batch, chosen)
                    .map_err(|error| Error::malformed(&self.path, error.to_string()))
            }
        }
    }
}
