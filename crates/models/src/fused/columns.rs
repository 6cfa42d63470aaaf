//! Columns of tensors, put together anew.

use std::sync::Arc;

use burn::tensor::Tensor;

use super::composed;
use super::glue::Operand;
use super::kernel::{TILE, build, ranges};
use super::{Array, Gradient, apply};
use crate::Error;

/// Columns that follow each other in one of the inputs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// The input, by its place.
    pub(crate) input: usize,
    /// Its first column, and how many.
    pub(crate) start: usize,
    pub(crate) length: usize,
    /// What they are multiplied by.
    pub(crate) factor: f32,
}

/// The columns of `runs`, beside each other. All inputs have as many rows.
pub(crate) fn pick<const N: usize>(inputs: [Tensor<2>; N], runs: &Arc<Vec<Run>>) -> Result<Tensor<2>, Error> {
    if inputs.iter().any(composed::wanted) {
        return Ok(composed::pick(&inputs, runs));
    }
    let mut operands = Vec::with_capacity(N);
    for input in inputs {
        operands.push(Operand::new(input)?);
    }
    let operands: [Operand; N] =
        operands.try_into().map_err(|_| Error::Backend("inputs were lost".to_owned()))?;
    apply(operands, |inputs, tracked| {
        let rows = inputs[0].rows();
        let width = runs.iter().map(|run| run.length).sum();
        let widths = inputs.each_ref().map(Array::columns);
        let sources = inputs.each_ref().map(Array::values);
        let tiles = ranges(rows, TILE);
        let (output, _) = build(&tiles, width, |tile, output| {
            for (row, output) in tiles[tile].clone().zip(output.chunks_exact_mut(width)) {
                let mut next = output;
                for run in runs.iter() {
                    let (place, rest) = next.split_at_mut(run.length);
                    let from = row * widths[run.input] + run.start;
                    let source = &sources[run.input][from..from + run.length];
                    for (place, value) in place.iter_mut().zip(source) {
                        *place = run.factor * value;
                    }
                    next = rest;
                }
            }
        });
        let state = tracked.then(|| Pick { runs: Arc::clone(runs), widths });
        (Array::new(output, [rows, width]), state)
    })
}

#[derive(Clone, Debug)]
struct Pick<const N: usize> {
    runs: Arc<Vec<Run>>,
    widths: [usize; N],
}

impl<const N: usize> Gradient<N> for Pick<N> {
    fn gradients(self, output: Array, wanted: [bool; N]) -> [Option<Vec<f32>>; N] {
        let (width, output_rows) = (output.columns(), output.rows());
        let output = output.values();
        let tiles = ranges(output_rows, TILE);
        std::array::from_fn(|input| {
            wanted[input].then(|| {
                let own = self.widths[input];
                let (gradient, _) = build(&tiles, own, |tile, part| {
                    for (row, part) in tiles[tile].clone().zip(part.chunks_exact_mut(own)) {
                        let mut rest = &output[row * width..(row + 1) * width];
                        for run in self.runs.iter() {
                            let (from, later) = rest.split_at(run.length);
                            if run.input == input {
                                for (sum, value) in part[run.start..][..run.length].iter_mut().zip(from) {
                                    *sum += run.factor * value;
                                }
                            }
                            rest = later;
                        }
                    }
                });
                gradient
            })
        })
    }
}
