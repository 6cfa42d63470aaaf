//! Matrix products, vector instructions and the splitting of work.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Range;

use rayon::prelude::*;

use super::{brain_float, direct};
use crate::Precision;

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
    pub(super) data: &'a [f32],
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) row_stride: usize,
    pub(super) column_stride: usize,
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

    pub(super) fn fits(&self) -> bool {
        let empty = self.rows == 0 || self.columns == 0;
        empty || (self.rows - 1) * self.row_stride + (self.columns - 1) * self.column_stride < self.data.len()
    }
}

thread_local! {
    static PRECISION: Cell<Precision> = const { Cell::new(Precision::Single) };
}

/// The precision of the products that this thread is making.
pub(crate) fn precision() -> Precision {
    PRECISION.get()
}

/// Does `work`, and what it shares among threads, with products in `precision`.
pub(crate) fn with_precision<R>(precision: Precision, work: impl FnOnce() -> R) -> R {
    let before = PRECISION.replace(precision);
    let result = work();
    PRECISION.set(before);
    result
}

/// `c = scale * a b`, or `c += scale * a b` with `add`; on the calling thread alone.
///
/// Rows of `c` lie `stride` apart.
pub(crate) fn multiply(a: Matrix<'_>, b: Matrix<'_>, c: &mut [f32], stride: usize, add: bool, scale: f32) {
    let (m, n) = (a.rows, b.columns);
    if m == 0 || n == 0 {
        return;
    }
    assert!(
        n <= stride && (m - 1) * stride + n <= c.len(),
        "({m}, {n}) numbers do not fit into {} with stride {stride}",
        c.len()
    );
    // SAFETY: the assertion above keeps the product inside of `c`, which is borrowed mutably, so that it overlaps
    // neither of the others.
    unsafe { product(a, b, c.as_mut_ptr(), stride, add, scale) };
}

/// [`multiply`] into memory that is read only with `add`.
///
/// # Safety
/// From `c` on there must be room for `a.rows` rows of `b.columns` numbers, `stride` apart, apart from `a` and `b`, and
/// with `add` there must be numbers.
unsafe fn product(a: Matrix<'_>, b: Matrix<'_>, c: *mut f32, stride: usize, add: bool, scale: f32) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    assert!(a.fits() && b.fits() && b.rows == k, "matrices do not fit: ({m}, {k}) x ({}, {n})", b.rows);
    // SAFETY: the assertion above keeps both matrices inside their slices; the caller answers for `c`.
    if precision() == Precision::BFloat16 && unsafe { brain_float::product(a, b, c, stride, add, scale) } {
        return;
    }
    // SAFETY: as above.
    if !add && scale == 1.0 && unsafe { direct::product(a, b, c, stride) } {
        return;
    }
    // SAFETY: the assertion above keeps both matrices inside their slices; the caller answers for `c`. Strides are lengths
    // of slices and fit isize.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c,
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
/// memory by one thread would take as long as a layer. What writes every number anyway is better made by [`fill`].
pub(crate) fn build<R: Send>(
    parts: &[Range<usize>],
    width: usize,
    make: impl Fn(usize, &mut [f32]) -> R + Sync,
) -> (Vec<f32>, Vec<R>) {
    fill(parts, width, |index, room| {
        let part = room.zeros();
        let result = make(index, part);
        (part, result)
    })
}

/// Makes rows of `width` numbers, part by part and in parallel, in memory that was not zeroed before: a tenth of a
/// transformer's training step went into zeros that were overwritten at once.
///
/// `make` returns its part once it is written, as [`Room`] hands it out.
pub(crate) fn fill<R: Send>(
    parts: &[Range<usize>],
    width: usize,
    make: impl for<'a> Fn(usize, Room<'a>) -> (&'a mut [f32], R) + Sync,
) -> (Vec<f32>, Vec<R>) {
    let ([data], results) = fill_several([parts], [width], |index, [room]| {
        let (part, result) = make(index, room);
        ([part], result)
    });
    (data, results)
}

