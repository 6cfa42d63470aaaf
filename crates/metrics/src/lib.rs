//! Metrics with their uncertainty.
#![deny(missing_docs)]
