//! A batch of jets as the networks read it: the real constituents only, one jet after the other.

use crate::Error;

/// The groups of a padded batch, each as `(jets, variables, length)` row-major, as a view makes them.
#[derive(Clone, Copy, Debug, Default)]
pub struct PaddedGroups<'a> {
    /// Jets in the batch.
    pub jets: usize,
    /// Constituents that each jet is padded or cut to.
    pub length: usize,
    /// Where neighbours are sought, (jets, 2, length); ParticleNet needs it.
    pub points: Option<&'a [f32]>,
    /// What is known of a constituent, (jets, features, length).
    pub features: &'a [f32],
    /// Four-vectors px, py, pz, energy in GeV, (jets, 4, length); the Particle Transformer needs it.
    pub vectors: Option<&'a [f32]>,
    /// Zero where there is padding, (jets, 1, length); without it every constituent is real.
    pub mask: Option<&'a [f32]>,
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
        let sizes = [
            ("features", Some(groups.features), variables),
            ("points", groups.points, 2),
            ("vectors", groups.vectors, 4),
            ("mask", groups.mask, 1),
        ];
        for (name, data, each) in sizes {
            if let Some(data) = data
                && data.len() != cells * each
            {
                return Err(misfit(name, data.len(), cells * each));
            }
        }
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
}

fn misfit(name: &str, got: usize, expected: usize) -> Error {
    Error::Inputs(format!("group {name} has {got} values, its shape asks for {expected}"))
}
