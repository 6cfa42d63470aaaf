//! Architectures and losses, on burn.
#![deny(missing_docs)]
