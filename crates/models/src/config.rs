//! What a recipe says about a model: its kind, its sizes, and what goes in and out.

use serde::{Deserialize, Serialize};

use crate::{ArchitectureConfig, Error};

/// The kind and the sizes of a network; TOML with a `kind`, unknown keys are errors.
///
/// ```
/// use fiducial_models::ModelConfig;
/// let config = ModelConfig::from_toml(
///     r#"
///     kind = "particle-net"
///     features = 7
///     outputs = 2
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
#[serde(from = "Written", into = "Written")]
pub struct ModelConfig {
    /// What the data give and ask for; a 0 has yet to be filled in.
    pub shape: Shape,
    /// The architecture and its own sizes.
    pub architecture: ArchitectureConfig,
}

/// The sizes of what goes in and out of a network; 0 for a group that is not read, or not known yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Features of a constituent: variables of the group `features`.
    pub features: usize,
    /// What is known of the jet as a whole: variables of the group `globals`.
    pub globals: usize,
    /// What a parametrised network is conditioned on: variables of the group `parameters`.
    pub parameters: usize,
    /// Channels, height and width of the group `images`.
    pub image: [usize; 3],
    /// Numbers that the network gives for a jet: one a class, or what the loss of a regression asks for.
    pub outputs: usize,
}

/// Which groups of a batch a network reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// `features`, (n, variables, p): what is known of a constituent.
    pub features: bool,
    /// `points`, (n, 2, p): where the constituents lie, relative to the jet's axis.
    pub points: bool,
    /// `vectors`, (n, 4, p): px, py, pz, energy.
    pub vectors: bool,
    /// `globals`, (n, variables): what is known of the jet as a whole.
    pub globals: Need,
    /// `parameters`, (n, variables): what a parametrised network is conditioned on.
    pub parameters: bool,
    /// `images`, (n, channels, height, width).
    pub images: bool,
}

/// Whether a network reads a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Need {
    /// It does not.
    #[default]
    No,
    /// Where the data have it.
    IfThere,
    /// The data must have it.
    Yes,
}

/// The TOML or JSON of a configuration: one flat table.
#[derive(Serialize, Deserialize)]
struct Written {
    #[serde(default, skip_serializing_if = "is_zero")]
    features: usize,
    #[serde(default, skip_serializing_if = "is_zero")]
    globals: usize,
    #[serde(default, skip_serializing_if = "is_zero")]
    parameters: usize,
    #[serde(default, skip_serializing_if = "is_no_image")]
    image: [usize; 3],
    /// `classes` is what the first version called it.
    #[serde(default, alias = "classes", skip_serializing_if = "is_zero")]
    outputs: usize,
    #[serde(flatten)]
    architecture: ArchitectureConfig,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(size: &usize) -> bool {
    *size == 0
}

fn is_no_image(image: &[usize; 3]) -> bool {
    *image == [0; 3]
}

impl From<Written> for ModelConfig {
    fn from(written: Written) -> Self {
        let Written { features, globals, parameters, image, outputs, architecture } = written;
        Self { shape: Shape { features, globals, parameters, image, outputs }, architecture }
    }
}

impl From<ModelConfig> for Written {
    fn from(config: ModelConfig) -> Self {
        let Shape { features, globals, parameters, image, outputs } = config.shape;
        Self { features, globals, parameters, image, outputs, architecture: config.architecture }
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
        self.architecture.kind()
    }

    /// The groups of a batch that the network reads.
    pub fn reads(&self) -> Reads {
        self.architecture.reads()
    }

    /// Features of a constituent; 0 where the network reads none, or when the view has yet to say.
    pub fn features(&self) -> usize {
        self.shape.features
    }

    /// Numbers that the network gives for a jet; 0 when the labels have yet to say.
    pub fn outputs(&self) -> usize {
        self.shape.outputs
    }

    /// The same configuration for data with this many features of a constituent, without further groups, and for this
    /// many outputs: [`ModelConfig::for_data`] in short.
    ///
    /// # Errors
    /// As [`ModelConfig::for_data`].
    pub fn with_shape(self, features: usize, outputs: usize) -> Result<Self, Error> {
        self.for_data(Shape { features, outputs, ..Shape::default() })
    }

