//! The particle flow network as a graph.

use super::{Graph, Inputs, ToGraph, Value, Weights};
use crate::Error;
use crate::ParticleFlowNetworkConfig;

impl ToGraph for ParticleFlowNetworkConfig {
    fn to_graph(&self, graph: &mut Graph, weights: &Weights, inputs: &Inputs) -> Result<Value, Error> {
        let x = graph.chain(inputs.group("features")?.clone(), weights, "phi")?;
        let sum = inputs.mask()?.sum(graph, &x);
        graph.head(sum, weights, "head")
    }
}
