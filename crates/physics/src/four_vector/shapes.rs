//! Shapes of whole events: thrust and the momentum tensor.

use std::f64::consts::FRAC_PI_2;

use super::{FourVector, cross};
use crate::error::{Error, bounded};

/// Thrust and its axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thrust {
    /// Between 1/2 (isotropic) and 1 (two pencils).
    pub value: f64,
    /// Unit vector; its sign has no meaning, its first component that is not 0 is positive.
    pub axis: [f64; 3],
}

/// Thrust, `max over n of Σ |n·p| / Σ |p|` (Farhi, Phys. Rev. Lett. 39 (1977) 1587), exactly.
///
/// The best axis lies along a sum of the momenta with signs, and the plane that divides the signs may be turned until it holds
/// two of the momenta. So for each momentum the plane through it is turned once around: O(n² log n). Thrust is 0, with the axis
/// along z, where there is no momentum. Fails for numbers that are not finite or beyond 1e150.
///
/// ```
/// use fiducial_physics::four_vector::{FourVector, thrust};
///
/// // Three equal momenta in a plane, 120 degrees apart: thrust is 2/3.
/// let star: Vec<_> =
///     [0.0, 2.0, 4.0].map(|k| FourVector::from_pt_eta_phi_m(1.0, 0.0, k * std::f64::consts::PI / 3.0, 0.0)).into();
/// assert!((thrust(&star)?.value - 2.0 / 3.0).abs() < 1e-15);
/// # Ok::<(), fiducial_physics::Error>(())
/// ```
pub fn thrust(vectors: &[FourVector]) -> Result<Thrust, Error> {
    let momenta = momenta(vectors)?;
    let total: f64 = momenta.iter().map(|p| length(*p)).sum();
    if total == 0.0 {
        return Ok(Thrust { value: 0.0, axis: [0.0, 0.0, 1.0] });
    }
    let mut best = [0.0; 3];
    let mut consider = |sum: [f64; 3]| {
        if length(sum) > length(best) {
            best = sum;
        }
    };
    for i in 0..momenta.len() {
        sweep(&momenta, i, &mut consider);
    }
    // The running sums have rounding errors; the signs are what counts.
    let axis = best;
    let sum = momenta.iter().fold([0.0; 3], |sum, p| add(sum, *p, dot(*p, axis).signum()));
    let norm = length(sum);
    let sign = sum.iter().find(|x| **x != 0.0).map_or(1.0, |x| x.signum());
    Ok(Thrust { value: norm / total, axis: sum.map(|x| sign * x / norm) })
}

/// Hands over all sums of momenta with signs from the planes through momentum `i`.
fn sweep(momenta: &[[f64; 3]], i: usize, consider: &mut impl FnMut([f64; 3])) {
    let pivot = momenta[i];
    if length(pivot) == 0.0 {
        return;
    }
    // Two directions across the pivot.
    let helper = if pivot[0].abs() < 0.6 * length(pivot) { [1.0, 0.0, 0.0] } else { [0.0, 1.0, 0.0] };
    let u = unit(cross(pivot, helper));
    let v = unit(cross(pivot, u));
    let mut sum = [0.0; 3];
    let mut along = pivot;
    // (angle of the normal at which the sign of k flips, k), within half a turn.
    let mut flips = Vec::with_capacity(momenta.len());
    for (k, p) in momenta.iter().enumerate() {
        if k == i {
            continue;
        }
        let (x, y) = (dot(*p, u), dot(*p, v));
        if x.hypot(y) <= 1e-15 * length(*p) {
            along = add(along, *p, dot(*p, pivot).signum());
            continue;
        }
        sum = add(sum, *p, if x < 0.0 || x == 0.0 && y < 0.0 { -1.0 } else { 1.0 });
        let angle = y.atan2(x).rem_euclid(std::f64::consts::PI);
        flips.push(((angle + FRAC_PI_2).rem_euclid(std::f64::consts::PI), k));
    }
    flips.sort_by(|a, b| a.0.total_cmp(&b.0));
    consider(add(sum, along, 1.0));
    consider(add(sum, along, -1.0));
    let mut signs: Vec<f64> = momenta
        .iter()
        .map(|p| {
            let (x, y) = (dot(*p, u), dot(*p, v));
            if x < 0.0 || x == 0.0 && y < 0.0 { -1.0 } else { 1.0 }
        })
        .collect();
    for (_, k) in flips {
        signs[k] = -signs[k];
        sum = add(sum, momenta[k], 2.0 * signs[k]);
        consider(add(sum, along, 1.0));
        consider(add(sum, along, -1.0));
    }
}

