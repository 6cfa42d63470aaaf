//! The sum of a layer and its shortcut.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::composed;
use super::dense::rectify;
use super::glue::Operand;
use super::kernel::{TILE, fill, piece_of, ranges, sum_in_order, vectorised};
use super::{Array, Gradient, apply};
use crate::Error;

/// `relu(a + b)` of two tensors of one shape.
pub(crate) fn add_rectify(a: Tensor<2>, b: Tensor<2>) -> Result<Tensor<2>, Error> {
    if composed::wanted(&a) {
        return Ok(composed::add_rectify(a, b));
    }
    apply([Operand::new(a)?, Operand::new(b)?], |[a, b], tracked| {
        let (rows, columns) = (a.rows(), a.columns());
        let tiles = ranges(rows, TILE);
        let (output, _) = fill(&tiles, columns, |tile, room| {
            let place = tiles[tile].start * columns..tiles[tile].end * columns;
            let (a, b) = (&a.values()[place.clone()], &b.values()[place]);
            let sums = a.iter().zip(b).map(
                #[inline(always)]
                |(a, b)| rectify(a + b),
            );
            let output = vectorised(
                #[inline(always)]
                || room.collect(sums),
            );
            (output, ())
        });
        let output = Array::new(output, [rows, columns]);
        (output.clone(), tracked.then_some(AddRectify { output }))
    })
}

#[derive(Clone, Debug)]
struct AddRectify {
    output: Array,
}

impl Gradient<2> for AddRectify {
    fn gradients(self, output: Array, wanted: [bool; 2]) -> [Option<Vec<f32>>; 2] {
        let (rows, columns) = (self.output.rows(), self.output.columns());
        let tiles = ranges(rows, TILE);
        let (gradient, _) = fill(&tiles, columns, |tile, room| {
            let place = tiles[tile].start * columns..tiles[tile].end * columns;
            let (kept, gradient) = (&self.output.values()[place.clone()], &output.values()[place]);
            let passed = kept.iter().zip(gradient).map(
                #[inline(always)]
                |(kept, gradient)| {
                    let mask = u32::from(*kept > 0.0).wrapping_neg();
                    f32::from_bits(gradient.to_bits() & mask)
                },
            );
            let part = vectorised(
                #[inline(always)]
                || room.collect(passed),
            );
            (part, ())
        });
        [wanted[0].then(|| gradient.clone()), wanted[1].then_some(gradient)]
    }
}

/// `x * gain` with a gain for each column: `x` is (rows, columns), `gain` (1, columns).
pub(crate) fn scale_columns(x: Tensor<2>, gain: Tensor<2>) -> Result<Tensor<2>, Error> {
    if composed::wanted(&x) {
        return Ok(x * gain);
    }
    apply([Operand::new(x)?, Operand::new(gain)?], |[x, gain], tracked| {
        let output = Array::new(scaled(x.values(), gain.values()), [x.rows(), x.columns()]);
        (output, tracked.then_some(ScaleColumns { x, gain }))
    })
}

fn scaled(x: &[f32], gain: &[f32]) -> Vec<f32> {
    let columns = gain.len();
    let tiles = ranges(x.len().checked_div(columns).unwrap_or(0), TILE);
    let (output, _) = fill(&tiles, columns, |tile, room| {
        let x = &x[tiles[tile].start * columns..tiles[tile].end * columns];
        let output = vectorised(
            #[inline(always)]
            || {
                room.tiles(
                    columns,
                    #[inline(always)]
                    |row, room| {
                        let row = &x[row * columns..(row + 1) * columns];
                        room.collect(row.iter().zip(gain).map(
                            #[inline(always)]
                            |(x, gain)| x * gain,
                        ))
                    },
                )
            },
        );
        (output, ())
    });
    output
}

#[derive(Clone, Debug)]
struct ScaleColumns {
    x: Array,
    gain: Array,
}

