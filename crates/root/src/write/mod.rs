//! Writes ROOT files.

mod arrays;
mod class_list;
mod classes;
mod columns;
mod compression;
mod counters;
mod encode;
mod file;
mod histogram;
mod histogram_classes;
mod ntuple;
mod out;
mod record;
mod tree;

pub use columns::unwritable_in_tree;
pub use compression::Compression;
pub use file::RootWriter;
pub use ntuple::{NtupleWriter, unwritable_in_ntuple};
pub use tree::TreeWriter;
