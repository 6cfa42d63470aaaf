//! Recurrent networks as graphs, by the operators `GRU` and `LSTM`: each jet ends after its own number of steps.

use super::proto::Type;
use super::{Graph, Inputs, ToGraph, Value, Weights};
use crate::{Cell, Error, RecurrentConfig};

impl ToGraph for RecurrentConfig {
    fn to_graph(&self, graph: &mut Graph, weights: &Weights, inputs: &Inputs) -> Result<Value, Error> {
        let (sorted, mask) = inputs.hardest_first(graph, inputs.group("features")?)?;
        let count = mask.count(graph);
        let count = graph.squeeze(&count, 2);
        // A jet without constituents takes one step, whose state is dropped: runtimes need not know of none.
        let one = graph.float(1.0);
        let steps = graph.greatest(&count, &one);
        let steps = graph.squeeze(&steps, 1);
        let steps = graph.cast(&steps, Type::ShortInteger);
        let kept = graph.least(&count, &one);

        let mut x = graph.transpose(&sorted, &[1, 0, 2]);
        let mut last = x.clone();
        for (index, &width) in self.layers.iter().enumerate() {
            let numbers = Numbers::new(weights, self.cell, &format!("layers.{index}"))?;
            let [input, state, bias] = numbers.in_order(width);
            let (from, gates) = (numbers.input.shape[0], numbers.order.len());
            let input = graph.floats(&[1, gates * width, from], &input);
            let state = graph.floats(&[1, gates * width, width], &state);
            let bias = graph.floats(&[1, 2 * gates * width], &bias);
            let all = [&x, &input, &state, &bias, &steps];
            let [states, end] = match self.cell {
                Cell::Gru => graph.gated_units(all, width),
                Cell::Lstm => graph.long_memory(all, width),
            };
            x = graph.squeeze(&states, 1);
            last = graph.squeeze(&end, 0);
        }
        let last = graph.multiply(&last, &kept);
        let x = inputs.with_globals(graph, last);
        graph.head(x, weights, "head")
    }
}

/// The weights of a layer, whose gates lie beside each other.
struct Numbers<'a> {
    /// (inputs, gates x width)
    input: &'a crate::network::Parameter,
    /// (width, gates x width)
    state: &'a crate::network::Parameter,
    /// Of the input and of the state, (gates x width) each.
    biases: [&'a [f32]; 2],
    /// Our place of each gate in the operator's order.
    order: &'static [usize],
}

impl<'a> Numbers<'a> {
    fn new(weights: &'a Weights, cell: Cell, name: &str) -> Result<Self, Error> {
        let take = |part: &str| weights.take(&format!("{name}.{part}"));
        Ok(Self {
            input: take("input.weight")?,
            state: take("state.weight")?,
            biases: [&take("input.bias")?.values, &take("state.bias")?.values],
            order: match cell {
                // Update, reset, new; ours are reset, update, new.
                Cell::Gru => &[1, 0, 2],
                // Input, output, forget, new; ours are input, forget, new, output.
                Cell::Lstm => &[0, 3, 1, 2],
            },
        })
    }

    /// Both weights as (gates x width, inputs), and both biases after each other.
    fn in_order(&self, width: usize) -> [Vec<f32>; 3] {
        let columns = || self.order.iter().flat_map(|gate| gate * width..(gate + 1) * width);
        let turned = |weight: &crate::network::Parameter| -> Vec<f32> {
            let outputs = weight.shape[1];
            let column = |column: usize| weight.values.iter().skip(column).step_by(outputs).copied();
            columns().flat_map(column).collect()
        };
        let biases = self.biases.iter().flat_map(|bias| columns().map(|column| bias[column]));
        [turned(self.input), turned(self.state), biases.collect()]
    }
}
