//! Writes ROOT files.

mod arrays;
mod base_classes;
mod classes;
mod columns;
mod compression;
mod counters;
mod encode;
mod file;
mod fill;
mod histogram;
mod histogram_classes;
mod ntuple;
mod out;
mod record;
mod tree;
mod tree_classes;

pub use columns::unwritable_in_tree;
pub use compression::Compression;
pub use file::RootWriter;
pub use ntuple::{NtupleWriter, unwritable_in_ntuple};
pub use tree::TreeWriter;
