//! Sources, expressions, views, datasets and batches: everything between a file that an experiment wrote and the
//! tensors that a model reads.
//!
//! | module | what it does |
//! |---|---|
//! | [`expr`] | the Python-like expression language over Arrow batches |
//! | [`view`] | the TOML file that says how a dataset becomes tensors |
//! | [`source`] | files in the form that they come in |
//! | [`prepare`] | sources to an AI-ready dataset |
//! | [`dataset`] | Parquet shards with a card, checksums and machine-readable metadata |
//! | [`batches`] | a dataset and a view to padded, standardised tensors |
//! | [`convert`] | one table to ROOT, Parquet or Arrow |
//! | [`ipc`] | rows as bytes, for another process |
//! | [`fetch`] | public datasets, downloaded, resumed and checked |
//! | [`catalogue`] | the public datasets that the field measures itself on |
#![deny(missing_docs)]

pub mod batches;
pub mod catalogue;
pub mod convert;
pub mod dataset;
pub mod expr;
pub mod fetch;
pub mod hist;
pub mod ipc;
pub mod prepare;
pub mod source;
mod types;
pub mod view;
