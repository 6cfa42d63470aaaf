//! Kinematics on arrays. Arrays come as the bytes of contiguous double precision.

use fiducial_physics::Error;
use fiducial_physics::four_vector::{
    FourVector, FourVectors, Quantity, delta_phi, delta_r, mt2, transverse_mass,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use rayon::prelude::*;

use crate::error::raise;
use crate::metrics::floats;
use crate::tensor::Tensor;
use crate::vectors::column;
use crate::work::run;

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
    run(py, move || delta_phi(&a, &b))?.map(column).map_err(|error| raise(&error))
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
    run(py, move || delta_r(&eta1, &phi1, &eta2, &phi2))?.map(column).map_err(|error| raise(&error))
}

/// Vectors from transverse momenta, pseudorapidities (or rapidities), azimuths and masses: px, py, pz, E.
#[pyfunction]
pub(crate) fn cartesian(
    py: Python<'_>,
    pt: &[u8],
    along: &[u8],
    phi: &[u8],
    m: &[u8],
    is_rapidity: bool,
) -> PyResult<Vec<Tensor>> {
    let [pt, along, phi, m] = [pt, along, phi, m].map(floats);
    let found = run(py, move || {
        if is_rapidity {
            FourVectors::from_pt_y_phi_m(&pt, &along, &phi, &m)
        } else {
            FourVectors::from_pt_eta_phi_m(&pt, &along, &phi, &m)
        }
    })?;
    found.map(|vectors| columns_of(&vectors)).map_err(|error| raise(&error))
}

/// Vectors boosted by velocities: px, py, pz, E.
#[pyfunction]
pub(crate) fn boosted(
    py: Python<'_>,
    vectors: [PyBackedBytes; 4],
    beta: [PyBackedBytes; 3],
) -> PyResult<Vec<Tensor>> {
    let (vectors, beta) = (vectors_of(&vectors)?, beta.map(|column| floats(&column)));
    same_length(&[&beta[0], &beta[1], &beta[2], &vectors.columns()[0].to_vec()])?;
    let found: FourVectors<f64> = run(py, move || {
        vectors.iter().enumerate().map(|(i, v)| v.boosted([beta[0][i], beta[1][i], beta[2][i]])).collect()
    })?;
    Ok(columns_of(&found))
}

/// Vectors turned around one axis by angles: px, py, pz, E.
#[pyfunction]
pub(crate) fn rotated(
    py: Python<'_>,
    vectors: [PyBackedBytes; 4],
    angle: PyBackedBytes,
    axis: [f64; 3],
) -> PyResult<Vec<Tensor>> {
    let (vectors, angle) = (vectors_of(&vectors)?, floats(&angle));
    same_length(&[&angle, &vectors.columns()[0].to_vec()])?;
    let found: FourVectors<f64> =
        run(py, move || vectors.iter().zip(angle).map(|(v, angle)| v.rotated(axis, angle)).collect())?;
    Ok(columns_of(&found))
}

/// The transverse masses of pairs.
#[pyfunction]
pub(crate) fn transverse_masses(
    py: Python<'_>,
    a: [PyBackedBytes; 4],
    b: [PyBackedBytes; 4],
) -> PyResult<Tensor> {
    let (a, b) = (vectors_of(&a)?, vectors_of(&b)?);
    Ok(column(run(py, move || a.iter().zip(b.iter()).map(|(a, b)| transverse_mass(a, b)).collect())?))
}

/// The stransverse masses of pairs with the missing momentum (x, y).
#[pyfunction]
pub(crate) fn stransverse_masses(
    py: Python<'_>,
    a: [PyBackedBytes; 4],
    b: [PyBackedBytes; 4],
    missing: [PyBackedBytes; 2],
    invisible: [f64; 2],
) -> PyResult<Tensor> {
    let (a, b) = (vectors_of(&a)?, vectors_of(&b)?);
    let [x, y] = missing.map(|column| floats(&column));
    same_length(&[&x, &y, &a.columns()[0].to_vec(), &b.columns()[0].to_vec()])?;
    let found: Vec<Result<f64, Error>> = run(py, move || {
        let (a, b): (Vec<FourVector>, Vec<FourVector>) = (a.iter().collect(), b.iter().collect());
        let mass = |i: usize| mt2(a[i], b[i], [x[i], y[i]], invisible[0], invisible[1]);
        (0..a.len()).into_par_iter().with_min_len(64).map(mass).collect()
    })?;
    found.into_iter().collect::<Result<Vec<f64>, Error>>().map(column).map_err(|error| raise(&error))
}

fn vectors_of(columns: &[PyBackedBytes; 4]) -> PyResult<FourVectors<f64>> {
    let [px, py, pz, e] = columns;
    vectors([px, py, pz, e])
}

fn columns_of(vectors: &FourVectors<f64>) -> Vec<Tensor> {
    vectors.columns().iter().map(|values| column(values.to_vec())).collect()
}

fn vectors(columns: [&[u8]; 4]) -> PyResult<FourVectors<f64>> {
    let [px, py, pz, e] = columns.map(floats);
    FourVectors::new(px, py, pz, e).map_err(|error| raise(&error))
}

fn same_length(columns: &[&Vec<f64>]) -> PyResult<()> {
    match columns.iter().all(|column| column.len() == columns[0].len()) {
        true => Ok(()),
        false => Err(PyValueError::new_err("the arrays differ in length")),
    }
}
