//! Scores of a trained network.
use fiducial_data::batches::{Batch, Tensors};
use fiducial_models::{Inputs, Network, PaddedGroups};

use crate::Error;

/// Jets in a batch where no gradient is needed; scores do not depend on it.
pub const PREDICTION_BATCH: usize = 512;

/// The probability of each class for each jet, `(n, classes)` row after row: the softmax of the network's logits,
/// `p_c = exp(z_c) / sum_k exp(z_k)`. In double precision, because in single precision the surest jets all get exactly 1,
/// and their order, on which a background rejection depends, is lost.
///
/// # Errors
/// Tensors that lack what the network reads.
pub fn predict(network: &Network, tensors: &Tensors, batch: usize) -> Result<Vec<f64>, Error> {
    probabilities(tensors, batch, network.config().classes(), |batch, jets| {
        Ok(network.logits(&inputs(batch, jets)?)?)
    })
}

/// As [`predict`], for whatever gives logits.
pub(crate) fn probabilities(
    tensors: &Tensors,
    batch: usize,
    classes: usize,
    logits: impl Fn(&Batch, usize) -> Result<Vec<f32>, Error>,
) -> Result<Vec<f64>, Error> {
    let mut scores = Vec::with_capacity(tensors.rows() * classes);
    each_batch(tensors, batch, logits, |logits| {
        for row in logits.chunks_exact(classes) {
            let (largest, sum) = softmax_parts(row);
            scores.extend(row.iter().map(|logit| (f64::from(*logit) - largest).exp() / sum));
        }
    })?;
    Ok(scores)
}

/// How good a model is on a split.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Quality {
    /// `sum_i w_i l_i / sum_i |w_i|` as in training.
    pub(crate) loss: f64,
    /// The weighted part of the jets, class factors left out, whose highest score is the true class's.
    pub(crate) accuracy: f64,
}

/// The weight of each jet in the loss: its own times the factor of its class.
pub(crate) fn weights<'a>(tensors: &'a Tensors, class_factors: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
    tensors.weights.iter().zip(&tensors.labels).map(|(weight, label)| weight * class_factors[*label as usize])
}

pub(crate) fn quality(network: &Network, tensors: &Tensors, class_factors: &[f32]) -> Result<Quality, Error> {
    let mut all = Vec::with_capacity(tensors.rows() * network.config().classes());
    let logits = |batch: &Batch, jets| Ok(network.logits(&inputs(batch, jets)?)?);
    each_batch(tensors, PREDICTION_BATCH, logits, |logits| all.extend_from_slice(logits))?;
    quality_of(&all, tensors, class_factors)
}

/// How good the logits of a split, `(n, classes)`, are.
pub(crate) fn quality_of(logits: &[f32], tensors: &Tensors, class_factors: &[f32]) -> Result<Quality, Error> {
    let (mut loss, mut loss_weight, mut correct, mut total) = (0.0, 0.0, 0.0, 0.0);
    let rows = logits.chunks_exact(class_factors.len()).zip(&tensors.labels).zip(&tensors.weights);
    for (number, ((row, label), weight)) in rows.enumerate() {
        if row.iter().any(|logit| !logit.is_finite()) {
            let reason = format!("the model's scores are not finite for row id {}", tensors.row_ids[number]);
            return Err(Error::Data { split: "validation", reason });
        }
        let label = *label as usize;
        let (largest, sum) = softmax_parts(row);
        let weight_in_loss = f64::from(weight * class_factors[label]);
        loss += weight_in_loss * (sum.ln() + largest - f64::from(row[label]));
        loss_weight += weight_in_loss.abs();
        // A tie goes to the first class, as it does in NumPy.
        let highest = row.iter().position(|logit| f64::from(*logit) == largest);
        correct += if highest == Some(label) { f64::from(*weight) } else { 0.0 };
        total += f64::from(*weight);
    }
    Ok(Quality { loss: loss / loss_weight, accuracy: correct / total })
}

/// The largest logit `m`, and `sum_k exp(z_k - m)`.
fn softmax_parts(row: &[f32]) -> (f64, f64) {
    let largest = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    (largest, row.iter().map(|logit| (f64::from(*logit) - largest).exp()).sum())
}

fn each_batch(
    tensors: &Tensors,
    batch: usize,
    logits: impl Fn(&Batch, usize) -> Result<Vec<f32>, Error>,
    mut take: impl FnMut(&[f32]),
) -> Result<(), Error> {
    let rows: Vec<u32> = (0..tensors.rows() as u32).collect();
    for rows in rows.chunks(batch.max(1)) {
        take(&logits(&tensors.gather(rows), rows.len())?);
    }
    Ok(())
}

/// A batch as the networks read it.
pub(crate) fn inputs(batch: &Batch, jets: usize) -> Result<Inputs, Error> {
    let group = |name: &str| batch.groups.iter().find(|group| group.name == name);
    let features = group("features").ok_or_else(|| missing("features"))?;
    Ok(Inputs::pack(&PaddedGroups {
        jets,
        length: features.length,
        points: group("points").map(|group| group.data.as_slice()),
        features: &features.data,
        vectors: group("vectors").map(|group| group.data.as_slice()),
        mask: group("mask").map(|group| group.data.as_slice()),
    })?)
}

fn missing(name: &str) -> Error {
    Error::Data { split: "given", reason: format!("the view has no group \"{name}\"") }
}
