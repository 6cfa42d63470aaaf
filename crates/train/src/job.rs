//! What is trained on what, and the check that the parts fit each other.
use fiducial_data::batches::{Sampler, Tensors};
use fiducial_models::{Loss, ModelConfig};

use crate::split::Split;
use crate::{Error, StartWeights, Training};

/// What to train on what.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// The architecture; `features` and `outputs` must be there.
    pub model: &'a ModelConfig,
    /// What is minimised.
    pub loss: &'a Loss,
    /// The settings.
    pub training: &'a Training,
    /// The weights to start from; none if they are drawn.
    pub start: Option<&'a StartWeights>,
    /// The split to learn from. Targets of a regression are standardised, here and in the other split.
    pub train: &'a Tensors,
    /// Which of its rows an epoch draws, and in what order; none draws each once.
    pub sampler: Option<&'a Sampler>,
    /// The split that decides which epoch is the best, and when to stop.
    pub validation: &'a Tensors,
    /// The names of the classes, in the order of the labels.
    pub classes: &'a [String],
    /// What scores are decorrelated from, for each row of the training and of the validation split; empty without a decorrelation.
    pub against: [&'a [f32]; 2],
    /// The class whose rows take the parameters of other rows, others in each epoch.
    pub background: Option<u32>,
}

/// The draw of parameters for the validation split, which is the same in all epochs.
const VALIDATION_DRAW: u64 = u64::MAX;

impl<'a> Job<'a> {
    /// Both splits, once the settings, the data and the model fit each other.
    pub(crate) fn splits(&self) -> Result<[Split<'a>; 2], Error> {
        self.training.check()?;
        let class_factors = class_factors(self.training, self.classes)?;
        let outputs = self.model.outputs();
        if self.loss.classifies() && outputs != self.classes.len() {
            let reason = format!("it gives {outputs} numbers for {} classes", self.classes.len());
            return Err(Error::Fit { kind: self.model.kind(), reason });
        }
        let [train_against, validation_against] = self.against;
        let train = Split::new("train", self.train, train_against, &class_factors);
        let mut validation = Split::new("validation", self.validation, validation_against, &class_factors);
        for split in [&train, &validation] {
            split.check(self.loss, outputs)?;
        }
        if self.loss.classifies() {
            train.check_classes(self.classes)?;
        }
        if let Some(background) = self.background {
            validation.draw_parameters(background, self.training.seed, VALIDATION_DRAW)?;
        }
        Ok([train, validation])
    }
}

/// The factor in the loss for each class.
pub(crate) fn class_factors(training: &Training, classes: &[String]) -> Result<Vec<f32>, Error> {
    let weights = &training.class_weights;
    if let Some(unknown) = weights.keys().find(|name| !classes.contains(name)) {
        return Err(Error::Setting {
            field: "training.class_weights",
            value: format!("{{ {unknown} = ... }}"),
            reason: "the view has no such class",
        });
    }
    Ok(classes.iter().map(|name| weights.get(name).copied().unwrap_or(1.0) as f32).collect())
}
