//! Matrix products, vector instructions and the splitting of work.

use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;

/// Runs `operation` compiled for the widest vectors of this processor.
///
/// The crate itself is compiled for any x86-64, so loops outside of this use half or a quarter of the width. So do loops
/// inside of it that the compiler leaves in a function of their own, and it does that with all but the shortest closures:
/// write `vectorised(#[inline(always)] || ...)`, and mark the functions that it calls likewise.
#[inline(always)]
pub(crate) fn vectorised<R>(operation: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(operation)
}

/// A matrix in a slice.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// All of `data`, in rows of `columns`.
    pub(crate) fn new(data: &'a [f32], columns: usize) -> Self {
        let rows = data.len().checked_div(columns).unwrap_or(0);
        Self { data, rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// `columns` columns from `start` on of rows that lie `stride` apart.
    pub(crate) fn columns(data: &'a [f32], stride: usize, start: usize, columns: usize) -> Self {
        let rows = data.len().checked_div(stride).unwrap_or(0);
        Self { data: data.get(start..).unwrap_or(&[]), rows, columns, row_stride: stride, column_stride: 1 }
    }

    /// The transpose.
    pub(crate) fn t(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    fn fits(&self) -> bool {
        let empty = self.rows == 0 || self.columns == 0;
        empty || (self.rows - 1) * self.row_stride + (self.columns - 1) * self.column_stride < self.data.len()
    }
}

/// `c = scale * a b`, or `c += scale * a b` with `add`; on the calling thread alone.
///
/// Rows of `c` lie `stride` apart.
pub(crate) fn multiply(a: Matrix<'_>, b: Matrix<'_>, c: &mut [f32], stride: usize, add: bool, scale: f32) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    if m == 0 || n == 0 {
        return;
    }
    assert!(
        a.fits() && b.fits() && b.rows == k && n <= stride && (m - 1) * stride + n <= c.len(),
        "matrices do not fit: ({m}, {k}) x ({}, {n}) into {} with stride {stride}",
        b.rows,
        c.len()
    );
    // SAFETY: the assertion above keeps all three matrices inside their slices, and `c` is borrowed mutably, so that
    // it overlaps neither of the others. Strides are lengths of slices and fit isize.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            stride as isize,
            add,
            a.data.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            1.0,
            scale,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// Rows whose intermediate results stay in a core's cache.
pub(crate) const TILE: usize = 256;

/// Pieces that partial sums over rows are made of. More pieces feed more threads and cost one addition each.
const PIECES: usize = 16;

/// Rows in a piece of `rows`: a multiple of `tile`, at most [`PIECES`] pieces.
pub(crate) fn piece_of(rows: usize, tile: usize) -> usize {
    rows.div_ceil(PIECES).div_ceil(tile).max(1) * tile
}

/// `0..rows` in ranges of `step`.
pub(crate) fn ranges(rows: usize, step: usize) -> Vec<Range<usize>> {
    (0..rows.div_ceil(step)).map(|piece| piece * step..rows.min((piece + 1) * step)).collect()
}

/// Makes rows of `width` numbers, part by part and in parallel; returns them and what `make` returned, in order.
///
/// Each part is zero when `make` gets it, zeroed just before by the thread that goes on to fill it: one sweep over fresh
/// memory by one thread would take as long as a layer.
pub(crate) fn build<R: Send>(
    parts: &[Range<usize>],
    width: usize,
    make: impl Fn(usize, &mut [f32]) -> R + Sync,
) -> (Vec<f32>, Vec<R>) {
    let length = parts.last().map_or(0, |part| part.end) * width;
    let mut data: Vec<f32> = Vec::with_capacity(length);
    let mut rest = &mut data.spare_capacity_mut()[..length];
    let mut pieces = Vec::with_capacity(parts.len());
    let mut covered = 0;
    for part in parts {
        let (piece, later) = rest.split_at_mut(part.len() * width);
        covered += piece.len();
        pieces.push(piece);
        rest = later;
    }
    assert!(covered == length, "parts of {covered} numbers do not make {length}");
    let results = pieces
        .into_par_iter()
        .enumerate()
        .map(|(index, piece)| {
            for number in &mut *piece {
                number.write(0.0);
            }
            // SAFETY: every number of the piece was written in the loop above, and f32 has no drop.
            let piece = unsafe { &mut *(std::ptr::from_mut(piece) as *mut [f32]) };
            make(index, piece)
        })
        .collect();
    // SAFETY: the pieces cover the first `length` numbers (asserted), and each was written from end to end.
    unsafe { data.set_len(length) };
    (data, results)
}

/// Zeros, written by all threads.
pub(crate) fn zeros(length: usize) -> Vec<f32> {
    build(&ranges(length, 1 << 16), 1, |_, _| ()).0
}

thread_local! {
    static SCRATCH: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Lends `length` numbers of this thread's scratch memory; what is in them is left over from other work.
pub(crate) fn scratch<R>(length: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut buffer = SCRATCH.with_borrow_mut(Vec::pop).unwrap_or_default();
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    }
    let result = work(&mut buffer[..length]);
    SCRATCH.with_borrow_mut(|buffers| buffers.push(buffer));
    result
}

/// Cuts rows of `width` numbers at the ends of `ranges`, which follow each other.
pub(crate) fn split<'a>(
    mut data: &'a mut [f32],
    ranges: &[Range<usize>],
    width: usize,
) -> Vec<&'a mut [f32]> {
    let mut parts = Vec::with_capacity(ranges.len());
    for range in ranges {
        let (part, rest) = data.split_at_mut((range.len() * width).min(data.len()));
        parts.push(part);
        data = rest;
    }
    parts
}

/// The sum of equally long partial results, in their order.
pub(crate) fn sum_in_order(partials: Vec<Vec<f32>>, length: usize) -> Vec<f32> {
    let mut partials = partials.into_iter();
    let mut total = partials.next().unwrap_or_else(|| vec![0.0; length]);
    let rest: Vec<Vec<f32>> = partials.collect();
    // Each element is the same sum in the same order, whichever thread adds it.
    total.par_chunks_mut(4096).enumerate().for_each(|(chunk, total)| {
        vectorised(
            #[inline(always)]
            || {
                for partial in &rest {
                    for (sum, value) in total.iter_mut().zip(&partial[chunk * 4096..]) {
                        *sum += value;
                    }
                }
            },
        );
    });
    total
}
