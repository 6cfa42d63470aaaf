//! Perceptrons on what is known of a jet as a whole, plain and parametrised (P. Baldi, K. Cranmer, T. Faucett, P. Sadowski,
//! D. Whiteson, Eur. Phys. J. C 76 (2016) 235, arXiv:1601.07913).

use burn::module::Module;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{Configuration, Forward};
use crate::config::{probability, widths};
use crate::layers::{Head, Initialiser, Pass};
use crate::{Error, Inputs, Need, Reads, Shape};

/// Sizes of a perceptron.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PerceptronConfig {
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// Dropout after each hidden layer.
    pub dropout: f64,
}

impl Default for PerceptronConfig {
    fn default() -> Self {
        Self { hidden: vec![128, 128], dropout: 0.0 }
    }
}

impl Configuration for PerceptronConfig {
    type Module = Perceptron;

    fn reads(&self) -> Reads {
        Reads { globals: Need::Yes, ..Reads::default() }
    }

    fn check(&self, _: &Shape) -> Result<(), String> {
        widths("hidden", &self.hidden, 0)?;
        probability("dropout", self.dropout)
    }

    fn build(&self, shape: &Shape, start: &mut Initialiser) -> Perceptron {
        Perceptron { layers: Head::new(shape.globals, &self.hidden, shape.outputs, self.dropout, start) }
    }
}

/// Linear layers with ReLU between them.
#[derive(Module, Debug)]
pub(crate) struct Perceptron {
    layers: Head,
}

impl Forward for Perceptron {
    fn forward(&self, inputs: &Inputs, pass: &mut Pass) -> Result<Tensor<2>, Error> {
        self.layers.forward(inputs.globals_tensor(&pass.device()), pass)
    }
}

/// Sizes of a parametrised perceptron (arXiv:1601.07913).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ParametrisedPerceptronConfig {
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// Dropout after each hidden layer.
    pub dropout: f64,
}

impl Default for ParametrisedPerceptronConfig {
    fn default() -> Self {
        Self { hidden: vec![128, 128], dropout: 0.0 }
    }
}

impl Configuration for ParametrisedPerceptronConfig {
    type Module = ParametrisedPerceptron;

    fn reads(&self) -> Reads {
        Reads { globals: Need::Yes, parameters: true, ..Reads::default() }
    }

    fn check(&self, _: &Shape) -> Result<(), String> {
        widths("hidden", &self.hidden, 0)?;
        probability("dropout", self.dropout)
    }

    fn build(&self, shape: &Shape, start: &mut Initialiser) -> ParametrisedPerceptron {
        let inputs = shape.globals + shape.parameters;
        ParametrisedPerceptron { layers: Head::new(inputs, &self.hidden, shape.outputs, self.dropout, start) }
    }
}

/// A perceptron on the features and the parameters together: one network for all of a family of hypotheses.
#[derive(Module, Debug)]
pub(crate) struct ParametrisedPerceptron {
    layers: Head,
}

impl Forward for ParametrisedPerceptron {
    fn forward(&self, inputs: &Inputs, pass: &mut Pass) -> Result<Tensor<2>, Error> {
        let device = pass.device();
        let x = Tensor::cat(vec![inputs.globals_tensor(&device), inputs.parameters_tensor(&device)], 1);
        self.layers.forward(x, pass)
    }
}
