//! Lists of four-vectors and the kernels that take one list: jets, substructure, shapes, pile-up.

use std::ops::Range;
use std::sync::Arc;

use fiducial_physics::Error;
use fiducial_physics::cluster::{
    Algorithm, EventJets, JetDefinition, Recombination, Selection, cluster, cluster_events,
};
use fiducial_physics::emd::{Angles, EnergyFlow, Uniform, event_isotropy};
use fiducial_physics::four_vector::{FourVector, FourVectors, event_shape, thrust};
use fiducial_physics::pileup::{Cells, Ghosts, Origin, Puppi, jets_with_areas, soft_killer};
use fiducial_physics::substructure::{
    Axes, Groomed, Ratio, SoftDrop, angularity, energy_correlation, energy_correlation_ratio, lund_plane,
    n_subjettiness, prune, pull, soft_drop, trim,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rayon::prelude::*;

use crate::error::raise;
use crate::metrics::floats;
use crate::number::{whole, whole_or_none};
use crate::tensor::{Kind, Tensor};
use crate::work::run;

/// Lists that one thread takes at a time, at least.
const LISTS: usize = 8;

/// Four-vectors in lists: list `i` holds those from `offsets[i]` to `offsets[i + 1]`.
#[pyclass(module = "fiducial", frozen)]
pub(crate) struct VectorLists {
    lists: Arc<Lists>,
}

struct Lists {
    vectors: Vec<FourVector>,
    offsets: Vec<usize>,
}

/// What defines jets.
#[pyclass(module = "fiducial", frozen)]
pub(crate) struct JetFinder {
    definition: JetDefinition,
}

#[pymethods]
impl JetFinder {
    #[new]
    fn new(algorithm: &str, radius: f64, recombination: &str, power: f64) -> PyResult<Self> {
        let found = Algorithm::named(algorithm, power);
        let found = found.ok_or_else(|| unknown("algorithm", algorithm, &Algorithm::NAMES))?;
        let joined = Recombination::named(recombination);
        let joined = joined.ok_or_else(|| unknown("recombination", recombination, &Recombination::NAMES))?;
        Ok(Self { definition: JetDefinition::new(found, radius).with(joined) })
    }
}

#[pymethods]
impl VectorLists {
    #[new]
    fn new(px: &[u8], py: &[u8], pz: &[u8], e: &[u8], offsets: Vec<usize>) -> PyResult<Self> {
        let [px, py, pz, e] = [px, py, pz, e].map(floats);
        let columns = FourVectors::new(px, py, pz, e).map_err(|error| raise(&error))?;
        let ordered = offsets.is_sorted() && offsets.last().is_none_or(|end| *end <= columns.len());
        if !ordered {
            return Err(PyValueError::new_err("offsets decrease or go beyond the vectors"));
        }
        Ok(Self { lists: Arc::new(Lists { vectors: columns.iter().collect(), offsets }) })
    }

    /// The momenta of jets (n, 4), the offsets of each list's jets, the places of constituents, and the offsets of each jet's.
    /// Exclusive jets where `jets` or `dcut` is given.
    fn cluster(
        &self,
        py: Python<'_>,
        finder: &JetFinder,
        min_pt: f64,
        #[pyo3(from_py_with = whole_or_none)] jets: Option<usize>,
        dcut: Option<f64>,
    ) -> PyResult<[Tensor; 4]> {
        let selection = match (jets, dcut) {
            (Some(jets), _) => Selection::Exclusive { jets },
            (None, Some(dcut)) => Selection::ByDistance { dcut },
            (None, None) => Selection::Inclusive { min_pt },
        };
        let (lists, definition) = (self.lists.clone(), finder.definition);
        let found = run(py, move || {
            let particles: FourVectors<f64> = lists.vectors.iter().copied().collect();
            cluster_events(&definition, &particles, &lists.offsets, selection)
        })?;
        let EventJets { jets, jet_offsets, constituents, constituent_offsets } =
            found.map_err(|error| raise(&error))?;
        let jets: Vec<FourVector> = jets.iter().collect();
        Ok([momenta(&jets), ends(jet_offsets), places(&constituents), ends(constituent_offsets)])
    }

    /// Steps (first, second, child) as an array (n, 3), their distances, and the offsets of each list's steps.
    fn history(&self, py: Python<'_>, finder: &JetFinder) -> PyResult<[Tensor; 3]> {
        let definition = finder.definition;
        let (steps, offsets) = self.nested(py, move |event| {
            Ok(cluster(&definition, &event.iter().copied().collect::<FourVectors<f64>>())?.history().to_vec())
        })?;
        let id = |id: Option<u32>| id.map_or(-1, i64::from);
        let ids: Vec<i64> =
            steps.iter().flat_map(|step| [i64::from(step.first), id(step.second), id(step.child)]).collect();
        let distances = steps.iter().map(|step| step.distance).collect();
        Ok([Tensor::new(ids, Kind::Int, vec![steps.len(), 3]), column(distances), offsets])
    }

    /// The largest distance up to the step from `n + 1` to `n` jets.
    fn merging_distance(
        &self,
        py: Python<'_>,
        finder: &JetFinder,
        #[pyo3(from_py_with = whole)] n: usize,
    ) -> PyResult<Tensor> {
        let definition = finder.definition;
        self.numbers(py, move |event| {
            Ok(cluster(&definition, &event.iter().copied().collect::<FourVectors<f64>>())?
                .merging_distance(n))
        })
    }

    /// Momenta (n, 4), areas, area vectors (n, 4), offsets of each list's jets, places of constituents, offsets of each jet's.
    fn jets_with_areas(
        &self,
        py: Python<'_>,
        finder: &JetFinder,
        min_pt: f64,
        max_rapidity: f64,
        ghost_area: f64,
        #[pyo3(from_py_with = whole)] seed: u64,
    ) -> PyResult<[Tensor; 6]> {
        let (definition, ghosts) = (finder.definition, Ghosts { max_rapidity, area: ghost_area, seed });
        let (jets, offsets) =
            self.nested(py, move |event| jets_with_areas(&definition, event, min_pt, &ghosts))?;
        let vectors: Vec<FourVector> = jets.iter().map(|jet| jet.momentum).collect();
        let area_vectors: Vec<FourVector> = jets.iter().map(|jet| jet.area_vector).collect();
        let areas = column(jets.iter().map(|jet| jet.area).collect());
        let (constituents, inner) = joined(jets.into_iter().map(|jet| jet.constituents));
        Ok([momenta(&vectors), areas, momenta(&area_vectors), offsets, places(&constituents), inner])
    }

    /// Momenta (n, 4), z and distance of soft drop's branching, places of the constituents that are left, their offsets.
    fn soft_drop(&self, py: Python<'_>, z_cut: f64, beta: f64, radius: f64) -> PyResult<[Tensor; 5]> {
        self.groomed(py, move |jet| soft_drop(jet, SoftDrop { z_cut, beta, radius }))
    }

    /// As `soft_drop`.
    fn trim(&self, py: Python<'_>, radius: f64, fraction: f64) -> PyResult<[Tensor; 5]> {
        self.groomed(py, move |jet| trim(jet, radius, fraction))
    }

    /// As `soft_drop`.
    fn prune(&self, py: Python<'_>, z_cut: f64, factor: f64) -> PyResult<[Tensor; 5]> {
        self.groomed(py, move |jet| prune(jet, z_cut, factor))
    }

    fn n_subjettiness(
        &self,
        py: Python<'_>,
        #[pyo3(from_py_with = whole)] n: usize,
        beta: f64,
        radius: f64,
        axes: &str,
    ) -> PyResult<Tensor> {
        let found = Axes::named(axes).ok_or_else(|| unknown("axes", axes, &Axes::NAMES))?;
        self.numbers(py, move |jet| n_subjettiness(jet, n, beta, radius, found))
    }

    fn energy_correlation(
        &self,
        py: Python<'_>,
        #[pyo3(from_py_with = whole)] points: usize,
        #[pyo3(from_py_with = whole)] angles: usize,
        beta: f64,
    ) -> PyResult<Tensor> {
        self.numbers(py, move |jet| energy_correlation(jet, points, angles, beta))
    }

    fn energy_correlation_ratio(&self, py: Python<'_>, ratio: &str, beta: f64) -> PyResult<Tensor> {
        let found = Ratio::named(ratio).ok_or_else(|| unknown("ratio", ratio, &Ratio::NAMES))?;
        self.numbers(py, move |jet| energy_correlation_ratio(jet, found, beta))
    }

    fn angularity(&self, py: Python<'_>, kappa: f64, beta: f64, radius: f64) -> PyResult<Tensor> {
        self.numbers(py, move |jet| angularity(jet, kappa, beta, radius))
    }

    /// (n, 2): along rapidity and azimuth.
    fn pull(&self, py: Python<'_>) -> PyResult<Tensor> {
        Ok(rows(self.each(py, pull)?))
    }

    /// Branchings (n, 5): delta, kt, z, psi, mass; the harder and softer branches (n, 4); the offsets of each list's.
    fn lund_plane(&self, py: Python<'_>) -> PyResult<[Tensor; 4]> {
        let (all, offsets) = self.nested(py, lund_plane)?;
        let numbers = all.iter().map(|b| [b.delta, b.kt, b.z, b.psi, b.mass]).collect();
        let (harder, softer): (Vec<_>, Vec<_>) = all.iter().map(|b| (b.harder, b.softer)).unzip();
        Ok([rows(numbers), momenta(&harder), momenta(&softer), offsets])
    }

    /// Thrust, and the axes (n, 3).
    fn thrust(&self, py: Python<'_>) -> PyResult<[Tensor; 2]> {
        let found = self.each(py, thrust)?;
        let values = found.iter().map(|thrust| thrust.value).collect();
        Ok([column(values), rows(found.iter().map(|thrust| thrust.axis).collect())])
    }

    /// (n, 7): sphericity, aplanarity, c, d and the eigenvalues.
    fn event_shape(&self, py: Python<'_>, r: f64) -> PyResult<Tensor> {
        let found = self.each(py, move |event| event_shape(event, r))?;
        let row = |s: &fiducial_physics::four_vector::EventShape| {
            let [l1, l2, l3] = s.eigenvalues;
            [s.sphericity, s.aplanarity, s.c, s.d, l1, l2, l3]
        };
        Ok(rows(found.iter().map(row).collect()))
    }

    fn event_isotropy(
        &self,
        py: Python<'_>,
        uniform: &str,
        #[pyo3(from_py_with = whole)] particles: usize,
        max_eta: f64,
    ) -> PyResult<Tensor> {
        let uniform = match uniform {
            "sphere" => Uniform::Sphere { particles },
            "ring" => Uniform::Ring { particles },
            "cylinder" => Uniform::Cylinder { columns: particles, max_eta },
            _ => return Err(unknown("uniform event", uniform, &["sphere", "ring", "cylinder"])),
        };
        self.numbers(py, move |event| event_isotropy(event, uniform))
    }

    fn energy_flow_polynomial(
        &self,
        py: Python<'_>,
        edges: Vec<(usize, usize)>,
        beta: f64,
    ) -> PyResult<Tensor> {
        self.numbers(py, move |jet| Angles::new(&EnergyFlow::of_vectors(jet)?, beta)?.efp(&edges))
    }

    fn pileup_density(&self, py: Python<'_>, max_rapidity: f64, cell: f64) -> PyResult<Tensor> {
        let cells = Cells::new(max_rapidity, cell).map_err(|error| raise(&error))?;
        self.numbers(py, move |event| cells.density(event))
    }

    fn soft_killer(&self, py: Python<'_>, max_rapidity: f64, cell: f64) -> PyResult<Tensor> {
        let cells = Cells::new(max_rapidity, cell).map_err(|error| raise(&error))?;
        self.numbers(py, move |event| soft_killer(event, &cells))
    }

    /// A weight for each vector; `vertex` is 1, -1 or 0 for each.
    fn puppi(
        &self,
        py: Python<'_>,
        vertex: &[u8],
        radius: f64,
        least_distance: f64,
        central: f64,
        least_weight: f64,
    ) -> PyResult<Tensor> {
        let origin = |vertex: f64| match vertex {
            1.0 => Ok(Origin::Leading),
            -1.0 => Ok(Origin::Pileup),
            0.0 => Ok(Origin::Unknown),
            other => Err(PyValueError::new_err(format!("a vertex is 1, -1 or 0, not {other}"))),
        };
        let origins = floats(vertex).into_iter().map(origin).collect::<PyResult<Vec<_>>>()?;
        if origins.len() != self.lists.vectors.len() {
            return Err(PyValueError::new_err("the arrays differ in length"));
        }
        let puppi = Puppi { radius, least_distance, central, least_weight };
        let weights = self.each_range(py, move |event, range| puppi.weights(event, &origins[range]))?;
        Ok(column(weights.concat()))
    }
}

impl VectorLists {
    /// What a kernel makes of the vectors of each list and of where they are. An error names the list.
    fn each_range<T: Send + 'static>(
        &self,
        py: Python<'_>,
        kernel: impl Fn(&[FourVector], Range<usize>) -> Result<T, Error> + Send + Sync + 'static,
    ) -> PyResult<Vec<T>> {
        let lists = self.lists.clone();
        let results: Vec<Result<T, Error>> = run(py, move || {
            let ends = lists.offsets.par_windows(2).with_min_len(LISTS);
            ends.map(|ends| kernel(&lists.vectors[ends[0]..ends[1]], ends[0]..ends[1])).collect()
        })?;
        let in_event = |(event, result): (usize, Result<T, Error>)| {
            result.map_err(|error| raise(&Error::InEvent { event, error: Box::new(error) }))
        };
        results.into_iter().enumerate().map(in_event).collect()
    }

    fn each<T: Send + 'static>(
        &self,
        py: Python<'_>,
        kernel: impl Fn(&[FourVector]) -> Result<T, Error> + Send + Sync + 'static,
    ) -> PyResult<Vec<T>> {
        self.each_range(py, move |vectors, _| kernel(vectors))
    }

    /// One number for each list.
    fn numbers(
        &self,
        py: Python<'_>,
        kernel: impl Fn(&[FourVector]) -> Result<f64, Error> + Send + Sync + 'static,
    ) -> PyResult<Tensor> {
        Ok(column(self.each(py, kernel)?))
    }

    /// A list for each list, one behind the other, and where each ends.
    fn nested<T: Clone + Send + 'static>(
        &self,
        py: Python<'_>,
        kernel: impl Fn(&[FourVector]) -> Result<Vec<T>, Error> + Send + Sync + 'static,
    ) -> PyResult<(Vec<T>, Tensor)> {
        Ok(joined(self.each(py, kernel)?.into_iter()))
    }

    fn groomed(
        &self,
        py: Python<'_>,
        groom: impl Fn(&[FourVector]) -> Result<Groomed, Error> + Send + Sync + 'static,
    ) -> PyResult<[Tensor; 5]> {
        let found = self.each(py, groom)?;
        let vectors: Vec<FourVector> = found.iter().map(|jet| jet.momentum).collect();
        let z = column(found.iter().map(|jet| jet.z).collect());
        let distances = column(found.iter().map(|jet| jet.delta_r).collect());
        let (constituents, offsets) = joined(found.into_iter().map(|jet| jet.constituents));
        Ok([momenta(&vectors), z, distances, places(&constituents), offsets])
    }
}

