//! Scores of a trained network.
use std::ops::Range;

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
    probabilities(tensors, batch, network.config().outputs(), |batch, jets| {
        Ok(network.logits(&inputs(batch, jets, network.config())?)?)
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
    each_batch(tensors, 0..tensors.rows(), batch, logits, |logits| scores.extend(softmax(logits, classes)))?;
    Ok(scores)
}

/// The probabilities of logits, (n, classes).
pub(crate) fn softmax(logits: &[f32], classes: usize) -> impl Iterator<Item = f64> {
    logits.chunks_exact(classes).flat_map(|row| {
        let (largest, sum) = softmax_parts(row);
        row.iter().map(move |logit| (f64::from(*logit) - largest).exp() / sum)
    })
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
    let first = pieces.start * PREDICTION_BATCH;
    let end = tensors.rows().min(pieces.end * PREDICTION_BATCH);
    let mut found = Vec::with_capacity(pieces.len());
    let logits = |batch: &Batch, jets| Ok(network.logits(&inputs(batch, jets, network.config())?)?);
    each_batch(tensors, first..end, PREDICTION_BATCH, logits, |logits| {
        found.push(sums_of(logits, tensors, first + found.len() * PREDICTION_BATCH, class_factors));
    })?;
    found.into_iter().collect()
}

/// How good the logits of a split, `(n, classes)`, are.
pub(crate) fn quality_of(logits: &[f32], tensors: &Tensors, class_factors: &[f32]) -> Result<Quality, Error> {
    let pieces = logits.chunks(PREDICTION_BATCH * class_factors.len()).enumerate();
    let sums =
        pieces.map(|(piece, logits)| sums_of(logits, tensors, piece * PREDICTION_BATCH, class_factors));
    Ok(Quality::of(&sums.collect::<Result<Vec<_>, _>>()?))
}

/// The sums over the rows from `first` on, which have these logits.
fn sums_of(logits: &[f32], tensors: &Tensors, first: usize, class_factors: &[f32]) -> Result<Sums, Error> {
    let mut sums = Sums::default();
    for (number, row) in logits.chunks_exact(class_factors.len()).enumerate() {
        let number = first + number;
        if row.iter().any(|logit| !logit.is_finite()) {
            let reason = format!("the model's scores are not finite for row id {}", tensors.row_ids[number]);
            return Err(Error::Data { split: "validation", reason });
        }
        let (label, weight) = (tensors.labels[number] as usize, tensors.weights[number]);
        let (largest, sum) = softmax_parts(row);
        let weight_in_loss = f64::from(weight * class_factors[label]);
        sums.loss += weight_in_loss * (sum.ln() + largest - f64::from(row[label]));
        sums.loss_weight += weight_in_loss.abs();
        // A tie goes to the first class, as it does in NumPy.
        let highest = row.iter().position(|logit| f64::from(*logit) == largest);
        sums.correct += if highest == Some(label) { f64::from(weight) } else { 0.0 };
        sums.total += f64::from(weight);
    }
    Ok(sums)
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
    tensors: &Tensors,
    rows: Range<usize>,
    batch: usize,
    logits: impl Fn(&Batch, usize) -> Result<Vec<f32>, Error>,
    mut take: impl FnMut(&[f32]),
) -> Result<(), Error> {
    let rows: Vec<u32> = rows.map(|row| row as u32).collect();
    for rows in rows.chunks(batch.max(1)) {
        take(&logits(&tensors.gather(rows), rows.len())?);
    }
    Ok(())
}

/// A batch as a network reads it: the groups that it asks for, and no others.
///
/// # Errors
/// A batch without a group that the network reads; values that are not finite.
pub fn inputs(batch: &Batch, jets: usize, config: &ModelConfig) -> Result<Inputs, Error> {
    Ok(Inputs::pack(&groups(batch, jets, config)?)?)
}

/// The groups of a batch that a network asks for; weaver's views write `pf_` in front of their names.
pub(crate) fn groups<'a>(
    batch: &'a Batch,
    jets: usize,
    config: &ModelConfig,
) -> Result<PaddedGroups<'a>, Error> {
    let reads = config.reads();
    let named = |group: &&GroupTensor, name: &str| group.name.trim_start_matches("pf_") == name;
    let group = |name: &str, read: bool| match batch.groups.iter().find(|group| read && named(group, name)) {
        None if read => {
            Err(Error::Data { split: "given", reason: format!("the view has no group \"{name}\"") })
        }
        group => Ok(group),
    };
    let points = group("points", reads.points)?;
    let features = group("features", reads.features)?;
    let vectors = group("vectors", reads.vectors)?;
    let constituents = features.or(points).or(vectors);
    let mask = batch.groups.iter().find(|group| constituents.is_some() && named(group, "mask"));
    Ok(PaddedGroups {
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
    })
}

fn values(group: &GroupTensor) -> &[f32] {
    &group.data
}
