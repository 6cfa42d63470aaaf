//! Rows of a tensor in any order, any number of times.

use std::sync::Arc;

use burn::tensor::Tensor;

use super::composed;
use super::glue::Operand;
use super::kernel::{TILE, build, ranges};
use super::{Array, Gradient, apply};
use crate::Error;

/// Numbers of rows.
pub(crate) type Rows = Arc<Vec<u32>>;

/// Stands for a row of zeros among the numbers of rows.
pub(crate) const ZEROS: u32 = u32::MAX;

/// Row `rows[i]` of `x`, (rows, channels), as row `i`.
///
/// Convolutions, recurrences and messages between constituents are this and a matrix product: no padded tensor is made.
pub(crate) fn gather(x: Tensor<2>, rows: &Rows) -> Result<Tensor<2>, Error> {
    if composed::wanted(&x) {
        return composed::gather(x, rows);
    }
    apply([Operand::new(x)?], |[x], tracked| {
        let channels = x.columns();
        let values = x.values();
        let tiles = ranges(rows.len(), TILE);
        let (output, _) = build(&tiles, channels, |tile, output| {
            let rows = &rows[tiles[tile].clone()];
            for (output, &row) in
                output.chunks_exact_mut(channels).zip(rows).filter(|(_, row)| **row != ZEROS)
            {
                output.copy_from_slice(&values[row as usize * channels..(row as usize + 1) * channels]);
            }
        });
        let state = tracked.then(|| Gather { rows: Arc::clone(rows), sources: x.rows(), channels });
        (Array::new(output, [rows.len(), channels]), state)
    })
}

#[derive(Clone, Debug)]
struct Gather {
    rows: Rows,
    sources: usize,
    channels: usize,
}

impl Gradient<1> for Gather {
    fn gradients(self, output: Array, _: [bool; 1]) -> [Option<Vec<f32>>; 1] {
        let Self { rows, sources, channels } = self;
        // Where each row went, in order: then each sum has one order, whichever thread adds it up.
        let mut starts = vec![0_usize; sources + 1];
        for &row in rows.iter().filter(|row| **row != ZEROS) {
            starts[row as usize + 1] += 1;
        }
        for row in 0..sources {
            starts[row + 1] += starts[row];
        }
        let (mut next, mut places) = (starts.clone(), vec![0_u32; starts[sources]]);
        for (place, &row) in rows.iter().enumerate().filter(|(_, row)| **row != ZEROS) {
            places[next[row as usize]] = place as u32;
            next[row as usize] += 1;
        }
        let gradient = output.values();
        let tiles = ranges(sources, TILE);
        let (dx, _) = build(&tiles, channels, |tile, dx| {
            for (row, dx) in tiles[tile].clone().zip(dx.chunks_exact_mut(channels)) {
                for &place in &places[starts[row]..starts[row + 1]] {
                    let place = place as usize * channels;
                    for (sum, value) in dx.iter_mut().zip(&gradient[place..place + channels]) {
                        *sum += value;
                    }
                }
            }
        });
        [Some(dx)]
    }
}
