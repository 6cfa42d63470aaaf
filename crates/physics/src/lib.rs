//! Kernels of collider physics: pure functions on arrays, no files, no configuration.
//!
//! | module | holds |
//! |---|---|
//! | [`four_vector`] | four-vectors as structure of arrays, boosts, rotations, thrust, sphericity, the stransverse mass |
//! | [`functions`] | logarithms, angles and the like of many numbers at once |
//! | [`cluster`] | jets by sequential recombination, as FastJet finds them |
//! | [`substructure`] | grooming, N-subjettiness, energy correlation functions, the Lund plane, pull, angularities |
//! | [`pileup`] | areas by ghosts, the median density, SoftKiller, PUPPI |
//! | [`emd`] | the energy mover's distance, its bounds, energy flow polynomials, event isotropy |
//! | [`particle`] | the PDG table and what its identifiers say |
//! | [`units`] | MeV into GeV, cm into mm, and so on |
//!
//! Many events are worked on by all threads of the rayon pool, with the same result at any number of them. Vector instructions are
//! chosen when the program runs. What is refused is a fragment fit for "failed to ..." ([`Error`]).
//!
//! This page holds the plain kinematic functions that everything is built from.
//!
//! The beam runs along z. Momenta, energies and masses share one unit (GeV throughout this project; c = 1), angles are in
//! radians. No function panics; where a quantity is infinite or undefined, so is the result.
//!
//! ```
//! use fiducial_physics::{delta_r, eta, mass, phi, pt};
//!
//! // A Z boson at rest that decays to two back-to-back electrons of 45.6 GeV.
//! let (px, py, pz, e) = (27.36, 36.48, 0.0, 45.6);
//! assert!((pt(px, py) - 45.6).abs() < 1e-12);
//! assert!((mass(px - px, py - py, pz - pz, e + e) - 91.2).abs() < 1e-12);
//! let distance = delta_r(eta(px, py, pz), phi(px, py), eta(-px, -py, -pz), phi(-px, -py));
//! assert!((distance - std::f64::consts::PI).abs() < 1e-12);
//! ```
#![deny(missing_docs)]

pub mod cluster;
mod elementary;
pub mod emd;
mod error;
pub mod four_vector;
pub mod functions;
mod lanes;
mod names;
pub mod particle;
pub mod pileup;
pub mod substructure;
pub mod units;

pub use error::Error;
pub use names::usual_spelling;

use std::f64::consts::{PI, TAU};

/// Transverse momentum, `sqrt(px² + py²)`, without overflow.
///
/// ```
/// assert_eq!(fiducial_physics::pt(3.0, 4.0), 5.0);
/// ```
#[inline]
#[must_use]
pub fn pt(px: f64, py: f64) -> f64 {
    px.hypot(py)
}

/// Azimuthal angle in (-pi, pi], 0 along x; 0 for a particle along the beam.
///
/// ```
/// assert_eq!(fiducial_physics::phi(-1.0, -0.0), std::f64::consts::PI);
/// assert_eq!(fiducial_physics::phi(0.0, 0.0), 0.0);
/// ```
#[inline]
#[must_use]
pub fn phi(px: f64, py: f64) -> f64 {
    if px == 0.0 && py == 0.0 {
        return 0.0;
    }
    // Adding 0 makes -0 into 0, so that the negative x axis is at pi and never at -pi.
    (py + 0.0).atan2(px)
}

/// Pseudorapidity, `asinh(pz / pt)`, which is `-log(tan(theta / 2))`.
///
/// Along the beam it is infinite with the sign of `pz`; without any momentum it is 0.
///
/// ```
/// assert_eq!(fiducial_physics::eta(1.0, 0.0, 0.0), 0.0);
/// assert_eq!(fiducial_physics::eta(0.0, 0.0, -2.0), f64::NEG_INFINITY);
/// assert_eq!(fiducial_physics::eta(0.0, 0.0, 0.0), 0.0);
/// ```
#[inline]
#[must_use]
pub fn eta(px: f64, py: f64, pz: f64) -> f64 {
    if pz == 0.0 {
        // Also where pt is 0: a direction that does not exist lies at neither end of the beam. NaN stays NaN.
        return pt(px, py) * 0.0;
    }
    asinh_ratio(pz, pt(px, py))
}

