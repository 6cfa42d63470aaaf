//! Trees and ntuples alike: most callers need not know which of the two a file holds.

use std::ops::Range;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use crate::error::Result;
use crate::rntuple::Ntuple;
use crate::tree::{Column, Tree};

/// A tree or an ntuple. Each function does what that of [`Tree`] or [`Ntuple`] does.
#[derive(Debug)]
pub enum Table {
    /// A TTree.
    Tree(Tree),
    /// An RNTuple.
    Ntuple(Ntuple),
}

macro_rules! either {
    ($self:ident, $table:ident => $call:expr) => {
        match $self {
            Table::Tree($table) => $call,
            Table::Ntuple($table) => $call,
        }
    };
}

impl Table {
    /// The path, "dir/name".
    pub fn name(&self) -> &str {
        either!(self, table => table.name())
    }

    /// The title of a tree, the description of an ntuple.
    pub fn title(&self) -> &str {
        either!(self, table => table.title())
    }

    /// The number of entries, events most often.
    pub fn entries(&self) -> u64 {
        either!(self, table => table.entries())
    }

    /// Every column, those that cannot be read included.
    pub fn columns(&self) -> &[Column] {
        either!(self, table => table.columns())
    }

    /// The members of records within columns, which can be read by themselves, as `jets.pt`. A tree has none: its objects
    /// are split into columns.
    pub fn members(&self) -> &[Column] {
        match self {
            Self::Tree(_) => &[],
            Self::Ntuple(ntuple) => ntuple.members(),
        }
    }

    /// A column or a member by its name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        either!(self, table => table.column(name))
    }

    /// Ranges of entries that are cheap to read one by one.
    pub fn clusters(&self) -> Vec<Range<u64>> {
        either!(self, table => table.clusters())
    }

    /// The Arrow schema of some columns.
    ///
    /// # Errors
    /// As [`Tree::schema`].
    pub fn schema(&self, columns: &[&str]) -> Result<SchemaRef> {
        either!(self, table => table.schema(columns))
    }

    /// Reads some columns over a range of entries.
    ///
    /// # Errors
    /// As [`Tree::read`].
    pub fn read(&self, columns: &[&str], entries: Range<u64>) -> Result<RecordBatch> {
        either!(self, table => table.read(columns, entries))
    }
}
