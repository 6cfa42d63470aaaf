//! What a recipe says about a model: its kind and its sizes.

use serde::{Deserialize, Serialize};

use crate::Error;

/// The kind and the sizes of a network; TOML with a `kind`, unknown keys are errors.
///
/// ```
/// use fiducial_models::ModelConfig;
/// let config = ModelConfig::from_toml(
///     r#"
///     kind = "particle-net"
///     features = 7
///     classes = 2
///     neighbours = 7
///     convolutions = [[32, 32, 32], [64, 64, 64]]
///     head = [128]
///     "#,
/// )?;
/// assert_eq!(config.kind(), "particle-net");
/// assert!(ModelConfig::from_toml("kind = \"particle-net\"\nneighbors = 7").is_err());
/// # Ok::<(), fiducial_models::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ModelConfig {
    /// A sum over constituents between two perceptrons.
    ParticleFlowNetwork(ParticleFlowNetworkConfig),
    /// Edge convolutions over nearest neighbours.
    ParticleNet(ParticleNetConfig),
    /// Attention between constituents, biased by what pairs of them are to each other.
    ParticleTransformer(ParticleTransformerConfig),
}

/// Sizes of a particle flow network (arXiv:1810.05165).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ParticleFlowNetworkConfig {
    /// Features of a constituent; 0 takes the number from the view.
    pub features: usize,
    /// Classes to tell apart; 0 takes the number from the labels.
    pub classes: usize,
    /// Widths of the layers that see one constituent each; the last is the latent dimension.
    pub phi: Vec<usize>,
    /// Widths of the layers after the sum.
    pub head: Vec<usize>,
    /// Dropout after each layer of the head.
    pub dropout: f64,
}

impl Default for ParticleFlowNetworkConfig {
    fn default() -> Self {
        Self { features: 0, classes: 0, phi: vec![100, 100, 256], head: vec![100, 100], dropout: 0.0 }
    }
}

/// Sizes of a ParticleNet (arXiv:1902.08570).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ParticleNetConfig {
    /// Features of a constituent; 0 takes the number from the view.
    pub features: usize,
    /// Classes to tell apart; 0 takes the number from the labels.
    pub classes: usize,
    /// Nearest neighbours of each constituent (k). Padding is never one. In a jet of n <= k constituents each has the
    /// n - 1 others, and what is averaged over edges is averaged over those; a lone constituent has itself.
    pub neighbours: usize,
    /// One list of widths for each edge convolution.
    pub convolutions: Vec<Vec<usize>>,
    /// As in weaver: where a jet of n <= k constituents lacks neighbours, constituents of zeros stand in, so that each has k.
    pub phantom_neighbours: bool,
    /// Width of a layer with a batch norm on the outputs of all convolutions together, as in weaver; 0 for none, as in
    /// the paper: only the last convolution's output goes on.
    pub fusion: usize,
    /// Widths of the layers after the average over constituents.
    pub head: Vec<usize>,
    /// Dropout after each layer of the head.
    pub dropout: f64,
}

impl Default for ParticleNetConfig {
    fn default() -> Self {
        Self {
            features: 0,
            classes: 0,
            neighbours: 16,
            convolutions: vec![vec![64; 3], vec![128; 3], vec![256; 3]],
            phantom_neighbours: false,
            fusion: 0,
            head: vec![256],
            dropout: 0.1,
        }
    }
}

impl ParticleNetConfig {
    /// ParticleNet-Lite of the same paper: 7 neighbours, two convolutions of 32 and 64, head of 128.
    pub fn lite() -> Self {
        Self {
            neighbours: 7,
            convolutions: vec![vec![32; 3], vec![64; 3]],
            head: vec![128],
            ..Self::default()
        }
    }
}

/// Sizes of a Particle Transformer (arXiv:2202.03772).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ParticleTransformerConfig {
    /// Features of a constituent; 0 takes the number from the view.
    pub features: usize,
    /// Classes to tell apart; 0 takes the number from the labels.
    pub classes: usize,
    /// Widths of the embedding of a constituent; the last is the width of the attention blocks.
    pub embed: Vec<usize>,
    /// Widths of the embedding of a pair, before the last layer to one number a head.
    pub pair_embed: Vec<usize>,
    /// Attention heads.
    pub heads: usize,
    /// Particle attention blocks.
    pub blocks: usize,
    /// Class attention blocks.
    pub class_blocks: usize,
    /// Width of the hidden layer of each block over the block's own width.
    pub expansion: usize,
    /// Widths of the layers between the class token and the classes.
    pub head: Vec<usize>,
    /// Dropout in the particle attention blocks (the class attention blocks have none).
    pub dropout: f64,
}

impl Default for ParticleTransformerConfig {
    fn default() -> Self {
        Self {
            features: 0,
            classes: 0,
            embed: vec![128, 512, 128],
            pair_embed: vec![64, 64, 64],
            heads: 8,
            blocks: 8,
            class_blocks: 2,
            expansion: 4,
            head: vec![],
            dropout: 0.1,
        }
    }
}

