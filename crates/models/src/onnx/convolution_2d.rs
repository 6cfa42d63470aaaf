//! Two-dimensional convolutions as a graph.

use super::{Graph, Inputs, ToGraph, Value, Weights};
use crate::Convolution2dConfig;
use crate::Error;

impl ToGraph for Convolution2dConfig {
    fn to_graph(&self, graph: &mut Graph, weights: &Weights, inputs: &Inputs) -> Result<Value, Error> {
        let mut x = inputs.group("images")?.clone();
        let [mut height, mut width] = inputs.pixels;
        for (stage, layers) in self.stages.iter().enumerate() {
            if stage > 0 {
                x = graph.means_of_squares(&x, [height, width]);
                [height, width] = [height.div_ceil(2), width.div_ceil(2)];
            }
            for index in 0..layers.len() {
                let [layer, norm] = ["layers", "norms"].map(|part| format!("stages.{stage}.{part}.{index}"));
                x = graph.convolution_norm(&x, weights, [&layer, &norm], &[self.kernel; 2])?;
            }
        }
        let mean = graph.mean_of_places(&x);
        let mean = graph.reshape(&mean, &[0, -1]);
        let x = inputs.with_globals(graph, mean);
        graph.head(x, weights, "head")
    }
}
