//! L-GATr-slim: A. Petitjean, T. Plehn, J. Spinner, U. Köthe, arXiv:2512.17011: the Lorentz-equivariant geometric algebra
//! transformer (J. Spinner et al., arXiv:2405.14806) with scalars and four-vectors alone.

use std::sync::Arc;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{Configuration, Forward};
use crate::config::{at_most, divides, positive, probability};
use crate::fused::Activation;
use crate::fused::attention::{Offsets, self_attention};
use crate::fused::columns::{Run, pick};
use crate::fused::four_vectors::{inner_products, invariant_scale, scale_vectors};
use crate::fused::gate::{gelu, sigmoid, times};
use crate::fused::gather::{Rows, gather};
use crate::fused::residual::add_scaled;
use crate::fused::row_scale::scale_rows;
use crate::layers::{Dense, Head, Initialiser, Pass};
use crate::{Error, Inputs, Reads, Shape};

/// Vectors that stand beside the constituents of each jet. What they say of the laboratory takes something of the symmetry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reference {
    /// None: the scores do not change when all momenta are boosted or rotated together.
    #[default]
    None,
    /// The direction of time: rotations are left.
    Time,
    /// The directions of time and, both ways, of the beam, which is the z axis: rotations about the beam are left, and mirrors.
    TimeAndBeam,
}

impl Reference {
    /// px, py, pz and energy of each.
    pub(crate) fn vectors(self) -> &'static [[f64; 4]] {
        const ALL: [[f64; 4]; 3] = [[0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 1.0, 1.0], [0.0, 0.0, -1.0, 1.0]];
        match self {
            Self::None => &[],
            Self::Time => &ALL[..1],
            Self::TimeAndBeam => &ALL,
        }
    }
}

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
    /// Vectors that say where the laboratory's axes are.
    pub reference: Reference,
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
            reference: Reference::None,
            unit: 20.0,
            dropout: 0.0,
        }
    }
}

impl LgatrSlimConfig {
    /// The four-vectors of what stands before the constituents of each jet: a class token, whose vector is zero, and the reference
    /// vectors.
    pub(crate) fn first(&self) -> Vec<[f64; 4]> {
        std::iter::once(&[0.0; 4]).chain(self.reference.vectors()).copied().collect()
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
        let first = self.first();
        LgatrSlim {
            embed: Linear::new([1 + shape.features, 1], channels, 1.0, start),
            tokens: start.uniform([first.len().min(2), self.scalar_channels], 1.0),
            blocks: (1..=self.blocks).map(|block| Block::new(self, block == self.blocks, start)).collect(),
            head: Head::new(self.scalar_channels, &[], shape.outputs, 0.0, start),
            scalars: self.scalars,
            first,
            unit: self.unit,
        }
    }
}

/// Embedding, blocks in which constituents, reference vectors and a class token read each other, and a head that reads the
/// class token's scalars.
///
/// Nothing but attention and the norms takes something from four-vectors to scalars. Attention to tokens whose scalars are all
/// alike gives the same scalars, whatever its weights are: it is the class token, with scalars of its own, that makes the
/// weights, and so the inner products of constituents, visible.
#[derive(Module, Debug)]
pub(crate) struct LgatrSlim {
    embed: Linear,
    /// Scalars of the class token, and of all reference vectors.
    tokens: Param<Tensor<2>>,
    blocks: Vec<Block>,
    head: Head,
    /// The four-vectors of those: px, py, pz, energy.
    #[module(skip)]
    first: Vec<[f64; 4]>,
    scalars: bool,
    unit: f64,
}

/// Scalars and four-vectors of constituents and other tokens.
#[derive(Clone)]
struct Multi {
    /// (tokens, channels)
    scalars: Tensor<2>,
    /// (tokens x 4, channels): px, py, pz, energy of each token.
    vectors: Tensor<2>,
}

impl Multi {
    /// Those of some tokens.
    fn rows(self, rows: &Rows) -> Result<Self, Error> {
        let [components, channels] = self.vectors.dims();
        let of_tokens = gather(self.vectors.reshape([components / 4, 4 * channels]), rows)?;
        Ok(Self {
            scalars: gather(self.scalars, rows)?,
            vectors: of_tokens.reshape([4 * rows.len(), channels]),
        })
    }

    /// Both divided by the root of the mean of squares of all channels of a token; of four-vectors the magnitude of
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
    fn new(inputs: [usize; 2], outputs: [usize; 2], gain: f32, start: &mut Initialiser) -> Self {
        Self {
            scalars: of_scalars(inputs[0], outputs[0], gain, start),
            vectors: of_vectors(inputs[1], outputs[1], gain, start),
        }
    }

    fn forward(&self, x: Multi) -> Result<Multi, Error> {
        Ok(Multi {
            scalars: self.scalars.forward(x.scalars, Activation::Identity)?,
            vectors: self.vectors.forward(x.vectors, Activation::Identity)?,
        })
    }
}

