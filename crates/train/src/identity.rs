//! What a checkpoint, and each process of a training, must have in common.
use fiducial_data::batches::{Sampler, Tensors};

use crate::checkpoint::Identity;
use crate::{Error, Job, StartWeights, files};

/// What a checkpoint must share with a job. The time limit is left out: it may be raised.
pub(crate) fn identity(job: &Job<'_>) -> Result<Identity, Error> {
    let mut training = job.training.clone();
    training.max_minutes = None;
    let start = job.start.map(StartWeights::identity);
    let parts = (job.model, job.loss, &training, job.classes, job.background, start);
    let configuration = serde_json::to_vec(&parts).map_err(|error| Error::Setting {
        field: "model",
        value: error.to_string(),
        reason: "it cannot be written as JSON",
    })?;
    Ok(Identity {
        configuration: files::sha256(&configuration),
        data: data_hash(&[job.train, job.validation], &job.against, job.sampler),
        code: code_version().to_owned(),
    })
}

/// Name and version of the code that trains.
pub(crate) fn code_version() -> &'static str {
    concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"))
}

/// The SHA-256 of all numbers that a training reads, with their shapes.
pub(crate) fn data_hash(splits: &[&Tensors], against: &[&[f32]], sampler: Option<&Sampler>) -> String {
    use sha2::{Digest, Sha256};
    let mut hash = Sha256::new();
    let mut buffer = Vec::new();
    let mut feed = |numbers: &mut dyn Iterator<Item = [u8; 4]>| {
        buffer.clear();
        buffer.extend(numbers.flatten());
        hash.update((buffer.len() as u64).to_le_bytes());
        hash.update(&buffer);
    };
    for tensors in splits {
        for group in &tensors.groups {
            let shape = [group.variables as u32, group.length as u32, group.name.len() as u32];
            feed(&mut shape.into_iter().map(u32::to_le_bytes));
            feed(&mut group.name.bytes().map(|byte| u32::from(byte).to_le_bytes()));
            for part in group.data.chunks(1 << 20) {
                feed(&mut part.iter().map(|value| value.to_le_bytes()));
            }
        }
        feed(&mut tensors.labels.iter().map(|label| label.to_le_bytes()));
        feed(&mut tensors.targets.iter().map(|target| target.to_le_bytes()));
        feed(&mut tensors.weights.iter().map(|weight| weight.to_le_bytes()));
        let halves = |id: &u64| [*id as u32, (*id >> 32) as u32];
        feed(&mut tensors.row_ids.iter().flat_map(halves).map(u32::to_le_bytes));
    }
    for values in against {
        feed(&mut values.iter().map(|value| value.to_le_bytes()));
    }
    if let Some(sampler) = sampler.filter(|sampler| !sampler.draws_every_row_once()) {
        feed(&mut sampler.probabilities().iter().map(|probability| (*probability as f32).to_le_bytes()));
        feed(&mut sampler.buckets().iter().map(|bucket| bucket.to_le_bytes()));
    }
    files::hex(&hash.finalize())
}
