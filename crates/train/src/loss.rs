//! The `[loss]` table of a recipe, and what it means on a view.
use fiducial_data::batches::{Batch, Tensors};
use fiducial_data::expr::{Environment, Expr};
use fiducial_data::view::View;
use fiducial_models::{Decorrelation, Loss, LossKind, Truth};
use serde::{Deserialize, Serialize};

use crate::Error;

/// What a recipe trains on: the loss of a row, and what is added.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LossRecipe {
    /// The loss of a row.
    pub kind: LossKind,
    /// The term that decorrelates a score from an observer.
    pub decorrelation: Option<DecorrelationRecipe>,
}

/// The `[loss.decorrelation]` table: [`Decorrelation`] by names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecorrelationRecipe {
    /// The observer that the score is decorrelated from.
    pub from: String,
    /// The class whose probability is decorrelated.
    pub score: String,
    /// The class among whose rows.
    pub among: String,
    /// The factor before the squared distance correlation.
    pub strength: f64,
}

/// A target of a regression: it is trained as `(t - center) / scale`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Its name in the view.
    pub name: String,
    /// The weighted mean on the training split.
    pub center: f64,
    /// The weighted standard deviation on the training split; 1 where it is zero.
    pub scale: f64,
}

/// What networks are trained on: a loss, and how the truth of a batch is read for it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Objective {
    /// The loss.
    pub loss: Loss,
    /// The targets of a regression.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<Target>,
    /// The observer that a score is decorrelated from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<String>,
}

impl LossRecipe {
    /// Reads the table.
    pub(crate) fn parse(mut table: toml::Table) -> Result<Self, String> {
        let decorrelation = table.remove("decorrelation").map(DecorrelationRecipe::deserialize).transpose();
        let decorrelation = decorrelation.map_err(|error| format!("loss.decorrelation: {error}"))?;
        let kind = LossKind::deserialize(table).map_err(|error| format!("loss: {error}"))?;
        let any = decorrelation
            .as_ref()
            .map(|recipe| Decorrelation { strength: recipe.strength, score: 0, among: 0 });
        let loss = Loss { kind, decorrelation: any };
        loss.check().map_err(|error| format!("loss: {error}"))?;
        Ok(Self { kind: loss.kind, decorrelation })
    }

    /// The loss for the classes, targets and observers of a view.
    ///
    /// # Errors
    /// Names that the view does not have; a regression without targets, a classification without classes.
    pub fn for_view(&self, view: &View) -> Result<Loss, Error> {
        let refuse = |value: &str, reason: &'static str| {
            Err(Error::Setting { field: "loss", value: value.to_owned(), reason })
        };
        let mut loss = Loss { kind: self.kind.clone(), decorrelation: None };
        if loss.classifies() && view.classes().is_empty() {
            return refuse("a classification", "the view has no classes");
        }
        if !loss.classifies() && view.targets().is_empty() {
            return refuse("a regression", "the view has no targets");
        }
        if let Some(recipe) = &self.decorrelation {
            let place = |name: &String| view.classes().iter().position(|class| class.name == *name);
            let (Some(score), Some(among)) = (place(&recipe.score), place(&recipe.among)) else {
                let names = format!("score = \"{}\", among = \"{}\"", recipe.score, recipe.among);
                return refuse(&names, "the view has no such class");
            };
            if !view.observers().contains(&recipe.from) {
                return refuse(&format!("from = \"{}\"", recipe.from), "the view has no such observer");
            }
            loss.decorrelation = Some(Decorrelation { strength: recipe.strength, score, among });
        }
        Ok(loss)
    }
}

impl Objective {
    /// The loss of a recipe, with the scales of its targets measured on the training split.
    pub(crate) fn new(recipe: &LossRecipe, view: &View, train: &Tensors) -> Result<Self, Error> {
        let loss = recipe.for_view(view)?;
        let against = recipe.decorrelation.as_ref().map(|recipe| recipe.from.clone());
        let names: Vec<&String> = match loss.classifies() {
            true => Vec::new(),
            false => view.targets().iter().map(|(name, _)| name).collect(),
        };
        let targets = names.iter().enumerate().map(|(index, name)| {
            let values = train.targets.iter().skip(index).step_by(names.len()).map(|&value| f64::from(value));
            // Rows of negative weight count too, but cannot make a spread negative.
            let weights = train.weights.iter().map(|&weight| f64::from(weight));
            let total: f64 = weights.clone().sum();
            let center = values.clone().zip(weights.clone()).map(|(value, w)| value * w).sum::<f64>() / total;
            let squares = values.zip(weights).map(|(value, weight)| weight * (value - center).powi(2));
            let variance = squares.sum::<f64>() / total;
            if !center.is_finite() {
                let reason = format!("the weights of the target {name} add up to {total}");
                return Err(Error::Data { split: "train", reason });
            }
            let scale = if variance.is_finite() && variance > 0.0 { variance.sqrt() } else { 1.0 };
            Ok(Target { name: (*name).clone(), center, scale })
        });
        Ok(Self { targets: targets.collect::<Result<_, _>>()?, loss, against })
    }

    /// The targets of a batch as the network is trained on them.
    pub(crate) fn standardised(&self, batch: &Batch) -> Vec<f32> {
        if self.targets.is_empty() {
            return Vec::new();
        }
        let values = batch.targets.chunks_exact(self.targets.len());
        let scaled = values.flat_map(|row| {
            row.iter().zip(&self.targets).map(|(&value, target)| {
                ((f64::from(value) - target.center) / target.scale) as f32
            })
        });
        scaled.collect()
    }

    /// What scores are decorrelated from in each row of a split; nothing where none are.
    pub(crate) fn against(&self, tensors: &Tensors) -> Result<Vec<f32>, Error> {
        let Some(name) = &self.against else { return Ok(Vec::new()) };
        let refuse = |reason: String| Error::Data { split: "given", reason };
        let environment = Environment::new(&tensors.observers);
        let values = Expr::column(name).evaluate(&environment).map_err(|error| refuse(error.to_string()))?;
        let numbers = values.event_numbers(tensors.rows());
        let numbers = numbers.ok_or_else(|| refuse(format!("the observer \"{name}\" is not one number a row")))?;
        Ok(numbers.iter().map(|&number| number as f32).collect())
    }

    /// The names of the predictions.
    pub fn names(&self, classes: &[String]) -> Vec<String> {
        let targets: Vec<String> = self.targets.iter().map(|target| target.name.clone()).collect();
        self.loss.names(classes, &targets)
    }

    /// The outputs of a network for a row as predictions.
    pub fn predictions(&self, outputs: &[f32]) -> Vec<f64> {
        let targets: Vec<(f64, f64)> =
            self.targets.iter().map(|target| (target.center, target.scale)).collect();
        self.loss.predictions(outputs, &targets)
    }
}

/// What is true of a batch, owned.
pub(crate) struct BatchTruth {
    pub(crate) targets: Vec<f32>,
    pub(crate) against: Vec<f32>,
}

impl BatchTruth {
    /// `against` is that of the whole split, `rows` are those of the batch.
    pub(crate) fn new(objective: &Objective, batch: &Batch, against: &[f32], rows: &[u32]) -> Self {
        let against = match against.is_empty() {
            true => Vec::new(),
            false => rows.iter().map(|row| against[*row as usize]).collect(),
        };
        Self { targets: objective.standardised(batch), against }
    }

    pub(crate) fn with<'a>(&'a self, labels: &'a [u32], weights: &'a [f32]) -> Truth<'a> {
        Truth { labels, targets: &self.targets, weights, against: &self.against }
    }
}
