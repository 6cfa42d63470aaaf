//! Cheap bounds of the energy mover's distance.

use std::f64::consts::PI;

use super::{Emd, EnergyFlow};
use crate::error::Error;

impl Emd {
    /// A lower bound of the normalised distance with β >= 1, from projections on lines: the largest over `directions` evenly
    /// spaced directions of the one-dimensional distance, to the power of β.
    ///
    /// Projections bring particles closer, so the distance on a line is never larger; for β > 1 Jensen's inequality bounds the
    /// mean of powers by the power of the mean. Azimuths are taken as they are within the half turn around that of the first
    /// event's hardest particle, so events must not wrap around the cylinder: where one does, the bound is 0. Costs
    /// O(n log n) a direction.
    ///
    /// Fails as [`Emd::distance`] does.
    pub fn sliced_bound(&self, a: &EnergyFlow, b: &EnergyFlow, directions: usize) -> Result<f64, Error> {
        self.check()?;
        crate::error::parameter("beta", self.beta, self.beta >= 1.0, "at least 1")?;
        if a.is_empty() || b.is_empty() {
            return Ok(0.0);
        }
        let hardest = (0..a.len()).fold(0, |best, i| if a.weight[i] > a.weight[best] { i } else { best });
        let unwrap = |flow: &EnergyFlow| -> Vec<f64> {
            flow.phi.iter().map(|phi| crate::delta_phi(*phi, a.phi[hardest])).collect()
        };
        let (phi_a, phi_b) = (unwrap(a), unwrap(b));
        // Two particles further apart than half a turn are nearer the other way round, which a line does not know.
        let range = phi_a.iter().chain(&phi_b).fold((0.0_f64, 0.0_f64), |r, x| (r.0.min(*x), r.1.max(*x)));
        if range.1 - range.0 > PI {
            return Ok(0.0);
        }
        let mut largest: f64 = 0.0;
        for k in 0..directions {
            let (sin, cos) = (PI * k as f64 / directions as f64).sin_cos();
            let project = |flow: &EnergyFlow, phi: &[f64], sign: f64| -> Vec<(f64, f64)> {
                let total = flow.total();
                let at = |i: usize| (flow.y[i] * cos + phi[i] * sin, sign * flow.weight[i] / total);
                (0..flow.len()).map(at).collect()
            };
            let mut points = project(a, &phi_a, 1.0);
            points.extend(project(b, &phi_b, -1.0));
            largest = largest.max(on_a_line(points));
        }
        Ok((largest / self.radius).powf(self.beta))
    }
}

/// The distance of two distributions on a line, `∫ |F - G|`; weights of the second are negative.
fn on_a_line(mut points: Vec<(f64, f64)>) -> f64 {
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut sum, mut excess) = (0.0, 0.0_f64);
    for pair in points.windows(2) {
        excess += pair[0].1;
        sum += excess.abs() * (pair[1].0 - pair[0].0);
    }
    sum
}
