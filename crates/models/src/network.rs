//! A network of any kind: its weights, its forward pass, its names for its weights.

use std::collections::BTreeMap;

use burn::module::{ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};

use crate::architectures::Architecture;
use crate::fused::awake::awake;
use crate::fused::kernel::{TILE, precision, with_precision};
use crate::fused::{self, from_values, values};
use crate::layers::{Initialiser, Pass};
use crate::{ComputeDevice, Error, Inputs, ModelConfig, NormMoments};

/// A network with its weights.
///
/// ```
/// use fiducial_models::{Inputs, ModelConfig, Network, PaddedGroups};
/// let config = ModelConfig::from_toml("kind = \"particle-flow-network\"")?.with_shape(3, 2)?;
/// let network = Network::new(&config, 20)?;
/// let features = [0.5; 2 * 3 * 4]; // (2 jets, 3 features, 4 constituents)
/// let inputs = Inputs::pack(&PaddedGroups { jets: 2, length: 4, features: &features, ..Default::default() })?;
/// let probabilities = network.probabilities(&inputs)?; // (2 jets, 2 classes)
/// assert!((probabilities[0] + probabilities[1] - 1.0).abs() < 1e-6);
/// # Ok::<(), fiducial_models::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Network {
    config: ModelConfig,
    pub(crate) architecture: Architecture,
    device: ComputeDevice,
}

/// The numbers of one parameter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parameter {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
    /// False for running moments.
    pub(crate) learned: bool,
}

/// Share of a batch in the running moments of batch norms.
const MOMENTUM: f64 = 0.1;

/// Multiplications of a pass, about, that are worth the 10 us until another thread begins.
const POOL: usize = 1 << 23;

impl Network {
    /// A network with weights drawn from `seed`: the same seed, the same bits.
    ///
    /// # Errors
    /// Sizes that are out of range or that are still 0.
    pub fn new(config: &ModelConfig, seed: u64) -> Result<Self, Error> {
        config.validate()?;
        config.check_complete()?;
        let mut start = Initialiser::new(seed, fused::device(ComputeDevice::Cpu, true));
        let architecture = config.architecture.build(&config.shape, &mut start);
        Ok(Self { config: config.clone(), architecture, device: ComputeDevice::Cpu })
    }

    /// A network for the weights of a file with `stored` numbers; none where it would have more, which are not made then.
    pub(crate) fn for_weights(config: &ModelConfig, stored: usize) -> Result<Option<Self>, Error> {
        config.validate()?;
        config.check_complete()?;
        let mut start = Initialiser::within(stored, fused::device(ComputeDevice::Cpu, true));
        let architecture = config.architecture.build(&config.shape, &mut start);
        let network = Self { config: config.clone(), architecture, device: ComputeDevice::Cpu };
        Ok((!start.overdrawn).then_some(network))
    }

    /// What the network was built from.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Where the network is. A new one, and one from a file, is on the processor.
    pub fn device(&self) -> ComputeDevice {
        self.device
    }

    /// The network with the same weights on another device, where it then trains and evaluates.
    ///
    /// # Errors
    /// A device that [`ComputeDevice::check`] refuses.
    pub fn on(mut self, device: ComputeDevice) -> Result<Self, Error> {
        device.check()?;
        if device != self.device {
            self.architecture = self.architecture.map(&mut Move { to: fused::device(device, true) });
            self.device = device;
        }
        Ok(self)
    }

    /// How many numbers are learned.
    pub fn parameters(&self) -> usize {
        let learned = self.named_parameters().into_values().filter(|parameter| parameter.learned);
        learned.map(|parameter| parameter.values.len()).sum()
    }

    /// The shape of each learned parameter, by the name that it has in weight files.
    pub fn parameter_shapes(&self) -> BTreeMap<String, Vec<usize>> {
        let mut shapes = Shapes::default();
        self.visit(&mut shapes);
        shapes.found
    }

    /// Scores before the softmax, (jets, classes) row-major. Nothing drops out, batch norms use running moments.
    ///
    /// # Errors
    /// Inputs that lack a group or have another number of features than the network.
    pub fn logits(&self, inputs: &Inputs) -> Result<Vec<f32>, Error> {
        let pass =
            || values(self.pass(&self.architecture.without_gradients(), inputs, &mut Pass::evaluation())?);
        // Inside of the pool from the start, where it is worth the handing over: each operation would hand its work over
        // and wait for it otherwise.
        let mut weights = Size(0);
        self.visit(&mut weights);
        if weights.0 * inputs.constituents() < POOL {
            return pass();
        }
        let precision = precision();
        let pass = || with_precision(precision, pass);
        if inputs.constituents() <= TILE { awake(pass) } else { rayon::scope(|_| pass()) }
    }

    /// The probability of each class, (jets, classes) row-major.
    ///
    /// # Errors
    /// As [`Network::logits`].
    pub fn probabilities(&self, inputs: &Inputs) -> Result<Vec<f32>, Error> {
        let mut scores = self.logits(inputs)?;
        for row in scores.chunks_exact_mut(self.config.outputs()) {
            let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            row.iter_mut().for_each(|score| *score = (*score - largest).exp());
            let sum: f32 = row.iter().sum();
            row.iter_mut().for_each(|score| *score /= sum);
        }
        Ok(scores)
    }

