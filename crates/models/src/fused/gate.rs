//! GELU and the logistic function by themselves, and the product of two tensors: what a gate is made of.

use burn::tensor::Tensor;

use super::composed;
use super::dense::{exp, gelu_with_derivative};
use super::glue::Operand;
use super::kernel::{TILE, fill, fill_several, ranges, vectorised};
use super::{Array, Gradient, apply};
use crate::Error;

/// `x Phi(x)` of each number.
pub(crate) fn gelu(x: Tensor<2>) -> Result<Tensor<2>, Error> {
    if composed::wanted(&x) {
        return Ok(burn::tensor::activation::gelu(x));
    }
    apply([Operand::new(x)?], |[x], tracked| {
        let (rows, columns) = (x.rows(), x.columns());
        let x = x.values();
        let tiles = ranges(rows, TILE);
        let ([output, slope], _) =
            fill_several([&tiles, &tiles], [columns, columns], |tile, [output, slope]| {
                let output = output.copy(&x[tiles[tile].start * columns..tiles[tile].end * columns]);
                let slope = vectorised(
                    #[inline(always)]
                    || {
                        slope.collect(output.iter_mut().map(
                            #[inline(always)]
                            |value| {
                                let (output, slope) = gelu_with_derivative(*value);
                                *value = output;
                                slope
                            },
                        ))
                    },
                );
                ([output, slope], ())
            });
        let state = tracked.then(|| Gelu { slope: Array::new(slope, [rows, columns]) });
        (Array::new(output, [rows, columns]), state)
    })
}

#[derive(Clone, Debug)]
struct Gelu {
    slope: Array,
}

impl Gradient<1> for Gelu {
    fn gradients(self, output: Array, _: [bool; 1]) -> [Option<Vec<f32>>; 1] {
        [Some(products(&self.slope, &output))]
    }
}

/// `1 / (1 + exp(-x))` of each number.
pub(crate) fn sigmoid(x: Tensor<2>) -> Result<Tensor<2>, Error> {
    if composed::wanted(&x) {
        return Ok(burn::tensor::activation::sigmoid(x));
    }
    apply([Operand::new(x)?], |[x], tracked| {
        let (rows, columns) = (x.rows(), x.columns());
        let x = x.values();
        let tiles = ranges(rows, TILE);
        let (output, _) = fill(&tiles, columns, |tile, room| {
            let x = &x[tiles[tile].start * columns..tiles[tile].end * columns];
            let output = vectorised(
                #[inline(always)]
                || {
                    room.collect(x.iter().map(
                        #[inline(always)]
                        |&x| 1.0 / (1.0 + exp(-x)),
                    ))
                },
            );
            (output, ())
        });
        let output = Array::new(output, [rows, columns]);
        let state = tracked.then(|| Sigmoid { output: output.clone() });
        (output, state)
    })
}

#[derive(Clone, Debug)]
struct Sigmoid {
    output: Array,
}

impl Gradient<1> for Sigmoid {
    fn gradients(self, gradient: Array, _: [bool; 1]) -> [Option<Vec<f32>>; 1] {
        let slopes = self.output.values().iter().map(|output| output * (1.0 - output));
        [Some(slopes.zip(gradient.values()).map(|(slope, gradient)| slope * gradient).collect())]
    }
}

/// `a b`, number by number, of two tensors of one shape.
pub(crate) fn times(a: Tensor<2>, b: Tensor<2>) -> Result<Tensor<2>, Error> {
    if composed::wanted(&a) {
        return Ok(a * b);
    }
    apply([Operand::new(a)?, Operand::new(b)?], |[a, b], tracked| {
        let output = Array::new(products(&a, &b), [a.rows(), a.columns()]);
        (output, tracked.then_some(Times { a, b }))
    })
}

fn products(a: &Array, b: &Array) -> Vec<f32> {
    let columns = a.columns();
    let tiles = ranges(a.rows(), TILE);
    let (a, b) = (a.values(), b.values());
    let (output, _) = fill(&tiles, columns, |tile, room| {
        let place = tiles[tile].start * columns..tiles[tile].end * columns;
        let both = a[place.clone()].iter().zip(&b[place]).map(
            #[inline(always)]
            |(a, b)| a * b,
        );
        let output = vectorised(
            #[inline(always)]
            || room.collect(both),
        );
        (output, ())
    });
    output
}

#[derive(Clone, Debug)]
struct Times {
    a: Array,
    b: Array,
}

impl Gradient<2> for Times {
    fn gradients(self, output: Array, wanted: [bool; 2]) -> [Option<Vec<f32>>; 2] {
        [wanted[0].then(|| products(&self.b, &output)), wanted[1].then(|| products(&self.a, &output))]
    }
}
