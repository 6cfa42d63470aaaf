//! Writes an RNTuple: clusters of pages, page lists, footer and anchor, by version 1.0.0.0 of the format's
//! specification (`BinaryFormatSpecification.md` in ROOT's repository).

mod envelope;
mod pages;
mod schema;

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use rayon::prelude::*;

use self::envelope::{Cluster, ClusterGroup, ColumnPages, Locator, PageRecord, footer, header, page_list};
use self::pages::{Elements, append, page, page_ranges};
use self::schema::Description;
use super::arrays::same_columns;
use super::file::{KeyOf, RootWriter};
use super::fill::Fill;
use super::tree_classes::RNTUPLE;
use crate::error::{Error, Result};

pub use self::schema::unwritable_in_ntuple;

/// Bytes of a cluster before compression: what is in memory while it is gathered, about twice while it is written.
const CLUSTER_BYTES: u64 = 64 << 20;
/// Pages whose places are kept in memory; then a page list is written, and a new group of clusters begins.
const GROUP_PAGES: usize = 1 << 16;
/// Pages of a cluster share records of at most this size, and one page more.
const BLOB_BYTES: usize = 256 << 20;
/// A record's key says sizes of 30 bits.
const MAX_KEY: u64 = 1 << 30;

/// Writes an RNTuple batch by batch. Made by [`RootWriter::ntuple`]; nothing is kept without [`NtupleWriter::finish`].
#[derive(Debug)]
pub struct NtupleWriter<'a> {
    file: &'a mut RootWriter,
    path: String,
    directory: u64,
    schema: SchemaRef,
    description: Description,
    header: Link,
    header_sum: u64,
    pending: Vec<Elements>,
    fill: Fill,
    /// The elements of each column in the clusters that were written.
    offsets: Vec<u64>,
    clusters: Vec<Cluster>,
    groups: Vec<ClusterGroup>,
}

/// An envelope that was written: where, and its size when decompressed.
#[derive(Debug, Clone, Copy)]
struct Link {
    locator: Locator,
    size: u64,
}

impl RootWriter {
    /// Starts an RNTuple, "name" or "directory/name". Columns become fields:
    ///
    /// | Arrow | field |
    /// |---|---|
    /// | numbers, bool | the same; bytes split, and signed numbers zigzag, where the file is compressed |
    /// | `Utf8` | `std::string` |
    /// | `List` | `std::vector`, to any depth |
    /// | `FixedSizeList` | `std::array` |
    /// | `Struct` | an untyped record |
    /// | a nullable field | `std::optional` of it; not for structs, which may be nullable but hold no null |
    ///
    /// # Errors
    /// [`Error::Unwritable`] for a column that an RNTuple cannot hold, with the reason.
    pub fn ntuple(&mut self, name: &str, schema: &Schema) -> Result<NtupleWriter<'_>> {
        let refuse = |(column, reason): (String, String)| {
            self.unwritable(&format!("column {column} of RNTuple {name}"), reason)
        };
        let description = Description::new(schema).map_err(refuse)?;
        let mut names: Vec<_> = schema.fields().iter().map(|field| field.name()).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|w| w[0] == w[1]) {
            return Err(refuse((twice[0].clone(), "there are two fields of this name".to_owned())));
        }
        let directory = self.directory_of(name)?;
        let last = name.rsplit('/').next().unwrap_or(name);
        let split = !self.compression().is_none();
        let (bytes, header_sum) = header(last, "", &description.fields, &description.columns, split);
        let header = self.envelope(directory, name, bytes)?;
        let columns = description.columns.len();
        Ok(NtupleWriter {
            file: self,
            path: name.to_owned(),
            directory,
            schema: schema.clone().into(),
            description,
            header,
            header_sum,
            pending: (0..columns).map(|_| Elements::default()).collect(),
            fill: Fill::new(CLUSTER_BYTES),
            offsets: vec![0; columns],
            clusters: Vec::new(),
            groups: Vec::new(),
        })
    }

    /// Writes bytes as a record that no directory lists; gives where they start.
    fn blob(&mut self, directory: u64, bytes: &[u8], size: usize) -> Result<u64> {
        let key = KeyOf { class: "RBlob", name: "", title: "", cycle: 1, directory, extra: &[] };
        let (position, key) = self.record(&key, bytes, size)?;
        Ok(position + key.len() as u64)
    }

    fn envelope(&mut self, directory: u64, name: &str, bytes: Vec<u8>) -> Result<Link> {
        let size = bytes.len();
        if size as u64 >= MAX_KEY {
            return Err(self.unwritable(name, "its description is larger than 1 GiB"));
        }
        let stored = self.compression().compress(bytes).map_err(|reason| self.unwritable(name, reason))?;
        let offset = self.blob(directory, &stored, size)?;
        Ok(Link { locator: Locator { size: stored.len() as u32, offset }, size: size as u64 })
    }
}

