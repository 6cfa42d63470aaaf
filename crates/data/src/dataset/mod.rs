//! AI-ready datasets: Parquet shards per split, with a card that a person reads, metadata that a machine reads, and
//! the checksums that prove both.
//!
//! ```text
//! DIR/train/00000.parquet       zstd, row groups of some 10,000 rows, a column `row_id`
//! DIR/validation/00000.parquet
//! DIR/test/00000.parquet
//! DIR/README.md                 a Hugging Face dataset card
//! DIR/croissant.json            Croissant 1.1 metadata
//! DIR/dataset.json              the manifest, see [`Manifest`]
//! ```
//!
//! ```no_run
//! use fiducial_data::dataset::Dataset;
//!
//! let dataset = Dataset::open("top-dataset")?;
//! let report = dataset.verify()?;
//! assert!(report.problems.is_empty());
//! let jets = dataset.read("test", &["row_id", "jet_pt", "part_px"])?;
//! # Ok::<(), fiducial_data::source::Error>(())
//! ```

mod card;
mod croissant;
mod digest;
mod manifest;
mod verify;

use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, SchemaRef};
use arrow_select::concat::concat_batches;
use rayon::prelude::*;

use crate::source::{Error, ParquetSource, Source};

pub(crate) use card::card;
pub(crate) use croissant::croissant;
pub(crate) use digest::{HashingFile, digest_file, digest_parts, digest_pieces};
pub use manifest::{
    About, ColumnInfo, CutflowStep, Document, FORMAT, Manifest, ROW_ID, ShardFile, SkippedFile,
    SourceCutflow, SourceFile, SplitRows, Widened, WidenedFrom,
};
pub use verify::{Problem, VerifyReport};

/// The manifest's file name. A directory without it is no dataset: it is written last.
pub const MANIFEST: &str = "dataset.json";
/// The card's file name.
pub(crate) const CARD: &str = "README.md";
/// The Croissant metadata's file name.
pub(crate) const CROISSANT: &str = "croissant.json";

/// A dataset on disk.
#[derive(Debug, Clone)]
pub struct Dataset {
    path: PathBuf,
    manifest: Arc<Manifest>,
}

impl Dataset {
    /// Opens a dataset: reads its manifest, nothing else. [`Dataset::verify`] checks the rest.
    ///
    /// # Errors
    /// When there is no manifest, or it is cut off, of another format, or contradicts itself.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let file = path.join(MANIFEST);
        let text = std::fs::read_to_string(&file).map_err(Error::io("read", &file))?;
        // The format first: a newer format may have keys that this code does not know.
        #[derive(serde::Deserialize)]
        struct Format {
            format: String,
        }
        let malformed = |error: serde_json::Error| Error::malformed(&file, error.to_string());
        let Format { format } = serde_json::from_str(&text).map_err(malformed)?;
        if format != FORMAT {
            let reason = format!("its format is `{format}`, this program reads `{FORMAT}`");
            return Err(Error::malformed(&file, reason));
        }
        let manifest: Manifest = serde_json::from_str(&text).map_err(malformed)?;
        let paths = manifest.files.iter().map(|shard| &shard.path);
        for inner in paths.chain(manifest.documents.iter().map(|document| &document.path)) {
            let mut components = Path::new(inner).components();
            if inner.is_empty() || !components.all(|part| matches!(part, Component::Normal(_))) {
                return Err(Error::malformed(&file, format!("the path `{inner}` leads out of the dataset")));
            }
        }
        for split in &manifest.splits {
            let mut shards = manifest.files.iter().filter(|shard| shard.split == split.name);
            let rows = shards.try_fold(0_u64, |sum, shard| sum.checked_add(shard.rows));
            if rows != Some(split.rows) {
                let reason =
                    format!("the shards of split `{}` do not add up to {} rows", split.name, split.rows);
                return Err(Error::malformed(&file, reason));
            }
        }
        if manifest.content_version() != manifest.version {
            return Err(Error::malformed(&file, "its version is not the hash of the content that it lists"));
        }
        Ok(Self { path: path.to_owned(), manifest: Arc::new(manifest) })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the dataset holds and where it came from.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The SHA-256 of the content, as 64 hexadecimal digits. Equal versions hold equal rows.
    pub fn version(&self) -> &str {
        &self.manifest.version
    }

