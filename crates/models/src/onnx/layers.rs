//! The layers of `crate::layers` and the handling of masks, as nodes.

use std::collections::BTreeMap;

use super::graph::{Graph, Value};
use super::proto::{Dimension, Type};
use crate::Error;
use crate::fused::norm::EPSILON;
use crate::network::Parameter;

/// The parameters of a network, to be taken by name.
pub(crate) struct Weights(pub(crate) BTreeMap<String, Parameter>);

/// What a batch norm with running moments does to a channel: `x scale + shift`.
pub(crate) struct Affine {
    pub(crate) scale: Vec<f32>,
    pub(crate) shift: Vec<f32>,
}

impl Weights {
    pub(crate) fn take(&self, name: &str) -> Result<&Parameter, Error> {
        self.0.get(name).ok_or_else(|| Error::Backend(format!("export: the network has no parameter {name}")))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(crate) fn batch_norm(&self, name: &str) -> Result<Affine, Error> {
        let values = |part: &str| Ok::<_, Error>(&self.take(&format!("{name}.{part}"))?.values);
        let (gain, offset) = (values("weight")?, values("bias")?);
        let (mean, variance) = (values("running_mean")?, values("running_variance")?);
        let scale: Vec<f64> = gain
            .iter()
            .zip(variance)
            .map(|(&gain, &variance)| f64::from(gain) / (f64::from(variance) + EPSILON).sqrt())
            .collect();
        let shift = offset.iter().zip(mean).zip(&scale);
        Ok(Affine {
            shift: shift
                .map(|((&offset, &mean), scale)| (f64::from(offset) - f64::from(mean) * scale) as f32)
                .collect(),
            scale: scale.iter().map(|&scale| scale as f32).collect(),
        })
    }
}

/// A matrix of (inputs, outputs) whose columns are scaled.
pub(crate) fn scaled(weight: &[f32], scale: &[f32]) -> Vec<f32> {
    weight
        .chunks_exact(scale.len().max(1))
        .flat_map(|row| row.iter().zip(scale).map(|(weight, scale)| weight * scale))
        .collect()
}

/// The graph's inputs.
#[derive(Default)]
pub(crate) struct Inputs {
    /// By the names that groups have in a batch. Those of constituents have these as rows, (n, constituents, variables), and
    /// zeros where there is padding; `globals` and `parameters` are (n, variables), `images` (n, channels, height, width).
    pub(crate) groups: BTreeMap<&'static str, Value>,
    /// Height and width of the images.
    pub(crate) pixels: [usize; 2],
    /// Which constituents are real; none for a network that reads no constituents.
    pub(crate) mask: Option<Mask>,
}

impl Inputs {
    pub(crate) fn group(&self, name: &str) -> Result<&Value, Error> {
        self.groups.get(name).ok_or_else(|| Error::Backend(format!("export: the graph has no group {name}")))
    }

    pub(crate) fn mask(&self) -> Result<&Mask, Error> {
        self.mask.as_ref().ok_or_else(|| Error::Backend("export: the graph has no constituents".to_owned()))
    }

    /// What is known of a jet as a whole beside `x`, (n, channels), where there is something.
    pub(crate) fn with_globals(&self, graph: &mut Graph, x: Value) -> Value {
        match self.groups.get("globals") {
            Some(globals) => graph.concatenate(&[&x, globals], -1),
            None => x,
        }
    }

    /// `x`, (n, constituents, channels), in the order of falling transverse momentum, and the mask in that order: real
    /// constituents come first. Of equal momenta the first in the data comes first.
    pub(crate) fn hardest_first(&self, graph: &mut Graph, x: &Value) -> Result<(Value, Mask), Error> {
        let mask = self.mask()?;
        let momenta = squared_transverse_momenta(graph, self.group("vectors")?);
        let padding = graph.double(-1.0);
        let momenta = graph.choose(&mask.column, &momenta, &padding);
        let momenta = graph.squeeze(&momenta, 2);
        let length = graph.length(x, 1);
        let [_, places] = graph.largest(&momenta, &length);
        let sorted = graph.rows_at(x, &places);

        let places = graph.range(&length);
        let count = mask.count(graph);
        let count = graph.cast(&count, Type::Integer);
        let row = graph.less(&places, &count);
        Ok((sorted, Mask { column: graph.transpose(&row, &[0, 2, 1]), row }))
    }
}

/// Of vectors (n, constituents, 4) in double precision, in which it is exact but for one rounding: (n, constituents, 1).
pub(crate) fn squared_transverse_momenta(graph: &mut Graph, vectors: &Value) -> Value {
    let vectors = graph.cast(vectors, Type::Double);
    let transverse = graph.slice(&vectors, 2, 0, 2);
    let squares = graph.multiply(&transverse, &transverse);
    graph.sum(&squares, 2, true)
}

/// Which constituents are real.
pub(crate) struct Mask {
    /// (n, constituents, 1).
    pub(crate) column: Value,
    /// The same: (n, 1, constituents).
    pub(crate) row: Value,
}

/// Added to the attention that padding would get.
const HIDDEN: f32 = -1.0e30;

impl Mask {
    /// The number of constituents of each jet: (n, 1, 1).
    pub(crate) fn count(&self, graph: &mut Graph) -> Value {
        let mask = graph.cast(&self.column, Type::Float);
        graph.sum(&mask, 1, true)
    }

