//! Sums over the numbers of one row, with the vectors written out: a compiler must not change the order of a sum.

use pulp::{Simd, WithSimd};

/// Runs `operation` with the widest vectors of this processor.
pub(crate) fn with_vectors<O: WithSimd>(operation: O) -> O::Output {
    pulp::Arch::new().dispatch(operation)
}

#[inline(always)]
pub(crate) fn sum<S: Simd>(simd: S, row: &[f32]) -> f32 {
    let (vectors, rest) = S::as_simd_f32s(row);
    let mut total = simd.splat_f32s(0.0);
    for &vector in vectors {
        total = simd.add_f32s(total, vector);
    }
    rest.iter().fold(simd.reduce_sum_f32s(total), |total, value| total + value)
}

#[inline(always)]
pub(crate) fn dot<S: Simd>(simd: S, a: &[f32], b: &[f32]) -> f32 {
    let ((a, rest_a), (b, rest_b)) = (S::as_simd_f32s(a), S::as_simd_f32s(b));
    let mut total = simd.splat_f32s(0.0);
    for (&a, &b) in a.iter().zip(b) {
        total = simd.mul_add_f32s(a, b, total);
    }
    rest_a.iter().zip(rest_b).fold(simd.reduce_sum_f32s(total), |total, (a, b)| total + a * b)
}

#[inline(always)]
pub(crate) fn largest<S: Simd>(simd: S, row: &[f32]) -> f32 {
    let (vectors, rest) = S::as_simd_f32s(row);
    let mut largest = simd.splat_f32s(f32::NEG_INFINITY);
    for &vector in vectors {
        largest = simd.max_f32s(largest, vector);
    }
    rest.iter().fold(simd.reduce_max_f32s(largest), |largest, &value| largest.max(value))
}

/// The sum of `(x - mean)^2`.
#[inline(always)]
pub(crate) fn square_deviation<S: Simd>(simd: S, row: &[f32], mean: f32) -> f32 {
    let (vectors, rest) = S::as_simd_f32s(row);
    let (mut total, means) = (simd.splat_f32s(0.0), simd.splat_f32s(mean));
    for &vector in vectors {
        let deviation = simd.sub_f32s(vector, means);
        total = simd.mul_add_f32s(deviation, deviation, total);
    }
    rest.iter().fold(simd.reduce_sum_f32s(total), |total, value| total + (value - mean) * (value - mean))
}

/// The sums of `a b` and of `a b c`.
#[inline(always)]
pub(crate) fn products<S: Simd>(simd: S, a: &[f32], b: &[f32], c: &[f32]) -> (f32, f32) {
    let ((a, rest_a), (b, rest_b)) = (S::as_simd_f32s(a), S::as_simd_f32s(b));
    let (c, rest_c) = S::as_simd_f32s(c);
    let (mut two, mut three) = (simd.splat_f32s(0.0), simd.splat_f32s(0.0));
    for ((&a, &b), &c) in a.iter().zip(b).zip(c) {
        let product = simd.mul_f32s(a, b);
        two = simd.add_f32s(two, product);
        three = simd.mul_add_f32s(product, c, three);
    }
    let (mut two, mut three) = (simd.reduce_sum_f32s(two), simd.reduce_sum_f32s(three));
    for ((a, b), c) in rest_a.iter().zip(rest_b).zip(rest_c) {
        two += a * b;
        three += a * b * c;
    }
    (two, three)
}
