//! What a network is trained on: losses of classifications and regressions, and a term that decorrelates.

use serde::{Deserialize, Serialize};

use crate::Error;

/// A loss by its kind, and what is added to it; TOML with a `kind`, unknown keys are errors.
///
/// The loss of a batch is `sum_i w_i l_i / sum_i |w_i|` with the loss `l_i` of a row and its weight `w_i`, which may be zero
/// or negative. Losses of several targets are added up.
///
/// ```
/// use fiducial_models::{Loss, LossKind};
/// let loss = Loss::of(LossKind::Quantile { levels: vec![0.16, 0.5, 0.84] })?;
/// assert_eq!(loss.outputs(0, 2), 6);
/// assert_eq!(loss.names(&[], &["energy".to_owned()])[0], "quantile_0.16_energy");
/// # Ok::<(), fiducial_models::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Loss {
    /// What is minimised for each row.
    #[serde(flatten)]
    pub kind: LossKind,
    /// What is added for a batch as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decorrelation: Option<Decorrelation>,
}

/// The loss of a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum LossKind {
    /// `-sum_c t_c ln p_c` with `p = softmax(z)` and `t_c = (1 - s) [c = label] + s / classes`.
    CrossEntropy {
        /// The share `s` of each target that is spread over all classes.
        #[serde(default)]
        label_smoothing: f64,
    },
    /// `-(1 - p)^gamma ln p` with the probability `p` of the label (T.-Y. Lin et al., arXiv:1708.02002): what is sure
    /// already counts less.
    Focal {
        /// 0 gives the cross entropy.
        #[serde(default = "two")]
        gamma: f64,
    },
    /// `r^2 / 2` for a residual `r = z - t`: the output becomes the mean of the target.
    SquaredError {},
    /// `r^2 / 2` for a residual `r = z - t` up to `delta`, beyond it `delta (|r| - delta / 2)` (P. Huber, Ann. Math.
    /// Statist. 35 (1964) 73).
    Huber {
        /// In units of the target as it is given, which a recipe standardises.
        #[serde(default = "one")]
        delta: f64,
    },
    /// `max(q (t - z_q), (q - 1) (t - z_q))`, averaged over the levels `q` (R. Koenker, G. Bassett, Econometrica 46 (1978)
    /// 33): the output `z_q` becomes the `q`-quantile of the target.
    Quantile {
        /// The levels, in (0, 1), rising.
        levels: Vec<f64>,
    },
    /// `(s + (t - m)^2 exp(-s) + ln 2 pi) / 2`: the outputs `m` and `s` become the mean and the logarithm of the variance
    /// of a Gaussian (D. Nix, A. Weigend, ICNN 1994).
    Gaussian {},
}

fn one() -> f64 {
    1.0
}

fn two() -> f64 {
    2.0
}

impl Default for LossKind {
    fn default() -> Self {
        Self::CrossEntropy { label_smoothing: 0.0 }
    }
}

/// DisCo (G. Kasieczka, D. Shih, Phys. Rev. Lett. 125 (2020) 122001, arXiv:2001.05310): `strength` times the squared
/// distance correlation between the probability of a class and another quantity, over the rows of one class.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decorrelation {
    /// The factor before the squared distance correlation.
    pub strength: f64,
    /// The class whose probability is decorrelated, by its place.
    pub score: usize,
    /// The class among whose rows, by its place.
    pub among: usize,
}

/// What is true of the rows of a batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Truth<'a> {
    /// The class of each row; empty in a regression.
    pub labels: &'a [u32],
    /// (rows, targets), standardised; empty in a classification.
    pub targets: &'a [f32],
    /// The weight of each row.
    pub weights: &'a [f32],
    /// What scores are decorrelated from, for each row; needed with a [`Decorrelation`].
    pub against: &'a [f32],
}

