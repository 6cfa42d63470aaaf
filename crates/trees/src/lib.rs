//! Gradient-boosted decision trees, in XGBoost's file format.
//!
//! | item | what it is |
//! |---|---|
//! | [`Config`] | how trees are grown |
//! | [`Objective`] | what is learnt: two classes, several classes, a mean, a quantile |
//! | [`Trainer`] | a training, round by round |
//! | [`Validation`] | the loss on rows that are not learnt from, for early stopping |
//! | [`Booster`] | a model: predictions, importance of features, its file |
//!
//! The method is that of XGBoost (T. Chen, C. Guestrin, KDD 2016, arXiv:1603.02754) on histograms: a feature is cut into up to
//! 255 bins of equal weight, gradients are summed over the bins of each node, and the split with the largest gain is taken,
//! level by level. Missing values (NaN) have a bin of their own and go where they lower the loss more. Of two children one is
//! counted and the other subtracted from its parent.
//!
//! Gradients are summed as whole numbers, so that a model is the same, bit for bit, at any number of threads. Event weights
//! may be negative, as those of generators beyond leading order are.
#![deny(missing_docs)]

mod bins;
mod booster;
mod config;
mod data;
mod error;
mod grow;
mod histogram;
mod objective;
mod random;
mod tree;
mod xgboost;

pub use booster::{Booster, Importance, Trainer, Validation};
pub use config::Config;
pub use data::{Labelled, Table};
pub use error::Error;
pub use objective::Objective;