/// Uniform in +-`gain`/sqrt(inputs), with biases of zero.
fn of_scalars(inputs: usize, outputs: usize, gain: f32, start: &mut Initialiser) -> Dense {
    Dense { bias: Some(start.constant(outputs, 0.0)), ..of_vectors(inputs, outputs, gain, start) }
}

/// The same without biases: one for four-vectors would be a direction.
fn of_vectors(inputs: usize, outputs: usize, gain: f32, start: &mut Initialiser) -> Dense {
    Dense::uniform(inputs, outputs, gain / (inputs as f32).sqrt(), start)
}

/// A hidden layer of which a part is the gate of another, and the layer after it.
#[derive(Module, Debug)]
struct Gated {
    input: Dense,
    output: Dense,
}

impl Gated {
    fn of_scalars(&self, x: Tensor<2>) -> Result<Tensor<2>, Error> {
        let all = self.input.forward(x, Activation::Identity)?;
        let gate = gelu(part(&all, 2, 1, 1.0)?)?;
        self.output.forward(times(part(&all, 2, 0, 1.0)?, gate)?, Activation::Identity)
    }

    /// The gates are inner products of two more four-vectors.
    fn of_vectors(&self, x: Tensor<2>) -> Result<Tensor<2>, Error> {
        let all = self.input.forward(x, Activation::Identity)?;
        let gate = sigmoid(inner_products(part(&all, 3, 1, 1.0)?, part(&all, 3, 2, GATE_SCALE)?)?)?;
        self.output.forward(scale_vectors(part(&all, 3, 0, 1.0)?, gate)?, Activation::Identity)
    }
}

/// One of so many equal parts of the columns, times `factor`.
fn part(x: &Tensor<2>, parts: usize, index: usize, factor: f32) -> Result<Tensor<2>, Error> {
    let width = x.dims()[1] / parts;
    pick([x.clone()], &Arc::new(vec![Run { factor, ..run(0, index * width, width) }]))
}

/// Attention, then a perceptron.
#[derive(Module, Debug)]
struct Block {
    /// To query, key and value.
    project: Linear,
    mix: Linear,
    scalars: Gated,
    /// None in the last block, whose four-vectors nobody reads.
    vectors: Option<Gated>,
    heads: usize,
    dropout: f64,
}

impl Block {
    fn new(config: &LgatrSlimConfig, is_last: bool, start: &mut Initialiser) -> Self {
        let channels @ [scalars, vectors] = [config.scalar_channels, config.vector_channels];
        let [wide_scalars, wide_vectors] = channels.map(|channels| channels * config.expansion);
        Self {
            project: Linear::new(channels, channels.map(|channels| 3 * channels), ATTENTION_GAIN, start),
            mix: Linear::new(channels, channels, ATTENTION_GAIN, start),
            scalars: Gated {
                input: of_scalars(scalars, 2 * wide_scalars, 1.0, start),
                output: of_scalars(wide_scalars, scalars, 1.0, start),
            },
            vectors: (!is_last).then(|| Gated {
                input: of_vectors(vectors, 3 * wide_vectors, 1.0, start),
                output: of_vectors(wide_vectors, vectors, 1.0, start),
            }),
            heads: config.heads,
            dropout: config.dropout,
        }
    }

    /// `x + attention(norm(x))`
    fn attend(&self, x: Multi, offsets: &Offsets, pass: &mut Pass) -> Result<Multi, Error> {
        let read = self.attention(x.clone().normalised()?, offsets)?;
        let scalars = pass.dropout(read.scalars, self.dropout)?;
        Ok(Multi {
            scalars: add_scaled(x.scalars, scalars, None)?,
            vectors: add_scaled(x.vectors, read.vectors, None)?,
        })
    }

    /// `x + perceptron(norm(x))`
    fn feed_forward(&self, x: Multi, pass: &mut Pass) -> Result<Multi, Error> {
        let normal = x.clone().normalised()?;
        let scalars = pass.dropout(self.scalars.of_scalars(normal.scalars)?, self.dropout)?;
        Ok(Multi {
            scalars: add_scaled(x.scalars, scalars, None)?,
            vectors: match &self.vectors {
                Some(gated) => add_scaled(x.vectors, gated.of_vectors(normal.vectors)?, None)?,
                None => x.vectors,
            },
        })
    }

    /// The scores are inner products of scalars and, under the metric, of four-vectors. Query, key and value are normalised, each
    /// head for itself.
    fn attention(&self, x: Multi, offsets: &Offsets) -> Result<Multi, Error> {
        let tokens = x.scalars.dims()[0];
        let channels = [x.scalars.dims()[1], x.vectors.dims()[1]];
        let [scalars, vectors] = channels.map(|channels| channels / self.heads);
        let all = self.project.forward(x)?;
        let parts = 3 * self.heads;
        let of_parts = pick(
            [all.vectors.reshape([tokens, 4 * parts * vectors])],
            &Arc::new(components_together(parts, vectors)),
        )?;
        let normal = Multi {
            scalars: all.scalars.reshape([tokens * parts, scalars]),
            vectors: of_parts.reshape([tokens * parts * 4, vectors]),
        }
        .normalised()?;
        let packed = pick(
            [
                normal.scalars.reshape([tokens, parts * scalars]),
                normal.vectors.reshape([tokens, parts * 4 * vectors]),
            ],
            &Arc::new(beside_each_other(self.heads, [scalars, vectors])),
        )?;
        let read = self_attention(packed, None, offsets, self.heads)?;
        self.mix.forward(self.apart(&read, channels)?)
    }

