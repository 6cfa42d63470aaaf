//! Matrix products of few rows, whose right-hand side is read where it lies.
//!
//! A general product rearranges its matrices before it multiplies them. For the rows of one jet that takes a sixth of the pass
//! of a transformer, since the weights are used a few times only. Here the rows of the right-hand side must be contiguous: a tile of
//! the output, some rows by some vectors, stays in registers while vectors of the right-hand side are loaded and numbers of the
//! left-hand side are spread over vectors.
//!
//! Each number of the output is one sum in the order of its terms, whatever the tile that it lies in. So a product is the same to
//! the bit however its rows and columns are cut.

use pulp::{MemMask, Simd, WithSimd};

use super::kernel::{Matrix, TILE, scratch};
use super::rows::with_vectors;

/// Rows of a tile. With four vectors a row, 24 sums and what they are made of fit into 32 registers; with two vectors a row into 16.
const ROWS: usize = 6;

/// The most terms: a tile of the right-hand side's columns must stay in the second-level cache while all rows pass.
const TERMS: usize = 1024;

/// Columns of a strip that is one line of the cache wide. Of such a strip, a processor does not fetch the next lines in time, which lie
/// far apart: it is copied before many rows pass. Wider ones are read as quickly where they lie.
const NARROW: usize = 16;

/// Rows that are worth a copy of a strip.
const MANY: usize = 24;

/// `c = a b` if it has few rows and those of `b` are contiguous; else nothing, and false.
///
/// # Safety
/// From `c` on there must be room for `a.rows` rows of `b.columns` numbers, `stride` apart, apart from `a` and `b`. `a` and `b`
/// must lie inside their slices and fit each other.
pub(super) unsafe fn product(a: Matrix<'_>, b: Matrix<'_>, c: *mut f32, stride: usize) -> bool {
    let terms = 1..=TERMS;
    if a.rows > TILE || !terms.contains(&a.columns) || a.column_stride != 1 || b.column_stride != 1 {
        return false;
    }
    scratch(a.columns * NARROW, |strip| with_vectors(Product::new(a, b, c, stride, strip)))
}

/// A product, or a part of one that begins at these numbers.
#[derive(Clone, Copy)]
struct Place {
    terms: usize,
    a: *const f32,
    a_stride: usize,
    b: *const f32,
    b_stride: usize,
    c: *mut f32,
    c_stride: usize,
}

impl Place {
    /// # Safety
    /// The product must have such a row and column, or end there.
    #[inline(always)]
    unsafe fn part(self, row: usize, column: usize) -> Self {
        // SAFETY: the caller answers for the row and the column.
        unsafe {
            Self {
                a: self.a.add(row * self.a_stride),
                b: self.b.add(column),
                c: self.c.add(row * self.c_stride + column),
                ..self
            }
        }
    }
}

struct Product<'a> {
    place: Place,
    rows: usize,
    columns: usize,
    /// Room for a narrow strip.
    strip: &'a mut [f32],
}

impl<'a> Product<'a> {
    fn new(a: Matrix<'_>, b: Matrix<'_>, c: *mut f32, stride: usize, strip: &'a mut [f32]) -> Self {
        let place = Place {
            terms: a.columns,
            a: a.data.as_ptr(),
            a_stride: a.row_stride,
            b: b.data.as_ptr(),
            b_stride: b.row_stride,
            c,
            c_stride: stride,
        };
        Self { place, rows: a.rows, columns: b.columns, strip }
    }
}

impl WithSimd for Product<'_> {
    /// Whether there are vectors; without them a general product is as good.
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> bool {
        // SAFETY: the caller of `product` answers for the matrices.
        unsafe {
            match (S::F32_LANES, S::REGISTER_COUNT) {
                (1, _) => return false,
                (_, 32) => self.strips::<S, 4>(simd),
                _ => self.strips::<S, 2>(simd),
            }
        }
        true
    }
}

