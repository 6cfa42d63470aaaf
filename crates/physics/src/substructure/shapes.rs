//! Sums over constituents: energy correlation functions, angularities, pull.

use super::direction;
use crate::error::{Error, bounded, parameter};
use crate::four_vector::FourVector;

/// More constituents than this are refused where time grows with their third or fourth power.
const MOST: usize = 2048;

/// Momentum fractions and angles to a power.
struct Correlations {
    z: Vec<f64>,
    angles: Vec<f64>,
}

impl Correlations {
    fn new(constituents: &[FourVector], beta: f64) -> Result<Self, Error> {
        parameter("beta", beta, beta > 0.0 && beta.is_finite(), "a positive finite number")?;
        let n = constituents.len();
        parameter("the number of constituents", n as f64, n <= MOST, "at most 2048")?;
        let directions = checked(constituents)?;
        let total: f64 = constituents.iter().map(|v| v.pt()).sum();
        let z = constituents.iter().map(|v| if total > 0.0 { v.pt() / total } else { 0.0 }).collect();
        let mut angles = Vec::with_capacity(n * n);
        for a in &directions {
            for b in &directions {
                let (dy, dp) = (a.0 - b.0, crate::delta_phi(a.1, b.1));
                angles.push((dy * dy + dp * dp).powf(0.5 * beta));
            }
        }
        Ok(Self { z, angles })
    }

    /// Sums over all sets of `points` constituents; the product of the `used` smallest angles of each.
    fn sum(&self, points: usize, used: usize) -> f64 {
        let mut chosen = Vec::with_capacity(points);
        self.extend(&mut chosen, 0, points, used, 1.0)
    }

    fn extend(&self, chosen: &mut Vec<usize>, from: usize, points: usize, used: usize, z: f64) -> f64 {
        if chosen.len() == points {
            return z * self.smallest(chosen, used);
        }
        let mut sum = 0.0;
        for i in from..self.z.len() {
            chosen.push(i);
            sum += self.extend(chosen, i + 1, points, used, z * self.z[i]);
            chosen.pop();
        }
        sum
    }

    fn smallest(&self, chosen: &[usize], used: usize) -> f64 {
        // At most six pairs.
        let mut angles = [0.0; 6];
        let mut count = 0;
        for (k, a) in chosen.iter().enumerate() {
            for b in &chosen[..k] {
                angles[count] = self.angles[a * self.z.len() + b];
                count += 1;
            }
        }
        if used < count {
            angles[..count].sort_unstable_by(f64::total_cmp);
        }
        angles[..used].iter().product()
    }
}

/// The normalised energy correlation function of `points` (1 to 4) particles with the product of the `angles` smallest of their
/// pairwise distances: `Σ over sets of z_i … Π θ^beta` (Moult, Necib and Thaler, arXiv:1609.07483). With all
/// `points (points - 1) / 2` angles it is the original one (arXiv:1305.0007, divided by the jet's summed pt to the power of
/// `points`). Time grows as n to the power of `points`.
///
/// Fails for other numbers of points and angles, a `beta` that is not a positive finite number, more than 2,048 constituents, and
/// momenta that are not finite or beyond 1e140.
///
/// ```
/// use fiducial_physics::four_vector::FourVector;
/// use fiducial_physics::substructure::energy_correlation;
///
/// let at = |pt, phi| FourVector::from_pt_y_phi_m(pt, 0.0, phi, 0.0);
/// let e2 = energy_correlation(&[at(30.0, 0.0), at(10.0, 0.4)], 2, 1, 1.0)?;
/// assert!((e2 - 0.75 * 0.25 * 0.4).abs() < 1e-15);
/// # Ok::<(), fiducial_physics::Error>(())
/// ```
pub fn energy_correlation(
    constituents: &[FourVector],
    points: usize,
    angles: usize,
    beta: f64,
) -> Result<f64, Error> {
    parameter("the number of points", points as f64, (1..=4).contains(&points), "between 1 and 4")?;
    let all = points * (points - 1) / 2;
    let range = "at least 1 (0 for one point), and at most the number of pairs";
    parameter("the number of angles", angles as f64, (all.min(1)..=all).contains(&angles), range)?;
    Ok(Correlations::new(constituents, beta)?.sum(points, angles))
}

/// Ratios of energy correlation functions `e(points)`, and `v_e(points)` with v angles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ratio {
    /// `e2` (arXiv:1305.0007).
    C1,
    /// `e3 / e2²` (arXiv:1305.0007).
    C2,
    /// `e4 e2 / e3²` (arXiv:1305.0007).
    C3,
    /// `e3 / e2³` (arXiv:1409.6298).
    D2,
    /// `1_e3 / 1_e2` (arXiv:1609.07483).
    M2,
    /// `1_e4 / 1_e3` (arXiv:1609.07483).
    M3,
    /// `2_e3 / (1_e2)²` (arXiv:1609.07483).
    N2,
    /// `2_e4 / (1_e3)²` (arXiv:1609.07483).
    N3,
}

