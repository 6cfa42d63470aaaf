//! Matrices rounded to bf16 and laid out for tiles: two terms of a sum in each word of 32 bits.
//!
//! Rounding is to the nearest, to even at a tie, as the processor's own instruction does it; numbers below single precision's
//! normal range become zero.

use std::arch::x86_64::{
    __m256bh, __m256i, __m512bh, __m512i, _mm512_castsi512_ps, _mm512_cvtepu16_epi32, _mm512_cvtne2ps_pbh,
    _mm512_cvtneps_pbh, _mm512_maskz_loadu_ps, _mm512_or_si512, _mm512_setzero_si512, _mm512_shuffle_i32x4,
    _mm512_slli_epi32, _mm512_storeu_si512, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64,
    _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
};

use super::tiles::SIDE;
use crate::fused::kernel::Matrix;

/// The rows of `a`, each as `pairs` words; zeros for the rows that `into` has more.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) fn rows(a: Matrix<'_>, pairs: usize, into: &mut [u32]) {
    if a.column_stride == 1 {
        for (row, words) in into.chunks_exact_mut(pairs).enumerate() {
            let numbers = run(a.data, row * a.row_stride, if row < a.rows { a.columns } else { 0 });
            for (step, words) in words.as_chunks_mut::<SIDE>().0.iter_mut().enumerate() {
                store(terms(numbers, 2 * SIDE * step), words);
            }
        }
        return;
    }
    // The columns of `a` lie together: pairs of them are rows of the words' transpose. All rows for some terms come before the
    // next terms, so that memory is read along.
    for step in (0..pairs).step_by(SIDE) {
        for (group, words) in into.chunks_exact_mut(SIDE * pairs).enumerate() {
            let start = group * SIDE;
            let number = a.rows.saturating_sub(start).min(SIDE);
            let mut square = [_mm512_setzero_si512(); SIDE];
            for (index, words) in square.iter_mut().enumerate() {
                let [one, two] = pair(a.data, a.column_stride, 2 * (step + index), a.columns, start, number);
                *words = beside(one, two);
            }
            for (row, words_of_row) in transpose(square).into_iter().enumerate() {
                let (words, _) = words[row * pairs + step..].as_chunks_mut::<SIDE>();
                store(words_of_row, &mut words[0]);
            }
        }
    }
}

/// `b` in panels of 16 columns: for each pair of terms a word for each column.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) fn panels(b: Matrix<'_>, pairs: usize, into: &mut [u32]) {
    for (panel, words) in into.chunks_exact_mut(SIDE * pairs).enumerate() {
        let start = panel * SIDE;
        let number = b.columns.saturating_sub(start).min(SIDE);
        let (words, _) = words.as_chunks_mut::<SIDE>();
        if b.column_stride == 1 {
            for (index, words) in words.iter_mut().enumerate() {
                let [one, two] = pair(b.data, b.row_stride, 2 * index, b.rows, start, number);
                store(beside(one, two), words);
            }
            continue;
        }
        for step in (0..pairs).step_by(SIDE) {
            let mut square = [_mm512_setzero_si512(); SIDE];
            for (column, words) in square.iter_mut().enumerate().take(number) {
                *words = terms(run(b.data, (start + column) * b.column_stride, b.rows), 2 * step);
            }
            for (row, words) in transpose(square).into_iter().zip(&mut words[step..]) {
                store(row, words);
            }
        }
    }
}

/// `number` numbers from `place` on, which is anywhere if they are none.
#[inline(always)]
fn run(data: &[f32], place: usize, number: usize) -> &[f32] {
    if number == 0 { &[] } else { &data[place..place + number] }
}

/// Up to 16 numbers from `start` on, and zeros.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn load(numbers: &[f32], start: usize) -> std::arch::x86_64::__m512 {
    let Some(numbers) = numbers.get(start..) else { return _mm512_castsi512_ps(_mm512_setzero_si512()) };
    let mask = if numbers.len() >= SIDE { u16::MAX } else { (1 << numbers.len()) - 1 };
    // SAFETY: no more numbers are read than there are.
    unsafe { _mm512_maskz_loadu_ps(mask, numbers.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn store(words: __m512i, into: &mut [u32; SIDE]) {
    // SAFETY: there is room for 16 words.
    unsafe { _mm512_storeu_si512(into.as_mut_ptr().cast(), words) };
}

/// 32 numbers from `start` on, two in a word.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn terms(numbers: &[f32], start: usize) -> __m512i {
    let (low, high) = (load(numbers, start), load(numbers, start + SIDE));
    // SAFETY: both are 512 bits.
    unsafe { std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low)) }
}

/// `number` numbers from `start` on of the rows `term` and `term + 1`, as far as there are `terms` of them.
#[inline(always)]
fn pair(data: &[f32], stride: usize, term: usize, terms: usize, start: usize, number: usize) -> [&[f32]; 2] {
    let count = |term: usize| if term < terms { number } else { 0 };
    [run(data, term * stride + start, count(term)), run(data, (term + 1) * stride + start, count(term + 1))]
}

/// Two rows of up to 16 numbers, number beside number.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn beside(first: &[f32], second: &[f32]) -> __m512i {
    let (first, second) = (_mm512_cvtneps_pbh(load(first, 0)), _mm512_cvtneps_pbh(load(second, 0)));
    // SAFETY: both are 256 bits.
    let (first, second): (__m256i, __m256i) = unsafe {
        (std::mem::transmute::<__m256bh, __m256i>(first), std::mem::transmute::<__m256bh, __m256i>(second))
    };
    _mm512_or_si512(_mm512_cvtepu16_epi32(first), _mm512_slli_epi32(_mm512_cvtepu16_epi32(second), 16))
}

/// A square of words turned over: first within blocks of four by four words, then the blocks.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn transpose(rows: [__m512i; SIDE]) -> [__m512i; SIDE] {
    let mut twos = rows;
    for row in (0..SIDE).step_by(2) {
        twos[row] = _mm512_unpacklo_epi32(rows[row], rows[row + 1]);
        twos[row + 1] = _mm512_unpackhi_epi32(rows[row], rows[row + 1]);
    }
    // Word `4 lane + column` of four rows in each lane of `fours[row + column]`.
    let mut fours = twos;
    for row in (0..SIDE).step_by(4) {
        fours[row] = _mm512_unpacklo_epi64(twos[row], twos[row + 2]);
        fours[row + 1] = _mm512_unpackhi_epi64(twos[row], twos[row + 2]);
        fours[row + 2] = _mm512_unpacklo_epi64(twos[row + 1], twos[row + 3]);
        fours[row + 3] = _mm512_unpackhi_epi64(twos[row + 1], twos[row + 3]);
    }
    const EVEN: i32 = 0x88;
    const ODD: i32 = 0xdd;
    let mut columns = fours;
    for column in 0..4 {
        let (a, b) = (fours[column], fours[4 + column]);
        let (c, d) = (fours[8 + column], fours[12 + column]);
        let (even, even_below) = (_mm512_shuffle_i32x4(a, b, EVEN), _mm512_shuffle_i32x4(c, d, EVEN));
        let (odd, odd_below) = (_mm512_shuffle_i32x4(a, b, ODD), _mm512_shuffle_i32x4(c, d, ODD));
        columns[column] = _mm512_shuffle_i32x4(even, even_below, EVEN);
        columns[4 + column] = _mm512_shuffle_i32x4(odd, odd_below, EVEN);
        columns[8 + column] = _mm512_shuffle_i32x4(even, even_below, ODD);
        columns[12 + column] = _mm512_shuffle_i32x4(odd, odd_below, ODD);
    }
    columns
}
