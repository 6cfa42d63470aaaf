//! L-GATr-slim as a graph: scalars are (n, constituents, channels), four-vectors (n, constituents, 4, channels).

use super::proto::Type;
use super::{Graph, Inputs, ToGraph, Value, Weights, minkowski};
use crate::Error;
use crate::LgatrSlimConfig;

/// Added to the mean of squares before the root.
const EPSILON: f32 = 0.01;

/// Scalars and four-vectors of constituents.
#[derive(Clone)]
struct Multi {
    scalars: Value,
    vectors: Value,
}

/// Channels of both.
type Channels = [usize; 2];

impl ToGraph for LgatrSlimConfig {
    fn to_graph(&self, graph: &mut Graph, weights: &Weights, inputs: &Inputs) -> Result<Value, Error> {
        let mask = inputs.mask()?;
        let vectors = minkowski::in_units(graph, inputs.group("vectors")?, self.unit);
        let mut scalars = minkowski::masses(graph, &vectors);
        if self.scalars {
            scalars = graph.concatenate(&[&scalars, inputs.group("features")?], -1);
        }
        let vectors = minkowski::at_rest(graph, &vectors);
        let vectors = graph.cast(&vectors, Type::Float);
        let vectors = graph.unsqueeze(&vectors, 3);
        let mut x = linear(graph, weights, "embed", &Multi { scalars, vectors })?;
        let channels = [self.scalar_channels, self.vector_channels];
        let bias = mask.bias(graph);
        for index in 0..self.blocks {
            let name = format!("blocks.{index}");
            let normal = normalised(graph, &x, channels);
            let attended = self.attention(graph, weights, &name, &normal, &bias)?;
            x = sum(graph, &x, &attended);
            let normal = normalised(graph, &x, channels);
            let hidden = self.perceptron(graph, weights, &name, &normal)?;
            x = sum(graph, &x, &hidden);
        }
        let normal = normalised(graph, &x, channels);
        let mean = mask.mean(graph, &normal.scalars);
        graph.head(mean, weights, "head")
    }
}

impl LgatrSlimConfig {
    fn attention(
        &self,
        graph: &mut Graph,
        weights: &Weights,
        name: &str,
        x: &Multi,
        bias: &Value,
    ) -> Result<Multi, Error> {
        let channels @ [scalars, vectors] = [self.scalar_channels, self.vector_channels];
        let all = linear(graph, weights, &format!("{name}.project"), x)?;
        let parts = [0, 1, 2].map(|index| {
            let part = part(graph, &all, [index * scalars, index * vectors], channels);
            let part = normalised(graph, &part, channels);
            self.beside_each_other(graph, &part, index == 0)
        });
        let read = graph.attention(parts.each_ref(), self.heads, scalars + 4 * vectors, bias);
        let read = self.apart(graph, &read);
        linear(graph, weights, &format!("{name}.mix"), &read)
    }

    /// (n, constituents, heads x (scalars + 4 x four-vectors)); with the signs of the metric where `lowered`.
    fn beside_each_other(&self, graph: &mut Graph, x: &Multi, lowered: bool) -> Value {
        let [heads, scalars, vectors] = self.sizes();
        let components = if lowered {
            let signs = graph.floats(&[4, 1], &[-1.0, -1.0, -1.0, 1.0]);
            graph.multiply(&x.vectors, &signs)
        } else {
            x.vectors.clone()
        };
        let components = graph.reshape(&components, &[0, 0, 4, heads, vectors]);
        let components = graph.transpose(&components, &[0, 1, 3, 2, 4]);
        let components = graph.reshape(&components, &[0, 0, heads, 4 * vectors]);
        let scalars_of_heads = graph.reshape(&x.scalars, &[0, 0, heads, scalars]);
        let all = graph.concatenate(&[&scalars_of_heads, &components], 3);
        graph.reshape(&all, &[0, 0, heads * (scalars + 4 * vectors)])
    }

    /// Undoes it.
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

    fn perceptron(
        &self,
        graph: &mut Graph,
        weights: &Weights,
        name: &str,
        x: &Multi,
    ) -> Result<Multi, Error> {
        let all = linear(graph, weights, &format!("{name}.gated"), x)?;
        let channels @ [scalars, vectors] =
            [self.scalar_channels, self.vector_channels].map(|channels| channels * self.expansion);
        let through = part(graph, &all, [0, 0], channels);
        let first = part(graph, &all, [scalars, vectors], channels);
        let second = part(graph, &all, [0, 2 * vectors], channels);
        let of_vectors = inner_products(graph, &first.vectors, &second.vectors);
        let [of_scalars, of_vectors] = [first.scalars, of_vectors].map(|gate| graph.gelu(&gate));
        let of_vectors = graph.unsqueeze(&of_vectors, 2);
        let gated = Multi {
            scalars: graph.multiply(&through.scalars, &of_scalars),
            vectors: graph.multiply(&through.vectors, &of_vectors),
        };
        linear(graph, weights, &format!("{name}.output"), &gated)
    }
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

/// Some channels of each.
fn part(graph: &mut Graph, x: &Multi, start: Channels, channels: Channels) -> Multi {
    let mut slice = |value: &Value, axis: i64, which: usize| {
        let end = start[which] + channels[which];
        graph.slice(value, axis, start[which] as i64, end as i64)
    };
    Multi { scalars: slice(&x.scalars, 2, 0), vectors: slice(&x.vectors, 3, 1) }
}

/// The inner product of each channel under the metric (+, -, -, -), (n, constituents, channels); in the network's order of
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
    let [number, epsilon] = [(scalars + vectors) as f32, EPSILON].map(|value| graph.float(value));
    let mean = graph.divide(&squares, &number);
    let mean = graph.add(&mean, &epsilon);
    let root = graph.root(&mean);
    let root_of_vectors = graph.unsqueeze(&root, 3);
    Multi { scalars: graph.divide(&x.scalars, &root), vectors: graph.divide(&x.vectors, &root_of_vectors) }
}