    /// What hides padding from attention: (n, 1, 1, constituents).
    pub(crate) fn bias(&self, graph: &mut Graph) -> Value {
        let [zero, hidden] = [0.0, HIDDEN].map(|value| graph.float(value));
        let bias = graph.choose(&self.row, &zero, &hidden);
        graph.unsqueeze(&bias, 1)
    }

    /// The sum of `x`, (n, constituents, channels), over real constituents: (n, channels).
    pub(crate) fn sum(&self, graph: &mut Graph, x: &Value) -> Value {
        let real = graph.without_padding(x, &self.column);
        graph.sum(&real, 1, false)
    }

    /// The mean; zeros for a jet without constituents.
    pub(crate) fn mean(&self, graph: &mut Graph, x: &Value) -> Value {
        let sum = self.sum(graph, x);
        let count = self.count(graph);
        let one = graph.float(1.0);
        let count = graph.greatest(&count, &one);
        let count = graph.squeeze(&count, 2);
        graph.divide(&sum, &count)
    }
}

/// What [`Mask::bias`] gives, for `tokens` more constituents in front, which are always real.
pub(crate) fn with_tokens(graph: &mut Graph, bias: &Value, tokens: usize) -> Value {
    let real = graph.floats(&[1, 1, 1, tokens], &vec![0.0; tokens]);
    let real = graph.repeat_for_jets(&real, 4, bias);
    graph.concatenate(&[&real, bias], 3)
}

pub(crate) const BATCH: Dimension = Dimension::Free("batch");
pub(crate) const LENGTH: Dimension = Dimension::Free("constituents");

impl Graph {
    /// `x w + b` with the weights of a [`Dense`](crate::layers::Dense) by its name.
    pub(crate) fn dense(&mut self, x: &Value, weights: &Weights, name: &str) -> Result<Value, Error> {
        let weight = weights.take(&format!("{name}.weight"))?;
        let product = {
            let weight = self.floats(&weight.shape, &weight.values);
            self.matrix_product(x, &weight)
        };
        let bias = format!("{name}.bias");
        if !weights.has(&bias) {
            return Ok(product);
        }
        let bias = weights.take(&bias)?;
        let bias = self.floats(&bias.shape, &bias.values);
        Ok(self.add(&product, &bias))
    }

    /// A dense layer and the batch norm after it, as one product.
    pub(crate) fn dense_norm(
        &mut self,
        x: &Value,
        weights: &Weights,
        [dense, norm]: [&str; 2],
    ) -> Result<Value, Error> {
        let weight = weights.take(&format!("{dense}.weight"))?;
        let Affine { scale, mut shift } = weights.batch_norm(norm)?;
        let bias = format!("{dense}.bias");
        if weights.has(&bias) {
            let bias = &weights.take(&bias)?.values;
            shift.iter_mut().zip(bias).zip(&scale).for_each(|((shift, bias), scale)| *shift += bias * scale);
        }
        Ok(self.product(x, &weight.shape, &scaled(&weight.values, &scale), &shift))
    }

    /// `x w + b` with weights of (inputs, outputs).
    pub(crate) fn product(&mut self, x: &Value, shape: &[usize], weight: &[f32], bias: &[f32]) -> Value {
        let weight = self.floats(shape, weight);
        let product = self.matrix_product(x, &weight);
        let bias = self.floats(&[bias.len()], bias);
        self.add(&product, &bias)
    }

    /// `x scale + shift` for each channel, the last dimension.
    pub(crate) fn affine(&mut self, x: &Value, affine: &Affine) -> Value {
        let scale = self.floats(&[affine.scale.len()], &affine.scale);
        let shift = self.floats(&[affine.shift.len()], &affine.shift);
        let scaled = self.multiply(x, &scale);
        self.add(&scaled, &shift)
    }

