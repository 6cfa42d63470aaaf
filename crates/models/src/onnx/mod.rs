//! Networks as ONNX files, and the proof that a file computes what the network does.
//!
//! A file reads padded tensors as weaver exports them: `pf_points` (n, 2, p), `pf_features` (n, variables, p), `pf_vectors`
//! (n, 4, p) and `pf_mask` (n, 1, p), of which it has those that the network needs. Number of jets and length are free in
//! each call. Padding is what the mask says, whatever stands there. The output `softmax` is (n, classes).
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

mod graph;
mod layers;
mod particle_flow_network;
mod particle_net;
mod particle_transformer;
mod proto;
mod runtime;

pub use graph::OPSET;
pub use runtime::{Proof, Runtime, Session, TOLERANCE};

use graph::{Graph, Value};
use layers::{BATCH, Inputs, LENGTH, Weights};
use proto::{Dimension, Type};

use crate::{ArchitectureConfig, Error, ModelConfig, Network};

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
}

/// How a network is exported.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Export {
    /// Whether there is an input `pf_mask`; without it every constituent is real.
    pub mask: bool,
    /// Puts this in front of the network, so that the file reads values as they are before any standardisation.
    pub preprocessing: Preprocessing,
    /// Keys and values that the file carries along.
    pub metadata: Vec<(String, String)>,
}

/// The names of a file's inputs, in order.
pub fn input_names(config: &ModelConfig, mask: bool) -> Vec<&'static str> {
    let all = [
        ("pf_points", config.reads().points),
        ("pf_features", config.reads().features),
        ("pf_vectors", config.reads().vectors),
        ("pf_mask", mask),
    ];
    all.into_iter().filter(|(_, needed)| *needed).map(|(name, _)| name).collect()
}

/// The name of a file's output.
pub const OUTPUT: &str = "softmax";

/// The bytes of an ONNX file of the network. The same network gives the same bytes.
///
/// # Errors
/// A kind of network that has no export; pre-processing of another number of variables than the group has.
pub fn export(network: &Network, options: &Export) -> Result<Vec<u8>, Error> {
    let config = network.config();
    let weights = Weights(network.named_parameters());
    let mut graph = Graph::default();
    let inputs = inputs(&mut graph, config, options)?;
    let scores = match &config.architecture {
        ArchitectureConfig::ParticleFlowNetwork(_) => {
            particle_flow_network::export(&mut graph, &weights, &inputs)
        }
        ArchitectureConfig::ParticleNet(config) => {
            particle_net::export(&mut graph, &weights, config, &inputs)
        }
        ArchitectureConfig::ParticleTransformer(config) => {
            particle_transformer::export(&mut graph, &weights, config, &inputs)
        }
        other => {
            let reason = "it has no export to ONNX yet".to_owned();
            return Err(Error::Config { kind: other.kind(), reason });
        }
    }?;
    let probabilities = graph.softmax(&scores);
    graph.output(OUTPUT, &probabilities, &[BATCH, Dimension::Fixed(config.shape.outputs)]);
    let metadata: Vec<(&str, &str)> =
        options.metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    Ok(graph.finish(config.kind(), &metadata))
}

fn inputs(graph: &mut Graph, config: &ModelConfig, options: &Export) -> Result<Inputs, Error> {
    let mut rows = |name: &str, variables: usize, transforms: &[Transform]| -> Result<Value, Error> {
        let input = graph.input(name, &[BATCH, Dimension::Fixed(variables), LENGTH]);
        let rows = graph.transpose(&input, &[0, 2, 1]);
        match transforms.len() {
            0 => Ok(rows),
            given if given == variables => Ok(transformed(graph, &rows, transforms)),
            given => Err(Error::Inputs(format!(
                "{name} has {variables} variables, its pre-processing is for {given}"
            ))),
        }
    };
    let Preprocessing { points, features, vectors } = &options.preprocessing;
    let points = config.reads().points.then(|| rows("pf_points", 2, points)).transpose()?;
    let features = rows("pf_features", config.shape.features, features)?;
    let vectors = config.reads().vectors.then(|| rows("pf_vectors", 4, vectors)).transpose()?;
    let zero = graph.float(0.0);
    let row = if options.mask {
        let mask = graph.input("pf_mask", &[BATCH, Dimension::Fixed(1), LENGTH]);
        let padding = graph.equal(&mask, &zero);
        graph.not(&padding)
    } else {
        let first = graph.slice(&features, 2, 0, 1);
        let first = graph.transpose(&first, &[0, 2, 1]);
        let all = graph.equal(&first, &first);
        // Real whatever it is, a NaN too.
        let none = graph.not(&all);
        graph.or(&all, &none)
    };
    let column = graph.transpose(&row, &[0, 2, 1]);
    let mut real = |x: &Value| graph.without_padding(x, &column);
    let (points, features, vectors) =
        (points.as_ref().map(&mut real), real(&features), vectors.as_ref().map(&mut real));
    Ok(Inputs { features, points, vectors, column, row })
}

/// In double precision, as the batches are made; with one number for each variable, the last dimension.
fn transformed(graph: &mut Graph, x: &Value, transforms: &[Transform]) -> Value {
    let mut numbers =
        |pick: &dyn Fn(&Transform) -> f64| graph.doubles(&transforms.iter().map(pick).collect::<Vec<_>>());
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
