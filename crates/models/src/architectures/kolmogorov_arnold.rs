//! Kolmogorov-Arnold network: Z. Liu et al., arXiv:2404.19756.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::silu;
use serde::{Deserialize, Serialize};

use super::{Configuration, Forward};
use crate::config::{at_most, positive, widths};
use crate::fused::Activation;
use crate::fused::spline::{Grid, HIGHEST_DEGREE, basis};
use crate::layers::{Dense, Initialiser, Pass};
use crate::{Error, Inputs, Need, Reads, Shape};

/// Sizes of a Kolmogorov-Arnold network (arXiv:2404.19756).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KolmogorovArnoldConfig {
    /// Nodes of each layer between the inputs and the outputs.
    pub hidden: Vec<usize>,
    /// Cells of the splines' grid.
    pub grid: usize,
    /// Degree of the splines.
    pub degree: usize,
    /// The grid reaches from `-range` to `range`, in units of the standardised inputs. Beyond it the splines are zero, and
    /// the basis function `silu` is what is left. The grid does not move in training.
    pub range: f64,
}

impl Default for KolmogorovArnoldConfig {
    fn default() -> Self {
        Self { hidden: vec![32], grid: 8, degree: 3, range: 4.0 }
    }
}

impl Configuration for KolmogorovArnoldConfig {
    type Module = KolmogorovArnold;

    fn reads(&self) -> Reads {
        Reads { globals: Need::Yes, ..Reads::default() }
    }

    fn check(&self, _: &Shape) -> Result<(), String> {
        widths("hidden", &self.hidden, 0)?;
        at_most("grid", self.grid, 1)?;
        if self.degree > HIGHEST_DEGREE {
            return Err(format!("degree must lie between 0 and {HIGHEST_DEGREE}, not {}", self.degree));
        }
        positive("range", self.range)
    }

    fn build(&self, shape: &Shape, start: &mut Initialiser) -> KolmogorovArnold {
        let functions = self.grid + self.degree;
        let (mut layers, mut from) = (Vec::new(), shape.globals);
        for &to in self.hidden.iter().chain([&shape.outputs]) {
            // The splines start small, so that the network starts as its smooth basis functions.
            let bound = 0.1 / (from.max(1) as f32).sqrt();
            let splines = Dense::uniform(from.saturating_mul(functions), to, bound, start);
            layers.push(Layer { base: Dense::new(from, to, true, start), splines });
            from = to;
        }
        KolmogorovArnold { layers, grid: self.grid, degree: self.degree, range: self.range }
    }
}

/// Layers in which each edge has a function of its own and nodes add up: `w silu(x) + sum_k c_k B_k(x)` on each edge, and a
/// constant on each node. The paper's factor before the splines is in their coefficients.
#[derive(Module, Debug)]
pub(crate) struct KolmogorovArnold {
    layers: Vec<Layer>,
    grid: usize,
    degree: usize,
    range: f64,
}

#[derive(Module, Debug)]
struct Layer {
    base: Dense,
    /// (inputs x functions, outputs)
    splines: Dense,
}

impl Forward for KolmogorovArnold {
    fn forward(&self, inputs: &Inputs, pass: &mut Pass) -> Result<Tensor<2>, Error> {
        let grid = Grid { cells: self.grid, degree: self.degree, range: self.range as f32 };
        let mut x = inputs.globals_tensor(&pass.device());
        for layer in &self.layers {
            let splines = layer.splines.forward(basis(x.clone(), grid)?, Activation::Identity)?;
            x = layer.base.forward(silu(x), Activation::Identity)? + splines;
        }
        Ok(x)
    }
}
