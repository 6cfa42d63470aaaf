//! Small networks and made-up jets.
#![allow(clippy::unwrap_used, reason = "these are tests")]
#![allow(dead_code)] // Each test binary uses its own share.

use fiducial_models::{Inputs, ModelConfig, Network, PaddedGroups};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Networks that read constituents: three features each, two of them their points, and four-vectors.
pub(crate) const CONFIGS: [(&str, &str); 12] = [
    (
        "particle flow network",
        "kind = \"particle-flow-network\"\nfeatures = 3\nclasses = 2\nphi = [20, 24]\nhead = [10]\ndropout = 0.2",
    ),
    (
        "ParticleNet",
        "kind = \"particle-net\"\nfeatures = 3\nclasses = 2\nneighbours = 4\nconvolutions = [[8, 9], [12, 12, 10], [10]]\nhead = [10]",
    ),
    (
        "Particle Transformer",
        "kind = \"particle-transformer\"\nfeatures = 3\nclasses = 2\nembed = [10, 12]\npair_embed = [6]\nheads = 3\nblocks = 2\nclass_blocks = 1\nexpansion = 2",
    ),
    ("energy flow network", "kind = \"energy-flow-network\"\noutputs = 2\nphi = [20, 24]\nhead = [10]"),
    (
        "transformer",
        "kind = \"transformer\"\nfeatures = 3\noutputs = 2\nembed = [10, 12]\nheads = 3\nblocks = 2\ndropout = 0.1",
    ),
    (
        "gated transformer",
        "kind = \"transformer\"\nfeatures = 3\noutputs = 2\nembed = [12]\nheads = 3\nblocks = 2\nexpansion = 2\n\
         norm = \"root-mean-square\"\nactivation = \"swiglu\"\npooling = \"mean\"\nhead = [8]",
    ),
    (
        "LorentzNet",
        "kind = \"lorentz-net\"\noutputs = 2\nwidth = 10\nblocks = 2\nhead = [8]\nvector_weight = 0.01",
    ),
    (
        "L-GATr-slim",
        "kind = \"lgatr-slim\"\noutputs = 2\nscalar_channels = 12\nvector_channels = 6\nheads = 3\nblocks = 2\nunit = 1.0",
    ),
    (
        "L-GATr-slim with references",
        "kind = \"lgatr-slim\"\noutputs = 2\nscalar_channels = 8\nvector_channels = 4\nheads = 2\nblocks = 2\nunit = 1.0\n\
         reference = \"time-and-beam\"",
    ),
    (
        "1-D convolutions",
        "kind = \"convolution-1d\"\nfeatures = 3\noutputs = 2\nchannels = [8, 9]\nkernel = 3\nhead = [6]",
    ),
    (
        "gated recurrent units",
        "kind = \"recurrent-network\"\nfeatures = 3\noutputs = 2\nlayers = [8, 9]\nhead = [6]",
    ),
    (
        "long short-term memory",
        "kind = \"recurrent-network\"\nfeatures = 3\noutputs = 2\ncell = \"lstm\"\nlayers = [9]\nhead = []",
    ),
];

pub(crate) fn config_of(name: &str) -> &'static str {
    CONFIGS.iter().find(|(other, _)| *other == name).unwrap().1
}

pub(crate) fn config(text: &str) -> ModelConfig {
    ModelConfig::from_toml(text).unwrap()
}

pub(crate) fn network(text: &str) -> Network {
    Network::new(&config(text), 11).unwrap()
}

/// One constituent: three features, px, py, pz and energy; its points are the first two features.
type Constituent = [f32; 7];

#[derive(Clone)]
pub(crate) struct Jets(Vec<Vec<Constituent>>);

