//! The ROOT file format: bytes to Arrow arrays, and back.
//!
//! A reader of its own, without ROOT and without other crates for ROOT files. It opens a file, lists its trees, and
//! reads columns over ranges of entries as Arrow arrays, decoded basket by basket in parallel.
//!
//! | in the tree | in Arrow |
//! |---|---|
//! | a leaf of numbers or bool | the same type |
//! | `x[3]`, `x[3][4]` | `FixedSizeList`, nested |
//! | `x[n]` with a counter, `std::vector<T>` | `List` |
//! | `std::vector<std::vector<T>>`, to any depth; sets, lists, deques | `List` of `List` |
//! | `std::string`, `TString`, `char*` | `Utf8` |
//! | several leaves in one branch | `Struct`, a field for each leaf |
//! | `Double32_t`, `Float16_t` | `Float64`, `Float32` |
//! | a split object, `std::vector` of objects or `TClonesArray` | a column for each member, "branch/member" |
//!
//! What is not a tree is an [`Object`]: histograms and profiles ([`Histogram`], which leaves in the UHI schema that
//! boost-histogram reads), efficiencies, graphs, parameters, texts, and any other class as a tree of its members. Histograms
//! are also written ([`RootWriter::histogram`]).
//!
//! A column that cannot be read is listed with the reason ([`Column::kind`]) and does not disturb the others.
//! Bytes that are not what the format says are an [`Error`] that names the file, the object and the offset: no input
//! makes the reader panic, run for ever, or allocate more than the file's size and its codec can account for.
//!
//! ```
//! # fn main() -> Result<(), fiducial_root::Error> {
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/codecs.root");
//! let file = fiducial_root::RootFile::open(path)?;
//! let tree = file.tree(&file.tree_names()?[0])?;
//! for column in tree.columns() {
//!     println!("{}: {}, {} baskets", column.name, column.type_name, column.baskets);
//! }
//! let batch = tree.read(&[&tree.columns()[0].name], 0..tree.entries())?;
//! assert_eq!(batch.num_rows() as u64, tree.entries());
//! # Ok(())
//! # }
//! ```
//!
//! [`RootWriter`] writes trees and RNTuples from Arrow batches, in bounded memory.
#![deny(missing_docs)]

mod basket;
mod branch;
mod build;
mod cluster;
mod compress;
mod cursor;
mod cxx;
mod error;
mod file;
#[cfg(fuzzing)]
pub mod fuzz;
mod layout;
mod nested;
mod object;
mod objects;
mod prim;
mod read;
mod streamer;
mod tree;
mod unit;
mod write;

pub use error::Error;
pub use file::{KeyInfo, RootFile};
pub use objects::{
    Axis, Bins, Efficiency, Graph, Histogram, Members, Object, Other, Parameter, Spread, Text, Value,
};
pub use tree::{Column, Tree};
pub use write::{
    Compression, NtupleWriter, RootWriter, TreeWriter, unwritable_in_ntuple, unwritable_in_tree,
};
