//! Parquet files as a source.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};
use parquet::file::metadata::RowGroupMetaData;

use super::{Error, Source, check_request, partitions};

/// A Parquet file.
pub struct ParquetSource {
    path: PathBuf,
    metadata: ArrowReaderMetadata,
    rows: u64,
}

impl ParquetSource {
    /// Opens a Parquet file and reads its footer.
    ///
    /// # Errors
    /// When the file cannot be opened or its footer is bad.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())
            .map_err(Error::parquet("read the footer of", path))?;
        let groups = metadata.metadata().row_groups();
        let rows = groups
            .iter()
            .try_fold(0_u64, |sum, group| sum.checked_add(u64::try_from(group.num_rows()).ok()?))
            .ok_or_else(|| Error::malformed(path, "a row group has a negative number of rows"))?;
        Ok(Self { path: path.to_owned(), metadata, rows })
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

impl Source for ParquetSource {
    fn path(&self) -> &Path {
        &self.path
    }

    fn rows(&self) -> u64 {
        self.rows
    }

    fn schema(&self) -> SchemaRef {
        self.metadata.schema().clone()
    }

    fn partitions(&self) -> Vec<Range<u64>> {
        partitions(self.row_groups())
    }

    fn read(&self, columns: &[&str], rows: Range<u64>) -> Result<RecordBatch, Error> {
        if let Some(empty) = check_request(self, columns, &rows)? {
            return Ok(empty);
        }
        let failed = Error::parquet;
        let schema = self.metadata.schema();
        let fields = schema.fields();
        let roots = fields.iter().enumerate().filter(|(_, field)| columns.contains(&field.name().as_str()));
        let mask = ProjectionMask::roots(self.metadata.parquet_schema(), roots.map(|(index, _)| index));
        let (groups, selectors) = self.plan(&rows);
        let whole_groups = selectors.iter().all(|selector| !selector.skip || selector.row_count == 0);
        // A handle of its own for each call: clones of one handle share their position, and calls run side by side.
        let file = File::open(&self.path).map_err(Error::io("open", &self.path))?;
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
            .with_projection(mask)
            .with_row_groups(groups)
            .with_batch_size(usize::try_from(rows.end - rows.start).unwrap_or(usize::MAX).max(1));
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
        let expected = rows.end - rows.start;
        if batch.num_rows() as u64 != expected {
            let reason = format!("{} rows came out where its footer promises {expected}", batch.num_rows());
            return Err(Error::malformed(&self.path, reason));
        }
        let order: Vec<usize> = columns.iter().filter_map(|column| projected.index_of(column).ok()).collect();
        batch.project(&order).map_err(|error| Error::malformed(&self.path, error.to_string()))
    }
}

fn reader_schema(reader: &parquet::arrow::arrow_reader::ParquetRecordBatchReader) -> SchemaRef {
    arrow_array::RecordBatchReader::schema(reader)
}
