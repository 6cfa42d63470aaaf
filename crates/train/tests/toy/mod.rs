//! Toy jets for the tests of the loop: two classes that differ in how far their constituents lie from the axis.
#![allow(dead_code, clippy::unwrap_used)] // each test file uses a part of this
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::RecordBatch;
use arrow_schema::Schema;
use fiducial_data::batches::{GroupTensor, Tensors};
use fiducial_data::dataset::Dataset;
use fiducial_data::prepare::{PrepareOptions, prepare_or_reuse};
use fiducial_data::view::View;
use fiducial_models::{Loss, ModelConfig};
use fiducial_train::{Faults, Fitted, Job, StartWeights, Training};

pub(crate) const LENGTH: usize = 6;

/// Numbers in [0, 1) of 24 bits, from a linear congruential generator: all that a toy needs.
pub(crate) fn uniforms(mut state: u64) -> impl FnMut() -> f64 {
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / (1_u64 << 24) as f64
    }
}

/// The dataset of a table of events, in CSV.
pub(crate) fn prepared(view: &View, table: &str, directory: &Path) -> Dataset {
    let file = directory.join("events.csv");
    fs::write(&file, table).unwrap();
    let (out, options) = (directory.join("dataset"), PrepareOptions::default());
    prepare_or_reuse(view, &[file], &out, &options, &mut |_| {}).unwrap().dataset
}

/// Ends a training before the step behind the first `steps` ones.
pub(crate) fn stop_after(steps: usize) -> Faults {
    let done = AtomicUsize::new(0);
    Faults::new(move |at| match at {
        "step" if done.fetch_add(1, Ordering::Relaxed) == steps => Err(std::io::Error::other("killed")),
        _ => Ok(()),
    })
}

pub(crate) fn tensors(rows: usize, first_row: u64) -> Tensors {
    let mut random = uniforms(0x9e37_79b9_7f4a_7c15_u64.wrapping_add(first_row));
    let mut uniform = || random() as f32;
    let group = |name: &str, variables: usize| GroupTensor {
        name: name.into(),
        variables,
        length: LENGTH,
        data: vec![0.0; rows * variables * LENGTH],
    };
    let (mut points, mut features, mut vectors, mut mask) =
        (group("points", 2), group("features", 3), group("vectors", 4), group("mask", 1));
    let mut labels = Vec::new();
    for row in 0..rows {
        let label = u32::from(uniform() < 0.5);
        labels.push(label);
        let constituents = 2 + (uniform() * (LENGTH - 1) as f32) as usize;
        for place in 0..constituents.min(LENGTH) {
            let width = if label == 1 { 0.6 } else { 0.4 };
            let (x, y) = ((uniform() - 0.5) * width, (uniform() - 0.5) * width);
            let energy = 10.0 * uniform() + 1.0;
            let set = |group: &mut GroupTensor, values: &[f32]| {
                for (variable, value) in values.iter().enumerate() {
                    group.data[(row * values.len() + variable) * LENGTH + place] = *value;
                }
            };
            set(&mut points, &[x, y]);
            set(&mut features, &[x.hypot(y), x, energy.ln()]);
            set(&mut vectors, &[energy * x, energy * y, energy * 0.8, energy]);
            set(&mut mask, &[1.0]);
        }
    }
    Tensors {
        groups: vec![points, features, vectors, mask],
        labels,
        targets: vec![],
        weights: (0..rows).map(|row| 0.5 + (row % 3) as f32 * 0.5).collect(),
        row_ids: (first_row..first_row + rows as u64).collect(),
        observers: RecordBatch::new_empty(Arc::new(Schema::empty())),
        truncated_rows: 0,
        truncated_constituents: 0,
        clipped_values: 0,
    }
}

pub(crate) fn model(text: &str) -> ModelConfig {
    ModelConfig::from_toml(text).unwrap().with_shape(3, 2).unwrap()
}

/// Gives a row features of either sign that are finite and so large that a network's sums overflow.
pub(crate) fn poison(tensors: &mut Tensors, row: usize) {
    for place in 0..LENGTH {
        for variable in 0..3 {
            let sign = if place >> variable & 1 == 1 { 1.0 } else { -1.0 };
            tensors.groups[1].data[(row * 3 + variable) * LENGTH + place] = sign * f32::MAX;
        }
        tensors.groups[3].data[row * LENGTH + place] = 1.0;
    }
}

/// As [`flow`], for so many classes.
pub(crate) fn model_of(classes: usize) -> ModelConfig {
    let text = "kind = \"particle-flow-network\"\nphi = [16, 24]\nhead = [16]\ndropout = 0.2";
    ModelConfig::from_toml(text).unwrap().with_shape(3, classes).unwrap()
}

pub(crate) fn flow() -> ModelConfig {
    model("kind = \"particle-flow-network\"\nphi = [16, 24]\nhead = [16]\ndropout = 0.2")
}

pub(crate) fn net() -> ModelConfig {
    model("kind = \"particle-net\"\nneighbours = 3\nconvolutions = [[8, 8], [12]]\nhead = [8]\ndropout = 0.1")
}

pub(crate) fn transformer() -> ModelConfig {
    model(
        "kind = \"particle-transformer\"\nembed = [16, 8]\npair_embed = [8]\nheads = 2\nblocks = 1\n\
         class_blocks = 1\nexpansion = 2\ndropout = 0.1",
    )
}

pub(crate) fn training() -> Training {
    Training {
        warmup_epochs: Some(0.5),
        gradient_clip: Some(1.0),
        class_weights: BTreeMap::from([("top".to_owned(), 1.5)]),
        seed: 7,
        ..Training::new(4, 32, 3e-3)
    }
}

/// A job's parts, owned.
pub(crate) struct Toy {
    pub(crate) model: ModelConfig,
    pub(crate) training: Training,
    pub(crate) loss: Loss,
    pub(crate) start: Option<StartWeights>,
    pub(crate) train: Tensors,
    pub(crate) validation: Tensors,
    pub(crate) classes: Vec<String>,
}

impl Toy {
    pub(crate) fn new(model: ModelConfig) -> Self {
        Self {
            model,
            training: training(),
            loss: Loss::default(),
            start: None,
            train: tensors(150, 0),
            validation: tensors(70, 1000),
            classes: vec!["qcd".into(), "top".into()],
        }
    }

    pub(crate) fn job(&self) -> Job<'_> {
        Job {
            model: &self.model,
            training: &self.training,
            loss: &self.loss,
            start: self.start.as_ref(),
            train: &self.train,
            sampler: None,
            validation: &self.validation,
            classes: &self.classes,
            against: [&[], &[]],
            background: None,
        }
    }
}

pub(crate) fn bytes(fitted: &Fitted) -> Vec<u8> {
    fitted.network.to_safetensors().unwrap()
}
