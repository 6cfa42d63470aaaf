//! L-GATr-slim: A. Petitjean, T. Plehn, J. Spinner, U. Köthe, arXiv:2512.17011: the Lorentz-equivariant geometric algebra
//! transformer (J. Spinner et al., arXiv:2405.14806) with scalars and four-vectors alone.

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{Configuration, Forward};
use crate::config::{at_most, divides, positive, probability};
use crate::fused::Activation;
use crate::fused::attention::{Offsets, attention};
use crate::fused::columns::{Run, pick};
use crate::fused::four_vectors::{inner_products, invariant_scale, scale_vectors};
use crate::fused::gate::{gelu, times};
use crate::fused::pool::pool;
use crate::fused::residual::add_scaled;
use crate::fused::row_scale::scale_rows;
use crate::layers::{Dense, Head, Initialiser, Pass};
use crate::{Error, Inputs, Reads, Shape};

/// Sizes of an L-GATr-slim (arXiv:2512.17011).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LgatrSlimConfig {
    /// Channels of scalars.
    pub scalar_channels: usize,
    /// Channels of four-vectors.
    pub vector_channels: usize,
    /// Attention heads.
    pub heads: usize,
    /// Blocks.
    pub blocks: usize,
    /// Channels of the hidden layer of each block over the block's own.
    pub expansion: usize,
    /// Whether the group `features` is read beside the mass of each constituent. What it holds must be scalars, such as
    /// charges and types of particles; momenta and angles among them break the symmetry.
    pub scalars: bool,
    /// The unit of momenta in GeV: they are divided by it.
    pub unit: f64,
    /// Dropout of the scalars that each half of a block adds.
    pub dropout: f64,
}

impl Default for LgatrSlimConfig {
    fn default() -> Self {
        Self {
            scalar_channels: 96,
            vector_channels: 32,
            heads: 8,
            blocks: 8,
            expansion: 2,
            scalars: false,
            unit: 20.0,
            dropout: 0.0,
        }
    }
}

impl Configuration for LgatrSlimConfig {
    type Module = LgatrSlim;

    fn reads(&self) -> Reads {
        Reads { features: self.scalars, vectors: true, ..Reads::default() }
    }

    fn check(&self, _: &Shape) -> Result<(), String> {
        at_most("scalar_channels", self.scalar_channels, 1)?;
        at_most("vector_channels", self.vector_channels, 1)?;
        at_most("heads", self.heads, 1)?;
        at_most("blocks", self.blocks, 1)?;
        at_most("expansion", self.expansion, 1)?;
        divides(self.heads, "scalar_channels", self.scalar_channels)?;
        divides(self.heads, "vector_channels", self.vector_channels)?;
        positive("unit", self.unit)?;
        probability("dropout", self.dropout)
    }

    fn build(&self, shape: &Shape, start: &mut Initialiser) -> LgatrSlim {
        let channels = [self.scalar_channels, self.vector_channels];
        LgatrSlim {
            embed: Linear::new([1 + shape.features, 1], channels, start),
            blocks: (0..self.blocks).map(|_| Block::new(self, start)).collect(),
            head: Head::new(self.scalar_channels, &[], shape.outputs, 0.0, start),
            scalars: self.scalars,
            unit: self.unit,
        }
    }
}

/// Embedding, blocks, the mean of the scalars over constituents, and a head: the scores do not change when all momenta are
/// boosted or rotated together.
#[derive(Module, Debug)]
pub(crate) struct LgatrSlim {
    embed: Linear,
    blocks: Vec<Block>,
    head: Head,
    scalars: bool,
    unit: f64,
}

/// Scalars and four-vectors of constituents.
#[derive(Clone)]
struct Multi {
    /// (constituents, channels)
    scalars: Tensor<2>,
    /// (constituents x 4, channels): px, py, pz, energy of each constituent.
    vectors: Tensor<2>,
}

