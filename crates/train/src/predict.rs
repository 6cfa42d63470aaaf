//! Scores of a trained network.
use fiducial_data::batches::{Batch, GroupTensor, Tensors};
use fiducial_models::{Inputs, ModelConfig, Network, PaddedGroups};

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
    let mut scores = Vec::with_capacity(tensors.rows() * network.config().outputs());
    each_batch(network, tensors, batch, |logits, classes, _| {
        for row in logits.chunks_exact(classes) {
            let (largest, sum) = softmax_parts(row);
            scores.extend(row.iter().map(|logit| (f64::from(*logit) - largest).exp() / sum));
        }
    })?;
    Ok(scores)
}

/// How good a network is on a split.
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
    let (mut loss, mut loss_weight, mut correct, mut total) = (0.0, 0.0, 0.0, 0.0);
    let (mut done, mut broken) = (0, None);
    each_batch(network, tensors, PREDICTION_BATCH, |logits, classes, batch| {
        for ((row, label), weight) in logits.chunks_exact(classes).zip(&batch.labels).zip(&batch.weights) {
            if broken.is_none() && row.iter().any(|logit| !logit.is_finite()) {
                broken = Some(done);
            }
            done += 1;
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
    })?;
    if let Some(row) = broken {
        let reason = format!("the network's scores are not finite for row id {}", tensors.row_ids[row]);
        return Err(Error::Data { split: "validation", reason });
    }
    Ok(Quality { loss: loss / loss_weight, accuracy: correct / total })
}

/// The largest logit `m`, and `sum_k exp(z_k - m)`.
fn softmax_parts(row: &[f32]) -> (f64, f64) {
    let largest = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    (largest, row.iter().map(|logit| (f64::from(*logit) - largest).exp()).sum())
}

fn each_batch(
    network: &Network,
    tensors: &Tensors,
    batch: usize,
    mut take: impl FnMut(&[f32], usize, &Batch),
) -> Result<(), Error> {
    let rows: Vec<u32> = (0..tensors.rows() as u32).collect();
    for rows in rows.chunks(batch.max(1)) {
        let batch = tensors.gather(rows);
        let logits = network.logits(&inputs(&batch, rows.len(), network.config())?)?;
        take(&logits, network.config().outputs(), &batch);
    }
    Ok(())
}

/// A batch as a network reads it: the groups that it asks for, and no others.
pub(crate) fn inputs(batch: &Batch, jets: usize, config: &ModelConfig) -> Result<Inputs, Error> {
    let reads = config.reads();
    let group = |name: &str, read: bool| match batch.groups.iter().find(|group| read && group.name == name) {
        None if read => {
            Err(Error::Data { split: "given", reason: format!("the view has no group \"{name}\"") })
        }
        group => Ok(group),
    };
    let points = group("points", reads.points)?;
    let features = group("features", reads.features)?;
    let vectors = group("vectors", reads.vectors)?;
    let constituents = features.or(points).or(vectors);
    let mask = batch.groups.iter().find(|group| constituents.is_some() && group.name == "mask");
    Ok(Inputs::pack(&PaddedGroups {
        jets,
        length: constituents.map_or(0, |group| group.length),
        points: points.map(values),
        features: features.map(values).unwrap_or_default(),
        vectors: vectors.map(values),
        mask: mask.map(values),
        globals: group("globals", config.shape.globals > 0)?.map(values),
        parameters: group("parameters", reads.parameters)?.map(values),
        images: group("images", reads.images)?.map(values),
        image: config.shape.image,
    })?)
}

fn values(group: &GroupTensor) -> &[f32] {
    &group.data
}
