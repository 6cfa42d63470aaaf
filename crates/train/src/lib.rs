//! The training loop, checkpoints and energy.
#![deny(missing_docs)]
