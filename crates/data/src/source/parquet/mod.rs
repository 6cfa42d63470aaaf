//! Parquet files as a source.

mod chain;
mod shared;

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use arrow_array::{BooleanArray, RecordBatch};
use arrow_schema::{Schema, SchemaRef};
use arrow_select::concat::concat_batches;
use arrow_select::filter::filter_record_batch;
use bytes::Bytes;
use fiducial_root::RemoteFile;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
    RowSelection, RowSelector,
};
use parquet::basic::Compression;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{ChunkReader, Length};

use super::{Error, Source, check_request, partitions};
use crate::dataset::{digest_file, digest_pieces};
use chain::{Chains, Part};
use shared::Shared;

/// Bytes of a remote file that are hashed at once.
const PIECE: usize = 8 << 20;

/// A Parquet file.
pub struct ParquetSource {
    path: PathBuf,
    place: Place,
    metadata: ArrowReaderMetadata,
    /// Of the columns that can be read; the others stand beside it with the reason.
    schema: SchemaRef,
    unreadable: Vec<(String, String)>,
    rows: u64,
    chains: Chains,
    /// A local file, for the decoders that are kept; opened for the first, so that a hundred of them need no hundred open files.
    shared: OnceLock<Option<Shared>>,
}

/// Where the bytes are.
enum Place {
    Local,
    Remote(Ranges),
}

/// A file on a server, of which ranges are fetched.
#[derive(Clone)]
struct Ranges(Arc<RemoteFile>);

impl Length for Ranges {
    fn len(&self) -> u64 {
        self.0.size()
    }
}

impl ChunkReader for Ranges {
    type T = Box<dyn Read>;

    fn get_read(&self, start: u64) -> ParquetResult<Box<dyn Read>> {
        Ok(Box::new(From { file: self.clone(), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let bytes = self.0.bytes(start, length).map_err(|error| ParquetError::External(Box::new(error)))?;
        if bytes.len() == length {
            Ok(bytes.into())
        } else {
            Err(ParquetError::EOF(format!("byte {start} to {} lie beyond its end", start + length as u64)))
        }
    }
}

/// The bytes of a remote file from some place on.
struct From {
    file: Ranges,
    at: u64,
}

impl Read for From {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let bytes = self.file.0.bytes(self.at, buffer.len()).map_err(std::io::Error::other)?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }
}

impl ParquetSource {
    /// Opens a Parquet file and reads its footer.
    ///
    /// # Errors
    /// When the file cannot be opened or its footer is bad.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new());
        Self::new(path, Place::Local, metadata.map_err(Error::parquet("read the footer of", path))?)
    }

    /// Opens a file on a server; of its columns only what is asked for is fetched.
    pub(super) fn open_remote(url: &Path, file: RemoteFile) -> Result<Self, Error> {
        let file = Ranges(Arc::new(file));
        let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new());
        let metadata = metadata.map_err(Error::parquet("read the footer of", url))?;
        Self::new(url, Place::Remote(file), metadata)
    }

    fn new(path: &Path, place: Place, metadata: ArrowReaderMetadata) -> Result<Self, Error> {
        let groups = metadata.metadata().row_groups();
        let rows = groups
            .iter()
            .try_fold(0_u64, |sum, group| sum.checked_add(u64::try_from(group.num_rows()).ok()?))
            .ok_or_else(|| Error::malformed(path, "a row group has a negative number of rows"))?;
        let (chains, shared) = (Chains::default(), OnceLock::new());
        let unreadable = unreadable(groups);
        let is_readable = |name: &String| unreadable.iter().all(|(other, _)| other != name);
        let all = metadata.schema();
        let fields = all.fields().iter().filter(|field| is_readable(field.name())).cloned();
        let schema = Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), all.metadata().clone()));
        Ok(Self { path: path.to_owned(), place, schema, unreadable, metadata, rows, chains, shared })
    }

    /// The rows of each row group, in order.
    pub(crate) fn row_groups(&self) -> Vec<Range<u64>> {
        let mut start = 0;
        let group_rows = self.metadata.metadata().row_groups().iter().map(RowGroupMetaData::num_rows);
        group_rows
            .map(|rows| {
                let end = start + u64::try_from(rows).unwrap_or(0);
                std::mem::replace(&mut start, end)..end
            })
            .collect()
    }

    /// The row groups that a range touches, and what to skip and to take in them.
    fn plan(&self, rows: &Range<u64>) -> (Vec<usize>, Vec<RowSelector>) {
        let (mut groups, mut selectors) = (Vec::new(), Vec::new());
        // Row counts of a group fit `usize`: the footer's own index of pages would not otherwise.
        let size = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        for (index, group) in self.row_groups().into_iter().enumerate() {
            let wanted = rows.start.max(group.start)..rows.end.min(group.end);
            if wanted.is_empty() {
                continue;
            }
            groups.push(index);
            selectors.push(RowSelector::skip(size(wanted.start - group.start)));
            selectors.push(RowSelector::select(size(wanted.end - wanted.start)));
            selectors.push(RowSelector::skip(size(group.end - wanted.end)));
        }
        (groups, selectors)
    }
}

