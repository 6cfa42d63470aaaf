//! A particle as clustering sees it, and how two become one.

use std::f64::consts::{PI, TAU};

use super::Recombination;
use crate::four_vector::FourVector;

/// The rapidity of what has none, to which |pz| is added; FastJet's `MaxRap`.
const LARGEST_RAPIDITY: f64 = 1e5;

/// Momentum with rapidity and azimuth in [0, 2 pi).
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    pub(super) momentum: FourVector,
    pub(super) rapidity: f64,
    pub(super) phi: f64,
}

impl Node {
    #[inline(always)]
    pub(super) fn new(momentum: FourVector) -> Self {
        let (rapidity, phi) = direction(momentum);
        Self { momentum, rapidity, phi }
    }

    #[inline(always)]
    pub(super) fn pt2(&self) -> f64 {
        self.momentum.px * self.momentum.px + self.momentum.py * self.momentum.py
    }

    /// With direction kept, not computed back from components.
    fn from_pt_y_phi_m(pt: f64, y: f64, phi: f64, m: f64) -> Self {
        let mt = if m == 0.0 { pt } else { (pt * pt + m * m.abs()).max(0.0).sqrt() };
        let exponential = y.exp();
        let (minus, plus) = (mt / exponential, mt * exponential);
        // Beyond rapidities of 700 the exponential overflows; such a vector is along the beam and has no pt to speak of.
        let along = |value: f64| if value.is_finite() { value } else { 0.0 };
        let (sin, cos) = phi.sin_cos();
        let momentum =
            FourVector::new(pt * cos, pt * sin, along(0.5 * (plus - minus)), along(0.5 * (plus + minus)));
        Self { momentum, rapidity: y, phi: into_turn(phi) }
    }
}

#[inline(always)]
fn into_turn(phi: f64) -> f64 {
    let phi = if phi < 0.0 { phi + TAU } else { phi };
    if phi >= TAU { phi - TAU } else { phi }
}

/// Rapidity and azimuth as FastJet computes them (`PseudoJet::_set_rap_phi`): the mass is forced not to be space-like, and
/// particles along the beam are kept apart by their pz.
#[inline(always)]
pub(crate) fn direction(v: FourVector) -> (f64, f64) {
    let pt2 = v.px * v.px + v.py * v.py;
    let phi = if pt2 == 0.0 { 0.0 } else { into_turn(v.py.atan2(v.px)) };
    let magnitude = v.pz.abs();
    let beam = (LARGEST_RAPIDITY + magnitude).copysign(v.pz + 0.0);
    if pt2 == 0.0 && v.e == magnitude {
        return (beam, phi);
    }
    let m2 = ((v.e + v.pz) * (v.e - v.pz) - pt2).max(0.0);
    let sum = v.e + magnitude;
    let rapidity = 0.5 * ((pt2 + m2) / (sum * sum)).ln();
    // Not finite only for energies at or below 0 and for masses that underflow.
    let rapidity = if rapidity.is_finite() { rapidity } else { -beam.abs() };
    (if v.pz > 0.0 { -rapidity } else { rapidity }, phi)
}

impl Recombination {
    /// What is done to a particle before clustering.
    #[inline(always)]
    pub(super) fn prepare(self, v: FourVector) -> FourVector {
        match self {
            Self::Pt => FourVector { e: v.p(), ..v },
            Self::E | Self::WinnerTakesAll => v,
        }
    }

    /// One of two in hadron collisions.
    #[inline(always)]
    pub(super) fn join(self, a: &Node, b: &Node) -> Node {
        match self {
            Self::E => Node::new(a.momentum + b.momentum),
            Self::Pt => join_by_pt(a, b),
            Self::WinnerTakesAll => {
                let harder = if a.pt2() >= b.pt2() { a } else { b };
                let pt = a.momentum.pt() + b.momentum.pt();
                Node::from_pt_y_phi_m(pt, harder.rapidity, harder.phi, mass(harder.momentum))
            }
        }
    }

    /// One of two in electron-positron collisions.
    #[inline(always)]
    pub(super) fn join_spherical(self, a: FourVector, b: FourVector) -> FourVector {
        if self != Self::WinnerTakesAll {
            return a + b;
        }
        let harder = if a.p() >= b.p() { a } else { b };
        let (p, sum) = (harder.p(), a.p() + b.p());
        let m = mass(harder);
        if p == 0.0 {
            return FourVector::new(0.0, 0.0, 0.0, m);
        }
        let factor = sum / p;
        let e = (sum * sum + m * m.abs()).max(0.0).sqrt();
        FourVector::new(harder.px * factor, harder.py * factor, harder.pz * factor, e)
    }
}

/// FastJet's mass: from `(E + pz)(E - pz) - pt²`, negative where that is.
fn mass(v: FourVector) -> f64 {
    let m2 = (v.e + v.pz) * (v.e - v.pz) - (v.px * v.px + v.py * v.py);
    if m2 < 0.0 { -(-m2).sqrt() } else { m2.sqrt() }
}

fn join_by_pt(a: &Node, b: &Node) -> Node {
    let (wa, wb) = (a.momentum.pt(), b.momentum.pt());
    let sum = wa + wb;
    if sum == 0.0 {
        return Node::new(FourVector::default());
    }
    let mut phi = b.phi;
    if a.phi - phi > PI {
        phi += TAU;
    } else if a.phi - phi < -PI {
        phi -= TAU;
    }
    let rapidity = (wa * a.rapidity + wb * b.rapidity) / sum;
    Node::from_pt_y_phi_m(sum, rapidity, (wa * a.phi + wb * phi) / sum, 0.0)
}
