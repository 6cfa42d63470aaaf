//! The energy flow network as a graph: shares of transverse momentum in double precision, as in the network.

use super::layers::squared_transverse_momenta;
use super::proto::Type;
use super::{Graph, Inputs, ToGraph, Value, Weights};
use crate::EnergyFlowNetworkConfig;
use crate::Error;

impl ToGraph for EnergyFlowNetworkConfig {
    fn to_graph(&self, graph: &mut Graph, weights: &Weights, inputs: &Inputs) -> Result<Value, Error> {
        let x = graph.chain(inputs.group("points")?.clone(), weights, "phi")?;
        let squares = squared_transverse_momenta(graph, inputs.group("vectors")?);
        // Padding has the momentum 0.
        let momenta = graph.root(&squares);
        let sum = graph.sum(&momenta, 1, true);
        let [zero, one] = [0.0, 1.0].map(|value| graph.double(value));
        // Where the sum is 0, each momentum is, and so is its share.
        let nothing = graph.equal(&sum, &zero);
        let sum = graph.choose(&nothing, &one, &sum);
        let shares = graph.divide(&momenta, &sum);
        let shares = graph.cast(&shares, Type::Float);
        let x = graph.multiply(&x, &shares);
        let x = inputs.mask()?.sum(graph, &x);
        let x = inputs.with_globals(graph, x);
        graph.head(x, weights, "head")
    }
}
