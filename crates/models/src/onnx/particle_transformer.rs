//! The Particle Transformer as a graph.

use super::layers::with_tokens;
use super::proto::Type;
use super::{Graph, Inputs, ToGraph, Value, Weights};
use crate::Error;
use crate::ParticleTransformerConfig;

impl ToGraph for ParticleTransformerConfig {
    fn to_graph(&self, graph: &mut Graph, weights: &Weights, inputs: &Inputs) -> Result<Value, Error> {
        let mut x = graph.affine(inputs.group("features")?, &weights.batch_norm("norm")?);
        for index in 0..self.embed.len() {
            let normal = graph.named_layer_norm(&x, weights, &format!("embed_norms.{index}"))?;
            let hidden = graph.dense(&normal, weights, &format!("embed.{index}"))?;
            x = graph.gelu(&hidden);
        }

        let pairs = pair_features(graph, inputs.group("vectors")?);
        let mut bias = graph.affine(&pairs, &weights.batch_norm("pair_norm")?);
        for index in 0..=self.pair_embed.len() {
            let names = [format!("pair_embed.{index}"), format!("pair_norms.{index}")];
            bias = graph.dense_norm(&bias, weights, [&names[0], &names[1]])?;
            if index < self.pair_embed.len() {
                bias = graph.gelu(&bias);
            }
        }
        let bias = graph.transpose(&bias, &[0, 3, 1, 2]);
        let padding = inputs.mask()?.bias(graph);
        let bias = graph.add(&bias, &padding);

        for index in 0..self.blocks {
            let name = format!("blocks.{index}");
            let normal = graph.named_layer_norm(&x, weights, &format!("{name}.attention_norm"))?;
            x = block(graph, weights, self.heads, &name, &x, [&normal, &normal], &bias)?;
        }

        let mut token = graph.for_each_jet(&weights.take("class_token")?.values, &x);
        let padding = with_tokens(graph, &padding, 1);
        for index in 0..self.class_blocks {
            let name = format!("class_blocks.{index}");
            let all = graph.concatenate(&[&token, &x], 1);
            let all = graph.named_layer_norm(&all, weights, &format!("{name}.attention_norm"))?;
            token = block(graph, weights, self.heads, &name, &token, [&token, &all], &padding)?;
        }
        let token = graph.squeeze(&token, 1);
        let normal = graph.named_layer_norm(&token, weights, "output_norm")?;
        graph.head(normal, weights, "head")
    }
}

/// Attention of `queries` to `keys` and the perceptron after it, each around a residual.
fn block(
    graph: &mut Graph,
    weights: &Weights,
    heads: usize,
    name: &str,
    residual: &Value,
    [queries, keys]: [&Value; 2],
    bias: &Value,
) -> Result<Value, Error> {
    let part = |part: &str| format!("{name}.{part}");
    let width = weights.take(&part("residual_gain"))?.values.len();
    let q = graph.dense(queries, weights, &part("query"))?;
    let k = graph.dense(keys, weights, &part("key"))?;
    let v = graph.dense(keys, weights, &part("value"))?;
    let read = graph.attention([&q, &k, &v], heads, width, bias);
    let mixed = graph.dense(&read, weights, &part("mix"))?;
    let gain = &weights.take(&part("head_gain"))?.values;
    let gain: Vec<f32> = (0..width).map(|channel| gain[channel / (width / heads)]).collect();
    let gain = graph.floats(&[width], &gain);
    let mixed = graph.multiply(&mixed, &gain);
    let mixed = graph.named_layer_norm(&mixed, weights, &part("after_attention_norm"))?;
    let residual = graph.add(&mixed, residual);

    let x = graph.named_layer_norm(&residual, weights, &part("hidden_norm"))?;
    let x = graph.dense(&x, weights, &part("hidden"))?;
    let x = graph.gelu(&x);
    let x = graph.named_layer_norm(&x, weights, &part("after_hidden_norm"))?;
    let x = graph.dense(&x, weights, &part("output"))?;
    let gain = &weights.take(&part("residual_gain"))?.values;
    let gain = graph.floats(&[width], gain);
    let kept = graph.multiply(&residual, &gain);
    Ok(graph.add(&x, &kept))
}

