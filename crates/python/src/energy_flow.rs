//! The energy mover's distance of many events.

use std::sync::Arc;

use fiducial_physics::Error;
use fiducial_physics::emd::{Emd, EnergyFlow, Linearised};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rayon::prelude::*;

use crate::error::raise;
use crate::metrics::floats;
use crate::number::whole;
use crate::tensor::{Kind, Tensor};
use crate::vectors::column;
use crate::work::run;

/// Events as weights, rapidities and azimuths.
#[pyclass(module = "fiducial", frozen)]
pub(crate) struct EnergyFlows {
    flows: Arc<Vec<EnergyFlow>>,
}

#[pymethods]
impl EnergyFlows {
    #[new]
    fn new(weight: &[u8], y: &[u8], phi: &[u8], offsets: Vec<usize>) -> PyResult<Self> {
        let [weight, y, phi] = [weight, y, phi].map(floats);
        let flow = |(event, ends): (usize, &[usize])| {
            let range = ends[0]..ends[1];
            let parts = (weight.get(range.clone()), y.get(range.clone()), phi.get(range));
            let (Some(weight), Some(y), Some(phi)) = parts else {
                return Err(PyValueError::new_err("offsets decrease or go beyond the particles"));
            };
            EnergyFlow::new(weight, y, phi)
                .map_err(|error| raise(&Error::InEvent { event, error: Box::new(error) }))
        };
        let flows = offsets.windows(2).enumerate().map(flow).collect::<PyResult<Vec<_>>>()?;
        Ok(Self { flows: Arc::new(flows) })
    }

    fn __len__(&self) -> usize {
        self.flows.len()
    }

    /// The distances of events at the same place.
    fn distances(
        &self,
        py: Python<'_>,
        other: &Self,
        radius: f64,
        beta: f64,
        normalise: bool,
    ) -> PyResult<Tensor> {
        let (a, b, emd) = (self.flows.clone(), other.flows.clone(), Emd { radius, beta, normalise });
        finish(run(py, move || emd.distances(&a, &b))?)
    }

    /// The distances of all pairs (i, j) with i < j.
    fn pairwise(&self, py: Python<'_>, radius: f64, beta: f64, normalise: bool) -> PyResult<Tensor> {
        let (a, emd) = (self.flows.clone(), Emd { radius, beta, normalise });
        finish(run(py, move || emd.pairwise(&a))?)
    }

    /// The distances of each to each of others.
    fn between(
        &self,
        py: Python<'_>,
        other: &Self,
        radius: f64,
        beta: f64,
        normalise: bool,
    ) -> PyResult<Tensor> {
        let (a, b, emd) = (self.flows.clone(), other.flows.clone(), Emd { radius, beta, normalise });
        let shape = vec![a.len(), b.len()];
        let found = run(py, move || emd.between(&a, &b))?.map_err(|error| raise(&error))?;
        Ok(Tensor::new(found, Kind::Float, shape))
    }

    /// Lower bounds of the normalised distances of events at the same place.
    fn sliced_bounds(
        &self,
        py: Python<'_>,
        other: &Self,
        radius: f64,
        beta: f64,
        #[pyo3(from_py_with = whole)] directions: usize,
    ) -> PyResult<Tensor> {
        let emd = Emd { radius, beta, normalise: true };
        self.bounds(py, other, move |a, b| emd.sliced_bound(a, b, directions))
    }

    /// Upper bounds of the normalised distances of events at the same place, by way of the first event of `reference`.
    fn linearised_bounds(
        &self,
        py: Python<'_>,
        other: &Self,
        reference: &Self,
        radius: f64,
        beta: f64,
    ) -> PyResult<Tensor> {
        let emd = Emd { radius, beta, normalise: true };
        let reference = reference.first()?;
        self.bounds(py, other, move |a, b| emd.linearised_bound(a, b, &reference))
    }

    /// Points whose squared distances approximate those of events for beta = 2: (events, 2 particles of the reference).
    fn embed(&self, py: Python<'_>, reference: &Self, radius: f64) -> PyResult<Tensor> {
        let (flows, reference) = (self.flows.clone(), reference.first()?);
        let shape = vec![flows.len(), 2 * reference.len()];
        let points = run(py, move || Linearised::new(&reference, radius)?.embed(&flows))?;
        Ok(Tensor::new(points.map_err(|error| raise(&error))?.concat(), Kind::Float, shape))
    }
}

impl EnergyFlows {
    fn first(&self) -> PyResult<EnergyFlow> {
        self.flows.first().cloned().ok_or_else(|| PyValueError::new_err("there is no reference event"))
    }

    fn bounds(
        &self,
        py: Python<'_>,
        other: &Self,
        bound: impl Fn(&EnergyFlow, &EnergyFlow) -> Result<f64, Error> + Send + Sync + 'static,
    ) -> PyResult<Tensor> {
        if self.flows.len() != other.flows.len() {
            return Err(PyValueError::new_err("the events differ in number"));
        }
        let (a, b) = (self.flows.clone(), other.flows.clone());
        let found: Vec<Result<f64, Error>> =
            run(py, move || a.par_iter().zip(&*b).map(|(a, b)| bound(a, b)).collect())?;
        finish(found.into_iter().collect())
    }
}

fn finish(found: Result<Vec<f64>, Error>) -> PyResult<Tensor> {
    found.map(column).map_err(|error| raise(&error))
}
