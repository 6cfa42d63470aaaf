//! A view and what was measured, as plain numbers.

use std::collections::BTreeSet;

use super::{Labels, Standardisation};
use crate::source::Error;
use crate::view::{Group, Pad, Scaling, View};

/// All that is needed to fill tensors.
pub(super) struct Plan<'a> {
    pub(super) view: &'a View,
    pub(super) groups: Vec<GroupPlan<'a>>,
    pub(super) labels: Labels,
    /// Whether the weights are scaled so that each class has the same sum: of all rows, so not where they come in parts.
    pub(super) balances: bool,
    /// The columns of the dataset that are read.
    pub(super) columns: BTreeSet<String>,
}

/// One input group.
pub(super) struct GroupPlan<'a> {
    pub(super) group: &'a Group,
    pub(super) variables: Vec<VariablePlan<'a>>,
}

/// What happens to the values of one variable.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct VariablePlan<'a> {
    pub(super) name: &'a str,
    pub(super) center: f64,
    pub(super) scale: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) pad: f32,
}

impl<'a> Plan<'a> {
    pub(super) fn new(
        view: &'a View,
        standardisation: &Standardisation,
        labels: Labels,
    ) -> Result<Self, Error> {
        let groups = view.inputs().iter().map(|group| GroupPlan::new(group, standardisation));
        let groups = groups.collect::<Result<_, _>>()?;
        let mut plan = match labels {
            Labels::Required => Self::truth(view)?,
            Labels::Absent => {
                Self { view, groups: Vec::new(), labels, balances: false, columns: observed(view) }
            }
        };
        plan.groups = groups;
        plan.columns.extend(view.input_columns());
        Ok(plan)
    }

    /// The same, with weights as the view gives them.
    pub(super) fn without_balance(self) -> Self {
        Self { balances: false, ..self }
    }

    /// Labels, weights and observers, without any input.
    pub(super) fn truth(view: &'a View) -> Result<Self, Error> {
        if view.classes().is_empty() && view.targets().is_empty() {
            return Err(Error::settings("compute labels", "the view has neither classes nor targets"));
        }
        let mut columns = observed(view);
        columns.extend(view.label_columns());
        columns.extend(view.weight_columns());
        let balances = view.weights().class_balance;
        Ok(Self { view, groups: Vec::new(), labels: Labels::Required, balances, columns })
    }
}

fn observed(view: &View) -> BTreeSet<String> {
    view.base_columns(view.observers().iter().cloned())
}

impl<'a> GroupPlan<'a> {
    fn new(group: &'a Group, standardisation: &Standardisation) -> Result<Self, Error> {
        let variables = group.variables.iter().map(|variable| {
            let (center, scale) = match variable.scaling {
                Scaling::None => (0.0, 1.0),
                Scaling::Given { center, scale } => (center, scale),
                Scaling::Measured => {
                    let measured = standardisation.variables.get(&variable.name).ok_or_else(|| {
                        let reason =
                            format!("`{}` was not measured; measure it on the training split", variable.name);
                        Error::settings("standardise", reason)
                    })?;
                    (measured.center, measured.scale)
                }
            };
            let (low, high) = variable.clip.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
            Ok(VariablePlan { name: &variable.name, center, scale, low, high, pad: variable.pad as f32 })
        });
        Ok(Self { group, variables: variables.collect::<Result<_, Error>>()? })
    }

    /// The constituents of a row in the tensor.
    pub(super) fn length(&self) -> usize {
        self.group.length.unwrap_or(1)
    }

    /// The numbers of a row in the tensor.
    pub(super) fn row_size(&self) -> usize {
        self.length() * self.variables.len()
    }

    /// Whether short rows are repeated.
    pub(super) fn wraps(&self) -> bool {
        self.group.pad == Pad::Wrap
    }
}
