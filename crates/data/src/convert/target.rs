//! The formats that are written.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use arrow_ipc::writer::FileWriter;
use arrow_schema::{ArrowError, DataType, Field};
use fiducial_root::{Compression, Error as RootError, RootWriter, unwritable_in_ntuple, unwritable_in_tree};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression as Codec, ZstdLevel};
use parquet::file::properties::WriterProperties;
use tempfile::NamedTempFile;

use super::{Batches, ConvertOptions, RootForm};
use crate::source::Error;

/// Encoded bytes of a Parquet row group: what is in memory while it is gathered.
const GROUP_BYTES: usize = 64 << 20;

/// A format, chosen by the file's extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Parquet,
    Arrow,
    Tree,
    Ntuple,
}

impl Target {
    pub(super) fn new(path: &Path, options: &ConvertOptions) -> Result<Self, Error> {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let target = match (extension.to_ascii_lowercase().as_str(), options.form) {
            ("parquet" | "pq", _) => Self::Parquet,
            ("arrow" | "feather" | "ipc", _) => Self::Arrow,
            ("root", RootForm::Tree) => Self::Tree,
            ("root", RootForm::Ntuple) => Self::Ntuple,
            _ => {
                let reason = format!("{} ends in none of .parquet, .arrow, .root", path.display());
                return Err(Error::settings("convert", reason));
            }
        };
        match (target, options.compression) {
            (Self::Arrow, Some(compression)) if compression != Compression::NONE => {
                Err(Error::settings("convert", "Arrow files are written without compression"))
            }
            (Self::Parquet, Some(compression)) => codec(compression).map(|_| target),
            _ => Ok(target),
        }
    }

    /// Whether nulls make a difference to how, or whether, a column can be written.
    pub(super) fn minds_nulls(self) -> bool {
        matches!(self, Self::Tree | Self::Ntuple)
    }

    /// Why the target cannot hold a column.
    pub(super) fn unwritable(self, field: &Field, has_nulls: bool) -> Option<String> {
        match self {
            Self::Tree if has_nulls => Some("it holds nulls, for which a tree has no form".to_owned()),
            Self::Tree => unwritable_in_tree(field),
            Self::Ntuple => unwritable_in_ntuple(field),
            Self::Parquet if has_empty_objects(field.data_type()) => {
                Some("it holds objects without members, for which Parquet has no form".to_owned())
            }
            Self::Parquet | Self::Arrow => None,
        }
    }

    /// The name of a column, without what the target does not allow. A sub-branch, "jets/jets.pt", becomes its last
    /// part where no other column is called so.
    pub(super) fn name(self, name: &str, is_taken: impl Fn(&str) -> bool) -> String {
        let (bad, instead) = match self {
            Self::Parquet | Self::Arrow => return name.to_owned(),
            Self::Tree => ("/[]:;", '_'),
            Self::Ntuple => ("./\\ ", '_'),
        };
        let clean = |name: &str| -> String {
            let fits = |c: char| !c.is_control() && !bad.contains(c);
            name.chars().map(|c| if fits(c) { c } else { instead }).collect()
        };
        let last = clean(name.rsplit('/').next().unwrap_or(name));
        if last == name || !is_taken(&last) {
            return last;
        }
        let whole = clean(name);
        if whole == name || !is_taken(&whole) {
            return whole;
        }
        let free = (2..).map(|n| format!("{whole}_{n}")).find(|name| !is_taken(name));
        free.unwrap_or(whole)
    }

    pub(super) fn write(
        self,
        path: &Path,
        table: &str,
        compression: Option<Compression>,
        batches: &Batches<'_>,
    ) -> Result<(), Error> {
        let compression = compression.unwrap_or_default();
        let root = |source| Error::RootWrite { source: Box::new(source) };
        match self {
            Self::Parquet => parquet(path, compression, batches),
            Self::Arrow => arrow(path, batches),
            Self::Tree => match tree(path, table, compression, false, batches) {
                // Columns that looked as if they had one length do not: then each is counted for itself.
                Err(Error::RootWrite { source }) if matches!(*source, RootError::Lengths { .. }) => {
                    tree(path, table, compression, true, batches)
                }
                result => result,
            },
            Self::Ntuple => {
                let mut file = RootWriter::create(path, compression).map_err(root)?;
                let mut ntuple = file.ntuple(table, batches.schema()).map_err(root)?;
                batches.for_each(|batch| ntuple.write(batch).map_err(root))?;
                ntuple.finish().and_then(|()| file.finish()).map_err(root)
            }
        }
    }
}