impl Gradient<2> for ScaleColumns {
    fn gradients(self, output: Array, wanted: [bool; 2]) -> [Option<Vec<f32>>; 2] {
        let (rows, columns) = (self.x.rows(), self.gain.columns());
        let dgain = wanted[1].then(|| {
            let pieces = ranges(rows, piece_of(rows, TILE)).into_par_iter();
            let sums = pieces.map(|piece| {
                let place = piece.start * columns..piece.end * columns;
                let (x, gradient) = (&self.x.values()[place.clone()], &output.values()[place]);
                let mut sums = vec![0.0; columns];
                vectorised(
                    #[inline(always)]
                    || {
                        for (x, gradient) in x.chunks_exact(columns).zip(gradient.chunks_exact(columns)) {
                            for ((sum, x), gradient) in sums.iter_mut().zip(x).zip(gradient) {
                                *sum += x * gradient;
                            }
                        }
                    },
                );
                sums
            });
            sum_in_order(sums.collect(), columns)
        });
        [wanted[0].then(|| scaled(output.values(), self.gain.values())), dgain]
    }
}

/// `x + residual * gain` with a gain for each column, or `x + residual`.
pub(crate) fn add_scaled(
    x: Tensor<2>,
    residual: Tensor<2>,
    gain: Option<Tensor<1>>,
) -> Result<Tensor<2>, Error> {
    if composed::wanted(&x) {
        return Ok(composed::add_scaled(x, residual, gain));
    }
    let (x, residual) = (Operand::new(x)?, Operand::new(residual)?);
    match gain {
        Some(gain) => apply([x, residual, Operand::new(gain)?], |[x, residual, gain], tracked| {
            let output = sum_of(&x, &residual, Some(&gain));
            (output, tracked.then(|| AddScaled { scaled: Some((residual, gain)) }))
        }),
        None => apply([x, residual], |[x, residual], tracked| {
            (sum_of(&x, &residual, None), tracked.then_some(AddScaled { scaled: None }))
        }),
    }
}

fn sum_of(x: &Array, residual: &Array, gain: Option<&Array>) -> Array {
    let (rows, columns) = (x.rows(), x.columns());
    let tiles = ranges(rows, TILE);
    let (output, _) = fill(&tiles, columns, |tile, room| {
        let place = tiles[tile].start * columns..tiles[tile].end * columns;
        let (x, residual) = (&x.values()[place.clone()], &residual.values()[place]);
        let output = vectorised(
            #[inline(always)]
            || match gain {
                None => room.collect(x.iter().zip(residual).map(
                    #[inline(always)]
                    |(x, residual)| x + residual,
                )),
                Some(gain) => room.tiles(
                    columns,
                    #[inline(always)]
                    |row, room| {
                        let place = row * columns..(row + 1) * columns;
                        let both = x[place.clone()].iter().zip(&residual[place]);
                        room.collect(both.zip(gain.values()).map(
                            #[inline(always)]
                            |((x, residual), gain)| x + residual * gain,
                        ))
                    },
                ),
            },
        );
        (output, ())
    });
    Array::new(output, [rows, columns])
}

#[derive(Clone, Debug)]
struct AddScaled {
    /// The residual and its gain, where there is one.
    scaled: Option<(Array, Array)>,
}

impl Gradient<2> for AddScaled {
    fn gradients(self, _: Array, _: [bool; 2]) -> [Option<Vec<f32>>; 2] {
        [None, None]
    }

    fn passes_through(&self) -> [bool; 2] {
        [true, true]
    }
}

impl Gradient<3> for AddScaled {
    fn gradients(self, output: Array, wanted: [bool; 3]) -> [Option<Vec<f32>>; 3] {
        let Some((residual, gain)) = self.scaled else { return [None, None, None] };
        let (rows, columns) = (output.rows(), output.columns());
        let pieces = ranges(rows, piece_of(rows, TILE));
        let gain = &gain.values()[..columns];
        let (scaled, sums) = fill(&pieces, columns, |piece, room| {
            let start = pieces[piece].start;
            let mut sums = vec![0.0_f32; columns];
            let scaled = vectorised(
                #[inline(always)]
                || {
                    room.tiles(
                        columns,
                        #[inline(always)]
                        |row, room| {
                            let place = (start + row) * columns..(start + row + 1) * columns;
                            let (residual, output) =
                                (&residual.values()[place.clone()], &output.values()[place]);
                            let sums = &mut sums[..columns];
                            for column in 0..columns {
                                sums[column] += output[column] * residual[column];
                            }
                            room.collect(output.iter().zip(gain).map(
                                #[inline(always)]
                                |(output, gain)| output * gain,
                            ))
                        },
                    )
                },
            );
            (scaled, sums)
        });
        [None, wanted[1].then_some(scaled), wanted[2].then(|| sum_in_order(sums, columns))]
    }

    fn passes_through(&self) -> [bool; 3] {
        [true, false, false]
    }
}
