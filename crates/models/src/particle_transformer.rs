//! Particle Transformer: H. Qu, C. Li, S. Qian, ICML 2022, arXiv:2202.03772.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::config::ParticleTransformerConfig;
use crate::layers::{BatchNorm, Head, Initialiser, Pass};
use crate::{Error, Inputs};

#[derive(Module, Debug)]
pub(crate) struct ParticleTransformer {
    head: Head,
}

impl ParticleTransformer {
    pub(crate) fn new(config: &ParticleTransformerConfig, start: &mut Initialiser) -> Self {
        Self { head: Head::new(config.features, &config.head, config.classes, 0.0, start) }
    }
    pub(crate) fn batch_norms(&mut self) -> Vec<&mut BatchNorm> {
        vec![]
    }
    pub(crate) fn forward(&self, features: Tensor<2>, inputs: &Inputs, pass: &mut Pass) -> Result<Tensor<2>, Error> {
        self.head.forward(crate::fused::pool::pool(features, &inputs.offsets, false)?, pass)
    }
}
