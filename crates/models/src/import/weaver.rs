//! Networks from tensors as weaver-core 0.5 and the Particle Transformer repository name them.
//!
//! What a state dict does not say is taken as weaver's defaults have it: rectifiers in ParticleNet and in the particle flow
//! network, GELU in the Particle Transformer, pair features ln kT, ln z, ln Delta R and ln m^2 of each pair and of each
//! constituent with itself, the mean over constituents divided by their number (`use_counts`).

use std::collections::BTreeMap;

use super::StateDict;
use crate::fused::norm::EPSILON;
use crate::weights::StoredTensor;
use crate::{
    ArchitectureConfig, Error, ModelConfig, Network, ParticleFlowNetworkConfig, ParticleNetConfig,
    ParticleTransformerConfig, Shape,
};

/// What a state dict does not say of a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// The neighbours of ParticleNet's edge convolutions.
    pub neighbours: Option<usize>,
}

/// The network whose weights a state dict holds: ParticleNet, Particle Transformer (version 1) or a particle flow
/// network, by the names of the tensors.
///
/// Batch norms of weaver's particle flow network become part of the layers beside them, which changes nothing but the
/// rounding.
///
/// # Errors
/// Tensors of another network, of other shapes, one too few or one too many, by name; a ParticleNet without
/// [`Hints::neighbours`].
pub fn from_weaver(weights: &StateDict, hints: &Hints) -> Result<Network, Error> {
    let what = weights.what.as_str();
    let mut source = Source::new(weights);
    let wrong = |reason: String| Error::Weights { what: what.to_owned(), reason };
    let made = if source.has("edge_convs.0.convs.0.weight") {
        particle_net(&mut source, hints)
    } else if source.has("cls_token") {
        particle_transformer(&mut source)
    } else if source.has("phi.0.0.weight") {
        particle_flow_network(&mut source)
    } else {
        let first = source.0.keys().next().map_or("it is empty", String::as_str);
        Err(format!(
            "these are not the tensors of weaver's ParticleNet, ParticleTransformer or ParticleFlowNetwork: {first}"
        ))
    };
    let (config, tensors) = made.map_err(wrong)?;
    if let Some(name) = source.0.keys().find(|name| !name.ends_with("num_batches_tracked")) {
        return Err(wrong(format!("the tensor {name} has no place in a {}", config.kind())));
    }
    let mut network = Network::new(&config, 0)?;
    network.load(what, tensors)?;
    Ok(network)
}

type Made = Result<(ModelConfig, BTreeMap<String, StoredTensor>), String>;

/// The tensors that are not taken yet, without the names of modules that wrap the network.
struct Source(BTreeMap<String, StoredTensor>);

impl Source {
    fn new(weights: &StateDict) -> Self {
        let mut tensors = weights.tensors.clone();
        for wrapper in ["module.", "_orig_mod.", "mod."] {
            if !tensors.is_empty() && tensors.keys().all(|name| name.starts_with(wrapper)) {
                let shorter =
                    tensors.into_iter().map(|(name, tensor)| (name[wrapper.len()..].to_owned(), tensor));
                tensors = shorter.collect();
            }
        }
        Self(tensors)
    }

    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn take(&mut self, name: &str) -> Result<StoredTensor, String> {
        self.0.remove(name).ok_or_else(|| format!("it has no tensor {name}"))
    }

    /// As a vector, of any shape.
    fn vector(&mut self, name: &str) -> Result<Vec<f32>, String> {
        Ok(self.take(name)?.values)
    }

    /// The weights of a linear layer or of a convolution of width 1, turned to (inputs, outputs).
    fn matrix(&mut self, name: &str) -> Result<StoredTensor, String> {
        let tensor = self.take(name)?;
        match tensor.shape[..] {
            [outputs, inputs] | [outputs, inputs, 1] | [outputs, inputs, 1, 1] => {
                let rows = 0..inputs;
                let values = rows.flat_map(|input| {
                    let column = tensor.values.iter().skip(input).step_by(inputs.max(1));
                    column.copied().collect::<Vec<_>>()
                });
                Ok(StoredTensor { shape: vec![inputs, outputs], values: values.collect() })
            }
            _ => Err(format!("the tensor {name} has shape {:?}, which no linear layer has", tensor.shape)),
        }
    }

