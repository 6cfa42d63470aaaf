//! A plain transformer over constituents: A. Vaswani et al., arXiv:1706.03762, with what has become usual since: norms
//! before each half of a block (R. Xiong et al., arXiv:2002.04745), a gated hidden layer (N. Shazeer, arXiv:2002.05202) or
//! GELU, and optionally norms by the root mean square alone (B. Zhang, R. Sennrich, arXiv:1910.07467).

use std::sync::Arc;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::activation::silu;
use serde::{Deserialize, Serialize};

use super::{Configuration, Forward};
use crate::config::{at_most, divides, probability, widths};
use crate::fused::Activation;
use crate::fused::attention::{Offsets, prepend, self_attention};
use crate::fused::gather::gather;
use crate::fused::pool::pool;
use crate::fused::residual::add_scaled;
use crate::layers::{Dense, Head, Initialiser, LayerNorm, Pass, RootMeanSquareNorm, chain, side_by_side};
use crate::{Error, Inputs, Need, Reads, Shape};

/// Sizes of a plain transformer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TransformerConfig {
    /// Widths of the layers that embed a constituent; the last is the width of the blocks.
    pub embed: Vec<usize>,
    /// Attention heads.
    pub heads: usize,
    /// Blocks.
    pub blocks: usize,
    /// Width of the hidden layer of each block over the block's own width.
    pub expansion: usize,
    /// What normalises a constituent before each half of a block.
    pub norm: Norm,
    /// The hidden layer of each block.
    pub activation: BlockActivation,
    /// How constituents become a jet.
    pub pooling: Pooling,
    /// Widths of the layers after that.
    pub head: Vec<usize>,
    /// Dropout of what each half of a block adds.
    pub dropout: f64,
}

/// What normalises a constituent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Norm {
    /// Mean and variance.
    #[default]
    Layer,
    /// The root of the mean square.
    RootMeanSquare,
}

/// The hidden layer of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlockActivation {
    /// `x Phi(x)`.
    #[default]
    Gelu,
    /// `silu(x a) * (x b)`.
    Swiglu,
}

/// How constituents become a jet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// A learned constituent more, of which only the output is used.
    #[default]
    ClassToken,
    /// Their mean.
    Mean,
}

impl Default for TransformerConfig {
    fn default() -> Self {
        Self {
            embed: vec![128],
            heads: 8,
            blocks: 4,
            expansion: 4,
            norm: Norm::default(),
            activation: BlockActivation::default(),
            pooling: Pooling::default(),
            head: vec![],
            dropout: 0.0,
        }
    }
}

impl Configuration for TransformerConfig {
    type Module = Transformer;

    fn reads(&self) -> Reads {
        Reads { features: true, globals: Need::IfThere, ..Reads::default() }
    }

    fn check(&self, _: &Shape) -> Result<(), String> {
        widths("embed", &self.embed, 1)?;
        widths("head", &self.head, 0)?;
        at_most("heads", self.heads, 1)?;
        at_most("blocks", self.blocks, 0)?;
        at_most("expansion", self.expansion, 1)?;
        divides(self.heads, "the last width of embed", self.embed.last().copied().unwrap_or(0))?;
        probability("dropout", self.dropout)
    }

    fn build(&self, shape: &Shape, start: &mut Initialiser) -> Transformer {
        let width = self.embed.last().copied().unwrap_or(shape.features);
        Transformer {
            embed: chain(shape.features, &self.embed, start),
            class_token: (self.pooling == Pooling::ClassToken).then(|| start.uniform([1, width], 0.02)),
            blocks: (0..self.blocks).map(|_| Block::new(self, width, start)).collect(),
            norm: BlockNorm::new(self.norm, width, start),
            head: Head::new(width + shape.globals, &self.head, shape.outputs, 0.0, start),
        }
    }
}

/// Embedding, blocks, a norm, and a head; no position is encoded, so that the order of constituents does not matter.
#[derive(Module, Debug)]
pub(crate) struct Transformer {
    embed: Vec<Dense>,
    class_token: Option<Param<Tensor<2>>>,
    blocks: Vec<Block>,
    norm: BlockNorm,
    head: Head,
}

