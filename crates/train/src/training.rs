//! The settings of a training.
use std::collections::BTreeMap;

use fiducial_models::{Loss, OptimiserConfig, OptimiserKind, Precision};
use serde::{Deserialize, Serialize};

use crate::schedule::{Decay, Schedule};
use crate::{Error, pattern};

/// The `[training]` table of a recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// How many times the training split is gone through, if nothing stops it before.
    pub epochs: usize,
    /// Jets in a batch. What is left at an epoch's end makes a smaller batch.
    pub batch_size: usize,
    /// Into how many parts, one after the other in its order, a batch is cut. The gradients of the parts are added up in that
    /// order, each by its weight in the batch, before the step is made: it is the same step but for rounding, in less memory,
    /// and parts can be shared among processes. Batch norms normalise each part by itself.
    #[serde(default = "defaults::one")]
    pub micro_batches: usize,
    /// How weights follow from gradients.
    #[serde(default)]
    pub optimiser: OptimiserKind,
    /// The decays of the optimiser's two means; those of its paper where none are given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub betas: Option<[f64; 2]>,
    /// What is added to the root of the mean square; as in the optimiser's paper where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epsilon: Option<f64>,
    /// What matrix products are made of, forward and back. Where the hardware has it, `bf16` is faster; sums, norms, weights and the
    /// optimiser stay in single precision, and so do validation and predictions.
    #[serde(default)]
    pub precision: Precision,
    /// The highest learning rate.
    pub learning_rate: f64,
    /// How the learning rate falls.
    #[serde(default)]
    pub schedule: Decay,
    /// The learning rate at the end of its decay, as a part of the highest one.
    #[serde(default = "defaults::last_learning_rate")]
    pub last_learning_rate: f64,
    /// Epochs of linear warm-up; may be a fraction. 1 where it is not given, or 0 for one cycle, which has a rise of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmup_epochs: Option<f64>,
    /// Factors of the learning rate for parameters by names with stars, such as `{ "embed.*" = 0.1 }`. Where several match
    /// they multiply.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub learning_rate_factors: BTreeMap<String, f64>,
    /// Parameters, by names with stars, that stay as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<String>,
    /// The decay of an exponential moving average of the weights, from step to step. If there is one, the average is what is
    /// validated and kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ema_decay: Option<f64>,
    /// The decoupled weight decay (I. Loshchilov, F. Hutter, arXiv:1711.05101); matrices decay, biases and norms do not.
    #[serde(default = "defaults::weight_decay")]
    pub weight_decay: f64,
    /// The largest norm of the gradient over all weights together; larger gradients are scaled down to it. None: no
    /// clipping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gradient_clip: Option<f64>,
    /// Epochs without a better validation loss after which the training stops. None: it goes on to the last epoch. The
    /// weights of the best epoch are kept in either case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<usize>,
    /// A factor in the loss for each class by name, beside the view's weights; 1 for those not named.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub class_weights: BTreeMap<String, f64>,
    /// Fixes the first weights, the order of the jets and the dropout.
    #[serde(default = "defaults::seed")]
    pub seed: u64,
    /// A limit of time, looked at when an epoch ends. It changes neither the learning rates nor the order, but where it
    /// strikes, the result depends on the machine's speed: the record says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_minutes: Option<f64>,
}

mod defaults {
    pub(super) fn one() -> usize {
        1
    }
    pub(super) fn last_learning_rate() -> f64 {
        0.01
    }
    pub(super) fn weight_decay() -> f64 {
        0.01
    }
    pub(super) fn seed() -> u64 {
        20
    }
}

impl Training {
    /// Settings that a recipe has to give, and the defaults of all others.
    pub fn new(epochs: usize, batch_size: usize, learning_rate: f64) -> Self {
        Self {
            epochs,
            batch_size,
            micro_batches: defaults::one(),
            optimiser: OptimiserKind::default(),
            betas: None,
            epsilon: None,
            precision: Precision::default(),
            learning_rate,
            schedule: Decay::default(),
            last_learning_rate: defaults::last_learning_rate(),
            warmup_epochs: None,
            learning_rate_factors: BTreeMap::new(),
            freeze: Vec::new(),
            ema_decay: None,
            weight_decay: defaults::weight_decay(),
            gradient_clip: None,
            patience: None,
            class_weights: BTreeMap::new(),
            seed: defaults::seed(),
            max_minutes: None,
        }
    }

    /// The learning rate of each step, where an epoch has `steps`.
    pub fn schedule(&self, steps: usize) -> Schedule {
        let warmup = self.warmup_epochs.unwrap_or(if self.schedule == Decay::OneCycle { 0.0 } else { 1.0 });
        Schedule {
            decay: self.schedule,
            peak: self.learning_rate,
            last: self.learning_rate * self.last_learning_rate,
            warmup_steps: (warmup * steps as f64).round() as u64,
            steps: self.epochs.saturating_mul(steps) as u64,
            steps_per_epoch: steps as u64,
        }
    }