impl Multi {
    fn plus(self, other: Self) -> Result<Self, Error> {
        Ok(Self {
            scalars: add_scaled(self.scalars, other.scalars, None)?,
            vectors: add_scaled(self.vectors, other.vectors, None)?,
        })
    }

    fn channels(&self) -> [usize; 2] {
        [self.scalars.dims()[1], self.vectors.dims()[1]]
    }

    /// Some channels of each.
    fn narrow(&self, start: [usize; 2], [scalars, vectors]: [usize; 2]) -> Result<Self, Error> {
        let of = |all: &Tensor<2>, start: usize, length: usize| {
            pick([all.clone()], &Arc::new(vec![Run { input: 0, start, length, factor: 1.0 }]))
        };
        Ok(Self {
            scalars: of(&self.scalars, start[0], scalars)?,
            vectors: of(&self.vectors, start[1], vectors)?,
        })
    }

    /// Both divided by the root of the mean of squares of all channels of a constituent; of four-vectors the magnitude of
    /// the square counts, which is invariant.
    fn normalised(self) -> Result<Self, Error> {
        let scale = invariant_scale(self.scalars.clone(), self.vectors.clone())?;
        Ok(Self {
            scalars: scale_rows(self.scalars, scale.clone())?,
            vectors: scale_rows(self.vectors, scale)?,
        })
    }
}

/// A linear layer that mixes scalars with scalars and, by the same numbers for all components, four-vectors with
/// four-vectors.
#[derive(Module, Debug)]
struct Linear {
    scalars: Dense,
    vectors: Dense,
}

impl Linear {
    fn new(inputs: [usize; 2], outputs: [usize; 2], start: &mut Initialiser) -> Self {
        Self {
            scalars: Dense::new(inputs[0], outputs[0], true, start),
            vectors: Dense::new(inputs[1], outputs[1], false, start),
        }
    }

    fn forward(&self, x: Multi) -> Result<Multi, Error> {
        Ok(Multi {
            scalars: self.scalars.forward(x.scalars, Activation::Identity)?,
            vectors: self.vectors.forward(x.vectors, Activation::Identity)?,
        })
    }
}

/// `x + attention(norm(x))`, then `x + perceptron(norm(x))`.
#[derive(Module, Debug)]
struct Block {
    /// To query, key and value.
    project: Linear,
    mix: Linear,
    /// To what the gates let through, and to the gates; those of four-vectors are inner products of two more.
    gated: Linear,
    output: Linear,
    heads: usize,
    dropout: f64,
}

impl Block {
    fn new(config: &LgatrSlimConfig, start: &mut Initialiser) -> Self {
        let channels = [config.scalar_channels, config.vector_channels];
        let [scalars, vectors] = channels.map(|channels| channels * config.expansion);
        Self {
            project: Linear::new(channels, channels.map(|channels| 3 * channels), start),
            mix: Linear::new(channels, channels, start),
            gated: Linear::new(channels, [2 * scalars, 3 * vectors], start),
            output: Linear::new([scalars, vectors], channels, start),
            heads: config.heads,
            dropout: config.dropout,
        }
    }

    fn forward(&self, x: Multi, offsets: &Offsets, pass: &mut Pass) -> Result<Multi, Error> {
        let attended = self.attention(x.clone().normalised()?, offsets)?;
        let x = x.plus(self.dropped(attended, pass)?)?;
        let hidden = self.perceptron(x.clone().normalised()?)?;
        x.plus(self.dropped(hidden, pass)?)
    }

    fn dropped(&self, x: Multi, pass: &mut Pass) -> Result<Multi, Error> {
        Ok(Multi { scalars: pass.dropout(x.scalars, self.dropout)?, ..x })
    }

