//! Trees and their columns.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Schema, SchemaRef};
use rayon::prelude::*;

use crate::branch::{self, Branch, Leaves, Owner, Walk};
use crate::classes::Classes;
use crate::cluster::{self, Flushes};
use crate::column::{Column, Columns};
use crate::error::{Error, Place, Result};
use crate::file::{KeyInfo, Record, RootFile};
use crate::layout::{Item, Layout, VECTOR_HEADER, interpret};
use crate::object::Reader;
use crate::prim::Prim;
use crate::read;

/// What a branch is that counts the items of a `TClonesArray`, whose members are in sub-branches.
const SPLIT_CLONES: i32 = 3;

/// A tree: a table whose columns are read one by one, over any range of entries.
pub struct Tree {
    file: RootFile,
    name: Arc<str>,
    title: String,
    entries: u64,
    columns: Columns,
    sources: Vec<Source>,
    flushes: Flushes,
    record: Vec<u8>,
    place: Place,
}

/// Where a column's bytes are and what they mean; beside each [`Column`].
pub(crate) struct Source {
    pub(crate) branch: Branch,
    /// "column x of tree y", for errors.
    pub(crate) label: Arc<str>,
    pub(crate) layout: Option<Layout>,
    /// The column that counts this one's items.
    pub(crate) count: Option<usize>,
}

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tree")
            .field("name", &self.name)
            .field("entries", &self.entries)
            .field("columns", &self.columns().len())
            .finish_non_exhaustive()
    }
}

impl Tree {
    pub(crate) fn open(file: &RootFile, key: &KeyInfo) -> Result<Self> {
        let record = file.record(key.seek, key.bytes as usize, &format!("tree {}", key.path))?;
        let streamers = file.streamers();
        let mut reader = Reader::new(&record, &streamers);
        let object = reader.top(&key.class_name)?;
        let count = |member: &str| object.int(member).and_then(|n| u64::try_from(n).ok());
        let (Some(entries), Some(array)) = (count("fEntries"), object.object("fBranches", &reader)) else {
            return Err(record.place.error(0, "a tree needs a number of entries and branches"));
        };
        let branches = Walk::new(&reader, file).branches(array, "")?;
        let mut leaves = Leaves::new();
        branch::leaves(&branches, &reader, &mut leaves);
        let numbers = |member: &str| object.ints(member, reader.record());
        let flushes = Flushes {
            range_ends: numbers("fClusterRangeEnd"),
            sizes: numbers("fClusterSize"),
            last_size: object.int("fAutoFlush").unwrap_or(0),
        };
        let title = object.text("fTitle").unwrap_or_default().to_owned();

        let mut listing = Listing {
            tree: &key.path,
            leaves: &leaves,
            classes: Classes::new(&streamers),
            file,
            columns: Vec::new(),
            sources: Vec::new(),
        };
        listing.add_all(branches, &Owner::default());
        let Listing { mut columns, mut sources, .. } = listing;
        link_counters(&mut sources, &leaves);
        link_lengths(&mut columns, &mut sources);
        refuse_shared_bytes(&mut columns, &mut sources);
        let Record { data, place, .. } = record;
        Ok(Self {
            file: file.clone(),
            name: key.path.as_str().into(),
            title,
            entries,
            // Only baskets within the record need it later.
            record: if sources.iter().any(|s| !s.branch.embedded.is_empty()) {
                data.into_owned()
            } else {
                Vec::new()
            },
            columns: Columns::new(columns),
            sources,
            flushes,
            place,
        })
    }

    /// The tree's path, "dir/name".
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tree's title.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The number of entries, events most often.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Every column, those that cannot be read included, in the order of the tree. A split object gives a column for
    /// each of its sub-branches, and none for itself.
    pub fn columns(&self) -> &[Column] {
        &self.columns.list
    }

