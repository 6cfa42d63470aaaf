//! Kinematics and jets on arrays. Arrays come as the bytes of contiguous double precision.

use fiducial_physics::cluster::{Algorithm, EventJets, JetDefinition, Recombination, cluster_events};
use fiducial_physics::four_vector::{FourVectors, Quantity};
use fiducial_physics::{delta_phi, delta_r};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rayon::prelude::*;

use crate::error::raise;
use crate::metrics::floats;
use crate::tensor::{Kind, Tensor};
use crate::work::run;

/// Values that one thread takes at a time.
const PIECE: usize = 1 << 15;

/// One number for each four-vector: `pt`, `eta`, `phi`, `rapidity`, `mass`, `mt`, `et` or `p`.
#[pyfunction]
pub(crate) fn quantity(
    py: Python<'_>,
    name: &str,
    px: &[u8],
    py_: &[u8],
    pz: &[u8],
    e: &[u8],
) -> PyResult<Tensor> {
    let quantity = match name {
        "pt" => Quantity::Pt,
        "eta" => Quantity::Eta,
        "phi" => Quantity::Phi,
        "rapidity" => Quantity::Rapidity,
        "mass" => Quantity::Mass,
        "mt" => Quantity::Mt,
        "et" => Quantity::Et,
        "p" => Quantity::P,
        _ => return Err(PyValueError::new_err(format!("`{name}` is no quantity of a four-vector"))),
    };
    let vectors = vectors([px, py_, pz, e])?;
    Ok(column(run(py, move || vectors.quantity(quantity))?))
}

/// Differences of azimuthal angles, in (-pi, pi].
#[pyfunction]
pub(crate) fn delta_phis(py: Python<'_>, a: &[u8], b: &[u8]) -> PyResult<Tensor> {
    let [a, b] = [a, b].map(floats);
    same_length(&[&a, &b])?;
    Ok(column(run(py, move || {
        a.par_iter().with_min_len(PIECE).zip(&b).map(|(a, b)| delta_phi(*a, *b)).collect()
    })?))
}

/// Distances in pseudorapidity and azimuthal angle.
#[pyfunction]
pub(crate) fn delta_rs(
    py: Python<'_>,
    eta1: &[u8],
    phi1: &[u8],
    eta2: &[u8],
    phi2: &[u8],
) -> PyResult<Tensor> {
    let [eta1, phi1, eta2, phi2] = [eta1, phi1, eta2, phi2].map(floats);
    same_length(&[&eta1, &phi1, &eta2, &phi2])?;
    Ok(column(run(py, move || {
        let distance = |i| delta_r(eta1[i], phi1[i], eta2[i], phi2[i]);
        (0..eta1.len()).into_par_iter().with_min_len(PIECE).map(distance).collect()
    })?))
}

/// The jets of events as flat columns: px, py, pz, E, the offsets of the events' jets, constituents, and their offsets.
#[pyfunction]
#[allow(clippy::too_many_arguments, reason = "they are keywords in Python")]
pub(crate) fn cluster_jets(
    py: Python<'_>,
    px: &[u8],
    py_: &[u8],
    pz: &[u8],
    e: &[u8],
    offsets: Vec<usize>,
    algorithm: &str,
    radius: f64,
    recombination: &str,
    min_pt: f64,
) -> PyResult<[Tensor; 7]> {
    let algorithm = match algorithm {
        "anti-kt" => Algorithm::AntiKt,
        "cambridge-aachen" => Algorithm::CambridgeAachen,
        "kt" => Algorithm::Kt,
        _ => return Err(unknown("algorithm", algorithm, "anti-kt, cambridge-aachen, kt")),
    };
    let recombination = match recombination {
        "E" => Recombination::E,
        "pt" => Recombination::Pt,
        "winner-takes-all" => Recombination::WinnerTakesAll,
        _ => return Err(unknown("recombination", recombination, "E, pt, winner-takes-all")),
    };
    let definition = JetDefinition::new(algorithm, radius).with(recombination);
    let vectors = vectors([px, py_, pz, e])?;
    let found = run(py, move || cluster_events(&definition, &vectors, &offsets, min_pt))?;
    let EventJets { jets, jet_offsets, constituents, constituent_offsets } =
        found.map_err(|error| raise(&error))?;
    let [px, py, pz, e] = jets.columns().map(|values| column(values.to_vec()));
    let constituents: Vec<i64> = constituents.into_iter().map(i64::from).collect();
    let whole = |values: Vec<usize>| integers(values.into_iter().map(|value| value as i64).collect());
    Ok([px, py, pz, e, whole(jet_offsets), integers(constituents), whole(constituent_offsets)])
}

fn vectors(columns: [&[u8]; 4]) -> PyResult<FourVectors<f64>> {
    let [px, py, pz, e] = columns.map(floats);
    FourVectors::new(px, py, pz, e).map_err(|error| raise(&error))
}

fn column(values: Vec<f64>) -> Tensor {
    let length = values.len();
    Tensor::new(values, Kind::Float, vec![length])
}

fn integers(values: Vec<i64>) -> Tensor {
    let length = values.len();
    Tensor::new(values, Kind::Int, vec![length])
}

fn same_length(columns: &[&Vec<f64>]) -> PyResult<()> {
    match columns.iter().all(|column| column.len() == columns[0].len()) {
        true => Ok(()),
        false => Err(PyValueError::new_err("the arrays differ in length")),
    }
}

fn unknown(what: &str, found: &str, known: &str) -> PyErr {
    PyValueError::new_err(format!("there is no {what} `{found}`, only {known}"))
}
