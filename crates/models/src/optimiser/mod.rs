//! Training steps: loss, gradients, clipping, and the optimisers.

mod average;
mod gradient;
mod muon;
mod rules;

use std::collections::BTreeMap;

use burn::module::{ModuleMapper, Param};
use burn::tensor::Tensor;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use average::WeightAverage;
pub use gradient::{BatchGradient, total_weight};

use crate::fused::kernel::{vectorised, with_precision};
use crate::fused::values;
use crate::layers::Pass;
use crate::network::replace;
use crate::weights::{StoredTensor, read_tensors, write_tensors};
use crate::{Error, Inputs, Loss, ModelConfig, Network, Precision, Truth};
use rules::{Adaptive, Lion};

/// How weights follow from gradients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimiserKind {
    /// AdamW (I. Loshchilov, F. Hutter, arXiv:1711.05101).
    #[default]
    #[serde(rename = "adamw")]
    AdamW,
    /// The sign of the momentum (X. Chen et al., arXiv:2302.06675). Its learning rate is a third to a tenth of AdamW's, its
    /// weight decay as many times larger.
    Lion,
    /// Orthogonal steps for the matrices inside the network (J. Liu et al., arXiv:2502.16982), AdamW for all else: vectors,
    /// the matrices that read the features, and those that give the scores.
    Muon,
    /// Rectified Adam (L. Liu et al., arXiv:1908.03265) with Lookahead (M. Zhang et al., arXiv:1907.08610): every sixth step
    /// goes back half the way to the weights of six steps before. weaver's `ranger`.
    Ranger,
}

/// Steps between two of Lookahead's, and the part of the way that it keeps.
const LOOKAHEAD: (u64, f32) = (6, 0.5);

/// What does not change from step to step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimiserConfig {
    /// How weights follow from gradients.
    pub kind: OptimiserKind,
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of squared gradients; for Lion, of the momentum.
    pub beta2: f64,
    /// Added to the root of the mean square.
    pub epsilon: f64,
    /// Decoupled weight decay; matrices decay, biases and the gains of norms do not.
    pub weight_decay: f64,
    /// Largest norm of all gradients together; larger ones are scaled down to it.
    pub gradient_clip: Option<f64>,
    /// What is minimised.
    pub loss: Loss,
    /// What matrix products are made of, forward and back; weights, and what this keeps of them, are in single precision.
    pub precision: Precision,
    /// Seed of dropout.
    pub seed: u64,
    /// A factor of the learning rate for parameters by name; 1 for those not named. With 0 a parameter stays as it is.
    pub rate_factors: BTreeMap<String, f64>,
}

impl OptimiserConfig {
    /// With the numbers of the optimiser's paper; for `ranger`, of weaver.
    pub fn of(kind: OptimiserKind) -> Self {
        let (beta1, beta2, epsilon) = match kind {
            OptimiserKind::AdamW | OptimiserKind::Muon => (0.9, 0.999, 1e-8),
            OptimiserKind::Lion => (0.9, 0.99, 0.0),
            OptimiserKind::Ranger => (0.95, 0.999, 1e-5),
        };
        Self {
            kind,
            beta1,
            beta2,
            epsilon,
            weight_decay: 0.01,
            gradient_clip: None,
            loss: Loss::default(),
            precision: Precision::default(),
            seed: 0,
            rate_factors: BTreeMap::new(),
        }
    }

    fn rate_factor(&self, name: &str) -> f64 {
        self.rate_factors.get(name).copied().unwrap_or(1.0)
    }
}

impl Default for OptimiserConfig {
    fn default() -> Self {
        Self::of(OptimiserKind::default())
    }
}

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

/// What an optimiser keeps of a parameter; what its rule does not use is empty.
#[derive(Clone, Debug, Default, PartialEq)]
struct Moments {
    /// Mean of gradients: the momentum.
    first: Vec<f32>,
    /// Mean of squared gradients.
    second: Vec<f32>,
    /// Lookahead's slow weights.
    slow: Vec<f32>,
}

/// What is done to one parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Adaptive,
    Lion,
    Muon,
    Lookahead,
}

impl Rule {
    fn of(kind: OptimiserKind, shape: &[usize], model: &ModelConfig) -> Self {
        match kind {
            OptimiserKind::AdamW => Self::Adaptive,
            OptimiserKind::Lion => Self::Lion,
            OptimiserKind::Ranger => Self::Lookahead,
            OptimiserKind::Muon => match *shape {
                [inputs, outputs] if inputs != model.features() && outputs != model.outputs() => Self::Muon,
                _ => Self::Adaptive,
            },
        }
    }

