//! LorentzNet: S. Gong, Q. Meng, J. Zhang, H. Qu, C. Li, S. Qian, W. Du, Z.-M. Ma, T.-Y. Liu, JHEP 07 (2022) 030,
//! arXiv:2201.08187.

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;
use serde::{Deserialize, Serialize};

use super::{Configuration, Forward};
use crate::config::{at_most, positive, probability, widths};
use crate::fused::Activation;
use crate::fused::gather::{Rows, gather};
use crate::fused::minkowski::{INVARIANTS, invariants, partners};
use crate::fused::pool::pool;
use crate::fused::residual::add_scaled;
use crate::fused::row_scale::scale_rows;
use crate::layers::{BatchNorm, Dense, Head, Initialiser, Pass};
use crate::{Error, Inputs, Reads, Shape};

/// Sizes of a LorentzNet (arXiv:2201.08187).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LorentzNetConfig {
    /// Width of the scalars of a constituent and of the messages.
    pub width: usize,
    /// Blocks.
    pub blocks: usize,
    /// The weight `c` of what a block adds to the four-vectors.
    pub vector_weight: f64,
    /// Whether the group `features` is read beside the mass of each constituent. What it holds must be scalars, such as
    /// charges and types of particles; momenta and angles among them break the symmetry.
    pub scalars: bool,
    /// The unit of momenta in GeV: they are divided by it.
    pub unit: f64,
    /// Widths of the layers after the average over constituents.
    pub head: Vec<usize>,
    /// Dropout after each layer of the head.
    pub dropout: f64,
}

impl Default for LorentzNetConfig {
    fn default() -> Self {
        Self {
            width: 72,
            blocks: 6,
            vector_weight: 1e-3,
            scalars: false,
            unit: 1.0,
            head: vec![72],
            dropout: 0.2,
        }
    }
}

impl Configuration for LorentzNetConfig {
    type Module = LorentzNet;

    fn reads(&self) -> Reads {
        Reads { features: self.scalars, vectors: true, ..Reads::default() }
    }

    fn check(&self, _: &Shape) -> Result<(), String> {
        at_most("width", self.width, 1)?;
        at_most("blocks", self.blocks, 1)?;
        positive("vector_weight", self.vector_weight)?;
        positive("unit", self.unit)?;
        widths("head", &self.head, 0)?;
        probability("dropout", self.dropout)
    }

    fn build(&self, shape: &Shape, start: &mut Initialiser) -> LorentzNet {
        LorentzNet {
            embed: Dense::new(1 + shape.features, self.width, true, start),
            blocks: (0..self.blocks).map(|block| Block::new(self, block + 1 < self.blocks, start)).collect(),
            head: Head::new(self.width, &self.head, shape.outputs, self.dropout, start),
            scalars: self.scalars,
            unit: self.unit,
        }
    }
}

/// Blocks in which pairs of constituents exchange messages that depend on Lorentz scalars alone, an average over
/// constituents, and a head: the scores do not change when all momenta are boosted or rotated together.
#[derive(Module, Debug)]
pub(crate) struct LorentzNet {
    embed: Dense,
    blocks: Vec<Block>,
    head: Head,
    scalars: bool,
    unit: f64,
}

/// One block: `m_ij = phi_e(h_i, h_j, psi(|x_i - x_j|^2), psi(<x_i, x_j>))`, then `h_i += phi_h(h_i, sum_j w_ij m_ij)` with
/// `w_ij = phi_m(m_ij)`, and `x_i += c sum_j phi_x(m_ij) x_j`.
#[derive(Module, Debug)]
struct Block {
    /// The first layer of `phi_e` without bias: what it does to `h_i`, to `h_j` and to the invariants.
    edge_first: Dense,
    edge_second: Dense,
    edge_invariants: Dense,
    edge_norm: BatchNorm,
    edge_output: Dense,
    weight: Dense,
    node: Dense,
    node_norm: BatchNorm,
    node_output: Dense,
    /// `phi_x`; none in the last block, whose four-vectors nobody reads.
    vector: Option<Dense>,
    vector_output: Option<Dense>,
    vector_weight: f64,
}

