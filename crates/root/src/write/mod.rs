//! Writes ROOT files.

mod class_list;
mod classes;
mod compression;
mod file;
mod out;

pub use compression::Compression;
pub use file::RootWriter;