    /// Whether it keeps the first moment, the second, slow weights.
    fn keeps(self) -> [bool; 3] {
        match self {
            Self::Adaptive => [true, true, false],
            Self::Lion | Self::Muon => [true, false, false],
            Self::Lookahead => [true, true, true],
        }
    }

    fn start(self, values: &[f32]) -> Moments {
        let [first, second, slow] = self.keeps();
        let zeros = |kept| if kept { vec![0.0; values.len()] } else { Vec::new() };
        Moments {
            first: zeros(first),
            second: zeros(second),
            slow: if slow { values.to_vec() } else { Vec::new() },
        }
    }
}

const STATE_KEY: &str = "fiducial-optimiser";
const PARTS: [&str; 3] = ["first", "second", "slow"];

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

    /// The state as safetensors bytes: `first.NAME`, `second.NAME` and `slow.NAME` for each parameter, as far as the rule
    /// keeps them, and the number of steps.
    ///
    /// # Errors
    /// None but those of the serialiser.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let mut tensors = BTreeMap::new();
        for (name, Moments { first, second, slow }) in &self.state {
            for (prefix, values) in PARTS.into_iter().zip([first, second, slow]) {
                if !values.is_empty() {
                    let tensor = StoredTensor { shape: vec![values.len()], values: values.clone() };
                    tensors.insert(format!("{prefix}.{name}"), tensor);
                }
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
            if !parameter.learned || optimiser.config.rate_factor(&name) == 0.0 {
                continue;
            }
            let size = parameter.values.len();
            let mut take = |(prefix, kept): (&str, bool)| {
                if !kept {
                    return Ok(Vec::new());
                }
                let name = format!("{prefix}.{name}");
                let tensor = tensors.remove(&name).ok_or_else(|| wrong(format!("no tensor {name}")))?;
                if tensor.values.len() != size {
                    let got = tensor.values.len();
                    return Err(wrong(format!("tensor {name} has {got} values, the network {size}")));
                }
                Ok(tensor.values)
            };
            let [first, second, slow] =
                Rule::of(optimiser.config.kind, &parameter.shape, network.config()).keeps();
            let moments = Moments {
                first: take((PARTS[0], first))?,
                second: take((PARTS[1], second))?,
                slow: take((PARTS[2], slow))?,
            };
            optimiser.state.insert(name, moments);
        }
        if let Some(name) = tensors.keys().next() {
            return Err(wrong(format!("tensor {name} is not one of this network and optimiser")));
        }
        Ok(optimiser)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Meta {
    format: u32,
    steps: u64,
}

/// Numbers that one task works on.
const CHUNK: usize = 16_384;

struct Update<'a> {
    path: Vec<String>,
    gradients: BTreeMap<String, Vec<f32>>,
    /// What Muon's matrices are moved along.
    directions: BTreeMap<String, Vec<f32>>,
    model: ModelConfig,
    config: &'a OptimiserConfig,
    state: &'a mut BTreeMap<String, Moments>,
    step: u64,
    learning_rate: f64,
    clip: f64,
}

