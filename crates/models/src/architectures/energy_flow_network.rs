//! Energy flow network: P. T. Komiske, E. M. Metodiev, J. Thaler, JHEP 01 (2019) 121, arXiv:1810.05165.

use burn::module::Module;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{Configuration, Forward};
use crate::config::{probability, widths};
use crate::fused::pool::pool;
use crate::fused::{Activation, from_values};
use crate::layers::{Dense, Head, Initialiser, Pass, chain};
use crate::{Error, Inputs, Need, Reads, Shape};

/// Sizes of an energy flow network (arXiv:1810.05165).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EnergyFlowNetworkConfig {
    /// Widths of the layers that see the direction of one constituent each; the last is the number of observables.
    pub phi: Vec<usize>,
    /// Widths of the layers after the sum.
    pub head: Vec<usize>,
    /// Dropout after each layer of the head.
    pub dropout: f64,
}

impl Default for EnergyFlowNetworkConfig {
    fn default() -> Self {
        Self { phi: vec![100, 100, 256], head: vec![100, 100], dropout: 0.0 }
    }
}

impl Configuration for EnergyFlowNetworkConfig {
    type Module = EnergyFlowNetwork;

    fn reads(&self) -> Reads {
        Reads { points: true, vectors: true, globals: Need::IfThere, ..Reads::default() }
    }

    fn check(&self, _: &Shape) -> Result<(), String> {
        widths("phi", &self.phi, 1)?;
        widths("head", &self.head, 0)?;
        probability("dropout", self.dropout)
    }

    fn build(&self, shape: &Shape, start: &mut Initialiser) -> EnergyFlowNetwork {
        let phi = chain(2, &self.phi, start);
        let latent = self.phi.last().copied().unwrap_or(2) + shape.globals;
        EnergyFlowNetwork { phi, head: Head::new(latent, &self.head, shape.outputs, self.dropout, start) }
    }
}

/// `F(sum_i z_i Phi(p_i))` with the share `z_i` of the transverse momentum and the direction `p_i` of constituent `i`.
///
/// The sum is linear in the momenta and sees nothing else of a constituent but its direction: two collinear constituents
/// count as one, and a soft one counts for nothing.
#[derive(Module, Debug)]
pub(crate) struct EnergyFlowNetwork {
    phi: Vec<Dense>,
    head: Head,
}

impl Forward for EnergyFlowNetwork {
    fn forward(&self, inputs: &Inputs, pass: &mut Pass) -> Result<Tensor<2>, Error> {
        let device = pass.device();
        let mut x = inputs.points_tensor(&device);
        for layer in &self.phi {
            x = layer.forward(x, Activation::Relu)?;
        }
        let shares = from_values(shares(inputs), [inputs.constituents(), 1], &device);
        let x = pool(x * shares, &inputs.offsets, false)?;
        self.head.forward(inputs.with_globals(x), pass)
    }
}

/// The part of its jet's scalar sum of transverse momenta that each constituent has; 0 where the sum is 0.
fn shares(inputs: &Inputs) -> Vec<f32> {
    let momenta = inputs.transverse_momenta();
    let mut shares = Vec::with_capacity(momenta.len());
    for jet in inputs.offsets.windows(2) {
        let momenta = &momenta[jet[0]..jet[1]];
        let sum: f64 = momenta.iter().sum();
        let scale = if sum > 0.0 { 1.0 / sum } else { 0.0 };
        shares.extend(momenta.iter().map(|momentum| (momentum * scale) as f32));
    }
    shares
}
