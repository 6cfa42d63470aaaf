//! Networks as ONNX files, and the proof that a file computes what the network does.
//!
//! A file reads padded tensors as weaver exports them: `pf_points` (n, 2, p), `pf_features` (n, variables, p), `pf_vectors`
//! (n, 4, p) and `pf_mask` (n, 1, p); of jets as a whole `globals` and `parameters` (n, variables) and `images` (n, channels,
//! height, width). It has those that the network needs. Number of jets and length are free in each call. Padding is what the
//! mask says, whatever stands there. The output `softmax` is (n, classes).
//!
//! Each architecture has a file here with its [`ToGraph`], without which it cannot be in the table of architectures.
//!
//! ```
//! use fiducial_models::onnx::{Export, export};
//! use fiducial_models::{ModelConfig, Network, Shape};
//!
//! let config = ModelConfig::from_toml("kind = \"particle-net\"")?.for_data(Shape { features: 7, outputs: 2, ..Shape::default() })?;
//! let network = Network::new(&config, 20)?;
//! let file: Vec<u8> = export(&network, &Export { mask: true, ..Export::default() })?;
//! assert!(file.windows(4).any(|bytes| bytes == b"TopK"));
//! # Ok::<(), fiducial_models::Error>(())
//! ```

mod convolution_1d;
mod convolution_2d;
mod energy_flow_network;
mod graph;
mod kolmogorov_arnold;
mod layers;
mod lgatr_slim;
mod lorentz_net;
mod minkowski;
mod particle_flow_network;
mod particle_net;
mod particle_transformer;
mod perceptron;
mod proto;
mod recurrent;
mod runtime;
mod transformer;

pub use graph::OPSET;
pub use runtime::{Proof, Runtime, Session, TOLERANCE};

pub(crate) use graph::{Graph, Value};
pub(crate) use layers::{Inputs, Weights};

use layers::{BATCH, LENGTH, Mask};
use proto::{Dimension, Type};

use crate::{Error, Loss, LossKind, ModelConfig, Network};

/// An architecture as nodes of a graph.
pub(crate) trait ToGraph {
    /// Scores before the softmax, (n, classes).
    fn to_graph(&self, graph: &mut Graph, weights: &Weights, inputs: &Inputs) -> Result<Value, Error>;
}

/// What happens to a variable before the network reads it: `clip((x - center) scale, lower, upper)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transform {
    /// Subtracted first.
    pub center: f64,
    /// Multiplied next.
    pub scale: f64,
    /// The least and the largest value after that.
    pub clip: Option<(f64, f64)>,
}

/// The pre-processing of the input groups, one [`Transform`] for each variable; a group without any is read as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Preprocessing {
    /// Of `pf_points`.
    pub points: Vec<Transform>,
    /// Of `pf_features`.
    pub features: Vec<Transform>,
    /// Of `pf_vectors`.
    pub vectors: Vec<Transform>,
    /// Of `globals`.
    pub globals: Vec<Transform>,
    /// Of `parameters`.
    pub parameters: Vec<Transform>,
    /// Of `images`, one for each channel.
    pub images: Vec<Transform>,
}

/// How a network is exported.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Export {
    /// Whether there is an input `pf_mask`, if the network reads constituents; without it every constituent is real.
    pub mask: bool,
    /// Puts this in front of the network, so that the file reads values as they are before any standardisation.
    pub preprocessing: Preprocessing,
    /// What the file gives.
    pub answers: Answers,
    /// Keys and values that the file carries along.
    pub metadata: Vec<(String, String)>,
}

/// What a file gives for each row: probabilities of classes, or of a regression numbers in the units of its targets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answers {
    /// What the network was trained on, which says what its outputs are.
    pub loss: Loss,
    /// Centre and scale of each target of a regression, by which the training standardised them.
    pub targets: Vec<(f64, f64)>,
}