impl Loss {
    /// A loss without further terms.
    ///
    /// # Errors
    /// As [`Loss::check`].
    pub fn of(kind: LossKind) -> Result<Self, Error> {
        let loss = Self { kind, decorrelation: None };
        loss.check()?;
        Ok(loss)
    }

    /// Whether the labels are classes, rather than numbers to be found.
    pub fn classifies(&self) -> bool {
        matches!(self.kind, LossKind::CrossEntropy { .. } | LossKind::Focal { .. })
    }

    /// How many numbers a network must give for this many classes and targets.
    pub fn outputs(&self, classes: usize, targets: usize) -> usize {
        match &self.kind {
            LossKind::CrossEntropy { .. } | LossKind::Focal { .. } => classes,
            LossKind::SquaredError {} | LossKind::Huber { .. } => targets,
            LossKind::Quantile { levels } => targets.saturating_mul(levels.len()),
            LossKind::Gaussian {} => targets.saturating_mul(2),
        }
    }

    /// The names of what is predicted, target by target: `score_CLASS`, `predicted_TARGET`, `quantile_LEVEL_TARGET`, or
    /// `mean_TARGET` and `sigma_TARGET`.
    pub fn names(&self, classes: &[String], targets: &[String]) -> Vec<String> {
        match &self.kind {
            LossKind::CrossEntropy { .. } | LossKind::Focal { .. } => {
                classes.iter().map(|class| format!("score_{class}")).collect()
            }
            LossKind::SquaredError {} | LossKind::Huber { .. } => {
                targets.iter().map(|target| format!("predicted_{target}")).collect()
            }
            LossKind::Quantile { levels } => {
                let of = |target| levels.iter().map(move |level| format!("quantile_{level}_{target}"));
                targets.iter().flat_map(of).collect()
            }
            LossKind::Gaussian {} => {
                let of = |target| ["mean", "sigma"].map(|name| format!("{name}_{target}"));
                targets.iter().flat_map(of).collect()
            }
        }
    }

    /// The outputs for a row as predictions: probabilities, or numbers in units of the targets, whose `(center, scale)` are
    /// given.
    pub fn predictions(&self, outputs: &[f32], targets: &[(f64, f64)]) -> Vec<f64> {
        let each = outputs.len() / targets.len().max(1);
        let of = |index: usize| targets.get(index / each.max(1)).copied().unwrap_or((0.0, 1.0));
        let outputs = outputs.iter().map(|&output| f64::from(output));
        match &self.kind {
            LossKind::CrossEntropy { .. } | LossKind::Focal { .. } => {
                let outputs: Vec<f64> = outputs.collect();
                let largest = outputs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = outputs.iter().map(|output| (output - largest).exp()).sum();
                outputs.iter().map(|output| (output - largest).exp() / sum).collect()
            }
            LossKind::Gaussian {} => {
                let outputs = outputs.enumerate().map(|(index, output)| match (index % 2, of(index)) {
                    (0, (center, scale)) => center + scale * output,
                    (_, (_, scale)) => scale * (0.5 * output).exp(),
                });
                outputs.collect()
            }
            LossKind::SquaredError {} | LossKind::Huber { .. } | LossKind::Quantile { .. } => {
                let outputs = outputs.enumerate().map(|(index, output)| {
                    let (center, scale) = of(index);
                    center + scale * output
                });
                outputs.collect()
            }
        }
    }

    /// Checks the numbers.
    ///
    /// # Errors
    /// As [`Loss::mistake`].
    pub fn check(&self) -> Result<(), Error> {
        self.mistake().map_or(Ok(()), |reason| Err(Error::Inputs(reason)))
    }