impl Update<'_> {
    /// Muon's directions, matrices side by side: each takes a dozen matrix products, too small to be shared out.
    fn orthogonalise(&mut self, shapes: &BTreeMap<String, Vec<usize>>) {
        let mut matrices = Vec::new();
        for (name, shape) in shapes {
            let moves = self.config.rate_factor(name) != 0.0;
            if moves && Rule::of(self.config.kind, shape, &self.model) == Rule::Muon {
                let size = shape.iter().product();
                let gradient = self.gradients.remove(name).unwrap_or_else(|| vec![0.0; size]);
                let momentum = self.state.remove(name).map_or_else(|| vec![0.0; size], |state| state.first);
                matrices.push((name.clone(), shape[1], gradient, momentum));
            }
        }
        let clip = self.clip as f32;
        let moved: Vec<_> = matrices
            .into_par_iter()
            .map(|(name, columns, gradient, mut momentum)| {
                let direction = muon::direction(&gradient, clip, &mut momentum, columns);
                (name, direction, momentum)
            })
            .collect();
        for (name, direction, first) in moved {
            self.state.insert(name.clone(), Moments { first, ..Moments::default() });
            self.directions.insert(name, direction);
        }
    }

    fn move_along(&mut self, name: &str, rate: f64, decays: bool, rule: Rule, numbers: &mut [f32]) {
        // A parameter that the loss does not reach has the gradient zero, and its moments decay.
        let gradient = self.gradients.remove(name).unwrap_or_else(|| vec![0.0; numbers.len()]);
        let state = self.state.entry(name.to_owned()).or_insert_with(|| rule.start(numbers));
        match rule {
            Rule::Lion => {
                let lion = Lion::new(self.config, rate, self.clip, decays);
                numbers
                    .par_chunks_mut(CHUNK)
                    .zip(gradient.par_chunks(CHUNK))
                    .zip(state.first.par_chunks_mut(CHUNK))
                    .for_each(|((numbers, gradient), first)| {
                        vectorised(
                            #[inline(always)]
                            || lion.apply(numbers, gradient, first),
                        );
                    });
            }
            Rule::Muon => {
                let (decay, rate) = (rules::decay(self.config, rate, decays), rate as f32);
                for (value, direction) in
                    numbers.iter_mut().zip(self.directions.remove(name).unwrap_or_default())
                {
                    *value = *value * decay - rate * direction;
                }
            }
            Rule::Adaptive | Rule::Lookahead => {
                let adaptive = Adaptive::new(self.config, self.step, rate, self.clip, decays);
                numbers
                    .par_chunks_mut(CHUNK)
                    .zip(gradient.par_chunks(CHUNK))
                    .zip(state.first.par_chunks_mut(CHUNK))
                    .zip(state.second.par_chunks_mut(CHUNK))
                    .for_each(|(((numbers, gradient), first), second)| {
                        vectorised(
                            #[inline(always)]
                            || adaptive.apply(numbers, gradient, first, second),
                        );
                    });
            }
        }
        let (every, kept) = LOOKAHEAD;
        if rule == Rule::Lookahead && self.step.is_multiple_of(every) {
            for (value, slow) in numbers.iter_mut().zip(&mut state.slow) {
                *slow += kept * (*value - *slow);
                *value = *slow;
            }
        }
    }
}

