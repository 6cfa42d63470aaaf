//! A batch of jets as the networks read it: the real constituents only, one jet after the other.

use std::borrow::Cow;

use burn::tensor::{Device, Tensor};

use crate::fused::from_values;
use crate::fused::minkowski::{RestFrame, product, psi};
use crate::{Error, ModelConfig, Need, Shape};

/// The groups of a padded batch, row-major, as a view makes them; an architecture reads some of them (see
/// [`crate::Reads`]).
#[derive(Clone, Copy, Debug, Default)]
pub struct PaddedGroups<'a> {
    /// Jets in the batch.
    pub jets: usize,
    /// Constituents that each jet is padded or cut to; 0 where there are none.
    pub length: usize,
    /// Where the constituents lie, (jets, 2, length).
    pub points: Option<&'a [f32]>,
    /// What is known of a constituent, (jets, features, length); empty where there is nothing.
    pub features: &'a [f32],
    /// Four-vectors px, py, pz, energy in GeV, (jets, 4, length).
    pub vectors: Option<&'a [f32]>,
    /// Zero where there is padding, (jets, 1, length); without it every constituent is real.
    pub mask: Option<&'a [f32]>,
    /// What is known of a jet as a whole, (jets, variables).
    pub globals: Option<&'a [f32]>,
    /// What a parametrised network is conditioned on, (jets, variables).
    pub parameters: Option<&'a [f32]>,
    /// Images, (jets, channels, height, width).
    pub images: Option<&'a [f32]>,
    /// Channels, height and width of `images`.
    pub image: [usize; 3],
}

/// A batch without its padding.
///
/// All networks of this crate work on packed constituents: row `offsets[j]..offsets[j + 1]` of each array belong to jet
/// `j`. Padding is dropped here, once, so that no layer can see it: the same jet padded to 60 or to 128 is the same input,
/// bit by bit, and statistics of a batch norm run over real constituents.
///
/// ```
/// use fiducial_models::{Inputs, PaddedGroups};
/// let features = [1.0, 2.0, 9.0, /* second jet */ 3.0, 9.0, 9.0]; // (2 jets, 1 feature, 3 constituents)
/// let mask = [1.0, 1.0, 0.0, 1.0, 0.0, 0.0];
/// let groups = PaddedGroups { jets: 2, length: 3, features: &features, mask: Some(&mask), ..Default::default() };
/// let inputs = Inputs::pack(&groups)?;
/// assert_eq!((inputs.jets(), inputs.constituents(), inputs.features()), (2, 3, 1));
/// # Ok::<(), fiducial_models::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Inputs {
    pub(crate) offsets: Vec<usize>,
    pub(crate) variables: usize,
    pub(crate) features: Vec<f32>,
    pub(crate) points: Option<Vec<f32>>,
    pub(crate) vectors: Option<Vec<f32>>,
    pub(crate) globals: Option<Vec<f32>>,
    pub(crate) parameters: Option<Vec<f32>>,
    /// (jets, height, width, channels): the channels of a pixel lie together, as those of a constituent do.
    pub(crate) images: Option<Vec<f32>>,
    pub(crate) image: [usize; 3],
}

