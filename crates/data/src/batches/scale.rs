//! Scaling and clipping, by vector instructions, straight into the tensors.

use arrow_buffer::OffsetBuffer;

use super::plan::VariablePlan;
use crate::expr::vectorised;

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
        vectorised(
            #[inline(always)]
            || self.scale(source, target),
        )
    }

    /// The same for lists, whose values go to their places with padding behind them; those that are cut count for nothing.
    /// `scratch` is memory that is used again.
    pub(super) fn transform_lists(
        &self,
        source: &[f64],
        offsets: &OffsetBuffer<i32>,
        (data, rows): (&mut [f32], Rows),
        scratch: &mut Vec<f32>,
    ) -> (u64, bool) {
        if offsets.lengths().any(|length| length > rows.length) {
            return self.transform_cut_lists(source, offsets, (data, rows));
        }
        // Numbers that no list has follow the last one, so that as many as a row has places can be read from any list on.
        let source = &source[..offsets.last().map_or(0, |end| *end as usize)];
        scratch.resize(source.len() + rows.length, 0.0);
        vectorised(
            #[inline(always)]
            || {
                let result = self.scale(source, &mut scratch[..source.len()]);
                place(scratch, offsets, data, rows, self.pad);
                result
            },
        )
    }

    /// List by list, as far as there are places.
    fn transform_cut_lists(
        &self,
        source: &[f64],
        offsets: &OffsetBuffer<i32>,
        (data, rows): (&mut [f32], Rows),
    ) -> (u64, bool) {
        let (mut clipped, mut is_finite) = (0, true);
        rows.each(data, offsets, |start, real, padding| {
            let (moved, finite) = self.transform(&source[start..start + real.len()], real);
            padding.fill(self.pad);
            clipped += moved;
            is_finite &= finite;
        });
        (clipped, is_finite)
    }

    /// No branch is taken for a value, so that the compiler makes vector instructions of it.
    #[inline(always)]
    fn scale(&self, source: &[f64], target: &mut [f32]) -> (u64, bool) {
        let &Self { center, scale, low, high, .. } = self;
        // The bits of positive floats are in their order, with infinity and then NaN behind all finite ones.
        let mut largest = 0_u32;
        if low == f64::NEG_INFINITY && high == f64::INFINITY {
            for (target, value) in target.iter_mut().zip(source) {
                *target = ((value - center) * scale) as f32;
                largest = largest.max(target.abs().to_bits());
            }
            return (0, largest < f32::INFINITY.to_bits());
        }
        let mut clipped = 0_u64;
        for (target, value) in target.iter_mut().zip(source) {
            let scaled = (value - center) * scale;
            clipped += u64::from(scaled < low) + u64::from(scaled > high);
            // Not `clamp`, which panics where low > high, nor `min` and `max`, which lose a NaN.
            let bounded = if scaled < low { low } else { scaled };
            let bounded = if bounded > high { high } else { bounded };
            *target = bounded as f32;
            largest = largest.max(target.abs().to_bits());
        }
        (clipped, largest < f32::INFINITY.to_bits())
    }
}

/// Writes all places of each row, real ones and padding, in one loop without branches: lists are short, and of several loops of a
/// length that nobody knows before, each has a start and an end that are no vectors.
#[inline(always)]
fn place(values: &[f32], offsets: &[i32], data: &mut [f32], rows: Rows, pad: f32) {
    for (row, ends) in data.chunks_exact_mut(rows.stride).zip(offsets.windows(2)) {
        let (start, real) = (ends[0] as usize, (ends[1] - ends[0]) as u32);
        let from = &values[start..start + rows.length];
        let places = row[rows.place..rows.place + rows.length].iter_mut();
        for ((to, value), index) in places.zip(from).zip(0_u32..) {
            *to = if index < real { *value } else { pad };
        }
    }
}
