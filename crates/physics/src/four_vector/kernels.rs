//! Quantities of many vectors at once, with vector instructions.
//!
//! Each kernel is right where squares neither overflow nor vanish, and gives NaN elsewhere; [`fill`] then computes those few by
//! the functions of one vector, in double precision. What is undefined, NaN there too, is computed twice.

use std::f64::consts::{PI, TAU};

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::elementary::{Number, hyperbolic, sine_cosine};

/// How many values one piece of parallel work holds.
pub(super) const PIECE: usize = 1 << 15;

/// How many values are computed before one looks whether any is NaN.
const BLOCK: usize = 64;

/// How far ahead of what is computed memory is asked for.
const AHEAD: usize = 256;

/// Bytes that memory hands out at a time.
const LINE: usize = 64;

/// Fills `out` with `fast` of the columns at the same place, and with `exact` of the place where that gives NaN. All columns are
/// at least as long as those of `out`, which all have one length.
pub(super) fn fill<T: Number, const N: usize, const M: usize>(
    columns: [&[T]; N],
    out: [&mut [T]; M],
    fast: impl Fn([T; N]) -> [T; M] + Sync,
    exact: impl Fn(usize) -> [T; M] + Sync,
) {
    let length = out.first().map_or(0, |column| column.len());
    let mut parts = out.map(|column| column.chunks_mut(PIECE));
    let pieces: Vec<[&mut [T]; M]> = (0..length.div_ceil(PIECE))
        .map(|_| parts.each_mut().map(|parts| parts.next().unwrap_or_default()))
        .collect();
    pieces.into_par_iter().enumerate().for_each(|(number, out)| {
        let start = number * PIECE;
        Arch::new().dispatch(Fill { columns, start, out, fast: &fast, exact: &exact });
    });
}

/// One piece, compiled for the widest vectors of this processor.
struct Fill<'a, T, F, E, const N: usize, const M: usize> {
    columns: [&'a [T]; N],
    start: usize,
    out: [&'a mut [T]; M],
    fast: &'a F,
    exact: &'a E,
}

impl<T: Number, F, E, const N: usize, const M: usize> WithSimd for Fill<'_, T, F, E, N, M>
where
    F: Fn([T; N]) -> [T; M],
    E: Fn(usize) -> [T; M],
{
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Fill { columns, start, mut out, fast, exact } = self;
        let length = out.first().map_or(0, |column| column.len());
        // A copy, which nothing else points to: else the compiler does not use vectors.
        let mut found = [[T::ZERO; BLOCK]; M];
        let mut last = [[T::ZERO; BLOCK]; N];
        for from in (0..length).step_by(BLOCK) {
            let count = BLOCK.min(length - from);
            // Where less than a block is left, it is copied into one.
            for (last, column) in last.iter_mut().zip(columns) {
                if column.len() - start - from < BLOCK {
                    last[..count].copy_from_slice(&column[start + from..][..count]);
                }
            }
            let given = std::array::from_fn(|k| columns[k][start + from..].first_chunk().unwrap_or(&last[k]));
            for column in columns {
                fetch::<T, false>(column, start + from + AHEAD);
            }
            for out in &out {
                fetch::<T, true>(out, from + AHEAD);
            }
            let any = block(&given, &mut found, fast);
            if any {
                repair(&mut found, count, |i| exact(start + from + i));
            }
            for (out, found) in out.iter_mut().zip(&found) {
                out[from..][..count].copy_from_slice(&found[..count]);
            }
        }
    }
}

