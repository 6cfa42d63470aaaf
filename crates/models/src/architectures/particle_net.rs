//! ParticleNet: H. Qu, L. Gouskos, Phys. Rev. D 101 (2020) 056019, arXiv:1902.08570.

use std::sync::Arc;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{Configuration, Forward};
use crate::config::{at_most, probability, widths};
use crate::fused::edge_conv::edge_conv;
use crate::fused::neighbours::{Graph, nearest};
use crate::fused::residual::add_rectify;
use crate::fused::{Activation, pool::pool, values};
use crate::layers::{BatchNorm, Dense, Head, Initialiser, Pass};
use crate::{Error, Inputs, Reads, Shape};

/// Sizes of a ParticleNet (arXiv:1902.08570).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ParticleNetConfig {
    /// Nearest neighbours of each constituent (k). Padding is never one. In a jet of n <= k constituents each has the
    /// n - 1 others, and what is averaged over edges is averaged over those; a lone constituent has itself.
    pub neighbours: usize,
    /// One list of widths for each edge convolution.
    pub convolutions: Vec<Vec<usize>>,
    /// Widths of the layers after the average over constituents.
    pub head: Vec<usize>,
    /// Dropout after each layer of the head.
    pub dropout: f64,
}

impl Default for ParticleNetConfig {
    fn default() -> Self {
        Self {
            neighbours: 16,
            convolutions: vec![vec![64; 3], vec![128; 3], vec![256; 3]],
            head: vec![256],
            dropout: 0.1,
        }
    }
}

impl ParticleNetConfig {
    /// ParticleNet-Lite of the same paper: 7 neighbours, two convolutions of 32 and 64, head of 128.
    pub fn lite() -> Self {
        Self {
            neighbours: 7,
            convolutions: vec![vec![32; 3], vec![64; 3]],
            head: vec![128],
            ..Self::default()
        }
    }
}

impl Configuration for ParticleNetConfig {
    type Module = ParticleNet;

    fn reads(&self) -> Reads {
        Reads { features: true, points: true, ..Reads::default() }
    }

    fn check(&self, _: &Shape) -> Result<(), String> {
        at_most("neighbours", self.neighbours, 1)?;
        at_most("the number of convolutions", self.convolutions.len(), 1)?;
        for convolution in &self.convolutions {
            widths("convolutions", convolution, 1)?;
        }
        widths("head", &self.head, 0)?;
        probability("dropout", self.dropout)
    }

    fn build(&self, shape: &Shape, start: &mut Initialiser) -> ParticleNet {
        let mut inputs = shape.features;
        let norm = BatchNorm::new(inputs, start);
        let mut convolutions = Vec::new();
        for widths in &self.convolutions {
            convolutions.push(EdgeConv::new(inputs, widths, start));
            inputs = widths[widths.len() - 1];
        }
        let head = Head::new(inputs, &self.head, shape.outputs, self.dropout, start);
        ParticleNet { norm, convolutions, head, neighbours: self.neighbours }
    }
}

/// Edge convolutions, an average over constituents, and a head (figure 2 of the paper).
///
/// The features pass a batch norm first. Neighbours are sought among `points` (eta and phi relative to the jet's axis)
/// before the first convolution, and among the features that the one before made before each later one.
#[derive(Module, Debug)]
pub(crate) struct ParticleNet {
    norm: BatchNorm,
    convolutions: Vec<EdgeConv>,
    head: Head,
    neighbours: usize,
}

/// One edge convolution with its shortcut (figure 1 of the paper).
#[derive(Module, Debug)]
struct EdgeConv {
    /// The first layer, (2 inputs, outputs): rows for x_i, then rows for x_j - x_i.
    first: Param<Tensor<2>>,
    /// The further layers; no bias before a norm.
    layers: Vec<Dense>,
    norms: Vec<BatchNorm>,
    /// None where the width does not change: the input itself is the shortcut.
    shortcut: Option<Dense>,
    shortcut_norm: Option<BatchNorm>,
}

impl EdgeConv {
    fn new(inputs: usize, widths: &[usize], start: &mut Initialiser) -> Self {
        let (first, last) = (widths[0], widths[widths.len() - 1]);
        let bound = 1.0 / ((2 * inputs).max(1) as f32).sqrt();
        let changes = inputs != last;
        Self {
            first: start.uniform([2 * inputs, first], bound),
            layers: widths.windows(2).map(|pair| Dense::new(pair[0], pair[1], false, start)).collect(),
            norms: widths.iter().map(|&width| BatchNorm::new(width, start)).collect(),
            shortcut: changes.then(|| Dense::new(inputs, last, false, start)),
            shortcut_norm: changes.then(|| BatchNorm::new(last, start)),
        }
    }

    fn forward(&self, x: Tensor<2>, graph: &Arc<Graph>, pass: &mut Pass) -> Result<Tensor<2>, Error> {
        let [_, inputs] = x.dims();
        let first = self.first.val();
        let width = first.dims()[1];
        let [own, difference] =
            [first.clone().slice([0..inputs, 0..width]), first.slice([inputs..2 * inputs, 0..width])];
        // x_i W_1 + (x_j - x_i) W_2 = x_i (W_1 - W_2) + x_j W_2
        let weight = Tensor::cat(vec![own - difference.clone(), difference], 1);
        let projected = crate::fused::dense::dense(x.clone(), weight, None, Activation::Identity)?;

        let mut parameters = Vec::new();
        for (index, norm) in self.norms.iter().enumerate() {
            if index > 0 {
                parameters.push(self.layers[index - 1].weight.val().flatten::<1>(0, 1));
            }
            parameters.push(norm.weight.val());
            parameters.push(norm.bias.val());
        }
        let widths: Vec<usize> = self.norms.iter().map(|norm| norm.weight.val().dims()[0]).collect();
        let statistics: Vec<_> =
            self.norms.iter().map(|norm| norm.statistics(pass)).collect::<Result<_, _>>()?;
        let (output, moments) =
            edge_conv(projected, Tensor::cat(parameters, 0), &widths, graph, &statistics)?;
        pass.moments.extend(moments);

        let mut shortcut = x;
        if let (Some(layer), Some(norm)) = (&self.shortcut, &self.shortcut_norm) {
            shortcut = norm.forward(layer.forward(shortcut, Activation::Identity)?, pass)?;
        }
        add_rectify(output, shortcut)
    }
}

impl Forward for ParticleNet {
    fn batch_norms(&mut self) -> Vec<&mut BatchNorm> {
        let mut norms = vec![&mut self.norm];
        for convolution in &mut self.convolutions {
            norms.extend(&mut convolution.norms);
            norms.extend(&mut convolution.shortcut_norm);
        }
        norms
    }

    fn forward(&self, inputs: &Inputs, pass: &mut Pass) -> Result<Tensor<2>, Error> {
        let points = inputs.points.as_deref().unwrap_or(&[]);
        let mut x = self.norm.forward(inputs.features_tensor(&pass.device()), pass)?;
        for (index, convolution) in self.convolutions.iter().enumerate() {
            let graph = if index == 0 {
                nearest(points, 2, &inputs.offsets, self.neighbours)
            } else {
                let [_, width] = x.dims();
                nearest(&values(x.clone())?, width, &inputs.offsets, self.neighbours)
            };
            x = convolution.forward(x, &Arc::new(graph), pass)?;
        }
        self.head.forward(pool(x, &inputs.offsets, true)?, pass)
    }
}
