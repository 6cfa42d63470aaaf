//! Scaling and clipping, by vector instructions, straight into the tensors.

use arrow_buffer::OffsetBuffer;
use pulp::{Arch, Simd, WithSimd};

use super::plan::VariablePlan;

/// Where a variable of lists is in a tensor's memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows {
    /// Constituents of a row.
    pub(super) length: usize,
    /// Where the variable begins in a row.
    pub(super) place: usize,
    /// Numbers of a row, of all variables.
    pub(super) stride: usize,
}

impl Rows {
    /// Calls `f` for each list with the place of its first value, its constituents' places in the tensor, and its padding's.
    #[inline(always)]
    pub(super) fn each(
        self,
        data: &mut [f32],
        offsets: &[i32],
        mut f: impl FnMut(usize, &mut [f32], &mut [f32]),
    ) {
        for (row, ends) in data.chunks_exact_mut(self.stride).zip(offsets.windows(2)) {
            let (start, end) = (ends[0] as usize, ends[1] as usize);
            let (real, padding) =
                row[self.place..self.place + self.length].split_at_mut((end - start).min(self.length));
            f(start, real, padding);
        }
    }
}

impl VariablePlan<'_> {
    /// Scales and clips; how many values were clipped, and whether all results are finite.
    pub(super) fn transform(&self, source: &[f64], target: &mut [f32]) -> (u64, bool) {
        Arch::new().dispatch(Transform { plan: self, source, target })
    }

    /// The same for lists, whose values go straight to their places; those that are cut count for nothing.
    pub(super) fn transform_lists(
        &self,
        source: &[f64],
        offsets: &OffsetBuffer<i32>,
        data: &mut [f32],
        rows: Rows,
    ) -> (u64, bool) {
        Arch::new().dispatch(TransformLists { plan: self, source, offsets, data, rows })
    }

    /// No branch is taken for a value, so that the compiler makes vector instructions of it.
    #[inline(always)]
    fn scale(&self, source: &[f64], target: &mut [f32]) -> (u64, bool) {
        let &Self { center, scale, low, high, .. } = self;
        let (mut clipped, mut bad) = (0_u64, false);
        for (target, value) in target.iter_mut().zip(source) {
            let scaled = (value - center) * scale;
            clipped += u64::from(scaled < low) + u64::from(scaled > high);
            // Not `clamp`, which panics where low > high, nor `min` and `max`, which lose a NaN.
            let bounded = if scaled < low { low } else { scaled };
            let bounded = if bounded > high { high } else { bounded };
            *target = bounded as f32;
            bad |= !target.is_finite();
        }
        (clipped, !bad)
    }
}

/// Compiled for the widest vectors of the processor.
struct Transform<'a> {
    plan: &'a VariablePlan<'a>,
    source: &'a [f64],
    target: &'a mut [f32],
}

impl WithSimd for Transform<'_> {
    type Output = (u64, bool);

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) -> (u64, bool) {
        self.plan.scale(self.source, self.target)
    }
}

struct TransformLists<'a> {
    plan: &'a VariablePlan<'a>,
    source: &'a [f64],
    offsets: &'a [i32],
    data: &'a mut [f32],
    rows: Rows,
}

impl WithSimd for TransformLists<'_> {
    type Output = (u64, bool);

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) -> (u64, bool) {
        let (mut clipped, mut is_finite) = (0, true);
        self.rows.each(self.data, self.offsets, |start, real, _| {
            let (moved, finite) = self.plan.scale(&self.source[start..start + real.len()], real);
            clipped += moved;
            is_finite &= finite;
        });
        (clipped, is_finite)
    }
}