    /// Logits in burn's graph.
    pub(crate) fn training_logits(&self, inputs: &Inputs, pass: &mut Pass) -> Result<Tensor<2>, Error> {
        self.pass(&self.architecture, inputs, pass)
    }

    fn pass(
        &self,
        architecture: &Architecture,
        inputs: &Inputs,
        pass: &mut Pass,
    ) -> Result<Tensor<2>, Error> {
        inputs.check(&self.config)?;
        pass.run_on(self.device);
        architecture.forward(&inputs.for_shape(&self.config.shape), pass)
    }

    /// Whether there are batch norms, whose running moments an evaluation depends on.
    pub fn has_batch_norms(&self) -> bool {
        !self.architecture.clone().batch_norms().is_empty()
    }

    /// What the batch norms see of a batch with the weights as they are: each normalises by the batch as in training, and nothing
    /// drops out, as in an evaluation.
    ///
    /// # Errors
    /// As [`Network::logits`].
    pub fn norm_moments(&self, inputs: &Inputs) -> Result<NormMoments, Error> {
        let mut pass = Pass::measuring();
        self.pass(&self.architecture.without_gradients(), inputs, &mut pass)?;
        Ok(NormMoments(pass.moments))
    }

    /// Puts moments in the place of the running ones; a norm that saw no rows keeps its own.
    ///
    /// # Errors
    /// Moments of another network.
    pub fn set_norm_moments(&mut self, moments: &NormMoments) -> Result<(), Error> {
        self.take_moments(moments, 1.0)
    }

    /// Takes what the batch norms saw in a training pass into their running moments.
    pub(crate) fn absorb(&mut self, moments: &NormMoments) -> Result<(), Error> {
        self.take_moments(moments, MOMENTUM)
    }

    fn take_moments(&mut self, NormMoments(moments): &NormMoments, share: f64) -> Result<(), Error> {
        let norms = self.architecture.batch_norms();
        if norms.len() != moments.len() {
            let (norms, seen) = (norms.len(), moments.len());
            return Err(Error::Backend(format!("{norms} batch norms, {seen} of them ran")));
        }
        norms.into_iter().zip(moments).try_for_each(|(norm, moments)| norm.absorb(moments, share))
    }

    pub(crate) fn visit(&self, visitor: &mut impl ModuleVisitor) {
        self.architecture.visit(visitor);
    }

    /// All parameters by name; the names are those of the weight files.
    pub(crate) fn named_parameters(&self) -> BTreeMap<String, Parameter> {
        let mut visitor = Collect::default();
        self.visit(&mut visitor);
        visitor.found
    }

    /// Replaces all parameters; names and sizes have been checked.
    pub(crate) fn set_parameters(&mut self, parameters: BTreeMap<String, Vec<f32>>) {
        let mut mapper = Replace { path: Vec::new(), parameters };
        self.architecture = self.architecture.clone().map(&mut mapper);
    }
}

#[derive(Default)]
struct Collect {
    path: Vec<String>,
    found: BTreeMap<String, Parameter>,
}

impl ModuleVisitor for Collect {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let parameter = Parameter {
            shape: param.val().dims().to_vec(),
            // Parameters are f32 throughout, so that this cannot fail; empty, it would not pass the check of shapes.
            values: values(param.val()).unwrap_or_default(),
            learned: param.is_require_grad(),
        };
        self.found.insert(self.path.join("."), parameter);
    }
}

/// How many numbers there are.
struct Size(usize);

impl ModuleVisitor for Size {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0 += param.val().dims().iter().product::<usize>();
    }
}

#[derive(Default)]
struct Shapes {
    path: Vec<String>,
    found: BTreeMap<String, Vec<usize>>,
}

impl ModuleVisitor for Shapes {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.is_require_grad() {
            self.found.insert(self.path.join("."), param.val().dims().to_vec());
        }
    }
}

struct Replace {
    path: Vec<String>,
    parameters: BTreeMap<String, Vec<f32>>,
}

impl ModuleMapper for Replace {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(new) = self.parameters.remove(&self.path.join(".")) else {
            return param;
        };
        replace(param, new)
    }
}

/// Copies parameters to a device.
struct Move {
    to: Device,
}

impl ModuleMapper for Move {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let learned = param.is_require_grad();
        param.map(|tensor| {
            // Of another type than f32 there is none.
            let numbers = values(tensor.clone()).unwrap_or_default();
            from_values(numbers, tensor.dims(), &self.to).set_require_grad(learned)
        })
    }
}

/// The same parameter with other numbers, as a new leaf of the graph.
pub(crate) fn replace<const D: usize>(param: Param<Tensor<D>>, new: Vec<f32>) -> Param<Tensor<D>> {
    let learned = param.is_require_grad();
    param.map(|old| from_values(new, old.dims(), &old.device()).set_require_grad(learned))
}
