//! What is inside a jet: grooming, N-subjettiness, energy correlation functions, the Lund plane, pull and angularities.
//!
//! All functions take the constituents of one jet. Distances are in rapidity and azimuth. Results are those of FastJet and of
//! fastjet-contrib.
//!
//! ```
//! use fiducial_physics::four_vector::FourVector;
//! use fiducial_physics::substructure::{SoftDrop, soft_drop};
//!
//! // Two hard prongs and a soft particle far away, which grooming drops.
//! let at = |pt, y, phi| FourVector::from_pt_y_phi_m(pt, y, phi, 0.0);
//! let jet = [at(100.0, 0.0, 0.0), at(80.0, 0.2, 0.1), at(1.0, -0.5, 0.4)];
//! let groomed = soft_drop(&jet, SoftDrop { z_cut: 0.1, beta: 0.0, radius: 0.8 })?;
//! assert_eq!(groomed.constituents, [0, 1]);
//! assert!((groomed.z - 80.0 / 180.0).abs() < 1e-3);
//! # Ok::<(), fiducial_physics::Error>(())
//! ```

mod groom;
mod lund;
mod shapes;
mod subjets;

pub use groom::{Groomed, SoftDrop, prune, soft_drop, trim};
pub use lund::{Declustering, lund_plane};
pub use shapes::{Ratio, angularity, energy_correlation, energy_correlation_ratio, pull};
pub use subjets::{Axes, n_subjettiness};

use crate::cluster::{Algorithm, ClusterSequence, Clusterer, JetDefinition, Recombination, Strategy};
use crate::error::Error;
use crate::four_vector::{FourVector, FourVectors};

/// A radius that takes everything into one jet; FastJet's largest.
const EVERYTHING: f64 = 1000.0;

/// Clusters the constituents of a jet into one.
fn recluster(
    constituents: &[FourVector],
    algorithm: Algorithm,
    radius: f64,
    recombination: Recombination,
) -> Result<ClusterSequence, Error> {
    let particles: FourVectors<f64> = constituents.iter().copied().collect();
    let definition = JetDefinition::new(algorithm, radius).with(recombination);
    Clusterer::default().cluster(&definition, &particles, Strategy::Automatic)
}

/// Rapidity and azimuth, finite for all.
fn direction(v: FourVector) -> (f64, f64) {
    crate::cluster::direction(v)
}

/// Distance in rapidity and azimuth.
fn distance(a: FourVector, b: FourVector) -> f64 {
    let ((ya, pa), (yb, pb)) = (direction(a), direction(b));
    (ya - yb).hypot(crate::delta_phi(pa, pb))
}

/// Two parents, the one of higher transverse momentum first.
fn by_hardness(sequence: &ClusterSequence, a: u32, b: u32) -> Option<((u32, FourVector), (u32, FourVector))> {
    let (va, vb) = (sequence.momentum(a)?, sequence.momentum(b)?);
    Some(if va.pt() < vb.pt() { ((b, vb), (a, va)) } else { ((a, va), (b, vb)) })
}