/// A ratio of energy correlation functions; 0 where the denominator is. Fails as [`energy_correlation`] does.
pub fn energy_correlation_ratio(constituents: &[FourVector], ratio: Ratio, beta: f64) -> Result<f64, Error> {
    let e = Correlations::new(constituents, beta)?;
    let (above, below) = match ratio {
        Ratio::C1 => (e.sum(2, 1), 1.0),
        Ratio::C2 => (e.sum(3, 3), e.sum(2, 1).powi(2)),
        Ratio::C3 => (e.sum(4, 6) * e.sum(2, 1), e.sum(3, 3).powi(2)),
        Ratio::D2 => (e.sum(3, 3), e.sum(2, 1).powi(3)),
        Ratio::M2 => (e.sum(3, 1), e.sum(2, 1)),
        Ratio::M3 => (e.sum(4, 1), e.sum(3, 1)),
        Ratio::N2 => (e.sum(3, 2), e.sum(2, 1).powi(2)),
        Ratio::N3 => (e.sum(4, 2), e.sum(3, 1).powi(2)),
    };
    Ok(if below == 0.0 { 0.0 } else { above / below })
}

/// The angularity `Σ z_i^kappa (ΔR_i / R)^beta` with distances to the jet's axis, the sum of its constituents, and fractions of
/// their summed pt (Larkoski, Thaler and Waalewijn, arXiv:1408.3122). kappa = 1 with beta 1 and 2 are width and mass,
/// kappa = 2 with beta = 0 is pt^D squared. 0 without momentum.
///
/// Fails for exponents that are negative or not finite, a `radius` that is not a positive finite number, and momenta that are not
/// finite or beyond 1e140.
///
/// ```
/// use fiducial_physics::four_vector::FourVector;
/// use fiducial_physics::substructure::angularity;
///
/// let at = |phi| FourVector::from_pt_y_phi_m(10.0, 0.0, phi, 0.0);
/// let width = angularity(&[at(0.1), at(-0.1)], 1.0, 1.0, 0.4)?;
/// assert!((width - 0.25).abs() < 1e-12);
/// # Ok::<(), fiducial_physics::Error>(())
/// ```
pub fn angularity(constituents: &[FourVector], kappa: f64, beta: f64, radius: f64) -> Result<f64, Error> {
    parameter("kappa", kappa, kappa >= 0.0 && kappa.is_finite(), "a finite number, not negative")?;
    parameter("beta", beta, beta >= 0.0 && beta.is_finite(), "a finite number, not negative")?;
    parameter("R", radius, radius > 0.0 && radius.is_finite(), "a positive finite number")?;
    let directions = checked(constituents)?;
    let axis = direction(constituents.iter().copied().sum());
    let total: f64 = constituents.iter().map(|v| v.pt()).sum();
    if total == 0.0 {
        return Ok(0.0);
    }
    let terms = constituents.iter().zip(directions).map(|(v, (y, phi))| {
        let apart = (y - axis.0).hypot(crate::delta_phi(phi, axis.1));
        (v.pt() / total).powf(kappa) * (apart / radius).powf(beta)
    });
    Ok(terms.sum())
}

/// The pull vector `Σ pt_i |r_i| r_i / pt_jet` as (along rapidity, along azimuth), where r is the way from the jet's axis
/// (Gallicchio and Schwartz, arXiv:1001.5027). 0 without transverse momentum. Fails for momenta that are not finite or
/// beyond 1e140.
///
/// ```
/// use fiducial_physics::four_vector::FourVector;
/// use fiducial_physics::substructure::pull;
///
/// let at = |pt, phi| FourVector::from_pt_y_phi_m(pt, 0.0, phi, 0.0);
/// // A soft particle on one side pulls there.
/// assert!(pull(&[at(100.0, 0.0), at(5.0, 0.3)])?[1] > 0.0);
/// # Ok::<(), fiducial_physics::Error>(())
/// ```
pub fn pull(constituents: &[FourVector]) -> Result<[f64; 2], Error> {
    let directions = checked(constituents)?;
    let jet: FourVector = constituents.iter().copied().sum();
    let (axis, pt) = (direction(jet), jet.pt());
    if pt == 0.0 {
        return Ok([0.0; 2]);
    }
    let mut pull = [0.0; 2];
    for (v, (y, phi)) in constituents.iter().zip(directions) {
        let (dy, dp) = (y - axis.0, crate::delta_phi(phi, axis.1));
        let weight = v.pt() * dy.hypot(dp) / pt;
        pull[0] += weight * dy;
        pull[1] += weight * dp;
    }
    Ok(pull)
}

/// Rapidities and azimuths of momenta that are finite.
fn checked(constituents: &[FourVector]) -> Result<Vec<(f64, f64)>, Error> {
    let flat: Vec<f64> = constituents.iter().flat_map(|v| [v.px, v.py, v.pz, v.e]).collect();
    bounded("constituents", &flat, 1e140)?;
    Ok(constituents.iter().map(|v| direction(*v)).collect())
}