impl Jets {
    pub(crate) fn new(sizes: &[usize], seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut constituent = || {
            let mut values: Constituent = std::array::from_fn(|_| 2.0 * random.random::<f32>() - 1.0);
            values[6] = (values[3].powi(2) + values[4].powi(2) + values[5].powi(2)).sqrt() + 0.1;
            values
        };
        Self(sizes.iter().map(|&size| (0..size).map(|_| constituent()).collect()).collect())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn only(&self, jet: usize) -> Self {
        Self(vec![self.0[jet].clone()])
    }

    pub(crate) fn some(&self, jets: std::ops::Range<usize>) -> Self {
        Self(self.0[jets].to_vec())
    }

    pub(crate) fn reversed(&self) -> Self {
        Self(self.0.iter().map(|jet| jet.iter().rev().copied().collect()).collect())
    }

    /// Adds to the features and to the masses of every other jet.
    pub(crate) fn shifted(mut self, by: f32) -> Self {
        for constituent in self.0.iter_mut().skip(1).step_by(2).flatten() {
            constituent[..3].iter_mut().for_each(|value| *value += by);
            constituent[6] += 4.0 * by;
        }
        self
    }

    /// Massless constituents, near one plane in every other jet.
    pub(crate) fn flattened(mut self) -> Self {
        for (jet, constituents) in self.0.iter_mut().enumerate() {
            for constituent in constituents {
                constituent[5] *= if jet % 2 == 1 { 0.1 } else { 1.0 };
                constituent[6] = constituent[3].hypot(constituent[4]).hypot(constituent[5]);
            }
        }
        self
    }

    /// Other four-vectors: px, py, pz, energy.
    pub(crate) fn transformed(mut self, change: impl Fn([f64; 4]) -> [f64; 4]) -> Self {
        for constituent in self.0.iter_mut().flatten() {
            let p: [f32; 4] = std::array::from_fn(|component| constituent[3 + component]);
            constituent[3..].copy_from_slice(&change(p.map(f64::from)).map(|value| value as f32));
        }
        self
    }

    /// Each constituent as two in the same direction, which share its momentum.
    pub(crate) fn split(mut self, share: f32) -> Self {
        let part = |constituent: Constituent, share: f32| {
            let mut part = constituent;
            part[3..].iter_mut().for_each(|value| *value *= share);
            part
        };
        for jet in &mut self.0 {
            *jet = jet.iter().flat_map(|&c| [part(c, share), part(c, 1.0 - share)]).collect();
        }
        self
    }

    /// With the constituents of `other` as well, whose momenta are scaled.
    pub(crate) fn with(mut self, other: &Self, scale: f32) -> Self {
        for (jet, more) in self.0.iter_mut().zip(&other.0) {
            jet.extend(more.iter().map(|constituent| {
                let mut constituent = *constituent;
                constituent[3..].iter_mut().for_each(|value| *value *= scale);
                constituent
            }));
        }
        self
    }

    fn group(&self, length: usize, variables: std::ops::Range<usize>, padding: f32) -> Vec<f32> {
        let mut values = Vec::new();
        for jet in &self.0 {
            for variable in variables.clone() {
                values.extend(
                    (0..length).map(|index| jet.get(index).map_or(padding, |values| values[variable])),
                );
            }
        }
        values
    }

    fn pack(&self, length: usize, padding: f32, points: bool, vectors: bool) -> Inputs {
        let mask: Vec<f32> = (0..self.0.len() * length)
            .map(|cell| if cell % length < self.0[cell / length].len() { 1.0 } else { 0.0 })
            .collect();
        let place = self.group(length, 0..2, padding);
        let momenta = self.group(length, 3..7, padding);
        Inputs::pack(&PaddedGroups {
            jets: self.len(),
            length,
            points: points.then_some(&place),
            features: &self.group(length, 0..3, padding),
            vectors: vectors.then_some(&momenta),
            mask: Some(&mask),
            ..PaddedGroups::default()
        })
        .unwrap()
    }

    /// The groups of a padded batch.
    pub(crate) fn padding(&self, length: usize, padding: f32) -> Padded {
        let real = |cell: usize| cell % length < self.0[cell / length].len();
        Padded {
            jets: self.len(),
            length,
            points: self.group(length, 0..2, padding),
            features: self.group(length, 0..3, padding),
            vectors: self.group(length, 3..7, padding),
            mask: (0..self.len() * length).map(|cell| f32::from(u8::from(real(cell)))).collect(),
        }
    }

    pub(crate) fn padded(&self, length: usize) -> Inputs {
        self.pack(length, 0.0, true, true)
    }

    pub(crate) fn padded_with(&self, length: usize, padding: f32) -> Inputs {
        self.pack(length, padding, true, true)
    }

    pub(crate) fn without_points(&self) -> Inputs {
        self.pack(8, 0.0, false, true)
    }

    pub(crate) fn without_vectors(&self) -> Inputs {
        self.pack(8, 0.0, true, false)
    }
}

pub(crate) struct Padded {
    jets: usize,
    length: usize,
    points: Vec<f32>,
    features: Vec<f32>,
    vectors: Vec<f32>,
    mask: Vec<f32>,
}

impl Padded {
    pub(crate) fn groups(&self) -> PaddedGroups<'_> {
        PaddedGroups {
            jets: self.jets,
            length: self.length,
            points: Some(&self.points),
            features: &self.features,
            vectors: Some(&self.vectors),
            mask: Some(&self.mask),
            ..PaddedGroups::default()
        }
    }
}
