//! Losses with their first and second derivatives.

use rayon::prelude::*;

use crate::Labelled;

/// What is learnt. The loss of a row is a function of its target `y` and of its margins: the sums of the trees' leaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Objective {
    /// The probability `p = 1 / (1 + exp(-margin))` that `y` is 1; loss `-y ln p - (1 - y) ln(1 - p)`. `y` may be a probability.
    Logistic,
    /// The probabilities of so many classes, of which `y` is one: softmax of a margin each; loss `-ln p_y`.
    Softmax(usize),
    /// The mean of `y`; loss `(margin - y)^2 / 2`.
    SquaredError,
    /// The value below which `y` lies with this probability; loss `alpha (y - margin)` below it, `(1 - alpha) (margin - y)` above.
    Quantile(f64),
}

/// Rows that one task works on.
pub(crate) const CHUNK: usize = 8192;

/// Second derivatives are at least this, so that a row that is sure is not lost: XGBoost's bound.
const LEAST: f32 = 1e-16;

impl Objective {
    /// Numbers that a prediction has: one for each class, or one.
    pub fn outputs(self) -> usize {
        match self {
            Self::Softmax(classes) => classes,
            Self::Logistic | Self::SquaredError | Self::Quantile(_) => 1,
        }
    }

    pub(crate) fn allows(self, target: f32) -> bool {
        match self {
            Self::Logistic => (0.0..=1.0).contains(&target),
            Self::Softmax(classes) => target >= 0.0 && target.fract() == 0.0 && (target as usize) < classes,
            Self::SquaredError | Self::Quantile(_) => target.is_finite(),
        }
    }

    pub(crate) fn targets(self) -> String {
        match self {
            Self::Logistic => "it must lie between 0 and 1".to_owned(),
            Self::Softmax(classes) => format!("it must be a class, 0 to {}", classes.saturating_sub(1)),
            Self::SquaredError | Self::Quantile(_) => "it must be a finite number".to_owned(),
        }
    }

    /// The best constant prediction; for classes the margin 0, which the first trees correct.
    pub(crate) fn base(self, data: &Labelled<'_>) -> f32 {
        let mean = || {
            let (mut sum, mut weights) = (0.0, 0.0);
            for (row, &target) in data.targets.iter().enumerate() {
                let weight = f64::from(data.weight(row));
                sum += weight * f64::from(target);
                weights += weight;
            }
            sum / weights
        };
        match self {
            Self::Logistic => mean().clamp(1e-4, 1.0 - 1e-4) as f32,
            Self::Softmax(_) => 0.0,
            Self::SquaredError => mean() as f32,
            Self::Quantile(alpha) => {
                let rows = (0..data.targets.len()).map(|row| (data.targets[row], data.weight(row)));
                quantile(rows.collect(), alpha)
            }
        }
    }

    /// The margin of a base, which for two classes is a probability.
    pub(crate) fn margin(self, base: f32) -> f32 {
        if self == Self::Logistic { logit(base) } else { base }
    }

    /// Derivatives of the weighted loss to the margin of `output`, for all rows.
    pub(crate) fn derivatives(
        self,
        data: &Labelled<'_>,
        margins: &[f32],
        output: usize,
        into: &mut [[f32; 2]],
    ) {
        let outputs = self.outputs();
        into.par_chunks_mut(CHUNK).zip(margins.par_chunks(CHUNK * outputs)).enumerate().for_each(
            |(chunk, (into, margins))| {
                for (at, (into, margins)) in into.iter_mut().zip(margins.chunks_exact(outputs)).enumerate() {
                    let row = chunk * CHUNK + at;
                    let (target, weight) = (data.targets[row], data.weight(row));
                    *into = self.derivative(target, margins, output).map(|value| value * weight);
                }
            },
        );
    }

    #[inline(always)]
    fn derivative(self, target: f32, margins: &[f32], output: usize) -> [f32; 2] {
        match self {
            Self::Logistic => {
                let p = sigmoid(margins[0]);
                [p - target, (p * (1.0 - p)).max(LEAST)]
            }
            Self::Softmax(_) => {
                let largest = margins.iter().copied().fold(f32::MIN, f32::max);
                let sum: f32 = margins.iter().map(|margin| (margin - largest).exp()).sum();
                let p = (margins[output] - largest).exp() / sum;
                let truth = if target as usize == output { 1.0 } else { 0.0 };
                // Twice the diagonal of the second derivatives bounds them: their matrix is not diagonal.
                [p - truth, (2.0 * p * (1.0 - p)).max(LEAST)]
            }
            Self::SquaredError => [margins[0] - target, 1.0],
            Self::Quantile(alpha) => {
                let alpha = alpha as f32;
                [if margins[0] > target { 1.0 - alpha } else { -alpha }, 1.0]
            }
        }
    }

