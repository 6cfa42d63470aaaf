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

/// The graph's inputs, constituents as rows: (n, constituents, variables), zero where there is padding.
pub(crate) struct Inputs {
    pub(crate) features: Value,
    /// (n, constituents, 2).
    pub(crate) points: Option<Value>,
    /// (n, constituents, 4).
    pub(crate) vectors: Option<Value>,
    /// Whether a constituent is real: (n, constituents, 1).
    pub(crate) column: Value,
    /// The same: (n, 1, constituents).
    pub(crate) row: Value,
}

impl Inputs {
    /// The number of constituents of each jet: (n, 1, 1).
    pub(crate) fn count(&self, graph: &mut Graph) -> Value {
        let mask = graph.cast(&self.column, Type::Float);
        graph.sum(&mask, 1, true)
    }
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

    /// A [`Head`](crate::layers::Head): hidden layers with rectifiers, then the scores.
    pub(crate) fn head(&mut self, x: Value, weights: &Weights, name: &str) -> Result<Value, Error> {
        let mut x = x;
        for layer in (0..).map(|index| format!("{name}.hidden.{index}")) {
            if !weights.has(&format!("{layer}.weight")) {
                break;
            }
            let hidden = self.dense(&x, weights, &layer)?;
            x = self.rectify(&hidden);
        }
        self.dense(&x, weights, &format!("{name}.output"))
    }

    /// `x`, (n, constituents, channels), with zeros where `column` says padding.
    pub(crate) fn without_padding(&mut self, x: &Value, column: &Value) -> Value {
        let zero = self.float(0.0);
        self.choose(column, x, &zero)
    }
}
