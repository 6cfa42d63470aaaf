//! One step: the gradient of a batch, whoever computes its parts, and the quality of a split.
use fiducial_data::batches::Batch;
use fiducial_models::{BatchGradient, Inputs, Loss, Network, NormMoments, Optimiser, total_weight};

use crate::predict::{self, Quality, Sums};
use crate::split::Split;
use crate::{Error, Job, World};

/// Jets, about, from which the moments of batch norms are estimated: some thousands are enough (Y. Wu, J. Johnson, arXiv:2105.07576,
/// section 3.2).
const MOMENT_JETS: usize = 4096;

/// What gradients are computed from.
pub(crate) struct Stepper<'a> {
    pub(crate) job: &'a Job<'a>,
    pub(crate) train: &'a Split<'a>,
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
        let parts = self.parts(rows);
        let total: f64 = parts.iter().map(|rows| total_weight(&self.weights(rows))).sum();
        let mut own: Vec<BatchGradient> = Vec::new();
        for part in world.share(parts.len()) {
            let rows = parts[part];
            let piece = self.train.piece(rows);
            let inputs = self.inputs(&piece.batch, rows)?;
            let mut gradient = optimiser
                .gradient(network, &inputs, &piece.as_truth(), (part as u64, number as u64))
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
        let answer = sum_of_parts(world, own.iter().map(BatchGradient::to_bytes), |parts| {
            let gradients = parts.into_iter().map(BatchGradient::from_bytes);
            Ok(sum(gradients.collect::<Result<_, _>>()?)?.to_bytes())
        })?;
        Ok(BatchGradient::from_bytes(&answer)?)
    }

    /// The moments that the batch norms of a network see in the first batches of an epoch, of which each process looks at some parts.
    pub(crate) fn norm_moments(
        &self,
        world: &mut World,
        network: &Network,
        order: &[u32],
    ) -> Result<NormMoments, Error> {
        let batches = order.chunks(self.job.training.batch_size);
        let enough = MOMENT_JETS.div_ceil(self.job.training.batch_size);
        let parts: Vec<&[u32]> = batches.take(enough).flat_map(|rows| self.parts(rows)).collect();
        let mut own = Vec::new();
        for part in world.share(parts.len()) {
            let rows = parts[part];
            own.push(network.norm_moments(&self.inputs(&self.train.piece(rows).batch, rows)?)?);
        }
        let sum = |parts: Vec<NormMoments>| {
            let mut sum = NormMoments::default();
            parts.into_iter().for_each(|moments| sum.merge(moments));
            sum
        };
        if world.is_alone() {
            return Ok(sum(own));
        }
        let answer = sum_of_parts(world, own.iter().map(NormMoments::to_bytes), |parts| {
            let moments = parts.into_iter().map(NormMoments::from_bytes);
            Ok(sum(moments.collect::<Result<_, _>>()?).to_bytes())
        })?;
        Ok(NormMoments::from_bytes(&answer)?)
    }

    /// The parts that a batch is cut into.
    fn parts<'b>(&self, rows: &'b [u32]) -> Vec<&'b [u32]> {
        rows.chunks(rows.len().div_ceil(self.job.training.micro_batches).max(1)).collect()
    }

    fn weights(&self, rows: &[u32]) -> Vec<f32> {
        rows.iter().map(|row| self.train.weight(*row as usize)).collect()
    }

    /// A batch as the network reads it; where that fails, the first row for which it does is named.
    fn inputs(&self, batch: &Batch, rows: &[u32]) -> Result<Inputs, Error> {
        let read = |batch: &Batch, jets: usize| predict::inputs(batch, jets, self.job.model);
        read(batch, rows.len()).map_err(|error| {
            let broken = rows.iter().find(|row| read(&self.train.piece(&[**row]).batch, 1).is_err());
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
            let scores = predict::inputs(&self.train.piece(&[**row]).batch, 1, network.config())
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

/// What rank 0 makes of the messages of all parts, in the order of the parts.
fn sum_of_parts(
    world: &mut World,
    own: impl Iterator<Item = Vec<u8>>,
    combine: impl FnOnce(Vec<&[u8]>) -> Result<Vec<u8>, Error>,
) -> Result<Vec<u8>, Error> {
    let mine = own.flat_map(|bytes| {
        let length = (bytes.len() as u64).to_le_bytes();
        length.into_iter().chain(bytes)
    });
    world.exchange(mine.collect(), |all| {
        let mut parts = Vec::new();
        for mut bytes in all.iter().map(Vec::as_slice) {
            while let Some((length, rest)) = bytes.split_first_chunk::<8>() {
                let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
                let (part, rest) = rest.split_at_checked(length).unwrap_or((rest, &[]));
                parts.push(part);
                bytes = rest;
            }
        }
        combine(parts)
    })
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
    split: &Split<'_>,
    loss: &Loss,
) -> Result<Quality, Error> {
    let pieces = world.share(predict::pieces(split));
    let mine = predict::sums(network, split, loss, pieces)?;
    if world.is_alone() {
        return Ok(Quality::of(&mine, loss));
    }
    let mine = mine.iter().flat_map(|sums| [sums.loss, sums.loss_weight, sums.correct, sums.total]);
    let all = world.exchange(mine.flat_map(f64::to_le_bytes).collect(), |all| Ok(all.concat()))?;
    let (words, _) = all.as_chunks::<8>();
    let numbers: Vec<f64> = words.iter().map(|word| f64::from_le_bytes(*word)).collect();
    let (sums, _) = numbers.as_chunks::<4>();
    let sums =
        sums.iter().map(|&[loss, loss_weight, correct, total]| Sums { loss, loss_weight, correct, total });
    Ok(Quality::of(&sums.collect::<Vec<_>>(), loss))
}
