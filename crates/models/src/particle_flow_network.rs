//! Particle flow network: P. T. Komiske, E. M. Metodiev, J. Thaler, JHEP 01 (2019) 121, arXiv:1810.05165.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::config::ParticleFlowNetworkConfig;
use crate::fused::Activation;
use crate::fused::pool::pool;
use crate::layers::{Dense, Head, Initialiser, Pass, chain};
use crate::{Error, Inputs};

/// `F(sum_i Phi(p_i))`, equation (1.2) of the paper.
#[derive(Module, Debug)]
pub(crate) struct ParticleFlowNetwork {
    phi: Vec<Dense>,
    head: Head,
}

impl ParticleFlowNetwork {
    pub(crate) fn new(config: &ParticleFlowNetworkConfig, start: &mut Initialiser) -> Self {
        let phi = chain(config.features, &config.phi, start);
        let latent = config.phi.last().copied().unwrap_or(config.features);
        Self { phi, head: Head::new(latent, &config.head, config.classes, config.dropout, start) }
    }

    pub(crate) fn forward(
        &self,
        features: Tensor<2>,
        inputs: &Inputs,
        pass: &mut Pass,
    ) -> Result<Tensor<2>, Error> {
        let mut x = features;
        for layer in &self.phi {
            x = layer.forward(x, Activation::Relu)?;
        }
        self.head.forward(pool(x, &inputs.offsets, false)?, pass)
    }
}
