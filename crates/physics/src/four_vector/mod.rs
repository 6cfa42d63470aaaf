//! Four-vectors: one ([`FourVector`]) and many ([`FourVectors`], a structure of arrays).
//!
//! Coordinates are px, py, pz and E with the metric (+, -, -, -); other coordinates are turned into these when vectors are
//! made, and back when a [`Quantity`] is asked for. Values agree with the Python package `vector`.
//!
//! ```
//! use fiducial_physics::four_vector::{FourVector, FourVectors, Quantity};
//!
//! // Two muons, in pt, eta, phi and m.
//! let muons = FourVectors::from_pt_eta_phi_m(
//!     &[45.0, 45.0], &[0.0, 0.0], &[0.0, std::f64::consts::PI], &[0.105_66, 0.105_66])?;
//! assert!((muons.sum().mass() - 90.000_248_0).abs() < 1e-6);
//! assert!((muons.quantity(Quantity::Pt)[1] - 45.0).abs() < 1e-12);
//! # Ok::<(), fiducial_physics::Error>(())
//! ```

mod columns;
mod kernels;
mod mt2;
mod shapes;

use std::ops::{Add, AddAssign, Mul, Neg, Sub};

pub use columns::{FourVectors, Quantity, Real, delta_phi, delta_r, eta, phi, pt};
pub use mt2::mt2;
pub use shapes::{EventShape, Thrust, event_shape, thrust};

/// Momentum and energy of one particle or of a sum of particles, in GeV.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct FourVector {
    /// Momentum along x.
    pub px: f64,
    /// Momentum along y.
    pub py: f64,
    /// Momentum along the beam.
    pub pz: f64,
    /// Energy.
    pub e: f64,
}

impl FourVector {
    /// From Cartesian components.
    #[inline(always)]
    #[must_use]
    pub const fn new(px: f64, py: f64, pz: f64, e: f64) -> Self {
        Self { px, py, pz, e }
    }

    /// From transverse momentum, pseudorapidity, azimuthal angle and mass: `pz = pt sinh(eta)`, `E² = m |m| + p²`.
    ///
    /// A negative mass makes a space-like vector, as [`FourVector::mass`] returns one; where the square of the energy would
    /// be negative, the energy is 0.
    #[inline]
    #[must_use]
    pub fn from_pt_eta_phi_m(pt: f64, eta: f64, phi: f64, m: f64) -> Self {
        let (sin, cos) = phi.sin_cos();
        let (px, py, pz) = (pt * cos, pt * sin, pt * eta.sinh());
        let squared = m * m.abs() + (pt * pt + pz * pz);
        // Not `max`, which would hide NaN.
        Self::new(px, py, pz, if squared < 0.0 { 0.0 } else { squared.sqrt() })
    }

    /// From transverse momentum, rapidity, azimuthal angle and mass: `mt = sqrt(pt² + m |m|)`, `pz = mt sinh(y)`,
    /// `E = mt cosh(y)`; where `mt²` would be negative it is 0.
    #[inline]
    #[must_use]
    pub fn from_pt_y_phi_m(pt: f64, y: f64, phi: f64, m: f64) -> Self {
        let (sin, cos) = phi.sin_cos();
        let squared = m * m.abs() + pt * pt;
        let mt = if squared < 0.0 { 0.0 } else { squared.sqrt() };
        Self::new(pt * cos, pt * sin, mt * y.sinh(), mt * y.cosh())
    }

    /// Transverse momentum.
    #[inline(always)]
    #[must_use]
    pub fn pt(self) -> f64 {
        (self.px * self.px + self.py * self.py).sqrt()
    }

    /// Azimuthal angle, see [`crate::phi`].
    #[inline(always)]
    #[must_use]
    pub fn phi(self) -> f64 {
        crate::phi(self.px, self.py)
    }

    /// Pseudorapidity, see [`crate::eta`].
    #[inline(always)]
    #[must_use]
    pub fn eta(self) -> f64 {
        crate::eta(self.px, self.py, self.pz)
    }