    /// The same configuration for data of this shape: zeros are filled in, and groups that the network does not read are
    /// left out.
    ///
    /// # Errors
    /// A size that the configuration fixes and that is another one in the data; a group that the network reads and the data
    /// lack; sizes out of range.
    pub fn for_data(mut self, data: Shape) -> Result<Self, Error> {
        let kind = self.kind();
        let reads = self.reads();
        let fixed = self.shape;
        let rows = [
            ("features", &mut self.shape.features, fixed.features, data.features, reads.features.into()),
            ("globals", &mut self.shape.globals, fixed.globals, data.globals, reads.globals),
            (
                "parameters",
                &mut self.shape.parameters,
                fixed.parameters,
                data.parameters,
                reads.parameters.into(),
            ),
            ("outputs", &mut self.shape.outputs, fixed.outputs, data.outputs, Need::Yes),
        ];
        for (what, own, fixed, data, need) in rows {
            let data = if need == Need::No { 0 } else { data };
            if fixed != 0 && fixed != data {
                let reason = format!("the configuration has {fixed} {what}, the data has {data}");
                return Err(Error::Config { kind, reason });
            }
            *own = data;
        }
        let image = if reads.images { data.image } else { [0; 3] };
        if fixed.image != [0; 3] && fixed.image != image {
            let reason = format!("the configuration has images of {:?}, the data has {image:?}", fixed.image);
            return Err(Error::Config { kind, reason });
        }
        self.shape.image = image;
        self.validate()?;
        Ok(self)
    }

    /// Checks all sizes; those that the data give may still be 0.
    ///
    /// # Errors
    /// The first size that is out of range, by its key.
    pub fn validate(&self) -> Result<(), Error> {
        self.check().map_err(|reason| Error::Config { kind: self.kind(), reason })
    }

    fn check(&self) -> Result<(), String> {
        let Shape { features, globals, parameters, image: [channels, height, width], outputs } = self.shape;
        at_most("features", features, 0)?;
        at_most("globals", globals, 0)?;
        at_most("parameters", parameters, 0)?;
        at_most("outputs", outputs, 0)?;
        [channels, height, width].into_iter().try_for_each(|size| at_most("image", size, 0))?;
        let reads = self.reads();
        for (what, size, read) in [
            ("features", features, reads.features),
            ("globals", globals, reads.globals != Need::No),
            ("parameters", parameters, reads.parameters),
            ("image", channels.max(height).max(width), reads.images),
        ] {
            if size > 0 && !read {
                return Err(format!("it reads no {what}, which are {size}"));
            }
        }
        self.architecture.check(&self.shape)
    }

    /// Checks that nothing is left to be filled in.
    pub(crate) fn check_complete(&self) -> Result<(), Error> {
        let reads = self.reads();
        let sizes = [
            ("features", self.shape.features, reads.features),
            ("globals", self.shape.globals, reads.globals == Need::Yes),
            ("parameters", self.shape.parameters, reads.parameters),
            ("image", self.shape.image.iter().product(), reads.images),
            ("outputs", self.shape.outputs, true),
        ];
        for (what, size, needed) in sizes {
            if needed && size == 0 {
                let reason = format!("{what} is 0; set it, or take it from the data (ModelConfig::for_data)");
                return Err(Error::Config { kind: self.kind(), reason });
            }
        }
        Ok(())
    }
}

impl From<bool> for Need {
    fn from(needed: bool) -> Self {
        if needed { Self::Yes } else { Self::No }
    }
}

pub(crate) fn at_most(key: &str, value: usize, least: usize) -> Result<(), String> {
    if (least..=LARGEST).contains(&value) {
        return Ok(());
    }
    Err(format!("{key} must lie between {least} and {LARGEST}, not {value}"))
}

pub(crate) fn widths(key: &str, layers: &[usize], fewest: usize) -> Result<(), String> {
    at_most(&format!("the number of layers in {key}"), layers.len(), fewest)?;
    layers.iter().try_for_each(|&width| at_most(key, width, 1))
}

pub(crate) fn probability(key: &str, value: f64) -> Result<(), String> {
    if (0.0..1.0).contains(&value) {
        return Ok(());
    }
    Err(format!("{key} must lie in [0, 1), not {value}"))
}

pub(crate) fn positive(key: &str, value: f64) -> Result<(), String> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(format!("{key} must be a positive number, not {value}"))
}

/// Whether `heads` divides a width.
pub(crate) fn divides(heads: usize, key: &str, width: usize) -> Result<(), String> {
    if width.is_multiple_of(heads) {
        return Ok(());
    }
    Err(format!("{key} is {width}, which {heads} heads do not divide"))
}