    /// The scores are inner products of scalars and, under the metric, of four-vectors.
    fn attention(&self, x: Multi, offsets: &Offsets) -> Result<Multi, Error> {
        let channels = x.channels();
        let all = self.project.forward(x)?;
        let part =
            |index: usize| all.narrow(channels.map(|channels| index * channels), channels)?.normalised();
        let query = self.beside_each_other(part(0)?, -1.0)?;
        let (key, value) = (self.beside_each_other(part(1)?, 1.0)?, self.beside_each_other(part(2)?, 1.0)?);
        let x = attention([query, key, value], None, offsets, offsets, self.heads)?;
        self.mix.forward(self.apart(&x, channels)?)
    }

    /// (constituents, heads x (scalars + 4 x four-vectors)), with momenta times `sign`.
    fn beside_each_other(&self, x: Multi, sign: f32) -> Result<Tensor<2>, Error> {
        let [scalars, vectors] = x.channels();
        let rows = x.scalars.dims()[0];
        let [of_scalars, of_vectors] = [scalars, vectors].map(|channels| channels / self.heads);
        let mut runs = Vec::new();
        for head in 0..self.heads {
            runs.push(Run { input: 0, start: head * of_scalars, length: of_scalars, factor: 1.0 });
            for component in 0..4 {
                let factor = if component < 3 { sign } else { 1.0 };
                let start = component * vectors + head * of_vectors;
                runs.push(Run { input: 1, start, length: of_vectors, factor });
            }
        }
        pick([x.scalars, x.vectors.reshape([rows, 4 * vectors])], &Arc::new(runs))
    }

    /// Undoes [`Block::beside_each_other`] with a sign of 1.
    fn apart(&self, x: &Tensor<2>, [scalars, vectors]: [usize; 2]) -> Result<Multi, Error> {
        let [of_scalars, of_vectors] = [scalars, vectors].map(|channels| channels / self.heads);
        let each = of_scalars + 4 * of_vectors;
        let run = |start: usize, length: usize| Run { input: 0, start, length, factor: 1.0 };
        let heads = || 0..self.heads;
        let of_components = (0..4).flat_map(|component| {
            heads().map(move |head| run(head * each + of_scalars + component * of_vectors, of_vectors))
        });
        let vectors_apart = pick([x.clone()], &Arc::new(of_components.collect()))?;
        Ok(Multi {
            scalars: pick(
                [x.clone()],
                &Arc::new(heads().map(|head| run(head * each, of_scalars)).collect()),
            )?,
            vectors: vectors_apart.reshape([x.dims()[0] * 4, vectors]),
        })
    }

    fn perceptron(&self, x: Multi) -> Result<Multi, Error> {
        let all = self.gated.forward(x)?;
        let [scalars, vectors] = [all.channels()[0] / 2, all.channels()[1] / 3];
        let through = all.narrow([0, 0], [scalars, vectors])?;
        let first = all.narrow([scalars, vectors], [scalars, vectors])?;
        let second = all.narrow([0, 2 * vectors], [scalars, vectors])?;
        let of_vectors = gelu(inner_products(first.vectors, second.vectors)?)?;
        self.output.forward(Multi {
            scalars: times(through.scalars, gelu(first.scalars)?)?,
            vectors: scale_vectors(through.vectors, of_vectors)?,
        })
    }
}

impl Forward for LgatrSlim {
    fn forward(&self, inputs: &Inputs, pass: &mut Pass) -> Result<Tensor<2>, Error> {
        let device = pass.device();
        let mut scalars = inputs.masses_tensor(self.unit, &device);
        if self.scalars {
            scalars = Tensor::cat(vec![scalars, pass.features(inputs)], 1);
        }
        let vectors =
            inputs.resting_vectors_tensor(self.unit, &device).reshape([inputs.constituents() * 4, 1]);
        let mut x = self.embed.forward(Multi { scalars, vectors })?;
        let offsets: Offsets = Arc::new(inputs.offsets.clone());
        for block in &self.blocks {
            x = block.forward(x, &offsets, pass)?;
        }
        self.head.forward(pool(x.normalised()?.scalars, &inputs.offsets, true)?, pass)
    }
}