    /// Weights and bias of a batch or layer norm under `to`; those of a batch norm with running moments.
    fn norm(&mut self, tensors: &mut Tensors, from: &str, to: &str) -> Result<usize, String> {
        let mut parts = vec![("weight", "weight"), ("bias", "bias")];
        if self.has(&format!("{from}.running_mean")) {
            parts.extend([("running_mean", "running_mean"), ("running_var", "running_variance")]);
        }
        let mut width = 0;
        for (theirs, ours) in parts {
            let values = self.vector(&format!("{from}.{theirs}"))?;
            width = values.len();
            tensors.put(format!("{to}.{ours}"), vec![width], values);
        }
        Ok(width)
    }

    /// A linear layer with its bias under `to`; the number of its outputs.
    fn dense(&mut self, tensors: &mut Tensors, from: &str, to: &str) -> Result<usize, String> {
        let weight = self.matrix(&format!("{from}.weight"))?;
        let outputs = weight.shape[1];
        tensors.put(format!("{to}.weight"), weight.shape, weight.values);
        let bias = self.vector(&format!("{from}.bias"))?;
        tensors.put(format!("{to}.bias"), vec![bias.len()], bias);
        Ok(outputs)
    }

    /// The layers after the pooling, `fc.0.0`, `fc.1.0` and so on, then `fc.N`: the hidden widths, and the classes.
    fn head(&mut self, tensors: &mut Tensors) -> Result<(Vec<usize>, usize), String> {
        let mut hidden = Vec::new();
        while self.has(&format!("fc.{}.0.weight", hidden.len())) {
            let (from, to) = (format!("fc.{}.0", hidden.len()), format!("head.hidden.{}", hidden.len()));
            hidden.push(self.dense(tensors, &from, &to)?);
        }
        let classes = self.dense(tensors, &format!("fc.{}", hidden.len()), "head.output")?;
        Ok((hidden, classes))
    }
}

#[derive(Default)]
struct Tensors(BTreeMap<String, StoredTensor>);

impl Tensors {
    fn put(&mut self, name: String, shape: Vec<usize>, values: Vec<f32>) {
        self.0.insert(name, StoredTensor { shape, values });
    }
}

fn particle_net(source: &mut Source, hints: &Hints) -> Made {
    let neighbours = hints.neighbours.ok_or("a ParticleNet's file does not say its number of neighbours")?;
    let mut tensors = Tensors::default();
    let mut shape = Shape::default();
    let mut config =
        ParticleNetConfig { neighbours, phantom_neighbours: true, ..ParticleNetConfig::default() };
    config.convolutions.clear();
    for index in 0.. {
        let from = |part: &str| format!("edge_convs.{index}.{part}");
        let to = |part: &str| format!("convolutions.{index}.{part}");
        if !source.has(&from("convs.0.weight")) {
            break;
        }
        let mut widths = Vec::new();
        for layer in 0.. {
            let name = from(&format!("convs.{layer}.weight"));
            if !source.has(&name) {
                break;
            }
            let weight = source.matrix(&name)?;
            if index == 0 && layer == 0 {
                shape.features = weight.shape[0] / 2;
            }
            let place = match layer {
                0 => to("first"),
                _ => to(&format!("layers.{}.weight", layer - 1)),
            };
            widths.push(weight.shape[1]);
            tensors.put(place, weight.shape, weight.values);
            source.norm(&mut tensors, &from(&format!("bns.{layer}")), &to(&format!("norms.{layer}")))?;
        }
        if source.has(&from("sc.weight")) {
            let weight = source.matrix(&from("sc.weight"))?;
            tensors.put(to("shortcut.weight"), weight.shape, weight.values);
            source.norm(&mut tensors, &from("sc_bn"), &to("shortcut_norm"))?;
        }
        config.convolutions.push(widths);
    }
    if source.has("bn_fts.weight") {
        source.norm(&mut tensors, "bn_fts", "norm")?;
    } else {
        identity_norm(&mut tensors, "norm", shape.features);
    }
    if source.has("fusion_block.0.weight") {
        let weight = source.matrix("fusion_block.0.weight")?;
        config.fusion = weight.shape[1];
        tensors.put("fusion.weight".to_owned(), weight.shape, weight.values);
        source.norm(&mut tensors, "fusion_block.1", "fusion_norm")?;
    }
    (config.head, shape.outputs) = source.head(&mut tensors)?;
    Ok((ModelConfig { shape, architecture: ArchitectureConfig::ParticleNet(config) }, tensors.0))
}