    /// Rapidity, see [`crate::rapidity`].
    #[inline(always)]
    #[must_use]
    pub fn rapidity(self) -> f64 {
        crate::rapidity(self.e, self.pz)
    }

    /// Length of the momentum.
    #[inline(always)]
    #[must_use]
    pub fn p(self) -> f64 {
        (self.px * self.px + self.py * self.py + self.pz * self.pz).sqrt()
    }

    /// Invariant mass, `sqrt((E - p)(E + p))`; of a space-like vector minus the root of the absolute value.
    #[inline(always)]
    #[must_use]
    pub fn mass(self) -> f64 {
        let p = self.p();
        signed_root((self.e - p) * (self.e + p))
    }

    /// Transverse mass of one vector, `sqrt((E - pz)(E + pz))`; negative where the square is.
    #[inline(always)]
    #[must_use]
    pub fn mt(self) -> f64 {
        signed_root((self.e - self.pz) * (self.e + self.pz))
    }

    /// Transverse energy, `E pt / p`; 0 without momentum.
    #[inline(always)]
    #[must_use]
    pub fn et(self) -> f64 {
        let p = self.p();
        if p == 0.0 { 0.0 } else { self.e * (self.pt() / p) }
    }

    /// Speed, `p / E`.
    #[inline(always)]
    #[must_use]
    pub fn beta(self) -> f64 {
        self.p() / self.e
    }

    /// Product in the metric (+, -, -, -).
    #[inline(always)]
    #[must_use]
    pub fn dot(self, other: Self) -> f64 {
        self.e * other.e - self.px * other.px - self.py * other.py - self.pz * other.pz
    }

    /// Difference of azimuthal angles, see [`crate::delta_phi`].
    #[inline]
    #[must_use]
    pub fn delta_phi(self, other: Self) -> f64 {
        crate::delta_phi(self.phi(), other.phi())
    }

    /// Distance in pseudorapidity and azimuth, see [`crate::delta_r`].
    #[inline]
    #[must_use]
    pub fn delta_r(self, other: Self) -> f64 {
        crate::delta_r(self.eta(), self.phi(), other.eta(), other.phi())
    }

    /// Distance in rapidity and azimuth: `sqrt(delta_y² + delta_phi²)`.
    #[inline]
    #[must_use]
    pub fn delta_r_rapidity(self, other: Self) -> f64 {
        crate::delta_r(self.rapidity(), self.phi(), other.rapidity(), other.phi())
    }

    /// Angle between the momenta, in [0, pi], as `atan2(|a × b|, a · b)`, which is accurate for small angles too.
    #[inline]
    #[must_use]
    pub fn angle(self, other: Self) -> f64 {
        let [x, y, z] = cross(self.momentum(), other.momentum());
        let dot = self.px * other.px + self.py * other.py + self.pz * other.pz;
        (x * x + y * y + z * z).sqrt().atan2(dot)
    }

    /// The three components of the momentum.
    #[inline(always)]
    #[must_use]
    pub const fn momentum(self) -> [f64; 3] {
        [self.px, self.py, self.pz]
    }

    /// Boosted by the velocity `beta` (in units of c, `|beta| < 1`; components are NaN or infinite otherwise).
    ///
    /// With `g = 1 / sqrt(1 - b²)`: `E' = g (E + b·p)`, `p' = p + b (g² / (g + 1) b·p + g E)`. A particle at rest then moves
    /// with `beta`.
    #[inline(always)]
    #[must_use]
    pub fn boosted(self, beta: [f64; 3]) -> Self {
        let [x, y, z] = beta;
        let gamma = 1.0 / (1.0 - (x * x + y * y + z * z)).sqrt();
        let along = x * self.px + y * self.py + z * self.pz;
        let factor = gamma * gamma / (1.0 + gamma) * along + gamma * self.e;
        Self::new(self.px + factor * x, self.py + factor * y, self.pz + factor * z, gamma * (self.e + along))
    }