/// No layer is wider and no network deeper than this, so that a slip in a recipe cannot ask for all memory.
const LARGEST: usize = 16_384;

impl ModelConfig {
    /// Reads the inside of a `[model]` table and checks the sizes.
    ///
    /// # Errors
    /// Unknown keys or kinds, wrong types, sizes out of range.
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        let config: Self = toml::from_str(text)?;
        config.validate()?;
        Ok(config)
    }

    /// The kind as it stands in the TOML.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ParticleFlowNetwork(_) => "particle-flow-network",
            Self::ParticleNet(_) => "particle-net",
            Self::ParticleTransformer(_) => "particle-transformer",
        }
    }

    /// Features of a constituent; 0 when the view has yet to say.
    pub fn features(&self) -> usize {
        match self {
            Self::ParticleFlowNetwork(config) => config.features,
            Self::ParticleNet(config) => config.features,
            Self::ParticleTransformer(config) => config.features,
        }
    }

    /// Classes to tell apart; 0 when the labels have yet to say.
    pub fn classes(&self) -> usize {
        match self {
            Self::ParticleFlowNetwork(config) => config.classes,
            Self::ParticleNet(config) => config.classes,
            Self::ParticleTransformer(config) => config.classes,
        }
    }

    /// Whether the network reads the group `points`, (n, 2, p): where the nearest neighbours are sought.
    pub fn needs_points(&self) -> bool {
        matches!(self, Self::ParticleNet(_))
    }

    /// Whether the network reads the group `vectors`, (n, 4, p): px, py, pz, energy.
    pub fn needs_vectors(&self) -> bool {
        matches!(self, Self::ParticleTransformer(_))
    }

    /// The same configuration for this many features and classes: zeros are filled in.
    ///
    /// # Errors
    /// A number that the configuration fixes and that is another one; sizes out of range.
    pub fn with_shape(mut self, features: usize, classes: usize) -> Result<Self, Error> {
        let kind = self.kind();
        let (own_features, own_classes) = match &mut self {
            Self::ParticleFlowNetwork(config) => (&mut config.features, &mut config.classes),
            Self::ParticleNet(config) => (&mut config.features, &mut config.classes),
            Self::ParticleTransformer(config) => (&mut config.features, &mut config.classes),
        };
        for (what, own, given) in [("features", own_features, features), ("classes", own_classes, classes)] {
            if *own == 0 {
                *own = given;
            } else if *own != given {
                let reason = format!("the configuration has {own} {what}, the data has {given}");
                return Err(Error::Config { kind, reason });
            }
        }
        self.validate()?;
        Ok(self)
    }

    /// Checks all sizes; `features` and `classes` may still be 0.
    ///
    /// # Errors
    /// The first size that is out of range, by its key.
    pub fn validate(&self) -> Result<(), Error> {
        self.check().map_err(|reason| Error::Config { kind: self.kind(), reason })
    }

    fn check(&self) -> Result<(), String> {
        at_most("features", self.features(), 0)?;
        at_most("classes", self.classes(), 0)?;
        match self {
            Self::ParticleFlowNetwork(config) => {
                widths("phi", &config.phi, 1)?;
                widths("head", &config.head, 0)?;
                probability("dropout", config.dropout)
            }
            Self::ParticleNet(config) => {
                at_most("neighbours", config.neighbours, 1)?;
                at_most("the number of convolutions", config.convolutions.len(), 1)?;
                for convolution in &config.convolutions {
                    widths("convolutions", convolution, 1)?;
                }
                at_most("fusion", config.fusion, 0)?;
                widths("head", &config.head, 0)?;
                probability("dropout", config.dropout)
            }
            Self::ParticleTransformer(config) => {
                widths("embed", &config.embed, 1)?;
                widths("pair_embed", &config.pair_embed, 0)?;
                widths("head", &config.head, 0)?;
                at_most("heads", config.heads, 1)?;
                at_most("blocks", config.blocks, 0)?;
                at_most("class_blocks", config.class_blocks, 1)?;
                at_most("expansion", config.expansion, 1)?;
                let width = config.embed.last().copied().unwrap_or(0);
                if width % config.heads != 0 {
                    return Err(format!("embed ends in {width}, which {} heads do not divide", config.heads));
                }
                probability("dropout", config.dropout)
            }
        }
    }
}

fn at_most(key: &str, value: usize, least: usize) -> Result<(), String> {
    if (least..=LARGEST).contains(&value) {
        return Ok(());
    }
    Err(format!("{key} must lie between {least} and {LARGEST}, not {value}"))
}

fn widths(key: &str, layers: &[usize], fewest: usize) -> Result<(), String> {
    at_most(&format!("the number of layers in {key}"), layers.len(), fewest)?;
    layers.iter().try_for_each(|&width| at_most(key, width, 1))
}

fn probability(key: &str, value: f64) -> Result<(), String> {
    if (0.0..1.0).contains(&value) {
        return Ok(());
    }
    Err(format!("{key} must lie in [0, 1), not {value}"))
}
