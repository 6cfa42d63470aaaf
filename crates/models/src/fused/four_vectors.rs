//! Channels of four-vectors under the metric (+, -, -, -).
//!
//! `n` constituents with `c` channels are (4 n, c): px, py, pz and the energy of the first constituent, then of the second.

use burn::tensor::Tensor;

use super::composed;
use super::glue::Operand;
use super::kernel::{TILE, fill, fill_several, ranges, vectorised};
use super::{Array, Gradient, apply};
use crate::Error;

/// What a component counts in an inner product.
const METRIC: [f32; 4] = [-1.0, -1.0, -1.0, 1.0];

/// The inner product of each channel of `a` with that of `b`: (n, c).
pub(crate) fn inner_products(a: Tensor<2>, b: Tensor<2>) -> Result<Tensor<2>, Error> {
    if composed::wanted(&a) {
        return Ok(composed::inner_products(a, b));
    }
    apply([Operand::new(a)?, Operand::new(b)?], |[a, b], tracked| {
        let (n, channels) = (a.rows() / 4, a.columns());
        let (left, right) = (a.values(), b.values());
        let tiles = ranges(n, TILE);
        let (output, _) = fill(&tiles, channels, |tile, room| {
            let first = tiles[tile].start;
            let output = vectorised(
                #[inline(always)]
                || {
                    room.tiles(
                        channels,
                        #[inline(always)]
                        |row, room| {
                            let (a, b) =
                                (vector(left, channels, first + row), vector(right, channels, first + row));
                            room.collect((0..channels).map(
                                #[inline(always)]
                                |channel| product(a, b, channels, channel),
                            ))
                        },
                    )
                },
            );
            (output, ())
        });
        (Array::new(output, [n, channels]), tracked.then_some(InnerProducts { a, b }))
    })
}

/// All components of all channels of a constituent.
#[inline(always)]
fn vector(all: &[f32], channels: usize, constituent: usize) -> &[f32] {
    &all[constituent * 4 * channels..(constituent + 1) * 4 * channels]
}

#[inline(always)]
fn product(a: &[f32], b: &[f32], channels: usize, channel: usize) -> f32 {
    let of = |component: usize| a[component * channels + channel] * b[component * channels + channel];
    of(3) - (of(0) + of(1) + of(2))
}

#[derive(Clone, Debug)]
struct InnerProducts {
    a: Array,
    b: Array,
}

impl Gradient<2> for InnerProducts {
    fn gradients(self, output: Array, wanted: [bool; 2]) -> [Option<Vec<f32>>; 2] {
        let gradient = |other: &Array| times(other, &output, METRIC);
        [wanted[0].then(|| gradient(&self.b)), wanted[1].then(|| gradient(&self.a))]
    }
}

/// Each channel's four-vector times a number, (n, c): (4 n, c).
pub(crate) fn scale_vectors(x: Tensor<2>, by: Tensor<2>) -> Result<Tensor<2>, Error> {
    if composed::wanted(&x) {
        return Ok(composed::scale_vectors(x, by));
    }
    apply([Operand::new(x)?, Operand::new(by)?], |[x, by], tracked| {
        let output = Array::new(times(&x, &by, [1.0; 4]), [x.rows(), x.columns()]);
        (output, tracked.then_some(ScaleVectors { x, by }))
    })
}

