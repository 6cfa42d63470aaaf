//! Particle Transformer: H. Qu, C. Li, S. Qian, ICML 2022, arXiv:2202.03772.

use std::sync::Arc;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Configuration, Forward};
use crate::config::{at_most, divides, probability, widths};
use crate::fused::Activation;
use crate::fused::attention::{Offsets, cross_attention, prepend, self_attention};
use crate::fused::dense::dense;
use crate::fused::pair_bias::{pair_bias, pair_offsets};
use crate::fused::pair_embedding::pair_embedding;
use crate::fused::residual::{add_scaled, scale_columns};
use crate::layers::{BatchNorm, Dense, Head, Initialiser, LayerNorm, Pass, side_by_side};
use crate::{Error, Inputs, Reads, Shape};

/// Sizes of a Particle Transformer (arXiv:2202.03772).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ParticleTransformerConfig {
    /// Widths of the embedding of a constituent; the last is the width of the attention blocks.
    pub embed: Vec<usize>,
    /// Widths of the embedding of a pair, before the last layer to one number a head.
    pub pair_embed: Vec<usize>,
    /// Attention heads.
    pub heads: usize,
    /// Particle attention blocks.
    pub blocks: usize,
    /// Class attention blocks.
    pub class_blocks: usize,
    /// Width of the hidden layer of each block over the block's own width.
    pub expansion: usize,
    /// Widths of the layers between the class token and the classes.
    pub head: Vec<usize>,
    /// Dropout in the particle attention blocks (the class attention blocks have none).
    pub dropout: f64,
}

impl Default for ParticleTransformerConfig {
    fn default() -> Self {
        Self {
            embed: vec![128, 512, 128],
            pair_embed: vec![64, 64, 64],
            heads: 8,
            blocks: 8,
            class_blocks: 2,
            expansion: 4,
            head: vec![],
            dropout: 0.1,
        }
    }
}

impl Configuration for ParticleTransformerConfig {
    type Module = ParticleTransformer;

    fn reads(&self) -> Reads {
        Reads { features: true, vectors: true, ..Reads::default() }
    }

    fn check(&self, _: &Shape) -> Result<(), String> {
        widths("embed", &self.embed, 1)?;
        widths("pair_embed", &self.pair_embed, 0)?;
        widths("head", &self.head, 0)?;
        at_most("heads", self.heads, 1)?;
        at_most("blocks", self.blocks, 0)?;
        at_most("class_blocks", self.class_blocks, 1)?;
        at_most("expansion", self.expansion, 1)?;
        divides(self.heads, "the last width of embed", self.embed.last().copied().unwrap_or(0))?;
        probability("dropout", self.dropout)
    }

    fn build(&self, shape: &Shape, start: &mut Initialiser) -> ParticleTransformer {
        let norm = BatchNorm::new(shape.features, start);
        let (mut embed_norms, mut embed) = (Vec::new(), Vec::new());
        let mut width = shape.features;
        for &next in &self.embed {
            embed_norms.push(LayerNorm::new(width, start));
            embed.push(Dense::new(width, next, true, start));
            width = next;
        }
        let (mut pair_embed, mut pair_norms) = (Vec::new(), Vec::new());
        let mut pair_width = PAIR_FEATURES;
        for &next in self.pair_embed.iter().chain([&self.heads]) {
            pair_embed.push(Dense::new(pair_width, next, true, start));
            pair_norms.push(BatchNorm::new(next, start));
            pair_width = next;
        }
        ParticleTransformer {
            norm,
            embed_norms,
            embed,
            pair_norm: BatchNorm::new(PAIR_FEATURES, start),
            pair_embed,
            pair_norms,
            blocks: (0..self.blocks).map(|_| Block::new(self, width, self.dropout, start)).collect(),
            class_token: start.uniform([1, width], 0.02),
            class_blocks: (0..self.class_blocks).map(|_| Block::new(self, width, 0.0, start)).collect(),
            output_norm: LayerNorm::new(width, start),
            head: Head::new(width, &self.head, shape.outputs, 0.0, start),
        }
    }
}

/// Embeddings of constituents and of pairs, particle attention blocks whose scores the pairs bias, class attention blocks
/// that a class token reads the jet with, and a head (figure 3 of the paper).
///
/// Dropout stands after attention, after the activation and after the second layer of each particle block; there is none
/// on the attention weights.
#[derive(Module, Debug)]
pub(crate) struct ParticleTransformer {
    norm: BatchNorm,
    embed_norms: Vec<LayerNorm>,
    embed: Vec<Dense>,
    pair_norm: BatchNorm,
    pair_embed: Vec<Dense>,
    pair_norms: Vec<BatchNorm>,
    blocks: Vec<Block>,
    class_token: Param<Tensor<2>>,
    class_blocks: Vec<Block>,
    output_norm: LayerNorm,
    head: Head,
}