    /// The first number that is out of range, by its key.
    pub fn mistake(&self) -> Option<String> {
        match &self.kind {
            LossKind::CrossEntropy { label_smoothing } if !(0.0..1.0).contains(label_smoothing) => {
                return Some(format!("label smoothing must lie in [0, 1), not {label_smoothing}"));
            }
            LossKind::Focal { gamma } if !(0.0..=100.0).contains(gamma) => {
                return Some(format!("gamma must lie in [0, 100], not {gamma}"));
            }
            LossKind::Huber { delta } if !(delta.is_finite() && *delta > 0.0) => {
                return Some(format!("delta must be a positive number, not {delta}"));
            }
            LossKind::Quantile { levels } => {
                let inside = levels.iter().all(|level| *level > 0.0 && *level < 1.0);
                if levels.is_empty() || !inside || !levels.is_sorted_by(|a, b| a < b) {
                    return Some(format!("levels must lie in (0, 1) and rise, not {levels:?}"));
                }
            }
            _ => {}
        }
        match self.decorrelation {
            Some(_) if !self.classifies() => {
                Some("only the scores of a classification can be decorrelated".to_owned())
            }
            Some(term) if !(term.strength.is_finite() && term.strength >= 0.0) => {
                Some(format!("the strength of a decorrelation must be from 0 on, not {}", term.strength))
            }
            _ => None,
        }
    }

    /// The loss of a batch, and its slope with each output.
    pub(crate) fn with_slopes(
        &self,
        outputs: &[f32],
        columns: usize,
        truth: &Truth<'_>,
    ) -> Result<(f64, Vec<f32>), Error> {
        self.check()?;
        self.check_truth(outputs, columns, truth)?;
        let total: f64 = truth.weights.iter().map(|&weight| f64::from(weight.abs())).sum();
        let mut loss = 0.0;
        let mut slopes = vec![0.0_f64; outputs.len()];
        let rows = outputs.chunks_exact(columns).zip(slopes.chunks_exact_mut(columns));
        for (row, (outputs, slopes)) in rows.enumerate() {
            // Without any weight in the batch there is nothing to learn from it.
            let share = if total > 0.0 { f64::from(truth.weights[row]) / total } else { 0.0 };
            loss += share * self.of_row(outputs, truth, row, slopes);
            slopes.iter_mut().for_each(|slope| *slope *= share);
        }
        if let Some(term) = &self.decorrelation {
            loss += term.add(outputs, columns, truth, &mut slopes);
        }
        Ok((loss, slopes.into_iter().map(|slope| slope as f32).collect()))
    }

    /// The loss of each row, without weights.
    ///
    /// # Errors
    /// A truth that does not fit the outputs.
    pub fn of_rows(&self, outputs: &[f32], columns: usize, truth: &Truth<'_>) -> Result<Vec<f64>, Error> {
        self.check_truth(outputs, columns, truth)?;
        let mut slopes = vec![0.0; columns];
        let rows = outputs.chunks_exact(columns).enumerate();
        Ok(rows.map(|(row, outputs)| self.of_row(outputs, truth, row, &mut slopes)).collect())
    }

    /// What a batch adds to the mean loss of its rows: the decorrelation, if there is one.
    ///
    /// # Errors
    /// A truth that does not fit the outputs.
    pub fn of_batch(&self, outputs: &[f32], columns: usize, truth: &Truth<'_>) -> Result<f64, Error> {
        let Some(term) = &self.decorrelation else { return Ok(0.0) };
        self.check_truth(outputs, columns, truth)?;
        Ok(term.add(outputs, columns, truth, &mut vec![0.0; outputs.len()]))
    }

