//! N-subjettiness.

use super::{EVERYTHING, direction, recluster};
use crate::cluster::{Algorithm, Recombination};
use crate::error::{Error, parameter};
use crate::four_vector::FourVector;

/// How often axes are moved at most.
const PASSES: usize = 1000;

/// Where the axes of N-subjettiness are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axes {
    /// Exclusive kt jets.
    Kt,
    /// Exclusive kt jets, winner takes all.
    WinnerTakesAllKt,
    /// kt jets, then moved to the nearest minimum.
    OnePassKt,
    /// Winner-takes-all kt jets, then moved to the nearest minimum.
    OnePassWinnerTakesAllKt,
}

/// N-subjettiness, `Σ pt_i min over axes of ΔR^beta / Σ pt_i R0^beta` (Thaler and Van Tilburg, arXiv:1011.2268): small
/// for a jet of at most `n` prongs. 0 where there are no more than `n` constituents.
///
/// One-pass axes are moved by Lloyd's iteration with weights `pt ΔR^(beta - 2)` (arXiv:1108.2701) until nothing
/// improves; the result is never above that of the axes where it starts.
///
/// Fails for momenta that clustering refuses, for `n = 0`, and for a `beta` or `radius` that is not a positive finite number.
///
/// ```
/// use fiducial_physics::four_vector::FourVector;
/// use fiducial_physics::substructure::{Axes, n_subjettiness};
///
/// let at = |pt, phi| FourVector::from_pt_y_phi_m(pt, 0.0, phi, 0.0);
/// let jet = [at(50.0, 0.0), at(50.0, 0.4), at(1.0, 0.41)];
/// let tau = |n| n_subjettiness(&jet, n, 1.0, 0.8, Axes::WinnerTakesAllKt);
/// assert!(tau(2)? / tau(1)? < 0.01);
/// # Ok::<(), fiducial_physics::Error>(())
/// ```
pub fn n_subjettiness(
    constituents: &[FourVector],
    n: usize,
    beta: f64,
    radius: f64,
    axes: Axes,
) -> Result<f64, Error> {
    parameter("n", n as f64, n > 0, "at least 1")?;
    parameter("beta", beta, beta > 0.0 && beta.is_finite(), "a positive finite number")?;
    parameter("R0", radius, radius > 0.0 && radius.is_finite(), "a positive finite number")?;
    let recombination = match axes {
        Axes::Kt | Axes::OnePassKt => Recombination::E,
        Axes::WinnerTakesAllKt | Axes::OnePassWinnerTakesAllKt => Recombination::WinnerTakesAll,
    };
    let sequence = recluster(constituents, Algorithm::Kt, EVERYTHING, recombination)?;
    if constituents.len() <= n {
        return Ok(0.0);
    }
    let mut directions: Vec<_> = sequence.exclusive(n)?.iter().map(|jet| direction(jet.momentum)).collect();
    let particles: Vec<Particle> = constituents
        .iter()
        .map(|v| {
            let (y, phi) = direction(*v);
            Particle { pt: v.pt(), y, phi }
        })
        .collect();
    let norm: f64 = particles.iter().map(|particle| particle.pt).sum::<f64>() * radius.powf(beta);
    if norm == 0.0 {
        return Ok(0.0);
    }
    let mut tau = value(&particles, &directions, beta);
    if matches!(axes, Axes::OnePassKt | Axes::OnePassWinnerTakesAllKt) {
        for _ in 0..PASSES {
            let moved = moved(&particles, &directions, beta);
            let next = value(&particles, &moved, beta);
            if next.is_nan() || next >= tau * (1.0 - 1e-12) {
                tau = if next < tau { next } else { tau };
                break;
            }
            (tau, directions) = (next, moved);
        }
    }
    Ok(tau / norm)
}

struct Particle {
    pt: f64,
    y: f64,
    phi: f64,
}

impl Particle {
    /// The nearest axis: its number, Δy, Δφ and the distance.
    fn nearest(&self, axes: &[(f64, f64)]) -> (usize, f64, f64, f64) {
        let mut best = (0, 0.0, 0.0, f64::INFINITY);
        for (number, (y, phi)) in axes.iter().enumerate() {
            let (dy, dp) = (self.y - y, crate::delta_phi(self.phi, *phi));
            let distance = dy.hypot(dp);
            if distance < best.3 {
                best = (number, dy, dp, distance);
            }
        }
        best
    }
}

fn value(particles: &[Particle], axes: &[(f64, f64)], beta: f64) -> f64 {
    particles.iter().map(|particle| particle.pt * particle.nearest(axes).3.powf(beta)).sum()
}

/// Each axis at the weighted mean of its particles.
fn moved(particles: &[Particle], axes: &[(f64, f64)], beta: f64) -> Vec<(f64, f64)> {
    let mut sums = vec![(0.0, 0.0, 0.0); axes.len()];
    for particle in particles {
        let (number, dy, dp, distance) = particle.nearest(axes);
        // A particle on the axis has an infinite weight below beta = 2; as in fastjet-contrib it is kept finite.
        let weight = particle.pt * distance.max(1e-8).powf(beta - 2.0);
        let sum = &mut sums[number];
        *sum = (sum.0 + weight, sum.1 + weight * dy, sum.2 + weight * dp);
    }
    let mean = |((y, phi), (weight, dy, dp)): (&(f64, f64), (f64, f64, f64))| {
        if weight > 0.0 { (y + dy / weight, phi + dp / weight) } else { (*y, *phi) }
    };
    axes.iter().zip(sums).map(mean).collect()
}
