//! The training loop, checkpoints, and what a run costs.
//!
//! | item | what it is |
//! |---|---|
//! | [`Recipe`] | the TOML file that says which model is trained on which data, and how |
//! | [`train`] | a recipe, a view and a dataset to a model directory |
//! | [`fit`] | the loop itself, on tensors |
//! | [`predict`] | the probability of each class for each jet |
//! | [`Model`] | what was trained: a network or boosted trees |
//! | [`SavedModel`] | a model directory: weights, view, standardisation, card |
//! | [`resources`] | wall time, processor time, peak memory and energy |
//!
//! A training gives the same bytes whenever it is run with the same recipe, data and code, at any number of threads, and
//! whether or not it was interrupted. It knows nothing of tasks, of metrics beyond loss and accuracy, and it prints
//! nothing: who calls it gets a [`Progress`] after each step.
//!
//! ```
//! use fiducial_train::Schedule;
//!
//! let schedule = Schedule { peak: 1e-3, last: 1e-5, warmup_steps: 10, steps: 100 };
//! assert_eq!(schedule.learning_rate(9), 1e-3);
//! assert!(schedule.learning_rate(99) < 2e-5);
//! ```
#![deny(missing_docs)]

mod card;
mod checkpoint;
mod error;
mod files;
mod fit;
mod model;
mod predict;
mod recipe;
mod report;
pub mod resources;
mod saved_model;
mod schedule;
mod train;
mod trees;

pub use error::Error;
pub use files::Faults;
pub use fit::{FitOptions, Fitted, Job, fit};
pub use model::Model;
pub use predict::{PREDICTION_BATCH, predict};
pub use recipe::{DataSource, RECIPE_FORMAT, Recipe, Training};
pub use report::{Epoch, Phase, Progress, Stopped, TrainReport};
pub use saved_model::{MODEL_FORMAT, ModelInfo, SavedModel};
pub use schedule::Schedule;
pub use train::{model_config, train};
