//! The energy mover's distance: how much energy must be moved how far to turn one event into another.
//!
//! `EMD(a, b) = min over f >= 0 of Σ fij (θij / R)^β + |Σ Ea - Σ Eb|`, with `Σj fij <= Ei`, `Σi fij <= E'j` and all of the smaller
//! total moved (Komiske, Metodiev and Thaler, arXiv:1902.02346). θ is the distance in rapidity and azimuth, which
//! goes around. Values are those of the Python packages `energyflow` and `wasserstein`.
//!
//! ```
//! use fiducial_physics::emd::{Emd, EnergyFlow};
//!
//! let a = EnergyFlow::new(&[1.0, 2.0], &[0.0, 0.0], &[0.0, 0.3])?;
//! let b = EnergyFlow::new(&[3.0], &[0.0], &[0.3])?;
//! // One unit goes 0.3, of a jet radius of 0.6.
//! let emd = Emd { radius: 0.6, ..Emd::default() };
//! assert!((emd.distance(&a, &b)? - 0.5).abs() < 1e-12);
//! # Ok::<(), fiducial_physics::Error>(())
//! ```
//!
//! | page | holds |
//! |---|---|
//! | [`Emd`] | the distance of two events, of lists, of all pairs; how energy moves; bounds from below (slices) and from above |
//! | [`Linearised`] | points whose distances approximate it: n transports for n events |
//! | [`Angles`], [`connected_graphs`] | energy flow polynomials |
//! | [`event_isotropy`] | the distance to a uniform event on a ring, a cylinder or a sphere |
//!
//! The minimum is exact: a network simplex (`simplex.rs`) on the complete graph between the particles of both events, with an
//! extra particle at distance R from all that takes up the difference of energies.

mod efp;
mod isotropy;
mod linearised;
mod simplex;
mod sliced;

pub use efp::{Angles, connected_graphs};
pub use isotropy::{Uniform, event_isotropy};
pub use linearised::{Linearised, squared_distance};

use std::f64::consts::TAU;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::cluster::direction;
use crate::error::{Error, bounded, parameter, same_length};
use crate::four_vector::FourVector;
use simplex::Simplex;

/// More particles than this in one event are refused: the cost matrix of two such takes 2 GiB.
const MOST_PARTICLES: usize = 1 << 14;

/// Where the energy of one event went: weights (usually pt), rapidities and azimuthal angles.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EnergyFlow {
    weight: Vec<f64>,
    y: Vec<f64>,
    phi: Vec<f64>,
}

impl EnergyFlow {
    /// Fails where lengths differ, a weight is negative, a value is not finite or beyond 1e100, or there are more than 16,384
    /// particles. Particles of no weight are left out.
    pub fn new(weight: &[f64], y: &[f64], phi: &[f64]) -> Result<Self, Error> {
        same_length("y", weight.len(), y.len())?;
        same_length("phi", weight.len(), phi.len())?;
        let count = weight.len() as f64;
        parameter("the number of particles", count, weight.len() <= MOST_PARTICLES, "at most 16384")?;
        bounded("weight", weight, 1e100)?;
        bounded("y", y, 1e100)?;
        bounded("phi", phi, 1e100)?;
        if let Some(index) = weight.iter().position(|weight| *weight < 0.0) {
            return Err(Error::Value { name: "weight", index, value: weight[index], problem: "negative" });
        }
        let mut flow = Self::default();
        for (index, weight) in weight.iter().copied().enumerate().filter(|(_, weight)| *weight > 0.0) {
            flow.weight.push(weight);
            flow.y.push(y[index]);
            flow.phi.push(phi[index].rem_euclid(TAU));
        }
        Ok(flow)
    }