/// Asks for the memory of values that are needed soon: a processor asks for more by itself only up to the end of a page, and computes
/// nothing while it waits.
#[inline(always)]
fn fetch<T, const WRITE: bool>(column: &[T], from: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(values) = column.get(from..from + BLOCK) {
        use std::arch::x86_64::{_MM_HINT_ET0, _MM_HINT_T0, _mm_prefetch};
        for line in values.chunks(LINE / size_of::<T>()) {
            let start = line.as_ptr().cast::<i8>();
            // SAFETY: the instruction reads and writes nothing that a program could see, whatever the address.
            unsafe {
                if WRITE { _mm_prefetch::<_MM_HINT_ET0>(start) } else { _mm_prefetch::<_MM_HINT_T0>(start) }
            }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (column, from);
}

/// Computes one block, and says whether anything is NaN.
#[inline(always)]
fn block<T: Number, const N: usize, const M: usize>(
    given: &[&[T; BLOCK]; N],
    found: &mut [[T; BLOCK]; M],
    fast: &impl Fn([T; N]) -> [T; M],
) -> bool {
    for i in 0..BLOCK {
        let mut row = [T::ZERO; N];
        for k in 0..N {
            row[k] = given[k][i];
        }
        let row = fast(row);
        for k in 0..M {
            found[k][i] = row[k];
        }
    }
    let mut any = false;
    for column in found {
        for value in column {
            any |= is_nan(*value);
        }
    }
    any
}

#[inline(always)]
#[allow(clippy::eq_op)]
fn is_nan<T: Number>(value: T) -> bool {
    value != value
}

#[cold]
#[inline(never)]
fn repair<T: Number, const M: usize>(
    values: &mut [[T; BLOCK]; M],
    count: usize,
    exact: impl Fn(usize) -> [T; M],
) {
    for i in 0..count {
        if values.iter().any(|column| is_nan(column[i])) {
            for (column, value) in values.iter_mut().zip(exact(i)) {
                column[i] = value;
            }
        }
    }
}

/// The root of a sum of squares; NaN where it may have lost digits. `zero` says that all squared are 0.
#[inline(always)]
fn root<T: Number>(squares: T, zero: bool) -> T {
    let right = (squares > T::SMALL) & (squares < T::LARGE) | zero;
    if right { squares.root() } else { T::NAN }
}

#[inline(always)]
pub(super) fn pt<T: Number>([px, py]: [T; 2]) -> T {
    root(px * px + py * py, px.magnitude() + py.magnitude() == T::ZERO)
}

#[inline(always)]
pub(super) fn p<T: Number>([px, py, pz]: [T; 3]) -> T {
    let zero = px.magnitude() + py.magnitude() + pz.magnitude() == T::ZERO;
    root(px * px + py * py + pz * pz, zero)
}

#[inline(always)]
pub(super) fn et<T: Number>([px, py, pz, e]: [T; 4]) -> T {
    let transverse = px * px + py * py;
    let all = transverse + pz * pz;
    // The root of a quotient: one root instead of two.
    let square = transverse / all;
    let right = (transverse > T::SMALL) & (all < T::LARGE) & (square > T::SMALL);
    let zero = (px.magnitude() + py.magnitude() == T::ZERO) & (all < T::LARGE);
    if right {
        e * square.root()
    } else if zero {
        e * T::ZERO
    } else {
        T::NAN
    }
}

#[inline(always)]
pub(super) fn mt<T: Number>([pz, e]: [T; 2]) -> T {
    let (minus, plus) = (e - pz, e + pz);
    let square = minus * plus;
    let zero = (minus == T::ZERO) | (plus == T::ZERO);
    // Adding 0 makes -0 into 0.
    root(square.magnitude(), zero).signed(square + T::ZERO)
}

#[inline(always)]
pub(super) fn phi<T: Number>([px, py]: [T; 2]) -> T {
    T::angle(py, px)
}

/// `log((p + |pz|)² / pt²) / 2`, with `(p + |pz|)² - pt² = 2 |pz| (|pz| + p)`: one root and one quotient, nothing cancels.
#[inline(always)]
pub(super) fn eta<T: Number>([px, py, pz]: [T; 3]) -> T {
    let transverse = px * px + py * py;
    let along = pz.magnitude();
    let p = (transverse + along * along).root();
    let rest = along * (along + p);
    ratio(rest + rest, transverse, pz)
}

/// `log((e + |pz|) / (e - |pz|)) / 2`.
#[inline(always)]
pub(super) fn rapidity<T: Number>([pz, e]: [T; 2]) -> T {
    let along = pz.magnitude();
    ratio(along + along, e - along, pz)
}

/// `log(1 + n / d) / 2` with the sign of `along`, and 0 where that is 0.
#[inline(always)]
fn ratio<T: Number>(n: T, d: T, along: T) -> T {
    let across = (along == T::ZERO) & (d >= T::ZERO) & (d < T::LARGE);
    if across { T::ZERO } else { T::half_log(n, d).signed(along) }
}

/// Difference of two azimuthal angles in (-pi, pi]; of not more than three half turns.
#[inline(always)]
pub(super) fn delta_phi(a: f64, b: f64) -> f64 {
    let difference = a - b;
    let turned = if difference > PI { difference - TAU } else { difference };
    let turned = if difference <= -PI { difference + TAU } else { turned };
    if difference.abs() < 3.0 * PI { turned } else { f64::NAN }
}

/// `sqrt(delta_eta² + delta_phi²)`, with differences and squares in double precision.
#[inline(always)]
pub(super) fn delta_r<T: Number>([eta1, phi1, eta2, phi2]: [f64; 4], narrow: impl Fn(f64) -> T) -> T {
    let (along, around) = (eta1 - eta2, delta_phi(phi1, phi2));
    let squares = along * along + around * around;
    root(narrow(squares), squares == 0.0)
}

/// Components from transverse momentum, pseudorapidity, azimuth and mass.
#[inline(always)]
pub(super) fn from_pt_eta_phi_m([pt, eta, phi, m]: [f64; 4]) -> [f64; 4] {
    let ((sine, cosine), (along, _)) = (sine_cosine(phi), hyperbolic(eta));
    let pz = pt * along;
    let squared = m * m.abs() + (pt * pt + pz * pz);
    [pt * cosine, pt * sine, pz, if squared < 0.0 { 0.0 } else { squared.sqrt() }]
}

/// Components from transverse momentum, rapidity, azimuth and mass.
#[inline(always)]
pub(super) fn from_pt_y_phi_m([pt, y, phi, m]: [f64; 4]) -> [f64; 4] {
    let ((sine, cosine), (along, energy)) = (sine_cosine(phi), hyperbolic(y));
    let squared = m * m.abs() + pt * pt;
    let mt = if squared < 0.0 { 0.0 } else { squared.sqrt() };
    [pt * cosine, pt * sine, mt * along, mt * energy]
}
