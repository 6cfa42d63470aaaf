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

    /// Classes that it tells apart.
    pub fn classes(&self) -> usize {
        match self {
            Self::Network(network) => network.config().outputs(),
            Self::Trees(booster) => trees::classes(booster),
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

    /// The probability of each class for each jet, as [`crate::predict`].
    ///
    /// # Errors
    /// Tensors that lack what the model reads.
    pub fn predict(&self, tensors: &Tensors) -> Result<Vec<f64>, Error> {
        match self {
            Self::Network(network) => predict::predict(network, tensors, PREDICTION_BATCH),
            Self::Trees(booster) => {
                let logits = |batch: &Batch, jets: usize| trees::logits(booster, &batch.groups, jets);
                predict::probabilities(tensors, trees::PREDICTION_BATCH, self.classes(), logits)
            }
        }
    }

    /// As [`Model::predict`], for one batch of `jets` jets.
    ///
    /// # Errors
    /// As [`Model::predict`].
    pub fn predict_batch(&self, batch: &Batch, jets: usize) -> Result<Vec<f64>, Error> {
        let logits = match self {
            Self::Network(network) => network.logits(&predict::inputs(batch, jets, network.config())?)?,
            Self::Trees(booster) => trees::logits(booster, &batch.groups, jets)?,
        };
        Ok(predict::softmax(&logits, self.classes()).collect())
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
