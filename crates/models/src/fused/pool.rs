//! The sum or mean of the constituents of each jet.

use burn::tensor::Tensor;

use super::composed;
use super::glue::Operand;
use super::kernel::{build, ranges, vectorised};
use super::{Array, Gradient, apply};
use crate::Error;

/// Jets that one task works on.
const JETS: usize = 16;

/// Sums rows `offsets[j]..offsets[j + 1]` of `x`, (constituents, channels), to (jets, channels); with `mean`, over their
/// number. A jet without constituents gives zeros.
pub(crate) fn pool(x: Tensor<2>, offsets: &[usize], mean: bool) -> Result<Tensor<2>, Error> {
    if composed::wanted(&x) {
        return composed::pool(x, offsets, mean);
    }
    apply([Operand::new(x)?], |[x], tracked| {
        let channels = x.columns();
        let jets = offsets.len() - 1;
        let values = x.values();
        let chunks = ranges(jets, JETS);
        let (output, _) = build(&chunks, channels, |chunk, output| {
            vectorised(
                #[inline(always)]
                || {
                    for (jet, output) in chunks[chunk].clone().zip(output.chunks_exact_mut(channels)) {
                        let rows = &values[offsets[jet] * channels..offsets[jet + 1] * channels];
                        for row in rows.chunks_exact(channels) {
                            for (sum, value) in output.iter_mut().zip(row) {
                                *sum += value;
                            }
                        }
                        let scale = scale(offsets, jet, mean);
                        output.iter_mut().for_each(|sum| *sum *= scale);
                    }
                },
            );
        });
        let state = tracked.then(|| Pool { offsets: offsets.to_vec(), channels, mean });
        (Array::new(output, [jets, channels]), state)
    })
}

#[inline(always)]
fn scale(offsets: &[usize], jet: usize, mean: bool) -> f32 {
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
        let chunks = ranges(jets, JETS);
        let rows: Vec<_> = chunks.iter().map(|chunk| offsets[chunk.start]..offsets[chunk.end]).collect();
        let gradients = output.values();
        let (dx, _) = build(&rows, channels, |chunk, part| {
            vectorised(
                #[inline(always)]
                || {
                    let mut part = part.chunks_exact_mut(channels);
                    for jet in chunks[chunk].clone() {
                        let gradient = &gradients[jet * channels..(jet + 1) * channels];
                        let scale = scale(&offsets, jet, mean);
                        for row in part.by_ref().take(offsets[jet + 1] - offsets[jet]) {
                            for (value, gradient) in row.iter_mut().zip(gradient) {
                                *value = scale * gradient;
                            }
                        }
                    }
                },
            );
        });
        [Some(dx)]
    }
}
