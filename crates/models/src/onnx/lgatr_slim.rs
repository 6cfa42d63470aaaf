//! L-GATr-slim as a graph: scalars are (n, tokens, channels), four-vectors (n, tokens, 4, channels).

use super::layers::with_tokens;
use super::proto::Type;
use super::{Graph, Inputs, ToGraph, Value, Weights, minkowski};
use crate::Error;
use crate::LgatrSlimConfig;
use crate::architectures::lgatr_slim::GATE_SCALE;
use crate::fused::four_vectors::EPSILON;

/// Scalars and four-vectors of constituents and other tokens.
#[derive(Clone)]
struct Multi {
    scalars: Value,
    vectors: Value,
}

/// Channels of both.
type Channels = [usize; 2];

impl ToGraph for LgatrSlimConfig {
    fn to_graph(&self, graph: &mut Graph, weights: &Weights, inputs: &Inputs) -> Result<Value, Error> {
        let mut x = self.embedded(graph, weights, inputs)?;
        let channels = [self.scalar_channels, self.vector_channels];
        let wide = channels.map(|channels| channels * self.expansion);
        let bias = inputs.mask()?.bias(graph);
        let bias = with_tokens(graph, &bias, self.first().len());
        for index in 0..self.blocks {
            let name = format!("blocks.{index}");
            let normal = normalised(graph, &x, channels);
            let attended = self.attention(graph, weights, &name, &normal, &bias)?;
            x = sum(graph, &x, &attended);
            if index + 1 == self.blocks {
                x = Multi {
                    scalars: graph.slice(&x.scalars, 1, 0, 1),
                    vectors: graph.slice(&x.vectors, 1, 0, 1),
                };
            }
            let normal = normalised(graph, &x, channels);
            let hidden = perceptron(graph, weights, &name, &normal, wide)?;
            x = sum(graph, &x, &hidden);
        }
        let class = graph.squeeze(&x.scalars, 1);
        graph.head(class, weights, "head")
    }
}

impl LgatrSlimConfig {
    fn embedded(&self, graph: &mut Graph, weights: &Weights, inputs: &Inputs) -> Result<Multi, Error> {
        let constituents = minkowski::in_units(graph, inputs.group("vectors")?, self.unit);
        let mut scalars = minkowski::masses(graph, &constituents);
        if self.scalars {
            scalars = graph.concatenate(&[&scalars, inputs.group("features")?], -1);
        }
        let first = self.first();
        let vectors = graph.doubles(&[1, first.len(), 4], first.as_flattened());
        let vectors = graph.repeat_for_jets(&vectors, 3, &constituents);
        let vectors = graph.concatenate(&[&vectors, &constituents], 1);
        let vectors = minkowski::at_rest(graph, &constituents, &vectors);
        let vectors = graph.cast(&vectors, Type::Float);
        let vectors = graph.unsqueeze(&vectors, 3);
        let Multi { scalars, vectors } = linear(graph, weights, "embed", &Multi { scalars, vectors })?;
        let tokens: Vec<&[f32]> = weights.take("tokens")?.values.chunks_exact(self.scalar_channels).collect();
        let tokens: Vec<f32> = (0..first.len()).flat_map(|token| tokens[token.min(1)]).copied().collect();
        let tokens = graph.floats(&[1, first.len(), self.scalar_channels], &tokens);
        let tokens = graph.repeat_for_jets(&tokens, 3, &scalars);
        Ok(Multi { scalars: graph.concatenate(&[&tokens, &scalars], 1), vectors })
    }

    fn attention(
        &self,
        graph: &mut Graph,
        weights: &Weights,
        name: &str,
        x: &Multi,
        bias: &Value,
    ) -> Result<Multi, Error> {
        let [heads, scalars, vectors] = self.sizes();
        let parts = 3 * heads;
        let all = linear(graph, weights, &format!("{name}.project"), x)?;
        // Parts and heads to the tokens, so that each is normalised for itself.
        let of_parts = graph.reshape(&all.vectors, &[0, 0, 4, parts, vectors]);
        let of_parts = graph.transpose(&of_parts, &[0, 1, 3, 2, 4]);
        let each = Multi {
            scalars: graph.reshape(&all.scalars, &[0, -1, scalars]),
            vectors: graph.reshape(&of_parts, &[0, -1, 4, vectors]),
        };
        let normal = normalised(graph, &each, [scalars as usize, vectors as usize]);
        let normal = Multi {
            scalars: graph.reshape(&normal.scalars, &[0, -1, parts, scalars]),
            vectors: graph.reshape(&normal.vectors, &[0, -1, parts, 4, vectors]),
        };
        let packed = [0, 1, 2].map(|part| {
            let [start, end] = [part * heads, (part + 1) * heads];
            let scalars_of_part = graph.slice(&normal.scalars, 2, start, end);
            let mut components = graph.slice(&normal.vectors, 2, start, end);
            if part == 0 {
                let signs = graph.floats(&[4, 1], &[-1.0, -1.0, -1.0, 1.0]);
                components = graph.multiply(&components, &signs);
            }
            let components = graph.reshape(&components, &[0, 0, heads, 4 * vectors]);
            let both = graph.concatenate(&[&scalars_of_part, &components], 3);
            graph.reshape(&both, &[0, 0, heads * (scalars + 4 * vectors)])
        });
        let width = self.scalar_channels + 4 * self.vector_channels;
        let read = graph.attention(packed.each_ref(), self.heads, width, bias);
        let read = self.apart(graph, &read);
        linear(graph, weights, &format!("{name}.mix"), &read)
    }