    /// A column by its name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.get(name)
    }

    /// Ranges of entries that are cheap to read one by one: the tree's own clusters, whose baskets lie in none but one of
    /// them, or, in a tree without clusters, ranges of some 256 MiB of all columns with few baskets that lie in two.
    pub fn clusters(&self) -> Vec<Range<u64>> {
        cluster::clusters(self.entries, &self.flushes, &self.sources)
    }

    fn index(&self, name: &str) -> Result<usize> {
        self.columns.index(name, '/').map_err(|what| Error::NotFound {
            file: format!("tree {} of {}", self.name, self.file.name()).into(),
            what,
        })
    }

    /// Reads the first basket of each column of objects, and lists those that fail as unreadable, with the reason. A
    /// file describes the members of its classes; it does not say which classes have C++ code of their own that writes
    /// other bytes, nor that a type is an enumeration: a `std::vector` of one becomes a list of integers here. That shows only
    /// in the data, which [`RootFile::tree`] does not read.
    pub fn check_objects(&mut self) {
        let first = |source: &Source| match &source.layout {
            Some(Layout::Nested(shape)) if shape.has_objects() => source.branch.starts.get(1).copied(),
            // Of a bitset that is a member files were found to hold no bytes at all.
            Some(Layout::Jagged { header: VECTOR_HEADER, item }) if item.prim == Prim::Bool => {
                source.branch.starts.get(1).copied()
            }
            _ => None,
        };
        let ends: Vec<_> = self.sources.iter().map(first).collect();
        // What a server refuses now says nothing of the class.
        let reason = |error| match error {
            Error::Malformed { reason, .. } => Some(reason),
            _ => None,
        };
        let failed: Vec<(usize, String)> = ends
            .par_iter()
            .enumerate()
            .filter_map(|(i, end)| Some((i, reason(read::columns(self, &[i], &(0..(*end)?)).err()?)?)))
            .collect();
        for (i, reason) in failed {
            if let Some(kind) = self.as_enumeration(i) {
                self.columns.list[i].kind = Ok(kind);
                continue;
            }
            self.columns.list[i].kind = Err(reason);
            self.sources[i].layout = None;
        }
    }

    /// Whether a collection of a type that the file does not describe holds enumerations, of which files tell nothing: they are
    /// written as `int`, without a header each. Then the column becomes one of integers.
    fn as_enumeration(&mut self, column: usize) -> Option<DataType> {
        let source = &mut self.sources[column];
        let layout = source.layout.as_ref().and_then(Layout::as_enumeration)?;
        let (kind, end) = (layout.data_type(), *source.branch.starts.get(1)?);
        let before = source.layout.replace(layout);
        if read::columns(self, &[column], &(0..end)).is_ok() {
            return Some(kind);
        }
        self.sources[column].layout = before;
        None
    }

    fn unreadable(&self, column: usize, reason: &str) -> Error {
        Error::Column {
            file: Arc::clone(self.file.name()),
            object: Arc::clone(&self.name),
            column: self.columns.list[column].name.clone(),
            reason: reason.to_owned(),
        }
    }

    /// The Arrow schema of some columns. Fields carry the metadata "title", "cpp_type" and "unit".
    ///
    /// # Errors
    /// [`Error::NotFound`], or [`Error::Column`] for a column that cannot be read.
    pub fn schema(&self, columns: &[&str]) -> Result<SchemaRef> {
        let fields = columns.iter().map(|name| {
            let i = self.index(name)?;
            let column = &self.columns.list[i];
            let kind = column.kind.clone().map_err(|reason| self.unreadable(i, &reason))?;
            Ok(column.field(name, kind, column.nullable))
        });
        Ok(Arc::new(Schema::new(fields.collect::<Result<Vec<_>>>()?)))
    }

    /// Reads some columns over a range of entries. Baskets are decoded in parallel on rayon's pool; the result does not
    /// depend on the number of threads.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Column`] for a column that cannot be read or has too few entries,
    /// [`Error::Malformed`] for bytes that are not what the format says.
    pub fn read(&self, columns: &[&str], entries: Range<u64>) -> Result<RecordBatch> {
        let schema = self.schema(columns)?;
        let wanted = self.checked(columns, &entries)?;
        let rows = usize::try_from(entries.end - entries.start)
            .map_err(|_| self.place.error(0, "more entries than memory can hold"))?;
        let arrays: Vec<ArrayRef> = read::columns(self, &wanted, &entries)?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(schema, arrays, &options)
            .map_err(|e| self.place.error(0, format!("the columns do not fit together: {e}")))
    }

    /// The columns of some names, if all have the entries that are asked for.
    pub(crate) fn checked(&self, columns: &[&str], entries: &Range<u64>) -> Result<Vec<usize>> {
        let mut wanted = Vec::with_capacity(columns.len());
        for name in columns {
            wanted.push(self.index(name)?);
        }
        if entries.start > entries.end || (wanted.is_empty() && entries.end > self.entries) {
            let reason =
                format!("entries {} to {} are asked for, of {}", entries.start, entries.end, self.entries);
            return Err(self.place.error(0, reason));
        }
        for &i in &wanted {
            if self.columns.list[i].entries < entries.end {
                let has = self.columns.list[i].entries;
                let reason = format!("it has {has} entries, entries up to {} are asked for", entries.end);
                return Err(self.unreadable(i, &reason));
            }
        }
        Ok(wanted)
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    pub(crate) fn file(&self) -> &RootFile {
        &self.file
    }

    pub(crate) fn source(&self, column: usize) -> &Source {
        &self.sources[column]
    }

    pub(crate) fn record(&self) -> (&[u8], &Place) {
        (&self.record, &self.place)
    }

    /// The place of errors about a column's values as a whole.
    pub(crate) fn place_of(&self, column: usize) -> Place {
        let source = &self.sources[column];
        let seek = source.branch.stored.first().map_or(self.place.offset, |basket| basket.seek);
        Place::new(self.file.name(), Arc::clone(&source.label), seek)
    }
}

