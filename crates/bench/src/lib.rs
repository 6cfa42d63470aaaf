//! Tasks, the protocol and the report.
#![deny(missing_docs)]
