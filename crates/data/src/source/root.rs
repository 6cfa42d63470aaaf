//! ROOT trees as a source.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Field, Schema, SchemaRef};
use fiducial_root::{Column, RootFile, Tree};

use super::{DESCRIPTION, Error, Source, UNIT, check_request, partitions};

/// One tree of a ROOT file.
pub struct RootSource {
    path: PathBuf,
    tree: Tree,
    schema: SchemaRef,
}

impl RootSource {
    /// Opens a tree of a ROOT file; `None` takes the only one.
    ///
    /// # Errors
    /// When the file cannot be read, does not have the tree, or has several (or none) and none is named.
    pub fn open(path: &Path, tree: Option<&str>) -> Result<Self, Error> {
        let root = |source| Error::Root { path: path.to_owned(), source: Box::new(source) };
        let file = RootFile::open(path).map_err(root)?;
        let names = file.tree_names().map_err(root)?;
        let name = match (tree, names.as_slice()) {
            (Some(name), _) => name,
            (None, [only]) => only.as_str(),
            (None, []) => return Err(Error::malformed(path, "it holds no tree")),
            (None, several) => {
                let reason = format!("it holds several trees ({}): name one in `tree`", several.join(", "));
                return Err(Error::malformed(path, reason));
            }
        };
        let tree = file.tree(name).map_err(root)?;
        let fields: Vec<Field> = tree.columns().iter().filter_map(field).collect();
        Ok(Self { path: path.to_owned(), schema: Arc::new(Schema::new(fields)), tree })
    }

    /// The tree itself.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }
}

/// A readable column as an Arrow field.
fn field(column: &Column) -> Option<Field> {
    let data_type = column.kind.as_ref().ok()?;
    let mut metadata = HashMap::new();
    if let Some(unit) = &column.unit {
        metadata.insert(UNIT.to_owned(), unit.clone());
    }
    // ROOT repeats the name and the leaf list in the title where nobody wrote one.
    let title = column.title.trim();
    let is_leaf_list = title.contains('/') && !title.contains(' ');
    if !title.is_empty() && !is_leaf_list && !title.starts_with(&column.name) {
        metadata.insert(DESCRIPTION.to_owned(), title.to_owned());
    }
    Some(Field::new(&column.name, data_type.clone(), false).with_metadata(metadata))
}

impl Source for RootSource {
    fn path(&self) -> &Path {
        &self.path
    }

    fn table(&self) -> Option<&str> {
        Some(self.tree.name())
    }

    fn rows(&self) -> u64 {
        self.tree.entries()
    }

    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn unreadable(&self, column: &str) -> Option<String> {
        self.tree.column(column).and_then(|column| column.kind.as_ref().err().cloned())
    }

    fn unreadable_columns(&self) -> Vec<(String, String)> {
        let reason = |column: &Column| Some((column.name.clone(), column.kind.as_ref().err()?.clone()));
        self.tree.columns().iter().filter_map(reason).collect()
    }

    fn partitions(&self) -> Vec<Range<u64>> {
        partitions(self.tree.clusters())
    }

    fn read(&self, columns: &[&str], rows: Range<u64>) -> Result<RecordBatch, Error> {
        if let Some(empty) = check_request(self, columns, &rows)? {
            return Ok(empty);
        }
        self.tree
            .read(columns, rows)
            .map_err(|source| Error::Root { path: self.path.clone(), source: Box::new(source) })
    }
}