/// [`fill`] for several arrays, each with parts of its own, as many as the others.
pub(crate) fn fill_several<const N: usize, R: Send>(
    parts: [&[Range<usize>]; N],
    widths: [usize; N],
    make: impl for<'a> Fn(usize, [Room<'a>; N]) -> ([&'a mut [f32]; N], R) + Sync,
) -> ([Vec<f32>; N], Vec<R>) {
    let lengths: [usize; N] =
        std::array::from_fn(|array| parts[array].last().map_or(0, |part| part.end) * widths[array]);
    let mut data = lengths.map(Vec::<f32>::with_capacity);
    let number = parts.first().map_or(0, |parts| parts.len());
    let mut pieces: Vec<Vec<&mut [MaybeUninit<f32>]>> = (0..number).map(|_| Vec::with_capacity(N)).collect();
    for (array, data) in data.iter_mut().enumerate() {
        assert!(parts[array].len() == number, "{} parts beside {number}", parts[array].len());
        let mut rest = &mut data.spare_capacity_mut()[..lengths[array]];
        for (pieces, part) in pieces.iter_mut().zip(parts[array]) {
            let (piece, later) = rest.split_at_mut(part.len() * widths[array]);
            pieces.push(piece);
            rest = later;
        }
        assert!(rest.is_empty(), "parts leave {} of {} numbers out", rest.len(), lengths[array]);
    }
    let precision = precision();
    let results = pieces
        .into_par_iter()
        .enumerate()
        .map(|(index, pieces)| {
            let places: Vec<_> =
                pieces.iter().map(|piece| (piece.as_ptr().cast::<f32>(), piece.len())).collect();
            let mut rooms = pieces.into_iter().map(Room);
            let rooms = std::array::from_fn(|_| rooms.next().unwrap_or(Room(&mut [])));
            let (written, result) = with_precision(precision, || make(index, rooms));
            let whole =
                written.iter().zip(&places).all(|(part, place)| (part.as_ptr(), part.len()) == *place);
            assert!(whole, "a part was not written from end to end");
            result
        })
        .collect();
    for (data, length) in data.iter_mut().zip(lengths) {
        // SAFETY: the pieces cover the first `length` numbers (asserted), and of each piece a slice of numbers came back
        // that begins and ends with it (asserted), which `Room` gives for what was written alone.
        unsafe { data.set_len(length) };
    }
    (data, results)
}

/// Room for numbers that nobody has written yet. Each way to write it gives it back as numbers.
pub(crate) struct Room<'a>(&'a mut [MaybeUninit<f32>]);

impl<'a> Room<'a> {
    /// The room of numbers that are not needed any more.
    pub(crate) fn of(numbers: &'a mut [f32]) -> Self {
        // SAFETY: what is there is written, and `Room` writes nothing but numbers.
        Self(unsafe { &mut *(std::ptr::from_mut(numbers) as *mut [MaybeUninit<f32>]) })
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn zeros(self) -> &'a mut [f32] {
        for number in &mut *self.0 {
            number.write(0.0);
        }
        // SAFETY: every number was written in the loop above.
        unsafe { self.written() }
    }

    pub(crate) fn copy(self, numbers: &[f32]) -> &'a mut [f32] {
        self.0.write_copy_of_slice(numbers)
    }

    /// The numbers of an iterator, which must have as many.
    #[inline(always)]
    pub(crate) fn collect(self, numbers: impl Iterator<Item = f32>) -> &'a mut [f32] {
        let mut count = 0;
        for (place, number) in self.0.iter_mut().zip(numbers) {
            place.write(number);
            count += 1;
        }
        assert!(count == self.0.len(), "{count} numbers for {} places", self.0.len());
        // SAFETY: the loop wrote as many places as there are, from the first on (asserted).
        unsafe { self.written() }
    }

    /// `scale * a b`, which must have as many numbers; on the calling thread alone.
    pub(crate) fn product(self, a: Matrix<'_>, b: Matrix<'_>, scale: f32) -> &'a mut [f32] {
        let (rows, columns) = (a.rows, b.columns);
        if rows * columns == 0 || a.columns == 0 {
            return self.zeros();
        }
        assert!(rows * columns == self.0.len(), "({rows}, {columns}) numbers for {} places", self.0.len());
        // SAFETY: the places are there for all rows of a product without gaps (asserted), and it is not read.
        unsafe { product(a, b, self.0.as_mut_ptr().cast(), columns, false, scale) };
        // SAFETY: the product wrote every number.
        unsafe { self.written() }
    }

    /// Tile by tile of `length` numbers, the last one shorter; `make` returns each tile once it is written.
    #[inline(always)]
    pub(crate) fn tiles(
        self,
        length: usize,
        mut make: impl for<'b> FnMut(usize, Room<'b>) -> &'b mut [f32],
    ) -> &'a mut [f32] {
        for (index, tile) in self.0.chunks_mut(length.max(1)).enumerate() {
            let place = (tile.as_ptr().cast::<f32>(), tile.len());
            let written = make(index, Room(tile));
            assert!((written.as_ptr(), written.len()) == place, "a tile was not written from end to end");
        }
        // SAFETY: the tiles cover all, and each was written (asserted).
        unsafe { self.written() }
    }

    /// # Safety
    /// Every number must have been written.
    unsafe fn written(self) -> &'a mut [f32] {
        // SAFETY: the caller wrote all numbers.
        unsafe { self.0.assume_init_mut() }
    }
}