    /// Scalars and four-vectors out of what attention read.
    fn apart(&self, graph: &mut Graph, x: &Value) -> Multi {
        let [heads, scalars, vectors] = self.sizes();
        let all = graph.reshape(x, &[0, 0, heads, scalars + 4 * vectors]);
        let components = graph.slice(&all, 3, scalars, scalars + 4 * vectors);
        let components = graph.reshape(&components, &[0, 0, heads, 4, vectors]);
        let components = graph.transpose(&components, &[0, 1, 3, 2, 4]);
        let scalars_of_heads = graph.slice(&all, 3, 0, scalars);
        Multi {
            scalars: graph.reshape(&scalars_of_heads, &[0, 0, heads * scalars]),
            vectors: graph.reshape(&components, &[0, 0, 4, heads * vectors]),
        }
    }

    /// Heads, and the channels of each.
    fn sizes(&self) -> [i64; 3] {
        let each = [self.scalar_channels, self.vector_channels].map(|channels| channels / self.heads);
        [self.heads, each[0], each[1]].map(|size| size as i64)
    }
}

/// The gated half of a block. The last block changes nothing of the four-vectors.
fn perceptron(
    graph: &mut Graph,
    weights: &Weights,
    name: &str,
    x: &Multi,
    wide: Channels,
) -> Result<Multi, Error> {
    let all = graph.dense(&x.scalars, weights, &format!("{name}.scalars.input"))?;
    let [through, gate] = [0, 1].map(|index| part(graph, &all, 2, index, wide[0]));
    let gate = graph.gelu(&gate);
    let gated = graph.multiply(&through, &gate);
    let scalars = graph.dense(&gated, weights, &format!("{name}.scalars.output"))?;
    let input = format!("{name}.vectors.input");
    if !weights.has(&format!("{input}.weight")) {
        let zero = graph.float(0.0);
        return Ok(Multi { scalars, vectors: zero });
    }
    let all = graph.dense(&x.vectors, weights, &input)?;
    let [through, first, second] = [0, 1, 2].map(|index| part(graph, &all, 3, index, wide[1]));
    let scale = graph.float(GATE_SCALE);
    let second = graph.multiply(&second, &scale);
    let gate = inner_products(graph, &first, &second);
    let gate = graph.sigmoid(&gate);
    let gate = graph.unsqueeze(&gate, 2);
    let gated = graph.multiply(&through, &gate);
    Ok(Multi { scalars, vectors: graph.dense(&gated, weights, &format!("{name}.vectors.output"))? })
}

fn linear(graph: &mut Graph, weights: &Weights, name: &str, x: &Multi) -> Result<Multi, Error> {
    Ok(Multi {
        scalars: graph.dense(&x.scalars, weights, &format!("{name}.scalars"))?,
        vectors: graph.dense(&x.vectors, weights, &format!("{name}.vectors"))?,
    })
}

fn sum(graph: &mut Graph, a: &Multi, b: &Multi) -> Multi {
    Multi { scalars: graph.add(&a.scalars, &b.scalars), vectors: graph.add(&a.vectors, &b.vectors) }
}

/// One of several equal parts along an axis, `width` wide.
fn part(graph: &mut Graph, x: &Value, axis: i64, index: usize, width: usize) -> Value {
    graph.slice(x, axis, (index * width) as i64, ((index + 1) * width) as i64)
}

/// The inner product of each channel under the metric (+, -, -, -), (n, tokens, channels); in the network's order of
/// additions, since what is left of two large numbers depends on it.
fn inner_products(graph: &mut Graph, a: &Value, b: &Value) -> Value {
    let products = graph.multiply(a, b);
    let energies = graph.slice(&products, 2, 3, 4);
    let momenta = graph.slice(&products, 2, 0, 3);
    let momenta = graph.sum(&momenta, 2, true);
    let difference = graph.subtract(&energies, &momenta);
    graph.squeeze(&difference, 2)
}

/// Both divided by the root of the mean of squares; see `crate::architectures::lgatr_slim`.
fn normalised(graph: &mut Graph, x: &Multi, [scalars, vectors]: Channels) -> Multi {
    let products = inner_products(graph, &x.vectors, &x.vectors);
    let sizes = graph.absolute(&products);
    let of_vectors = graph.sum(&sizes, 2, true);
    let squares = graph.multiply(&x.scalars, &x.scalars);
    let of_scalars = graph.sum(&squares, 2, true);
    let squares = graph.add(&of_vectors, &of_scalars);
    let [number, epsilon] = [(scalars + vectors) as f32, EPSILON as f32].map(|value| graph.float(value));
    let mean = graph.divide(&squares, &number);
    let mean = graph.add(&mean, &epsilon);
    let root = graph.root(&mean);
    let root_of_vectors = graph.unsqueeze(&root, 3);
    Multi { scalars: graph.divide(&x.scalars, &root), vectors: graph.divide(&x.vectors, &root_of_vectors) }
}