impl Inputs {
    /// Drops the padding of a batch.
    ///
    /// # Errors
    /// Groups whose sizes do not fit each other; values of real constituents that are not finite, named by group, jet and
    /// constituent (the backward pass would spread them over all weights).
    pub fn pack(groups: &PaddedGroups<'_>) -> Result<Self, Error> {
        let PaddedGroups { jets, length, .. } = *groups;
        let cells = jets.checked_mul(length).ok_or_else(|| misfit("jets x length", usize::MAX, 0))?;
        let variables = groups.features.len().checked_div(cells).unwrap_or(0);
        let pixels = groups.image.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
        let pixels = pixels.ok_or_else(|| misfit("images", usize::MAX, 0))?;
        let each_jet = |data: Option<&[f32]>| data.map_or(0, |data| data.len() / jets.max(1));
        let sizes = [
            ("features", Some(groups.features), cells, variables),
            ("points", groups.points, cells, 2),
            ("vectors", groups.vectors, cells, 4),
            ("mask", groups.mask, cells, 1),
            ("globals", groups.globals, jets, each_jet(groups.globals)),
            ("parameters", groups.parameters, jets, each_jet(groups.parameters)),
            ("images", groups.images, jets, pixels),
        ];
        for (name, data, rows, each) in sizes {
            let expected = rows.checked_mul(each).ok_or_else(|| misfit(name, usize::MAX, 0))?;
            if let Some(data) = data
                && data.len() != expected
            {
                return Err(misfit(name, data.len(), expected));
            }
        }
        let of_jets = |name: &str, data: Option<&[f32]>| -> Result<Option<Vec<f32>>, Error> {
            let Some(data) = data else { return Ok(None) };
            match data.iter().position(|value| !value.is_finite()) {
                None => Ok(Some(data.to_vec())),
                Some(place) => {
                    let each = data.len() / jets.max(1);
                    let (jet, variable, value) = (place / each, place % each, data[place]);
                    Err(Error::Inputs(format!("{name} of jet {jet}, variable {variable} is {value}")))
                }
            }
        };
        let mut offsets = Vec::with_capacity(jets + 1);
        offsets.push(0);
        let mut real = Vec::with_capacity(cells);
        for jet in 0..jets {
            for constituent in 0..length {
                let mask = groups.mask.map_or(1.0, |mask| mask[jet * length + constituent]);
                if mask.is_nan() {
                    return Err(Error::Inputs(format!(
                        "mask of jet {jet}, constituent {constituent} is NaN"
                    )));
                }
                if mask != 0.0 {
                    real.push((jet, constituent));
                }
            }
            offsets.push(real.len());
        }
        let take = |name: &str, data: &[f32], each: usize| -> Result<Vec<f32>, Error> {
            let mut packed = Vec::with_capacity(real.len() * each);
            for &(jet, constituent) in &real {
                for variable in 0..each {
                    let value = data[(jet * each + variable) * length + constituent];
                    if !value.is_finite() {
                        return Err(Error::Inputs(format!(
                            "{name} of jet {jet}, variable {variable}, constituent {constituent} is {value}"
                        )));
                    }
                    packed.push(value);
                }
            }
            Ok(packed)
        };
        Ok(Self {
            variables,
            features: take("features", groups.features, variables)?,
            points: groups.points.map(|data| take("points", data, 2)).transpose()?,
            vectors: groups.vectors.map(|data| take("vectors", data, 4)).transpose()?,
            globals: of_jets("globals", groups.globals)?,
            parameters: of_jets("parameters", groups.parameters)?,
            images: of_jets("images", groups.images)?.map(|data| channels_last(&data, groups.image)),
            image: groups.image,
            offsets,
        })
    }

    /// Jets in the batch.
    pub fn jets(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Real constituents of all jets together.
    pub fn constituents(&self) -> usize {
        self.offsets.last().copied().unwrap_or(0)
    }

    /// Features of a constituent.
    pub fn features(&self) -> usize {
        self.variables
    }

    /// Whether the batch has all that a network reads, in the sizes that it reads.
    pub(crate) fn check(&self, config: &ModelConfig) -> Result<(), Error> {
        let (shape, reads, kind) = (config.shape, config.reads(), config.kind());
        // A batch of empty jets has no way to know how many features its constituents would have had.
        if reads.features && self.constituents() > 0 && self.variables != shape.features {
            let (got, features) = (self.variables, shape.features);
            return Err(Error::Inputs(format!(
                "constituents have {got} features, the network reads {features}"
            )));
        }
        for (group, needed, there) in [
            ("points", reads.points, self.points.is_some()),
            ("vectors", reads.vectors, self.vectors.is_some()),
            ("globals", reads.globals != Need::No && shape.globals > 0, self.globals.is_some()),
            ("parameters", reads.parameters, self.parameters.is_some()),
            ("images", reads.images, self.images.is_some()),
        ] {
            if needed && !there {
                return Err(Error::Inputs(format!("a {kind} needs the group {group}")));
            }
        }
        for (group, needed, data, variables) in [
            ("globals", reads.globals != Need::No, &self.globals, shape.globals),
            ("parameters", reads.parameters, &self.parameters, shape.parameters),
        ] {
            let there = data.as_ref().map_or(0, Vec::len);
            if needed && variables > 0 && there != variables * self.jets() {
                let got = there / self.jets().max(1);
                return Err(Error::Inputs(format!("{group} are {got} a jet, the network reads {variables}")));
            }
        }
        if reads.images && self.image != shape.image {
            let (got, expected) = (self.image, shape.image);
            return Err(Error::Inputs(format!("images are {got:?}, the network reads {expected:?}")));
        }
        Ok(())
    }

    /// The batch as a network of this shape reads it: without groups that it does not read.
    pub(crate) fn for_shape(&self, shape: &Shape) -> Cow<'_, Self> {
        let empty = self.constituents() == 0 && self.variables != shape.features;
        let unread = shape.globals == 0 && self.globals.is_some();
        if !(empty || unread) {
            return Cow::Borrowed(self);
        }
        let mut inputs = self.clone();
        if empty {
            inputs.variables = shape.features;
        }
        inputs.globals = inputs.globals.filter(|_| !unread);
        Cow::Owned(inputs)
    }

    /// (constituents, features)
    pub(crate) fn features_tensor(&self, device: &Device) -> Tensor<2> {
        from_values(self.features.clone(), [self.constituents(), self.variables], device)
    }

