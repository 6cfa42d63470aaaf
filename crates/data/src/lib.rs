//! Sources, expressions, views, datasets and batches.
#![deny(missing_docs)]
