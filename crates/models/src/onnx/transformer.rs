//! The plain transformer as a graph.

use super::layers::with_tokens;
use super::{Graph, Inputs, ToGraph, Value, Weights};
use crate::layers::RootMeanSquareNorm;
use crate::{BlockActivation, Error, Norm, Pooling, TransformerConfig};

impl ToGraph for TransformerConfig {
    fn to_graph(&self, graph: &mut Graph, weights: &Weights, inputs: &Inputs) -> Result<Value, Error> {
        let mut x = inputs.group("features")?.clone();
        for index in 0..self.embed.len() {
            x = graph.dense(&x, weights, &format!("embed.{index}"))?;
            if index + 1 < self.embed.len() {
                x = graph.gelu(&x);
            }
        }
        let mask = inputs.mask()?;
        let mut bias = mask.bias(graph);
        let has_token = self.pooling == Pooling::ClassToken;
        if has_token {
            let token = graph.for_each_jet(&weights.take("class_token")?.values, &x);
            x = graph.concatenate(&[&token, &x], 1);
            bias = with_tokens(graph, &bias, 1);
        }
        for index in 0..self.blocks {
            x = self.block(graph, weights, &format!("blocks.{index}"), &x, &bias)?;
        }
        let x = if has_token {
            let token = graph.slice(&x, 1, 0, 1);
            let token = graph.squeeze(&token, 1);
            self.norm(graph, weights, "norm", &token)?
        } else {
            let x = self.norm(graph, weights, "norm", &x)?;
            mask.mean(graph, &x)
        };
        let x = inputs.with_globals(graph, x);
        graph.head(x, weights, "head")
    }
}

impl TransformerConfig {
    fn norm(&self, graph: &mut Graph, weights: &Weights, name: &str, x: &Value) -> Result<Value, Error> {
        match self.norm {
            Norm::Layer => graph.named_layer_norm(x, weights, &format!("{name}.Layer")),
            Norm::RootMeanSquare => {
                let gain = &weights.take(&format!("{name}.RootMeanSquare.weight"))?.values;
                let [channels, epsilon] =
                    [gain.len() as f32, RootMeanSquareNorm::EPSILON as f32].map(|value| graph.float(value));
                let gain = graph.floats(&[gain.len()], gain);
                let square = graph.multiply(x, x);
                let sum = graph.sum(&square, -1, true);
                let mean = graph.divide(&sum, &channels);
                let mean = graph.add(&mean, &epsilon);
                let root = graph.root(&mean);
                let x = graph.divide(x, &root);
                Ok(graph.multiply(&x, &gain))
            }
        }
    }

    /// `x + attention(norm(x))`, then `x + perceptron(norm(x))`.
    fn block(
        &self,
        graph: &mut Graph,
        weights: &Weights,
        name: &str,
        residual: &Value,
        bias: &Value,
    ) -> Result<Value, Error> {
        let part = |part: &str| format!("{name}.{part}");
        let x = self.norm(graph, weights, &part("attention_norm"), residual)?;
        let [q, k, v] = ["query", "key", "value"].map(|layer| graph.dense(&x, weights, &part(layer)));
        let width = weights.take(&part("mix.weight"))?.shape[0];
        let x = graph.attention([&q?, &k?, &v?], self.heads, width, bias);
        let x = graph.dense(&x, weights, &part("mix"))?;
        let residual = graph.add(&x, residual);

        let x = self.norm(graph, weights, &part("hidden_norm"), &residual)?;
        let hidden = graph.dense(&x, weights, &part("hidden"))?;
        let hidden = match self.activation {
            BlockActivation::Gelu => graph.gelu(&hidden),
            BlockActivation::Swiglu => {
                let gate = graph.dense(&x, weights, &part("gate"))?;
                let gate = graph.silu(&gate);
                graph.multiply(&gate, &hidden)
            }
        };
        let x = graph.dense(&hidden, weights, &part("output"))?;
        Ok(graph.add(&x, &residual))
    }
}
