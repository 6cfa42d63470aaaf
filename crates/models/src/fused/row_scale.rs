//! Rows times a number of their own.

use burn::tensor::Tensor;

use super::composed;
use super::glue::Operand;
use super::kernel::{TILE, fill, ranges, vectorised};
use super::{Array, Gradient, apply};
use crate::Error;

/// `x` times `factor`, (n, 1). Each factor is for as many of `x`'s rows, one after the other, as there are rows to a factor: for
/// one row, or for the four components of a constituent's four-vectors.
pub(crate) fn scale_rows(x: Tensor<2>, factor: Tensor<2>) -> Result<Tensor<2>, Error> {
    if composed::wanted(&x) {
        return Ok(composed::scale_rows(x, factor));
    }
    apply([Operand::new(x)?, Operand::new(factor)?], |[x, factor], tracked| {
        let output = Array::new(scaled(x.values(), factor.values()), [x.rows(), x.columns()]);
        (output, tracked.then_some(ScaleRows { x, factor }))
    })
}

fn scaled(x: &[f32], factor: &[f32]) -> Vec<f32> {
    let width = x.len().checked_div(factor.len()).unwrap_or(0);
    let tiles = ranges(factor.len(), TILE);
    let (output, _) = fill(&tiles, width, |tile, room| {
        let rows = tiles[tile].clone();
        let (x, factor) = (&x[rows.start * width..rows.end * width], &factor[rows]);
        let output = vectorised(
            #[inline(always)]
            || {
                room.tiles(
                    width,
                    #[inline(always)]
                    |row, room| {
                        let factor = factor[row];
                        room.collect(x[row * width..(row + 1) * width].iter().map(
                            #[inline(always)]
                            |x| x * factor,
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
struct ScaleRows {
    x: Array,
    factor: Array,
}

impl Gradient<2> for ScaleRows {
    fn gradients(self, output: Array, wanted: [bool; 2]) -> [Option<Vec<f32>>; 2] {
        let (x, factor) = (self.x.values(), self.factor.values());
        let of_factor = wanted[1].then(|| {
            let width = x.len().checked_div(factor.len()).unwrap_or(0);
            let gradient = output.values();
            let tiles = ranges(factor.len(), TILE);
            let (sums, _) = fill(&tiles, 1, |tile, room| {
                let place = |row: usize| row * width..(row + 1) * width;
                let sums = vectorised(
                    #[inline(always)]
                    || {
                        room.collect(tiles[tile].clone().map(
                            #[inline(always)]
                            |row| dot(&x[place(row)], &gradient[place(row)]),
                        ))
                    },
                );
                (sums, ())
            });
            sums
        });
        [wanted[0].then(|| scaled(output.values(), factor)), of_factor]
    }
}

/// Summed in sixteen parts, which fit into vectors: the compiler may not reorder a sum by itself.
#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    let mut sums = [0.0_f32; 16];
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}
