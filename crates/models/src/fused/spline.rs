//! B-splines on a uniform grid.

use burn::tensor::Tensor;

use super::composed;
use super::glue::Operand;
use super::kernel::{TILE, build, ranges};
use super::{Array, Gradient, apply};
use crate::Error;

/// Splines of a degree on `cells` equal cells of [-range, range].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    pub(crate) cells: usize,
    pub(crate) degree: usize,
    pub(crate) range: f32,
}

/// The highest degree that there is room for.
pub(crate) const HIGHEST_DEGREE: usize = 7;

impl Grid {
    /// Basis functions: `cells + degree`.
    pub(crate) fn functions(self) -> usize {
        self.cells + self.degree
    }

    /// The first of the `degree + 1` functions that are not zero at `x`, their values and their slopes; none outside of
    /// the range. The recursion of Cox and de Boor, for knots at equal distances.
    fn at(self, x: f32) -> Option<(usize, [f32; HIGHEST_DEGREE + 1], [f32; HIGHEST_DEGREE + 1])> {
        let width = 2.0 * self.range / self.cells as f32;
        let place = (x + self.range) / width;
        // A NaN fails this too.
        if !(0.0..=self.cells as f32).contains(&place) {
            return None;
        }
        let cell = (place as usize).min(self.cells - 1);
        let u = place - cell as f32;
        let mut values = [0.0; HIGHEST_DEGREE + 1];
        values[0] = 1.0;
        let mut slopes = [0.0; HIGHEST_DEGREE + 1];
        for degree in 1..=self.degree {
            let lower = values;
            for j in 0..=degree {
                let before = if j > 0 { lower[j - 1] } else { 0.0 };
                let here = if j < degree { lower[j] } else { 0.0 };
                let (d, j_) = (degree as f32, j as f32);
                values[j] = ((u + d - j_) * before + (j_ + 1.0 - u) * here) / d;
                slopes[j] = (before - here) / width;
            }
        }
        Some((cell, values, slopes))
    }
}

/// The basis functions of each number of `x`, (rows, inputs), to (rows, inputs x functions).
pub(crate) fn basis(x: Tensor<2>, grid: Grid) -> Result<Tensor<2>, Error> {
    if composed::wanted(&x) {
        return Ok(composed::basis(x, grid));
    }
    apply([Operand::new(x)?], |[x], tracked| {
        let (rows, inputs) = (x.rows(), x.columns());
        let width = inputs * grid.functions();
        let tiles = ranges(rows, TILE);
        let (output, _) = build(&tiles, width, |tile, output| {
            let x = &x.values()[tiles[tile].start * inputs..tiles[tile].end * inputs];
            for (&x, output) in x.iter().zip(output.chunks_exact_mut(grid.functions())) {
                if let Some((first, values, _)) = grid.at(x) {
                    output[first..=first + grid.degree].copy_from_slice(&values[..=grid.degree]);
                }
            }
        });
        (Array::new(output, [rows, width]), tracked.then_some(Basis { x, grid }))
    })
}

#[derive(Clone, Debug)]
struct Basis {
    x: Array,
    grid: Grid,
}

impl Gradient<1> for Basis {
    fn gradients(self, output: Array, _: [bool; 1]) -> [Option<Vec<f32>>; 1] {
        let (rows, inputs, grid) = (self.x.rows(), self.x.columns(), self.grid);
        let tiles = ranges(rows, TILE);
        let (dx, _) = build(&tiles, inputs, |tile, dx| {
            let place = tiles[tile].start * inputs..tiles[tile].end * inputs;
            let functions = grid.functions();
            let gradient = &output.values()[place.start * functions..place.end * functions];
            for ((dx, &x), gradient) in
                dx.iter_mut().zip(&self.x.values()[place]).zip(gradient.chunks_exact(functions))
            {
                if let Some((first, _, slopes)) = grid.at(x) {
                    *dx = gradient[first..].iter().zip(&slopes[..=grid.degree]).map(|(g, s)| g * s).sum();
                }
            }
        });
        [Some(dx)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_add_up_to_one_and_slopes_to_zero() {
        for degree in 0..=HIGHEST_DEGREE {
            let grid = Grid { cells: 5, degree, range: 2.0 };
            for step in 0..=40 {
                let (first, values, slopes) = grid.at(-2.0 + 0.1 * step as f32).unwrap();
                assert!(first + degree < grid.functions());
                assert!((values.iter().sum::<f32>() - 1.0).abs() < 1e-5, "degree {degree}");
                assert!(slopes.iter().sum::<f32>().abs() < 1e-4, "degree {degree}");
            }
            assert!(grid.at(2.1).is_none() && grid.at(-2.1).is_none() && grid.at(f32::NAN).is_none());
        }
    }

    #[test]
    fn cubic_functions_at_a_knot() {
        // 1/6, 2/3, 1/6: the values of a uniform cubic B-spline at its inner knots.
        let (_, values, _) = Grid { cells: 4, degree: 3, range: 2.0 }.at(0.0).unwrap();
        for (got, expected) in values.iter().zip([1.0 / 6.0, 2.0 / 3.0, 1.0 / 6.0, 0.0]) {
            assert!((got - expected).abs() < 1e-6, "{values:?}");
        }
    }
}
