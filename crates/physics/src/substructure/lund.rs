//! The primary Lund plane.

use super::{EVERYTHING, by_hardness, distance, recluster};
use crate::cluster::{Algorithm, Recombination};
use crate::error::Error;
use crate::four_vector::FourVector;

/// One branching along the harder branch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Declustering {
    /// The harder branch.
    pub harder: FourVector,
    /// The softer branch.
    pub softer: FourVector,
    /// Their distance in rapidity and azimuth.
    pub delta: f64,
    /// Transverse momentum of the softer one relative to the harder one: `pt delta`.
    pub kt: f64,
    /// Momentum fraction of the softer one, `pt2 / (pt1 + pt2)`.
    pub z: f64,
    /// Azimuth of the softer one around the harder one, `atan2(Δy, Δφ)`.
    pub psi: f64,
    /// Mass of both.
    pub mass: f64,
}

/// The branchings of a jet's Cambridge/Aachen history along the harder branch, widest first (Dreyer, Salam and Soyez,
/// arXiv:1807.04758).
///
/// Fails for momenta that clustering refuses.
///
/// ```
/// use fiducial_physics::four_vector::FourVector;
/// use fiducial_physics::substructure::lund_plane;
///
/// let at = |pt, phi| FourVector::from_pt_y_phi_m(pt, 0.0, phi, 0.0);
/// let plane = lund_plane(&[at(90.0, 0.0), at(10.0, 0.2)])?;
/// assert_eq!(plane.len(), 1);
/// assert!((plane[0].kt - 2.0).abs() < 1e-12 && (plane[0].z - 0.1).abs() < 1e-12);
/// # Ok::<(), fiducial_physics::Error>(())
/// ```
pub fn lund_plane(constituents: &[FourVector]) -> Result<Vec<Declustering>, Error> {
    let sequence = recluster(constituents, Algorithm::CambridgeAachen, EVERYTHING, Recombination::E)?;
    let mut plane = Vec::new();
    let mut next = sequence.inclusive(0.0).first().map(|jet| jet.id);
    while let Some((a, b)) = next.and_then(|id| sequence.parents(id)) {
        let Some(((id, harder), (_, softer))) = by_hardness(&sequence, a, b) else { break };
        let delta = distance(harder, softer);
        let ((yh, ph), (ys, ps)) = (super::direction(harder), super::direction(softer));
        plane.push(Declustering {
            harder,
            softer,
            delta,
            kt: softer.pt() * delta,
            z: softer.pt() / (softer.pt() + harder.pt()),
            psi: (ys - yh).atan2(crate::delta_phi(ps, ph)),
            mass: (harder + softer).mass(),
        });
        next = Some(id);
    }
    Ok(plane)
}
