//! Event isotropy: the energy mover's distance to a uniform event.

use std::f64::consts::{PI, TAU};

use super::simplex::Simplex;
use crate::error::{Error, bounded, parameter};
use crate::four_vector::FourVector;

/// Which uniform event, with how many particles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Uniform {
    /// Equal weights around the beam, the first at half a step; an event's weights are pt, the distance is
    /// `π / (π - 2) (1 - cos Δφ)`.
    Ring {
        /// How many.
        particles: usize,
    },
    /// Equal weights on a grid around the beam, up to a pseudorapidity, with as many rows as make nearly square cells; an event's
    /// weights are pt, particles further forward do not count, the distance is `12 / (π² + 16 η_max²) (Δη² + Δφ²)`.
    Cylinder {
        /// How many around.
        columns: usize,
        /// Up to this pseudorapidity on both sides.
        max_eta: f64,
    },
    /// Equal weights on a sphere (a Fibonacci lattice); an event's weights are energies, the distance is `2 (1 - cos θ)`.
    Sphere {
        /// How many.
        particles: usize,
    },
}

impl Uniform {
    /// Where the particles are: unit vectors, or (pseudorapidity, azimuth, 0) on the cylinder.
    fn points(self) -> Result<Vec<[f64; 3]>, Error> {
        if let Self::Cylinder { max_eta, .. } = self {
            let right = max_eta > 0.0 && max_eta <= 100.0;
            parameter("the largest pseudorapidity", max_eta, right, "in (0, 100]")?;
        }
        let count = match self {
            Self::Ring { particles } | Self::Sphere { particles } => particles,
            Self::Cylinder { columns, max_eta } => columns.saturating_mul(rows(columns, max_eta)),
        };
        particles("the particles of the uniform event", count)?;
        Ok(match self {
            Self::Ring { particles } => ring(particles),
            Self::Cylinder { columns, max_eta } => cylinder(columns, max_eta),
            Self::Sphere { particles } => sphere(particles),
        })
    }

    /// Where a particle is, and its weight.
    fn place(self, v: FourVector) -> ([f64; 3], f64) {
        match self {
            Self::Ring { .. } => (unit([v.px, v.py, 0.0]), v.pt()),
            Self::Cylinder { max_eta, .. } => {
                let eta = v.eta();
                if eta.abs() <= max_eta { ([eta, v.phi(), 0.0], v.pt()) } else { ([0.0; 3], 0.0) }
            }
            Self::Sphere { .. } => (unit(v.momentum()), v.e),
        }
    }

    fn distance(self, a: [f64; 3], b: [f64; 3]) -> f64 {
        let apart = || (1.0 - (a[0] * b[0] + a[1] * b[1] + a[2] * b[2])).max(0.0);
        match self {
            Self::Ring { .. } => PI / (PI - 2.0) * apart(),
            Self::Cylinder { max_eta, .. } => {
                let (along, around) = (a[0] - b[0], crate::delta_phi(a[1], b[1]));
                12.0 / (PI * PI + 16.0 * max_eta * max_eta) * (along * along + around * around)
            }
            Self::Sphere { .. } => 2.0 * apart(),
        }
    }
}

fn particles(name: &'static str, count: usize) -> Result<(), Error> {
    let range = 2..=super::MOST_PARTICLES;
    parameter(name, count as f64, range.contains(&count), "between 2 and 16384")
}

/// The distance of an event to a uniform one, both normalised: 0 for an isotropic event, 1 for two back-to-back particles (up to
/// the number of particles of the uniform one), with the distances of Cesarotti and Thaler, arXiv:2004.06125, for β = 2. Points
/// of ring and cylinder are those of their package `event-isotropy`; on the sphere it uses another lattice.
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
    let points = uniform.points()?;
    particles("the particles", vectors.len().max(2))?;
    let flat: Vec<f64> = vectors.iter().flat_map(|v| [v.px, v.py, v.pz, v.e]).collect();
    bounded("vectors", &flat, 1e145)?;
    let event: Vec<([f64; 3], f64)> =
        vectors.iter().map(|v| uniform.place(*v)).filter(|(_, weight)| *weight != 0.0).collect();
    if let Some(index) = event.iter().position(|(_, weight)| *weight < 0.0) {
        return Err(Error::Value { name: "e", index, value: event[index].1, problem: "negative" });
    }
    let total: f64 = event.iter().map(|(_, weight)| weight).sum();
    if total == 0.0 {
        return Ok(0.0);
    }
    let mut simplex = Simplex::default();
    simplex.supplies.extend(event.iter().map(|(_, weight)| weight / total));
    simplex.demands.resize(points.len(), 1.0 / points.len() as f64);
    simplex.stride = points.len().next_multiple_of(crate::lanes::PAD);
    simplex.costs.resize(event.len() * simplex.stride, f64::INFINITY);
    for (row, (a, _)) in simplex.costs.chunks_exact_mut(simplex.stride).zip(&event) {
        for (cost, b) in row.iter_mut().zip(&points) {
            *cost = uniform.distance(*a, *b);
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
        .map(|i| (TAU * (i as f64 + 0.5) / particles as f64).sin_cos())
        .map(|(sin, cos)| [cos, sin, 0.0])
        .collect()
}

/// How many rows make cells of the cylinder nearly square.
fn rows(columns: usize, max_eta: f64) -> usize {
    (max_eta * columns as f64 / PI) as usize
}

fn cylinder(columns: usize, max_eta: f64) -> Vec<[f64; 3]> {
    let rows = rows(columns, max_eta);
    let phi = |column: usize| TAU * (column as f64 + 0.5) / columns as f64;
    let eta = |row: usize| max_eta * (2.0 * (row as f64 + 0.5) / rows as f64 - 1.0);
    (0..columns).flat_map(|column| (0..rows).map(move |row| [eta(row), phi(column), 0.0])).collect()
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
