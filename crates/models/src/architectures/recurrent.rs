//! Recurrent networks over constituents in the order of their transverse momentum: long short-term memory (S. Hochreiter,
//! J. Schmidhuber, Neural Comput. 9 (1997) 1735) and gated recurrent units (K. Cho et al., arXiv:1406.1078).

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::{sigmoid, tanh};
use serde::{Deserialize, Serialize};

use super::{Configuration, Forward};
use crate::config::{at_most, probability, widths};
use crate::fused::gather::{Rows, ZEROS, gather};
use crate::fused::{Activation, from_values};
use crate::layers::{Dense, Head, Initialiser, Pass};
use crate::{Error, Inputs, Need, Reads, Shape};

/// Sizes of a recurrent network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecurrentConfig {
    /// What is repeated.
    pub cell: Cell,
    /// Width of the state of each layer; the second layer reads the states of the first, and so on.
    pub layers: Vec<usize>,
    /// Widths of the layers after the last state.
    pub head: Vec<usize>,
    /// Dropout after each layer of the head.
    pub dropout: f64,
}

/// What a recurrent network repeats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cell {
    /// A gated recurrent unit.
    #[default]
    Gru,
    /// Long short-term memory.
    Lstm,
}

impl Default for RecurrentConfig {
    fn default() -> Self {
        Self { cell: Cell::default(), layers: vec![64], head: vec![64], dropout: 0.0 }
    }
}

impl Configuration for RecurrentConfig {
    type Module = Recurrent;

    fn reads(&self) -> Reads {
        Reads { features: true, vectors: true, globals: Need::IfThere, ..Reads::default() }
    }

    fn check(&self, _: &Shape) -> Result<(), String> {
        at_most("the number of layers", self.layers.len(), 1)?;
        widths("layers", &self.layers, 1)?;
        widths("head", &self.head, 0)?;
        probability("dropout", self.dropout)
    }

    fn build(&self, shape: &Shape, start: &mut Initialiser) -> Recurrent {
        let is_long = self.cell == Cell::Lstm;
        let gates = if is_long { 4 } else { 3 };
        let (mut layers, mut from) = (Vec::new(), shape.features);
        for &width in &self.layers {
            let bound = 1.0 / (width.max(1) as f32).sqrt();
            let input = Dense::uniform_with_bias(from, gates * width, bound, start);
            let state = Dense::uniform_with_bias(width, gates * width, bound, start);
            layers.push(Layer { input, state, width });
            from = width;
        }
        let head = Head::new(from + shape.globals, &self.head, shape.outputs, self.dropout, start);
        Recurrent { layers, head, is_long }
    }
}

/// Layers of cells, and a head on the state after the softest constituent. A jet without constituents keeps the state 0.
#[derive(Module, Debug)]
pub(crate) struct Recurrent {
    layers: Vec<Layer>,
    head: Head,
    is_long: bool,
}

/// The gates of a cell beside each other, in PyTorch's order: reset, update, new; or input, forget, new, output.
#[derive(Module, Debug)]
struct Layer {
    /// (inputs, gates x width)
    input: Dense,
    /// (width, gates x width)
    state: Dense,
    width: usize,
}

/// One constituent of each jet: its row, and 1 where there is one.
struct Step {
    rows: Rows,
    there: Tensor<2>,
}

impl Layer {
    /// The state of each jet after each step, from the rows of all constituents.
    fn states(
        &self,
        x: Tensor<2>,
        steps: &[Step],
        jets: usize,
        is_long: bool,
    ) -> Result<Vec<Tensor<2>>, Error> {
        let device = x.device();
        let all = self.input.forward(x, Activation::Identity)?;
        let mut hidden = from_values(vec![0.0; jets * self.width], [jets, self.width], &device);
        let mut memory = hidden.clone();
        let mut states = Vec::with_capacity(steps.len());
        for step in steps {
            let input = gather(all.clone(), &step.rows)?;
            let state = self.state.forward(hidden.clone(), Activation::Identity)?;
            let gate = |x: &Tensor<2>, index: usize| x.clone().narrow(1, index * self.width, self.width);
            let next = if is_long {
                let gates = input + state;
                let new = sigmoid(gate(&gates, 0)) * tanh(gate(&gates, 2));
                let next = sigmoid(gate(&gates, 1)) * memory.clone() + new;
                memory = memory.clone() + (next.clone() - memory) * step.there.clone();
                sigmoid(gate(&gates, 3)) * tanh(next)
            } else {
                let reset = sigmoid(gate(&input, 0) + gate(&state, 0));
                let update = sigmoid(gate(&input, 1) + gate(&state, 1));
                let new = tanh(gate(&input, 2) + reset * gate(&state, 2));
                new.clone() + update * (hidden.clone() - new)
            };
            hidden = hidden.clone() + (next - hidden) * step.there.clone();
            states.push(hidden.clone());
        }
        Ok(states)
    }
}

impl Forward for Recurrent {
    fn forward(&self, inputs: &Inputs, pass: &mut Pass) -> Result<Tensor<2>, Error> {
        let device = pass.device();
        let jets = inputs.jets();
        let mut x = gather(inputs.features_tensor(&device), &Arc::new(inputs.hardest_first()))?;
        let longest = inputs.offsets.windows(2).map(|jet| jet[1] - jet[0]).max().unwrap_or(0);
        let steps: Vec<Step> = (0..longest)
            .map(|step| {
                let rows = inputs.offsets.windows(2).map(|jet| {
                    let row = jet[0] + step;
                    if row < jet[1] { row as u32 } else { ZEROS }
                });
                let rows: Vec<u32> = rows.collect();
                let there = rows.iter().map(|&row| if row == ZEROS { 0.0 } else { 1.0 }).collect();
                Step { there: from_values(there, [jets, 1], &device), rows: Arc::new(rows) }
            })
            .collect();
        let mut last = None;
        for (index, layer) in self.layers.iter().enumerate() {
            let states = layer.states(x.clone(), &steps, jets, self.is_long)?;
            last = states.last().cloned();
            if index + 1 < self.layers.len() && !states.is_empty() {
                // From step by step back to jet by jet.
                let places = inputs.offsets.windows(2).enumerate().flat_map(|(jet, ends)| {
                    (0..ends[1] - ends[0]).map(move |step| (step * jets + jet) as u32)
                });
                x = gather(Tensor::cat(states, 0), &Arc::new(places.collect()))?;
            }
        }
        let width = self.layers.last().map_or(0, |layer| layer.width);
        let last = last.unwrap_or_else(|| from_values(vec![0.0; jets * width], [jets, width], &device));
        self.head.forward(inputs.with_globals(last), pass)
    }
}