/// `x + attention(norm(x))`, then `x + perceptron(norm(x))`.
#[derive(Module, Debug)]
struct Block {
    attention_norm: BlockNorm,
    query: Dense,
    key: Dense,
    value: Dense,
    mix: Dense,
    hidden_norm: BlockNorm,
    /// The gate of a gated hidden layer.
    gate: Option<Dense>,
    hidden: Dense,
    output: Dense,
    heads: usize,
    dropout: f64,
}

/// One of the two norms.
#[derive(Module, Debug)]
enum BlockNorm {
    Layer(LayerNorm),
    RootMeanSquare(RootMeanSquareNorm),
}

impl BlockNorm {
    fn new(norm: Norm, width: usize, start: &mut Initialiser) -> Self {
        match norm {
            Norm::Layer => Self::Layer(LayerNorm::new(width, start)),
            Norm::RootMeanSquare => Self::RootMeanSquare(RootMeanSquareNorm::new(width, start)),
        }
    }

    fn forward(&self, x: Tensor<2>) -> Result<Tensor<2>, Error> {
        match self {
            Self::Layer(norm) => norm.forward(x),
            Self::RootMeanSquare(norm) => Ok(norm.forward(x)),
        }
    }
}

impl Block {
    fn new(config: &TransformerConfig, width: usize, start: &mut Initialiser) -> Self {
        let wide = width * config.expansion;
        let gated = config.activation == BlockActivation::Swiglu;
        Self {
            attention_norm: BlockNorm::new(config.norm, width, start),
            query: Dense::new(width, width, true, start),
            key: Dense::new(width, width, true, start),
            value: Dense::new(width, width, true, start),
            mix: Dense::new(width, width, true, start),
            hidden_norm: BlockNorm::new(config.norm, width, start),
            gate: gated.then(|| Dense::new(width, wide, true, start)),
            hidden: Dense::new(width, wide, true, start),
            output: Dense::new(wide, width, true, start),
            heads: config.heads,
            dropout: config.dropout,
        }
    }

    fn forward(&self, residual: Tensor<2>, offsets: &Offsets, pass: &mut Pass) -> Result<Tensor<2>, Error> {
        let x = self.attention_norm.forward(residual.clone())?;
        let packed = side_by_side(&[&self.query, &self.key, &self.value], x)?;
        let x = self_attention(packed, None, offsets, self.heads)?;
        let x = self.mix.forward(x, Activation::Identity)?;
        let residual = add_scaled(pass.dropout(x, self.dropout)?, residual, None)?;
        let x = self.hidden_norm.forward(residual.clone())?;
        let x = match &self.gate {
            None => self.hidden.forward(x, Activation::Gelu)?,
            Some(gate) => {
                let gate = silu(gate.forward(x.clone(), Activation::Identity)?);
                gate * self.hidden.forward(x, Activation::Identity)?
            }
        };
        let x = self.output.forward(x, Activation::Identity)?;
        add_scaled(pass.dropout(x, self.dropout)?, residual, None)
    }
}

impl Forward for Transformer {
    fn forward(&self, inputs: &Inputs, pass: &mut Pass) -> Result<Tensor<2>, Error> {
        let mut x = inputs.features_tensor(&pass.device());
        let last = self.embed.len() - 1;
        for (index, layer) in self.embed.iter().enumerate() {
            x = layer.forward(x, if index < last { Activation::Gelu } else { Activation::Identity })?;
        }
        let mut offsets: Offsets = Arc::new(inputs.offsets.clone());
        if let Some(token) = &self.class_token {
            x = prepend(token.val().repeat_dim(0, inputs.jets()), x, &offsets)?;
            offsets = Arc::new(inputs.offsets.iter().enumerate().map(|(jet, offset)| jet + offset).collect());
        }
        for block in &self.blocks {
            x = block.forward(x, &offsets, pass)?;
        }
        x = match self.class_token {
            Some(_) => {
                let tokens = offsets[..inputs.jets()].iter().map(|&row| row as u32).collect();
                self.norm.forward(gather(x, &Arc::new(tokens))?)?
            }
            None => pool(self.norm.forward(x)?, &offsets, true)?,
        };
        self.head.forward(inputs.with_globals(x), pass)
    }
}
