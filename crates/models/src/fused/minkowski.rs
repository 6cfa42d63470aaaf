//! What pairs of four-vectors are to each other under the metric (+, -, -, -).

use burn::tensor::Tensor;

use super::glue::Operand;
use super::kernel::build;
use super::{Array, Gradient, apply};
use crate::Error;

/// Invariants of a pair.
pub(crate) const INVARIANTS: usize = 2;

/// `psi(|x_i - x_j|^2)` and `psi(<x_i, x_j>)` with `psi(z) = sgn(z) ln(|z| + 1)`, for each ordered pair of different
/// constituents of a jet: (pairs, 2), all partners of the first constituent, then of the second.
///
/// `x` is (constituents, 4): px, py, pz, energy. The differences of large products are taken in double precision.
pub(crate) fn invariants(x: Tensor<2>, offsets: &[usize]) -> Result<Tensor<2>, Error> {
    apply([Operand::new(x)?], |[x], tracked| {
        let pairs = ordered_pairs(offsets);
        let (output, _) = build(&pairs, INVARIANTS, |jet, output| {
            let vectors = vectors(&x, offsets, jet);
            for ((i, j), output) in partners(vectors.len()).zip(output.chunks_exact_mut(INVARIANTS)) {
                let (a, b) = (vectors[i], vectors[j]);
                let difference = [0, 1, 2, 3].map(|component| a[component] - b[component]);
                output[0] = psi(product(difference, difference)) as f32;
                output[1] = psi(product(a, b)) as f32;
            }
        });
        let number = pairs.last().map_or(0, |pairs| pairs.end);
        let state = tracked.then(|| Invariants { x, offsets: offsets.to_vec() });
        (Array::new(output, [number, INVARIANTS]), state)
    })
}

/// Ordered pairs of different constituents, jet by jet.
pub(crate) fn ordered_pairs(offsets: &[usize]) -> Vec<std::ops::Range<usize>> {
    let mut end = 0;
    let ranges = offsets.windows(2).map(|jet| {
        let (start, n) = (end, jet[1] - jet[0]);
        end += n * n.saturating_sub(1);
        start..end
    });
    ranges.collect()
}

/// The ordered pairs among `n`.
pub(crate) fn partners(n: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n).flat_map(move |i| (0..n).filter(move |&j| j != i).map(move |j| (i, j)))
}

/// `sgn(z) ln(|z| + 1)`.
pub(crate) fn psi(z: f64) -> f64 {
    z.signum() * z.abs().ln_1p()
}

/// `E E - px px - py py - pz pz`.
pub(crate) fn product(a: [f64; 4], b: [f64; 4]) -> f64 {
    a[3] * b[3] - a[0] * b[0] - a[1] * b[1] - a[2] * b[2]
}

fn vectors(x: &Array, offsets: &[usize], jet: usize) -> Vec<[f64; 4]> {
    let (vectors, _) = x.values()[4 * offsets[jet]..4 * offsets[jet + 1]].as_chunks::<4>();
    vectors.iter().map(|vector| vector.map(f64::from)).collect()
}

#[derive(Clone, Debug)]
struct Invariants {
    x: Array,
    offsets: Vec<usize>,
}

impl Gradient<1> for Invariants {
    fn gradients(self, output: Array, _: [bool; 1]) -> [Option<Vec<f32>>; 1] {
        let pairs = ordered_pairs(&self.offsets);
        let jets: Vec<_> = self.offsets.windows(2).map(|jet| jet[0]..jet[1]).collect();
        let (dx, _) = build(&jets, 4, |jet, dx| {
            let vectors = vectors(&self.x, &self.offsets, jet);
            let gradient = &output.values()[INVARIANTS * pairs[jet].start..INVARIANTS * pairs[jet].end];
            let mut sums = vec![[0.0_f64; 4]; vectors.len()];
            for ((i, j), gradient) in partners(vectors.len()).zip(gradient.chunks_exact(INVARIANTS)) {
                let (a, b) = (vectors[i], vectors[j]);
                let difference = [0, 1, 2, 3].map(|component| a[component] - b[component]);
                let slope = |z: f64| 1.0 / (z.abs() + 1.0);
                let of_square = 2.0 * f64::from(gradient[0]) * slope(product(difference, difference));
                let of_product = f64::from(gradient[1]) * slope(product(a, b));
                for component in 0..4 {
                    let sign = if component == 3 { 1.0 } else { -1.0 };
                    let square = of_square * difference[component];
                    sums[i][component] += sign * (square + of_product * b[component]);
                    sums[j][component] += sign * (of_product * a[component] - square);
                }
            }
            for (dx, sum) in dx.iter_mut().zip(sums.iter().flatten()) {
                *dx = *sum as f32;
            }
        });
        [Some(dx)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fused::{device, from_values, values};

    #[test]
    fn invariants_of_known_pairs() {
        // At rest with mass 2, massless along x with energy 3; then a jet of one, which has no pair.
        let x = vec![0.0, 0.0, 0.0, 2.0, 3.0, 0.0, 0.0, 3.0, 1.0, 1.0, 1.0, 9.0];
        let invariants = invariants(from_values(x, [3, 4], &device(false)), &[0, 2, 3]).unwrap();
        assert_eq!(invariants.dims(), [2, 2]);
        let (square, product) = (-(9.0_f32.ln()), 7.0_f32.ln());
        for (got, expected) in values(invariants).unwrap().iter().zip([square, product, square, product]) {
            assert!((got - expected).abs() < 1e-6, "{got} for {expected}");
        }
    }
}
