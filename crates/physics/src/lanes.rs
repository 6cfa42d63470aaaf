//! Vector instructions that several modules share. Their results do not depend on how wide the vectors are.

use pulp::Simd;

/// Columns are padded with this many values, the widest vector.
pub(crate) const PAD: usize = 8;

static COUNT: [f64; PAD] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];

/// `length` values from `start` on, or some more, up to the end of a vector.
#[inline(always)]
pub(crate) fn vectors<S: Simd>(column: &[f64], start: usize, length: usize) -> &[S::f64s] {
    let padded = length.div_ceil(S::F64_LANES) * S::F64_LANES;
    S::as_simd_f64s(&column[start..start + padded]).0
}

/// Whether any lane holds.
#[inline(always)]
pub(crate) fn any<S: Simd>(simd: S, mask: S::m64s) -> bool {
    simd.first_true_m64s(mask) < S::F64_LANES
}

/// The smallest value so far and where it was first seen, in each lane. Places are whole numbers, exact as doubles.
#[derive(Clone, Copy)]
pub(crate) struct Smallest<S: Simd> {
    value: S::f64s,
    place: S::f64s,
}

impl<S: Simd> Smallest<S> {
    /// Nothing yet; only values below `limit` count.
    #[inline(always)]
    pub(crate) fn below(simd: S, limit: f64) -> Self {
        Self { value: simd.splat_f64s(limit), place: simd.splat_f64s(f64::INFINITY) }
    }

    #[inline(always)]
    pub(crate) fn add(&mut self, simd: S, value: S::f64s, place: S::f64s) {
        let closer = simd.less_than_f64s(value, self.value);
        self.value = simd.select_f64s(closer, value, self.value);
        self.place = simd.select_f64s(closer, place, self.place);
    }

    /// The smallest value and its place, the first of equal ones; none where nothing was below the limit.
    #[inline(always)]
    pub(crate) fn get(self, simd: S) -> (f64, Option<usize>) {
        let value = simd.reduce_min_f64s(self.value);
        let equal = simd.equal_f64s(self.value, simd.splat_f64s(value));
        let nowhere = simd.splat_f64s(f64::INFINITY);
        let place = simd.reduce_min_f64s(simd.select_f64s(equal, self.place, nowhere));
        (value, (place < f64::INFINITY).then_some(place as usize))
    }
}

/// The places of the lanes of a vector that starts at `start`.
#[inline(always)]
pub(crate) fn places<S: Simd>(simd: S, start: usize) -> S::f64s {
    simd.add_f64s(simd.splat_f64s(start as f64), S::as_simd_f64s(&COUNT).0[0])
}

/// How far the places of one vector are from those of the next.
#[inline(always)]
pub(crate) fn stride<S: Simd>(simd: S) -> S::f64s {
    simd.splat_f64s(S::F64_LANES as f64)
}

/// The smallest of values whose number is a multiple of 8.
#[inline(always)]
pub(crate) fn minimum<S: Simd>(simd: S, values: &[f64]) -> f64 {
    let mut smallest = simd.splat_f64s(f64::INFINITY);
    for &value in S::as_simd_f64s(values).0 {
        smallest = simd.min_f64s(smallest, value);
    }
    simd.reduce_min_f64s(smallest)
}

/// Place and value of the first smallest; the number of values is a multiple of 8. Place 0 where all are infinite.
#[inline(always)]
pub(crate) fn first_minimum<S: Simd>(simd: S, values: &[f64]) -> (usize, f64) {
    let mut smallest = Smallest::below(simd, f64::INFINITY);
    let (mut place, step) = (places(simd, 0), stride(simd));
    for &value in S::as_simd_f64s(values).0 {
        smallest.add(simd, value, place);
        place = simd.add_f64s(place, step);
    }
    let (value, place) = smallest.get(simd);
    (place.unwrap_or(0), value)
}