/// Four-vectors times `by`, and each component times its sign.
fn times(x: &Array, by: &Array, signs: [f32; 4]) -> Vec<f32> {
    let (n, channels) = (by.rows(), by.columns());
    let (x, by) = (x.values(), by.values());
    let tiles = ranges(n, TILE);
    let (output, _) = fill(&tiles, 4 * channels, |tile, room| {
        let first = tiles[tile].start;
        let output = vectorised(
            #[inline(always)]
            || {
                room.tiles(
                    channels,
                    #[inline(always)]
                    |row, room| {
                        let (constituent, sign) = (first + row / 4, signs[row % 4]);
                        let x = &x[(4 * first + row) * channels..][..channels];
                        let by = &by[constituent * channels..][..channels];
                        room.collect(x.iter().zip(by).map(
                            #[inline(always)]
                            |(x, by)| sign * (x * by),
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
struct ScaleVectors {
    x: Array,
    by: Array,
}

impl Gradient<2> for ScaleVectors {
    fn gradients(self, output: Array, wanted: [bool; 2]) -> [Option<Vec<f32>>; 2] {
        let (n, channels) = (self.by.rows(), self.by.columns());
        let of_factors = wanted[1].then(|| {
            let (x, gradient) = (self.x.values(), output.values());
            let tiles = ranges(n, TILE);
            let (sums, _) = fill(&tiles, channels, |tile, room| {
                let first = tiles[tile].start;
                let sums = vectorised(
                    #[inline(always)]
                    || {
                        room.tiles(
                            channels,
                            #[inline(always)]
                            |row, room| {
                                let x = vector(x, channels, first + row);
                                let gradient = vector(gradient, channels, first + row);
                                room.collect((0..channels).map(
                                    #[inline(always)]
                                    |channel| {
                                        let of = |component: usize| {
                                            x[component * channels + channel]
                                                * gradient[component * channels + channel]
                                        };
                                        of(0) + of(1) + of(2) + of(3)
                                    },
                                ))
                            },
                        )
                    },
                );
                (sums, ())
            });
            sums
        });
        [wanted[0].then(|| times(&output, &self.by, [1.0; 4])), of_factors]
    }
}

/// Added to the mean of squares before the root.
pub(crate) const EPSILON: f64 = 0.01;

/// One over the root of the mean square of a constituent's channels, (n, 1): squares of its scalars, (n, s), and of its four-vectors the
/// magnitude of the square under the metric, which is invariant.
pub(crate) fn invariant_scale(scalars: Tensor<2>, vectors: Tensor<2>) -> Result<Tensor<2>, Error> {
    if composed::wanted(&scalars) {
        return Ok(composed::invariant_scale(scalars, vectors));
    }
    apply([Operand::new(scalars)?, Operand::new(vectors)?], |[scalars, vectors], tracked| {
        let (n, width, channels) = (scalars.rows(), scalars.columns(), vectors.columns());
        let (numbers, components) = (scalars.values(), vectors.values());
        let tiles = ranges(n, TILE);
        let (output, _) = fill(&tiles, 1, |tile, room| {
            let scales = vectorised(
                #[inline(always)]
                || {
                    room.collect(tiles[tile].clone().map(
                        #[inline(always)]
                        |row| {
                            let of_scalars = numbers[row * width..(row + 1) * width].iter().map(|x| x * x);
                            let vector = vector(components, channels, row);
                            let of_vectors =
                                (0..channels).map(|channel| product(vector, vector, channels, channel).abs());
                            let sum = of_vectors.sum::<f32>() + of_scalars.sum::<f32>();
                            1.0 / (sum / (width + channels) as f32 + EPSILON as f32).sqrt()
                        },
                    ))
                },
            );
            (scales, ())
        });
        let output = Array::new(output, [n, 1]);
        let state = tracked.then(|| InvariantScale { scalars, vectors, output: output.clone() });
        (output, state)
    })
}

#[derive(Clone, Debug)]
struct InvariantScale {
    scalars: Array,
    vectors: Array,
    output: Array,
}

impl Gradient<2> for InvariantScale {
    fn gradients(self, output: Array, wanted: [bool; 2]) -> [Option<Vec<f32>>; 2] {
        let (n, width, channels) = (self.output.rows(), self.scalars.columns(), self.vectors.columns());
        let (scales, gradients) = (self.output.values(), output.values());
        let (numbers, components) = (self.scalars.values(), self.vectors.values());
        let tiles = ranges(n, TILE);
        // d scale / d x = - scale^3 / number * (half of the derivative of x's square).
        let factor = |row: usize| {
            let scale = scales[row];
            -gradients[row] * scale * scale * scale / (width + channels) as f32
        };
        let ([of_scalars, of_vectors], _) =
            fill_several([&tiles, &tiles], [width, 4 * channels], |tile, [scalars, vectors]| {
                let first = tiles[tile].start;
                let written = vectorised(
                    #[inline(always)]
                    || {
                        let scalars = scalars.tiles(
                            width,
                            #[inline(always)]
                            |row, room| {
                                let factor = factor(first + row);
                                let x = &numbers[(first + row) * width..][..width];
                                room.collect(x.iter().map(
                                    #[inline(always)]
                                    |x| factor * x,
                                ))
                            },
                        );
                        let vectors = vectors.tiles(
                            4 * channels,
                            #[inline(always)]
                            |row, room| {
                                let factor = factor(first + row);
                                let x = vector(components, channels, first + row);
                                let gradients = room.zeros();
                                for channel in 0..channels {
                                    let square = product(x, x, channels, channel);
                                    let factor = if square == 0.0 { 0.0 } else { factor * square.signum() };
                                    for (component, sign) in METRIC.iter().enumerate() {
                                        let place = component * channels + channel;
                                        gradients[place] = sign * factor * x[place];
                                    }
                                }
                                gradients
                            },
                        );
                        [scalars, vectors]
                    },
                );
                (written, ())
            });
        [wanted[0].then_some(of_scalars), wanted[1].then_some(of_vectors)]
    }
}
