//! One step: the gradient of a batch, whoever computes its parts, and the quality of a split.
use fiducial_data::batches::{Batch, Tensors};
use fiducial_models::{BatchGradient, Inputs, Network, Optimiser, total_weight};

use crate::predict::{self, Quality, Sums};
use crate::{Error, Job, World};

/// What gradients are computed from.
pub(crate) struct Stepper<'a> {
    pub(crate) job: &'a Job<'a>,
    /// The factor in the loss for each class.
    pub(crate) class_factors: &'a [f32],
    /// The step within its epoch that is made, and the epoch; from 1, for messages.
    pub(crate) epoch: usize,
    pub(crate) step: usize,
}

impl Stepper<'_> {
    /// The gradient of the batch of `rows`: the sum over its parts, in their order, of which each process computes some.
    pub(crate) fn gradient(
        &self,
        world: &mut World,
        network: &Network,
        optimiser: &Optimiser,
        rows: &[u32],
    ) -> Result<BatchGradient, Error> {
        let number = self.job.training.micro_batches;
        let parts: Vec<&[u32]> = rows.chunks(rows.len().div_ceil(number).max(1)).collect();
        let total: f64 = parts.iter().map(|rows| total_weight(&self.weights(rows))).sum();
        let mut own: Vec<BatchGradient> = Vec::new();
        for part in world.share(parts.len()) {
            let rows = parts[part];
            let batch = self.batch(rows);
            let inputs = self.inputs(&batch, rows)?;
            let mut gradient = optimiser
                .gradient(network, &inputs, &batch.labels, &batch.weights, (part as u64, number as u64))
                .map_err(|error| self.name_rows(error, network, rows))?;
            gradient.scale(if total > 0.0 { gradient.weight / total } else { 1.0 });
            match own.first_mut() {
                // Nobody else wants the parts one by one.
                Some(sum) if world.is_alone() => sum.add(gradient),
                _ => own.push(gradient),
            }
        }
        if world.is_alone() {
            return sum(own);
        }
        let mine = own.iter().map(BatchGradient::to_bytes).flat_map(|bytes| {
            let length = (bytes.len() as u64).to_le_bytes();
            length.into_iter().chain(bytes)
        });
        let answer = world.exchange(mine.collect(), |all| {
            let mut gradients = Vec::new();
            for mut bytes in all.iter().map(Vec::as_slice) {
                while let Some((length, rest)) = bytes.split_first_chunk::<8>() {
                    let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
                    let (gradient, rest) = rest.split_at_checked(length).unwrap_or((rest, &[]));
                    gradients.push(BatchGradient::from_bytes(gradient)?);
                    bytes = rest;
                }
            }
            Ok(sum(gradients)?.to_bytes())
        })?;
        Ok(BatchGradient::from_bytes(&answer)?)
    }

    fn weights(&self, rows: &[u32]) -> Vec<f32> {
        let train = self.job.train;
        let weight = |row: &u32| {
            let row = *row as usize;
            train.weights[row] * self.class_factors[train.labels[row] as usize]
        };
        rows.iter().map(weight).collect()
    }

    pub(crate) fn batch(&self, rows: &[u32]) -> Batch {
        Batch { weights: self.weights(rows), ..self.job.train.gather(rows) }
    }

    /// A batch as the network reads it; where that fails, the first row for which it does is named.
    pub(crate) fn inputs(&self, batch: &Batch, rows: &[u32]) -> Result<Inputs, Error> {
        let read = |batch: &Batch, jets: usize| predict::inputs(batch, jets, self.job.model);
        read(batch, rows.len()).map_err(|error| {
            let broken = rows.iter().find(|row| read(&self.job.train.gather(&[**row]), 1).is_err());
            match broken {
                Some(row) if rows.len() > 1 => Error::Data {
                    split: "train",
                    reason: format!("row id {}: {error}", self.job.train.row_ids[*row as usize]),
                },
                _ => error,
            }
        })
    }

    /// A loss or gradient that is not finite, with the rows that it came from.
    pub(crate) fn name_rows(&self, error: fiducial_models::Error, network: &Network, rows: &[u32]) -> Error {
        let fiducial_models::Error::NotFinite { what, value } = error else { return Error::Model(error) };
        let train = self.job.train;
        let is_suspect = |row: &&u32| {
            let scores = predict::inputs(&train.gather(&[**row]), 1, network.config())
                .and_then(|inputs| Ok(network.logits(&inputs)?));
            scores.is_ok_and(|scores| scores.iter().any(|score| !score.is_finite()))
        };
        let ids =
            |rows: &mut dyn Iterator<Item = &u32>| rows.map(|row| train.row_ids[*row as usize]).collect();
        Error::NotFinite {
            what,
            value,
            epoch: self.epoch,
            step: self.step,
            rows: ids(&mut rows.iter()),
            suspects: ids(&mut rows.iter().filter(is_suspect)),
        }
    }
}

fn sum(gradients: Vec<BatchGradient>) -> Result<BatchGradient, Error> {
    let mut gradients = gradients.into_iter();
    let empty = || Error::Data { split: "train", reason: "a batch has no parts".into() };
    let mut sum = gradients.next().ok_or_else(empty)?;
    gradients.for_each(|gradient| sum.add(gradient));
    Ok(sum)
}

/// The quality of a network on a split, of which each process goes through some pieces.
pub(crate) fn quality(
    world: &mut World,
    network: &Network,
    tensors: &Tensors,
    class_factors: &[f32],
) -> Result<Quality, Error> {
    let pieces = world.share(predict::pieces(tensors));
    let mine = predict::sums(network, tensors, class_factors, pieces)?;
    if world.is_alone() {
        return Ok(Quality::of(&mine));
    }
    let mine = mine.iter().flat_map(|sums| [sums.loss, sums.loss_weight, sums.correct, sums.total]);
    let all = world.exchange(mine.flat_map(f64::to_le_bytes).collect(), |all| Ok(all.concat()))?;
    let (words, _) = all.as_chunks::<8>();
    let numbers: Vec<f64> = words.iter().map(|word| f64::from_le_bytes(*word)).collect();
    let (sums, _) = numbers.as_chunks::<4>();
    let sums =
        sums.iter().map(|&[loss, loss_weight, correct, total]| Sums { loss, loss_weight, correct, total });
    Ok(Quality::of(&sums.collect::<Vec<_>>()))
}
