//! One-dimensional convolutions as a graph: `TopK` sorts, and padding is set to the zeros that lie beyond the end of a jet.

use super::{Graph, Inputs, ToGraph, Value, Weights};
use crate::Convolution1dConfig;
use crate::Error;

impl ToGraph for Convolution1dConfig {
    fn to_graph(&self, graph: &mut Graph, weights: &Weights, inputs: &Inputs) -> Result<Value, Error> {
        let (sorted, mask) = inputs.hardest_first(graph, inputs.group("features")?)?;
        // Channels first.
        let mut x = graph.transpose(&sorted, &[0, 2, 1]);
        for index in 0..self.channels.len() {
            let [layer, norm] = ["layers", "norms"].map(|part| format!("{part}.{index}"));
            let seen = graph.convolution_norm(&x, weights, [&layer, &norm], &[self.kernel])?;
            x = graph.without_padding(&seen, &mask.row);
        }
        let x = graph.transpose(&x, &[0, 2, 1]);
        let mean = mask.mean(graph, &x);
        let x = inputs.with_globals(graph, mean);
        graph.head(x, weights, "head")
    }
}
