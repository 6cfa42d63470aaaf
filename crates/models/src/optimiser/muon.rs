//! Muon: momentum, made orthogonal.
//!
//! K. Jordan's optimiser for the matrices inside a network, in the form of J. Liu et al. (arXiv:2502.16982, equations 1 and
//! 4): the step of a matrix is its momentum with all singular values near one, times `0.2 sqrt(max(rows, columns))`, which
//! makes it as large as a step of AdamW. So one learning rate and one weight decay serve both.

use super::gradient::square_sum;
use crate::fused::kernel::{Matrix, multiply};

/// Decay of the momentum.
const MOMENTUM: f32 = 0.95;

/// Iterations of [`orthogonal`], and the polynomial of each: `a x + b x^3 + c x^5`.
const ITERATIONS: usize = 5;
const POLYNOMIAL: (f32, f32, f32) = (3.4445, -4.775, 2.0315);

/// Takes a gradient into the momentum of a matrix (rows, columns), and returns the direction of the step, by Nesterov's rule.
pub(super) fn direction(gradient: &[f32], clip: f32, momentum: &mut [f32], columns: usize) -> Vec<f32> {
    let ahead: Vec<f32> = momentum
        .iter_mut()
        .zip(gradient)
        .map(|(momentum, gradient)| {
            let gradient = gradient * clip;
            *momentum = MOMENTUM * *momentum + (1.0 - MOMENTUM) * gradient;
            MOMENTUM * *momentum + (1.0 - MOMENTUM) * gradient
        })
        .collect();
    let rows = ahead.len().checked_div(columns).unwrap_or(0);
    let size = 0.2 * (rows.max(columns) as f32).sqrt();
    let mut direction = orthogonal(&ahead, columns);
    direction.iter_mut().for_each(|value| *value *= size);
    direction
}

/// A matrix with the same singular vectors, and singular values between 0.7 and 1.2, by five Newton-Schulz iterations
/// `X <- a X + (b A + c A A) X` with `A = X X^T`; small singular values stay smaller. On the calling thread alone.
fn orthogonal(matrix: &[f32], columns: usize) -> Vec<f32> {
    let rows = matrix.len().checked_div(columns).unwrap_or(0);
    let scale = (1.0 / (square_sum(matrix).sqrt() + 1e-7)) as f32;
    // The shorter side is the one that is squared.
    let wide = rows <= columns;
    let (short, long) = if wide { (rows, columns) } else { (columns, rows) };
    let mut x: Vec<f32> = matrix.iter().map(|value| value * scale).collect();
    if !wide {
        x = transposed(&x, columns);
    }
    let (a, b, c) = POLYNOMIAL;
    let mut square = vec![0.0; short * short];
    for _ in 0..ITERATIONS {
        multiply(Matrix::new(&x, long), Matrix::new(&x, long).t(), &mut square, short, false, 1.0);
        let mut polynomial: Vec<f32> = square.iter().map(|value| b * value).collect();
        let factor = Matrix::new(&square, short);
        multiply(factor, factor, &mut polynomial, short, true, c);
        let mut next: Vec<f32> = x.iter().map(|value| a * value).collect();
        multiply(Matrix::new(&polynomial, short), Matrix::new(&x, long), &mut next, long, true, 1.0);
        x = next;
    }
    if wide { x } else { transposed(&x, long) }
}

fn transposed(matrix: &[f32], columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| matrix.iter().skip(column).step_by(columns)).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orthogonal_matrices_have_singular_values_near_one() {
        for (rows, columns) in [(5, 9), (9, 5), (8, 8), (1, 7), (7, 1)] {
            let matrix: Vec<f32> = (0..rows * columns)
                .map(|place| (1.3 * place as f32 + 0.1 * (place * place) as f32).sin())
                .collect();
            let result = orthogonal(&matrix, columns);
            // The singular values of X lie in [0.6, 1.3] if all of |X v| do, for unit vectors v of the shorter side.
            let (short, at): (usize, Box<dyn Fn(usize, usize) -> f32>) = if rows <= columns {
                (rows, Box::new(|short, long| result[short * columns + long]))
            } else {
                (columns, Box::new(|short, long| result[long * columns + short]))
            };
            for direction in 0..40 {
                let v: Vec<f32> =
                    (0..short).map(|place| (0.7 * (direction * short + place) as f32 + 0.5).sin()).collect();
                let norm = v.iter().map(|v| v * v).sum::<f32>().sqrt();
                let image = (0..rows.max(columns))
                    .map(|long| (0..short).map(|place| v[place] * at(place, long)).sum::<f32>().powi(2))
                    .sum::<f32>()
                    .sqrt();
                let value = image / norm;
                assert!((0.5..1.35).contains(&value), "({rows}, {columns}): {value}");
            }
        }
        assert!(orthogonal(&[0.0; 6], 3).iter().all(|value| *value == 0.0));
    }
}