/// The columns of a tree, while they are being listed.
struct Listing<'a> {
    tree: &'a str,
    leaves: &'a Leaves,
    classes: Classes<'a>,
    file: &'a RootFile,
    columns: Vec<Column>,
    sources: Vec<Source>,
}

impl Listing<'_> {
    fn add_all(&mut self, branches: Vec<Branch>, owner: &Owner) {
        for mut branch in branches {
            let children = std::mem::take(&mut branch.children);
            let inner = branch.as_owner();
            // A split object's values are in its sub-branches. A TClonesArray's own basket holds the number of items.
            if children.is_empty() || branch.is_clones || branch.branch_type == SPLIT_CLONES {
                self.add(branch, owner, children.is_empty());
            }
            self.add_all(children, &inner);
        }
    }

    fn add(&mut self, branch: Branch, owner: &Owner, alone: bool) {
        let interpreted = match (&branch.unknown, &branch.broken) {
            (Some(reason), _) | (None, Some(reason)) => Err((branch.class_name.clone(), reason.clone())),
            (None, None) if alone && branch.is_clones && !owner.is_branch => {
                let shape = crate::clones::shape(&branch, self.file, &mut self.classes);
                let name = || "TClonesArray".to_owned();
                shape.map(|shape| (Layout::Nested(shape), name())).map_err(|reason| (name(), reason))
            }
            (None, None) if alone => interpret(&branch, owner, self.leaves, &mut self.classes),
            (None, None) => {
                let item = Item { prim: Prim::I32, dims: Vec::new() };
                Ok((Layout::Fixed(item), "int32_t".to_owned()))
            }
        };
        let (layout, type_name, kind) = match interpreted {
            Ok((layout, name)) => {
                let kind = layout.data_type();
                (Some(layout), name, Ok(kind))
            }
            Err((name, reason)) => (None, name, Err(reason)),
        };
        self.columns.push(Column {
            name: branch.path.clone(),
            title: branch.title.clone(),
            type_name,
            kind,
            nullable: layout.as_ref().is_some_and(Layout::nullable),
            entries: branch.entries,
            compressed_bytes: branch.zip_bytes,
            uncompressed_bytes: branch.total_bytes,
            baskets: branch.baskets(),
            unit: crate::unit::unit(&branch.title),
        });
        let label = format!("column {} of tree {}", branch.path, self.tree).into();
        self.sources.push(Source { branch, label, layout, count: None });
    }
}

/// Finds the column of each counter.
fn link_counters(sources: &mut [Source], leaves: &Leaves) {
    let mut owners = BTreeMap::new();
    for (i, source) in sources.iter().enumerate() {
        owners.extend(source.branch.leaves.iter().map(|&leaf| (leaf, i)));
    }
    for source in sources {
        let mut own = source.branch.leaves.iter().filter_map(|leaf| leaves.get(leaf));
        source.count = own.find_map(|leaf| owners.get(&leaf.count?).copied());
    }
}