    /// The velocity `p / E` of this vector: `v.boosted(-v.velocity())` is at rest.
    #[inline(always)]
    #[must_use]
    pub fn velocity(self) -> [f64; 3] {
        [self.px / self.e, self.py / self.e, self.pz / self.e]
    }

    /// As seen in the rest frame of `frame`, which must be time-like.
    #[inline]
    #[must_use]
    pub fn in_rest_frame_of(self, frame: Self) -> Self {
        let [x, y, z] = frame.velocity();
        self.boosted([-x, -y, -z])
    }

    /// Turned by `angle` around `axis`, counter-clockwise when the axis points at the observer (Rodrigues' formula). The axis
    /// need not have length 1; around an axis of length 0 nothing turns.
    #[inline]
    #[must_use]
    pub fn rotated(self, axis: [f64; 3], angle: f64) -> Self {
        let [x, y, z] = rotation(axis, angle);
        let turn = |row: [f64; 3]| row[0] * self.px + row[1] * self.py + row[2] * self.pz;
        Self::new(turn(x), turn(y), turn(z), self.e)
    }
}

impl Add for FourVector {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self::new(self.px + other.px, self.py + other.py, self.pz + other.pz, self.e + other.e)
    }
}

impl AddAssign for FourVector {
    #[inline(always)]
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for FourVector {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Neg for FourVector {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self::new(-self.px, -self.py, -self.pz, -self.e)
    }
}

impl Mul<f64> for FourVector {
    type Output = Self;
    #[inline(always)]
    fn mul(self, factor: f64) -> Self {
        Self::new(self.px * factor, self.py * factor, self.pz * factor, self.e * factor)
    }
}

impl std::iter::Sum for FourVector {
    fn sum<I: Iterator<Item = Self>>(vectors: I) -> Self {
        vectors.fold(Self::default(), Add::add)
    }
}

/// Transverse mass of two vectors: `sqrt((Et1 + Et2)² - |pt1 + pt2|²)` with `Et = sqrt(m² + pt²)`. For two massless ones,
/// a lepton and a neutrino, it is `sqrt(2 pt1 pt2 (1 - cos dphi))` (PDG review "Kinematics").
///
/// ```
/// use fiducial_physics::four_vector::{FourVector, transverse_mass};
///
/// let lepton = FourVector::from_pt_eta_phi_m(40.0, 0.7, 0.0, 0.0);
/// let missing = FourVector::from_pt_eta_phi_m(40.0, 0.0, std::f64::consts::PI, 0.0);
/// assert!((transverse_mass(lepton, missing) - 80.0).abs() < 1e-12);
/// ```
#[must_use]
pub fn transverse_mass(a: FourVector, b: FourVector) -> f64 {
    let (ma, mb) = (a.mass(), b.mass());
    let (eta, etb) = (a.pt().hypot(ma), b.pt().hypot(mb));
    // (Et1 Et2 - pt1·pt2) without cancelling what the masses have in common with the squares.
    signed_root(ma * ma + mb * mb + 2.0 * (eta * etb - a.px * b.px - a.py * b.py))
}

/// Root of the absolute value, with the sign of the value.
#[inline(always)]
fn signed_root(squared: f64) -> f64 {
    squared.abs().sqrt().copysign(squared + 0.0)
}

/// The cross product.
#[inline(always)]
pub(crate) fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// The rows of the matrix that turns by `angle` around `axis`.
pub(crate) fn rotation(axis: [f64; 3], angle: f64) -> [[f64; 3]; 3] {
    let length = axis.iter().map(|x| x * x).sum::<f64>().sqrt();
    if length == 0.0 {
        return [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    }
    let [x, y, z] = axis.map(|value| value / length);
    let (s, c) = angle.sin_cos();
    let t = 1.0 - c;
    [
        [t * x * x + c, t * x * y - s * z, t * x * z + s * y],
        [t * x * y + s * z, t * y * y + c, t * y * z - s * x],
        [t * x * z - s * y, t * y * z + s * x, t * z * z + c],
    ]
}