    /// (constituents, 2)
    pub(crate) fn points_tensor(&self, device: &Device) -> Tensor<2> {
        from_values(self.points.clone().unwrap_or_default(), [self.constituents(), 2], device)
    }

    /// (constituents, 4): px, py, pz, energy in units of `unit` GeV, as seen from where the jet is at rest; for networks
    /// whose scores do not depend on the frame. The vectors `first`, which have no unit, come before each jet's own:
    /// (constituents + jets x first, 4).
    pub(crate) fn resting_vectors_tensor(&self, unit: f64, first: &[[f64; 4]], device: &Device) -> Tensor<2> {
        let vectors: Vec<[f64; 4]> =
            self.four_vectors().map(|p| p.map(|value| f64::from(value) / unit)).collect();
        let mut values = Vec::with_capacity(4 * (vectors.len() + first.len() * self.jets()));
        for ends in self.offsets.windows(2) {
            let jet = &vectors[ends[0]..ends[1]];
            let frame = RestFrame::of(jet);
            let seen = first.iter().chain(jet).flat_map(|&p| frame.sees(p));
            values.extend(seen.map(|value| value as f32));
        }
        let rows = values.len() / 4;
        from_values(values, [rows, 4], device)
    }

    /// (constituents, 1): `psi` of the squared mass in units of `unit` GeV; see [`psi`].
    pub(crate) fn masses_tensor(&self, unit: f64, device: &Device) -> Tensor<2> {
        let masses = self.four_vectors().map(|p| {
            let p = p.map(|value| f64::from(value) / unit);
            psi(product(p, p)) as f32
        });
        from_values(masses.collect(), [self.constituents(), 1], device)
    }

    /// (jets, variables)
    pub(crate) fn globals_tensor(&self, device: &Device) -> Tensor<2> {
        self.of_jets(self.globals.as_deref().unwrap_or_default(), device)
    }

    /// (jets, variables)
    pub(crate) fn parameters_tensor(&self, device: &Device) -> Tensor<2> {
        self.of_jets(self.parameters.as_deref().unwrap_or_default(), device)
    }

    fn of_jets(&self, values: &[f32], device: &Device) -> Tensor<2> {
        let variables = values.len() / self.jets().max(1);
        from_values(values.to_vec(), [self.jets(), variables], device)
    }

    /// (jets x height x width, channels)
    pub(crate) fn images_tensor(&self, device: &Device) -> Tensor<2> {
        let [channels, height, width] = self.image;
        let images = self.images.clone().unwrap_or_default();
        from_values(images, [self.jets() * height * width, channels], device)
    }

    /// What is known of a jet as a whole beside `x`, (jets, channels), where there is something.
    pub(crate) fn with_globals(&self, x: Tensor<2>) -> Tensor<2> {
        if self.globals.is_none() {
            return x;
        }
        let globals = self.globals_tensor(&x.device());
        Tensor::cat(vec![x, globals], 1)
    }

    fn four_vectors(&self) -> impl Iterator<Item = [f32; 4]> {
        self.vectors.iter().flat_map(|vectors| vectors.as_chunks::<4>().0).copied()
    }

    /// The transverse momentum of each constituent in GeV.
    pub(crate) fn transverse_momenta(&self) -> Vec<f64> {
        self.four_vectors().map(|[px, py, ..]| f64::from(px).hypot(f64::from(py))).collect()
    }

    /// The rows of each jet in the order of falling transverse momentum; equal ones stay in their order.
    pub(crate) fn hardest_first(&self) -> Vec<u32> {
        // Squares are exact in double precision but for one rounding, so that an exported file finds the same order.
        let square = |[px, py, ..]: [f32; 4]| f64::from(px) * f64::from(px) + f64::from(py) * f64::from(py);
        let momenta: Vec<f64> = self.four_vectors().map(square).collect();
        let mut rows: Vec<u32> = (0..self.constituents() as u32).collect();
        for jet in self.offsets.windows(2) {
            rows[jet[0]..jet[1]].sort_by(|a, b| momenta[*b as usize].total_cmp(&momenta[*a as usize]));
        }
        rows
    }
}

/// (jets, channels, height, width) to (jets, height, width, channels).
fn channels_last(images: &[f32], [channels, height, width]: [usize; 3]) -> Vec<f32> {
    let pixels = height * width;
    let mut moved = Vec::with_capacity(images.len());
    for image in images.chunks_exact((channels * pixels).max(1)) {
        moved.extend((0..pixels).flat_map(|pixel| (0..channels).map(move |c| image[c * pixels + pixel])));
    }
    moved
}

fn misfit(name: &str, got: usize, expected: usize) -> Error {
    Error::Inputs(format!("group {name} has {got} values, its shape asks for {expected}"))
}