/// Rapidity along the beam, `log((e + pz) / (e - pz)) / 2`, computed as `asinh(pz / mt)` with `mt² = (e - pz)(e + pz)`,
/// which keeps its accuracy near 0.
///
/// Infinite with the sign of `pz` for a massless particle along the beam, 0 without momentum; NaN where `e < |pz|`.
///
/// ```
/// assert!((fiducial_physics::rapidity(5.0, 3.0) - 4.0_f64.ln() / 2.0).abs() < 1e-15);
/// ```
#[inline]
#[must_use]
pub fn rapidity(e: f64, pz: f64) -> f64 {
    if e.abs() < pz.abs() || e < 0.0 {
        return f64::NAN;
    }
    if pz == 0.0 {
        return e * 0.0;
    }
    let magnitude = pz.abs();
    asinh_ratio(pz, (e - magnitude).sqrt() * (e + magnitude).sqrt())
}

/// Invariant mass, `sqrt(e² - px² - py² - pz²)`; for a space-like vector minus the root of the absolute value, as in ROOT's
/// `TLorentzVector::M`.
///
/// The square is computed as `(e - p)(e + p)`: with energies far above the mass, this loses fewer digits than the
/// difference of squares.
///
/// ```
/// assert_eq!(fiducial_physics::mass(0.0, 0.0, 3.0, 5.0), 4.0);
/// assert_eq!(fiducial_physics::mass(0.0, 0.0, 5.0, 3.0), -4.0);
/// assert_eq!(fiducial_physics::mass(0.0, 0.0, -7.0, 7.0), 0.0);
/// ```
#[inline]
#[must_use]
pub fn mass(px: f64, py: f64, pz: f64, e: f64) -> f64 {
    let p = px.hypot(py).hypot(pz);
    let squared = (e - p) * (e + p);
    if squared < 0.0 { -(-squared).sqrt() } else { squared.sqrt() }
}

/// Difference `a - b` of two azimuthal angles, in (-pi, pi].
///
/// ```
/// let difference = fiducial_physics::delta_phi(3.0, -3.0);
/// assert!((difference - (6.0 - std::f64::consts::TAU)).abs() < 1e-15);
/// ```
#[inline]
#[must_use]
pub fn delta_phi(a: f64, b: f64) -> f64 {
    let difference = a - b;
    if difference > -PI && difference <= PI {
        return difference;
    }
    // `rem_euclid` may round up to its divisor for a tiny negative number; then the difference is 0.
    let turned = difference.rem_euclid(TAU);
    if turned >= TAU {
        0.0
    } else if turned > PI {
        turned - TAU
    } else {
        turned
    }
}

/// Distance in the plane of pseudorapidity and azimuthal angle, `sqrt((eta1 - eta2)² + delta_phi(phi1, phi2)²)`.
///
/// ```
/// assert_eq!(fiducial_physics::delta_r(0.0, 0.0, 0.3, 0.4), 0.5);
/// ```
#[inline]
#[must_use]
pub fn delta_r(eta1: f64, phi1: f64, eta2: f64, phi2: f64) -> f64 {
    (eta1 - eta2).hypot(delta_phi(phi1, phi2))
}

