//! RNTuple, ROOT's columnar format: the binary format specification 1.0 of the ROOT project.
//!
//! The anchor, an object of the file, leads to the header and the footer. These list the fields (the tree of C++ types),
//! their columns (rows of numbers) and, cluster by cluster, the pages that columns are cut into.

mod anchor;
mod arrays;
mod columns;
mod envelope;
mod load;
mod node;
mod pages;
mod read;
mod schema;

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{Schema as ArrowSchema, SchemaRef};

use self::anchor::{Anchor, Blobs};
use self::envelope::{Envelope, Kind};
use self::node::{Builder, Member, Node};
use self::pages::{Cluster, Totals};
use self::schema::{STREAMED, Schema};
use crate::column::{Column, Columns};
use crate::error::{Error, Place, Result};
use crate::file::{KeyInfo, RootFile};

/// Members are listed until they repeat as many nodes for each field. Real ones need as many as records nest, two or three.
const NODES_PER_FIELD: usize = 32;

/// An ntuple (ROOT's RNTuple): a table whose columns are read one by one, over any range of entries.
///
/// A column is a top-level field, with whatever is within it:
///
/// | field | in Arrow |
/// |---|---|
/// | numbers, `bool`, `std::byte`, enumerations, `std::atomic` | the type that the C++ type has, however it is stored |
/// | `std::string` | `Utf8` |
/// | `std::vector`, `ROOT::RVec`, sets, maps and classes like them | `List` |
/// | `std::array`, `T[N]`, `std::bitset` | `FixedSizeList` |
/// | classes, `std::pair`, `std::tuple`, untyped records | `Struct`; members of base classes stand among the others |
/// | `std::optional`, `std::unique_ptr` | the type itself, null where there is none |
/// | `std::variant` | `Struct` of `tag` (which type it is, from 1; 0: none) and `_0`, `_1`, ..., null but for that type |
/// | an object that a ROOT streamer wrote | as in a [`crate::Tree`] |
/// | `ROOT::RNTupleCardinality` | `UInt32` or `UInt64` |
///
/// Real numbers that are stored in fewer bits (16, truncated, quantised) are read into the field's own type, without loss.
/// A variant is no Arrow union, since Parquet and most readers of Arrow have none. An optional optional value has one kind of
/// null.
pub struct Ntuple {
    blobs: Blobs,
    name: Arc<str>,
    description: String,
    /// Top-level fields, then the members of records within them.
    columns: Columns,
    /// How many of the columns are top-level fields.
    top: usize,
    nodes: Vec<Option<Arc<Node>>>,
    schema: Schema,
    clusters: Vec<Cluster>,
    place: Place,
    /// Names the pages in errors.
    page_label: Arc<str>,
}

impl std::fmt::Debug for Ntuple {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ntuple")
            .field("name", &self.name)
            .field("entries", &self.entries())
            .field("columns", &self.top)
            .finish_non_exhaustive()
    }
}

impl Ntuple {
    pub(crate) fn open(file: &RootFile, key: &KeyInfo) -> Result<Self> {
        let anchor = Anchor::read(file, key)?;
        let blobs = Blobs::new(file, &anchor);
        let name = key.path.as_str();
        let header =
            Envelope::open(&blobs, &anchor.header, Kind::Header, &format!("the header of ntuple {name}"))?;
        let mut frame = header.frame();
        frame.feature_flags()?;
        // The name is the key's. Files where the two differ were renamed by their key.
        let (_name, description, _writer) = (frame.text()?, frame.text()?, frame.text()?);
        let mut schema = Schema::default();
        schema.extend(&mut frame)?;
        let checksum = header.checksum;
        let clusters = pages::footer(&blobs, &anchor.footer, checksum, &mut schema, name)?;

        // The list of streamers is read for objects alone: most ntuples have none.
        let streamers = match schema.fields.iter().any(|field| field.role == STREAMED) {
            true => file.streamers(),
            false => Arc::default(),
        };
        let mut listing = Listing {
            entries: clusters.last().map_or(0, |cluster| cluster.entries.end),
            totals: pages::totals(&clusters, &schema),
            builder: Builder::new(&schema, &streamers),
            schema: &schema,
            columns: Vec::new(),
            nodes: Vec::new(),
        };
        for &id in &schema.top {
            listing.add(id, schema.fields[id as usize].name.clone(), listing.builder.node(id));
        }
        let top = listing.columns.len();
        let mut budget = schema.fields.len().saturating_mul(NODES_PER_FIELD);
        for i in 0..top {
            listing.add_members(i, &mut budget);
        }
        let Listing { columns, nodes, .. } = listing;
        drop(header);
        Ok(Self {
            place: Place::new(file.name(), format!("ntuple {name}"), key.seek),
            page_label: format!("a page of ntuple {name}").into(),
            name: name.into(),
            blobs,
            description,
            columns: Columns::new(columns),
            top,
            nodes,
            schema,
            clusters,
        })
    }

    /// The ntuple's path, "dir/name".
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The ntuple's description.
    pub fn title(&self) -> &str {
        &self.description
    }

    /// The number of entries, events most often.
    pub fn entries(&self) -> u64 {
        self.clusters.last().map_or(0, |cluster| cluster.entries.end)
    }

    /// The top-level fields, those that cannot be read included, in the order of the ntuple.
    pub fn columns(&self) -> &[Column] {
        &self.columns.list[..self.top]
    }

    /// The members of records within columns, to any depth, which can be read by themselves: of a column `jets` that is a
    /// list of records with `pt`, the list `jets.pt`.
    pub fn members(&self) -> &[Column] {
        &self.columns.list[self.top..]
    }