    fn check_truth(&self, outputs: &[f32], columns: usize, truth: &Truth<'_>) -> Result<(), Error> {
        let rows = outputs.len() / columns.max(1);
        let fits = |what: &str, length: usize| {
            if length == rows {
                Ok(())
            } else {
                Err(Error::Inputs(format!("{length} {what} for {rows} jets")))
            }
        };
        fits("weights", truth.weights.len())?;
        if let Some(row) = truth.weights.iter().position(|weight| !weight.is_finite()) {
            return Err(Error::Inputs(format!("weight of row {row} is {}", truth.weights[row])));
        }
        if let Some(term) = &self.decorrelation {
            fits("values to decorrelate from", truth.against.len())?;
            if let Some(row) = truth.against.iter().position(|value| !value.is_finite()) {
                let value = truth.against[row];
                return Err(Error::Inputs(format!("what is decorrelated from is {value} in row {row}")));
            }
            if term.score.max(term.among) >= columns {
                let class = term.score.max(term.among);
                return Err(Error::Inputs(format!("there is no class {class} to decorrelate")));
            }
        }
        if self.classifies() {
            fits("labels", truth.labels.len())?;
            return match truth.labels.iter().position(|&label| label as usize >= columns) {
                None => Ok(()),
                Some(row) => {
                    let label = truth.labels[row];
                    Err(Error::Inputs(format!("label of row {row} is {label}, there are {columns} classes")))
                }
            };
        }
        let each = self.outputs(0, 1);
        if truth.targets.len() * each != outputs.len() {
            let (targets, outputs) = (truth.targets.len(), outputs.len());
            return Err(Error::Inputs(format!(
                "{targets} targets need {each} outputs each, there are {outputs}"
            )));
        }
        match truth.targets.iter().position(|target| !target.is_finite()) {
            None => Ok(()),
            Some(place) => {
                let row = place / (columns / each).max(1);
                Err(Error::Inputs(format!("a target of row {row} is {}", truth.targets[place])))
            }
        }
    }

    /// The loss of a row and its slope with each output.
    fn of_row(&self, outputs: &[f32], truth: &Truth<'_>, row: usize, slopes: &mut [f64]) -> f64 {
        match &self.kind {
            LossKind::CrossEntropy { label_smoothing } => {
                let off = label_smoothing / outputs.len() as f64;
                let (largest, sum) = softmax_parts(outputs);
                let mut loss = 0.0;
                for (class, (&output, slope)) in outputs.iter().zip(slopes).enumerate() {
                    let log_probability = f64::from(output) - largest - sum.ln();
                    let is_label = class == truth.labels[row] as usize;
                    let target = if is_label { 1.0 - label_smoothing + off } else { off };
                    if target > 0.0 {
                        loss -= target * log_probability;
                    }
                    *slope = log_probability.exp() - target;
                }
                loss
            }
            LossKind::Focal { gamma } => {
                let (largest, sum) = softmax_parts(outputs);
                let label = truth.labels[row] as usize;
                let log_probability = f64::from(outputs[label]) - largest - sum.ln();
                let probability = log_probability.exp();
                let rest = -log_probability.exp_m1();
                let factor = if *gamma > 0.0 && rest > 0.0 {
                    gamma * probability * rest.powf(gamma - 1.0) * log_probability
                } else {
                    0.0
                };
                for (class, (&output, slope)) in outputs.iter().zip(slopes).enumerate() {
                    let of_class = (f64::from(output) - largest - sum.ln()).exp();
                    let is_label = if class == label { 1.0 } else { 0.0 };
                    *slope = (factor - rest.powf(*gamma)) * (is_label - of_class);
                }
                -rest.powf(*gamma) * log_probability
            }
            LossKind::SquaredError {} => {
                let targets = &truth.targets[row * outputs.len()..];
                let terms = outputs.iter().zip(targets).zip(slopes).map(|((&output, &target), slope)| {
                    *slope = f64::from(output) - f64::from(target);
                    0.5 * *slope * *slope
                });
                terms.sum()
            }
            LossKind::Huber { delta } => {
                let targets = &truth.targets[row * outputs.len()..];
                let terms = outputs.iter().zip(targets).zip(slopes).map(|((&output, &target), slope)| {
                    let residual = f64::from(output) - f64::from(target);
                    *slope = residual.clamp(-delta, *delta);
                    slope.abs() * (residual.abs() - 0.5 * slope.abs())
                });
                terms.sum()
            }
            LossKind::Quantile { levels } => {
                let targets = &truth.targets[row * outputs.len() / levels.len()..];
                let number = levels.len() as f64;
                let terms = outputs.iter().zip(slopes).enumerate().map(|(index, (&output, slope))| {
                    let level = levels[index % levels.len()];
                    let residual = f64::from(targets[index / levels.len()]) - f64::from(output);
                    let side = if residual >= 0.0 { level } else { level - 1.0 };
                    *slope = -side / number;
                    side * residual / number
                });
                terms.sum()
            }
            LossKind::Gaussian {} => {
                let targets = &truth.targets[row * outputs.len() / 2..];
                let mut loss = 0.0;
                for ((output, &target), slope) in
                    outputs.chunks_exact(2).zip(targets).zip(slopes.chunks_exact_mut(2))
                {
                    let (mean, log_variance) = (f64::from(output[0]), f64::from(output[1]));
                    let (residual, inverse) = (mean - f64::from(target), (-log_variance).exp());
                    slope[0] = residual * inverse;
                    slope[1] = 0.5 * (1.0 - residual * residual * inverse);
                    loss += 0.5 * (log_variance + residual * residual * inverse + std::f64::consts::TAU.ln());
                }
                loss
            }
        }
    }
}

