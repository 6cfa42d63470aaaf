//! Outputs of a trained network, and how good they are.
use std::ops::Range;

use fiducial_data::batches::{Batch, GroupTensor, Tensors};
use fiducial_models::{Inputs, Loss, ModelConfig, Network, PaddedGroups, Truth};

use crate::Error;
use crate::split::Split;

/// Jets in a batch where no gradient is needed; scores do not depend on it.
pub const PREDICTION_BATCH: usize = 512;

/// The probability of each class for each jet, `(n, classes)` row after row: the softmax of the network's logits,
/// `p_c = exp(z_c) / sum_k exp(z_k)`. In double precision, because in single precision the surest jets all get exactly 1,
/// and their order, on which a background rejection depends, is lost.
///
/// # Errors
/// Tensors that lack what the network reads.
pub fn predict(network: &Network, tensors: &Tensors, batch: usize) -> Result<Vec<f64>, Error> {
    let rows: Vec<u32> = (0..tensors.rows() as u32).collect();
    let mut scores = Vec::new();
    for rows in rows.chunks(batch.max(1)) {
        let outputs = run(network, &tensors.gather(rows), rows.len())?;
        scores.extend(predictions(&Loss::default(), &outputs, network.config().outputs(), &[]));
    }
    Ok(scores)
}

/// The outputs of a network for a batch.
pub(crate) fn run(network: &Network, batch: &Batch, jets: usize) -> Result<Vec<f32>, Error> {
    Ok(network.logits(&inputs(batch, jets, network.config())?)?)
}

/// Outputs, `columns` for each row, as predictions; `scales` are centre and scale of each target.
pub(crate) fn predictions(loss: &Loss, outputs: &[f32], columns: usize, scales: &[(f64, f64)]) -> Vec<f64> {
    outputs.chunks_exact(columns.max(1)).flat_map(|row| loss.predictions(row, scales)).collect()
}

/// How good a model is on a split.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Quality {
    /// `sum_i w_i l_i / sum_i |w_i|` as in training.
    pub(crate) loss: f64,
    /// The weighted part of the jets, class factors left out, whose highest score is the true class's; none in a regression.
    pub(crate) accuracy: Option<f64>,
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
pub(crate) fn pieces(split: &Split<'_>) -> usize {
    split.rows().div_ceil(PREDICTION_BATCH)
}

/// The rows of some pieces, batch by batch.
fn batches(split: &Split<'_>, pieces: Range<usize>) -> Vec<Vec<u32>> {
    let end = split.rows().min(pieces.end * PREDICTION_BATCH) as u32;
    let first = (pieces.start * PREDICTION_BATCH) as u32;
    let starts = (first..end).step_by(PREDICTION_BATCH);
    starts.map(|start| (start..end.min(start + PREDICTION_BATCH as u32)).collect()).collect()
}

/// The sums of some pieces of a split.
pub(crate) fn sums(
    network: &Network,
    split: &Split<'_>,
    loss: &Loss,
    pieces: Range<usize>,
) -> Result<Vec<Sums>, Error> {
    let of = |rows: Vec<u32>| {
        let piece = split.piece(&rows);
        let outputs = run(network, &piece.batch, rows.len())?;
        sums_of(&outputs, split, loss, &rows, &piece.as_truth())
    };
    batches(split, pieces).into_iter().map(of).collect()
}

/// How good the outputs for a split are.
pub(crate) fn quality_of(outputs: &[f32], split: &Split<'_>, loss: &Loss) -> Result<Quality, Error> {
    let columns = outputs.len() / split.rows().max(1);
    let of = |rows: Vec<u32>| {
        let first = rows.first().map_or(0, |row| *row as usize);
        let outputs = &outputs[first * columns..(first + rows.len()) * columns];
        sums_of(outputs, split, loss, &rows, &split.truth(&rows).as_truth())
    };
    let sums = batches(split, 0..pieces(split)).into_iter().map(of);
    Ok(Quality::of(&sums.collect::<Result<Vec<_>, _>>()?, loss))
}

/// The sums over rows that have these outputs.
fn sums_of(
    outputs: &[f32],
    split: &Split<'_>,
    loss: &Loss,
    rows: &[u32],
    truth: &Truth<'_>,
) -> Result<Sums, Error> {
    let columns = outputs.len() / rows.len().max(1);
    let mut sums = Sums::default();
    for (row, outputs) in rows.iter().zip(outputs.chunks_exact(columns.max(1))) {
        if outputs.iter().any(|output| !output.is_finite()) {
            let id = split.tensors.row_ids[*row as usize];
            let reason = format!("the model's scores are not finite for row id {id}");
            return Err(Error::Data { split: split.name, reason });
        }
    }
    let losses = loss.of_rows(outputs, columns, truth)?;
    for (loss, weight) in losses.iter().zip(truth.weights) {
        sums.loss += f64::from(*weight) * loss;
        sums.loss_weight += f64::from(weight.abs());
    }
    sums.loss += sums.loss_weight * loss.of_batch(outputs, columns, truth)?;
    if loss.classifies() {
        for (row, outputs) in rows.iter().zip(outputs.chunks_exact(columns.max(1))) {
            let weight = f64::from(split.tensors.weights[*row as usize]);
            let largest = outputs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            // A tie goes to the first class, as it does in NumPy.
            let highest = outputs.iter().position(|output| *output == largest);
            let is_right = highest == Some(split.tensors.labels[*row as usize] as usize);
            sums.correct += if is_right { weight } else { 0.0 };
            sums.total += weight;
        }
    }
    Ok(sums)
}

impl Quality {
    /// Of a split from the sums of its pieces, in their order.
    pub(crate) fn of(sums: &[Sums], loss: &Loss) -> Self {
        let add = |field: fn(&Sums) -> f64| sums.iter().map(field).sum::<f64>();
        Self {
            loss: add(|sums| sums.loss) / add(|sums| sums.loss_weight),
            accuracy: loss.classifies().then(|| add(|sums| sums.correct) / add(|sums| sums.total)),
        }
    }
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