/// The pair features of `crate::particle_transformer`, (n, constituents, constituents, 4), in double precision too: of two
/// constituents side by side, the mass is what is left of numbers a million times larger.
///
/// ONNX has no arc tangent of two arguments, and ONNX Runtime's has single precision only. The angle between two
/// directions in the transverse plane is taken from their cross and dot products instead, which keeps small angles exact.
fn pair_features(graph: &mut Graph, vectors: &Value) -> Value {
    let vectors = graph.cast(vectors, Type::Double);
    let [px, py, pz, energy] =
        [0, 1, 2, 3].map(|component| graph.slice(&vectors, 2, component, component + 1));
    let [zero, one, half, two] = [0.0, 1.0, 0.5, 2.0].map(|value| graph.double(value));
    let [least, tiny, least_divisor] = [1e-8, 1e-20, 1e-300].map(|value| graph.double(value));

    let pt_squared = sum_of_squares(graph, &[&px, &py]);
    let pt = graph.root(&pt_squared);
    let difference = graph.subtract(&energy, &pz);
    let difference = graph.greatest(&difference, &tiny);
    let twice = graph.multiply(&pz, &two);
    let ratio = graph.divide(&twice, &difference);
    let ratio = graph.add(&ratio, &one);
    let ratio = graph.greatest(&ratio, &tiny);
    let rapidity = graph.logarithm(&ratio);
    let rapidity = graph.multiply(&rapidity, &half);
    // Without a transverse momentum the angle is 0, as `atan2(0, 0)` is.
    let nowhere = graph.equal(&pt, &zero);
    let x = graph.choose(&nowhere, &one, &px);

    let mut both = |value: &Value| [value.clone(), graph.transpose(value, &[0, 2, 1])];
    let [[x_i, x_j], [y_i, y_j], [pt_i, pt_j], [rapidity_i, rapidity_j]] =
        [both(&x), both(&py), both(&pt), both(&rapidity)];
    let pairs = [&px, &py, &pz, &energy].map(&mut both);
    let dot = sum_of_products(graph, [&x_i, &x_j], [&y_i, &y_j]);
    let [a, b] = [graph.multiply(&x_i, &y_j), graph.multiply(&y_i, &x_j)];
    let cross = graph.subtract(&a, &b);
    let cross = graph.absolute(&cross);
    let size = graph.absolute(&dot);
    let size = graph.greatest(&size, &least_divisor);
    let tangent = graph.divide(&cross, &size);
    let tangent = graph.cast(&tangent, Type::Float);
    let sharp = graph.arc_tangent(&tangent);
    let sharp = graph.cast(&sharp, Type::Double);
    let turn = graph.double(std::f64::consts::PI);
    let blunt = graph.subtract(&turn, &sharp);
    let backwards = graph.less(&dot, &zero);
    let delta_phi = graph.choose(&backwards, &blunt, &sharp);

    let delta_rapidity = graph.subtract(&rapidity_i, &rapidity_j);
    let delta_squared = sum_of_squares(graph, &[&delta_rapidity, &delta_phi]);
    let delta_r = graph.root(&delta_squared);
    let least_pt = graph.least(&pt_i, &pt_j);
    let kt = graph.multiply(&least_pt, &delta_r);
    let sum = graph.add(&pt_i, &pt_j);
    let sum = graph.greatest(&sum, &least);
    let z = graph.divide(&least_pt, &sum);
    let [px, py, pz, energy] = pairs.map(|[i, j]| graph.add(&i, &j));
    let mut mass_squared = graph.multiply(&energy, &energy);
    for component in [&px, &py, &pz] {
        let square = graph.multiply(component, component);
        mass_squared = graph.subtract(&mass_squared, &square);
    }

    let features = [kt, z, delta_r, mass_squared].map(|feature| {
        let feature = graph.greatest(&feature, &least);
        let feature = graph.cast_logarithm(&feature);
        graph.unsqueeze(&feature, 3)
    });
    graph.concatenate(&features.each_ref(), 3)
}

impl Graph {
    fn cast_logarithm(&mut self, x: &Value) -> Value {
        let logarithm = self.logarithm(x);
        self.cast(&logarithm, Type::Float)
    }
}

fn sum_of_squares(graph: &mut Graph, values: &[&Value]) -> Value {
    let squares: Vec<Value> = values.iter().map(|value| graph.multiply(value, value)).collect();
    squares.into_iter().reduce(|sum, square| graph.add(&sum, &square)).unwrap_or_else(|| graph.double(0.0))
}

fn sum_of_products(graph: &mut Graph, a: [&Value; 2], b: [&Value; 2]) -> Value {
    let [a, b] = [a, b].map(|[left, right]| graph.multiply(left, right));
    graph.add(&a, &b)
}