/// Makes rows of `width` numbers in parts of columns, in parallel: what a batch with few rows is cut into.
///
/// Columns `columns[part]` of all rows are what `make` writes and hands back; the parts follow each other.
pub(crate) fn fill_columns(
    rows: usize,
    width: usize,
    columns: &[Range<usize>],
    make: impl for<'a> Fn(usize, Columns<'a>) -> Written<'a> + Sync,
) -> Vec<f32> {
    let mut next = 0;
    for part in columns {
        assert!(part.start == next && part.end >= next, "columns {part:?} do not follow {next}");
        next = part.end;
    }
    assert!(next == width, "columns end at {next} of {width}");
    let mut data = Vec::<f32>::with_capacity(rows * width);
    let start = Shared(data.spare_capacity_mut().as_mut_ptr().cast::<f32>());
    let precision = precision();
    columns.par_iter().enumerate().for_each(|(index, part)| {
        // SAFETY: the part ends within the rows (asserted above).
        let first = unsafe { start.get().add(part.start) };
        let room = Columns { first, rows, columns: part.len(), stride: width, memory: PhantomData };
        let written = with_precision(precision, || make(index, room));
        assert!(written.0.first == first, "a part of the columns was not written");
    });
    // SAFETY: the parts cover all columns (asserted), and each was written (a `Written` of the same place came back).
    unsafe { data.set_len(rows * width) };
    data
}

/// The start of memory of which each thread writes a part of its own.
struct Shared(*mut f32);

// SAFETY: `fill_columns` hands each thread columns that no other gets.
unsafe impl Sync for Shared {}

impl Shared {
    fn get(&self) -> *mut f32 {
        self.0
    }
}

/// Room for some columns of all rows, apart from all other columns.
pub(crate) struct Columns<'a> {
    first: *mut f32,
    rows: usize,
    columns: usize,
    stride: usize,
    memory: PhantomData<&'a mut f32>,
}

/// Columns that have been written.
pub(crate) struct Written<'a>(Columns<'a>);

impl<'a> Columns<'a> {
    /// `scale * a b`, of as many rows and columns; on the calling thread alone.
    pub(crate) fn product(self, a: Matrix<'_>, b: Matrix<'_>, scale: f32) -> Written<'a> {
        let (rows, columns) = (self.rows, self.columns);
        assert!((a.rows, b.columns) == (rows, columns), "({}, {}) numbers", a.rows, b.columns);
        assert!(a.columns > 0, "a product over nothing");
        // SAFETY: `fill_columns` made room for these rows and columns, which nobody else has; it is not read.
        unsafe { product(a, b, self.first, self.stride, false, scale) };
        Written(self)
    }
}

impl Written<'_> {
    /// Each row of the columns, one after the other.
    #[inline(always)]
    pub(crate) fn each_row(&mut self, mut change: impl FnMut(&mut [f32])) {
        for row in 0..self.0.rows {
            // SAFETY: the numbers of this row were written, nobody else has these columns, and the borrow ends with the call.
            change(unsafe {
                std::slice::from_raw_parts_mut(self.0.first.add(row * self.0.stride), self.0.columns)
            });
        }
    }
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
