//! Perceptrons as graphs.

use super::{Graph, Inputs, ToGraph, Value, Weights};
use crate::{Error, ParametrisedPerceptronConfig, PerceptronConfig};

impl ToGraph for PerceptronConfig {
    fn to_graph(&self, graph: &mut Graph, weights: &Weights, inputs: &Inputs) -> Result<Value, Error> {
        graph.head(inputs.group("globals")?.clone(), weights, "layers")
    }
}

impl ToGraph for ParametrisedPerceptronConfig {
    fn to_graph(&self, graph: &mut Graph, weights: &Weights, inputs: &Inputs) -> Result<Value, Error> {
        let both = graph.concatenate(&[inputs.group("globals")?, inputs.group("parameters")?], -1);
        graph.head(both, weights, "layers")
    }
}
