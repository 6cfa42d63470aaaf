//! Trees and ntuples alike: most callers need not know which of the two a file holds.

use std::ops::Range;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use crate::column::Column;
use crate::error::Result;
use crate::rntuple::Ntuple;
use crate::tree::Tree;

/// A tree or an ntuple. Each function does what that of [`Tree`] or [`Ntuple`] does.
#[derive(Debug)]
pub enum Table {
    /// A TTree.
    Tree(Tree),
    /// An RNTuple.
    Ntuple(Ntuple),
}

impl Table {
    /// The path, "dir/name".
    pub fn name(&self) -> &str {
        match self {
            Self::Tree(tree) => tree.name(),
            Self::Ntuple(ntuple) => ntuple.name(),
        }
    }

    /// The title of a tree, the description of an ntuple.
    pub fn title(&self) -> &str {
        match self {
            Self::Tree(tree) => tree.title(),
            Self::Ntuple(ntuple) => ntuple.title(),
        }
    }

    /// The number of entries, events most often.
    pub fn entries(&self) -> u64 {
        match self {
            Self::Tree(tree) => tree.entries(),
            Self::Ntuple(ntuple) => ntuple.entries(),
        }
    }

    /// Every column, those that cannot be read included.
    pub fn columns(&self) -> &[Column] {
        match self {
            Self::Tree(tree) => tree.columns(),
            Self::Ntuple(ntuple) => ntuple.columns(),
        }
    }

    /// The members of records within columns, which can be read by themselves, as `jets.pt`. A tree has none: its objects
    /// are split into columns.
    pub fn members(&self) -> &[Column] {
        match self {
            Self::Tree(_) => &[],
            Self::Ntuple(ntuple) => ntuple.members(),
        }
    }

    /// Lists columns of objects as unreadable whose data show that their class writes other bytes than the file describes:
    /// [`Tree::check_objects`]. Of an ntuple there are none.
    pub fn check_objects(&mut self) {
        if let Self::Tree(tree) = self {
            tree.check_objects();
        }
    }

    /// A column or a member by its name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        match self {
            Self::Tree(tree) => tree.column(name),
            Self::Ntuple(ntuple) => ntuple.column(name),
        }
    }

    /// Ranges of entries that are cheap to read one by one.
    pub fn clusters(&self) -> Vec<Range<u64>> {
        match self {
            Self::Tree(tree) => tree.clusters(),
            Self::Ntuple(ntuple) => ntuple.clusters(),
        }
    }

    /// The Arrow schema of some columns.
    ///
    /// # Errors
    /// As [`Tree::schema`].
    pub fn schema(&self, columns: &[&str]) -> Result<SchemaRef> {
        match self {
            Self::Tree(tree) => tree.schema(columns),
            Self::Ntuple(ntuple) => ntuple.schema(columns),
        }
    }

    /// Reads some columns over a range of entries.
    ///
    /// # Errors
    /// As [`Tree::read`].
    pub fn read(&self, columns: &[&str], entries: Range<u64>) -> Result<RecordBatch> {
        match self {
            Self::Tree(tree) => tree.read(columns, entries),
            Self::Ntuple(ntuple) => ntuple.read(columns, entries),
        }
    }
}
