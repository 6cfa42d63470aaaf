//! LorentzNet as a graph: messages of all pairs of places, of which those of real pairs are summed.

use super::layers::{Affine, Mask, scaled};
use super::proto::Type;
use super::{Graph, Inputs, ToGraph, Value, Weights, minkowski};
use crate::Error;
use crate::LorentzNetConfig;

impl ToGraph for LorentzNetConfig {
    fn to_graph(&self, graph: &mut Graph, weights: &Weights, inputs: &Inputs) -> Result<Value, Error> {
        let mask = inputs.mask()?;
        let vectors = minkowski::in_units(graph, inputs.group("vectors")?, self.unit);
        let mut h = minkowski::masses(graph, &vectors);
        if self.scalars {
            h = graph.concatenate(&[&h, inputs.group("features")?], -1);
        }
        h = graph.dense(&h, weights, "embed")?;
        let vectors = minkowski::at_rest(graph, &vectors, &vectors);
        let mut x = graph.cast(&vectors, Type::Float);
        let pairs = pairs(graph, mask, &x);
        for index in 0..self.blocks {
            let name = format!("blocks.{index}");
            let messages = messages(graph, weights, &name, &h, &x)?;
            h = receive(graph, weights, &name, &h, &messages, &pairs)?;
            if index + 1 < self.blocks {
                x = self.moved(graph, weights, &name, &x, &messages, &pairs)?;
            }
        }
        let mean = mask.mean(graph, &h);
        graph.head(mean, weights, "head")
    }
}

/// 1 for each pair of different real constituents, else 0: (n, constituents, constituents, 1).
fn pairs(graph: &mut Graph, mask: &Mask, vectors: &Value) -> Value {
    let both = graph.and(&mask.column, &mask.row);
    let length = graph.length(vectors, 1);
    let places = graph.range(&length);
    let [down, across] = [1, 0].map(|axis| graph.unsqueeze(&places, axis));
    let same = graph.equal(&down, &across);
    let apart = graph.not(&same);
    let pairs = graph.and(&both, &apart);
    let pairs = graph.cast(&pairs, Type::Float);
    graph.unsqueeze(&pairs, 3)
}

/// `m_ij` of all pairs, (n, constituents, constituents, width). The norm after the first layer is in its weights.
fn messages(graph: &mut Graph, weights: &Weights, name: &str, h: &Value, x: &Value) -> Result<Value, Error> {
    let Affine { scale, shift } = weights.batch_norm(&format!("{name}.edge_norm"))?;
    let part = |graph: &mut Graph, layer: &str, input: &Value| -> Result<Value, Error> {
        let weight = weights.take(&format!("{name}.{layer}.weight"))?;
        let weight = graph.floats(&weight.shape, &scaled(&weight.values, &scale));
        Ok(graph.matrix_product(input, &weight))
    };
    let first = part(graph, "edge_first", h)?;
    let second = part(graph, "edge_second", h)?;
    let of_pairs = minkowski::invariants(graph, x);
    let of_pairs = part(graph, "edge_invariants", &of_pairs)?;
    let shift = graph.floats(&[shift.len()], &shift);
    let first = graph.add(&first, &shift);
    let [first, second] = [(&first, 2), (&second, 1)].map(|(part, axis)| graph.unsqueeze(part, axis));
    let message = graph.add(&of_pairs, &first);
    let message = graph.add(&message, &second);
    let message = graph.rectify(&message);
    let message = graph.dense(&message, weights, &format!("{name}.edge_output"))?;
    Ok(graph.rectify(&message))
}

/// `h_i + phi_h(h_i, sum_j w_ij m_ij)`.
fn receive(
    graph: &mut Graph,
    weights: &Weights,
    name: &str,
    h: &Value,
    messages: &Value,
    pairs: &Value,
) -> Result<Value, Error> {
    let part = |part: &str| format!("{name}.{part}");
    let weight = graph.dense(messages, weights, &part("weight"))?;
    let weight = graph.sigmoid(&weight);
    let weight = graph.multiply(&weight, pairs);
    let weighted = graph.multiply(messages, &weight);
    let received = graph.sum(&weighted, 2, false);
    let both = graph.concatenate(&[h, &received], -1);
    let node = graph.dense_norm(&both, weights, [&part("node"), &part("node_norm")])?;
    let node = graph.rectify(&node);
    let added = graph.dense(&node, weights, &part("node_output"))?;
    Ok(graph.add(h, &added))
}

impl LorentzNetConfig {
    /// `x_i + c sum_j phi_x(m_ij) x_j`.
    fn moved(
        &self,
        graph: &mut Graph,
        weights: &Weights,
        name: &str,
        x: &Value,
        messages: &Value,
        pairs: &Value,
    ) -> Result<Value, Error> {
        let share = graph.dense(messages, weights, &format!("{name}.vector"))?;
        let share = graph.rectify(&share);
        let share = graph.dense(&share, weights, &format!("{name}.vector_output"))?;
        let share = graph.multiply(&share, pairs);
        let share = graph.squeeze(&share, 3);
        let sum = graph.matrix_product(&share, x);
        let weight = graph.float(self.vector_weight as f32);
        let sum = graph.multiply(&sum, &weight);
        Ok(graph.add(x, &sum))
    }
}