/// Lists as one, and where each ends.
fn joined<T>(lists: impl Iterator<Item = Vec<T>>) -> (Vec<T>, Tensor) {
    let (mut all, mut offsets) = (Vec::new(), vec![0]);
    for list in lists {
        all.extend(list);
        offsets.push(all.len());
    }
    (all, ends(offsets))
}

pub(crate) fn column(values: Vec<f64>) -> Tensor {
    let length = values.len();
    Tensor::new(values, Kind::Float, vec![length])
}

pub(crate) fn rows<const N: usize>(rows: Vec<[f64; N]>) -> Tensor {
    let length = rows.len();
    Tensor::new(rows.into_flattened(), Kind::Float, vec![length, N])
}

fn momenta(vectors: &[FourVector]) -> Tensor {
    rows(vectors.iter().map(|v| [v.px, v.py, v.pz, v.e]).collect())
}

fn places(places: &[u32]) -> Tensor {
    let length = places.len();
    Tensor::new(places.iter().map(|place| i64::from(*place)).collect::<Vec<i64>>(), Kind::Int, vec![length])
}

fn ends(offsets: Vec<usize>) -> Tensor {
    let length = offsets.len();
    Tensor::new(offsets.into_iter().map(|end| end as i64).collect::<Vec<i64>>(), Kind::Int, vec![length])
}

pub(crate) fn unknown(what: &str, found: &str, known: &[&str]) -> PyErr {
    PyValueError::new_err(format!("there is no {what} `{found}`, only {}", known.join(", ")))
}
