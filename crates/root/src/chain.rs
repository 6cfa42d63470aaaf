//! Many files, one tree.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use rayon::prelude::*;

use crate::column::Column;
use crate::error::{Error, Place, Result};
use crate::file::RootFile;
use crate::select::matches;
use crate::tree::Tree;

/// The trees of one name in several files, read as one: its entries are those of the first file, then those of the
/// second, and so on.
///
/// ```
/// # fn main() -> Result<(), fiducial_root::Error> {
/// # let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
/// let chain = fiducial_root::Chain::open(&[format!("{directory}/codec*.root"), format!("{directory}/codecs.root")], "zlib/events")?;
/// assert_eq!(chain.entries(), 200);
/// let batch = chain.read(&["i4", "part_pt"], 90..110)?; // across the two files
/// assert_eq!(batch.num_rows(), 20);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Chain {
    label: Arc<str>,
    trees: Vec<Tree>,
    /// The first entry of each tree, and the end.
    starts: Vec<u64>,
    columns: Vec<Column>,
}

impl Chain {
    /// Opens files in the given order. A name with "*" or "?" stands for all files that match it, sorted by name; "*"
    /// does not match "/". The files are opened in parallel, and their descriptions of the tree compared: a column that
    /// not all trees have with one type is listed with the reason, as other columns that cannot be read.
    ///
    /// # Errors
    /// [`Error::NotFound`] where a pattern matches no file or a file has no such tree; what [`RootFile::open`] and
    /// [`RootFile::tree`] give.
    pub fn open<P: AsRef<Path>>(files: &[P], tree: &str) -> Result<Self> {
        let mut paths = Vec::new();
        for pattern in files {
            paths.extend(expand(pattern.as_ref())?);
        }
        let open = |path: &PathBuf| RootFile::open(path).and_then(|file| file.tree(tree));
        Self::new(paths.par_iter().map(open).collect::<Result<Vec<_>>>()?)
    }

    /// Joins trees that are open already.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there are none; [`Error::Malformed`] where their entries are too many to count.
    pub fn new(trees: Vec<Tree>) -> Result<Self> {
        let Some(first) = trees.first() else {
            return Err(Error::NotFound { file: "an empty list of files".into(), what: "a tree".into() });
        };
        let label: Arc<str> = format!("tree {} of {} files", first.name(), trees.len()).into();
        let mut starts = vec![0u64];
        for tree in &trees {
            let end = starts.last().and_then(|last| last.checked_add(tree.entries()));
            starts.push(end.ok_or_else(|| tree.place().error(0, "the entries of all files are too many"))?);
        }
        let columns = merge(&trees);
        Ok(Self { label, trees, starts, columns })
    }

    /// The entries of all files.
    pub fn entries(&self) -> u64 {
        self.starts.last().copied().unwrap_or(0)
    }

    /// The trees, in order.
    pub fn trees(&self) -> &[Tree] {
        &self.trees
    }

    /// Every column of any file, with sizes summed over the files.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Ranges of entries that are cheap to read one by one, as [`Tree::clusters`]; none spans two files.
    pub fn clusters(&self) -> Vec<Range<u64>> {
        let shifted = |(tree, &start): (&Tree, &u64)| {
            tree.clusters().into_iter().map(move |c| c.start + start..c.end + start).collect::<Vec<_>>()
        };
        self.trees.iter().zip(&self.starts).flat_map(shifted).collect()
    }

    /// The Arrow schema of some columns, as [`Tree::schema`] of the first file.
    ///
    /// # Errors
    /// [`Error::NotFound`], or [`Error::Column`] for a column that cannot be read from all files.
    pub fn schema(&self, columns: &[&str]) -> Result<SchemaRef> {
        for name in columns {
            let column = self.columns.iter().find(|column| column.name == *name);
            let Some(column) = column else {
                return Err(Error::NotFound {
                    file: Arc::clone(&self.label),
                    what: format!("column {name:?}"),
                });
            };
            if let Err(reason) = &column.kind {
                return Err(Error::Column {
                    file: Arc::clone(self.trees[0].file().name()),
                    object: Arc::clone(&self.label),
                    column: (*name).to_owned(),
                    reason: reason.clone(),
                });
            }
        }
        self.trees[0].schema(columns)
    }

