//! The settings of a training.

use serde::{Deserialize, Serialize};

use crate::Error;

/// How trees are grown. The names and their meaning are XGBoost's; the defaults too, but for the learning rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What each tree's contribution is multiplied by (eta).
    pub learning_rate: f64,
    /// Splits between the root and a leaf, at most.
    pub max_depth: usize,
    /// Added to the sum of second derivatives of a leaf: L2 regularisation of its value.
    pub lambda: f64,
    /// The least gain of a split, see [`crate::Importance::gain`].
    pub gamma: f64,
    /// The least sum of second derivatives in a leaf.
    pub min_child_weight: f64,
    /// The share of rows that a round learns from, drawn for each round.
    pub subsample: f64,
    /// The share of features that a round's trees may split on, drawn for each round.
    pub colsample_bytree: f64,
    /// Bins of a feature, the one of missing values among them: from 3 to 256.
    pub max_bin: usize,
    /// Fixes what is drawn.
    pub seed: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            learning_rate: 0.1,
            max_depth: 6,
            lambda: 1.0,
            gamma: 0.0,
            min_child_weight: 1.0,
            subsample: 1.0,
            colsample_bytree: 1.0,
            max_bin: 256,
            seed: 0,
        }
    }
}

/// A tree of this depth has up to a million leaves: more only fills the memory.
const DEEPEST: usize = 20;

impl Config {
    /// Looks whether each setting is in its range.
    ///
    /// # Errors
    /// The first one that is not.
    pub fn check(&self) -> Result<(), Error> {
        let positive = "it must be a positive number";
        let not_negative = "it must be a number from 0 on";
        let share = "it must be more than 0 and at most 1";
        let is_positive = |value: f64| value.is_finite() && value > 0.0;
        let is_not_negative = |value: f64| value.is_finite() && value >= 0.0;
        let is_share = |value: f64| value > 0.0 && value <= 1.0;
        let rules: [(&'static str, String, bool, &'static str); 8] = [
            ("learning_rate", self.learning_rate.to_string(), is_positive(self.learning_rate), positive),
            (
                "max_depth",
                self.max_depth.to_string(),
                (1..=DEEPEST).contains(&self.max_depth),
                "it must lie between 1 and 20",
            ),
            ("lambda", self.lambda.to_string(), is_not_negative(self.lambda), not_negative),
            ("gamma", self.gamma.to_string(), is_not_negative(self.gamma), not_negative),
            (
                "min_child_weight",
                self.min_child_weight.to_string(),
                is_not_negative(self.min_child_weight),
                not_negative,
            ),
            ("subsample", self.subsample.to_string(), is_share(self.subsample), share),
            ("colsample_bytree", self.colsample_bytree.to_string(), is_share(self.colsample_bytree), share),
            (
                "max_bin",
                self.max_bin.to_string(),
                (3..=256).contains(&self.max_bin),
                "it must lie between 3 and 256",
            ),
        ];
        match rules.into_iter().find(|(.., holds, _)| !holds) {
            Some((key, value, _, reason)) => Err(Error::Config { key, value, reason }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_named() {
        let check = |change: fn(&mut Config), message: &str| {
            let mut config = Config::default();
            config.check().unwrap();
            change(&mut config);
            let error = config.check().unwrap_err().to_string();
            assert!(error.contains(message), "{error} lacks {message}");
        };
        check(|config| config.learning_rate = 0.0, "learning_rate = 0: it must be a positive number");
        check(|config| config.max_depth = 21, "max_depth = 21");
        check(|config| config.lambda = f64::NAN, "lambda = NaN");
        check(|config| config.gamma = -1.0, "gamma = -1");
        check(|config| config.subsample = 1.5, "subsample = 1.5: it must be more than 0");
        check(|config| config.max_bin = 257, "max_bin = 257");
    }
}
