//! The ROOT file format: bytes to Arrow arrays, and back.
//!
//! A reader of its own, without ROOT and without other crates for ROOT files. It opens a file, lists its trees and ntuples,
//! and reads columns over ranges of entries as Arrow arrays, decoded in parallel basket by basket or page by page.
//! [`RootFile::table`] opens either; [`Ntuple`] says what its columns become. Of trees:
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
//! | `std::map` and its kin | `List` of `Struct` {key, value}: keys may repeat, and every reader has lists |
//! | an object that is not split, `std::pair`, `TLorentzVector`, user classes | `Struct`, base classes flattened |
//! | a pointer to an object | a nullable `Struct` |
//! | `TObject` as a whole value; `TRef`, `TRefArray` | `Struct` of its identity and flags; of the identities referred to |
//! | `std::bitset` | `List` of `Boolean` |
//! | a member that the file does not describe | `Binary`: its bytes as they are |
//! | items of a class that the file does not describe, because it holds none or they have no members | `Null` |
//! | `TList`, `TObjArray`, `TMap`: objects of any class | `Utf8`: JSON text |
//!
//! Objects are read by the `TStreamerInfo`s of the file, item by item or member by member as they were written. The
//! identity and flags of a `TObject` that is a base class are left out of a `Struct`. Several files are read as one by
//! [`Chain`]; [`Tree::select`] chooses columns by pattern, [`Tree::read_where`] rows, [`Tree::read_with`] adds the
//! columns of a friend. An object that several pointers lead to is given at each. Behind a pointer to a class from which others
//! are derived stands a `Struct` of the fields of all that the file describes: the first, "class", names the object's own, and
//! those that it does not have are null. A class whose own C++ code writes other bytes than the file describes shows only in its data:
//! reading it is an error, which [`Tree::check_objects`] finds beforehand.
//!
//! Files are on this machine, or on http(s), S3 and XRootD servers ([`RootFile::open`]; cargo features `http`, `s3` and
//! `xrootd`, all on unless turned off). Of a remote file only the bytes that are needed are fetched, in few requests.
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
mod chain;
mod classes;
mod clones;
mod cluster;
mod column;
mod compress;
mod cursor;
mod cxx;
mod decode;
mod error;
mod file;
mod filter;
#[cfg(fuzzing)]
pub mod fuzz;
mod header;
#[cfg(feature = "http")]
#[doc(hidden)]
pub mod http;
mod layout;
#[doc(hidden)]
pub mod limit;
mod nested;
mod object;
mod objects;
mod pool;
mod prim;
mod read;
mod rntuple;
mod scratch;
mod select;
mod shape;
mod storage;
mod streamer;
mod table;
mod tree;
mod unit;
mod write;

pub use chain::Chain;
pub use column::Column;
pub use error::Error;
pub use file::{KeyInfo, RootFile};
pub use filter::Friend;
pub use objects::{
    Axis, Bins, Efficiency, Graph, Histogram, Members, Object, Other, Parameter, Spread, Text, Value,
};
pub use rntuple::Ntuple;
pub use storage::{RemoteFile, RemoteOptions, is_url, shown};
pub use table::Table;
pub use tree::Tree;
pub use write::{
    Compression, NtupleWriter, RootWriter, TreeWriter, unwritable_in_ntuple, unwritable_in_tree,
};