    pub(crate) fn named_layer_norm(
        &mut self,
        x: &Value,
        weights: &Weights,
        name: &str,
    ) -> Result<Value, Error> {
        let [gain, shift] = ["weight", "bias"].map(|part| weights.take(&format!("{name}.{part}")));
        let [gain, shift] = [gain?, shift?].map(|part| self.floats(&part.shape, &part.values));
        Ok(self.layer_norm(x, &gain, &shift, EPSILON as f32))
    }

    /// The layers `name.0`, `name.1` and so on, with a rectifier after each.
    pub(crate) fn chain(&mut self, x: Value, weights: &Weights, name: &str) -> Result<Value, Error> {
        let mut x = x;
        for layer in (0..).map(|index| format!("{name}.{index}")) {
            if !weights.has(&format!("{layer}.weight")) {
                break;
            }
            let hidden = self.dense(&x, weights, &layer)?;
            x = self.rectify(&hidden);
        }
        Ok(x)
    }

    /// A [`Head`](crate::layers::Head): hidden layers with rectifiers, then the scores.
    pub(crate) fn head(&mut self, x: Value, weights: &Weights, name: &str) -> Result<Value, Error> {
        let x = self.chain(x, weights, &format!("{name}.hidden"))?;
        self.dense(&x, weights, &format!("{name}.output"))
    }

    /// `softmax(q k^T / sqrt(width) + bias) v` in each of `heads`, which lie beside each other in the `channels` of q, k and
    /// v, (n, constituents, channels).
    pub(crate) fn attention(
        &mut self,
        [q, k, v]: [&Value; 3],
        heads: usize,
        channels: usize,
        bias: &Value,
    ) -> Value {
        let width = channels / heads;
        let mut split = |x: &Value, order: &[i64]| {
            let heads = self.reshape(x, &[0, 0, heads as i64, width as i64]);
            self.transpose(&heads, order)
        };
        let (q, k, v) = (split(q, &[0, 2, 1, 3]), split(k, &[0, 2, 3, 1]), split(v, &[0, 2, 1, 3]));
        let scale = self.float(1.0 / (width as f32).sqrt());
        let scores = self.matrix_product(&q, &k);
        let scores = self.multiply(&scores, &scale);
        let scores = self.add(&scores, bias);
        let shares = self.softmax(&scores);
        let read = self.matrix_product(&shares, &v);
        let read = self.transpose(&read, &[0, 2, 1, 3]);
        self.reshape(&read, &[0, 0, channels as i64])
    }

    /// `row`, one constituent, for each jet of `x`, (n, ...): (n, 1, channels).
    pub(crate) fn for_each_jet(&mut self, row: &[f32], x: &Value) -> Value {
        let row = self.floats(&[1, 1, row.len()], row);
        self.repeat_for_jets(&row, 3, x)
    }

    /// `value` of shape (1, ...) with so many dimensions, for each jet of `x`, (n, ...): (n, ...).
    pub(crate) fn repeat_for_jets(&mut self, value: &Value, dimensions: usize, x: &Value) -> Value {
        let batch = self.length(x, 0);
        let rest = self.integers(&vec![1; dimensions - 1]);
        let shape = self.concatenate(&[&batch, &rest], 0);
        self.expand(value, &shape)
    }

    /// A convolution of `x`, (n, channels, ...), that sees `kernel` places in each direction, its batch norm and a rectifier.
    /// The layer's weights are (places x channels, outputs).
    pub(crate) fn convolution_norm(
        &mut self,
        x: &Value,
        weights: &Weights,
        [layer, norm]: [&str; 2],
        kernel: &[usize],
    ) -> Result<Value, Error> {
        let weight = weights.take(&format!("{layer}.weight"))?;
        let Affine { scale, shift } = weights.batch_norm(norm)?;
        let (outputs, places) = (weight.shape[1], kernel.iter().product::<usize>());
        let channels = weight.shape[0] / places;
        let mut turned = Vec::with_capacity(weight.values.len());
        for (output, scale) in scale.iter().enumerate() {
            for channel in 0..channels {
                turned.extend(
                    (0..places)
                        .map(|place| weight.values[(place * channels + channel) * outputs + output] * scale),
                );
            }
        }
        let shape: Vec<usize> = [outputs, channels].into_iter().chain(kernel.iter().copied()).collect();
        let kernel: Vec<i64> = kernel.iter().map(|&size| size as i64).collect();
        let (weight, bias) = (self.floats(&shape, &turned), self.floats(&[outputs], &shift));
        let x = self.convolution(x, &weight, &bias, &kernel);
        Ok(self.rectify(&x))
    }

    /// `x` with zeros where `real`, the column or row of a [`Mask`], says padding.
    pub(crate) fn without_padding(&mut self, x: &Value, real: &Value) -> Value {
        let zero = self.float(0.0);
        self.choose(real, x, &zero)
    }
}
