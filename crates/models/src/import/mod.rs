//! Weights that other programs saved.
//!
//! [`StateDict::open`] reads the `.pt` file of a PyTorch state dict without executing what is in it, and [`from_weaver`]
//! makes a network of the tensors as weaver names them:
//!
//! ```no_run
//! use fiducial_models::import::{Hints, StateDict, from_weaver};
//!
//! let weights = StateDict::open("ParticleNet_kin.pt")?;
//! let network = from_weaver(&weights, &Hints { neighbours: Some(16) })?;
//! assert_eq!(network.config().kind(), "particle-net");
//! # Ok::<(), fiducial_models::Error>(())
//! ```

mod archive;
mod pickle;
mod state_dict;
mod weaver;

pub use state_dict::StateDict;
pub use weaver::{Hints, from_weaver};
