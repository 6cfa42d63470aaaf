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

mod array;
mod bytes;
mod columns;
mod csv;
mod error;
mod file_columns;
mod files;
mod hdf5;
mod members;
mod numpy;
mod parquet;
mod root;
mod text;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use arrow_array::{BooleanArray, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Schema, SchemaRef};
use arrow_select::filter::filter_record_batch;

use crate::dataset::digest_file;
pub use array::ArraySource;
pub(crate) use array::check_slice;
pub(crate) use columns::is_meant;
pub use columns::{matching_columns, matching_names};
pub use csv::CsvSource;
pub use error::Error;
pub use file_columns::with_file_columns;
pub use files::{check_output, expand};
pub use parquet::ParquetSource;
pub use root::RootSource;
pub use text::EventSource;

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

    /// The column that another one is a member of (`muon` of `muon.pt`, where it holds records), or a shorter name for. Those who
    /// want all columns want what it stands for alone.
    fn original<'c>(&'c self, column: &'c str) -> Option<&'c str> {
        let _ = column;
        None
    }

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

    /// What some columns of some rows will take in memory, as far as the file tells without being read.
    fn decoded_bytes(&self, columns: &[&str], rows: &Range<u64>) -> Option<u64> {
        let _ = (columns, rows);
        None
    }

    /// Says that some columns of a partition will not be read, where those of its neighbours are: what was unpacked of them
    /// on the way is given back. They can be read all the same.
    fn pass_over(&self, columns: &[&str], rows: &Range<u64>) {
        let _ = (columns, rows);
    }

    /// Gives back memory that is kept for the next read. More can be read all the same.
    fn release(&self) {}

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

    /// Reads columns of the rows of a range that `chosen` marks, in order. What holds no chosen row is not unpacked, as far
    /// as the format lets it.
    ///
    /// # Errors
    /// As [`Source::read`]; and when `chosen` has another length than the range.
    fn read_chosen(
        &self,
        columns: &[&str],
        rows: Range<u64>,
        chosen: &BooleanArray,
    ) -> Result<RecordBatch, Error> {
        let batch = self.read(columns, rows)?;
        filter_record_batch(&batch, chosen).map_err(|error| Error::malformed(self.path(), error.to_string()))
    }
}

/// What is to be read of a file, where the file alone does not say it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OpenOptions {
    /// The tree or ntuple of a ROOT file, the group, dataset or key of an HDF5 file, the array of an NPZ file; `None` takes
    /// the only one.
    pub table: Option<String>,
    /// Columns that are slices of arrays (HDF5, NumPy), as NumPy writes them: `part_pt` is `X[:, :, 0]`.
    pub arrays: Vec<(String, String)>,
    /// The types of columns of a CSV file: 64-bit integers or floats, booleans or texts.
    pub types: BTreeMap<String, DataType>,
}

impl OpenOptions {
    /// The table of this name.
    pub fn table(name: Option<&str>) -> Self {
        Self { table: name.map(str::to_owned), ..Self::default() }
    }
}

/// Opens a file of any format: which one it is, its first bytes say, not its name. A path may be the address of a file
/// (`https://`, `s3://`; `root://` for ROOT): of ROOT files only what is needed is fetched, other files are fetched whole
/// into the cache.
///
/// `tree` names the table; `None` takes the only one. Of a column that holds records, or lists of them, the members are columns too:
/// `muon.charge`; and so are `px, py, pz, energy, pt, eta, phi, mass` of records that are four-vectors.
///
/// # Errors
/// When the file cannot be opened, is of no known format, does not have the table, or has several and none is named.
pub fn open(path: &Path, tree: Option<&str>) -> Result<Box<dyn Source>, Error> {
    open_with(path, &OpenOptions::table(tree))
}

/// As [`open`], with columns out of arrays and declared types.
///
/// # Errors
/// As [`open`]; and when `arrays` or `types` are given for a format that has none.
pub fn open_with(path: &Path, options: &OpenOptions) -> Result<Box<dyn Source>, Error> {
    let source = if fiducial_root::is_url(path) {
        files::open_remote(path, options)?
    } else {
        open_local(path, path, options)?
    };
    Ok(members::with_members(source))
}

/// The formats that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Root,
    Parquet,
    Hdf5,
    NumPy,
    Events,
    Csv,
}