/// An attention block with norms before and after each half, a gain for each head and one for the residual.
#[derive(Module, Debug)]
struct Block {
    attention_norm: LayerNorm,
    query: Dense,
    key: Dense,
    value: Dense,
    mix: Dense,
    head_gain: Param<Tensor<1>>,
    after_attention_norm: LayerNorm,
    hidden_norm: LayerNorm,
    hidden: Dense,
    after_hidden_norm: LayerNorm,
    output: Dense,
    residual_gain: Param<Tensor<1>>,
    dropout: f64,
    heads: usize,
}

impl Block {
    fn new(config: &ParticleTransformerConfig, width: usize, dropout: f64, start: &mut Initialiser) -> Self {
        let wide = width * config.expansion;
        Self {
            attention_norm: LayerNorm::new(width, start),
            query: Dense::new(width, width, true, start),
            key: Dense::new(width, width, true, start),
            value: Dense::new(width, width, true, start),
            mix: Dense::new(width, width, true, start),
            head_gain: start.constant(config.heads, 1.0),
            after_attention_norm: LayerNorm::new(width, start),
            hidden_norm: LayerNorm::new(width, start),
            hidden: Dense::new(width, wide, true, start),
            after_hidden_norm: LayerNorm::new(wide, start),
            output: Dense::new(wide, width, true, start),
            residual_gain: start.constant(width, 1.0),
            dropout,
            heads: config.heads,
        }
    }

    /// Constituents that read each other.
    fn forward(
        &self,
        x: Tensor<2>,
        bias: Tensor<2>,
        offsets: &Offsets,
        pass: &mut Pass,
    ) -> Result<Tensor<2>, Error> {
        let normal = self.attention_norm.forward(x.clone())?;
        let packed = side_by_side(&[&self.query, &self.key, &self.value], normal)?;
        self.finish(x, self_attention(packed, Some(bias), offsets, self.heads)?, pass)
    }

    /// A token of each jet that reads itself and the constituents.
    fn read(
        &self,
        token: Tensor<2>,
        x: Tensor<2>,
        constituents: &Offsets,
        (jets, with_token): (&Offsets, &Offsets),
        pass: &mut Pass,
    ) -> Result<Tensor<2>, Error> {
        let all = self.attention_norm.forward(prepend(token.clone(), x, constituents)?)?;
        let packed = side_by_side(&[&self.key, &self.value], all)?;
        let q = self.query.forward(token.clone(), Activation::Identity)?;
        self.finish(token, cross_attention(q, packed, jets, with_token, self.heads)?, pass)
    }

    /// What follows the attention, around `residual`, and the perceptron, around that.
    fn finish(&self, residual: Tensor<2>, x: Tensor<2>, pass: &mut Pass) -> Result<Tensor<2>, Error> {
        let [_, width] = x.dims();
        // The gain of each head, taken into the layer before it.
        let gain = self.head_gain.val().reshape([self.heads, 1]).repeat_dim(1, width / self.heads);
        let gain: Tensor<2> = gain.reshape([1, width]);
        let bias = self.mix.bias.as_ref().map(|bias| bias.val() * gain.clone().reshape([width]));
        let mut x = dense(x, scale_columns(self.mix.weight.val(), gain)?, bias, Activation::Identity)?;
        x = pass.dropout(self.after_attention_norm.forward(x)?, self.dropout)?;
        let residual = add_scaled(x, residual, None)?;
        let mut x = self.hidden_norm.forward(residual.clone())?;
        x = pass.dropout(self.hidden.forward(x, Activation::Gelu)?, self.dropout)?;
        x = self.output.forward(self.after_hidden_norm.forward(x)?, Activation::Identity)?;
        add_scaled(pass.dropout(x, self.dropout)?, residual, Some(self.residual_gain.val()))
    }
}

impl ParticleTransformer {
    /// The embedding of each pair of constituents, (pairs, heads).
    fn pairs(&self, inputs: &Inputs, pass: &mut Pass) -> Result<Tensor<2>, Error> {
        let pairs = pair_features(inputs.vectors.as_deref().unwrap_or(&[]), &inputs.offsets);
        let norms = std::iter::once(&self.pair_norm).chain(&self.pair_norms);
        let mut parameters = vec![self.pair_norm.weight.val(), self.pair_norm.bias.val()];
        for (layer, norm) in self.pair_embed.iter().zip(&self.pair_norms) {
            parameters.push(layer.weight.val().flatten(0, 1));
            parameters.extend(layer.bias.as_ref().map(Param::val));
            parameters.extend([norm.weight.val(), norm.bias.val()]);
        }
        let widths: Vec<usize> = self.pair_norms.iter().map(|norm| norm.weight.val().dims()[0]).collect();
        let statistics: Vec<_> = norms.map(|norm| norm.statistics(pass)).collect::<Result<_, _>>()?;
        let parameters = Tensor::cat(parameters, 0);
        let (bias, moments) = pair_embedding(pairs, PAIR_FEATURES, &widths, parameters, &statistics)?;
        pass.moments.extend(moments);
        Ok(bias)
    }
}

impl Forward for ParticleTransformer {
    fn batch_norms(&mut self) -> Vec<&mut BatchNorm> {
        let mut norms = vec![&mut self.norm, &mut self.pair_norm];
        norms.extend(&mut self.pair_norms);
        norms
    }