    /// Transverse momenta, rapidities and azimuths of particles, as clustering sees them: where a rounded energy is a hair below
    /// |pz| the rapidity is that of a massless particle. Fails as [`EnergyFlow::new`] does.
    pub fn of_vectors(vectors: &[FourVector]) -> Result<Self, Error> {
        let places: Vec<(f64, f64)> = vectors.iter().map(|v| direction(*v)).collect();
        let weight: Vec<f64> = vectors.iter().map(|v| v.pt()).collect();
        let (y, phi): (Vec<f64>, Vec<f64>) = places.into_iter().unzip();
        Self::new(&weight, &y, &phi)
    }

    /// How many particles carry energy.
    #[must_use]
    pub fn len(&self) -> usize {
        self.weight.len()
    }

    /// Whether there is no energy.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.weight.is_empty()
    }

    /// The sum of the weights.
    #[must_use]
    pub fn total(&self) -> f64 {
        // The sum of nothing is -0.0, which nobody wants to read.
        self.weight.iter().sum::<f64>() + 0.0
    }
}

/// Which distance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Emd {
    /// R, the distance at which moving costs as much as making or removing. A metric needs at least half of the largest
    /// distance.
    pub radius: f64,
    /// The power of distances; the result is not taken to its root.
    pub beta: f64,
    /// Whether weights are divided by their sum first. An event without energy then has a distance of 0 to all.
    pub normalise: bool,
}

impl Default for Emd {
    fn default() -> Self {
        Self { radius: 1.0, beta: 1.0, normalise: false }
    }
}

/// The cheapest way.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Transport {
    /// The energy mover's distance.
    pub distance: f64,
    /// (particle of the first event, particle of the second, weight moved), in order. Indices count the particles that carry
    /// energy; what is made or removed is not listed.
    pub flows: Vec<(u32, u32, f64)>,
}

impl Emd {
    fn check(&self) -> Result<(), Error> {
        parameter(
            "R",
            self.radius,
            self.radius > 0.0 && self.radius.is_finite(),
            "a positive finite number",
        )?;
        parameter("beta", self.beta, self.beta > 0.0 && self.beta.is_finite(), "a positive finite number")
    }

    /// The distance of two events.
    pub fn distance(&self, a: &EnergyFlow, b: &EnergyFlow) -> Result<f64, Error> {
        self.check()?;
        self.with(&mut Workspace::default(), a, b)
    }

    /// The distance and how energy moves.
    pub fn transport(&self, a: &EnergyFlow, b: &EnergyFlow) -> Result<Transport, Error> {
        self.check()?;
        let mut workspace = Workspace::default();
        let distance = self.with(&mut workspace, a, b)?;
        if a.is_empty() || b.is_empty() {
            return Ok(Transport { distance, flows: Vec::new() });
        }
        let scale = workspace.scale;
        let mut flows: Vec<_> = workspace
            .simplex
            .flows()
            .filter(|(from, to, flow)| (*from as usize) < a.len() && (*to as usize) < b.len() && *flow > 0.0)
            .map(|(from, to, flow)| (from, to, flow * scale))
            .collect();
        flows.sort_by_key(|(from, to, _)| (*from, *to));
        Ok(Transport { distance, flows })
    }

    /// The distances of events at the same place of two lists. Parallel.
    pub fn distances(&self, a: &[EnergyFlow], b: &[EnergyFlow]) -> Result<Vec<f64>, Error> {
        self.check()?;
        same_length("b", a.len(), b.len())?;
        (0..a.len()).into_par_iter().map_init(Workspace::default, |w, i| self.with(w, &a[i], &b[i])).collect()
    }

    /// The distances of all pairs, (0, 1), (0, 2), …, (1, 2), …: n (n - 1) / 2 values. Parallel.
    pub fn pairwise(&self, events: &[EnergyFlow]) -> Result<Vec<f64>, Error> {
        self.check()?;
        let pairs: Vec<(usize, usize)> =
            (0..events.len()).flat_map(|i| (i + 1..events.len()).map(move |j| (i, j))).collect();
        pairs
            .into_par_iter()
            .map_init(Workspace::default, |w, (i, j)| self.with(w, &events[i], &events[j]))
            .collect()
    }

