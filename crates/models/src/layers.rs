//! Layers with their weights: what the networks are put together from.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::fused::dense::{self, dense};
use crate::fused::dropout::dropout;
use crate::fused::norm::{Moments, Statistics, batch_norm, layer_norm};
use crate::fused::{Activation, device, from_values, values};
use crate::{ComputeDevice, Error, Inputs};

/// Draws initial weights, in the order in which layers are made.
pub(crate) struct Initialiser {
    random: ChaCha8Rng,
    device: Device,
    /// How many numbers may still be made.
    left: usize,
    /// Whether more were asked for; those were not made, and the network cannot be used.
    pub(crate) overdrawn: bool,
}

impl Initialiser {
    pub(crate) fn new(seed: u64, device: Device) -> Self {
        Self { random: ChaCha8Rng::seed_from_u64(seed), device, left: usize::MAX, overdrawn: false }
    }

    /// Makes no more than `limit` numbers.
    pub(crate) fn within(limit: usize, device: Device) -> Self {
        Self { left: limit, ..Self::new(0, device) }
    }

    fn make<const D: usize>(
        &mut self,
        shape: [usize; D],
        mut draw: impl FnMut(&mut ChaCha8Rng) -> f32,
    ) -> Param<Tensor<D>> {
        let number = shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
        let left = number.and_then(|number| self.left.checked_sub(number));
        let shape = if left.is_some() { shape } else { [1; D] };
        self.overdrawn |= left.is_none();
        self.left = left.unwrap_or(0);
        let numbers = (0..shape.iter().product()).map(|_| draw(&mut self.random)).collect();
        Param::from_tensor(from_values(numbers, shape, &self.device))
    }

    pub(crate) fn uniform<const D: usize>(&mut self, shape: [usize; D], bound: f32) -> Param<Tensor<D>> {
        self.make(shape, |random| bound * (2.0 * random.random::<f32>() - 1.0))
    }

    pub(crate) fn constant(&mut self, size: usize, value: f32) -> Param<Tensor<1>> {
        self.make([size], |_| value)
    }
}

/// One forward pass: whether it trains, what drops out, and what the batch norms saw.
pub(crate) struct Pass {
    /// The source of dropout; none outside of training.
    random: Option<ChaCha8Rng>,
    /// Whether batch norms normalise by the batch, and not by their running moments.
    by_batch: bool,
    /// Moments of each batch norm, in the order of the forward pass.
    pub(crate) moments: Vec<Moments>,
    /// Stands for the features of the batch, where their gradient is asked for.
    watched: Option<Tensor<2>>,
    /// Where the network is.
    compute: ComputeDevice,
}

impl Pass {
    pub(crate) fn evaluation() -> Self {
        Self {
            random: None,
            by_batch: false,
            moments: Vec::new(),
            watched: None,
            compute: ComputeDevice::Cpu,
        }
    }

    /// The dropout of a training step is a function of the seed and the step alone, so that a resumed run repeats it.
    pub(crate) fn training(seed: u64, step: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(step);
        Self { random: Some(random), by_batch: true, ..Self::evaluation() }
    }

    /// An evaluation in which batch norms normalise by the batch, for the sake of its moments.
    pub(crate) fn measuring() -> Self {
        Self { by_batch: true, ..Self::evaluation() }
    }

    /// An evaluation that reads `features`, (constituents, features), so that a gradient comes back to them.
    pub(crate) fn watching(features: Tensor<2>) -> Self {
        Self { watched: Some(features), ..Self::evaluation() }
    }

    /// Makes it a pass through a network that is on `compute`.
    pub(crate) fn run_on(&mut self, compute: ComputeDevice) {
        self.compute = compute;
    }

    /// The features of a batch, (constituents, features).
    pub(crate) fn features(&self, inputs: &Inputs) -> Tensor<2> {
        self.watched.clone().unwrap_or_else(|| inputs.features_tensor(&self.device()))
    }

    pub(crate) fn trains(&self) -> bool {
        self.random.is_some()
    }

    /// Where the tensors of this pass live.
    pub(crate) fn device(&self) -> Device {
        device(self.compute, self.trains() || self.watched.is_some())
    }

    /// Sets a share of the numbers to zero and scales up the others; in training only.
    pub(crate) fn dropout(&mut self, x: Tensor<2>, share: f64) -> Result<Tensor<2>, Error> {
        match self.random.as_mut().filter(|_| share > 0.0) {
            Some(random) => dropout(x, share, random.random()),
            None => Ok(x),
        }
    }
}

/// `x w + b`: weights of shape (inputs, outputs).
#[derive(Module, Debug)]
pub(crate) struct Dense {
    pub(crate) weight: Param<Tensor<2>>,
    pub(crate) bias: Option<Param<Tensor<1>>>,
}

impl Dense {
    /// Uniform in +-1/sqrt(inputs), as PyTorch's `Linear` and `Conv1d` start.
    pub(crate) fn new(inputs: usize, outputs: usize, bias: bool, start: &mut Initialiser) -> Self {
        let bound = 1.0 / (inputs.max(1) as f32).sqrt();
        Self {
            weight: start.uniform([inputs, outputs], bound),
            bias: bias.then(|| start.uniform([outputs], bound)),
        }
    }

    /// Uniform in +-`bound`, without bias.
    pub(crate) fn uniform(inputs: usize, outputs: usize, bound: f32, start: &mut Initialiser) -> Self {
        Self { weight: start.uniform([inputs, outputs], bound), bias: None }
    }

    /// Uniform in +-`bound`, as PyTorch's recurrent layers start.
    pub(crate) fn uniform_with_bias(
        inputs: usize,
        outputs: usize,
        bound: f32,
        start: &mut Initialiser,
    ) -> Self {
        Self { weight: start.uniform([inputs, outputs], bound), bias: Some(start.uniform([outputs], bound)) }
    }