impl NtupleWriter<'_> {
    /// Sets the bytes of a cluster before compression, 64 MiB if not set: readers take a cluster at a time, and this
    /// many bytes are in memory while it is gathered.
    #[must_use]
    pub fn cluster_bytes(mut self, bytes: u64) -> Self {
        self.fill.limit(bytes);
        self
    }

    /// Appends rows. How they come in batches does not change the file.
    ///
    /// # Errors
    /// [`Error::Unwritable`] for a batch of another schema, and for nulls in a field that is not nullable;
    /// [`Error::Write`] where the system refuses.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if !same_columns(&self.schema, batch.schema_ref()) {
            return Err(self.unwritable(None, "a batch has other columns than were announced"));
        }
        let mut at = 0;
        while at < batch.num_rows() {
            let (rows, bytes) = self.fill.room(batch, at);
            self.gather(&batch.slice(at, rows))?;
            self.fill.add(rows, bytes);
            at += rows;
            if at < batch.num_rows() {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn unwritable(&self, column: Option<usize>, reason: impl Into<String>) -> Error {
        let object = match column {
            Some(column) => format!("column {} of RNTuple {}", self.schema.field(column).name(), self.path),
            None => format!("RNTuple {}", self.path),
        };
        self.file.unwritable(&object, reason)
    }

    fn gather(&mut self, batch: &RecordBatch) -> Result<()> {
        // Columns of a field lie together, in the order of the fields: each task gets its own.
        let mut rest = self.pending.as_mut_slice();
        let mut tasks = Vec::new();
        let mut start = 0;
        for (node, array) in self.description.nodes.iter().zip(batch.columns()) {
            let end = node.last_column().map_or(start, |last| last + 1);
            let (own, others) = rest.split_at_mut(end - start);
            tasks.push((node, array, start, own));
            rest = others;
            start = end;
        }
        let results: Vec<_> =
            tasks.into_par_iter().map(|(node, array, start, own)| append(node, array, start, own)).collect();
        for (column, result) in results.into_iter().enumerate() {
            result.map_err(|reason| {
                self.unwritable(Some(column), format!("in {}: {reason}", self.fill.next(batch.num_rows())))
            })?;
        }
        Ok(())
    }

    /// Writes the pending rows as a cluster.
    fn flush(&mut self) -> Result<()> {
        if self.fill.rows == 0 {
            return Ok(());
        }
        let pages = self.pages()?;
        let mut columns: Vec<_> =
            self.offsets.iter().map(|&offset| ColumnPages { pages: Vec::new(), offset }).collect();
        let mut blob = Vec::new();
        let mut inside = Vec::new();
        let mut pages = pages.into_iter().peekable();
        while let Some((column, elements, bytes)) = pages.next() {
            let sum = xxhash_rust::xxh3::xxh3_64(&bytes);
            inside.push((column, elements, blob.len() as u64, bytes.len() as u32));
            blob.extend_from_slice(&bytes);
            blob.extend_from_slice(&sum.to_le_bytes());
            if blob.len() >= BLOB_BYTES || pages.peek().is_none() {
                let start = self.file.blob(self.directory, &blob, blob.len())?;
                for (column, elements, at, size) in inside.drain(..) {
                    let locator = Locator { size, offset: start + at };
                    columns[column].pages.push(PageRecord { elements, locator });
                }
                blob.clear();
            }
        }
        for (i, pending) in self.pending.iter_mut().enumerate() {
            self.offsets[i] += (pending.bytes.len() / self.description.columns[i].kind.width()) as u64;
            pending.clear();
        }
        let first_entry = self.fill.before;
        self.clusters.push(Cluster { first_entry, entries: self.fill.close(), columns });
        if self.clusters.len() * self.offsets.len() >= GROUP_PAGES {
            self.flush_group()?;
        }
        Ok(())
    }

    /// The pages of the cluster, column by column, compressed in parallel: column, elements, bytes.
    fn pages(&self) -> Result<Vec<(usize, u32, Vec<u8>)>> {
        let compression = self.file.compression();
        let mut tasks = Vec::new();
        for (column, (record, elements)) in self.description.columns.iter().zip(&self.pending).enumerate() {
            let ranges = page_ranges(record.kind, elements);
            tasks.extend(ranges.into_iter().map(|range| (column, record.kind, elements, range)));
        }
        tasks
            .into_par_iter()
            .map(|(column, kind, elements, range)| {
                let page = page(kind, !compression.is_none(), elements, range);
                let bytes = compression.compress(page.bytes).map_err(|r| self.unwritable(None, r))?;
                Ok((column, page.elements as u32, bytes))
            })
            .collect()
    }

    /// Writes the page list of the clusters that have none yet.
    fn flush_group(&mut self) -> Result<()> {
        let (Some(first), Some(last)) = (self.clusters.first(), self.clusters.last()) else { return Ok(()) };
        let (first_entry, end) = (first.first_entry, last.first_entry + last.entries);
        let bytes = page_list(self.header_sum, &self.clusters, self.file.compression().setting());
        let link = self.file.envelope(self.directory, &self.path, bytes)?;
        self.groups.push(ClusterGroup {
            first_entry,
            entries: end - first_entry,
            clusters: self.clusters.len() as u32,
            size: link.size,
            locator: link.locator,
        });
        self.clusters.clear();
        Ok(())
    }

    /// Writes what is pending, the footer, and the anchor that the directory lists.
    ///
    /// # Errors
    /// As [`NtupleWriter::write`].
    pub fn finish(mut self) -> Result<()> {
        self.flush()?;
        self.flush_group()?;
        let bytes = footer(self.header_sum, &self.groups);
        let footer = self.file.envelope(self.directory, &self.path, bytes)?;
        let mut numbers = Vec::new();
        for version in [1_u16, 0, 0, 0] {
            numbers.extend_from_slice(&version.to_be_bytes());
        }
        for link in [self.header, footer] {
            for number in [link.locator.offset, u64::from(link.locator.size), link.size] {
                numbers.extend_from_slice(&number.to_be_bytes());
            }
        }
        numbers.extend_from_slice(&MAX_KEY.to_be_bytes());
        self.file.object(&self.path, "", "ROOT::RNTuple", &[&RNTUPLE], |out| {
            out.versioned(RNTUPLE.version, |out| out.bytes(&numbers));
            out.u64(xxhash_rust::xxh3::xxh3_64(&numbers));
        })
    }
}
