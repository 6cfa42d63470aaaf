//! One training step: loss, gradients, clipping and AdamW.

use std::collections::BTreeMap;

use burn::module::{ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::fused::kernel::vectorised;
use crate::fused::{loss::loss, values};
use crate::layers::Pass;
use crate::network::replace;
use crate::weights::{StoredTensor, read_tensors, write_tensors};
use crate::{Error, Inputs, Loss, LossKind, Network, Truth};

/// What does not change from step to step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimiserConfig {
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of squared gradients.
    pub beta2: f64,
    /// Added to the root of the mean square.
    pub epsilon: f64,
    /// Decoupled weight decay; matrices decay, biases and the gains of norms do not.
    pub weight_decay: f64,
    /// Largest norm of all gradients together; larger ones are scaled down to it.
    pub gradient_clip: Option<f64>,
    /// Share of each target that is spread over all classes.
    pub label_smoothing: f64,
    /// Seed of dropout.
    pub seed: u64,
}

impl Default for OptimiserConfig {
    fn default() -> Self {
        Self {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.01,
            gradient_clip: None,
            label_smoothing: 0.0,
            seed: 0,
        }
    }
}

/// What a training step saw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// The loss of the batch before the step: the mean by weight, see [`Optimiser::step`].
    pub loss: f64,
    /// The sum of the absolute weights: what the loss was divided by.
    pub weight: f64,
    /// The norm of all gradients together, before clipping.
    pub gradient_norm: f64,
}

/// AdamW (I. Loshchilov, F. Hutter, arXiv:1711.05101), in one pass over the parameters, with a state that can be saved.
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
    /// Mean of gradients and mean of their squares, by the name of the parameter.
    state: BTreeMap<String, (Vec<f32>, Vec<f32>)>,
}

const STATE_KEY: &str = "fiducial-optimiser";

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

    /// One step on one batch.
    ///
    /// The loss is `sum_i w_i l_i / sum_i |w_i|` with the cross-entropy `l_i` of jet `i`; weights may be zero or negative.
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
        let mut pass = Pass::training(self.config.seed, self.steps);
        let (value, gradients) =
            gradients(network, inputs, labels, weights, self.config.label_smoothing, &mut pass)?;
        let norm = gradients.values().map(|gradient| square_sum(gradient)).sum::<f64>().sqrt();
        if !norm.is_finite() {
            return Err(Error::NotFinite { what: "gradient norm", value: norm });
        }
        let clip = self.config.gradient_clip.map_or(1.0, |largest| (largest / norm).min(1.0));
        self.steps += 1;
        let mut update = Update {
            path: Vec::new(),
            gradients,
            state: &mut self.state,
            rule: Rule::new(&self.config, self.steps, learning_rate, clip),
        };
        network.architecture = network.architecture.clone().map(&mut update);
        network.absorb(&pass)?;
        let weight = weights.iter().map(|&weight| f64::from(weight.abs())).sum();
        Ok(StepReport { loss: value, weight, gradient_norm: norm })
    }

    /// The state as safetensors bytes: `first.NAME` and `second.NAME` for each parameter, and the number of steps.
    ///
    /// # Errors
    /// None but those of the serialiser.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let mut tensors = BTreeMap::new();
        for (name, (first, second)) in &self.state {
            for (prefix, values) in [("first", first), ("second", second)] {
                let tensor = StoredTensor { shape: vec![values.len()], values: values.clone() };
                tensors.insert(format!("{prefix}.{name}"), tensor);
            }
        }
        let meta = Meta { format: 1, steps: self.steps };
        let meta = serde_json::to_string(&meta).map_err(|error| Error::Backend(error.to_string()))?;
        write_tensors(&tensors, STATE_KEY, meta)
    }

    /// An optimiser that goes on exactly where the one that wrote `bytes` was.
    ///
    /// # Errors
    /// Bytes that are not such a state, or the state for another network than `network`.
    pub fn from_bytes(config: OptimiserConfig, network: &Network, bytes: &[u8]) -> Result<Self, Error> {
        let what = "the optimiser's state";
        let wrong = |reason: String| Error::Weights { what: what.to_owned(), reason };
        let (mut tensors, meta) = read_tensors(what, bytes, STATE_KEY)?;
        let meta: Meta = serde_json::from_str(&meta).map_err(|error| wrong(error.to_string()))?;
        if meta.format != 1 {
            return Err(wrong(format!("format {} is not known here", meta.format)));
        }
        let mut optimiser = Self { config, steps: meta.steps, state: BTreeMap::new() };
        if meta.steps == 0 {
            return Ok(optimiser);
        }
        for (name, parameter) in network.named_parameters() {
            if !parameter.learned {
                continue;
            }
            let mut take = |prefix: &str| {
                let name = format!("{prefix}.{name}");
                let tensor = tensors.remove(&name).ok_or_else(|| wrong(format!("no tensor {name}")))?;
                if tensor.values.len() != parameter.values.len() {
                    let (got, expected) = (tensor.values.len(), parameter.values.len());
                    return Err(wrong(format!("tensor {name} has {got} values, the network {expected}")));
                }
                Ok(tensor.values)
            };
            let moments = (take("first")?, take("second")?);
            optimiser.state.insert(name, moments);
        }
        if let Some(name) = tensors.keys().next() {
            return Err(wrong(format!("tensor {name} is not one of this network")));
        }
        Ok(optimiser)
    }
}