impl Format {
    /// What a file's first bytes are those of; `None` where that is nothing known.
    fn of(start: &[u8], name: &str) -> Option<Self> {
        if start.starts_with(b"root") {
            Some(Self::Root)
        } else if start.starts_with(b"PAR1") {
            Some(Self::Parquet)
        } else if start.starts_with(&hdf5::MAGIC)
            || start.get(512..).is_some_and(|at| at.starts_with(&hdf5::MAGIC))
        {
            Some(Self::Hdf5)
        } else if start.starts_with(numpy::MAGIC) || start.starts_with(b"PK\x03\x04") {
            Some(Self::NumPy)
        } else if text::is_events(start) {
            Some(Self::Events)
        } else {
            // A text of any kind may be CSV: only its name says whether it is meant to be.
            let is_text = !start.is_empty() && !start.contains(&0);
            (is_text && [".csv", ".tsv", ".txt", ".dat"].iter().any(|end| name.ends_with(end)))
                .then_some(Self::Csv)
        }
    }
}

/// Whether a file, here or behind an address, is a ROOT file.
///
/// # Errors
/// When it cannot be opened.
pub fn is_root(path: &Path) -> Result<bool, Error> {
    let magic = if fiducial_root::is_url(path) { files::remote_start(path)? } else { start(path)? };
    Ok(magic.starts_with(b"root"))
}

/// Opens a file on this machine, which is shown as `path` in messages.
fn open_local(file: &Path, path: &Path, options: &OpenOptions) -> Result<Box<dyn Source>, Error> {
    let start = start(file)?;
    if start.is_empty() {
        return Err(Error::malformed(path, "it is empty"));
    }
    let name = path.to_string_lossy().to_ascii_lowercase();
    let name = name.split_once('?').map_or(name.as_str(), |(name, _)| name);
    let name = [".gz", ".zst", ".xz"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    let format = Format::of(&start, name).ok_or_else(|| {
        let known = "ROOT, Parquet, HDF5, NumPy, LHE, HepMC or, by its name (.csv, .tsv, .txt, .dat), CSV";
        Error::malformed(path, format!("its first bytes are those of no format that is known ({known})"))
    })?;
    let refuse =
        |what: &str| Err(Error::malformed(path, format!("{what} were asked for, which its format has not")));
    if !options.arrays.is_empty() && !matches!(format, Format::Hdf5 | Format::NumPy) {
        return refuse("slices of arrays");
    }
    if !options.types.is_empty() && format != Format::Csv {
        return refuse("declared types");
    }
    let table = options.table.as_deref();
    Ok(match format {
        Format::Root => Box::new(RootSource::open(file, table)?),
        Format::Parquet => Box::new(ParquetSource::open(file)?),
        Format::Hdf5 => Box::new(ArraySource::open_hdf5(file, options)?),
        Format::NumPy => Box::new(ArraySource::open_numpy(file, options)?),
        Format::Events => Box::new(EventSource::open(file)?),
        Format::Csv => {
            let source = CsvSource::open(file, options)?;
            // Under these names there are texts of any kind.
            if (name.ends_with(".txt") || name.ends_with(".dat")) && source.is_plain_text() {
                let reason =
                    "it has one column of texts, so that it is no table; one that is may be called .csv";
                return Err(Error::malformed(path, reason));
            }
            Box::new(source)
        }
    })
}

/// The first bytes of a file, of a packed one those of its content.
fn start(path: &Path) -> Result<Vec<u8>, Error> {
    const LENGTH: u64 = 1024;
    if path.is_dir() {
        let files = path.join("*.parquet");
        let reason = format!("it is a directory: name the files in it, as in '{}'", files.display());
        return Err(Error::malformed(path, reason));
    }
    let read = |from: &mut dyn Read| {
        let mut start = Vec::new();
        from.take(LENGTH).read_to_end(&mut start).map(|_| start)
    };
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    let start = read(&mut file).map_err(Error::io("read the first bytes of", path))?;
    let Some(codec) = bytes::Codec::of(&start) else { return Ok(start) };
    std::io::Seek::rewind(&mut file).map_err(Error::io("read", path))?;
    let mut content = codec.reader(file).map_err(Error::io("unpack", path))?;
    read(&mut content).map_err(Error::io("unpack", path))
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
        let size = part_rows(&cluster);
        let mut start = cluster.start;
        while start < cluster.end {
            let end = (start + size).min(cluster.end);
            partitions.push(start..end);
            start = end;
        }
    }
    partitions
}

/// The rows of each part that a cluster is cut into; the last one may have fewer.
fn part_rows(cluster: &Range<u64>) -> u64 {
    let rows = cluster.end - cluster.start;
    let parts = rows.div_ceil(4 * PARTITION_ROWS).max(1);
    rows.div_ceil(parts).max(1)
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