    fn forward(&self, inputs: &Inputs, pass: &mut Pass) -> Result<Tensor<2>, Error> {
        let mut x = self.norm.forward(pass.features(inputs), pass)?;
        for (norm, layer) in self.embed_norms.iter().zip(&self.embed) {
            x = layer.forward(norm.forward(x)?, Activation::Gelu)?;
        }

        let constituents: Offsets = Arc::new(inputs.offsets.clone());
        let bias = pair_bias(self.pairs(inputs, pass)?, &constituents)?;
        for block in &self.blocks {
            x = block.forward(x, bias.clone(), &constituents, pass)?;
        }

        let jets: Offsets = Arc::new((0..=inputs.jets()).collect());
        let with_token: Offsets =
            Arc::new(inputs.offsets.iter().enumerate().map(|(jet, offset)| jet + offset).collect());
        let mut token = self.class_token.val().repeat_dim(0, inputs.jets());
        for block in &self.class_blocks {
            token = block.read(token, x.clone(), &constituents, (&jets, &with_token), pass)?;
        }
        self.head.forward(self.output_norm.forward(token)?, pass)
    }
}

const PAIR_FEATURES: usize = 4;

/// ln kT, ln z, ln Delta R and ln m^2 of each unordered pair of constituents, each with itself too: equations (3) to (6) of
/// the paper, from px, py, pz, energy, in double precision and cut at 1e-8.
fn pair_features(vectors: &[f32], offsets: &[usize]) -> Vec<f32> {
    let mut features = vec![0.0; pair_offsets(offsets).last().copied().unwrap_or(0) * PAIR_FEATURES];
    let constituents: Vec<Constituent> = vectors
        .par_chunks_exact(4)
        .with_min_len(CONSTITUENTS)
        .map(|p| Constituent::new([p[0], p[1], p[2], p[3]].map(f64::from)))
        .collect();
    // A constituent at a time, so that the pairs of one jet are work for several threads too.
    let (mut next, mut firsts, mut ranges) = (0, Vec::new(), Vec::new());
    for jet in offsets.windows(2) {
        for number in 1..=jet[1] - jet[0] {
            firsts.push(jet[0]);
            ranges.push(next..next + number);
            next += number;
        }
    }
    let parts = crate::fused::kernel::split(&mut features, &ranges, PAIR_FEATURES);
    let parts = parts.into_par_iter().enumerate().with_min_len(CONSTITUENTS);
    parts.for_each(|(i, part)| {
        for (other, part) in constituents[firsts[i]..=i].iter().zip(part.chunks_exact_mut(PAIR_FEATURES)) {
            part.copy_from_slice(&constituents[i].with(other));
        }
    });
    features
}

/// Constituents whose pairs are worth a thread.
const CONSTITUENTS: usize = 8;

struct Constituent {
    p: [f64; 4],
    pt: f64,
    rapidity: f64,
    phi: f64,
}

impl Constituent {
    fn new(p: [f64; 4]) -> Self {
        let [px, py, pz, energy] = p;
        let rapidity = 0.5 * (1.0 + 2.0 * pz / (energy - pz).max(1e-20)).max(1e-20).ln();
        Self { p, pt: px.hypot(py), rapidity, phi: py.atan2(px) }
    }

    fn with(&self, other: &Self) -> [f32; PAIR_FEATURES] {
        const LEAST: f64 = 1e-8;
        let turn = std::f64::consts::TAU;
        let difference = self.phi - other.phi;
        let delta_phi = difference - turn * (difference / turn).round();
        let delta_r = (self.rapidity - other.rapidity).hypot(delta_phi);
        let least_pt = self.pt.min(other.pt);
        let [px, py, pz, energy] = [0, 1, 2, 3].map(|component| self.p[component] + other.p[component]);
        let mass_squared = energy * energy - px * px - py * py - pz * pz;
        let z = least_pt / (self.pt + other.pt).max(LEAST);
        [least_pt * delta_r, z, delta_r, mass_squared].map(|value| value.max(LEAST).ln() as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pair_features_follow_the_paper() {
        // Two massless constituents at right angles in the transverse plane: pt 3 and 4, Delta R = pi/2, m^2 = 24.
        let vectors = [3.0, 0.0, 0.0, 3.0, 0.0, 4.0, 0.0, 4.0];
        let features = pair_features(&vectors, &[0, 2]);
        let delta = std::f64::consts::FRAC_PI_2;
        let least = 1e-8_f64.ln();
        let expected = [
            [least, 0.5_f64.ln(), least, least],
            [(3.0 * delta).ln(), (3.0_f64 / 7.0).ln(), delta.ln(), 24.0_f64.ln()],
            [least, 0.5_f64.ln(), least, least],
        ];
        for (got, expected) in features.iter().zip(expected.iter().flatten()) {
            assert!((f64::from(*got) - expected).abs() < 1e-5, "{got} for {expected}");
        }
    }
}
