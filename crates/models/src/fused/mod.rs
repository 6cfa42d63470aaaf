//! Operations of several steps in one, with a backward of their own, beside burn's.
//!
//! This folder is the only place that names burn's backend. An operation is a function on slices that returns its
//! output and what its [`Gradient`] needs; [`apply`] hangs it into burn's graph. All work is split into pieces of a size
//! that does not depend on the number of threads, and partial sums are added in the order of the pieces: the result is
//! the same at any number of threads, to the bit.
//!
//! For tensors on a GPU each operation has a twin in [`composed`] that is made of burn's own.

pub(crate) mod awake;
mod brain_float;
pub(crate) mod composed;
mod direct;
mod glue;
pub(crate) mod kernel;

pub(crate) mod attention;
pub(crate) mod columns;
pub(crate) mod dense;
pub(crate) mod dropout;
pub(crate) mod edge_conv;
pub(crate) mod four_vectors;
pub(crate) mod gate;
pub(crate) mod gather;
#[cfg(test)]
mod gradients;
pub(crate) mod loss;
pub(crate) mod minkowski;
pub(crate) mod neighbours;
pub(crate) mod norm;
mod normed_layers;
pub(crate) mod pair_bias;
pub(crate) mod pair_embedding;
pub(crate) mod pool;
pub(crate) mod residual;
pub(crate) mod row_scale;
mod rows;
pub(crate) mod spline;

pub(crate) use brain_float::available as has_brain_float;
pub(crate) use dense::Activation;
pub(crate) use glue::{Array, Gradient, apply, device, from_values, values};
