//! Linearised optimal transport (Cai, Cheng, Craig and Craig, arXiv:2008.08604): distances by way of a reference event, so that n
//! events need n transports and not n (n - 1) / 2.

use std::f64::consts::TAU;

use rayon::prelude::*;

use super::{Emd, EnergyFlow};
use crate::error::{Error, same_length};

/// A reference event, in whose tangent space events become points: β = 2, weights divided by their sum.
///
/// ```
/// use fiducial_physics::emd::{Emd, EnergyFlow, Linearised, squared_distance};
///
/// let at = |y: f64| EnergyFlow::new(&[1.0, 3.0], &[y, y + 0.2], &[0.0, 0.5]);
/// let space = Linearised::new(&at(0.0)?, 1.0)?;
/// // Both events are the reference, moved: then nothing is lost.
/// let points = space.embed(&[at(0.1)?, at(0.4)?])?;
/// let exact = Emd { beta: 2.0, normalise: true, ..Emd::default() }.distance(&at(0.1)?, &at(0.4)?)?;
/// assert!((squared_distance(&points[0], &points[1])? - exact).abs() < 1e-12);
/// # Ok::<(), fiducial_physics::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Linearised {
    reference: EnergyFlow,
    emd: Emd,
}

impl Linearised {
    /// Fails for a radius that is not a positive finite number, and for a reference without energy.
    pub fn new(reference: &EnergyFlow, radius: f64) -> Result<Self, Error> {
        let emd = Emd { radius, beta: 2.0, normalise: true };
        emd.check()?;
        not_empty("the reference's particles", reference)?;
        Ok(Self { reference: reference.clone(), emd })
    }

    /// For each event two coordinates for each particle of the reference that carries energy: `sqrt(r_i) / R` times the mean way
    /// (rapidity, azimuth) that its share `r_i` goes to become the event. Squared distances of such points approximate the energy
    /// mover's distance with β = 2; they are exact to the reference itself where no particle of it is split, and never above
    /// [`Emd::linearised_bound`]. Parallel. Fails for an event without energy.
    pub fn embed(&self, events: &[EnergyFlow]) -> Result<Vec<Vec<f64>>, Error> {
        events.par_iter().map(|event| self.point(event)).collect()
    }

    fn point(&self, event: &EnergyFlow) -> Result<Vec<f64>, Error> {
        not_empty("the event's particles", event)?;
        let (reference, total) = (&self.reference, self.reference.total());
        let mut point = vec![0.0; 2 * reference.len()];
        for (i, j, flow) in self.emd.transport(reference, event)?.flows {
            let (i, j) = (i as usize, j as usize);
            // The mean over the share is weighted with flow / r, and multiplied with sqrt(r).
            let factor = flow / (reference.weight[i] / total).sqrt() / self.emd.radius;
            point[2 * i] += factor * (event.y[j] - reference.y[i]);
            point[2 * i + 1] += factor * crate::delta_phi(event.phi[j], reference.phi[i]);
        }
        Ok(point)
    }
}

/// The squared Euclidean distance of two points of [`Linearised::embed`]. Fails where they have different lengths.
pub fn squared_distance(a: &[f64], b: &[f64]) -> Result<f64, Error> {
    same_length("b", a.len(), b.len())?;
    Ok(a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum())
}

impl Emd {
    /// An upper bound of the normalised distance: the cost of going by way of a reference, where what meets in a particle of the
    /// reference is shared out in proportion. Any β. Where the reference is one of the two it is the distance itself.
    ///
    /// Fails as [`Emd::distance`] does, and for events without energy.
    ///
    /// ```
    /// use fiducial_physics::emd::{Emd, EnergyFlow};
    ///
    /// let a = EnergyFlow::new(&[1.0, 2.0], &[0.0, 0.0], &[0.0, 0.3])?;
    /// let b = EnergyFlow::new(&[2.0, 1.0], &[0.1, 0.0], &[0.0, 0.5])?;
    /// let emd = Emd { normalise: true, ..Emd::default() };
    /// let exact = emd.distance(&a, &b)?;
    /// assert!((emd.linearised_bound(&a, &b, &a)? - exact).abs() < 1e-12);
    /// assert!(emd.linearised_bound(&a, &b, &EnergyFlow::new(&[1.0], &[0.0], &[0.0])?)? >= exact);
    /// # Ok::<(), fiducial_physics::Error>(())
    /// ```
    pub fn linearised_bound(
        &self,
        a: &EnergyFlow,
        b: &EnergyFlow,
        reference: &EnergyFlow,
    ) -> Result<f64, Error> {
        not_empty("the reference's particles", reference)?;
        not_empty("the particles of a", a)?;
        not_empty("the particles of b", b)?;
        let emd = Self { normalise: true, ..*self };
        let (to_a, to_b) = (emd.transport(reference, a)?.flows, emd.transport(reference, b)?.flows);
        let total = reference.total();
        let (mut sum, mut first) = (0.0, 0);
        for &(i, j, flow) in &to_a {
            // Both lists are in the order of the reference's particles.
            while to_b.get(first).is_some_and(|other| other.0 < i) {
                first += 1;
            }
            let share = reference.weight[i as usize] / total;
            for &(_, k, other) in to_b[first..].iter().take_while(|other| other.0 == i) {
                let (j, k) = (j as usize, k as usize);
                let (dy, across) = (a.y[j] - b.y[k], (a.phi[j] - b.phi[k]).abs());
                let apart = dy.hypot(across.min(TAU - across)) / self.radius;
                sum += flow * other / share * apart.powf(self.beta);
            }
        }
        Ok(sum)
    }
}

fn not_empty(name: &'static str, flow: &EnergyFlow) -> Result<(), Error> {
    crate::error::parameter(name, flow.len() as f64, !flow.is_empty(), "at least 1 that carries energy")
}
