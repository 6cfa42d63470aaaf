//! Event isotropy: the energy mover's distance to a uniform event.

use std::f64::consts::{PI, TAU};

use super::simplex::Simplex;
use crate::error::{Error, bounded, parameter};
use crate::four_vector::FourVector;

/// Which uniform event, with how many particles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Uniform {
    /// Equal weights around the beam; an event's weights are pt, the distance is `π / (π - 2) (1 - cos Δφ)`.
    Ring {
        /// How many.
        particles: usize,
    },
    /// Equal weights on a sphere (a Fibonacci lattice); an event's weights are energies, the distance is `2 (1 - cos θ)`.
    Sphere {
        /// How many.
        particles: usize,
    },
}

/// The distance of an event to a uniform one, both normalised: 0 for an isotropic event, 1 for two back-to-back particles (up to
/// the number of particles of the uniform one), with the distances of Cesarotti and Thaler, arXiv:2004.06125, for β = 2.
///
/// 0 for an event without energy. Fails for components that are not finite or beyond 1e145, negative energies, and fewer than
/// 2 or more than 16,384 particles on either side.
///
/// ```
/// use fiducial_physics::emd::{Uniform, event_isotropy};
/// use fiducial_physics::four_vector::FourVector;
///
/// let pair = [0.3, 0.3 + std::f64::consts::PI].map(|phi| FourVector::from_pt_eta_phi_m(50.0, 0.0, phi, 0.0));
/// assert!((event_isotropy(&pair, Uniform::Ring { particles: 128 })? - 1.0).abs() < 1e-3);
/// # Ok::<(), fiducial_physics::Error>(())
/// ```
pub fn event_isotropy(vectors: &[FourVector], uniform: Uniform) -> Result<f64, Error> {
    let (Uniform::Ring { particles } | Uniform::Sphere { particles }) = uniform;
    let range = 2..=super::MOST_PARTICLES;
    for (name, count) in
        [("the particles of the uniform event", particles), ("the particles", vectors.len().max(2))]
    {
        parameter(name, count as f64, range.contains(&count), "between 2 and 16384")?;
    }
    let flat: Vec<f64> = vectors.iter().flat_map(|v| [v.px, v.py, v.pz, v.e]).collect();
    bounded("vectors", &flat, 1e145)?;
    // Unit vectors with weights.
    let event: Vec<([f64; 3], f64)> = vectors
        .iter()
        .map(|v| match uniform {
            Uniform::Ring { .. } => (unit([v.px, v.py, 0.0]), v.pt()),
            Uniform::Sphere { .. } => (unit(v.momentum()), v.e),
        })
        .filter(|(_, weight)| *weight != 0.0)
        .collect();
    if let Some(index) = event.iter().position(|(_, weight)| *weight < 0.0) {
        return Err(Error::Value { name: "e", index, value: event[index].1, problem: "negative" });
    }
    let total: f64 = event.iter().map(|(_, weight)| weight).sum();
    if total == 0.0 {
        return Ok(0.0);
    }
    let (points, factor) = match uniform {
        Uniform::Ring { .. } => (ring(particles), PI / (PI - 2.0)),
        Uniform::Sphere { .. } => (sphere(particles), 2.0),
    };
    let mut simplex = Simplex::default();
    simplex.supplies.extend(event.iter().map(|(_, weight)| weight / total));
    simplex.demands.resize(particles, 1.0 / particles as f64);
    simplex.stride = particles.next_multiple_of(crate::lanes::PAD);
    simplex.costs.resize(event.len() * simplex.stride, f64::INFINITY);
    for (row, (a, _)) in simplex.costs.chunks_exact_mut(simplex.stride).zip(&event) {
        for (cost, b) in row.iter_mut().zip(&points) {
            *cost = factor * (1.0 - (a[0] * b[0] + a[1] * b[1] + a[2] * b[2])).max(0.0);
        }
    }
    // Rounding leaves the sums apart by a few 1e-16, which would be left without a way: the last sink takes it.
    let difference = simplex.supplies.iter().sum::<f64>() - simplex.demands.iter().sum::<f64>();
    if let Some(last) = simplex.demands.last_mut() {
        *last += difference;
    }
    simplex.solve()
}

fn ring(particles: usize) -> Vec<[f64; 3]> {
    (0..particles)
        .map(|i| (TAU * i as f64 / particles as f64).sin_cos())
        .map(|(sin, cos)| [cos, sin, 0.0])
        .collect()
}

fn sphere(particles: usize) -> Vec<[f64; 3]> {
    let golden = PI * (3.0 - 5.0_f64.sqrt());
    (0..particles)
        .map(|i| {
            let z = 1.0 - (2.0 * i as f64 + 1.0) / particles as f64;
            let (sin, cos) = (golden * i as f64).sin_cos();
            let rho = (1.0 - z * z).max(0.0).sqrt();
            [rho * cos, rho * sin, z]
        })
        .collect()
}

fn unit(v: [f64; 3]) -> [f64; 3] {
    let length = (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]).sqrt();
    if length > 0.0 { v.map(|x| x / length) } else { [0.0, 0.0, 1.0] }
}