/// The columns that are packed in a way that cannot be undone here.
fn unreadable(groups: &[RowGroupMetaData]) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for chunk in groups.iter().flat_map(RowGroupMetaData::columns) {
        let codec = match chunk.compression() {
            Compression::BROTLI(_) => "Brotli",
            Compression::LZO => "LZO",
            _ => continue,
        };
        let Some(name) = chunk.column_path().parts().first() else { continue };
        if found.iter().all(|(other, _)| other != name) {
            found.push((name.clone(), format!("it is packed with {codec}, which cannot be undone here")));
        }
    }
    found
}

impl Source for ParquetSource {
    fn path(&self) -> &Path {
        &self.path
    }

    fn rows(&self) -> u64 {
        self.rows
    }

    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn unreadable(&self, column: &str) -> Option<String> {
        self.unreadable.iter().find(|(name, _)| name == column).map(|(_, reason)| reason.clone())
    }

    fn unreadable_columns(&self) -> Vec<(String, String)> {
        self.unreadable.clone()
    }

    fn partitions(&self) -> Vec<Range<u64>> {
        partitions(self.row_groups())
    }

    fn decoded_bytes(&self, columns: &[&str], rows: &Range<u64>) -> Option<u64> {
        let groups = self.metadata.metadata().row_groups().iter().zip(self.row_groups());
        let touched = groups.filter(|(_, group)| group.start < rows.end && rows.start < group.end);
        let bytes = touched.map(|(group, range)| {
            let is_asked = |name: Option<&String>| name.is_some_and(|name| columns.contains(&name.as_str()));
            let chunks = group.columns().iter().filter(|chunk| is_asked(chunk.column_path().parts().first()));
            let all: i64 = chunks.map(|chunk| chunk.uncompressed_size().max(0)).fold(0, i64::saturating_add);
            let inside = rows.end.min(range.end) - rows.start.max(range.start);
            all as f64 * inside as f64 / (range.end - range.start) as f64
        });
        Some(bytes.sum::<f64>() as u64)
    }

    fn pass_over(&self, columns: &[&str], rows: &Range<u64>) {
        if let Some(part) = Part::of(rows, &self.row_groups()) {
            self.chains.pass_over(columns, part);
        }
    }

    fn release(&self) {
        self.chains.clear();
    }

    fn digest(&self) -> Result<(u64, String), Error> {
        let Place::Remote(file) = &self.place else { return digest_file(&self.path) };
        let failed = |source| Error::Root { path: self.path.clone(), source: Box::new(source) };
        digest_pieces((0..file.len()).step_by(PIECE).map(|seek| file.0.bytes(seek, PIECE).map_err(failed)))
    }

    fn read(&self, columns: &[&str], rows: Range<u64>) -> Result<RecordBatch, Error> {
        if let Some(empty) = check_request(self, columns, &rows)? {
            return Ok(empty);
        }
        if let Some(batch) = self.read_part(columns, &rows) {
            return Ok(batch);
        }
        let (groups, selectors) = self.plan(&rows);
        self.read_selected(columns, groups, selectors, rows.end - rows.start)
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
        if chosen.len() as u64 != rows.end - rows.start {
            return Err(Error::malformed(
                &self.path,
                format!("{} marks for the rows {rows:?}", chosen.len()),
            ));
        }
        if let Some(batch) = self.read_part(columns, &rows) {
            return filter_record_batch(&batch, chosen)
                .map_err(|error| Error::malformed(&self.path, error.to_string()));
        }
        let (mut groups, mut selectors) = (Vec::new(), Vec::new());
        let at = |row: u64| (row - rows.start) as usize;
        for (index, group) in self.row_groups().into_iter().enumerate() {
            let wanted = rows.start.max(group.start)..rows.end.min(group.end);
            let marks = if wanted.is_empty() {
                continue;
            } else {
                chosen.slice(at(wanted.start), at(wanted.end) - at(wanted.start))
            };
            if marks.true_count() == 0 {
                continue;
            }
            groups.push(index);
            selectors.push(RowSelector::skip((wanted.start - group.start) as usize));
            selectors.extend(Vec::<RowSelector>::from(RowSelection::from_filters(&[marks])));
            selectors.push(RowSelector::skip((group.end - wanted.end) as usize));
        }
        self.read_selected(columns, groups, selectors, chosen.true_count() as u64)
    }
}