/// The largest output `m`, and `sum_k exp(z_k - m)`.
fn softmax_parts(row: &[f32]) -> (f64, f64) {
    let largest = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    (largest, row.iter().map(|&output| (f64::from(output) - largest).exp()).sum())
}

impl Decorrelation {
    /// The term, and its slopes added to those of the rest.
    ///
    /// With the weights `w` of the rows, scaled to the sum 1, distances `a_ij = |x_i - x_j|` and their double-centred form
    /// `A`, the squared distance covariance is `sum_ij w_i w_j A_ij B_ij`, and the squared correlation
    /// `dCov2(x, y) / sqrt(dCov2(x, x) dCov2(y, y))`. A batch without weight or spread gives 0.
    fn add(&self, outputs: &[f32], columns: usize, truth: &Truth<'_>, slopes: &mut [f64]) -> f64 {
        let rows: Vec<usize> =
            (0..truth.labels.len()).filter(|&row| truth.labels[row] as usize == self.among).collect();
        let total: f64 = rows.iter().map(|&row| f64::from(truth.weights[row])).sum();
        if total.is_nan() || total <= 0.0 {
            return 0.0;
        }
        let weights: Vec<f64> = rows.iter().map(|&row| f64::from(truth.weights[row]) / total).collect();
        let probabilities: Vec<Vec<f64>> = rows
            .iter()
            .map(|&row| {
                let outputs = &outputs[row * columns..(row + 1) * columns];
                let (largest, sum) = softmax_parts(outputs);
                outputs.iter().map(|&output| (f64::from(output) - largest).exp() / sum).collect()
            })
            .collect();
        let x = Distances::new(rows.iter().map(|&row| f64::from(truth.against[row])).collect(), &weights);
        let y = Distances::new(probabilities.iter().map(|row| row[self.score]).collect(), &weights);
        let [of_both, of_x, of_y] = [(&x, &y), (&x, &x), (&y, &y)].map(|(a, b)| a.covariance(b, &weights));
        let product = of_x * of_y;
        if product.is_nan() || product <= 1e-24 || of_y <= 0.0 {
            return 0.0;
        }
        let root = product.sqrt();
        for (place, &row) in rows.iter().enumerate() {
            // The slopes of dCov2(x, y) and of dCov2(y, y) with y_i, without their common factor 2 w_i.
            let (mut with_x, mut with_y) = (0.0, 0.0);
            for (other, _) in rows.iter().enumerate() {
                let difference = y.values[place] - y.values[other];
                let sign = if difference == 0.0 { 0.0 } else { difference.signum() };
                with_x += weights[other] * x.centred(place, other) * sign;
                with_y += weights[other] * y.centred(place, other) * sign;
            }
            let slope = 2.0 * weights[place] * (with_x / root - of_both / (of_y * root) * with_y);
            let score = probabilities[place][self.score];
            for (class, &probability) in probabilities[place].iter().enumerate() {
                let is_score = if class == self.score { 1.0 } else { 0.0 };
                slopes[row * columns + class] += self.strength * slope * score * (is_score - probability);
            }
        }
        self.strength * of_both / root
    }
}