impl Answers {
    /// The name of the file's output: [`OUTPUT`], or [`PREDICTIONS`] of a regression.
    pub fn output(&self) -> &'static str {
        if self.loss.classifies() { OUTPUT } else { PREDICTIONS }
    }

    /// The scale that a difference in column `column` of `columns` is measured by.
    fn scale(&self, column: usize, columns: usize) -> f64 {
        let each = (columns / self.targets.len().max(1)).max(1);
        self.targets.get(column / each).map_or(1.0, |(_, scale)| scale.abs())
    }
}

/// The names of a file's inputs, in order.
pub fn input_names(config: &ModelConfig, mask: bool) -> Vec<&'static str> {
    let reads = config.reads();
    let all = [
        ("pf_points", reads.points),
        ("pf_features", reads.features),
        ("pf_vectors", reads.vectors),
        ("globals", config.shape.globals > 0),
        ("parameters", reads.parameters),
        ("images", reads.images),
        ("pf_mask", mask && (reads.points || reads.features || reads.vectors)),
    ];
    all.into_iter().filter(|(_, needed)| *needed).map(|(name, _)| name).collect()
}

/// The name of the output of a classification: the probability of each class.
pub const OUTPUT: &str = "softmax";

/// The name of the output of a regression: what [`Loss::names`] names, in that order and in the units of the targets.
pub const PREDICTIONS: &str = "predictions";

/// The bytes of an ONNX file of the network. The same network gives the same bytes.
///
/// # Errors
/// Pre-processing of another number of variables than the group has; targets that do not share the outputs evenly.
pub fn export(network: &Network, options: &Export) -> Result<Vec<u8>, Error> {
    let config = network.config();
    let weights = Weights(network.named_parameters());
    let mut graph = Graph::default();
    let inputs = inputs(&mut graph, config, options)?;
    let scores = config.architecture.to_graph(&mut graph, &weights, &inputs)?;
    let answers = answers(&mut graph, &scores, config.shape.outputs, &options.answers)?;
    graph.output(options.answers.output(), &answers, &[BATCH, Dimension::Fixed(config.shape.outputs)]);
    let metadata: Vec<(&str, &str)> =
        options.metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    Ok(graph.finish(config.kind(), &metadata))
}

/// What [`Loss::predictions`] makes of outputs, (n, columns); in double precision, as there.
fn answers(graph: &mut Graph, outputs: &Value, columns: usize, answers: &Answers) -> Result<Value, Error> {
    if answers.loss.classifies() {
        return Ok(graph.softmax(outputs));
    }
    let targets = answers.targets.len();
    if targets == 0 || answers.loss.outputs(0, targets) != columns {
        return Err(Error::Inputs(format!("{columns} outputs do not fit {targets} targets")));
    }
    let each = columns / targets;
    let of = |column: usize| answers.targets[column / each];
    let x = graph.cast(outputs, Type::Double);
    let scales: Vec<f64> = (0..columns).map(|column| of(column).1).collect();
    let scales = graph.doubles(&[columns], &scales);
    let centers: Vec<f64> = (0..columns).map(|column| of(column).0).collect();
    let centers = graph.doubles(&[columns], &centers);
    let mut values = graph.multiply(&x, &scales);
    values = graph.add(&values, &centers);
    if answers.loss.kind == (LossKind::Gaussian {}) {
        // Of each target the mean, then the logarithm of the variance.
        let half = graph.double(0.5);
        let sigma = graph.multiply(&x, &half);
        let sigma = graph.exponential(&sigma);
        let sigma = graph.multiply(&sigma, &scales);
        let means: Vec<f64> = (0..columns).map(|column| if column % 2 == 0 { 1.0 } else { 0.0 }).collect();
        let (means, half) = (graph.doubles(&[columns], &means), graph.double(0.5));
        let are_means = graph.less(&half, &means);
        values = graph.choose(&are_means, &values, &sigma);
    }
    Ok(graph.cast(&values, Type::Float))
}

