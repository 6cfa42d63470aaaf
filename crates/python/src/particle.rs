//! Particles of the table of the Particle Data Group.

use fiducial_physics::particle::{Particle as Entry, PdgId};
use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;

use crate::tensor::{Kind, Tensor};
use crate::vectors::column;

/// A particle of the PDG table, by its identifier or its name: `Particle(13)`, `Particle("mu-")`. What is not there is a KeyError.
///
/// >>> fiducial.physics.Particle("mu-")
/// <fiducial.physics.Particle 13, mu->
/// >>> fiducial.physics.Particle(-211).charge
/// -1.0
#[pyclass(module = "fiducial", frozen)]
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

/// A number of each identifier, NaN where none is known.
#[pyfunction]
pub(crate) fn pdg_numbers(ids: Vec<i64>, name: &str) -> PyResult<Tensor> {
    let property: fn(PdgId) -> Option<f64> = match name {
        "mass" => |id| Entry::by_id(id).and_then(|known| known.mass),
        "width" => |id| Entry::by_id(id).and_then(|known| known.width),
        "lifetime" => |id| Entry::by_id(id).and_then(Entry::lifetime),
        "charge" => |id| match Entry::by_id(id) {
            Some(known) => Some(known.charge()),
            None => id.three_charge().map(|charge| f64::from(charge) / 3.0),
        },
        "spin" => |id| id.spin_states().map(|states| (f64::from(states) - 1.0) / 2.0),
        _ => return Err(PyValueError::new_err(format!("`{name}` is no property of a particle"))),
    };
    Ok(column(ids.into_iter().map(|id| property(pdg_id(id)).unwrap_or(f64::NAN)).collect()))
}

/// Whether each identifier is of a kind.
#[pyfunction]
pub(crate) fn pdg_kinds(ids: Vec<i64>, kind: &str) -> PyResult<Tensor> {
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
    let found: Vec<u8> = ids.into_iter().map(|id| u8::from(holds(pdg_id(id)))).collect();
    let length = found.len();
    Ok(Tensor::new(found, Kind::Bool, vec![length]))
}

/// An identifier beyond those of the scheme is nobody's, as 0 is.
fn pdg_id(id: i64) -> PdgId {
    PdgId(i32::try_from(id).unwrap_or(0))
}