/// Distances between numbers, and their weighted means.
struct Distances {
    values: Vec<f64>,
    means: Vec<f64>,
    mean: f64,
}

impl Distances {
    fn new(values: Vec<f64>, weights: &[f64]) -> Self {
        let of = |value: &f64| values.iter().zip(weights).map(|(other, w)| w * (value - other).abs()).sum();
        let means: Vec<f64> = values.iter().map(of).collect();
        let mean = means.iter().zip(weights).map(|(mean, weight)| mean * weight).sum();
        Self { values, means, mean }
    }

    fn centred(&self, i: usize, j: usize) -> f64 {
        (self.values[i] - self.values[j]).abs() - self.means[i] - self.means[j] + self.mean
    }

    fn covariance(&self, other: &Self, weights: &[f64]) -> f64 {
        let row = |i: usize| -> f64 {
            let products = (0..weights.len()).map(|j| weights[j] * self.centred(i, j) * other.centred(i, j));
            weights[i] * products.sum::<f64>()
        };
        (0..weights.len()).map(row).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(number: usize, phase: f32) -> Vec<f32> {
        (0..number).map(|index| (1.7 * index as f32 + phase).sin()).collect()
    }

    const ROWS: usize = 12;

    fn check(loss: &Loss, columns: usize, targets: usize) {
        let outputs = wave(ROWS * columns, 0.3);
        let truth = Truth {
            labels: &(0..ROWS as u32).map(|row| row % 2).collect::<Vec<_>>(),
            targets: &wave(ROWS * targets, 0.8).iter().map(|target| 2.0 * target).collect::<Vec<_>>(),
            weights: &[1.0, 2.0, 0.5, 0.7, -0.2, 0.0, 1.0, 1.5, 1.0, 0.4, 2.0, 1.1],
            against: &wave(ROWS, 2.0),
        };
        let (value, slopes) = loss.with_slopes(&outputs, columns, &truth).unwrap();
        let total: f64 = truth.weights.iter().map(|weight| f64::from(weight.abs())).sum();
        if loss.decorrelation.is_none() {
            let rows = loss.of_rows(&outputs, columns, &truth).unwrap();
            let mean: f64 =
                rows.iter().zip(truth.weights).map(|(loss, &weight)| loss * f64::from(weight)).sum();
            assert!((value - mean / total).abs() < 1e-9, "{loss:?}");
        }
        for place in 0..outputs.len() {
            let moved = |by: f32| {
                let mut outputs = outputs.clone();
                outputs[place] += by;
                loss.with_slopes(&outputs, columns, &truth).unwrap().0
            };
            let step = 1.0 / 1024.0;
            let slope = (moved(step) - moved(-step)) / f64::from(2.0 * step);
            let found = f64::from(slopes[place]);
            assert!((slope - found).abs() < 1e-4 + 1e-3 * slope.abs(), "{loss:?}, {place}: {slope} {found}");
        }
    }

    #[test]
    fn slopes_are_those_of_the_losses() {
        let plain = |kind| Loss::of(kind).unwrap();
        check(&plain(LossKind::CrossEntropy { label_smoothing: 0.1 }), 3, 0);
        check(&plain(LossKind::Focal { gamma: 2.0 }), 3, 0);
        check(&plain(LossKind::Focal { gamma: 0.0 }), 3, 0);
        check(&plain(LossKind::SquaredError {}), 2, 2);
        check(&plain(LossKind::Huber { delta: 0.8 }), 2, 2);
        check(&plain(LossKind::Quantile { levels: vec![0.1, 0.5, 0.9] }), 6, 2);
        check(&plain(LossKind::Gaussian {}), 4, 2);
        let term = Decorrelation { strength: 3.0, score: 1, among: 0 };
        check(&Loss { decorrelation: Some(term), ..Loss::default() }, 2, 0);
    }

    #[test]
    fn distance_correlation_of_known_samples() {
        // A score that is a linear function of the other quantity is wholly correlated with it.
        let logits = |probabilities: &[f64]| -> Vec<f32> {
            probabilities.iter().flat_map(|p| [0.0, (p / (1.0 - p)).ln() as f32]).collect()
        };
        let term = Decorrelation { strength: 1.0, score: 1, among: 0 };
        let correlation = |outputs: &[f32], against: &[f32], weights: &[f32]| {
            let labels = vec![0; against.len()];
            let truth = Truth { labels: &labels, weights, against, ..Truth::default() };
            term.add(outputs, 2, &truth, &mut vec![0.0; outputs.len()])
        };
        let outputs = logits(&[0.2, 0.3, 0.5, 0.6]);
        assert!((correlation(&outputs, &[2.0, 3.0, 5.0, 6.0], &[1.0; 4]) - 1.0).abs() < 1e-5);
        // Independent: all four combinations of two values each.
        let outputs = logits(&[0.2, 0.2, 0.7, 0.7]);
        assert!(correlation(&outputs, &[1.0, 4.0, 1.0, 4.0], &[1.0; 4]).abs() < 1e-9);
        // A weight of two is a row that is there twice.
        let outputs = logits(&[0.2, 0.5, 0.4, 0.4]);
        let twice = correlation(&outputs, &[1.0, 2.0, 5.0, 5.0], &[1.0; 4]);
        let once = correlation(&outputs[..6], &[1.0, 2.0, 5.0], &[1.0, 1.0, 2.0]);
        assert!((twice - once).abs() < 1e-9 && twice > 0.1, "{twice} {once}");
        assert_eq!(correlation(&outputs, &[1.0; 4], &[1.0; 4]), 0.0);
    }

    #[test]
    fn predictions_are_in_units_of_the_targets() {
        let gaussian = Loss::of(LossKind::Gaussian {}).unwrap();
        let predictions = gaussian.predictions(&[0.5, 0.0, -1.0, 2.0], &[(10.0, 2.0), (0.0, 3.0)]);
        assert_eq!(predictions, [11.0, 2.0, -3.0, 3.0 * 1.0_f64.exp()]);
        let quantile = Loss::of(LossKind::Quantile { levels: vec![0.25, 0.75] }).unwrap();
        assert_eq!(quantile.predictions(&[-1.0, 1.0], &[(5.0, 2.0)]), [3.0, 7.0]);
        let names = quantile.names(&[], &["mass".to_owned()]);
        assert_eq!(names, ["quantile_0.25_mass", "quantile_0.75_mass"]);
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let check = |kind: LossKind, message: &str| {
            let error = Loss::of(kind).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        };
        check(LossKind::Quantile { levels: vec![] }, "levels must lie in (0, 1) and rise");
        check(LossKind::Quantile { levels: vec![0.9, 0.1] }, "levels must lie in (0, 1) and rise");
        check(LossKind::Huber { delta: 0.0 }, "delta must be a positive number, not 0");
        check(LossKind::Focal { gamma: -1.0 }, "gamma must lie in [0, 100], not -1");
        let term = Some(Decorrelation { strength: 1.0, score: 0, among: 0 });
        for kind in [LossKind::Gaussian {}, LossKind::Quantile { levels: vec![0.5] }] {
            let loss = Loss { kind, decorrelation: term };
            assert!(loss.check().unwrap_err().to_string().contains("only the scores of a classification"));
        }
    }
}
