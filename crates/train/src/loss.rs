//! The tables `[loss]` and `[parameters]` of a recipe: what is minimised, by the names that a view has.

use fiducial_data::view::View;
use fiducial_models::{Decorrelation, Loss, LossKind};
use serde::Deserialize;

use crate::Error;

/// The `[loss]` table of a recipe; without one it is the cross entropy.
///
/// ```
/// use fiducial_models::LossKind;
/// use fiducial_train::LossTable;
/// let table: LossTable = toml::from_str("kind = \"quantile\"\nlevels = [0.16, 0.5, 0.84]")?;
/// assert_eq!(table.kind, LossKind::Quantile { levels: vec![0.16, 0.5, 0.84] });
/// assert!(toml::from_str::<LossTable>("kind = \"huber\"\ngamma = 2").is_err());
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct LossTable {
    /// What is minimised for each row.
    #[serde(flatten)]
    pub kind: LossKind,
    /// What scores are decorrelated from.
    #[serde(default)]
    pub decorrelation: Option<DecorrelationTable>,
}

/// The `[loss.decorrelation]` table of a recipe: DisCo (arXiv:2001.05310).
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecorrelationTable {
    /// A column or new variable of the view with one number per row.
    pub column: String,
    /// The factor before the squared distance correlation.
    pub strength: f64,
    /// The class whose probability is decorrelated.
    pub score: String,
    /// The class among whose rows.
    pub among: String,
}

/// The `[parameters]` table of a recipe: for networks that read the group `parameters`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParametersTable {
    /// The class whose rows have no parameters of their own. For each epoch they take those of rows of other classes, drawn by
    /// weight (P. Baldi et al., arXiv:1601.07913).
    pub background: String,
}

impl LossTable {
    /// The loss for a view, for a model of some kind.
    ///
    /// # Errors
    /// A view without what the loss is about: classes, targets, or a class of that name.
    pub fn resolve(&self, view: &View, kind: &'static str) -> Result<Loss, Error> {
        let refuse = |reason: String| Err(Error::Fit { kind, reason });
        let mut loss = Loss { kind: self.kind.clone(), decorrelation: None };
        let name = name(&loss.kind);
        if loss.classifies() && view.classes().is_empty() {
            return refuse(format!("the loss {name} needs classes, and the view has no [labels]"));
        }
        if !loss.classifies() && view.targets().is_empty() {
            return refuse(format!("the loss {name} needs targets, and the view has no [targets]"));
        }
        if let Some(DecorrelationTable { strength, score, among, .. }) = &self.decorrelation {
            let (score, among) = (class(view, score, kind)?, class(view, among, kind)?);
            loss.decorrelation = Some(Decorrelation { strength: *strength, score, among });
        }
        match loss.mistake() {
            Some(reason) => refuse(format!("[loss]: {reason}")),
            None => Ok(loss),
        }
    }

    /// Whether it is that of a classification.
    pub fn classifies(&self) -> bool {
        Loss { kind: self.kind.clone(), decorrelation: None }.classifies()
    }

    /// The first number that is out of range.
    pub(crate) fn mistake(&self) -> Option<String> {
        let decorrelation = self.decorrelation.as_ref();
        let decorrelation =
            decorrelation.map(|table| Decorrelation { strength: table.strength, score: 0, among: 0 });
        Loss { kind: self.kind.clone(), decorrelation }.mistake()
    }
}

impl ParametersTable {
    /// The place of the background among the classes.
    pub(crate) fn resolve(&self, view: &View, kind: &'static str) -> Result<u32, Error> {
        Ok(class(view, &self.background, kind)? as u32)
    }
}

/// The kind of a loss as it stands in a recipe.
pub(crate) fn name(kind: &LossKind) -> &'static str {
    match kind {
        LossKind::CrossEntropy { .. } => "cross-entropy",
        LossKind::Focal { .. } => "focal",
        LossKind::SquaredError {} => "squared-error",
        LossKind::Huber { .. } => "huber",
        LossKind::Quantile { .. } => "quantile",
        LossKind::Gaussian {} => "gaussian",
    }
}

fn class(view: &View, name: &str, kind: &'static str) -> Result<usize, Error> {
    view.classes().iter().position(|class| class.name == name).ok_or_else(|| {
        let classes: Vec<&str> = view.classes().iter().map(|class| class.name.as_str()).collect();
        let reason = format!("the view has no class \"{name}\", only {}", classes.join(", "));
        Error::Fit { kind, reason }
    })
}