/// What the eigenvalues `l1 >= l2 >= l3` of the momentum tensor say about an event.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EventShape {
    /// The eigenvalues, largest first; they sum to 1.
    pub eigenvalues: [f64; 3],
    /// `3/2 (l2 + l3)`: 0 for two pencils, 1 for an isotropic event.
    pub sphericity: f64,
    /// `3/2 l3`: 0 for a planar event, 1/2 for an isotropic one.
    pub aplanarity: f64,
    /// `3 (l1 l2 + l1 l3 + l2 l3)`: 0 for two pencils.
    pub c: f64,
    /// `27 l1 l2 l3`: 0 for a planar event.
    pub d: f64,
}

/// Eigenvalues of the tensor `Σ pa pb |p|^(r-2) / Σ |p|^r` and what follows from them.
///
/// With `r = 2` it gives sphericity (Bjorken and Brodsky, Phys. Rev. D 1 (1970) 1416), which is not collinear safe; with `r = 1`
/// the linearised tensor of C and D (Donoghue, Low and Pi, Phys. Rev. D 20 (1979) 2759), which is. Without momentum all is 0.
/// Fails for numbers that are not finite or beyond 1e150, and for an `r` that is not a finite positive number.
///
/// ```
/// use fiducial_physics::four_vector::{FourVector, event_shape};
///
/// let pencils = [FourVector::new(0.0, 3.0, 4.0, 5.0), FourVector::new(0.0, -3.0, -4.0, 5.0)];
/// assert!(event_shape(&pencils, 2.0)?.sphericity < 1e-15);
/// # Ok::<(), fiducial_physics::Error>(())
/// ```
pub fn event_shape(vectors: &[FourVector], r: f64) -> Result<EventShape, Error> {
    crate::error::parameter("r", r, r > 0.0 && r.is_finite(), "a positive finite number")?;
    let momenta = momenta(vectors)?;
    // The tensor does not depend on the scale, and powers of 1 cannot overflow.
    let scale = momenta.iter().map(|p| length(*p)).fold(0.0, f64::max);
    let mut tensor = [[0.0; 3]; 3];
    let mut norm = 0.0;
    for p in momenta.iter().map(|p| p.map(|x| x / scale)).filter(|p| length(*p) > 0.0) {
        let size = length(p);
        let weight = size.powf(r);
        norm += weight;
        for (row, a) in tensor.iter_mut().zip(p) {
            for (cell, b) in row.iter_mut().zip(p) {
                *cell += a / size * (b / size) * weight;
            }
        }
    }
    if norm == 0.0 {
        return Ok(EventShape { eigenvalues: [0.0; 3], sphericity: 0.0, aplanarity: 0.0, c: 0.0, d: 0.0 });
    }
    let [l1, l2, l3] = eigenvalues(tensor.map(|row| row.map(|cell| cell / norm)));
    Ok(EventShape {
        eigenvalues: [l1, l2, l3],
        sphericity: 1.5 * (l2 + l3),
        aplanarity: 1.5 * l3,
        c: 3.0 * (l1 * l2 + l1 * l3 + l2 * l3),
        d: 27.0 * l1 * l2 * l3,
    })
}

/// Eigenvalues of a symmetric matrix, largest first, by Jacobi's rotations; those of a tensor of squares are not negative.
fn eigenvalues(mut m: [[f64; 3]; 3]) -> [f64; 3] {
    // Converges quadratically: 4 or 5 sweeps are enough for any 3 × 3 matrix.
    for _ in 0..16 {
        for (i, j) in [(0, 1), (0, 2), (1, 2)] {
            if m[i][j] == 0.0 {
                continue;
            }
            let theta = (m[j][j] - m[i][i]) / (2.0 * m[i][j]);
            let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
            let c = 1.0 / t.hypot(1.0);
            let s = t * c;
            for row in &mut m {
                let (a, b) = (row[i], row[j]);
                (row[i], row[j]) = (c * a - s * b, s * a + c * b);
            }
            let (a, b) = (m[i], m[j]);
            m[i] = [0, 1, 2].map(|k| c * a[k] - s * b[k]);
            m[j] = [0, 1, 2].map(|k| s * a[k] + c * b[k]);
            (m[i][j], m[j][i]) = (0.0, 0.0);
        }
    }
    let mut values = [m[0][0], m[1][1], m[2][2]].map(|value| value.max(0.0));
    values.sort_by(|a, b| b.total_cmp(a));
    values
}

fn momenta(vectors: &[FourVector]) -> Result<Vec<[f64; 3]>, Error> {
    let flat: Vec<f64> = vectors.iter().flat_map(|v| v.momentum()).collect();
    bounded("vectors", &flat, 1e150)?;
    Ok(vectors.iter().map(|v| v.momentum()).collect())
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn length(a: [f64; 3]) -> f64 {
    dot(a, a).sqrt()
}

fn unit(a: [f64; 3]) -> [f64; 3] {
    let norm = length(a);
    a.map(|x| x / norm)
}

fn add(a: [f64; 3], b: [f64; 3], factor: f64) -> [f64; 3] {
    [a[0] + factor * b[0], a[1] + factor * b[1], a[2] + factor * b[2]]
}
