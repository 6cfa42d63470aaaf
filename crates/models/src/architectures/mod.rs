//! The architectures: a new one is one file in this folder, one line in the table below, and one file in `crate::onnx`.
//!
//! A file holds what belongs to one architecture: its sizes as a recipe writes them ([`Configuration`]), their checks, what
//! it reads, and its layers ([`Forward`]).

mod convolution_1d;
mod convolution_2d;
mod energy_flow_network;
mod kolmogorov_arnold;
pub(crate) mod lgatr_slim;
mod lorentz_net;
mod particle_flow_network;
mod particle_net;
mod particle_transformer;
mod perceptron;
mod recurrent;
mod transformer;

use burn::module::{Module, ModuleMapper, ModuleVisitor};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::layers::{BatchNorm, Initialiser, Pass};
use crate::onnx::{self, ToGraph};
use crate::{Error, Inputs, Reads, Shape};

pub use convolution_1d::Convolution1dConfig;
pub use convolution_2d::Convolution2dConfig;
pub use energy_flow_network::EnergyFlowNetworkConfig;
pub use kolmogorov_arnold::KolmogorovArnoldConfig;
pub use lgatr_slim::{LgatrSlimConfig, Reference};
pub use lorentz_net::LorentzNetConfig;
pub use particle_flow_network::ParticleFlowNetworkConfig;
pub use particle_net::ParticleNetConfig;
pub use particle_transformer::ParticleTransformerConfig;
pub use perceptron::{ParametrisedPerceptronConfig, PerceptronConfig};
pub use recurrent::{Cell, RecurrentConfig};
pub use transformer::{BlockActivation, Norm, Pooling, TransformerConfig};

/// The sizes of an architecture. How it is exported stands in `crate::onnx`.
pub(crate) trait Configuration: ToGraph {
    type Module: Forward;

    /// The groups of a batch that the network reads.
    fn reads(&self) -> Reads;

    /// The first size that is out of range, by its key. What the data give may still be 0.
    fn check(&self, shape: &Shape) -> Result<(), String>;

    /// The layers; all sizes have been checked, and none is 0.
    fn build(&self, shape: &Shape, start: &mut Initialiser) -> Self::Module;
}

/// The layers of an architecture.
pub(crate) trait Forward: Module {
    /// A batch to scores, (jets, outputs). The batch has the groups and the sizes that the configuration asks for.
    fn forward(&self, inputs: &Inputs, pass: &mut Pass) -> Result<Tensor<2>, Error>;

    /// All batch norms in the order of the forward pass.
    fn batch_norms(&mut self) -> Vec<&mut BatchNorm> {
        Vec::new()
    }
}

/// Writes out, for each line of the table, what an enum over architectures needs.
macro_rules! architectures {
    ($($(#[$doc:meta])* $kind:literal => $variant:ident($config:ty);)*) => {
        /// The architecture of a network and its sizes.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        pub enum ArchitectureConfig {
            $($(#[$doc])* #[serde(rename = $kind)] $variant($config),)*
        }

        /// The kinds that a recipe may name.
        pub const KINDS: &[&str] = &[$($kind),*];

        impl ArchitectureConfig {
            /// The kind as it stands in the TOML.
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$variant(_) => $kind,)* }
            }

            /// The groups of a batch that the network reads.
            pub fn reads(&self) -> Reads {
                match self { $(Self::$variant(config) => config.reads(),)* }
            }

            pub(crate) fn check(&self, shape: &Shape) -> Result<(), String> {
                match self { $(Self::$variant(config) => config.check(shape),)* }
            }

            /// As nodes of an ONNX graph: scores before the softmax.
            pub(crate) fn to_graph(
                &self,
                graph: &mut onnx::Graph,
                weights: &onnx::Weights,
                inputs: &onnx::Inputs,
            ) -> Result<onnx::Value, Error> {
                match self { $(Self::$variant(config) => config.to_graph(graph, weights, inputs),)* }
            }

            pub(crate) fn build(&self, shape: &Shape, start: &mut Initialiser) -> Architecture {
                match self {
                    $(Self::$variant(config) => Architecture::$variant(Box::new(config.build(shape, start))),)*
                }
            }
        }

        /// The layers of a network.
        #[derive(Clone, Debug)]
        pub(crate) enum Architecture {
            $($variant(Box<<$config as Configuration>::Module>),)*
        }

        impl Architecture {
            /// The weights without the graph that training hangs on them.
            pub(crate) fn without_gradients(&self) -> Self {
                match self { $(Self::$variant(module) => Self::$variant(Box::new(module.valid())),)* }
            }

            pub(crate) fn map(self, mapper: &mut impl ModuleMapper) -> Self {
                match self { $(Self::$variant(module) => Self::$variant(Box::new((*module).map(mapper))),)* }
            }

            pub(crate) fn visit(&self, visitor: &mut impl ModuleVisitor) {
                match self { $(Self::$variant(module) => module.visit(visitor),)* }
            }

            pub(crate) fn batch_norms(&mut self) -> Vec<&mut BatchNorm> {
                match self { $(Self::$variant(module) => module.batch_norms(),)* }
            }

            pub(crate) fn forward(&self, inputs: &Inputs, pass: &mut Pass) -> Result<Tensor<2>, Error> {
                match self { $(Self::$variant(module) => module.forward(inputs, pass),)* }
            }
        }
    };
}