/// A batch norm that changes nothing.
fn identity_norm(tensors: &mut Tensors, name: &str, width: usize) {
    let variance = (1.0 - EPSILON) as f32;
    for (part, value) in
        [("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_variance", variance)]
    {
        tensors.put(format!("{name}.{part}"), vec![width], vec![value; width]);
    }
}

fn particle_transformer(source: &mut Source) -> Made {
    let mut tensors = Tensors::default();
    let mut shape = Shape::default();
    let mut config = ParticleTransformerConfig::default();
    let layers =
        |name: &'static str, first: usize| move |index: usize| format!("{name}.{}", first + 3 * index);
    let (norms, linears) = (layers("embed.embed", 0), layers("embed.embed", 1));
    shape.features = source.norm(&mut tensors, "embed.input_bn", "norm")?;
    config.embed.clear();
    while source.has(&format!("{}.weight", linears(config.embed.len()))) {
        let index = config.embed.len();
        source.norm(&mut tensors, &norms(index), &format!("embed_norms.{index}"))?;
        config.embed.push(source.dense(&mut tensors, &linears(index), &format!("embed.{index}"))?);
    }

    let (convolutions, norms) = (layers("pair_embed.embed", 1), layers("pair_embed.embed", 2));
    let pairs = source.norm(&mut tensors, "pair_embed.embed.0", "pair_norm")?;
    if pairs != 4 {
        return Err(format!("its pairs have {pairs} features, not 4"));
    }
    let mut widths = Vec::new();
    while source.has(&format!("{}.weight", convolutions(widths.len()))) {
        let index = widths.len();
        widths.push(source.dense(&mut tensors, &convolutions(index), &format!("pair_embed.{index}"))?);
        source.norm(&mut tensors, &norms(index), &format!("pair_norms.{index}"))?;
    }
    config.heads = widths.pop().ok_or("it has no embedding of pairs")?;
    config.pair_embed = widths;

    for (theirs, ours, count) in
        [("blocks", "blocks", &mut config.blocks), ("cls_blocks", "class_blocks", &mut config.class_blocks)]
    {
        *count = 0;
        while source.has(&format!("{theirs}.{count}.fc1.weight")) {
            config.expansion = block(
                source,
                &mut tensors,
                &format!("{theirs}.{count}"),
                &format!("{ours}.{count}"),
                config.heads,
            )?;
            *count += 1;
        }
    }
    let token = source.vector("cls_token")?;
    tensors.put("class_token".to_owned(), vec![1, token.len()], token);
    source.norm(&mut tensors, "norm", "output_norm")?;
    (config.head, shape.outputs) = source.head(&mut tensors)?;
    Ok((ModelConfig { shape, architecture: ArchitectureConfig::ParticleTransformer(config) }, tensors.0))
}

/// One block; gives the width of its hidden layer over its own.
fn block(
    source: &mut Source,
    tensors: &mut Tensors,
    from: &str,
    to: &str,
    heads: usize,
) -> Result<usize, String> {
    for (theirs, ours) in [
        ("pre_attn_norm", "attention_norm"),
        ("post_attn_norm", "after_attention_norm"),
        ("pre_fc_norm", "hidden_norm"),
        ("post_fc_norm", "after_hidden_norm"),
    ] {
        source.norm(tensors, &format!("{from}.{theirs}"), &format!("{to}.{ours}"))?;
    }
    // Query, key and value lie below each other; PyTorch's own attention writes an underscore for the dot.
    let dot = if source.has(&format!("{from}.attn.in_proj_weight")) { "_" } else { "." };
    let weight = source.matrix(&format!("{from}.attn.in_proj{dot}weight"))?;
    let bias = source.vector(&format!("{from}.attn.in_proj{dot}bias"))?;
    let width = weight.shape[0];
    if weight.shape[1] != 3 * width || bias.len() != 3 * width || heads == 0 || width % heads != 0 {
        return Err(format!("the attention of {from} is {:?} with {heads} heads", weight.shape));
    }
    for (index, ours) in ["query", "key", "value"].into_iter().enumerate() {
        let columns = index * width..(index + 1) * width;
        let part =
            weight.values.chunks_exact(3 * width).flat_map(|row| row[columns.clone()].to_vec()).collect();
        tensors.put(format!("{to}.{ours}.weight"), vec![width, width], part);
        tensors.put(format!("{to}.{ours}.bias"), vec![width], bias[columns.clone()].to_vec());
    }
    source.dense(tensors, &format!("{from}.attn.out_proj"), &format!("{to}.mix"))?;
    let hidden = source.dense(tensors, &format!("{from}.fc1"), &format!("{to}.hidden"))?;
    source.dense(tensors, &format!("{from}.fc2"), &format!("{to}.output"))?;
    for (theirs, ours) in [("c_attn", "head_gain"), ("w_resid", "residual_gain")] {
        let values = source.vector(&format!("{from}.{theirs}"))?;
        tensors.put(format!("{to}.{ours}"), vec![values.len()], values);
    }
    Ok(hidden / width.max(1))
}