fn inputs(graph: &mut Graph, config: &ModelConfig, options: &Export) -> Result<Inputs, Error> {
    let shape = &config.shape;
    let [channels, height, width] = shape.image;
    let transforms = &options.preprocessing;
    let mut inputs = Inputs { pixels: [height, width], ..Inputs::default() };
    let mut constituents = Vec::new();
    for name in input_names(config, options.mask) {
        let group = name.trim_start_matches("pf_");
        let (variables, transforms) = match group {
            "points" => (2, &transforms.points),
            "features" => (shape.features, &transforms.features),
            "vectors" => (4, &transforms.vectors),
            "mask" => continue,
            "globals" => (shape.globals, &transforms.globals),
            "parameters" => (shape.parameters, &transforms.parameters),
            _ => (channels, &transforms.images),
        };
        let of_constituents = group != name;
        let each = [BATCH, Dimension::Fixed(variables)];
        let rest = match group {
            _ if of_constituents => vec![LENGTH],
            "images" => vec![Dimension::Fixed(height), Dimension::Fixed(width)],
            _ => Vec::new(),
        };
        let places = rest.len();
        let input = graph.input(name, &[each.as_slice(), &rest].concat());
        let value = match transforms.len() {
            0 => input,
            given if given == variables => transformed(graph, &input, transforms, places),
            given => {
                return Err(Error::Inputs(format!(
                    "{name} has {variables} variables, its pre-processing is for {given}"
                )));
            }
        };
        if of_constituents {
            constituents.push((group, graph.transpose(&value, &[0, 2, 1])));
        } else {
            inputs.groups.insert(group, value);
        }
    }
    if let Some((_, first)) = constituents.first() {
        let mask = mask(graph, options.mask, first);
        for (group, value) in &constituents {
            inputs.groups.insert(group, graph.without_padding(value, &mask.column));
        }
        inputs.mask = Some(mask);
    }
    Ok(inputs)
}

/// Without an input of that name, `like`, (n, constituents, variables), says how many constituents there are.
fn mask(graph: &mut Graph, input: bool, like: &Value) -> Mask {
    let zero = graph.float(0.0);
    let row = if input {
        let mask = graph.input("pf_mask", &[BATCH, Dimension::Fixed(1), LENGTH]);
        let padding = graph.equal(&mask, &zero);
        graph.not(&padding)
    } else {
        let first = graph.slice(like, 2, 0, 1);
        let first = graph.transpose(&first, &[0, 2, 1]);
        let all = graph.equal(&first, &first);
        // Real whatever it is, a NaN too.
        let none = graph.not(&all);
        graph.or(&all, &none)
    };
    Mask { column: graph.transpose(&row, &[0, 2, 1]), row }
}

/// In double precision, as the batches are made; with one number for each variable of `x`, (n, variables, ...), which has
/// `places` more dimensions.
fn transformed(graph: &mut Graph, x: &Value, transforms: &[Transform], places: usize) -> Value {
    let shape: Vec<usize> = std::iter::once(transforms.len()).chain(std::iter::repeat_n(1, places)).collect();
    let mut numbers = |pick: &dyn Fn(&Transform) -> f64| {
        graph.doubles(&shape, &transforms.iter().map(pick).collect::<Vec<_>>())
    };
    let center = numbers(&|transform| transform.center);
    let scale = numbers(&|transform| transform.scale);
    let lower = numbers(&|transform| transform.clip.map_or(f64::MIN, |(lower, _)| lower));
    let upper = numbers(&|transform| transform.clip.map_or(f64::MAX, |(_, upper)| upper));
    let x = graph.cast(x, Type::Double);
    let x = graph.subtract(&x, &center);
    let x = graph.multiply(&x, &scale);
    let x = graph.greatest(&x, &lower);
    let x = graph.least(&x, &upper);
    graph.cast(&x, Type::Float)
}
