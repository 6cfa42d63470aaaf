//! What pairs of four-vectors are to each other under the metric (+, -, -, -).

use burn::tensor::Tensor;

use super::composed;
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
    if composed::wanted(&x) {
        return composed::invariants(x, offsets);
    }
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

/// A mass below this part of the energy, squared, is taken for none.
pub(crate) const LEAST_MASS: f64 = 1e-8;

/// Where a jet is at rest.
///
/// A fast jet's constituents have energies and momenta that are nearly equal, and in single precision what `E^2 - p^2` leaves
/// of them is noise. At rest both are smaller by the jet's `E / m`.
pub(crate) struct RestFrame {
    /// The sum of the jet's four-vectors.
    total: [f64; 4],
    /// None where the jet has no mass, which is at rest nowhere.
    mass: Option<f64>,
}

impl RestFrame {
    pub(crate) fn of(jet: &[[f64; 4]]) -> Self {
        let add = |sum: [f64; 4], p: &[f64; 4]| [0, 1, 2, 3].map(|component| sum[component] + p[component]);
        let total = jet.iter().fold([0.0; 4], add);
        let square = product(total, total);
        let massive = square > LEAST_MASS * total[3] * total[3];
        Self { total, mass: massive.then(|| square.sqrt()) }
    }

    /// A four-vector as it is seen from there; as it is if the jet has no mass.
    pub(crate) fn sees(&self, p: [f64; 4]) -> [f64; 4] {
        let Some(mass) = self.mass else { return p };
        let total = self.total;
        let along = p[0] * total[0] + p[1] * total[1] + p[2] * total[2];
        let share = along / (mass * (mass + total[3])) - p[3] / mass;
        let [x, y, z] = [0, 1, 2].map(|component| p[component] + total[component] * share);
        [x, y, z, (total[3] * p[3] - along) / mass]
    }
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
    use crate::ComputeDevice;
    use crate::fused::{device, from_values, values};

    #[test]
    fn a_jet_at_rest_has_its_mass_and_no_momentum() {
        let jet = [[300.0, 20.0, 500.0, 583.5], [250.0, -30.0, 480.0, 542.1], [1.0, 2.0, -3.0, 3.8]];
        let at_rest = |jet: &[[f64; 4]]| {
            let frame = RestFrame::of(jet);
            jet.iter().map(|&p| frame.sees(p)).collect::<Vec<_>>()
        };
        let rest = at_rest(&jet);
        let sum = |jet: &[[f64; 4]]| [0, 1, 2, 3].map(|c| jet.iter().map(|p| p[c]).sum::<f64>());
        let (before, after) = (sum(&jet), sum(&rest));
        assert!(after[..3].iter().all(|momentum| momentum.abs() < 1e-9), "{after:?}");
        assert!((after[3] - product(before, before).sqrt()).abs() < 1e-9, "{after:?}");
        for (a, b) in [(0, 0), (0, 1), (1, 2)] {
            let (before, after) = (product(jet[a], jet[b]), product(rest[a], rest[b]));
            assert!((before - after).abs() < 1e-9 * jet[a][3] * jet[b][3], "{before} {after}");
        }
        // Without a mass there is no frame to rest in.
        let photon = [[3.0, 0.0, 4.0, 5.0]];
        assert_eq!((at_rest(&photon), at_rest(&[])), (photon.to_vec(), Vec::new()));
    }

    #[test]
    fn invariants_of_known_pairs() {
        // At rest with mass 2, massless along x with energy 3; then a jet of one, which has no pair.
        let x = vec![0.0, 0.0, 0.0, 2.0, 3.0, 0.0, 0.0, 3.0, 1.0, 1.0, 1.0, 9.0];
        let invariants =
            invariants(from_values(x, [3, 4], &device(ComputeDevice::Cpu, false)), &[0, 2, 3]).unwrap();
        assert_eq!(invariants.dims(), [2, 2]);
        let (square, product) = (-(9.0_f32.ln()), 7.0_f32.ln());
        for (got, expected) in values(invariants).unwrap().iter().zip([square, product, square, product]) {
            assert!((got - expected).abs() < 1e-6, "{got} for {expected}");
        }
    }
}