/// Finds the column that tells the lengths of arrays in the items of a collection: the member that counts them, beside theirs.
fn link_lengths(columns: &mut [Column], sources: &mut [Source]) {
    // Few trees have any: of the others no name is looked at.
    if !sources.iter().any(|source| matches!(source.layout, Some(Layout::Arrays { .. }))) {
        return;
    }
    let is_list = |source: &Source| matches!(source.layout, Some(Layout::Jagged { header: 0, .. }));
    let lists = columns.iter().zip(sources.iter()).enumerate().filter(|(_, (_, source))| is_list(source));
    let places: BTreeMap<_, _> = lists.map(|(i, (column, _))| (column.name.clone(), i)).collect();
    for (column, source) in columns.iter_mut().zip(sources) {
        let Some(Layout::Arrays { lengths, .. }) = &source.layout else { continue };
        let beside = column.name.rfind(['.', '/']).map_or(0, |at| at + 1);
        source.count = places.get(&format!("{}{lengths}", &column.name[..beside])).copied();
        if source.count.is_none() {
            column.kind = Err(format!("member {lengths}, which counts its items, has no column"));
            source.layout = None;
        }
    }
}

/// Columns whose baskets overlap cannot all be right, and would let a small file fill any memory: they are refused.
fn refuse_shared_bytes(columns: &mut [Column], sources: &mut [Source]) {
    let mut spans = Vec::new();
    for (i, source) in sources.iter().enumerate() {
        spans.extend(source.branch.stored.iter().map(|b| (b.seek, b.seek + b.bytes as u64, i)));
    }
    spans.sort_unstable();
    let mut reach = (0, 0);
    for (start, end, i) in spans {
        if start < reach.0 {
            for i in [i, reach.1] {
                columns[i].kind = Err(format!("its basket at byte {start} overlaps another"));
                sources[i].layout = None;
            }
        }
        if end > reach.0 {
            reach = (end, i);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIXTURE: &[u8] = include_bytes!("../tests/fixtures/codecs.root");

    /// Replaces some bytes wherever they stand: the file has older copies of the tree's record too.
    fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
        let found = bytes.windows(from.len()).enumerate().filter(|(_, w)| *w == from).map(|(i, _)| i);
        let found: Vec<_> = found.collect();
        assert!(!found.is_empty(), "the bytes are there");
        found.into_iter().for_each(|at| bytes[at..at + to.len()].copy_from_slice(to));
    }

    #[test]
    fn a_broken_column_does_not_disturb_the_others() {
        let open = |bytes: &[u8]| {
            RootFile::from_bytes("test", bytes.to_vec()).and_then(|f| f.tree("uncompressed/events"))
        };
        let tree = open(FIXTURE).expect("the fixture is right");
        let seeks = |name: &str| -> Vec<[u8; 8]> {
            let stored = &tree.source(tree.index(name).expect("the column is there")).branch.stored;
            stored.iter().map(|basket| basket.seek.to_be_bytes()).collect()
        };
        for (what, from, to, columns, reason) in [
            ("shared bytes", seeks("i4")[0], seeks("f4")[0], ["i4", "f4"].as_slice(), "overlaps another"),
            ("beyond the end", seeks("i4")[1], [0, 0, 0, 1, 0, 0, 0, 0], &["i4"], "lies at byte 4294967296"),
            ("none", seeks("part_pt")[0], [0; 8], &["part_pt"], "hold 0 entries, it says 100"),
        ] {
            let mut bytes = FIXTURE.to_vec();
            replace(&mut bytes, &from, &to);
            let tree = open(&bytes).expect("the tree is still there");
            for column in tree.columns() {
                match &column.kind {
                    Ok(_) => {
                        assert!(!columns.contains(&column.name.as_str()), "{what}: {}", column.name);
                        assert!(tree.read(&[&column.name], 0..100).is_ok(), "{what}: {}", column.name);
                    }
                    Err(found) => {
                        assert!(columns.contains(&column.name.as_str()), "{what}: {}: {found}", column.name);
                        assert!(found.contains(reason), "{what}: {found}");
                    }
                }
            }
        }
    }
}