/// The loss of a batch and its gradient by the name of the parameter.
fn gradients(
    network: &Network,
    inputs: &Inputs,
    labels: &[u32],
    weights: &[f32],
    label_smoothing: f64,
    pass: &mut Pass,
) -> Result<(f64, BTreeMap<String, Vec<f32>>), Error> {
    let logits = network.training_logits(inputs, pass)?;
    let kind = LossKind::CrossEntropy { label_smoothing };
    let truth = Truth { labels, weights, ..Truth::default() };
    let loss = loss(logits, &truth, &Loss { kind, decorrelation: None })?;
    let value = values(loss.clone())?.first().copied().map_or(f64::NAN, f64::from);
    if !value.is_finite() {
        return Err(Error::NotFinite { what: "loss", value });
    }
    let mut collect = Collect { path: Vec::new(), from: loss.backward(), found: BTreeMap::new() };
    network.visit(&mut collect);
    Ok((value, collect.found))
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Meta {
    format: u32,
    steps: u64,
}

/// Takes the gradients of all parameters out of the graph, by name.
struct Collect {
    path: Vec<String>,
    from: Gradients,
    found: BTreeMap<String, Vec<f32>>,
}

impl ModuleVisitor for Collect {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.is_require_grad()
            && let Some(gradient) = param.val().grad_remove(&mut self.from)
            && let Ok(gradient) = values(gradient)
        {
            self.found.insert(self.path.join("."), gradient);
        }
    }
}

/// Numbers that one task works on.
const CHUNK: usize = 16_384;

fn square_sum(values: &[f32]) -> f64 {
    let sums: Vec<f64> = values
        .par_chunks(CHUNK)
        .map(|chunk| chunk.iter().map(|&value| f64::from(value) * f64::from(value)).sum())
        .collect();
    sums.iter().sum()
}

/// The numbers of one step of AdamW.
#[derive(Clone, Copy)]
struct Rule {
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    clip: f32,
    /// Learning rate over the bias correction of the first moment.
    rate: f32,
    /// 1 / sqrt of the bias correction of the second moment.
    root: f32,
    decay: f32,
}

impl Rule {
    fn new(config: &OptimiserConfig, step: u64, learning_rate: f64, clip: f64) -> Self {
        let step = i32::try_from(step).unwrap_or(i32::MAX);
        Self {
            beta1: config.beta1 as f32,
            beta2: config.beta2 as f32,
            epsilon: config.epsilon as f32,
            clip: clip as f32,
            rate: (learning_rate / (1.0 - config.beta1.powi(step))) as f32,
            root: (1.0 / (1.0 - config.beta2.powi(step)).sqrt()) as f32,
            decay: (1.0 - learning_rate * config.weight_decay) as f32,
        }
    }

    #[inline(always)]
    fn apply(self, values: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32], decay: f32) {
        for (((value, gradient), first), second) in values.iter_mut().zip(gradient).zip(first).zip(second) {
            let gradient = gradient * self.clip;
            *first = self.beta1 * *first + (1.0 - self.beta1) * gradient;
            *second = self.beta2 * *second + (1.0 - self.beta2) * gradient * gradient;
            *value = *value * decay - self.rate * *first / (second.sqrt() * self.root + self.epsilon);
        }
    }
}

struct Update<'a> {
    path: Vec<String>,
    gradients: BTreeMap<String, Vec<f32>>,
    state: &'a mut BTreeMap<String, (Vec<f32>, Vec<f32>)>,
    rule: Rule,
}