impl Block {
    fn new(config: &LorentzNetConfig, moves: bool, start: &mut Initialiser) -> Self {
        let width = config.width;
        Self {
            edge_first: Dense::new(width, width, false, start),
            edge_second: Dense::new(width, width, false, start),
            edge_invariants: Dense::new(INVARIANTS, width, false, start),
            edge_norm: BatchNorm::new(width, start),
            edge_output: Dense::new(width, width, true, start),
            weight: Dense::new(width, 1, true, start),
            node: Dense::new(2 * width, width, true, start),
            node_norm: BatchNorm::new(width, start),
            node_output: Dense::new(width, width, true, start),
            vector: moves.then(|| Dense::new(width, width, true, start)),
            vector_output: moves.then(|| Dense::new(width, 1, false, start)),
            vector_weight: config.vector_weight,
        }
    }

    fn forward(
        &self,
        h: Tensor<2>,
        x: Tensor<2>,
        edges: &Edges,
        pass: &mut Pass,
    ) -> Result<[Tensor<2>; 2], Error> {
        let of_pairs = invariants(x.clone(), &edges.jets)?;
        let first = gather(self.edge_first.forward(h.clone(), Activation::Identity)?, &edges.first)?;
        let second = gather(self.edge_second.forward(h.clone(), Activation::Identity)?, &edges.second)?;
        let of_pairs = self.edge_invariants.forward(of_pairs, Activation::Identity)?;
        let message = add_scaled(add_scaled(first, second, None)?, of_pairs, None)?;
        let message = self.edge_norm.forward_to(message, Activation::Relu, pass)?;
        let message = self.edge_output.forward(message, Activation::Relu)?;

        let weight = sigmoid(self.weight.forward(message.clone(), Activation::Identity)?);
        let received = pool(scale_rows(message.clone(), weight)?, &edges.constituents, false)?;
        let node = self.node.forward(Tensor::cat(vec![h.clone(), received], 1), Activation::Identity)?;
        let node = self.node_norm.forward_to(node, Activation::Relu, pass)?;
        let h = h + self.node_output.forward(node, Activation::Identity)?;

        let (Some(vector), Some(output)) = (&self.vector, &self.vector_output) else {
            return Ok([h, x]);
        };
        let share = output.forward(vector.forward(message, Activation::Relu)?, Activation::Identity)?;
        let moved = pool(scale_rows(gather(x.clone(), &edges.second)?, share)?, &edges.constituents, false)?;
        Ok([h, x + moved * self.vector_weight])
    }
}

/// Ordered pairs of different constituents of a jet.
struct Edges {
    jets: Vec<usize>,
    first: Rows,
    second: Rows,
    /// Where the pairs of each first constituent end.
    constituents: Vec<usize>,
}

impl Edges {
    fn new(offsets: &[usize]) -> Self {
        let (mut first, mut second, mut constituents) = (Vec::new(), Vec::new(), vec![0]);
        for jet in offsets.windows(2) {
            let n = jet[1] - jet[0];
            for (i, j) in partners(n) {
                first.push((jet[0] + i) as u32);
                second.push((jet[0] + j) as u32);
            }
            let before = constituents[constituents.len() - 1];
            constituents.extend((1..=n).map(|i| before + i * (n - 1)));
        }
        Self { jets: offsets.to_vec(), first: Arc::new(first), second: Arc::new(second), constituents }
    }
}

impl Forward for LorentzNet {
    fn forward(&self, inputs: &Inputs, pass: &mut Pass) -> Result<Tensor<2>, Error> {
        let device = pass.device();
        let mut h = inputs.masses_tensor(self.unit, &device);
        if self.scalars {
            h = Tensor::cat(vec![h, pass.features(inputs)], 1);
        }
        h = self.embed.forward(h, Activation::Identity)?;
        let mut x = inputs.resting_vectors_tensor(self.unit, &[], &device);
        let edges = Edges::new(&inputs.offsets);
        for block in &self.blocks {
            [h, x] = block.forward(h, x, &edges, pass)?;
        }
        self.head.forward(pool(h, &inputs.offsets, true)?, pass)
    }

    fn batch_norms(&mut self) -> Vec<&mut BatchNorm> {
        self.blocks.iter_mut().flat_map(|block| [&mut block.edge_norm, &mut block.node_norm]).collect()
    }
}
