//! Particles of the table of the Particle Data Group.

use fiducial_physics::particle::{Particle as Entry, PdgId};
use fiducial_physics::units;
use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyType;
use rayon::prelude::*;

use crate::metrics::floats;
use crate::number::whole;
use crate::tensor::{Kind, Tensor};
use crate::vectors::column;
use crate::work::run;

/// Identifiers that one thread takes at a time, at least.
const PIECE: usize = 1 << 13;

/// A particle of the PDG table, by its identifier or its name: `Particle(13)`, `Particle("mu-")`. What is not there is a KeyError.
///
/// >>> fiducial.physics.Particle("mu-")
/// <fiducial.physics.Particle 13, mu->
/// >>> fiducial.physics.Particle(-211).charge
/// -1.0
#[pyclass(module = "fiducial.physics", frozen)]
pub(crate) struct Particle {
    entry: &'static Entry,
}

/// An identifier or a name.
#[derive(FromPyObject)]
enum Key {
    Id(i32),
    Name(String),
}

#[pymethods]
impl Particle {
    #[new]
    fn new(key: Key) -> PyResult<Self> {
        let entry = match &key {
            Key::Id(id) => Entry::by_id(PdgId(*id)).ok_or_else(|| id.to_string()),
            Key::Name(name) => Entry::by_name(name).ok_or_else(|| name.clone()),
        };
        let entry =
            entry.map_err(|key| PyKeyError::new_err(format!("the PDG table has no particle {key}")))?;
        Ok(Self { entry })
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> (Bound<'py, PyType>, (i32,)) {
        (slf.get_type(), (slf.get().id(),))
    }

    /// The PDG identifier.
    #[getter]
    fn id(&self) -> i32 {
        self.entry.id.0
    }

    /// The name, with its charge; `~` stands for antiparticles.
    #[getter]
    fn name(&self) -> &'static str {
        self.entry.name
    }

    /// The charge in units of the positron's.
    #[getter]
    fn charge(&self) -> f64 {
        self.entry.charge()
    }

    /// The mass in GeV; None where it is not known.
    #[getter]
    fn mass(&self) -> Option<f64> {
        self.entry.mass
    }

    /// The width in GeV, 0 of stable particles; None where it is not known.
    #[getter]
    fn width(&self) -> Option<f64> {
        self.entry.width
    }

    /// The mean lifetime in ns, infinite of stable particles; None where it is not known.
    #[getter]
    fn lifetime(&self) -> Option<f64> {
        self.entry.lifetime()
    }

    fn __repr__(&self) -> String {
        format!("<fiducial.physics.Particle {}, {}>", self.entry.id.0, self.entry.name)
    }
}

/// A number of each identifier, NaN where none is known. Identifiers come as the bytes of double precision, which holds them exactly.
#[pyfunction]
pub(crate) fn pdg_numbers(py: Python<'_>, ids: &[u8], name: &str) -> PyResult<Tensor> {
    let property: fn(PdgId) -> Option<f64> = match name {
        "mass" => PdgId::mass,
        "width" => PdgId::width,
        "lifetime" => PdgId::lifetime,
        "charge" => PdgId::charge,
        "spin" => PdgId::spin,
        _ => return Err(PyValueError::new_err(format!("`{name}` is no property of a particle"))),
    };
    Ok(column(each(py, ids, move |id| property(id).unwrap_or(f64::NAN))?))
}

/// Whether each identifier is of a kind.
#[pyfunction]
pub(crate) fn pdg_kinds(py: Python<'_>, ids: &[u8], kind: &str) -> PyResult<Tensor> {
    let holds: fn(PdgId) -> bool = match kind {
        "quark" => PdgId::is_quark,
        "lepton" => PdgId::is_lepton,
        "neutrino" => PdgId::is_neutrino,
        "boson" => PdgId::is_boson,
        "meson" => PdgId::is_meson,
        "baryon" => PdgId::is_baryon,
        "hadron" => PdgId::is_hadron,
        "diquark" => PdgId::is_diquark,
        "nucleus" => PdgId::is_nucleus,
        _ => return Err(PyValueError::new_err(format!("`{kind}` is no kind of particle"))),
    };
    let found = each(py, ids, move |id| u8::from(holds(id)))?;
    let length = found.len();
    Ok(Tensor::new(found, Kind::Bool, vec![length]))
}

/// Whether each hadron, diquark or quark holds a quark or antiquark of this flavour.
#[pyfunction]
pub(crate) fn pdg_quarks(
    py: Python<'_>,
    ids: &[u8],
    #[pyo3(from_py_with = whole)] flavour: u32,
) -> PyResult<Tensor> {
    let found = each(py, ids, move |id| u8::from(id.has_quark(flavour)))?;
    let length = found.len();
    Ok(Tensor::new(found, Kind::Bool, vec![length]))
}

/// How many of one unit are one of another: what a value is multiplied with.
///
/// >>> fiducial.physics.unit_factor("MeV", "GeV")
/// 0.001
#[pyfunction]
pub(crate) fn unit_factor(from: &str, to: &str) -> PyResult<f64> {
    units::factor(from, to)
        .ok_or_else(|| PyValueError::new_err(format!("what is in {from} cannot be given in {to}")))
}

fn each<T: Send + 'static>(
    py: Python<'_>,
    ids: &[u8],
    of: impl Fn(PdgId) -> T + Send + Sync + 'static,
) -> PyResult<Vec<T>> {
    let ids = floats(ids);
    run(py, move || ids.into_par_iter().with_min_len(PIECE).map(|id| of(pdg_id(id))).collect())
}

/// What is no identifier of the scheme, fractions and NaN too, is nobody's, as 0 is.
fn pdg_id(id: f64) -> PdgId {
    let whole = id as i32;
    PdgId(if f64::from(whole) == id { whole } else { 0 })
}
