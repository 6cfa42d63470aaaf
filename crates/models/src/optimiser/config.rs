//! Which optimiser, and its settings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Loss, Precision};

/// How weights follow from gradients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimiserKind {
    /// AdamW (I. Loshchilov, F. Hutter, arXiv:1711.05101).
    #[default]
    #[serde(rename = "adamw")]
    AdamW,
    /// The sign of the momentum (X. Chen et al., arXiv:2302.06675). Its learning rate is a third to a tenth of AdamW's, its
    /// weight decay as many times larger.
    Lion,
    /// Orthogonal steps for the matrices inside the network (J. Liu et al., arXiv:2502.16982), AdamW for all else: vectors,
    /// the matrices that read the features, and those that give the scores.
    Muon,
    /// Rectified Adam (L. Liu et al., arXiv:1908.03265) with Lookahead (M. Zhang et al., arXiv:1907.08610): every sixth step
    /// goes back half the way to the weights of six steps before. weaver's `ranger`.
    Ranger,
}

/// What does not change from step to step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimiserConfig {
    /// How weights follow from gradients.
    pub kind: OptimiserKind,
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of squared gradients; for Lion, of the momentum.
    pub beta2: f64,
    /// Added to the root of the mean square.
    pub epsilon: f64,
    /// Decoupled weight decay; matrices decay, biases and the gains of norms do not.
    pub weight_decay: f64,
    /// Largest norm of all gradients together; larger ones are scaled down to it.
    pub gradient_clip: Option<f64>,
    /// What is minimised.
    pub loss: Loss,
    /// What matrix products are made of, forward and back; weights, and what this keeps of them, are in single precision.
    pub precision: Precision,
    /// Seed of dropout.
    pub seed: u64,
    /// A factor of the learning rate for parameters by name; 1 for those not named. With 0 a parameter stays as it is.
    pub rate_factors: BTreeMap<String, f64>,
}

impl OptimiserConfig {
    /// With the numbers of the optimiser's paper; for `ranger`, of weaver.
    pub fn of(kind: OptimiserKind) -> Self {
        let (beta1, beta2, epsilon) = match kind {
            OptimiserKind::AdamW | OptimiserKind::Muon => (0.9, 0.999, 1e-8),
            OptimiserKind::Lion => (0.9, 0.99, 0.0),
            OptimiserKind::Ranger => (0.95, 0.999, 1e-5),
        };
        Self {
            kind,
            beta1,
            beta2,
            epsilon,
            weight_decay: 0.01,
            gradient_clip: None,
            loss: Loss::default(),
            precision: Precision::default(),
            seed: 0,
            rate_factors: BTreeMap::new(),
        }
    }

    pub(super) fn rate_factor(&self, name: &str) -> f64 {
        self.rate_factors.get(name).copied().unwrap_or(1.0)
    }
}

impl Default for OptimiserConfig {
    fn default() -> Self {
        Self::of(OptimiserKind::default())
    }
}
