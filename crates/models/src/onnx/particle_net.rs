//! ParticleNet as a graph: neighbours by `TopK`, their features by `GatherND`.

use super::layers::{Affine, Mask, scaled};
use super::proto::Type;
use super::{Graph, Inputs, ToGraph, Value, Weights};
use crate::Error;
use crate::ParticleNetConfig;

/// Below every distance there is, and above the least float.
const NO_EDGE: f32 = -3.0e38;

impl ToGraph for ParticleNetConfig {
    fn to_graph(&self, graph: &mut Graph, weights: &Weights, inputs: &Inputs) -> Result<Value, Error> {
        let (points, features) = (inputs.group("points")?, inputs.group("features")?);
        let mask = inputs.mask()?;
        let search = Search::new(graph, self, mask, features);
        let normal = graph.affine(features, &weights.batch_norm("norm")?);
        let mut x = graph.without_padding(&normal, &mask.column);
        let mut outputs = Vec::new();
        for index in 0..self.convolutions.len() {
            let closeness = if index == 0 { near_points(graph, points) } else { near_features(graph, &x) };
            let edges = search.edges(graph, &closeness);
            x = edge_conv(graph, weights, self, &format!("convolutions.{index}"), &x, &edges)?;
            x = graph.without_padding(&x, &mask.column);
            outputs.push(x.clone());
        }
        if self.fusion > 0 {
            let all = graph.concatenate(&outputs.iter().collect::<Vec<_>>(), -1);
            let fused = graph.dense_norm(&all, weights, ["fusion", "fusion_norm"])?;
            x = graph.rectify(&fused);
        }
        let mean = mask.mean(graph, &x);
        graph.head(mean, weights, "head")
    }
}

/// Minus the squared distances of points of few dimensions, (n, constituents, constituents).
fn near_points(graph: &mut Graph, points: &Value) -> Value {
    let [own, other] = [2, 1].map(|axis| graph.unsqueeze(points, axis));
    let difference = graph.subtract(&own, &other);
    let square = graph.multiply(&difference, &difference);
    let distance = graph.sum(&square, 3, false);
    graph.negative(&distance)
}

/// The same by products, without the square of x_i, which does not change the order: 2 x_i x_j - |x_j|^2.
fn near_features(graph: &mut Graph, x: &Value) -> Value {
    let transposed = graph.transpose(x, &[0, 2, 1]);
    let two = graph.float(2.0);
    let product = graph.matrix_product(x, &transposed);
    let product = graph.multiply(&product, &two);
    let square = graph.multiply(&transposed, &transposed);
    let square = graph.sum(&square, 1, true);
    graph.subtract(&product, &square)
}

/// What the searches of all convolutions share.
struct Search {
    /// Whether two constituents may be joined: (n, constituents, constituents).
    allowed: Value,
    /// Neighbours to look for: as many as configured, or as there are places.
    neighbours: Value,
    no_edge: Value,
}

/// The edges of each constituent.
struct Edges {
    /// Where the other end is: (n, constituents, k).
    places: Value,
    /// Whether there is one, as 1 or 0: (n, constituents, k).
    real: Value,
    /// How many there are: (n, constituents, 1).
    degree: Value,
}

impl Search {
    fn new(graph: &mut Graph, config: &ParticleNetConfig, mask: &Mask, features: &Value) -> Self {
        let both = graph.and(&mask.column, &mask.row);
        let length = graph.length(features, 1);
        let places = graph.range(&length);
        let [down, across] = [1, 0].map(|axis| graph.unsqueeze(&places, axis));
        let same = graph.equal(&down, &across);
        let mut apart = graph.not(&same);
        if !config.phantom_neighbours {
            // A lone constituent has itself.
            let (count, one) = (mask.count(graph), graph.float(1.0));
            let alone = graph.equal(&count, &one);
            let with_itself = graph.and(&same, &alone);
            apart = graph.or(&apart, &with_itself);
        }
        let neighbours = graph.integers(&[config.neighbours as i64]);
        Self {
            allowed: graph.and(&both, &apart),
            neighbours: graph.least(&neighbours, &length),
            no_edge: graph.float(NO_EDGE),
        }
    }

    fn edges(&self, graph: &mut Graph, closeness: &Value) -> Edges {
        let closeness = graph.choose(&self.allowed, closeness, &self.no_edge);
        let [best, places] = graph.largest(&closeness, &self.neighbours);
        let real = graph.less(&self.no_edge, &best);
        let real = graph.cast(&real, Type::Float);
        let degree = graph.sum(&real, 2, true);
        Edges { places, real, degree }
    }
}

fn edge_conv(
    graph: &mut Graph,
    weights: &Weights,
    config: &ParticleNetConfig,
    name: &str,
    x: &Value,
    edges: &Edges,
) -> Result<Value, Error> {
    let first = weights.take(&format!("{name}.first"))?;
    let (inputs, width) = (first.shape[0] / 2, first.shape[1]);
    let (own, difference) = first.values.split_at(inputs * width);
    // x_i W_1 + (x_j - x_i) W_2 = x_i (W_1 - W_2) + x_j W_2, and the first norm is in both.
    let own: Vec<f32> = own.iter().zip(difference).map(|(own, difference)| own - difference).collect();
    let Affine { scale, shift } = weights.batch_norm(&format!("{name}.norms.0"))?;
    let own = graph.product(x, &[inputs, width], &scaled(&own, &scale), &shift);
    let own = graph.unsqueeze(&own, 2);
    let other = graph.floats(&[inputs, width], &scaled(difference, &scale));
    let other = graph.matrix_product(x, &other);
    let gathered = graph.rows_at(&other, &edges.places);
    let mut edge = graph.add(&own, &gathered);
    let (share, divisor) = if config.phantom_neighbours {
        // One more edge for all neighbours that are missing, to a constituent of zeros.
        edge = graph.concatenate(&[&edge, &own], 2);
        let neighbours = graph.float(config.neighbours as f32);
        let missing = graph.subtract(&neighbours, &edges.degree);
        (graph.concatenate(&[&edges.real, &missing], 2), neighbours)
    } else {
        let one = graph.float(1.0);
        (edges.real.clone(), graph.greatest(&edges.degree, &one))
    };
    edge = graph.rectify(&edge);
    for index in 1.. {
        let layer = format!("{name}.layers.{}", index - 1);
        if !weights.has(&format!("{layer}.weight")) {
            break;
        }
        let next = graph.dense_norm(&edge, weights, [&layer, &format!("{name}.norms.{index}")])?;
        edge = graph.rectify(&next);
    }
    // The mean over edges as a product of (1, k) and (k, channels) for each constituent.
    let share = graph.divide(&share, &divisor);
    let share = graph.unsqueeze(&share, 2);
    let mean = graph.matrix_product(&share, &edge);
    let mean = graph.squeeze(&mean, 2);

    let shortcut = if weights.has(&format!("{name}.shortcut.weight")) {
        graph.dense_norm(x, weights, [&format!("{name}.shortcut"), &format!("{name}.shortcut_norm")])?
    } else {
        x.clone()
    };
    let sum = graph.add(&mean, &shortcut);
    Ok(graph.rectify(&sum))
}