impl Product<'_> {
    /// Strips of `VECTORS` vectors, which stay in the first- or second-level cache while all rows pass.
    ///
    /// # Safety
    /// The three matrices must have these rows, columns and terms.
    #[inline(always)]
    unsafe fn strips<S: Simd, const VECTORS: usize>(self, simd: S) {
        let width = VECTORS * S::F32_LANES;
        let mut column = 0;
        while column < self.columns {
            let columns = width.min(self.columns - column);
            // SAFETY: the column lies in the product.
            let mut strip = unsafe { self.place.part(0, column) };
            if columns == width && width <= NARROW && self.rows >= MANY {
                for (term, copy) in self.strip.chunks_exact_mut(width).take(strip.terms).enumerate() {
                    // SAFETY: the row has as many columns.
                    copy.copy_from_slice(unsafe {
                        std::slice::from_raw_parts(strip.b.add(term * strip.b_stride), width)
                    });
                }
                (strip.b, strip.b_stride) = (self.strip.as_ptr(), width);
            }
            let mut row = 0;
            while row < self.rows {
                // SAFETY: the row lies in the product, and so do as many rows and columns as the tiles are asked for.
                unsafe {
                    let place = strip.part(row, 0);
                    row += match self.rows - row {
                        ROWS.. => rows::<S, ROWS, VECTORS>(simd, place, columns),
                        4.. => rows::<S, 4, VECTORS>(simd, place, columns),
                        2.. => rows::<S, 2, VECTORS>(simd, place, columns),
                        _ => rows::<S, 1, VECTORS>(simd, place, columns),
                    };
                }
            }
            column += columns;
        }
    }
}

/// `ROWS` rows of `columns` columns, at most `VECTORS` vectors; returns the rows.
///
/// # Safety
/// The product must have them.
#[inline(always)]
unsafe fn rows<S: Simd, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    place: Place,
    columns: usize,
) -> usize {
    // SAFETY: the columns of each tile are among those that the caller answers for.
    unsafe {
        if columns == VECTORS * S::F32_LANES {
            whole_tile::<S, ROWS, VECTORS>(simd, place);
        } else {
            for column in (0..columns).step_by(S::F32_LANES) {
                part_of_tile::<S, ROWS>(simd, place.part(0, column), columns - column);
            }
        }
    }
    ROWS
}

/// # Safety
/// The product must have as many rows and columns.
#[inline(always)]
unsafe fn whole_tile<S: Simd, const ROWS: usize, const VECTORS: usize>(simd: S, place: Place) {
    let mut sums = [[simd.splat_f32s(0.0); VECTORS]; ROWS];
    let mut b = [simd.splat_f32s(0.0); VECTORS];
    for term in 0..place.terms {
        // Loops over ranges: what closures of arrays' own functions are given does not stay in registers.
        for (vector, b) in b.iter_mut().enumerate() {
            // SAFETY: the row has numbers for all vectors; vectors may lie at any address.
            *b = unsafe {
                place.b.add(term * place.b_stride + vector * S::F32_LANES).cast::<S::f32s>().read_unaligned()
            };
        }
        for (row, sums) in sums.iter_mut().enumerate() {
            // SAFETY: the row has as many terms.
            let a = simd.splat_f32s(unsafe { *place.a.add(row * place.a_stride + term) });
            for (sum, b) in sums.iter_mut().zip(b) {
                *sum = simd.mul_add_f32s(a, b, *sum);
            }
        }
    }
    for (row, sums) in sums.into_iter().enumerate() {
        for (vector, sum) in sums.into_iter().enumerate() {
            // SAFETY: there is room for all rows and vectors.
            unsafe {
                let c = place.c.add(row * place.c_stride + vector * S::F32_LANES);
                c.cast::<S::f32s>().write_unaligned(sum);
            }
        }
    }
}

/// One vector of columns, of which `columns` count.
///
/// # Safety
/// The product must have as many rows, and of the columns those that count.
#[inline(always)]
unsafe fn part_of_tile<S: Simd, const ROWS: usize>(simd: S, place: Place, columns: usize) {
    let columns = columns.min(S::F32_LANES) as u32;
    // Made of the bare mask: `mask_between_m32s` alone brings a function for each number of columns, and to call it would put the
    // sums into memory.
    let mask = MemMask::new(simd.mask_between_m32s(0, columns).mask());
    let mut sums = [simd.splat_f32s(0.0); ROWS];
    for term in 0..place.terms {
        // SAFETY: the mask lets nothing be read but the columns that count.
        let b = unsafe { simd.mask_load_ptr_f32s(mask, place.b.add(term * place.b_stride)) };
        for (row, sum) in sums.iter_mut().enumerate() {
            // SAFETY: the row has as many terms.
            let a = simd.splat_f32s(unsafe { *place.a.add(row * place.a_stride + term) });
            *sum = simd.mul_add_f32s(a, b, *sum);
        }
    }
    for (row, sum) in sums.into_iter().enumerate() {
        // SAFETY: the mask lets nothing be written but the columns that count.
        unsafe { simd.mask_store_ptr_f32s(mask, place.c.add(row * place.c_stride), sum) };
    }
}

