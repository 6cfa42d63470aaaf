//! Convolutions over constituents in the order of their transverse momentum.

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use serde::{Deserialize, Serialize};

use super::{Configuration, Forward};
use crate::config::{at_most, probability, widths};
use crate::fused::Activation;
use crate::fused::gather::{Rows, ZEROS, gather};
use crate::fused::pool::pool;
use crate::layers::{BatchNorm, Dense, Head, Initialiser, Pass};
use crate::{Error, Inputs, Need, Reads, Shape};

/// Sizes of a one-dimensional convolutional network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Convolution1dConfig {
    /// Channels of each convolution.
    pub channels: Vec<usize>,
    /// Constituents that a convolution sees at once; odd.
    pub kernel: usize,
    /// Widths of the layers after the average over constituents.
    pub head: Vec<usize>,
    /// Dropout after each layer of the head.
    pub dropout: f64,
}

impl Default for Convolution1dConfig {
    fn default() -> Self {
        Self { channels: vec![64, 64, 128], kernel: 5, head: vec![64], dropout: 0.0 }
    }
}

impl Configuration for Convolution1dConfig {
    type Module = Convolution1d;

    fn reads(&self) -> Reads {
        Reads { features: true, vectors: true, globals: Need::IfThere, ..Reads::default() }
    }

    fn check(&self, _: &Shape) -> Result<(), String> {
        widths("channels", &self.channels, 1)?;
        odd("kernel", self.kernel)?;
        widths("head", &self.head, 0)?;
        probability("dropout", self.dropout)
    }

    fn build(&self, shape: &Shape, start: &mut Initialiser) -> Convolution1d {
        let (mut layers, mut norms, mut from) = (Vec::new(), Vec::new(), shape.features);
        for &to in &self.channels {
            layers.push(Dense::new(from.saturating_mul(self.kernel), to, false, start));
            norms.push(BatchNorm::new(to, start));
            from = to;
        }
        let head = Head::new(from + shape.globals, &self.head, shape.outputs, self.dropout, start);
        Convolution1d { layers, norms, head, kernel: self.kernel }
    }
}

pub(super) fn odd(key: &str, size: usize) -> Result<(), String> {
    at_most(key, size, 1)?;
    if size % 2 == 1 { Ok(()) } else { Err(format!("{key} must be odd, not {size}")) }
}

/// Convolutions with a batch norm and ReLU each, an average, and a head. Beyond the ends of a jet there are zeros.
///
/// Constituents are put in the order of falling transverse momentum first; of equal ones the first in the data comes first.
#[derive(Module, Debug)]
pub(crate) struct Convolution1d {
    /// (kernel x inputs, outputs): the hardest of the constituents that are seen at once comes first.
    layers: Vec<Dense>,
    norms: Vec<BatchNorm>,
    head: Head,
    kernel: usize,
}

impl Forward for Convolution1d {
    fn forward(&self, inputs: &Inputs, pass: &mut Pass) -> Result<Tensor<2>, Error> {
        let mut x = gather(inputs.features_tensor(&pass.device()), &Arc::new(inputs.hardest_first()))?;
        let windows = windows(&inputs.offsets, self.kernel);
        for (layer, norm) in self.layers.iter().zip(&self.norms) {
            let [rows, channels] = x.dims();
            let seen = gather(x, &windows)?.reshape([rows, self.kernel * channels]);
            x = relu(norm.forward(layer.forward(seen, Activation::Identity)?, pass)?);
        }
        let x = pool(x, &inputs.offsets, true)?;
        self.head.forward(inputs.with_globals(x), pass)
    }

    fn batch_norms(&mut self) -> Vec<&mut BatchNorm> {
        self.norms.iter_mut().collect()
    }
}

/// For each constituent the `kernel` constituents of its jet around it.
fn windows(offsets: &[usize], kernel: usize) -> Rows {
    let mut rows = Vec::with_capacity(offsets.last().copied().unwrap_or(0) * kernel);
    for jet in offsets.windows(2) {
        for centre in jet[0]..jet[1] {
            rows.extend((0..kernel).map(|place| match (centre + place).checked_sub(kernel / 2) {
                Some(row) if (jet[0]..jet[1]).contains(&row) => row as u32,
                _ => ZEROS,
            }));
        }
    }
    Arc::new(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_end_with_the_jet() {
        let z = ZEROS;
        assert_eq!(*windows(&[0, 2, 2, 3], 3), [z, 0, 1, 0, 1, z, z, 2, z]);
    }
}