    /// The rows of a split.
    ///
    /// # Errors
    /// When there is no such split.
    pub fn rows(&self, split: &str) -> Result<u64, Error> {
        self.manifest.rows(split).ok_or_else(|| {
            let names: Vec<&str> = self.manifest.splits.iter().map(|split| split.name.as_str()).collect();
            let reason = format!("there is no split `{split}`, only {}", names.join(", "));
            Error::malformed(&self.path, reason)
        })
    }

    /// The columns and their types, `row_id` included.
    ///
    /// # Errors
    /// When no shard can be opened.
    pub fn schema(&self) -> Result<SchemaRef, Error> {
        match self.manifest.files.first() {
            Some(shard) => Ok(ParquetSource::open(&self.path.join(&shard.path))?.schema()),
            None => Err(Error::malformed(&self.path, "it has no shards")),
        }
    }

    /// Reads columns of a whole split; rows stand in the order of the shards.
    ///
    /// # Errors
    /// When there is no such split or column, and when a shard cannot be read.
    pub fn read(&self, split: &str, columns: &[&str]) -> Result<RecordBatch, Error> {
        let chunks = self.chunks(split)?;
        let batches: Vec<RecordBatch> =
            chunks.par_iter().map(|chunk| chunk.read(columns)).collect::<Result<_, _>>()?;
        let Some(first) = batches.first() else {
            return Err(Error::malformed(&self.path, format!("split `{split}` has no shards")));
        };
        let schema = first.schema();
        concat_batches(&schema, &batches).map_err(|error| Error::malformed(&self.path, error.to_string()))
    }

    /// The pieces of a split that are read one at a time, in order: its row groups. A split without rows is one
    /// empty piece, so that there is always a schema.
    pub(crate) fn chunks(&self, split: &str) -> Result<Vec<Chunk>, Error> {
        self.rows(split)?;
        let mut chunks = Vec::new();
        for shard in self.manifest.files.iter().filter(|shard| shard.split == split) {
            let path = self.path.join(&shard.path);
            let source = Arc::new(ParquetSource::open(&path)?);
            if source.rows() != shard.rows {
                let reason = format!("it has {} rows, {MANIFEST} says {}", source.rows(), shard.rows);
                return Err(Error::malformed(&path, reason));
            }
            let mut pieces = source.row_groups();
            if pieces.is_empty() {
                pieces.push(0..0);
            }
            chunks.extend(pieces.into_iter().map(|rows| Chunk { source: source.clone(), rows }));
        }
        Ok(chunks)
    }

    /// Compares every file with the manifest: that it is there, its size, its SHA-256, its rows, its columns, and that
    /// nothing else is there. Each problem is reported, not just the first.
    ///
    /// # Errors
    /// When the directory itself cannot be listed.
    pub fn verify(&self) -> Result<VerifyReport, Error> {
        verify::verify(&self.path, &self.manifest)
    }
}

/// A row group of a shard.
pub(crate) struct Chunk {
    source: Arc<ParquetSource>,
    rows: Range<u64>,
}

impl Chunk {
    /// The shard.
    pub(crate) fn path(&self) -> &Path {
        self.source.path()
    }

    /// How many rows it has.
    pub(crate) fn len(&self) -> usize {
        usize::try_from(self.rows.end - self.rows.start).unwrap_or(usize::MAX)
    }

    /// The shard, and its rows.
    pub(crate) fn into_parts(self) -> (Arc<ParquetSource>, Range<u64>) {
        (self.source, self.rows)
    }

    /// Reads columns of it.
    pub(crate) fn read(&self, columns: &[&str]) -> Result<RecordBatch, Error> {
        self.source.read(columns, self.rows.clone())
    }
}

/// A type's name in manifests and cards: `float32`, `list<float32>`, `float32[3]`.
pub(crate) fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "bool".to_owned(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".to_owned(),
        DataType::List(item) | DataType::LargeList(item) => format!("list<{}>", type_name(item.data_type())),
        DataType::FixedSizeList(item, length) => format!("{}[{length}]", type_name(item.data_type())),
        other => other.to_string().to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::Field;

    use super::*;

    #[test]
    fn types_have_plain_names() {
        let item = |data_type| Arc::new(Field::new("item", data_type, false));
        let check = |data_type: DataType, expected: &str| assert_eq!(type_name(&data_type), expected);
        check(DataType::UInt64, "uint64");
        check(DataType::Float32, "float32");
        check(DataType::List(item(DataType::Float32)), "list<float32>");
        check(DataType::FixedSizeList(item(DataType::Int16), 3), "int16[3]");
        check(DataType::List(item(DataType::List(item(DataType::Utf8)))), "list<list<string>>");
    }
}
