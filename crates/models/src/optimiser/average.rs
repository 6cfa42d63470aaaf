//! An exponential moving average of a network's weights.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::CHUNK;
use crate::Network;

/// The average of a network's weights over its last steps, each step weighing `decay` times the one after it.
///
/// After step `t` the average is `d a + (1 - d) w` with `d = min(decay, (1 + t) / (10 + t))`: so that the first weights, which
/// have learnt nothing, are soon forgotten. Running moments of batch norms are averaged as weights are, for want of better ones: they
/// belong to no weights, and have to be estimated anew ([`Network::norm_moments`]).
#[derive(Clone, Debug)]
pub struct WeightAverage {
    decay: f64,
    values: BTreeMap<String, Vec<f32>>,
}

impl WeightAverage {
    /// An average that starts from, or goes on with, the weights of `network`.
    pub fn new(decay: f64, network: &Network) -> Self {
        let parameters = network.named_parameters();
        Self { decay, values: parameters.into_iter().map(|(name, it)| (name, it.values)).collect() }
    }

    /// Takes the weights after step `step`, counted from 1.
    pub fn update(&mut self, network: &Network, step: u64) {
        let step = step as f64;
        let kept = self.decay.min((1.0 + step) / (10.0 + step));
        let (kept, new) = (kept as f32, (1.0 - kept) as f32);
        for (name, parameter) in network.named_parameters() {
            let Some(average) = self.values.get_mut(&name) else { continue };
            average.par_chunks_mut(CHUNK).zip(parameter.values.par_chunks(CHUNK)).for_each(
                |(average, values)| {
                    average
                        .iter_mut()
                        .zip(values)
                        .for_each(|(average, value)| *average = kept * *average + new * value);
                },
            );
        }
    }

    /// `network` with the averaged weights in the place of its own.
    pub fn network(&self, network: &Network) -> Network {
        let mut averaged = network.clone();
        averaged.set_parameters(self.values.clone());
        averaged
    }
}
