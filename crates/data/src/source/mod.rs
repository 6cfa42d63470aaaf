//! Files in the form that they come in, behind one small trait.
//!
//! A [`Source`] has a schema, a number of rows, partitions that follow the file's own clusters, and hands out any
//! columns of any range of rows as one Arrow batch. [`open`] looks at the first bytes of a file and returns its reader.
//!
//! ```no_run
//! let source = fiducial_data::source::open("jets.root".as_ref(), None)?;
//! for rows in source.partitions() {
//!     let batch = source.read(&["jet_pt", "part_px"], rows)?;
//! }
//! # Ok::<(), fiducial_data::source::Error>(())
//! ```

mod columns;
mod error;
mod parquet;
mod root;

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{Schema, SchemaRef};

use crate::dataset::digest_file;
pub use columns::{matching_columns, matching_names};
pub use error::Error;
pub use parquet::ParquetSource;
pub use root::RootSource;

/// Key of a field's metadata that holds the unit of the column, such as "GeV".
pub const UNIT: &str = "unit";
/// Key of a field's metadata that holds one line on what the column is.
pub const DESCRIPTION: &str = "description";

/// Rows that a partition has at least, where the file is large enough. A partition is the unit of work of one thread:
/// large enough to hide what starting on it costs, small enough for a few of them to fit into memory.
const PARTITION_ROWS: u64 = 8192;

/// A file of rows and columns.
pub trait Source: Send + Sync {
    /// Where the file is.
    fn path(&self) -> &Path;

    /// What the table is called within the file, where it has a name there.
    fn table(&self) -> Option<&str> {
        None
    }

    /// How many rows it has.
    fn rows(&self) -> u64;

    /// The columns that can be read, with [`UNIT`] and [`DESCRIPTION`] in the fields' metadata where the file has them.
    fn schema(&self) -> SchemaRef;

    /// Why a column that the file has cannot be read, if there is such a column.
    fn unreadable(&self, column: &str) -> Option<String> {
        let _ = column;
        None
    }

    /// Every column that cannot be read, with the reason.
    fn unreadable_columns(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Ranges of rows, in order and without gaps, whose borders follow the file's clusters or row groups.
    fn partitions(&self) -> Vec<Range<u64>>;

    /// The file's size in bytes, and the SHA-256 of all of them. Of a remote file this fetches everything.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn digest(&self) -> Result<(u64, String), Error> {
        digest_file(self.path())
    }

    /// Reads columns, in the order asked for, over a range of rows.
    ///
    /// # Errors
    /// When a column is not there or cannot be read, when the range goes past the end, and when the bytes are bad.
    fn read(&self, columns: &[&str], rows: Range<u64>) -> Result<RecordBatch, Error>;
}

/// Opens a ROOT or Parquet file: which one it is, its first four bytes say, not its name. The address of a remote file
/// (`https://`, `s3://`, `root://`) is that of a ROOT file.
///
/// `tree` names the tree or ntuple of a ROOT file; `None` takes the only one.
///
/// # Errors
/// When the file cannot be opened, is neither ROOT nor Parquet, does not have the tree, or has several and none is named.
pub fn open(path: &Path, tree: Option<&str>) -> Result<Box<dyn Source>, Error> {
    if fiducial_root::is_url(path) {
        return Ok(Box::new(RootSource::open(path, tree)?));
    }
    let mut magic = [0; 4];
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    file.read_exact(&mut magic).map_err(Error::io("read the first four bytes of", path))?;
    match &magic {
        b"root" => Ok(Box::new(RootSource::open(path, tree)?)),
        b"PAR1" => Ok(Box::new(ParquetSource::open(path)?)),
        _ => Err(Error::malformed(path, "neither a ROOT file nor a Parquet file")),
    }
}

/// Merges neighbouring clusters until a partition has [`PARTITION_ROWS`], and splits clusters of more than four times
/// that. Depends on nothing but the file, so that results do not depend on the number of threads.
fn partitions(clusters: impl IntoIterator<Item = Range<u64>>) -> Vec<Range<u64>> {
    let mut partitions: Vec<Range<u64>> = Vec::new();
    for cluster in clusters.into_iter().filter(|cluster| !cluster.is_empty()) {
        if let Some(last) = partitions.last_mut()
            && last.end - last.start < PARTITION_ROWS
            && cluster.end - cluster.start < PARTITION_ROWS
        {
            last.end = cluster.end;
            continue;
        }
        let parts = (cluster.end - cluster.start).div_ceil(4 * PARTITION_ROWS).max(1);
        let size = (cluster.end - cluster.start).div_ceil(parts).max(1);
        let mut start = cluster.start;
        while start < cluster.end {
            let end = (start + size).min(cluster.end);
            partitions.push(start..end);
            start = end;
        }
    }
    partitions
}

/// Refuses a range that goes past the end, and columns that are not there; the answer to a request for no columns.
fn check_request(
    source: &dyn Source,
    columns: &[&str],
    rows: &Range<u64>,
) -> Result<Option<RecordBatch>, Error> {
    if rows.start > rows.end || rows.end > source.rows() {
        let reason = format!("rows {} to {} were asked for, it has {}", rows.start, rows.end, source.rows());
        return Err(Error::malformed(source.path(), reason));
    }
    check_columns(source, columns.iter().copied())?;
    if !columns.is_empty() {
        return Ok(None);
    }
    let count = usize::try_from(rows.end - rows.start)
        .map_err(|_| Error::malformed(source.path(), "more rows than fit into memory"))?;
    let options = RecordBatchOptions::new().with_row_count(Some(count));
    let schema = SchemaRef::new(Schema::empty());
    RecordBatch::try_new_with_options(schema, Vec::new(), &options)
        .map(Some)
        .map_err(|error| Error::malformed(source.path(), error.to_string()))
}

/// Refuses columns that a source does not have, or has but cannot read.
pub(crate) fn check_columns<'a>(
    source: &dyn Source,
    columns: impl IntoIterator<Item = &'a str>,
) -> Result<(), Error> {
    let schema = source.schema();
    for column in columns {
        if schema.column_with_name(column).is_some() {
            continue;
        }
        let reason = source.unreadable(column).unwrap_or_else(|| {
            let near =
                crate::expr::near_names(column, schema.fields().iter().map(|field| field.name().as_str()));
            match near {
                Some(near) => format!("no such column; {near}"),
                None => "no such column".to_owned(),
            }
        });
        return Err(Error::column(source.path(), column, reason));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_follow_clusters() {
        let check = |clusters: &[(u64, u64)], expected: &[(u64, u64)]| {
            let found = partitions(clusters.iter().map(|(start, end)| *start..*end));
            let found: Vec<_> = found.into_iter().map(|rows| (rows.start, rows.end)).collect();
            assert_eq!(found, expected, "{clusters:?}");
        };
        check(&[], &[]);
        check(&[(0, 0)], &[]);
        check(&[(0, 10), (10, 20), (20, 20)], &[(0, 20)]);
        check(&[(0, 5000), (5000, 9000), (9000, 10_000)], &[(0, 9000), (9000, 10_000)]);
        check(&[(0, 20_000), (20_000, 20_010)], &[(0, 20_000), (20_000, 20_010)]);
        check(&[(0, 40_000)], &[(0, 20_000), (20_000, 40_000)]);
    }
}