    /// A column or a member by its name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.get(name)
    }

    /// Ranges of entries whose pages were written together, in order.
    pub fn clusters(&self) -> Vec<Range<u64>> {
        let clusters = self.clusters.iter().map(|cluster| cluster.entries.clone());
        clusters.filter(|entries| !entries.is_empty()).collect()
    }

    fn index(&self, name: &str) -> Result<usize> {
        self.columns.index(name, '.').map_err(|what| Error::NotFound {
            file: format!("ntuple {} of {}", self.name, self.blobs.file.name()).into(),
            what,
        })
    }

    fn node(&self, i: usize) -> Result<&Node> {
        let reason = match (&self.columns.list[i].kind, &self.nodes[i]) {
            (Ok(_), Some(node)) => return Ok(node),
            (Err(reason), _) => reason.clone(),
            (Ok(_), None) => "it has no layout".into(),
        };
        Err(Error::Column {
            file: Arc::clone(self.blobs.file.name()),
            object: Arc::clone(&self.name),
            column: self.columns.list[i].name.clone(),
            reason,
        })
    }

    /// The Arrow schema of some columns. Fields carry the metadata "title", "cpp_type" and "unit".
    ///
    /// # Errors
    /// [`Error::NotFound`], or [`Error::Column`] for a column that cannot be read.
    pub fn schema(&self, columns: &[&str]) -> Result<SchemaRef> {
        let fields = columns.iter().map(|name| {
            let i = self.index(name)?;
            let (kind, nullable) = self.node(i)?.data_type();
            Ok(self.columns.list[i].field(name, kind, nullable))
        });
        Ok(Arc::new(ArrowSchema::new(fields.collect::<Result<Vec<_>>>()?)))
    }

    /// Reads some columns over a range of entries. Pages are decoded in parallel on rayon's pool; the result does not
    /// depend on the number of threads.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Column`] for a column that cannot be read, [`Error::Malformed`] for a range beyond the
    /// end and for bytes that are not what the format says.
    pub fn read(&self, columns: &[&str], entries: Range<u64>) -> Result<RecordBatch> {
        let schema = self.schema(columns)?;
        if entries.start > entries.end || entries.end > self.entries() {
            let (start, end) = (entries.start, entries.end);
            return Err(self.broken(format!("entries {start} to {end} are asked for, of {}", self.entries())));
        }
        let rows = usize::try_from(entries.end - entries.start)
            .map_err(|_| self.broken("more entries than memory can hold".into()))?;
        let nodes = columns.iter().map(|name| self.node(self.index(name)?)).collect::<Result<Vec<_>>>()?;
        let arrays = read::read(self, &nodes, &entries)?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(schema, arrays, &options)
            .map_err(|e| self.broken(format!("the columns do not fit together: {e}")))
    }

    /// Decompresses the pages of some columns in all clusters of a range: the bytes that they hold. For [`crate::limit`].
    pub(crate) fn decompress(&self, columns: &[&str], entries: &Range<u64>) -> Result<u64> {
        let mut ids = Vec::new();
        for name in columns {
            self.node(self.index(name)?)?.columns(&mut ids);
        }
        ids.sort_unstable();
        ids.dedup();
        load::decompress(self, &ids, entries)
    }

    /// An error about the ntuple as a whole.
    fn broken(&self, reason: String) -> Error {
        self.place.error(0, reason)
    }
}

/// The columns of an ntuple, while they are being listed.
struct Listing<'a> {
    entries: u64,
    totals: Vec<Totals>,
    builder: Builder<'a>,
    schema: &'a Schema,
    columns: Vec<Column>,
    nodes: Vec<Option<Arc<Node>>>,
}

impl Listing<'_> {
    fn add(&mut self, id: u32, name: String, node: std::result::Result<Arc<Node>, String>) {
        let record = &self.schema.fields[id as usize];
        let mut ids = Vec::new();
        // What a projected field shows belongs to its source.
        if let (Ok(node), None) = (&node, record.source) {
            node.columns(&mut ids);
        }
        let totals: Vec<_> = ids.iter().map(|&id| &self.totals[id as usize]).collect();
        let (kind, nullable) = match &node {
            Ok(node) => {
                let (kind, nullable) = node.data_type();
                (Ok(kind), nullable)
            }
            Err(reason) => (Err(reason.clone()), false),
        };
        self.columns.push(Column {
            name,
            title: record.description.clone(),
            type_name: record.type_name.clone(),
            kind,
            nullable,
            entries: self.entries,
            compressed_bytes: totals.iter().fold(0, |sum, t| t.compressed.saturating_add(sum)),
            uncompressed_bytes: totals.iter().fold(0, |sum, t| t.uncompressed.saturating_add(sum)),
            baskets: totals.iter().map(|t| t.pages).sum(),
            unit: crate::unit::unit(&record.description),
        });
        self.nodes.push(node.ok());
    }

    /// Lists the members of the records within a column. Each repeats the lists that it is in, and a record its members: a
    /// broken file could make that endless. What is then left out can be read within its column.
    fn add_members(&mut self, column: usize, budget: &mut usize) {
        let mut open = vec![column];
        while let Some(i) = open.pop() {
            let members = self.nodes[i].as_ref().map(|node| node.members()).unwrap_or_default();
            let first = self.columns.len();
            for Member { name, field, node } in members {
                match (budget.checked_sub(node.size()), self.builder.join(&self.columns[i].name, ".", &name))
                {
                    (Some(left), Ok(path)) => {
                        *budget = left;
                        self.add(field, path, Ok(node));
                    }
                    _ => return,
                }
            }
            open.extend((first..self.columns.len()).rev());
        }
    }
}