impl ModuleMapper for Update<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if !param.is_require_grad() {
            return param;
        }
        let name = self.path.join(".");
        let Ok(mut numbers) = values(param.val()) else {
            return param;
        };
        // A parameter that the loss does not reach has the gradient zero, and its moments decay.
        let gradient = self.gradients.remove(&name).unwrap_or_else(|| vec![0.0; numbers.len()]);
        let (first, second) =
            self.state.entry(name).or_insert_with(|| (vec![0.0; numbers.len()], vec![0.0; numbers.len()]));
        let decay = if D > 1 { self.rule.decay } else { 1.0 };
        numbers
            .par_chunks_mut(CHUNK)
            .zip(gradient.par_chunks(CHUNK))
            .zip(first.par_chunks_mut(CHUNK))
            .zip(second.par_chunks_mut(CHUNK))
            .for_each(|(((numbers, gradient), first), second)| {
                vectorised(|| self.rule.apply(numbers, gradient, first, second, decay));
            });
        replace(param, numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ModelConfig, PaddedGroups};

    fn wave(number: usize, phase: f32) -> Vec<f32> {
        (0..number)
            .map(|index| (1.7 * index as f32 + phase + 0.01 * (index * index % 97) as f32).sin())
            .collect()
    }

    /// The slope of the loss along the gradient of each parameter, against the gradient's length.
    fn check(text: &str) {
        let (jets, length) = (6, 9);
        let config = ModelConfig::from_toml(text).unwrap().with_shape(3, 3).unwrap();
        let mut network = Network::new(&config, 3).unwrap();
        let mut vectors = wave(jets * 4 * length, 0.3);
        for jet in vectors.chunks_exact_mut(4 * length) {
            jet[3 * length..].iter_mut().for_each(|energy| *energy = energy.abs() + 2.0);
        }
        let mask: Vec<f32> = (0..jets * length)
            .map(|cell| if cell % length < 2 + cell / length { 1.0 } else { 0.0 })
            .collect();
        let inputs = Inputs::pack(&PaddedGroups {
            jets,
            length,
            points: Some(&wave(jets * 2 * length, 0.1)),
            features: &wave(jets * 3 * length, 0.2),
            vectors: Some(&vectors),
            mask: Some(&mask),
            ..PaddedGroups::default()
        })
        .unwrap();
        let labels = [0, 1, 2, 2, 1, 0];
        let weights = [1.0, 2.0, 0.5, -0.3, 1.0, 0.0];
        let run = |network: &Network| {
            gradients(network, &inputs, &labels, &weights, 0.1, &mut Pass::training(1, 1)).unwrap()
        };
        let (_, gradient) = run(&network);
        let start: BTreeMap<String, Vec<f32>> = network
            .named_parameters()
            .into_iter()
            .map(|(name, parameter)| (name, parameter.values))
            .collect();
        let largest = gradient.values().map(|gradient| square_sum(gradient).sqrt()).fold(0.0, f64::max);
        for (name, gradient) in &gradient {
            let norm = square_sum(gradient).sqrt();
            if norm < 1e-3 * largest {
                continue;
            }
            // As far as moves the loss by 2e-4, to stand clear of rounding; and not far, to stand clear of kinks.
            let step = (1e-4 / norm).min(4e-3);
            let mut loss = |sign: f64| {
                let mut moved = start.clone();
                for (value, slope) in moved.get_mut(name).unwrap().iter_mut().zip(gradient) {
                    *value += (sign * step / norm) as f32 * slope;
                }
                network.set_parameters(moved);
                run(&network).0
            };
            // A kink of a ReLU or of the neighbours may lie within the step; it does not within all smaller ones.
            let mut slope_over = |part: f64| (loss(part) - loss(-part)) / (2.0 * part * step);
            let slopes = [slope_over(1.0), slope_over(0.5), slope_over(0.25)];
            let agrees = slopes.iter().any(|slope| (slope - norm).abs() < 0.02 * norm + 2e-4);
            assert!(agrees, "{text}: {name}: {slopes:?} for {norm}");
        }
    }

    #[test]
    fn gradients_are_the_slopes_of_the_loss() {
        check("kind = \"particle-flow-network\"\nphi = [8, 9]\nhead = [7]");
        check(
            "kind = \"particle-net\"\nneighbours = 3\nconvolutions = [[5, 6, 7]]\nhead = [6]\ndropout = 0.0",
        );
        // The second graph follows the features, so that a step may change it; the input's norm then has no slope.
        check(
            "kind = \"particle-net\"\nneighbours = 10\nconvolutions = [[5], [6, 6]]\nhead = []\ndropout = 0.0",
        );
        check(
            "kind = \"particle-transformer\"\nembed = [6, 8]\npair_embed = [5]\nheads = 2\nblocks = 2\nclass_blocks = 2\nexpansion = 2\ndropout = 0.0",
        );
    }
}
