//! Particle flow network: P. T. Komiske, E. M. Metodiev, J. Thaler, JHEP 01 (2019) 121, arXiv:1810.05165.

use burn::module::Module;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{Configuration, Forward};
use crate::config::{probability, widths};
use crate::fused::Activation;
use crate::fused::pool::pool;
use crate::layers::{Dense, Head, Initialiser, Pass, chain};
use crate::{Error, Inputs, Reads, Shape};

/// Sizes of a particle flow network (arXiv:1810.05165).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ParticleFlowNetworkConfig {
    /// Widths of the layers that see one constituent each; the last is the latent dimension.
    pub phi: Vec<usize>,
    /// Widths of the layers after the sum.
    pub head: Vec<usize>,
    /// Dropout after each layer of the head.
    pub dropout: f64,
}

impl Default for ParticleFlowNetworkConfig {
    fn default() -> Self {
        Self { phi: vec![100, 100, 256], head: vec![100, 100], dropout: 0.0 }
    }
}

impl Configuration for ParticleFlowNetworkConfig {
    type Module = ParticleFlowNetwork;

    fn reads(&self) -> Reads {
        Reads { features: true, ..Reads::default() }
    }

    fn check(&self, _: &Shape) -> Result<(), String> {
        widths("phi", &self.phi, 1)?;
        widths("head", &self.head, 0)?;
        probability("dropout", self.dropout)
    }

    fn build(&self, shape: &Shape, start: &mut Initialiser) -> ParticleFlowNetwork {
        let phi = chain(shape.features, &self.phi, start);
        let latent = self.phi.last().copied().unwrap_or(shape.features);
        ParticleFlowNetwork { phi, head: Head::new(latent, &self.head, shape.outputs, self.dropout, start) }
    }
}

/// `F(sum_i Phi(p_i))`, equation (1.2) of the paper.
#[derive(Module, Debug)]
pub(crate) struct ParticleFlowNetwork {
    phi: Vec<Dense>,
    head: Head,
}

impl Forward for ParticleFlowNetwork {
    fn forward(&self, inputs: &Inputs, pass: &mut Pass) -> Result<Tensor<2>, Error> {
        let mut x = inputs.features_tensor(&pass.device());
        for layer in &self.phi {
            x = layer.forward(x, Activation::Relu)?;
        }
        self.head.forward(pool(x, &inputs.offsets, false)?, pass)
    }
}
