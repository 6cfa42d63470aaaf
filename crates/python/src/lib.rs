//! The compiled part of the Python package `fiducial`: sources, datasets, batches, metrics and physics for Python.
//!
//! Nothing is computed here: each function takes Python's arguments, calls a library on threads of its own with the
//! interpreter free, and hands out the result as Arrow (the PyCapsule interface) or as dense memory (the array interface and
//! DLPack). The Python sources beside this crate add what is easier said in Python.
#![allow(clippy::needless_pass_by_value, reason = "arguments from Python arrive by value")]
#![deny(missing_docs)]

mod arrow;
mod batches;
mod dataset;
mod energy_flow;
mod error;
mod hist;
mod metrics;
mod number;
mod particle;
mod physics;
mod source;
mod tensor;
mod vectors;
mod view;
mod work;

#[pyo3::pymodule]
mod _fiducial {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::arrow::{Array, Schema, Table, unpickle_array, unpickle_schema, unpickle_table};
    #[pymodule_export]
    use crate::batches::{Batch, BatchIterator, Batches, unpickle_batch, unpickle_batches};
    #[pymodule_export]
    use crate::dataset::{Dataset, prepare_dataset};
    #[pymodule_export]
    use crate::energy_flow::EnergyFlows;
    #[pymodule_export]
    use crate::error::Error;
    #[pymodule_export]
    use crate::hist::{FilledHistogram, fill_histogram, unpickle_histogram};
    #[pymodule_export]
    use crate::metrics::{Estimate, evaluate_binary, evaluate_classes, unpickle_estimate};
    #[pymodule_export]
    use crate::particle::{Particle, pdg_kinds, pdg_numbers, pdg_quarks, unit_factor};
    #[pymodule_export]
    use crate::physics::{
        boosted, cartesian, delta_phis, delta_rs, quantity, rotated, stransverse_masses, transverse_masses,
    };
    #[pymodule_export]
    use crate::source::{Source, histogram_json, open, reopen};
    #[pymodule_export]
    use crate::tensor::{Tensor, unpickle_tensor};
    #[pymodule_export]
    use crate::vectors::{JetFinder, VectorLists};
    #[pymodule_export]
    use crate::view::{Standardisation, View};
    #[pymodule_export]
    use crate::work::{set_threads, threads};

    /// Every error has the attributes that only some can fill.
    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let error = module.py().get_type::<Error>();
        ["position", "row", "hint"].iter().try_for_each(|name| error.setattr(name, module.py().None()))
    }
}