    /// The distances of each of `a` to each of `b`, row by row: shape (a, b). Parallel.
    pub fn between(&self, a: &[EnergyFlow], b: &[EnergyFlow]) -> Result<Vec<f64>, Error> {
        self.check()?;
        let pairs: Vec<(usize, usize)> =
            (0..a.len()).flat_map(|i| (0..b.len()).map(move |j| (i, j))).collect();
        pairs.into_par_iter().map_init(Workspace::default, |w, (i, j)| self.with(w, &a[i], &b[j])).collect()
    }

    /// One distance with memory that is used again.
    fn with(&self, workspace: &mut Workspace, a: &EnergyFlow, b: &EnergyFlow) -> Result<f64, Error> {
        let (total_a, total_b) = (a.total(), b.total());
        if a.is_empty() || b.is_empty() {
            return Ok(if self.normalise { 0.0 } else { total_a + total_b });
        }
        workspace.fill(self, a, b, total_a, total_b);
        let cost = workspace.simplex.solve()?;
        Ok(cost * workspace.scale)
    }
}

/// Memory for one pair after the other.
#[derive(Debug, Default)]
struct Workspace {
    simplex: Simplex,
    /// What weights were divided by.
    scale: f64,
}

impl Workspace {
    fn fill(&mut self, emd: &Emd, a: &EnergyFlow, b: &EnergyFlow, total_a: f64, total_b: f64) {
        // Weights are of order 1 in the simplex, whatever their unit.
        let largest = total_a.max(total_b);
        let (scale_a, scale_b) = if emd.normalise { (total_a, total_b) } else { (largest, largest) };
        self.scale = if emd.normalise { 1.0 } else { largest };
        let simplex = &mut self.simplex;
        simplex.supplies.clear();
        simplex.supplies.extend(a.weight.iter().map(|weight| weight / scale_a));
        simplex.demands.clear();
        simplex.demands.extend(b.weight.iter().map(|weight| weight / scale_b));
        let difference = simplex.supplies.iter().sum::<f64>() - simplex.demands.iter().sum::<f64>();
        // An extra particle takes up the difference, rounding included.
        if difference > 0.0 {
            simplex.demands.push(difference);
        } else if difference < 0.0 {
            simplex.supplies.push(-difference);
        }
        Arch::new().dispatch(Costs { simplex, emd, a, b });
    }
}

/// Fills the matrix of costs.
struct Costs<'a> {
    simplex: &'a mut Simplex,
    emd: &'a Emd,
    a: &'a EnergyFlow,
    b: &'a EnergyFlow,
}

impl WithSimd for Costs<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Costs { simplex, emd, a, b } = self;
        simplex.stride = simplex.demands.len().next_multiple_of(crate::lanes::PAD);
        simplex.costs.clear();
        simplex.costs.resize(simplex.supplies.len() * simplex.stride, f64::INFINITY);
        let per_radius = 1.0 / (emd.radius * emd.radius);
        let columns = b.len();
        let (ys, phis) = (&b.y[..columns], &b.phi[..columns]);
        for i in 0..a.len() {
            let row = &mut simplex.costs[i * simplex.stride..][..columns];
            let (y, phi) = (a.y[i], a.phi[i]);
            for j in 0..columns {
                let dy = ys[j] - y;
                let across = (phis[j] - phi).abs();
                let around = TAU - across;
                let dp = if across < around { across } else { around };
                row[j] = (dy * dy + dp * dp) * per_radius;
            }
            if emd.beta == 1.0 {
                for value in row.iter_mut() {
                    *value = value.sqrt();
                }
            } else if emd.beta != 2.0 {
                for value in row.iter_mut() {
                    *value = value.powf(0.5 * emd.beta);
                }
            }
        }
        // The extra particle is at distance R from all.
        for i in 0..simplex.supplies.len() {
            let row = &mut simplex.costs[i * simplex.stride..][..simplex.demands.len()];
            let first = if i < a.len() { columns } else { 0 };
            row[first..].fill(1.0);
        }
    }
}