    /// Scalars and four-vectors out of what [`beside_each_other`] packed.
    fn apart(&self, x: &Tensor<2>, [scalars, vectors]: [usize; 2]) -> Result<Multi, Error> {
        let [of_scalars, of_vectors] = [scalars, vectors].map(|channels| channels / self.heads);
        let each = of_scalars + 4 * of_vectors;
        let heads = || 0..self.heads;
        let of_components = (0..4).flat_map(|component| {
            heads().map(move |head| run(0, head * each + of_scalars + component * of_vectors, of_vectors))
        });
        let vectors_apart = pick([x.clone()], &Arc::new(of_components.collect()))?;
        Ok(Multi {
            scalars: pick(
                [x.clone()],
                &Arc::new(heads().map(|head| run(0, head * each, of_scalars)).collect()),
            )?,
            vectors: vectors_apart.reshape([x.dims()[0] * 4, vectors]),
        })
    }
}

/// How much smaller than others the weights around attention start.
const ATTENTION_GAIN: f32 = 0.1;

/// What inner products are multiplied by before they are gates: one over the root of the number of components.
pub(crate) const GATE_SCALE: f32 = 0.5;

fn run(input: usize, start: usize, length: usize) -> Run {
    Run { input, start, length, factor: 1.0 }
}

/// From (4, parts, channels) to (parts, 4, channels).
fn components_together(parts: usize, channels: usize) -> Vec<Run> {
    let of_part =
        |part: usize| (0..4).map(move |component| run(0, (component * parts + part) * channels, channels));
    (0..parts).flat_map(of_part).collect()
}

/// Scalars beside four-vectors of each head of query, key and value. The momenta of queries change their sign, so that a product
/// with a key is one under the metric.
fn beside_each_other(heads: usize, [scalars, vectors]: [usize; 2]) -> Vec<Run> {
    let of_part = |part: usize| {
        let momenta = run(1, part * 4 * vectors, 3 * vectors);
        let factor = if part < heads { -1.0 } else { 1.0 };
        let energies = run(1, (part * 4 + 3) * vectors, vectors);
        [run(0, part * scalars, scalars), Run { factor, ..momenta }, energies]
    };
    (0..3 * heads).flat_map(of_part).collect()
}

/// The rows of a batch whose jets have a class token and reference vectors in front.
struct Tokens {
    offsets: Offsets,
    /// Out of a row for class tokens, one for reference vectors if there are any, and all constituents: the rows of each jet.
    rows: Rows,
    /// The first row of each jet.
    class: Rows,
}

impl Tokens {
    fn new(constituents: &[usize], first: usize) -> Self {
        let jets = constituents.len() - 1;
        let offsets: Vec<usize> =
            constituents.iter().enumerate().map(|(jet, offset)| offset + jet * first).collect();
        let kinds = first.min(2);
        let in_front = (0..first).map(|token| token.min(1));
        let rows =
            constituents.windows(2).flat_map(|ends| in_front.clone().chain(kinds + ends[0]..kinds + ends[1]));
        let rows = rows.map(|row| row as u32).collect();
        let class = offsets[..jets].iter().map(|&row| row as u32).collect();
        Self { offsets: Arc::new(offsets), rows: Arc::new(rows), class: Arc::new(class) }
    }
}

impl LgatrSlim {
    fn embed(&self, inputs: &Inputs, tokens: &Tokens, pass: &Pass) -> Result<Multi, Error> {
        let device = pass.device();
        let mut scalars = inputs.masses_tensor(self.unit, &device);
        if self.scalars {
            scalars = Tensor::cat(vec![scalars, pass.features(inputs)], 1);
        }
        let vectors = inputs.resting_vectors_tensor(self.unit, &self.first, &device);
        let [rows, _] = vectors.dims();
        let Multi { scalars, vectors } =
            self.embed.forward(Multi { scalars, vectors: vectors.reshape([4 * rows, 1]) })?;
        let scalars = gather(Tensor::cat(vec![self.tokens.val(), scalars], 0), &tokens.rows)?;
        Ok(Multi { scalars, vectors })
    }
}

impl Forward for LgatrSlim {
    fn forward(&self, inputs: &Inputs, pass: &mut Pass) -> Result<Tensor<2>, Error> {
        let tokens = Tokens::new(&inputs.offsets, self.first.len());
        let mut x = self.embed(inputs, &tokens, pass)?;
        let last = self.blocks.len() - 1;
        for (index, block) in self.blocks.iter().enumerate() {
            x = block.attend(x, &tokens.offsets, pass)?;
            if index == last {
                // Nothing reads the others any more.
                x = x.rows(&tokens.class)?;
            }
            x = block.feed_forward(x, pass)?;
        }
        self.head.forward(x.scalars, pass)
    }
}
