//! The sum of a layer and its shortcut, rectified.

use burn::tensor::Tensor;

use super::dense::rectify;
use super::glue::Operand;
use super::kernel::{TILE, build, ranges, vectorised};
use super::{Array, Gradient, apply};
use crate::Error;

/// `relu(a + b)` of two tensors of one shape.
pub(crate) fn add_rectify(a: Tensor<2>, b: Tensor<2>) -> Result<Tensor<2>, Error> {
    apply([Operand::new(a)?, Operand::new(b)?], |[a, b], tracked| {
        let (rows, columns) = (a.rows(), a.columns());
        let tiles = ranges(rows, TILE);
        let (output, _) = build(&tiles, columns, |tile, output| {
            let place = tiles[tile].start * columns..tiles[tile].end * columns;
            let (a, b) = (&a.values()[place.clone()], &b.values()[place]);
            vectorised(|| {
                for ((output, a), b) in output.iter_mut().zip(a).zip(b) {
                    *output = rectify(a + b);
                }
            });
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
        let (gradient, _) = build(&tiles, columns, |tile, part| {
            let place = tiles[tile].start * columns..tiles[tile].end * columns;
            let (kept, gradient) = (&self.output.values()[place.clone()], &output.values()[place]);
            vectorised(|| {
                for ((part, kept), gradient) in part.iter_mut().zip(kept).zip(gradient) {
                    *part = if *kept > 0.0 { *gradient } else { 0.0 };
                }
            });
        });
        [wanted[0].then(|| gradient.clone()), wanted[1].then_some(gradient)]
    }
}