architectures! {
    /// A sum over constituents between two perceptrons.
    "particle-flow-network" => ParticleFlowNetwork(ParticleFlowNetworkConfig);
    /// Edge convolutions over nearest neighbours.
    "particle-net" => ParticleNet(ParticleNetConfig);
    /// Attention between constituents, biased by what pairs of them are to each other.
    "particle-transformer" => ParticleTransformer(ParticleTransformerConfig);
    /// A sum over constituents that is linear in their momenta: infrared and collinear safe.
    "energy-flow-network" => EnergyFlowNetwork(EnergyFlowNetworkConfig);
    /// Attention between constituents.
    "transformer" => Transformer(TransformerConfig);
    /// Messages between constituents that depend on Lorentz scalars alone.
    "lorentz-net" => LorentzNet(LorentzNetConfig);
    /// Attention between constituents made of scalars and four-vectors.
    "lgatr-slim" => LgatrSlim(LgatrSlimConfig);
    /// Convolutions over constituents in the order of their transverse momentum.
    "convolution-1d" => Convolution1d(Convolution1dConfig);
    /// Convolutions on images.
    "convolution-2d" => Convolution2d(Convolution2dConfig);
    /// A recurrent network over constituents in the order of their transverse momentum.
    "recurrent-network" => Recurrent(RecurrentConfig);
    /// Linear layers on what is known of a jet as a whole.
    "multilayer-perceptron" => Perceptron(PerceptronConfig);
    /// A perceptron that is conditioned on parameters.
    "parametrised-perceptron" => ParametrisedPerceptron(ParametrisedPerceptronConfig);
    /// Learned functions on the edges of a network on what is known of a jet as a whole.
    "kolmogorov-arnold-network" => KolmogorovArnold(KolmogorovArnoldConfig);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use burn::module::{ModuleVisitor, Param};
    use burn::tensor::{Gradients, Tensor};

    use crate::fused::composed::forced;
    use crate::fused::{from_values, values};
    use crate::layers::Pass;
    use crate::{Inputs, ModelConfig, Network, PaddedGroups};

    fn wave(number: usize, phase: f32) -> Vec<f32> {
        (0..number)
            .map(|index| (1.7 * index as f32 + phase + 0.01 * (index * index % 97) as f32).sin())
            .collect()
    }

    fn inputs() -> Inputs {
        let (jets, length) = (6, 9);
        let mut vectors = wave(jets * 4 * length, 0.3);
        for jet in vectors.chunks_exact_mut(4 * length) {
            jet[3 * length..].iter_mut().for_each(|energy| *energy = energy.abs() + 2.0);
        }
        let mask: Vec<f32> = (0..jets * length)
            .map(|cell| if cell % length < 2 + cell / length { 1.0 } else { 0.0 })
            .collect();
        Inputs::pack(&PaddedGroups {
            jets,
            length,
            points: Some(&wave(jets * 2 * length, 0.1)),
            features: &wave(jets * 3 * length, 0.2),
            vectors: Some(&vectors),
            mask: Some(&mask),
            globals: Some(&wave(jets * 2, 0.4)),
            parameters: Some(&wave(jets, 0.5)),
            images: Some(&wave(jets * 2 * 5 * 6, 0.6)),
            image: [2, 5, 6],
        })
        .unwrap()
    }

    #[derive(Default)]
    struct Collect {
        path: Vec<String>,
        from: Option<Gradients>,
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
                && let Some(gradient) = self.from.as_mut().and_then(|from| param.val().grad_remove(from))
            {
                self.found.insert(self.path.join("."), values(gradient).unwrap());
            }
        }
    }

    /// A sum of all scores with fixed weights, and its gradient.
    fn run(network: &Network, inputs: &Inputs) -> (f64, BTreeMap<String, Vec<f32>>) {
        let scores = network.training_logits(inputs, &mut Pass::training(1, 1)).unwrap();
        let [rows, columns] = scores.dims();
        let weights = wave(rows * columns, 0.9);
        let products = values(scores.clone()).unwrap().into_iter().zip(&weights);
        let value = products.map(|(score, weight)| f64::from(score) * f64::from(*weight)).sum();
        let weights = from_values(weights, [rows, columns], &scores.device());
        let sum = (scores * weights).sum();
        let mut collect = Collect { from: Some(sum.backward()), ..Collect::default() };
        network.visit(&mut collect);
        (value, collect.found)
    }

    /// The slope of the sum along the gradient of each parameter, against the gradient's length.
    fn check(text: &str) {
        let config = ModelConfig::from_toml(text).unwrap();
        let mut network = Network::new(&config, 3).unwrap();
        let inputs = inputs();
        let (_, gradient) = run(&network, &inputs);
        let start: BTreeMap<String, Vec<f32>> =
            network.named_parameters().into_iter().map(|(name, p)| (name, p.values)).collect();
        let learned = network.named_parameters().values().filter(|parameter| parameter.learned).count();
        assert_eq!(gradient.len(), learned, "{text}");
        let norm = |gradient: &[f32]| gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        let largest = gradient.values().map(|gradient| norm(gradient)).fold(0.0, f64::max);
        for (name, gradient) in &gradient {
            let norm = norm(gradient);
            if norm < 1e-3 * largest {
                continue;
            }
            // As far as moves the sum by 1e-3, to stand clear of rounding; and not far, to stand clear of kinks.
            let step = (1e-3 / norm).min(1e-2);
            let mut sum = |part: f64| {
                let mut moved = start.clone();
                for (value, slope) in moved.get_mut(name).unwrap().iter_mut().zip(gradient) {
                    *value += (part * step / norm) as f32 * slope;
                }
                network.set_parameters(moved);
                run(&network, &inputs).0
            };
            // Kinks of ReLUs lie within a large step, and rounding is as large as a small one.
            let mut slope_over = |part: f64| (sum(part) - sum(-part)) / (2.0 * part * step);
            let slopes = [1.0, 0.3, 0.1, 0.05, 0.03].map(&mut slope_over);
            let agrees = slopes.iter().any(|slope| (slope - norm).abs() < 0.02 * norm + 1e-3);
            assert!(agrees, "{text}: {name}: {slopes:?} for {norm}");
        }
    }

    /// Networks that see a jet's frame.
    const NETWORKS: [&str; 10] = [
        "kind = \"energy-flow-network\"\noutputs = 2\nglobals = 2\nphi = [8, 9]\nhead = [7]",
        "kind = \"transformer\"\nfeatures = 3\nglobals = 2\noutputs = 2\nembed = [6, 8]\nheads = 2\nblocks = 2\nexpansion = 2",
        "kind = \"transformer\"\nfeatures = 3\noutputs = 2\nembed = [8]\nheads = 2\nblocks = 1\nexpansion = 2\n\
         norm = \"root-mean-square\"\nactivation = \"swiglu\"\npooling = \"mean\"",
        "kind = \"convolution-1d\"\nfeatures = 3\noutputs = 2\nchannels = [5, 6]\nkernel = 3\nhead = [5]",
        "kind = \"recurrent-network\"\nfeatures = 3\noutputs = 2\nlayers = [5, 6]\nhead = []",
        "kind = \"recurrent-network\"\nfeatures = 3\noutputs = 2\ncell = \"lstm\"\nlayers = [5, 6]\nhead = []",
        "kind = \"multilayer-perceptron\"\nglobals = 2\noutputs = 2\nhidden = [6, 5]",
        "kind = \"parametrised-perceptron\"\nglobals = 2\nparameters = 1\noutputs = 2\nhidden = [6]",
        "kind = \"kolmogorov-arnold-network\"\nglobals = 2\noutputs = 2\nhidden = [4, 3]\ngrid = 5\nrange = 1.5",
        "kind = \"convolution-2d\"\nimage = [2, 5, 6]\noutputs = 2\nstages = [[4], [5]]\nhead = [5]",
    ];

    const EQUIVARIANT_NETWORKS: [&str; 3] = [
        "kind = \"lorentz-net\"\noutputs = 2\nwidth = 6\nblocks = 2\nhead = [5]\ndropout = 0.0\nvector_weight = 0.05",
        "kind = \"lorentz-net\"\nfeatures = 3\nscalars = true\noutputs = 2\nwidth = 5\nblocks = 1\nhead = []\ndropout = 0.0",
        "kind = \"lgatr-slim\"\noutputs = 2\nscalar_channels = 6\nvector_channels = 4\nheads = 2\nblocks = 2\nunit = 1.0",
    ];

    /// Networks whose gradients other tests look at.
    const OTHER_NETWORKS: [&str; 4] = [
        "kind = \"particle-flow-network\"\nfeatures = 3\noutputs = 2\nphi = [8, 9]\nhead = [7]",
        "kind = \"particle-net\"\nfeatures = 3\noutputs = 2\nneighbours = 3\nconvolutions = [[5, 6, 7], [6]]\nhead = [6]\ndropout = 0.0",
        "kind = \"particle-net\"\nfeatures = 3\noutputs = 2\nneighbours = 3\nconvolutions = [[5], [6]]\nphantom_neighbours = true\nhead = []\ndropout = 0.0",
        "kind = \"particle-transformer\"\nfeatures = 3\noutputs = 2\nembed = [6, 8]\npair_embed = [5]\nheads = 2\nblocks = 2\n\
         class_blocks = 2\nexpansion = 2\ndropout = 0.0",
    ];

    #[test]
    fn gradients_are_the_slopes_of_the_scores() {
        NETWORKS.into_iter().for_each(check);
    }

    #[test]
    fn gradients_of_equivariant_networks_are_the_slopes_of_the_scores() {
        EQUIVARIANT_NETWORKS.into_iter().for_each(check);
    }

    /// What runs on a GPU, here on the processor: the same scores, moments and gradients but for rounding.
    #[test]
    fn composed_operations_are_the_fused_ones() {
        let inputs = inputs();
        let largest = |values: &[f32]| values.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        let close = |what: &str, fused: &[f32], composed: &[f32], least: f32| {
            assert_eq!(fused.len(), composed.len(), "{what}");
            let scale = largest(fused).max(least);
            for (fused, composed) in fused.iter().zip(composed) {
                assert!((fused - composed).abs() < 2e-4 * scale, "{what}: {composed} for {fused} of {scale}");
            }
        };
        for text in NETWORKS.into_iter().chain(EQUIVARIANT_NETWORKS).chain(OTHER_NETWORKS) {
            let network = Network::new(&ModelConfig::from_toml(text).unwrap(), 3).unwrap();
            let scores = || network.logits(&inputs).unwrap();
            close(text, &scores(), &forced(scores), 0.1);
            let moments = || {
                let mut pass = Pass::training(1, 1);
                network.training_logits(&inputs, &mut pass).unwrap();
                let moments = pass.moments.into_iter().flat_map(|moments| [moments.mean, moments.deviation]);
                moments.flatten().map(|value| value as f32).collect::<Vec<_>>()
            };
            close(text, &moments(), &forced(moments), 0.1);
            let measured = || {
                let moments = network.norm_moments(&inputs).unwrap().0.into_iter();
                let moments = moments.flat_map(|moments| [moments.mean, moments.deviation]).flatten();
                moments.map(|value| value as f32).collect::<Vec<_>>()
            };
            close(text, &measured(), &forced(measured), 0.1);
            let (_, fused) = run(&network, &inputs);
            let (_, composed) = forced(|| run(&network, &inputs));
            assert!(fused.keys().eq(composed.keys()), "{text}");
            // A bias before a batch norm has no gradient but of rounding.
            let least = fused.values().map(|gradient| 0.05 * largest(gradient)).fold(0.0, f32::max);
            for (name, gradient) in &fused {
                close(&format!("{text}: {name}"), gradient, &composed[name], least);
            }
        }
    }
}
