//! The particle flow network as a graph.

use super::graph::{Graph, Value};
use super::layers::{Inputs, Weights};
use crate::Error;

/// Scores before the softmax, (n, classes).
pub(super) fn export(graph: &mut Graph, weights: &Weights, inputs: &Inputs) -> Result<Value, Error> {
    let mut x = inputs.features.clone();
    for layer in (0..).map(|index| format!("phi.{index}")) {
        if !weights.has(&format!("{layer}.weight")) {
            break;
        }
        let hidden = graph.dense(&x, weights, &layer)?;
        x = graph.rectify(&hidden);
    }
    let x = graph.without_padding(&x, &inputs.column);
    let sum = graph.sum(&x, 1, false);
    graph.head(sum, weights, "head")
}
