//! Scores of a trained network.
use std::ops::Range;

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
    let mut scores = Vec::with_capacity(tensors.rows() * network.config().classes());
    each_batch(network, tensors, 0..tensors.rows(), batch, |logits, classes, _| {
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

/// What the quality of a split is put together from: sums over a batch of [`PREDICTION_BATCH`] jets.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sums {
    pub(crate) loss: f64,
    pub(crate) loss_weight: f64,
    pub(crate) correct: f64,
    pub(crate) total: f64,
}

/// How many [`Sums`] a split has.
pub(crate) fn pieces(tensors: &Tensors) -> usize {
    tensors.rows().div_ceil(PREDICTION_BATCH)
}

/// The sums of some pieces of a split.
pub(crate) fn sums(
    network: &Network,
    tensors: &Tensors,
    class_factors: &[f32],
    pieces: Range<usize>,
) -> Result<Vec<Sums>, Error> {
    let (mut found, mut broken) = (Vec::with_capacity(pieces.len()), None);
    let first = pieces.start * PREDICTION_BATCH;
    let end = tensors.rows().min(pieces.end * PREDICTION_BATCH);
    let mut done = first;
    each_batch(network, tensors, first..end, PREDICTION_BATCH, |logits, classes, batch| {
        let mut sums = Sums::default();
        for ((row, label), weight) in logits.chunks_exact(classes).zip(&batch.labels).zip(&batch.weights) {
            if broken.is_none() && row.iter().any(|logit| !logit.is_finite()) {
                broken = Some(done);
            }
            done += 1;
            let label = *label as usize;
            let (largest, sum) = softmax_parts(row);
            let weight_in_loss = f64::from(weight * class_factors[label]);
            sums.loss += weight_in_loss * (sum.ln() + largest - f64::from(row[label]));
            sums.loss_weight += weight_in_loss.abs();
            // A tie goes to the first class, as it does in NumPy.
            let highest = row.iter().position(|logit| f64::from(*logit) == largest);
            sums.correct += if highest == Some(label) { f64::from(*weight) } else { 0.0 };
            sums.total += f64::from(*weight);
        }
        found.push(sums);
    })?;
    if let Some(row) = broken {
        let reason = format!("the network's scores are not finite for row id {}", tensors.row_ids[row]);
        return Err(Error::Data { split: "validation", reason });
    }
    Ok(found)
}

impl Quality {
    /// Of a split from the sums of its pieces, in their order.
    pub(crate) fn of(sums: &[Sums]) -> Self {
        let add = |field: fn(&Sums) -> f64| sums.iter().map(field).sum::<f64>();
        Self {
            loss: add(|sums| sums.loss) / add(|sums| sums.loss_weight),
            accuracy: add(|sums| sums.correct) / add(|sums| sums.total),
        }
    }
}

/// The largest logit `m`, and `sum_k exp(z_k - m)`.
fn softmax_parts(row: &[f32]) -> (f64, f64) {
    let largest = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    (largest, row.iter().map(|logit| (f64::from(*logit) - largest).exp()).sum())
}

fn each_batch(
    network: &Network,
    tensors: &Tensors,
    rows: Range<usize>,
    batch: usize,
    mut take: impl FnMut(&[f32], usize, &Batch),
) -> Result<(), Error> {
    let rows: Vec<u32> = rows.map(|row| row as u32).collect();
    for rows in rows.chunks(batch.max(1)) {
        let batch = tensors.gather(rows);
        let logits = network.logits(&inputs(&batch, rows.len())?)?;
        take(&logits, network.config().classes(), &batch);
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
