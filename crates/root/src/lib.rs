//! The ROOT file format: bytes to Arrow arrays.
#![deny(missing_docs)]