#[cfg(test)]
#[allow(clippy::print_stdout, reason = "a test says what it skips")]
mod tests {
    use super::*;

    /// Runs a product with vectors of one kind.
    type Run = fn(Product<'_>) -> bool;

    /// Each kind of vectors that this processor has, by name.
    fn kinds() -> Vec<(&'static str, Run)> {
        let mut kinds: Vec<(&'static str, Run)> = vec![("widest", |product| with_vectors(product))];
        #[cfg(target_arch = "x86_64")]
        if pulp::x86::V3::try_new().is_some() {
            kinds.push(("AVX2", |product| Simd::vectorize(pulp::x86::V3::try_new().unwrap(), product)));
        }
        kinds
    }

    fn numbers(length: usize, seed: u32) -> Vec<f32> {
        (0..length as u32)
            .map(|index| ((index + seed).wrapping_mul(2_654_435_761) >> 8) as f32 / 8_388_608.0 - 1.0)
            .collect()
    }

    /// The product in rows of `stride` numbers that were 7 before.
    fn product(run: Run, a: Matrix<'_>, b: Matrix<'_>, stride: usize) -> Option<Vec<f32>> {
        assert!(a.fits() && b.fits() && a.columns == b.rows && b.columns <= stride);
        let mut c = vec![7.0; a.rows * stride];
        let mut strip = vec![f32::NAN; a.columns * NARROW];
        run(Product::new(a, b, c.as_mut_ptr(), stride, &mut strip)).then_some(c)
    }

    #[test]
    fn products_are_sums_in_the_order_of_their_terms_whatever_the_cut() {
        for (kind, run) in kinds() {
            let [a, b] = [Matrix::new(&[2.0], 1), Matrix::new(&[3.0], 1)];
            if product(run, a, b, 1).is_none() {
                println!("skipped: {kind} vectors are single numbers");
                continue;
            }
            for rows in [1, 2, 3, 7, 23, 24, 64, 255, 256] {
                for terms in [1, 3, 128] {
                    for columns in [1, 15, 63, 64, 130] {
                        check(kind, run, [rows, terms, columns]);
                    }
                }
            }
        }
    }

    fn check(kind: &str, run: Run, [rows, terms, columns]: [usize; 3]) {
        let case = format!("{kind}: {rows} rows, {terms} terms, {columns} columns");
        let (a, b) = (numbers(rows * terms, 1), numbers(terms * columns, 2));
        let whole = product(run, Matrix::new(&a, terms), Matrix::new(&b, columns), columns + 3).unwrap();
        for (row, c) in whole.chunks_exact(columns + 3).enumerate() {
            assert!(c[columns..].iter().all(|number| *number == 7.0), "{case}: written behind row {row}");
            for (column, c) in c[..columns].iter().enumerate() {
                let terms = (0..terms).map(|term| (a[row * terms + term], b[term * columns + column]));
                // The sum in the order of its terms, to the bit; and close to the right one.
                let sum = terms.clone().fold(0.0_f32, |sum, (a, b)| a.mul_add(b, sum));
                assert_eq!(c.to_bits(), sum.to_bits(), "{case}: {c} for {sum} in row {row}, column {column}");
                let right: f64 = terms.clone().map(|(a, b)| f64::from(a) * f64::from(b)).sum();
                let scale: f64 = terms.map(|(a, b)| f64::from((a * b).abs())).sum();
                assert!((f64::from(*c) - right).abs() <= 1e-6 * scale, "{case}: {c} for {right}");
            }
        }
    }

    #[test]
    fn a_part_of_the_columns_of_strided_rows_is_that_of_the_whole() {
        let (rows, terms, columns) = (70, 33, 200);
        let (a, b) = (numbers(rows * 50, 3), numbers(terms * columns, 4));
        let left = Matrix::columns(&a, 50, 9, terms);
        for (kind, run) in kinds() {
            let Some(whole) = product(run, left, Matrix::new(&b, columns), columns) else { continue };
            for part in [0..64, 64..200, 3..20, 199..200] {
                let right = Matrix::columns(&b, columns, part.start, part.len());
                let c = product(run, left, right, part.len()).unwrap();
                for (row, c) in c.chunks_exact(part.len()).enumerate() {
                    let whole = &whole[row * columns..][part.clone()];
                    assert!(c.iter().zip(whole).all(|(a, b)| a.to_bits() == b.to_bits()), "{kind}: {part:?}");
                }
            }
        }
    }
}