    /// Sum of the weighted losses over the sum of absolute weights.
    pub(crate) fn loss(self, data: &Labelled<'_>, margins: &[f32]) -> f64 {
        let outputs = self.outputs();
        let sums: Vec<[f64; 2]> = data
            .targets
            .par_chunks(CHUNK)
            .zip(margins.par_chunks(CHUNK * outputs))
            .enumerate()
            .map(|(chunk, (targets, margins))| {
                let rows = targets.iter().zip(margins.chunks_exact(outputs)).enumerate();
                rows.fold([0.0; 2], |[loss, weights], (at, (&target, margins))| {
                    let weight = f64::from(data.weight(chunk * CHUNK + at));
                    [loss + weight * self.row_loss(f64::from(target), margins), weights + weight.abs()]
                })
            })
            .collect();
        let [loss, weights] = sums.iter().fold([0.0; 2], |sum, part| [sum[0] + part[0], sum[1] + part[1]]);
        loss / weights
    }

    fn row_loss(self, target: f64, margins: &[f32]) -> f64 {
        let margin = f64::from(margins[0]);
        match self {
            // ln(1 + exp(margin)) - y margin, without overflow.
            Self::Logistic => margin.max(0.0) + (-margin.abs()).exp().ln_1p() - target * margin,
            Self::Softmax(_) => {
                let largest = f64::from(margins.iter().copied().fold(f32::MIN, f32::max));
                let sum: f64 = margins.iter().map(|&margin| (f64::from(margin) - largest).exp()).sum();
                sum.ln() + largest - f64::from(margins[target as usize])
            }
            Self::SquaredError => 0.5 * (margin - target).powi(2),
            Self::Quantile(alpha) if target >= margin => alpha * (target - margin),
            Self::Quantile(alpha) => (1.0 - alpha) * (margin - target),
        }
    }

    /// Turns margins into predictions.
    pub(crate) fn predictions(self, margins: &mut [f32]) {
        match self {
            Self::Logistic => {
                margins.par_iter_mut().with_min_len(CHUNK).for_each(|margin| *margin = sigmoid(*margin));
            }
            Self::Softmax(classes) => {
                margins.par_chunks_mut(classes).with_min_len(1024).for_each(|margins| {
                    let largest = margins.iter().copied().fold(f32::MIN, f32::max);
                    margins.iter_mut().for_each(|margin| *margin = (*margin - largest).exp());
                    let sum: f32 = margins.iter().sum();
                    margins.iter_mut().for_each(|margin| *margin /= sum);
                });
            }
            Self::SquaredError | Self::Quantile(_) => {}
        }
    }
}

#[inline(always)]
fn sigmoid(margin: f32) -> f32 {
    1.0 / (1.0 + (-margin).exp())
}

/// The margin of a probability, in the operations of XGBoost.
fn logit(probability: f32) -> f32 {
    -(1.0 / probability - 1.0).ln()
}

/// The value below which the share `alpha` of the absolute weight lies.
pub(crate) fn quantile(mut values: Vec<(f32, f32)>, alpha: f64) -> f32 {
    values.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let total: f64 = values.iter().map(|(_, weight)| f64::from(weight.abs())).sum();
    let mut below = 0.0;
    for (value, weight) in &values {
        below += f64::from(weight.abs());
        if below >= alpha * total {
            return *value;
        }
    }
    values.last().map_or(0.0, |(value, _)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Table;

    /// The derivative that is coded is the slope of the loss that is coded.
    #[test]
    fn first_derivatives_are_slopes() {
        let check = |objective: Objective, target: f32, margins: &[f32]| {
            for output in 0..objective.outputs() {
                let loss = |step: f32| {
                    let mut moved = margins.to_vec();
                    moved[output] += step;
                    objective.row_loss(f64::from(target), &moved)
                };
                let slope = (loss(1e-2) - loss(-1e-2)) / 2e-2;
                let [first, _] = objective.derivative(target, margins, output);
                assert!((slope - f64::from(first)).abs() < 1e-4, "{objective:?} {slope} {first}");
            }
        };
        check(Objective::Logistic, 1.0, &[0.7]);
        check(Objective::Logistic, 0.3, &[-1.2]);
        check(Objective::Softmax(3), 2.0, &[0.1, -0.4, 1.3]);
        check(Objective::SquaredError, 2.0, &[0.7]);
        check(Objective::Quantile(0.9), 2.0, &[0.7]);
        check(Objective::Quantile(0.9), -2.0, &[0.7]);
    }

    #[test]
    fn the_base_is_the_best_constant() {
        let table = Table::new(&[0.0; 4], 1).unwrap();
        let check = |objective: Objective, targets: &[f32], weights: Option<&[f32]>, expected: f32| {
            let base = objective.base(&Labelled { table, targets, weights });
            assert!((base - expected).abs() < 1e-6, "{objective:?}: {base}");
        };
        check(Objective::SquaredError, &[1.0, 2.0, 3.0, 6.0], None, 3.0);
        check(Objective::SquaredError, &[1.0, 2.0, 3.0, 6.0], Some(&[1.0, 1.0, 1.0, -1.0]), 0.0);
        check(Objective::Logistic, &[1.0, 1.0, 1.0, 0.0], None, 0.75);
        check(Objective::Quantile(0.5), &[9.0, 1.0, 2.0, 3.0], None, 2.0);
        check(Objective::Quantile(0.5), &[9.0, 1.0, 2.0, 3.0], Some(&[5.0, 1.0, 1.0, 1.0]), 9.0);
    }
}
