//! Architectures and losses, on burn.
//!
//! Three networks that read a jet as a set of constituents: a particle flow network, ParticleNet and the Particle
//! Transformer. A [`ModelConfig`] picks and sizes one, a [`Network`] holds its weights, [`Inputs`] a batch without its
//! padding, an [`Optimiser`] makes the training steps. Nothing outside of this crate names burn.
//!
//! ```
//! use fiducial_models::{Inputs, ModelConfig, Network, Optimiser, OptimiserConfig, PaddedGroups};
//!
//! let config = ModelConfig::from_toml(
//!     r#"
//!     kind = "particle-flow-network"
//!     phi = [16, 16]
//!     head = [8]
//!     "#,
//! )?;
//! let mut network = Network::new(&config.with_shape(2, 2)?, 20)?;
//! // (2 jets, 2 features, 3 constituents); the second jet has one constituent and padding.
//! let features = [0.1, 0.2, 0.3, 1.0, 1.0, 1.0, 0.4, 0.0, 0.0, 2.0, 0.0, 0.0];
//! let mask = [1.0, 1.0, 1.0, 1.0, 0.0, 0.0];
//! let groups = PaddedGroups { jets: 2, length: 3, features: &features, mask: Some(&mask), ..Default::default() };
//! let inputs = Inputs::pack(&groups)?;
//!
//! let mut optimiser = Optimiser::new(OptimiserConfig::default());
//! for _ in 0..3 {
//!     optimiser.step(&mut network, &inputs, &[0, 1], &[1.0, 1.0], 1e-3)?;
//! }
//! assert_eq!(network.probabilities(&inputs)?.len(), 2 * 2);
//! # Ok::<(), fiducial_models::Error>(())
//! ```
#![deny(missing_docs)]

pub mod allocator;
mod architectures;
mod bytes;
mod compute;
mod config;
mod error;
mod explain;
mod fine_tune;
mod fused;
pub mod import;
mod inputs;
mod layers;
mod loss;
mod moments;
mod network;
pub mod onnx;
mod optimiser;
mod weights;

pub use architectures::{
    ArchitectureConfig, BlockActivation, Cell, Convolution1dConfig, Convolution2dConfig,
    EnergyFlowNetworkConfig, KINDS, KolmogorovArnoldConfig, LgatrSlimConfig, LorentzNetConfig, Norm,
    ParametrisedPerceptronConfig, ParticleFlowNetworkConfig, ParticleNetConfig, ParticleTransformerConfig,
    PerceptronConfig, Pooling, RecurrentConfig, Reference, TransformerConfig,
};
pub use compute::{ComputeDevice, Precision};
pub use config::{ModelConfig, Need, Reads, Shape};
pub use error::Error;
pub use explain::Attributions;
pub use fine_tune::Taken;
pub use inputs::{Inputs, PaddedGroups};
pub use loss::{Decorrelation, Loss, LossKind, Truth};
pub use moments::NormMoments;
pub use network::Network;
pub use optimiser::{
    BatchGradient, Optimiser, OptimiserConfig, OptimiserKind, StepReport, WeightAverage, total_weight,
};