    /// The optimiser of a loss for a network whose parameters have these names.
    ///
    /// # Errors
    /// A pattern that matches no parameter.
    pub(crate) fn optimiser(
        &self,
        shapes: &BTreeMap<String, Vec<usize>>,
        loss: &Loss,
    ) -> Result<OptimiserConfig, Error> {
        let published = OptimiserConfig::of(self.optimiser);
        let [beta1, beta2] = self.betas.unwrap_or([published.beta1, published.beta2]);
        let frozen = self.freeze.iter().map(|pattern| ("training.freeze", pattern, 0.0));
        let slowed = self.learning_rate_factors.iter();
        let slowed = slowed.map(|(pattern, factor)| ("training.learning_rate_factors", pattern, *factor));
        let mut rate_factors = BTreeMap::new();
        for (field, pattern, factor) in frozen.chain(slowed) {
            let mut matched = false;
            for name in shapes.keys().filter(|name| pattern::matches(pattern, name)) {
                *rate_factors.entry(name.clone()).or_insert(1.0) *= factor;
                matched = true;
            }
            if !matched {
                let reason = "no parameter has such a name";
                return Err(Error::Setting { field, value: pattern.clone(), reason });
            }
        }
        Ok(OptimiserConfig {
            beta1,
            beta2,
            epsilon: self.epsilon.unwrap_or(published.epsilon),
            weight_decay: self.weight_decay,
            gradient_clip: self.gradient_clip,
            loss: loss.clone(),
            precision: self.precision,
            // Another seed than that of the first weights, which come from the same generator.
            seed: self.seed ^ 0x6472_6f70_6f75_7421,
            rate_factors,
            ..published
        })
    }

    /// Looks whether each setting makes sense.
    ///
    /// # Errors
    /// Names the first setting that does not.
    pub fn check(&self) -> Result<(), Error> {
        match self.first_mistake() {
            Some((field, value, reason)) => Err(Error::Setting { field, value, reason }),
            None => Ok(()),
        }
    }

    /// A setting as it stands in a recipe.
    fn given(value: Option<impl std::fmt::Debug>) -> String {
        value.map_or_else(|| "none".to_owned(), |value| format!("{value:?}"))
    }

    pub(crate) fn first_mistake(&self) -> Option<(&'static str, String, &'static str)> {
        let positive = "it must be a positive number";
        let not_negative = "it must be a number from 0 on";
        let at_least_one = "it must be at least 1";
        let is_positive = |value: f64| value.is_finite() && value > 0.0;
        let is_not_negative = |value: f64| value.is_finite() && value >= 0.0;
        let is_decay = |value: f64| (0.0..1.0).contains(&value);
        let rules: [(&'static str, String, bool, &'static str); 18] = [
            ("training.micro_batches", self.micro_batches.to_string(), self.micro_batches >= 1, at_least_one),
            (
                "training.micro_batches",
                self.micro_batches.to_string(),
                self.micro_batches <= self.batch_size.max(1),
                "a batch has not so many jets",
            ),
            (
                "training.betas",
                Self::given(self.betas),
                self.betas.is_none_or(|betas| betas.into_iter().all(is_decay)),
                "each must be at least 0 and less than 1",
            ),
            ("training.epsilon", Self::given(self.epsilon), self.epsilon.is_none_or(is_positive), positive),
            (
                "training.ema_decay",
                Self::given(self.ema_decay),
                self.ema_decay.is_none_or(is_decay),
                "it must be at least 0 and less than 1",
            ),
            (
                "training.learning_rate_factors",
                format!("{:?}", self.learning_rate_factors),
                self.learning_rate_factors.values().all(|factor| is_not_negative(*factor)),
                "each must be a number from 0 on",
            ),
            (
                "training.warmup_epochs",
                Self::given(self.warmup_epochs),
                self.schedule != Decay::OneCycle || self.warmup_epochs.is_none_or(|epochs| epochs == 0.0),
                "one cycle has a rise of its own: leave it out",
            ),
            ("training.epochs", self.epochs.to_string(), self.epochs >= 1, at_least_one),
            ("training.batch_size", self.batch_size.to_string(), self.batch_size >= 1, at_least_one),
            (
                "training.learning_rate",
                self.learning_rate.to_string(),
                is_positive(self.learning_rate),
                positive,
            ),
            (
                "training.last_learning_rate",
                self.last_learning_rate.to_string(),
                (0.0..=1.0).contains(&self.last_learning_rate)
                    && (self.schedule != Decay::FlatThenExponential || self.last_learning_rate > 0.0),
                "it is a part of the highest one: from 0 to 1, and above 0 for an exponential",
            ),
            (
                "training.warmup_epochs",
                Self::given(self.warmup_epochs),
                self.warmup_epochs.is_none_or(is_not_negative),
                not_negative,
            ),
            (
                "training.warmup_epochs",
                Self::given(self.warmup_epochs),
                self.warmup_epochs.is_none_or(|epochs| epochs <= self.epochs as f64),
                "it is longer than the training",
            ),
            (
                "training.weight_decay",
                self.weight_decay.to_string(),
                is_not_negative(self.weight_decay),
                not_negative,
            ),
            (
                "training.gradient_clip",
                Self::given(self.gradient_clip),
                self.gradient_clip.is_none_or(is_positive),
                positive,
            ),
            ("training.patience", Self::given(self.patience), self.patience != Some(0), at_least_one),
            (
                "training.max_minutes",
                Self::given(self.max_minutes),
                self.max_minutes.is_none_or(is_positive),
                positive,
            ),
            (
                "training.class_weights",
                format!("{:?}", self.class_weights),
                self.class_weights.values().all(|weight| is_not_negative(*weight)),
                "each must be a number from 0 on",
            ),
        ];
        let (field, value, _, reason) = rules.into_iter().find(|(.., holds, _)| !holds)?;
        Some((field, value, reason))
    }
}