fn particle_flow_network(source: &mut Source) -> Made {
    let mut tensors = Tensors::default();
    let mut shape = Shape::default();
    let mut config = ParticleFlowNetworkConfig { phi: Vec::new(), ..ParticleFlowNetworkConfig::default() };
    // What a batch norm does before the first layer, and after each.
    let mut before = affine(source, "input_bn")?;
    while source.has(&format!("phi.{}.0.weight", config.phi.len())) {
        let index = config.phi.len();
        let mut weight = source.matrix(&format!("phi.{index}.0.weight"))?;
        let mut bias = source.vector(&format!("phi.{index}.0.bias"))?;
        let outputs = weight.shape[1];
        if bias.len() != outputs {
            return Err(format!("phi.{index}.0 has {} biases for {outputs} outputs", bias.len()));
        }
        if let Some((scale, shift)) = before.take() {
            if scale.len() != weight.shape[0] {
                return Err(format!(
                    "input_bn has {} channels, phi.0 reads {}",
                    scale.len(),
                    weight.shape[0]
                ));
            }
            for ((row, scale), shift) in weight.values.chunks_exact_mut(outputs).zip(scale).zip(shift) {
                for (weight, bias) in row.iter_mut().zip(&mut bias) {
                    *bias = (f64::from(*bias) + f64::from(*weight) * shift) as f32;
                    *weight = (f64::from(*weight) * scale) as f32;
                }
            }
        }
        if let Some((scale, shift)) = affine(source, &format!("phi.{index}.1"))? {
            if scale.len() != outputs {
                return Err(format!("phi.{index}.1 has {} channels, not {outputs}", scale.len()));
            }
            for row in weight.values.chunks_exact_mut(outputs) {
                row.iter_mut()
                    .zip(&scale)
                    .for_each(|(weight, scale)| *weight = (f64::from(*weight) * scale) as f32);
            }
            for ((bias, scale), shift) in bias.iter_mut().zip(&scale).zip(&shift) {
                *bias = (f64::from(*bias) * scale + shift) as f32;
            }
        }
        if index == 0 {
            shape.features = weight.shape[0];
        }
        config.phi.push(outputs);
        tensors.put(format!("phi.{index}.weight"), weight.shape, weight.values);
        tensors.put(format!("phi.{index}.bias"), vec![outputs], bias);
    }
    (config.head, shape.outputs) = source.head(&mut tensors)?;
    Ok((ModelConfig { shape, architecture: ArchitectureConfig::ParticleFlowNetwork(config) }, tensors.0))
}

/// A scale and a shift for each channel.
type Affine = (Vec<f64>, Vec<f64>);

/// `x scale + shift` of a batch norm with running moments, if it is there.
fn affine(source: &mut Source, name: &str) -> Result<Option<Affine>, String> {
    if !source.has(&format!("{name}.running_mean")) {
        return Ok(None);
    }
    let mut part = |part: &str| -> Result<Vec<f64>, String> {
        Ok(source.vector(&format!("{name}.{part}"))?.into_iter().map(f64::from).collect())
    };
    let (gain, offset, mean, variance) =
        (part("weight")?, part("bias")?, part("running_mean")?, part("running_var")?);
    let scale: Vec<f64> =
        gain.iter().zip(variance).map(|(gain, variance)| gain / (variance + EPSILON).sqrt()).collect();
    let shift =
        offset.iter().zip(mean).zip(&scale).map(|((offset, mean), scale)| offset - mean * scale).collect();
    Ok(Some((scale, shift)))
}