    pub(crate) fn forward(&self, x: Tensor<2>, activation: Activation) -> Result<Tensor<2>, Error> {
        dense(x, self.weight.val(), self.bias.as_ref().map(Param::val), activation)
    }
}

/// The same rows through several layers, whose outputs come beside each other.
pub(crate) fn side_by_side(layers: &[&Dense], x: Tensor<2>) -> Result<Tensor<2>, Error> {
    let parameters = |layer: &&Dense| (layer.weight.val(), layer.bias.as_ref().map(Param::val));
    dense::side_by_side(x, layers.iter().map(parameters).collect())
}

/// A chain of [`Dense`] layers with ReLU and dropout after each, then one to the classes.
#[derive(Module, Debug)]
pub(crate) struct Head {
    hidden: Vec<Dense>,
    output: Dense,
    dropout: f64,
}

impl Head {
    pub(crate) fn new(
        inputs: usize,
        widths: &[usize],
        classes: usize,
        dropout: f64,
        start: &mut Initialiser,
    ) -> Self {
        let hidden = chain(inputs, widths, start);
        let last = widths.last().copied().unwrap_or(inputs);
        Self { hidden, output: Dense::new(last, classes, true, start), dropout }
    }

    pub(crate) fn forward(&self, mut x: Tensor<2>, pass: &mut Pass) -> Result<Tensor<2>, Error> {
        for layer in &self.hidden {
            x = layer.forward(x, Activation::Relu)?;
            x = pass.dropout(x, self.dropout)?;
        }
        self.output.forward(x, Activation::Identity)
    }
}

pub(crate) fn chain(inputs: usize, widths: &[usize], start: &mut Initialiser) -> Vec<Dense> {
    let sources = std::iter::once(&inputs).chain(widths);
    sources.zip(widths).map(|(&from, &to)| Dense::new(from, to, true, start)).collect()
}

/// Normalises each channel over the real constituents (or edges, or pairs) of the batch.
#[derive(Module, Debug)]
pub(crate) struct BatchNorm {
    pub(crate) weight: Param<Tensor<1>>,
    pub(crate) bias: Param<Tensor<1>>,
    pub(crate) running_mean: Param<Tensor<1>>,
    pub(crate) running_variance: Param<Tensor<1>>,
}

impl BatchNorm {
    pub(crate) fn new(channels: usize, start: &mut Initialiser) -> Self {
        Self {
            weight: start.constant(channels, 1.0),
            bias: start.constant(channels, 0.0),
            running_mean: start.constant(channels, 0.0).set_require_grad(false),
            running_variance: start.constant(channels, 1.0).set_require_grad(false),
        }
    }

    pub(crate) fn statistics(&self, pass: &Pass) -> Result<Statistics, Error> {
        if pass.by_batch {
            return Ok(Statistics::Batch);
        }
        Ok(Statistics::Running {
            mean: values(self.running_mean.val())?,
            variance: values(self.running_variance.val())?,
        })
    }

    pub(crate) fn forward(&self, x: Tensor<2>, pass: &mut Pass) -> Result<Tensor<2>, Error> {
        self.forward_to(x, Activation::Identity, pass)
    }

    /// With an activation after it.
    pub(crate) fn forward_to(
        &self,
        x: Tensor<2>,
        activation: Activation,
        pass: &mut Pass,
    ) -> Result<Tensor<2>, Error> {
        let statistics = self.statistics(pass)?;
        let (output, moments) = batch_norm(x, self.weight.val(), self.bias.val(), &statistics, activation)?;
        pass.moments.extend(moments);
        Ok(output)
    }

    /// Takes the moments of a batch into the running ones, of which it makes `share`.
    pub(crate) fn absorb(&mut self, moments: &Moments, share: f64) -> Result<(), Error> {
        if moments.count == 0.0 {
            return Ok(());
        }
        for (running, batch) in [
            (&mut self.running_mean, moments.mean.clone()),
            (&mut self.running_variance, moments.unbiased_variance()),
        ] {
            let old = values(running.val())?;
            let device = running.val().device();
            let new: Vec<f32> = old
                .iter()
                .zip(batch)
                .map(|(&old, batch)| (f64::from(old) * (1.0 - share) + batch * share) as f32)
                .collect();
            let size = new.len();
            *running = running.clone().map(|_| from_values(new, [size], &device));
        }
        Ok(())
    }
}

/// Normalises each row.
#[derive(Module, Debug)]
pub(crate) struct LayerNorm {
    pub(crate) weight: Param<Tensor<1>>,
    pub(crate) bias: Param<Tensor<1>>,
}

impl LayerNorm {
    pub(crate) fn new(channels: usize, start: &mut Initialiser) -> Self {
        Self { weight: start.constant(channels, 1.0), bias: start.constant(channels, 0.0) }
    }

    pub(crate) fn forward(&self, x: Tensor<2>) -> Result<Tensor<2>, Error> {
        layer_norm(x, self.weight.val(), self.bias.val())
    }
}

/// Divides each row by the root of its mean square.
#[derive(Module, Debug)]
pub(crate) struct RootMeanSquareNorm {
    pub(crate) weight: Param<Tensor<1>>,
}

impl RootMeanSquareNorm {
    /// Added to the mean square before the root.
    pub(crate) const EPSILON: f64 = 1e-6;

    pub(crate) fn new(channels: usize, start: &mut Initialiser) -> Self {
        Self { weight: start.constant(channels, 1.0) }
    }

    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let [_, channels] = x.dims();
        let scale = (x.clone().powi_scalar(2).mean_dim(1) + Self::EPSILON).sqrt().recip();
        x * scale * self.weight.val().reshape([1, channels])
    }
}