/// `asinh(a / b)` for `b >= 0`, odd in `a`, accurate at both ends: `f64::asinh` of a quotient would overflow where `b` is tiny.
#[inline]
fn asinh_ratio(a: f64, b: f64) -> f64 {
    let magnitude = a.abs();
    let ratio = magnitude / b;
    let result = if ratio < 1e8 {
        // log1p(r + r² / (1 + sqrt(1 + r²))): no cancellation at small r.
        let square = ratio * ratio;
        (ratio + square / (1.0 + (1.0 + square).sqrt())).ln_1p()
    } else {
        // Beyond 1e8 the next term of the series, (b / 2a)², is below the rounding error.
        std::f64::consts::LN_2 + magnitude.ln() - b.ln()
    };
    result.copysign(a)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= 4.0 * f64::EPSILON * b.abs()
    }

    #[test]
    fn eta_at_every_angle() {
        // Values from Python's decimal, asinh(pz / pt) at 60 digits.
        let rows = [
            ((1.0, 0.0, 1.0), 0.881373587019543),
            ((1.0, 0.0, 1e-9), 1e-9),
            ((0.0, 1e-3, 1e3), 14.50865773852447),
            ((0.0, 1e-200, 1e200), 921.7271843781782),
            ((3.0, 4.0, -2.5), -0.48121182505960347),
            ((0.0, 0.0, 5.0), f64::INFINITY),
            ((0.0, 0.0, -5.0), f64::NEG_INFINITY),
            ((0.0, 0.0, 0.0), 0.0),
            ((f64::NAN, 0.0, 1.0), f64::NAN),
        ];
        for ((px, py, pz), expected) in rows {
            let value = eta(px, py, pz);
            assert!(close(value, expected), "eta({px}, {py}, {pz}) = {value}, not {expected}");
            assert!(close(eta(px, py, -pz), -expected));
        }
    }

    #[test]
    fn rapidity_of_light_and_of_heavy_particles() {
        // Values from Python's decimal, log((e + pz) / (e - pz)) / 2 at 60 digits.
        let rows = [
            ((5.0, 3.0), std::f64::consts::LN_2),
            ((1e3, 1e-6), 1e-9),
            ((7.0, 7.0), f64::INFINITY),
            ((7.0, -7.0), f64::NEG_INFINITY),
            ((7.0, 0.0), 0.0),
            ((0.0, 0.0), 0.0),
            ((1.0, 2.0), f64::NAN),
            ((-5.0, 3.0), f64::NAN),
        ];
        for ((e, pz), expected) in rows {
            let value = rapidity(e, pz);
            assert!(close(value, expected), "rapidity({e}, {pz}) = {value}, not {expected}");
        }
        // For a massless particle it is the pseudorapidity.
        let (px, py, pz) = (3.0, -4.0, 12.0);
        assert!(close(rapidity(13.0, pz), eta(px, py, pz)));
    }

    #[test]
    fn mass_keeps_its_digits_at_high_energy() {
        let (muon, p) = (0.105_658_375_5, 1e3);
        let e = f64::hypot(p, muon);
        // One rounding of e is 1e-13, which is 1e-10 of the square of the mass.
        assert!((mass(p * 0.6, p * 0.8, 0.0, e) / muon - 1.0).abs() < 2e-8);
        assert_eq!(mass(0.0, 0.0, 0.0, 0.0), 0.0);
        assert_eq!(mass(1.0, 2.0, 2.0, 3.0), 0.0);
        assert!(mass(f64::NAN, 0.0, 0.0, 1.0).is_nan());
    }

    #[test]
    fn angles_stay_in_their_interval() {
        let rows = [
            (0.0, 0.0, 0.0),
            (PI, -PI, 0.0),
            (PI, 0.0, PI),
            (-PI, 0.0, PI),
            (0.0, PI, PI),
            (3.0, -3.0, 6.0 - TAU),
            (-3.0, 3.0, TAU - 6.0),
            (7.0, 0.0, 7.0 - TAU),
            (f64::INFINITY, 0.0, f64::NAN),
        ];
        for (a, b, expected) in rows {
            let value = delta_phi(a, b);
            assert!(close(value, expected), "delta_phi({a}, {b}) = {value}, not {expected}");
        }
        assert_eq!(phi(-1.0, 0.0), PI);
        assert_eq!(phi(-0.0, -0.0), 0.0);
        assert!(phi(f64::NAN, 1.0).is_nan());
    }

    proptest::proptest! {
        #[test]
        fn any_difference_of_angles_is_equivalent(a in -1e3..1e3_f64, b in -1e3..1e3_f64) {
            let difference = delta_phi(a, b);
            proptest::prop_assert!(difference > -PI && difference <= PI);
            let turns = (a - b - difference) / TAU;
            proptest::prop_assert!((turns - turns.round()).abs() < 1e-9);
        }
    }
}
