//! Softmax cross-entropy with event weights and label smoothing.

use burn::tensor::Tensor;

use super::glue::Operand;
use super::{Array, Gradient, apply};
use crate::Error;

/// `sum_i w_i l_i / sum_i |w_i|` with `l_i = -sum_c t_ic log softmax(logits_i)_c`, in double precision.
///
/// The target is `t_ic = (1 - s) [c = label_i] + s / classes` with the label smoothing `s`.
pub(crate) fn cross_entropy(
    logits: Tensor<2>,
    labels: &[u32],
    weights: &[f32],
    smoothing: f64,
) -> Result<Tensor<1>, Error> {
    let [rows, classes] = logits.dims();
    let fits = |what: &str, length: usize| {
        if length == rows { Ok(()) } else { Err(Error::Inputs(format!("{length} {what} for {rows} jets"))) }
    };
    fits("labels", labels.len())?;
    fits("weights", weights.len())?;
    if !(0.0..1.0).contains(&smoothing) {
        return Err(Error::Inputs(format!("label smoothing must lie in [0, 1), not {smoothing}")));
    }
    if let Some(row) = labels.iter().position(|&label| label as usize >= classes) {
        return Err(Error::Inputs(format!(
            "label of row {row} is {}, there are {classes} classes",
            labels[row]
        )));
    }
    if let Some(row) = weights.iter().position(|weight| !weight.is_finite()) {
        return Err(Error::Inputs(format!("weight of row {row} is {}", weights[row])));
    }
    apply([Operand::new(logits)?], |[logits], _| {
        let total = weights.iter().map(|&weight| f64::from(weight.abs())).sum::<f64>();
        let off = smoothing / classes as f64;
        let mut loss = 0.0;
        let mut gradient = Vec::with_capacity(rows * classes);
        for ((row, &label), &weight) in logits.values().chunks_exact(classes).zip(labels).zip(weights) {
            // Without any weight in the batch there is nothing to learn from it.
            let share = if total > 0.0 { f64::from(weight) / total } else { 0.0 };
            let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f64 = row.iter().map(|&logit| f64::from(logit - largest).exp()).sum();
            for (class, &logit) in row.iter().enumerate() {
                let log_probability = f64::from(logit - largest) - sum.ln();
                let target = if class == label as usize { 1.0 - smoothing + off } else { off };
                if target > 0.0 {
                    loss -= share * target * log_probability;
                }
                gradient.push((share * (log_probability.exp() - target)) as f32);
            }
        }
        let loss = loss as f32;
        (Array::new(vec![loss], [1]), Some(CrossEntropy { gradient }))
    })
}

#[derive(Clone, Debug)]
struct CrossEntropy {
    gradient: Vec<f32>,
}

impl Gradient<1> for CrossEntropy {
    fn gradients(mut self, output: Array, _: [bool; 1]) -> [Option<Vec<f32>>; 1] {
        let scale = output.values().first().copied().unwrap_or(1.0);
        self.gradient.iter_mut().for_each(|value| *value *= scale);
        [Some(self.gradient)]
    }
}
