//! Pile-up: areas of jets, the median density, and what removes pile-up particle by particle (SoftKiller, PUPPI).
//!
//! ```
//! use fiducial_physics::cluster::JetDefinition;
//! use fiducial_physics::four_vector::FourVector;
//! use fiducial_physics::pileup::{Ghosts, jets_with_areas};
//!
//! let particle = FourVector::from_pt_y_phi_m(100.0, 0.3, 1.0, 0.0);
//! let jets = jets_with_areas(&JetDefinition::anti_kt(0.4), &[particle], 5.0, &Ghosts::default())?;
//! // An isolated anti-kt jet is a circle.
//! assert!((jets[0].area / (0.16 * std::f64::consts::PI) - 1.0).abs() < 0.1);
//! # Ok::<(), fiducial_physics::Error>(())
//! ```

mod area;
mod density;
mod puppi;

pub use area::{AreaJet, Ghosts, jets_with_areas};
pub use density::{Cells, soft_killer};
pub use puppi::{Origin, Puppi};
