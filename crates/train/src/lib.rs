//! The training loop, checkpoints, and what a run costs.
//!
//! | item | what it is |
//! |---|---|
//! | [`Recipe`] | the TOML file that says which model is trained on which data, and how |
//! | [`train`] | a recipe, a view and a dataset to a model directory |
//! | [`LossTable`] | what a recipe says about its loss |
//! | [`fit`] | the loop itself, on tensors |
//! | [`world`] | several processes at one training |
//! | [`plan`] | what a training will need, before it starts |
//! | [`SavedModel::predict`] | the probability of each class for each jet, or the numbers of a regression |
//! | [`Model`] | what was trained: a network or boosted trees |
//! | [`SavedModel`] | a model directory: weights, view, standardisation, card |
//! | [`export`] | a model as an ONNX file, proven |
//! | [`import_weaver`] | a model of weights that weaver trained |
//! | [`Card`] | what a model's card says |
//! | [`resources`] | wall time, processor time, peak memory and energy |
//!
//! A training gives the same bytes whenever it is run with the same recipe, data and code, at any number of threads and
//! of processes, and whether or not it was interrupted. It knows nothing of tasks, of metrics beyond loss and accuracy, and it prints
//! nothing: who calls it gets a [`Progress`] after each step.
//!
//! ```
//! use fiducial_train::Training;
//!
//! let schedule = Training::new(10, 512, 1e-3).schedule(10); // 10 epochs of 10 steps
//! assert_eq!(schedule.learning_rate(9), 1e-3);
//! assert!(schedule.learning_rate(99) < 2e-5);
//! ```
#![deny(missing_docs)]

mod card;
mod checkpoint;
mod error;
mod export;
mod files;
mod fit;
mod identity;
mod import;
mod job;
mod log;
mod loss;
mod model;
mod pattern;
pub mod plan;
mod predict;
mod recipe;
mod report;
pub mod resources;
mod saved_model;
mod schedule;
mod split;
mod start;
mod step;
mod train;
mod training;
mod trees;
pub mod world;

pub use card::{CARD_FORMAT, Card, MeasuredMetric, Measurement};
pub use error::Error;
pub use export::{EXPORT_DIRECTORY, EXPORT_FORMAT, ExportOptions, ExportRecord, ProofRecord, export};
pub use files::Faults;
pub use fit::{FitOptions, Fitted, fit, fit_in};
pub use import::import_weaver;
pub use job::Job;
pub use loss::{DecorrelationTable, LossTable, ParametersTable};
pub use model::Model;
pub use predict::{PREDICTION_BATCH, inputs, predict};
pub use recipe::{DataSource, RECIPE_FORMAT, Recipe, Start};
pub use report::{Epoch, Phase, Progress, Stopped, TrainReport};
pub use saved_model::{MODEL_FORMAT, ModelInfo, SavedModel};
pub use schedule::{Decay, Schedule};
pub use start::{StartWeights, Started};
pub use train::{model_config, train, train_in};
pub use training::Training;
pub use world::World;
