//! Matrix products of numbers rounded to bf16, by the tiles of Intel's AMX: sums are in single precision.
//!
//! A tile of 16 x 32 numbers times one of 32 x 16 is one instruction of 16 cycles, 32 operations for each of the two that
//! single-precision vectors make. Rounding the matrices and laying them out costs as much as the products themselves, and
//! both together a few times less than single precision.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod pack;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod tiles;

use super::kernel::Matrix;

/// The smallest products by tiles; rows, columns and terms. Others are mostly padding.
const LEAST: [usize; 3] = [16, 8, 24];

/// Whether the processor has the tiles and the system lets this process use them.
pub(crate) fn available() -> bool {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    {
        static AVAILABLE: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
        *AVAILABLE.get_or_init(tiles::permitted)
    }
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    false
}

/// `c = scale * a b`, or `c += scale * a b` with `add`, if tiles are there and pay; else nothing, and false.
///
/// # Safety
/// From `c` on there must be room for `a.rows` rows of `b.columns` numbers, `stride` apart, apart from `a` and `b`, and
/// with `add` there must be numbers. `a` and `b` must lie inside their slices and fit each other.
pub(super) unsafe fn product(
    a: Matrix<'_>,
    b: Matrix<'_>,
    c: *mut f32,
    stride: usize,
    add: bool,
    scale: f32,
) -> bool {
    let large = a.rows >= LEAST[0] && b.columns >= LEAST[1] && a.columns >= LEAST[2];
    let contiguous = |matrix: &Matrix<'_>| matrix.column_stride == 1 || matrix.row_stride == 1;
    if !large || !contiguous(&a) || !contiguous(&b) || !available() {
        return false;
    }
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    // SAFETY: tiles are available; the caller answers for the rest.
    unsafe {
        tiles::product(a, b, &tiles::Target { c, stride, add, scale });
    }
    true
}

#[cfg(test)]
#[allow(clippy::print_stdout, reason = "a test says what it skips")]
mod tests {
    use super::*;

    fn numbers(length: usize, seed: u32) -> Vec<f32> {
        (0..length as u32)
            .map(|index| ((index + seed).wrapping_mul(2_654_435_761) >> 8) as f32 / 8_388_608.0 - 1.0)
            .collect()
    }

    fn rounded(x: f32) -> f32 {
        let bits = x.to_bits();
        f32::from_bits((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000)
    }

    /// Each layout, edges of all kinds, with and without a sum before, against sums of rounded numbers in double precision.
    #[test]
    fn products_are_those_of_the_rounded_numbers() {
        if !available() {
            println!("skipped: this processor has no tiles");
            return;
        }
        for (m, n, k) in
            [(16, 8, 24), (32, 32, 32), (33, 31, 40), (100, 47, 65), (256, 128, 128), (17, 200, 33)]
        {
            for (a_turned, b_turned, add, scale) in [
                (false, false, false, 1.0),
                (true, false, false, 1.0),
                (false, true, true, 1.0),
                (true, true, true, 0.5),
            ] {
                let (x, y) = (numbers(m * k, 1), numbers(k * n, 7));
                let a = if a_turned { Matrix::new(&x, m).t() } else { Matrix::new(&x, k) };
                let b = if b_turned { Matrix::new(&y, k).t() } else { Matrix::new(&y, n) };
                let stride = n + 3;
                let before = numbers(m * stride, 3);
                let mut c = before.clone();
                // SAFETY: `c` has `m` rows that are `stride` apart.
                assert!(unsafe { product(a, b, c.as_mut_ptr(), stride, add, scale) });
                for row in 0..m {
                    for column in 0..stride {
                        let place = row * stride + column;
                        if column >= n {
                            assert_eq!(c[place], before[place], "behind a row");
                            continue;
                        }
                        let sum: f64 = (0..k)
                            .map(|term| {
                                let x = if a_turned { x[term * m + row] } else { x[row * k + term] };
                                let y = if b_turned { y[column * k + term] } else { y[term * n + column] };
                                f64::from(rounded(x)) * f64::from(rounded(y))
                            })
                            .sum();
                        let start = if add { f64::from(before[place]) } else { 0.0 };
                        let expected = start + f64::from(scale) * sum;
                        let found = f64::from(c[place]);
                        assert!((found - expected).abs() < 1e-4, "{m} {n} {k}: {found} for {expected}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_not_finite_stays_so() {
        if !available() {
            return;
        }
        for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -f32::NAN] {
            let mut x = numbers(16 * 32, 1);
            x[5 * 32 + 3] = wrong;
            let y = numbers(32 * 16, 2);
            let mut c = vec![0.0; 16 * 16];
            // SAFETY: `c` has the size of the product.
            unsafe { product(Matrix::new(&x, 32), Matrix::new(&y, 16), c.as_mut_ptr(), 16, false, 1.0) };
            assert!(c[5 * 16..6 * 16].iter().all(|value| !value.is_finite()), "{wrong}");
            assert!(c[..5 * 16].iter().all(|value| value.is_finite()));
        }
    }
}