/// Whether there are structs without fields: of such objects a ROOT file holds only how many there are.
fn has_empty_objects(kind: &DataType) -> bool {
    match kind {
        DataType::Struct(fields) => {
            fields.is_empty() || fields.iter().any(|field| has_empty_objects(field.data_type()))
        }
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            has_empty_objects(item.data_type())
        }
        _ => false,
    }
}

fn tree(
    path: &Path,
    table: &str,
    compression: Compression,
    separate_counters: bool,
    batches: &Batches<'_>,
) -> Result<(), Error> {
    let root = |source| Error::RootWrite { source: Box::new(source) };
    let mut file = RootWriter::create(path, compression).map_err(root)?;
    let mut tree = file.tree(table, "", batches.schema()).map_err(root)?;
    if separate_counters {
        tree = tree.separate_counters();
    }
    batches.for_each(|batch| tree.write(batch).map_err(root))?;
    tree.finish().and_then(|()| file.finish()).map_err(root)
}

/// Parquet's codec: of the settings of ROOT those that readers of Parquet know and this one is built with.
fn codec(compression: Compression) -> Result<Codec, Error> {
    let text = compression.to_string();
    match text.split_once(':') {
        _ if text == "none" => Ok(Codec::UNCOMPRESSED),
        _ if text == "lz4" => Ok(Codec::LZ4_RAW),
        Some(("zstd", level)) => level
            .parse()
            .map_err(|_| Error::settings("convert", format!("{text} is no level")))
            .and_then(|level| {
                ZstdLevel::try_new(level).map_err(|error| Error::settings("convert", error.to_string()))
            })
            .map(Codec::ZSTD),
        _ => Err(Error::settings("convert", format!("Parquet files are not written with {text}"))),
    }
}

fn parquet(path: &Path, compression: Compression, batches: &Batches<'_>) -> Result<(), Error> {
    let failed = |error| Error::parquet("write", path)(error);
    let aside = aside(path)?;
    let properties = WriterProperties::builder().set_compression(codec(compression)?).build();
    let file = BufWriter::new(aside.as_file());
    let mut writer =
        ArrowWriter::try_new(file, batches.schema().clone(), Some(properties)).map_err(failed)?;
    batches.for_each(|batch| {
        writer.write(batch).map_err(failed)?;
        match writer.in_progress_size() > GROUP_BYTES {
            true => writer.flush().map_err(failed),
            false => Ok(()),
        }
    })?;
    let mut file = writer.into_inner().map_err(failed)?;
    file.flush().map_err(Error::io("write", path))?;
    drop(file);
    put(aside, path)
}

fn arrow(path: &Path, batches: &Batches<'_>) -> Result<(), Error> {
    let failed = |error: ArrowError| match error {
        ArrowError::IoError(_, source) => Error::Io { action: "write", path: path.to_owned(), source },
        other => Error::settings("write an Arrow file", other.to_string()),
    };
    let aside = aside(path)?;
    let mut writer =
        FileWriter::try_new(BufWriter::new(aside.as_file()), batches.schema()).map_err(failed)?;
    batches.for_each(|batch| writer.write(batch).map_err(failed))?;
    writer.finish().map_err(failed)?;
    let mut file = writer.into_inner().map_err(failed)?;
    file.flush().map_err(Error::io("write", path))?;
    drop(file);
    put(aside, path)
}

/// A file beside `path`, that goes away with an error.
pub(crate) fn aside(path: &Path) -> Result<NamedTempFile<File>, Error> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".writing-");
    // As any file that a program makes: the user's mask decides who may read it.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(parent).map_err(Error::io("create a file in", parent))
}

pub(crate) fn put(aside: NamedTempFile<File>, path: &Path) -> Result<(), Error> {
    aside.persist(path).map(|_| ()).map_err(|error| Error::io("rename", path)(error.error))
}
