//! What a training tells: while it runs, and when it has ended.
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Started;
use crate::resources::Resources;

/// Where a training stands, for who wants to show it.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// What is being done.
    pub phase: Phase,
    /// The epoch, from 1.
    pub epoch: usize,
    /// Epochs that the recipe asks for.
    pub epochs: usize,
    /// Steps done in this epoch.
    pub step: usize,
    /// Steps of an epoch.
    pub steps: usize,
    /// The mean training loss of this epoch so far.
    pub loss: f64,
    /// The learning rate of the last step.
    pub learning_rate: f64,
    /// Jets trained on per second, in this epoch and this process.
    pub jets_per_second: f64,
    /// Time left if all epochs are gone through, or until the time limit; early stopping may end it before. None until
    /// there is something to go by.
    pub left: Option<Duration>,
    /// The epochs that are done.
    pub history: &'a [Epoch],
    /// What the training started from, if the first weights were not drawn.
    pub started: Option<&'a Started>,
}

/// What a training is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Before the first step: data and weights are there.
    Begun,
    /// Going through the training split.
    Training,
    /// An epoch has ended: its entry is the last one of the history.
    EpochDone,
}

/// One epoch of the history.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Epoch {
    /// The epoch, from 1.
    pub epoch: usize,
    /// The mean loss over the training batches, each at the weights of its own step.
    pub train_loss: f64,
    /// The mean loss over the validation split at the epoch's end.
    pub validation_loss: f64,
    /// The weighted part of the validation split whose highest score is that of the true class; none in a regression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_accuracy: Option<f64>,
    /// The learning rate of the last step.
    pub learning_rate: f64,
    /// Training and validation time, in seconds.
    pub seconds: f64,
    /// Jets trained on per second, validation left out.
    pub jets_per_second: f64,
}

/// Why a training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stopped {
    /// All epochs are done.
    Completed,
    /// The validation loss had not improved for `patience` epochs.
    EarlyStopping,
    /// The next epoch would have overrun `max_minutes`: the result depends on the machine's speed.
    TimeLimit,
}

impl Stopped {
    /// The reason in words.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Completed => "all epochs done",
            Self::EarlyStopping => "stopped early: the validation loss no longer improved",
            Self::TimeLimit => "stopped by the time limit: the result depends on the machine's speed",
        }
    }
}

/// The record of a training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainReport {
    /// Each epoch.
    pub history: Vec<Epoch>,
    /// The epoch with the lowest validation loss, from 1; the model has its weights.
    pub best_epoch: usize,
    /// Why it ended.
    pub stopped: Stopped,
    /// Trained numbers of the model.
    pub parameters: usize,
    /// What it started from, if the first weights were not drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Started>,
    /// Jets in the training split.
    pub train_jets: usize,
    /// Jets in the validation split.
    pub validation_jets: usize,
    /// How many processes worked on it: one more than its interruptions.
    pub sessions: usize,
    /// Where the network computed: `cpu`, or `cuda:N`.
    #[serde(default = "processor", skip_serializing_if = "is_processor")]
    pub device: String,
    /// What it used, over all of these and, where several worked at once, over all of those. What a killed process used after its last checkpoint is not in it.
    pub resources: Resources,
}

/// What records without a device mean.
fn processor() -> String {
    fiducial_models::ComputeDevice::Cpu.to_string()
}

fn is_processor(device: &str) -> bool {
    device == processor()
}

impl TrainReport {
    /// The best epoch's entry in the history.
    pub fn best(&self) -> Option<&Epoch> {
        self.history.iter().find(|epoch| epoch.epoch == self.best_epoch)
    }
}
