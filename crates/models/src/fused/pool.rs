//! The sum or mean of the constituents of each jet.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::glue::Operand;
use super::kernel::{ranges, split, vectorised};
use super::{Array, Gradient, apply};
use crate::Error;

/// Jets that one task works on.
const JETS: usize = 16;

/// Sums rows `offsets[j]..offsets[j + 1]` of `x`, (constituents, channels), to (jets, channels); with `mean`, over their
/// number. A jet without constituents gives zeros.
pub(crate) fn pool(x: Tensor<2>, offsets: &[usize], mean: bool) -> Result<Tensor<2>, Error> {
    apply([Operand::new(x)?], |[x], tracked| {
        let channels = x.columns();
        let jets = offsets.len() - 1;
        let mut output = vec![0.0; jets * channels];
        let values = x.values();
        output.par_chunks_mut(JETS * channels).enumerate().for_each(|(chunk, output)| {
            vectorised(|| {
                for (jet, output) in output.chunks_exact_mut(channels).enumerate() {
                    let jet = chunk * JETS + jet;
                    let rows = &values[offsets[jet] * channels..offsets[jet + 1] * channels];
                    for row in rows.chunks_exact(channels) {
                        for (sum, value) in output.iter_mut().zip(row) {
                            *sum += value;
                        }
                    }
                    let scale = scale(offsets, jet, mean);
                    output.iter_mut().for_each(|sum| *sum *= scale);
                }
            });
        });
        let state = tracked.then(|| Pool { offsets: offsets.to_vec(), channels, mean });
        (Array::new(output, [jets, channels]), state)
    })
}

#[inline(always)]
fn scale(offsets: &[usize], jet: usize, mean: bool) -> f32 {
    #[allow(clippy::cast_precision_loss)]
    let number = (offsets[jet + 1] - offsets[jet]).max(1) as f32;
    if mean { 1.0 / number } else { 1.0 }
}

#[derive(Clone, Debug)]
struct Pool {
    offsets: Vec<usize>,
    channels: usize,
    mean: bool,
}

impl Gradient<1> for Pool {
    fn gradients(self, output: Array, _: [bool; 1]) -> [Option<Vec<f32>>; 1] {
        let Self { offsets, channels, mean } = self;
        let jets = offsets.len() - 1;
        let mut dx = vec![0.0; offsets[jets] * channels];
        let chunks = ranges(jets, JETS);
        let rows: Vec<_> = chunks.iter().map(|chunk| offsets[chunk.start]..offsets[chunk.end]).collect();
        let parts = split(&mut dx, &rows, channels);
        chunks.into_par_iter().zip(parts).for_each(|(chunk, mut part)| {
            vectorised(|| {
                for jet in chunk {
                    let gradient = &output.values()[jet * channels..(jet + 1) * channels];
                    let scale = scale(&offsets, jet, mean);
                    let (now, later) =
                        std::mem::take(&mut part).split_at_mut((offsets[jet + 1] - offsets[jet]) * channels);
                    for row in now.chunks_exact_mut(channels) {
                        for (value, gradient) in row.iter_mut().zip(gradient) {
                            *value = scale * gradient;
                        }
                    }
                    part = later;
                }
            });
        });
        [Some(dx)]
    }
}