    /// Reads some columns over a range of the chain's entries, as [`Tree::read`].
    ///
    /// # Errors
    /// As [`Chain::schema`] and [`Tree::read`].
    pub fn read(&self, columns: &[&str], entries: Range<u64>) -> Result<RecordBatch> {
        let schema = self.schema(columns)?;
        if entries.start > entries.end || entries.end > self.entries() {
            let (start, end, all) = (entries.start, entries.end, self.entries());
            let place = Place::new(self.trees[0].file().name(), Arc::clone(&self.label), 0);
            return Err(place.error(0, format!("entries {start} to {end} are asked for, of {all}")));
        }
        let parts = self.trees.par_iter().zip(&self.starts).map(|(tree, &start)| {
            let range = entries.start.max(start)..entries.end.min(start + tree.entries());
            (range.start < range.end).then(|| tree.read(columns, range.start - start..range.end - start))
        });
        let parts = parts.flatten().collect::<Result<Vec<_>>>()?;
        if parts.is_empty() {
            return self.trees[0].read(columns, 0..0);
        }
        concat_batches(&schema, &parts).map_err(|e| {
            Place::new(self.trees[0].file().name(), Arc::clone(&self.label), 0).error(0, e.to_string())
        })
    }
}

/// The columns of all trees. One that is not in all of them, or has several types, cannot be read.
fn merge(trees: &[Tree]) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    let mut places = BTreeMap::new();
    for tree in trees {
        for column in tree.columns() {
            let Some(&at) = places.get(&column.name) else {
                places.insert(column.name.clone(), columns.len());
                columns.push(column.clone());
                continue;
            };
            let all: &mut Column = &mut columns[at];
            if std::ptr::eq(tree, &trees[0]) {
                continue;
            }
            all.entries = all.entries.saturating_add(column.entries);
            all.compressed_bytes = all.compressed_bytes.saturating_add(column.compressed_bytes);
            all.uncompressed_bytes = all.uncompressed_bytes.saturating_add(column.uncompressed_bytes);
            all.baskets = all.baskets.saturating_add(column.baskets);
            all.kind = match (std::mem::replace(&mut all.kind, Err(String::new())), &column.kind) {
                (Ok(kind), Ok(other)) if kind != *other => {
                    Err(format!("it is {kind} in the first file, {other} in {}", tree.file().name()))
                }
                (Ok(_), Err(reason)) => Err(format!("in {}: {reason}", tree.file().name())),
                (kind, _) => kind,
            };
        }
    }
    for tree in trees {
        let names: BTreeSet<&str> = tree.columns().iter().map(|column| column.name.as_str()).collect();
        for column in columns.iter_mut().filter(|c| c.kind.is_ok() && !names.contains(c.name.as_str())) {
            column.kind = Err(format!("it is not in {}", tree.file().name()));
        }
    }
    columns
}

/// The files that a name stands for.
fn expand(pattern: &Path) -> Result<Vec<PathBuf>> {
    let is_pattern = |part: &std::ffi::OsStr| part.to_string_lossy().contains(['*', '?']);
    let mut found = vec![PathBuf::new()];
    // A file that is called so is meant.
    if pattern.exists() || !is_pattern(pattern.as_os_str()) {
        return Ok(vec![pattern.to_path_buf()]);
    }
    for part in pattern.components() {
        if !is_pattern(part.as_os_str()) {
            found.iter_mut().for_each(|path| path.push(part));
            continue;
        }
        let wanted = part.as_os_str().to_string_lossy();
        let mut next = Vec::new();
        for directory in &found {
            let directory: &Path = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
            let io = |source| Error::Io { path: directory.to_path_buf(), source };
            if !directory.is_dir() {
                continue;
            }
            for entry in std::fs::read_dir(directory).map_err(io)? {
                let entry = entry.map_err(io)?;
                if matches(&wanted, &entry.file_name().to_string_lossy()) {
                    next.push(directory.join(entry.file_name()));
                }
            }
        }
        found = next;
    }
    found.retain(|path| path.exists());
    found.sort();
    if found.is_empty() {
        let what = format!("a file that matches {}", pattern.display());
        return Err(Error::NotFound { file: "the file system".into(), what });
    }
    Ok(found)
}