impl ModuleMapper for Update<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.join(".");
        let factor = self.config.rate_factor(&name);
        if !param.is_require_grad() || factor == 0.0 {
            return param;
        }
        let shape = param.val().dims();
        let Ok(mut numbers) = values(param.val()) else {
            return param;
        };
        let rule = Rule::of(self.config.kind, &shape, &self.model);
        self.move_along(&name, self.learning_rate * factor, D > 1, rule, &mut numbers);
        replace(param, numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: [usize; 2] = [6, 4];

    fn network() -> Network {
        // phi.0 is a matrix of 6 x 4 inside the network, for Muon: it is neither the first nor the last.
        let text = "kind = \"particle-flow-network\"\nphi = [6, 4]\nhead = []";
        Network::new(&ModelConfig::from_toml(text).unwrap().with_shape(3, 2).unwrap(), 1).unwrap()
    }

    fn matrix(network: &Network) -> (String, Vec<f32>) {
        let found = network.named_parameters().into_iter().find(|(_, it)| it.shape == SHAPE).unwrap();
        (found.0, found.1.values)
    }

    fn gradient(name: &str, step: u32) -> BatchGradient {
        let at =
            |i: f64| (0.7 * i + 0.05 * i * i + 1.3 * f64::from(step)).sin() * (1.0 + 0.1 * f64::from(step));
        let values = (0..24).map(|i| at(f64::from(i)) as f32).collect();
        let values = BTreeMap::from([(name.to_owned(), values)]);
        BatchGradient { loss: 0.0, weight: 1.0, values, moments: vec![] }
    }

    const KINDS: [(OptimiserKind, &str); 4] = [
        (OptimiserKind::AdamW, "adamw"),
        (OptimiserKind::Lion, "lion"),
        (OptimiserKind::Muon, "muon"),
        (OptimiserKind::Ranger, "ranger"),
    ];

    fn start() -> (String, Network) {
        let mut network = network();
        let (name, _) = matrix(&network);
        let start = (0..24).map(|i| (0.3 * f64::from(i)).cos() as f32).collect();
        network.set_parameters(BTreeMap::from([(name.clone(), start)]));
        (name, network)
    }

    #[test]
    fn weights_are_those_of_the_reference() {
        let text = include_str!("../../tests/fixtures/optimisers.json");
        let reference: BTreeMap<String, Vec<Vec<f64>>> = serde_json::from_str(text).unwrap();
        for (kind, key) in KINDS {
            let (name, mut network) = start();
            let config = OptimiserConfig { weight_decay: 0.1, ..OptimiserConfig::of(kind) };
            let mut optimiser = Optimiser::new(config);
            for step in 1..=13 {
                optimiser.apply(&mut network, gradient(&name, step), 0.01).unwrap();
            }
            let expected = reference[key].last().unwrap();
            for (found, expected) in matrix(&network).1.iter().zip(expected) {
                assert!((f64::from(*found) - expected).abs() < 3e-6, "{key}: {found} for {expected}");
            }
        }
    }

    #[test]
    fn a_state_comes_back_bit_by_bit_and_serves_no_other_rule() {
        for (kind, key) in KINDS {
            let (name, mut network) = start();
            let config = OptimiserConfig::of(kind);
            let mut whole = Optimiser::new(config.clone());
            for step in 1..=4 {
                whole.apply(&mut network, gradient(&name, step), 0.01).unwrap();
            }
            let bytes = whole.to_bytes().unwrap();
            let mut resumed = Optimiser::from_bytes(config.clone(), &network, &bytes).unwrap();
            let mut other = network.clone();
            for step in 5..=14 {
                whole.apply(&mut network, gradient(&name, step), 0.01).unwrap();
                resumed.apply(&mut other, gradient(&name, step), 0.01).unwrap();
            }
            assert!(network.to_safetensors().unwrap() == other.to_safetensors().unwrap(), "{key}");
            assert!(whole.to_bytes().unwrap() == resumed.to_bytes().unwrap(), "{key}");
            for (another, name) in KINDS.iter().filter(|(another, _)| *another != kind) {
                let error = Optimiser::from_bytes(OptimiserConfig::of(*another), &network, &bytes);
                assert!(error.is_err(), "the state of {key} taken for one of {name}");
            }
        }
    }

    #[test]
    fn parameters_without_a_learning_rate_stay_and_others_take_their_own() {
        for (kind, key) in KINDS {
            let (name, before) = start();
            let run = |factor: f64, rate: f64| {
                let mut network = before.clone();
                let mut config = OptimiserConfig::of(kind);
                config.rate_factors.insert(name.clone(), factor);
                let mut optimiser = Optimiser::new(config.clone());
                let report = optimiser.apply(&mut network, gradient(&name, 1), rate).unwrap();
                let bytes = optimiser.to_bytes().unwrap();
                assert!(Optimiser::from_bytes(config, &network, &bytes).is_ok());
                (matrix(&network).1, report.gradient_norm)
            };
            assert_eq!(run(0.0, 0.1), (matrix(&before).1, 0.0), "{key}");
            assert_eq!(run(0.5, 0.1).0, run(1.0, 0.05).0, "{key}");
            assert_ne!(run(0.5, 0.1).0, run(1.0, 0.1).0, "{key}");
        }
    }

    #[test]
    fn a_gradient_of_another_network_is_refused() {
        let (name, mut network) = start();
        let mut optimiser = Optimiser::new(OptimiserConfig::default());
        let before = network.to_safetensors().unwrap();
        let mut other = gradient(&name, 1);
        other.values.insert("nobody".into(), vec![1.0]);
        assert!(optimiser.apply(&mut network, other, 0.1).is_err());
        let mut short = gradient(&name, 1);
        short.values.get_mut(&name).unwrap().pop();
        assert!(optimiser.apply(&mut network, short, 0.1).is_err());
        assert!(before == network.to_safetensors().unwrap());
    }

    #[test]
    fn the_average_follows_the_weights() {
        let (name, mut network) = start();
        let mut average = WeightAverage::new(0.5, &network);
        let value = |network: &Network| f64::from(network.named_parameters()[&name].values[0]);
        let mut expected = value(&network);
        for step in 1..=20_u64 {
            let new = vec![step as f32; 24];
            network.set_parameters(BTreeMap::from([(name.clone(), new)]));
            average.update(&network, step);
            let kept = f64::min(0.5, (1.0 + step as f64) / (10.0 + step as f64));
            expected = kept * expected + (1.0 - kept) * step as f64;
        }
        assert!((value(&average.network(&network)) - expected).abs() < 1e-5);
        // It goes on from the network that it made, bit by bit.
        let mut again = WeightAverage::new(0.5, &average.network(&network));
        average.update(&network, 21);
        again.update(&network, 21);
        assert!(value(&average.network(&network)) == value(&again.network(&network)));
    }
}
