//! One table of a file to another format: ROOT or Parquet to ROOT (tree or RNTuple), Parquet or Arrow.
//!
//! Rows stream through: some clusters or row groups are read while those before them are written. A column that cannot
//! be read, or that the target has no form for, is left out and named with the reason in [`Converted::skipped`]: the
//! caller decides what that means. For a ROOT file, columns that may hold nulls are read once before, to see whether they
//! do: a tree has no form for nulls, and in an RNTuple they make a field `std::optional`.
//!
//! ```
//! # let directory = std::env::temp_dir().join(format!("fiducial-convert-{}", std::process::id()));
//! # std::fs::create_dir_all(&directory).unwrap();
//! # let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../../benchmarks/jet-tagging/top/sample/top_tagging.root");
//! use fiducial_data::convert::{ConvertOptions, convert};
//! let source = fiducial_data::source::open(sample.as_ref(), None)?;
//! let options = ConvertOptions { columns: vec!["part_p?".to_owned()], ..ConvertOptions::default() };
//! let converted = convert(&*source, &directory.join("jets.parquet"), "tree", &options)?;
//! assert_eq!(converted.columns, ["part_px", "part_py", "part_pz"]);
//! assert!(converted.skipped.is_empty());
//! # std::fs::remove_dir_all(&directory).unwrap();
//! # Ok::<(), fiducial_data::source::Error>(())
//! ```

pub(crate) mod glob;
mod nulls;
mod plan;
mod target;

use std::ops::Range;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use fiducial_root::Compression;

use crate::source::{Error, Source, check_output};
pub(crate) use glob::fits;
use plan::{Plan, plan};
use target::Target;
pub(crate) use target::{aside, put};

/// What to convert and how.
#[derive(Debug, Clone, Default)]
pub struct ConvertOptions {
    /// Names or patterns of columns, in which `*` stands for any characters and `?` for one; none means all. A pattern that
    /// fits a record does not mean its members: `muon.*` does.
    pub columns: Vec<String>,
    /// The rows to take; `None` means all.
    pub rows: Option<Range<u64>>,
    /// What a ROOT file is to hold.
    pub form: RootForm,
    /// The codec; `None` means Zstandard at the target's usual level, and for Arrow none.
    pub compression: Option<Compression>,
}

/// The two tables of ROOT.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RootForm {
    /// A TTree, which every version of ROOT and uproot reads.
    #[default]
    Tree,
    /// An RNTuple, which ROOT reads from 6.34 on, and uproot from 5.5 on.
    Ntuple,
}

/// What became of a conversion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converted {
    /// The rows that were written.
    pub rows: u64,
    /// The columns that were written, by their names in the target.
    pub columns: Vec<String>,
    /// Columns that were asked for and are not in the target.
    pub skipped: Vec<Skipped>,
    /// Columns whose names the target does not allow: the name in the source, and in the target.
    pub renamed: Vec<(String, String)>,
}

/// A column that is not in the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its name in the source.
    pub column: String,
    /// Why not.
    pub reason: String,
}

/// Splits `FILE:OBJECT`. What follows the last colon is an object where the file's name ends before it in `.root`, or
/// where such a file exists; else all of it is the file, so that a URL or a path with a colon stays whole.
pub fn split_object(text: &str) -> (PathBuf, Option<String>) {
    let whole = || (PathBuf::from(text), None);
    if Path::new(text).exists() {
        return whole();
    }
    match text.rsplit_once(':') {
        Some((file, object))
            if !object.is_empty() && (file.ends_with(".root") || Path::new(file).exists()) =>
        {
            (PathBuf::from(file), Some(object.to_owned()))
        }
        _ => whole(),
    }
}

/// Writes columns of a source to `path`, whose extension chooses the format: `.parquet`, `.arrow` (also `.feather`,
/// `.ipc`) or `.root`, where the table gets the name `table`. The file appears whole or not at all.
///
/// # Errors
/// When the extension is none of these, a pattern fits no column, no column can be written, the rows are not there, the
/// source cannot be read, or the system refuses to write; when `path` is the source's own file.
pub fn convert(
    source: &dyn Source,
    path: &Path,
    table: &str,
    options: &ConvertOptions,
) -> Result<Converted, Error> {
    check_output(path, [source.path()])?;
    let target = Target::new(path, options)?;
    let rows = match &options.rows {
        None => 0..source.rows(),
        Some(rows) if rows.start <= rows.end && rows.end <= source.rows() => rows.clone(),
        Some(rows) => {
            let reason = format!(
                "rows {} to {} were asked for, {} has {}",
                rows.start,
                rows.end,
                fiducial_root::shown(source.path()),
                source.rows()
            );
            return Err(Error::settings("convert", reason));
        }
    };
    let plan = plan(source, target, &options.columns, &rows)?;
    let batches = Batches { source, plan: &plan, rows: rows.clone() };
    target.write(path, table, options.compression, &batches)?;
    Ok(Converted {
        rows: rows.end - rows.start,
        columns: plan.schema.fields().iter().map(|field| field.name().clone()).collect(),
        skipped: plan.skipped,
        renamed: plan.renamed,
    })
}

/// The rows of a conversion, a partition of the source at a time.
struct Batches<'a> {
    source: &'a dyn Source,
    plan: &'a Plan,
    rows: Range<u64>,
}

impl Batches<'_> {
    /// The target's schema; batches may call more fields nullable, though none of theirs is null.
    fn schema(&self) -> &SchemaRef {
        &self.plan.schema
    }

    /// Calls `write` with each partition's rows, in order, while the next is read.
    fn for_each(&self, mut write: impl FnMut(&RecordBatch) -> Result<(), Error> + Send) -> Result<(), Error> {
        let mut ranges = self.source.partitions();
        for range in &mut ranges {
            *range = range.start.max(self.rows.start)..range.end.min(self.rows.end);
        }
        ranges.retain(|range| range.start < range.end);
        let Some(first) = ranges.first() else { return Ok(()) };
        let mut ready = self.read(first.clone())?;
        for next in ranges.iter().skip(1).map(Some).chain([None]) {
            let read = || next.map(|range| self.read(range.clone())).transpose();
            let (written, read) = rayon::join(|| write(&ready), read);
            written?;
            match read? {
                Some(batch) => ready = batch,
                None => break,
            }
        }
        Ok(())
    }

    fn read(&self, rows: Range<u64>) -> Result<RecordBatch, Error> {
        let columns: Vec<_> = self.plan.columns.iter().map(String::as_str).collect();
        let batch = self.source.read(&columns, rows)?;
        self.plan.dress(self.source.path(), &batch)
    }
}
