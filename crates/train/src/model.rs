//! What a training gives: a network, or boosted trees.

use fiducial_data::batches::{Batch, Tensors};
use fiducial_data::view::View;
use fiducial_models::Network;
use fiducial_trees::Booster;

use crate::predict::{self, PREDICTION_BATCH};
use crate::{Error, trees};

/// A trained model of either sort.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a program holds few models, and mostly networks")]
pub enum Model {
    /// A neural network.
    Network(Network),
    /// Boosted decision trees.
    Trees(Booster),
}

impl Model {
    /// The kind as it stands in a recipe.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Network(network) => network.config().kind(),
            Self::Trees(_) => trees::KIND,
        }
    }

    /// Numbers that were trained: of trees, the thresholds and the leaves.
    pub fn parameters(&self) -> usize {
        match self {
            Self::Network(network) => network.parameters(),
            Self::Trees(booster) => booster.nodes(),
        }
    }

    /// The network, for what trees do not have, such as `what`.
    ///
    /// # Errors
    /// Boosted trees.
    pub fn network(&self, what: &'static str) -> Result<&Network, Error> {
        match self {
            Self::Network(network) => Ok(network),
            Self::Trees(_) => {
                Err(Error::Fit { kind: trees::KIND, reason: format!("{what} is there for networks only") })
            }
        }
    }

    /// The boosted trees, if these it is.
    pub fn trees(&self) -> Option<&Booster> {
        match self {
            Self::Network(_) => None,
            Self::Trees(booster) => Some(booster),
        }
    }

    /// The outputs for each jet, row after row: of a classification a logit for each class. What they stand for is known to
    /// [`crate::SavedModel::predict`].
    ///
    /// # Errors
    /// Tensors that lack what the model reads.
    pub fn outputs(&self, tensors: &Tensors) -> Result<Vec<f32>, Error> {
        let size = match self {
            Self::Network(_) => PREDICTION_BATCH,
            Self::Trees(_) => trees::PREDICTION_BATCH,
        };
        let mut outputs = Vec::new();
        let rows: Vec<u32> = (0..tensors.rows() as u32).collect();
        for rows in rows.chunks(size) {
            outputs.extend(self.outputs_of(&tensors.gather(rows), rows.len())?);
        }
        Ok(outputs)
    }

    /// As [`Model::outputs`], for one batch of `jets` jets.
    pub(crate) fn outputs_of(&self, batch: &Batch, jets: usize) -> Result<Vec<f32>, Error> {
        match self {
            Self::Network(network) => predict::run(network, batch, jets),
            Self::Trees(booster) => trees::outputs(booster, &batch.groups, jets),
        }
    }

    /// The groups of a view that it reads, by their names without weaver's `pf_`.
    pub fn reads(&self, view: &View) -> Vec<&'static str> {
        let Self::Network(network) = self else {
            return trees::GROUPS.into_iter().filter(|name| view.input(name).is_some()).collect();
        };
        let reads = network.config().reads();
        let all = [
            ("features", reads.features),
            ("points", reads.points),
            ("vectors", reads.vectors),
            ("globals", network.config().shape.globals > 0),
            ("parameters", reads.parameters),
            ("images", reads.images),
        ];
        all.into_iter().filter(|(_, read)| *read).map(|(name, _)| name).collect()
    }
}
