//! Physics kernels on arrays.
#![deny(missing_docs)]
