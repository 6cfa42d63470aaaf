//! ParticleNet.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::config::ParticleNetConfig;
use crate::layers::{BatchNorm, Head, Initialiser, Pass};
use crate::{Error, Inputs};

#[derive(Module, Debug)]
pub(crate) struct ParticleNet {
    head: Head,
}

impl ParticleNet {
    pub(crate) fn new(config: &ParticleNetConfig, start: &mut Initialiser) -> Self {
        Self { head: Head::new(config.features, &config.head, config.classes, 0.0, start) }
    }
    pub(crate) fn batch_norms(&mut self) -> Vec<&mut BatchNorm> {
        vec![]
    }
    pub(crate) fn forward(&self, features: Tensor<2>, inputs: &Inputs, pass: &mut Pass) -> Result<Tensor<2>, Error> {
        self.head.forward(crate::fused::pool::pool(features, &inputs.offsets, false)?, pass)
    }
}
