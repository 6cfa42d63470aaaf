//! Training steps: loss, gradients, clipping, and the optimisers.

mod average;
mod config;
mod gradient;
mod muon;
mod rules;
mod state;
#[cfg(test)]
mod tests;
mod update;

use std::collections::BTreeMap;

pub use average::WeightAverage;
pub use config::{OptimiserConfig, OptimiserKind};
pub use gradient::{BatchGradient, total_weight};

use crate::fused::kernel::with_precision;
use crate::layers::Pass;
use crate::{Error, Inputs, Network, Truth};
use state::Moments;
use update::Update;

/// Numbers that one task works on.
const CHUNK: usize = 16_384;

/// What a training step saw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// The loss of the batch before the step: the mean by weight, see [`Optimiser::step`].
    pub loss: f64,
    /// The sum of the absolute weights: what the loss was divided by.
    pub weight: f64,
    /// The norm of the gradients of all parameters that move, before clipping.
    pub gradient_norm: f64,
}

/// An optimiser in one pass over the parameters, with a state that can be saved.
///
/// ```
/// use fiducial_models::{Inputs, ModelConfig, Network, Optimiser, OptimiserConfig, PaddedGroups};
/// let config = ModelConfig::from_toml("kind = \"particle-flow-network\"")?.with_shape(1, 2)?;
/// let mut network = Network::new(&config, 1)?;
/// let mut optimiser = Optimiser::new(OptimiserConfig::default());
/// let groups = PaddedGroups { jets: 2, length: 2, features: &[1.0, 2.0, -1.0, -2.0], ..Default::default() };
/// let inputs = Inputs::pack(&groups)?;
/// let first = optimiser.step(&mut network, &inputs, &[1, 0], &[1.0, 1.0], 1e-3)?;
/// let second = optimiser.step(&mut network, &inputs, &[1, 0], &[1.0, 1.0], 1e-3)?;
/// assert!(second.loss < first.loss);
/// # Ok::<(), fiducial_models::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Optimiser {
    config: OptimiserConfig,
    steps: u64,
    /// By the name of the parameter.
    state: BTreeMap<String, Moments>,
}

impl Optimiser {
    /// An optimiser that has made no step.
    pub fn new(config: OptimiserConfig) -> Self {
        Self { config, steps: 0, state: BTreeMap::new() }
    }

    /// What it was made with.
    pub fn config(&self) -> &OptimiserConfig {
        &self.config
    }

    /// Steps made.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// One step on one batch of a classification; [`Optimiser::gradient`] and [`Optimiser::apply`] make one of anything.
    ///
    /// The loss is `sum_i w_i l_i / sum_i |w_i|` with the loss `l_i` of jet `i`; weights may be zero or negative.
    /// A batch without weight has loss 0 and moves nothing but by momentum.
    ///
    /// # Errors
    /// Inputs, labels or weights that do not fit; a loss or gradient that is not finite. The network then is as it was.
    pub fn step(
        &mut self,
        network: &mut Network,
        inputs: &Inputs,
        labels: &[u32],
        weights: &[f32],
        learning_rate: f64,
    ) -> Result<StepReport, Error> {
        let truth = Truth { labels, weights, ..Truth::default() };
        let gradient = self.gradient(network, inputs, &truth, (0, 1))?;
        self.apply(network, gradient, learning_rate)
    }

    /// The gradient of the next step on part `part.0`, from 0, of the `part.1` parts that its batch is cut into.
    ///
    /// # Errors
    /// As [`Optimiser::step`].
    pub fn gradient(
        &self,
        network: &Network,
        inputs: &Inputs,
        truth: &Truth<'_>,
        part: (u64, u64),
    ) -> Result<BatchGradient, Error> {
        let pass = Pass::training(self.config.seed, self.steps * part.1 + part.0);
        let precision = self.config.precision;
        precision.check(network.device())?;
        with_precision(precision, || BatchGradient::compute(network, inputs, truth, &self.config.loss, pass))
    }

    /// Makes a step along the gradient of a whole batch.
    ///
    /// # Errors
    /// A gradient that is not finite, or not of this network. The network then is as it was.
    pub fn apply(
        &mut self,
        network: &mut Network,
        gradient: BatchGradient,
        learning_rate: f64,
    ) -> Result<StepReport, Error> {
        let norm = gradient.norm(|name| self.config.rate_factor(name) != 0.0);
        if !norm.is_finite() {
            return Err(Error::NotFinite { what: "gradient norm", value: norm });
        }
        let shapes = network.parameter_shapes();
        for (name, values) in &gradient.values {
            let size = shapes.get(name).map(|shape| shape.iter().product());
            if size != Some(values.len()) {
                let reason =
                    format!("the gradient of {name} has {} values, the network {size:?}", values.len());
                return Err(Error::Inputs(reason));
            }
        }
        let BatchGradient { loss, weight, values, moments } = gradient;
        let mut update = Update {
            path: Vec::new(),
            directions: BTreeMap::new(),
            gradients: values,
            model: network.config().clone(),
            config: &self.config,
            state: &mut self.state,
            step: self.steps + 1,
            learning_rate,
            clip: self.config.gradient_clip.map_or(1.0, |largest| (largest / norm).min(1.0)),
        };
        update.orthogonalise(&shapes);
        network.architecture = network.architecture.clone().map(&mut update);
        self.steps += 1;
        network.absorb(&moments)?;
        Ok(StepReport { loss, weight, gradient_norm: norm })
    }
}