impl ParquetSource {
    /// A partition that is a part of a row group, by decoders that go on from part to part; `None` where the range is no such
    /// part or they cannot give it.
    fn read_part(&self, columns: &[&str], rows: &Range<u64>) -> Option<RecordBatch> {
        let part = Part::of(rows, &self.row_groups())?;
        let arrays =
            self.chains.read(columns, part, |column, part, from| self.decoder(column, part, from))?;
        let schema = self.metadata.schema();
        let fields: Option<Vec<_>> = columns.iter().map(|name| schema.field_with_name(name).ok()).collect();
        let fields: Vec<_> = fields?.into_iter().cloned().collect();
        RecordBatch::try_new(SchemaRef::new(Schema::new(fields)), arrays).ok()
    }

    /// A decoder of one column of a row group from one of its parts on, which gives the rows of one part at a time.
    fn decoder(&self, column: &str, part: Part, from: usize) -> Option<ParquetRecordBatchReader> {
        match &self.place {
            Place::Local => {
                let open = || File::open(&self.path).ok().map(|file| Shared(Arc::new(file)));
                self.decoder_of(self.shared.get_or_init(open).clone()?, column, part, from)
            }
            Place::Remote(file) => self.decoder_of(file.clone(), column, part, from),
        }
    }

    fn decoder_of<R: ChunkReader + 'static>(
        &self,
        file: R,
        column: &str,
        part: Part,
        from: usize,
    ) -> Option<ParquetRecordBatchReader> {
        let root = self.metadata.schema().index_of(column).ok()?;
        let mask = ProjectionMask::roots(self.metadata.parquet_schema(), [root]);
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
            .with_projection(mask)
            .with_row_groups(vec![part.group])
            .with_batch_size(part.size);
        if from > 0 {
            let skipped = from * part.size;
            let all = usize::try_from(self.metadata.metadata().row_group(part.group).num_rows()).ok()?;
            let selectors = vec![RowSelector::skip(skipped), RowSelector::select(all - skipped)];
            builder = builder.with_row_selection(RowSelection::from(selectors));
        }
        builder.build().ok()
    }

    /// Reads what selectors choose of some row groups, `expected` rows.
    fn read_selected(
        &self,
        columns: &[&str],
        groups: Vec<usize>,
        selectors: Vec<RowSelector>,
        expected: u64,
    ) -> Result<RecordBatch, Error> {
        match &self.place {
            // A handle of its own for each call: clones of one handle share their position, and calls run side by side.
            Place::Local => {
                let file = File::open(&self.path).map_err(Error::io("open", &self.path))?;
                self.read_from(file, columns, groups, selectors, expected)
            }
            Place::Remote(file) => self.read_from(file.clone(), columns, groups, selectors, expected),
        }
    }

    fn read_from<R: ChunkReader + 'static>(
        &self,
        file: R,
        columns: &[&str],
        groups: Vec<usize>,
        selectors: Vec<RowSelector>,
        expected: u64,
    ) -> Result<RecordBatch, Error> {
        let failed = Error::parquet;
        let schema = self.metadata.schema();
        let fields = schema.fields();
        let roots = fields.iter().enumerate().filter(|(_, field)| columns.contains(&field.name().as_str()));
        let mask = ProjectionMask::roots(self.metadata.parquet_schema(), roots.map(|(index, _)| index));
        let whole_groups = selectors.iter().all(|selector| !selector.skip || selector.row_count == 0);
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
            .with_projection(mask)
            .with_row_groups(groups)
            .with_batch_size(usize::try_from(expected).unwrap_or(usize::MAX).max(1));
        if !whole_groups {
            builder = builder.with_row_selection(RowSelection::from(selectors));
        }
        let reader = builder.build().map_err(failed("read", &self.path))?;
        let projected = reader_schema(&reader);
        let batches = reader
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| failed("read", &self.path)(error.into()))?;
        let batch = concat_batches(&projected, &batches)
            .map_err(|error| Error::malformed(&self.path, error.to_string()))?;
        if batch.num_rows() as u64 != expected {
            let reason = format!("{} rows came out where its footer promises {expected}", batch.num_rows());
            return Err(Error::malformed(&self.path, reason));
        }
        let order: Vec<usize> = columns.iter().filter_map(|column| projected.index_of(column).ok()).collect();
        batch.project(&order).map_err(|error| Error::malformed(&self.path, error.to_string()))
    }
}

fn reader_schema(reader: &ParquetRecordBatchReader) -> SchemaRef {
    arrow_array::RecordBatchReader::schema(reader)
}

#[cfg(test)]
mod tests;
