//! Pile-up per particle identification.

use crate::cluster::direction;
use crate::error::{Error, bounded, parameter, same_length};
use crate::four_vector::FourVector;

/// What is known of a particle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Charged, from the leading vertex: weight 1.
    Leading,
    /// Charged, from another vertex: weight 0. Their values say what pile-up looks like.
    Pileup,
    /// Neutral, or too far forward for tracks.
    Unknown,
}

/// PUPPI (Bertolini, Harris, Low and Tran, arXiv:1407.6013).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Puppi {
    /// The radius in which neighbours count.
    pub radius: f64,
    /// Neighbours nearer than this do not count.
    pub least_distance: f64,
    /// Up to this |rapidity| neighbours are charged particles of the leading vertex; beyond it all particles.
    pub central: f64,
    /// Weights below this are 0.
    pub least_weight: f64,
}

impl Default for Puppi {
    fn default() -> Self {
        Self { radius: 0.3, least_distance: 0.02, central: 2.5, least_weight: 0.1 }
    }
}

/// Median and root mean square below it.
struct Pileup {
    median: f64,
    rms: f64,
}

impl Puppi {
    /// A weight in [0, 1] for each particle, by which its four-momentum is to be multiplied.
    ///
    /// With `alpha_i = log Σ (pt_j / ΔR_ij)²` over neighbours j, its median and the root mean square below the
    /// median over charged pile-up, the weight is the probability of a χ² with one degree of freedom below
    /// `(alpha - median)² / rms²`, 0 below the median and 0 without neighbours. Without charged pile-up all of
    /// unknown origin have weight 1. Time grows as n².
    ///
    /// Fails where lengths differ, for parameters that are negative or not finite, and for momenta that are not finite or beyond
    /// 1e140.
    ///
    /// ```
    /// use fiducial_physics::four_vector::FourVector;
    /// use fiducial_physics::pileup::{Origin, Puppi};
    ///
    /// let at = |pt, phi| FourVector::from_pt_y_phi_m(pt, 0.0, phi, 0.0);
    /// // A neutral next to a hard track, and one far from it.
    /// let particles = [at(50.0, 0.0), at(5.0, 0.1), at(0.5, 0.28), at(0.7, 0.29), at(5.0, 3.0)];
    /// let origins = [Origin::Leading, Origin::Unknown, Origin::Pileup, Origin::Pileup, Origin::Unknown];
    /// let weights = Puppi::default().weights(&particles, &origins)?;
    /// assert_eq!(weights[0], 1.0);
    /// assert!(weights[1] > 0.99 && weights[4] == 0.0);
    /// # Ok::<(), fiducial_physics::Error>(())
    /// ```
    pub fn weights(&self, particles: &[FourVector], origins: &[Origin]) -> Result<Vec<f64>, Error> {
        same_length("origins", particles.len(), origins.len())?;
        for (name, value) in [
            ("the radius", self.radius),
            ("the least distance", self.least_distance),
            ("the central rapidity", self.central),
            ("the least weight", self.least_weight),
        ] {
            parameter(name, value, value >= 0.0 && value.is_finite(), "a finite number, not negative")?;
        }
        let flat: Vec<f64> = particles.iter().flat_map(|v| [v.px, v.py, v.pz, v.e]).collect();
        bounded("particles", &flat, 1e140)?;
        let places: Vec<(f64, f64, f64)> = particles
            .iter()
            .map(|v| {
                let (y, phi) = direction(*v);
                (y, phi, v.pt())
            })
            .collect();
        let pileup = |all: bool| -> Option<Pileup> {
            let tracks = (0..particles.len()).filter(|i| origins[*i] == Origin::Pileup);
            spread(tracks.filter_map(|i| self.alpha(i, &places, origins, all)).collect())
        };
        let (central, forward) = (pileup(false), pileup(true));
        let weight = |i: usize| match origins[i] {
            Origin::Leading => 1.0,
            Origin::Pileup => 0.0,
            Origin::Unknown => {
                let all = places[i].0.abs() > self.central;
                let Some(pileup) = (if all { &forward } else { &central }) else { return 1.0 };
                let Some(alpha) = self.alpha(i, &places, origins, all) else { return 0.0 };
                let weight = pileup.weight(alpha);
                if weight < self.least_weight { 0.0 } else { weight }
            }
        };
        Ok((0..particles.len()).map(weight).collect())
    }

    /// None without neighbours.
    fn alpha(&self, i: usize, places: &[(f64, f64, f64)], origins: &[Origin], all: bool) -> Option<f64> {
        let (y, phi, _) = places[i];
        let mut sum = 0.0;
        for (j, place) in places.iter().enumerate() {
            if j == i || !(all || origins[j] == Origin::Leading) {
                continue;
            }
            let distance = (place.0 - y).hypot(crate::delta_phi(place.1, phi));
            if distance >= self.least_distance && distance <= self.radius && distance > 0.0 {
                sum += (place.2 / distance).powi(2);
            }
        }
        (sum > 0.0).then(|| sum.ln())
    }
}

fn spread(mut values: Vec<f64>) -> Option<Pileup> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    let median = if values.len() % 2 == 1 { upper } else { 0.5 * (values[middle - 1] + upper) };
    let below: Vec<f64> =
        values.iter().filter(|value| **value <= median).map(|value| value - median).collect();
    let rms = (below.iter().map(|x| x * x).sum::<f64>() / below.len().max(1) as f64).sqrt();
    Some(Pileup { median, rms })
}

impl Pileup {
    fn weight(&self, alpha: f64) -> f64 {
        if alpha <= self.median {
            return 0.0;
        }
        // Without any spread whatever is above is not pile-up.
        if self.rms == 0.0 { 1.0 } else { erf((alpha - self.median) / self.rms / std::f64::consts::SQRT_2) }
    }
}

/// The error function for x >= 0: its series up to 3, the continued fraction of the complement beyond.
fn erf(x: f64) -> f64 {
    let gauss = (-x * x).exp() * std::f64::consts::FRAC_2_SQRT_PI;
    if x < 3.0 {
        // x e^(-x²) Σ (2x²)^n / (1 · 3 · 5 …), all terms positive.
        let (mut term, mut sum, mut n) = (x, x, 1.0);
        while term > 1e-17 * sum {
            term *= 2.0 * x * x / (2.0 * n + 1.0);
            sum += term;
            n += 1.0;
        }
        return gauss * sum;
    }
    // erfc(x) = e^(-x²) / sqrt(pi) / (x + 1/2 / (x + 2/2 / (x + …))).
    let fraction = (1..40).rev().fold(x, |tail, n| x + 0.5 * f64::from(n) / tail);
    1.0 - 0.5 * gauss / fraction
}

#[cfg(test)]
mod tests {
    use super::erf;

    #[test]
    fn error_function() {
        // Values from Python's math.erf.
        let rows = [
            (0.0, 0.0),
            (0.1, 0.112_462_916_018_284_89),
            (1.0, 0.842_700_792_949_714_9),
            (2.9, 0.999_958_902_121_900_5),
            (3.1, 0.999_988_351_342_632_8),
            (6.0, 1.0),
        ];
        for (x, expected) in rows {
            assert!((erf(x) - expected).abs() < 1e-14, "erf({x}) = {}, not {expected}", erf(x));
        }
    }
}
