//! The kinds of columns, and how the bytes of their pages become numbers.

use super::schema::ColumnRecord;
use crate::prim::{Prim, vectorised};

/// What the elements of a column are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Stored {
    Bit,
    Number(Prim),
    /// A character: a byte of a text, or a `char`, which has a sign.
    Char,
    /// A real number of 16 bits.
    Half,
    /// The ends of lists, counted from the start of the cluster, in 32 or 64 bits.
    Index {
        wide: bool,
    },
    /// Which type a variant holds, and where.
    Switch,
    /// The upper bits of a real number of 32 bits.
    Truncated,
    /// A real number as a whole one: steps of `step` from `low`.
    Quantised {
        low: f64,
        step: f64,
    },
}

/// A column's type: what its elements are and how its pages are written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ColumnKind {
    pub(crate) stored: Stored,
    /// The first bytes of all elements come first, then the second ones, and so on.
    split: bool,
    bits: u32,
}

impl ColumnKind {
    /// # Errors
    /// A reason, where the type is not one of the format's, or its bits are not what the type has.
    pub(crate) fn of(column: &ColumnRecord) -> Result<Self, String> {
        let plain = |stored, bits| (stored, false, bits, bits);
        let split = |stored, bits| (stored, true, bits, bits);
        let (stored, split, least, most) = match column.kind {
            0x00 => plain(Stored::Bit, 1),
            0x01 | 0x04 => plain(Stored::Number(Prim::U8), 8),
            0x02 => plain(Stored::Char, 8),
            0x03 => plain(Stored::Number(Prim::I8), 8),
            0x05 => plain(Stored::Number(Prim::I16), 16),
            0x06 => plain(Stored::Number(Prim::U16), 16),
            0x07 => plain(Stored::Number(Prim::I32), 32),
            0x08 => plain(Stored::Number(Prim::U32), 32),
            0x09 => plain(Stored::Number(Prim::I64), 64),
            0x0A => plain(Stored::Number(Prim::U64), 64),
            0x0B => plain(Stored::Half, 16),
            0x0C => plain(Stored::Number(Prim::F32), 32),
            0x0D => plain(Stored::Number(Prim::F64), 64),
            0x0E => plain(Stored::Index { wide: false }, 32),
            0x0F => plain(Stored::Index { wide: true }, 64),
            0x10 => plain(Stored::Switch, 96),
            0x11 => split(Stored::Number(Prim::I16), 16),
            0x12 => split(Stored::Number(Prim::U16), 16),
            0x13 => split(Stored::Number(Prim::I32), 32),
            0x14 => split(Stored::Number(Prim::U32), 32),
            0x15 => split(Stored::Number(Prim::I64), 64),
            0x16 => split(Stored::Number(Prim::U64), 64),
            0x17 => split(Stored::Half, 16),
            0x18 => split(Stored::Number(Prim::F32), 32),
            0x19 => split(Stored::Number(Prim::F64), 64),
            0x1A => split(Stored::Index { wide: false }, 32),
            0x1B => split(Stored::Index { wide: true }, 64),
            0x1C => (Stored::Truncated, false, 10, 31),
            0x1D => (quantised(column)?, false, 1, 32),
            kind => return Err(format!("column type {kind:#04x} is not known")),
        };
        if !(least..=most).contains(&column.bits) {
            return Err(format!("column type {:#04x} has {} bits", column.kind, column.bits));
        }
        Ok(Self { stored, split, bits: u32::from(column.bits) })
    }

    /// Bytes that `elements` take when decompressed.
    pub(crate) fn page_len(&self, elements: u32) -> u64 {
        (u64::from(elements) * u64::from(self.bits)).div_ceil(8)
    }

    /// Whether a page's bytes are the wanted numbers as they stand.
    pub(crate) fn is_native(&self, target: Target) -> bool {
        !self.split
            && match (self.stored, target) {
                (Stored::Number(stored), Target::Number(wanted)) => stored == wanted,
                (Stored::Char, Target::Number(wanted)) => matches!(wanted, Prim::I8 | Prim::U8),
                (Stored::Index { wide }, Target::Index) => wide,
                (Stored::Switch, Target::Switch) => true,
                _ => false,
            }
    }

    /// Why the elements cannot be read as `target`, if they cannot.
    pub(crate) fn refuses(&self, target: Target) -> Option<String> {
        let fits = match (self.stored, target) {
            (Stored::Bit | Stored::Char, Target::Number(to)) => !is_real(to),
            (Stored::Number(from), Target::Number(to)) => is_real(from) == is_real(to),
            (Stored::Half | Stored::Truncated | Stored::Quantised { .. }, Target::Number(to)) => is_real(to),
            (Stored::Index { .. }, Target::Index) | (Stored::Switch, Target::Switch) => true,
            _ => false,
        };
        (!fits).then(|| format!("a column of {:?} cannot be read as {target:?}", self.stored))
    }
}

fn quantised(column: &ColumnRecord) -> Result<Stored, String> {
    let Some((low, high)) = column.range else {
        return Err("a quantised column needs a range of values".into());
    };
    if !(1..=32).contains(&column.bits) {
        return Err(format!("a quantised column has {} bits", column.bits));
    }
    let steps = (1u64 << column.bits) - 1;
    Ok(Stored::Quantised { low, step: (high - low) / steps as f64 })
}

fn is_real(prim: Prim) -> bool {
    matches!(prim, Prim::F32 | Prim::F64)
}

/// What a column is read into.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Target {
    /// Native numbers; `bool` takes a byte each.
    Number(Prim),
    /// Ends of lists, in 64 bits.
    Index,
    /// 64 bits of position and 32 bits of type.
    Switch,
}

impl Target {
    /// Bytes of an element.
    pub(crate) fn width(self) -> usize {
        match self {
            Self::Number(prim) => prim.width(),
            Self::Index => 8,
            Self::Switch => 12,
        }
    }
}

/// Decodes some elements of a page: `raw` holds all of its `elements`, `out` takes those from `skip` on as native numbers.
///
/// # Errors
/// A reason, where a number does not fit the field's type.
pub(crate) fn decode(
    kind: &ColumnKind,
    target: Target,
    raw: &[u8],
    elements: usize,
    skip: usize,
    out: &mut [u8],
) -> Result<(), String> {
    let wanted = skip..skip + out.len() / target.width();
    match (kind.stored, target) {
        (Stored::Number(from), Target::Number(to)) if from == to => {
            native(kind, from.width(), raw, elements, skip, out);
            Ok(())
        }
        (Stored::Number(from), Target::Number(to)) => {
            let mut values = vec![0; wanted.len() * from.width()];
            native(kind, from.width(), raw, elements, skip, &mut values);
            cast(from, to, &values, out)
        }
        (Stored::Char, Target::Number(Prim::I8 | Prim::U8)) => {
            out.copy_from_slice(&raw[wanted]);
            Ok(())
        }
        (Stored::Char, Target::Number(to)) => cast(Prim::I8, to, &raw[wanted], out),
        (Stored::Bit, Target::Number(to)) => {
            if to == Prim::Bool {
                truths(raw, skip, out);
                return Ok(());
            }
            let mut values = vec![0; wanted.len()];
            truths(raw, skip, &mut values);
            cast(Prim::U8, to, &values, out)
        }
        (Stored::Half, Target::Number(to)) => {
            let mut values = vec![0; wanted.len() * 2];
            native(kind, 2, raw, elements, skip, &mut values);
            let values = values.as_chunks().0.iter().map(|&b| f64::from(half(u16::from_le_bytes(b))));
            reals(values, to, out);
            Ok(())
        }
        (Stored::Truncated, Target::Number(to)) => {
            let values =
                wanted.map(|i| f64::from(f32::from_bits(bits(raw, i, kind.bits) << (32 - kind.bits))));
            reals(values, to, out);
            Ok(())
        }
        (Stored::Quantised { low, step }, Target::Number(to)) => {
            reals(wanted.map(|i| f64::from(bits(raw, i, kind.bits)) * step + low), to, out);
            Ok(())
        }
        (Stored::Index { wide }, Target::Index) => {
            index(kind, wide, raw, elements, skip, out);
            Ok(())
        }
        (Stored::Switch, Target::Switch) => {
            out.copy_from_slice(&raw[wanted.start * 12..wanted.end * 12]);
            Ok(())
        }
        (stored, target) => Err(format!("a column of {stored:?} cannot be read as {target:?}")),
    }
}

/// The bits from the one at `skip` on, a byte each.
fn truths(raw: &[u8], skip: usize, out: &mut [u8]) {
    let bit = |i: usize| raw[i / 8] >> (i % 8) & 1;
    // One by one up to a whole byte, then eight at once.
    let (head, rest) = out.split_at_mut(out.len().min(skip.next_multiple_of(8) - skip));
    for (i, out) in head.iter_mut().enumerate() {
        *out = bit(skip + i);
    }
    let start = skip + head.len();
    let (eights, tail) = rest.as_chunks_mut();
    for (eight, byte) in eights.iter_mut().zip(&raw[start / 8..]) {
        // Each of eight copies of the byte keeps a bit of its own, which carries into that copy's highest bit.
        let own = (u64::from(*byte) * 0x0101_0101_0101_0101) & 0x8040_2010_0804_0201;
        *eight = ((own + 0x7F7F_7F7F_7F7F_7F7F) >> 7 & 0x0101_0101_0101_0101).to_le_bytes();
    }
    let start = start + 8 * eights.len();
    for (i, out) in tail.iter_mut().enumerate() {
        *out = bit(start + i);
    }
}

/// Elements of one, two, four or eight bytes as they are, or put together again.
fn native(kind: &ColumnKind, width: usize, raw: &[u8], elements: usize, skip: usize, out: &mut [u8]) {
    if !kind.split {
        out.copy_from_slice(&raw[skip * width..skip * width + out.len()]);
        return;
    }
    let planes = Planes { raw, elements, skip };
    let stored = kind.stored;
    vectorised(
        #[inline(always)]
        || match (stored, width) {
            (Stored::Number(Prim::I16), _) => planes.join_2(
                out,
                #[inline(always)]
                |n| n >> 1 ^ (n & 1).wrapping_neg(),
            ),
            (Stored::Number(Prim::I32), _) => planes.join_4(
                out,
                #[inline(always)]
                |n| n >> 1 ^ (n & 1).wrapping_neg(),
            ),
            (Stored::Number(Prim::I64), _) => planes.join_8(
                out,
                #[inline(always)]
                |n| n >> 1 ^ (n & 1).wrapping_neg(),
            ),
            (_, 2) => planes.join_2(
                out,
                #[inline(always)]
                |n| n,
            ),
            (_, 4) => planes.join_4(
                out,
                #[inline(always)]
                |n| n,
            ),
            _ => planes.join_8(
                out,
                #[inline(always)]
                |n| n,
            ),
        },
    );
}

/// A page of split elements: first the lowest bytes of all, then the second ones, and so on.
#[derive(Clone, Copy)]
struct Planes<'a> {
    raw: &'a [u8],
    elements: usize,
    /// Elements before those that are wanted.
    skip: usize,
}

impl<'a> Planes<'a> {
    /// The planes of `n` wanted elements. All have the length `n`, so that the loops over them need no checks.
    fn all<const WIDTH: usize>(self, n: usize) -> [&'a [u8]; WIDTH] {
        std::array::from_fn(|k| &self.raw[k * self.elements + self.skip..][..n])
    }

    // `undo` turns a number as it is written into the number that it stands for: signed ones are written with their sign
    // in the lowest bit, so that those near zero are small.
    #[inline(always)]
    fn join_2(self, out: &mut [u8], undo: impl Fn(u16) -> u16) {
        let out = out.as_chunks_mut().0;
        let [a, b] = self.all(out.len());
        for (i, value) in out.iter_mut().enumerate() {
            *value = undo(u16::from_le_bytes([a[i], b[i]])).to_le_bytes();
        }
    }

    #[inline(always)]
    fn join_4(self, out: &mut [u8], undo: impl Fn(u32) -> u32) {
        let out = out.as_chunks_mut().0;
        let [a, b, c, d] = self.all(out.len());
        for (i, value) in out.iter_mut().enumerate() {
            *value = undo(u32::from_le_bytes([a[i], b[i], c[i], d[i]])).to_le_bytes();
        }
    }

    #[inline(always)]
    fn join_8(self, out: &mut [u8], undo: impl Fn(u64) -> u64) {
        let out = out.as_chunks_mut().0;
        let [a, b, c, d, e, f, g, h] = self.all(out.len());
        for (i, value) in out.iter_mut().enumerate() {
            let number = u64::from_le_bytes([a[i], b[i], c[i], d[i], e[i], f[i], g[i], h[i]]);
            *value = undo(number).to_le_bytes();
        }
    }
}

/// Elements whose differences are put together at once: they stay in the cache until they are summed.
const INDICES: usize = 1024;

/// Ends of lists. Split ones are written as differences, from the page's first element on.
fn index(kind: &ColumnKind, wide: bool, raw: &[u8], elements: usize, skip: usize, out: &mut [u8]) {
    let width = if wide { 8 } else { 4 };
    if !kind.split {
        fill(raw[skip * width..].chunks_exact(width).map(little), out);
        return;
    }
    let wanted = skip..skip + out.len() / 8;
    let mut differences = [0; 8 * INDICES];
    let mut sum = 0_u64;
    for start in (0..wanted.end).step_by(INDICES) {
        let number = INDICES.min(wanted.end - start);
        let differences = &mut differences[..number * width];
        let planes = Planes { raw, elements, skip: start };
        vectorised(
            #[inline(always)]
            || match wide {
                true => planes.join_8(
                    differences,
                    #[inline(always)]
                    |n| n,
                ),
                false => planes.join_4(
                    differences,
                    #[inline(always)]
                    |n| n,
                ),
            },
        );
        // Those before the wanted ones count in the sum and go nowhere.
        let before = wanted.start.saturating_sub(start).min(number);
        let out = &mut out[(start + before).saturating_sub(wanted.start) * 8..];
        if wide {
            sums(differences, before, out, |bytes| {
                sum = sum.wrapping_add(u64::from_le_bytes(bytes));
                sum
            });
        } else {
            sums(differences, before, out, |bytes| {
                sum = u64::from((sum as u32).wrapping_add(u32::from_le_bytes(bytes)));
                sum
            });
        }
    }
}

/// Gives all numbers to `next`, and to `out` what comes back for those behind the first `before`.
fn sums<const WIDTH: usize>(
    numbers: &[u8],
    before: usize,
    out: &mut [u8],
    mut next: impl FnMut([u8; WIDTH]) -> u64,
) {
    let (passed, kept) = numbers.as_chunks().0.split_at(before);
    for number in passed {
        next(*number);
    }
    fill(kept.iter().map(|number| next(*number)), out);
}

fn little(bytes: &[u8]) -> u64 {
    match bytes.first_chunk::<8>() {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => bytes.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b)),
    }
}

fn fill(values: impl Iterator<Item = u64>, out: &mut [u8]) {
    out.as_chunks_mut().0.iter_mut().zip(values).for_each(|(out, value)| *out = value.to_le_bytes());
}

/// Element `i` of elements of `n` bits, one to thirty-two, packed from the lowest bit up.
fn bits(raw: &[u8], i: usize, n: u32) -> u32 {
    let at = i * n as usize;
    let bytes = &raw[at / 8..];
    // An element touches at most five bytes.
    let mut word = [0; 8];
    let len = bytes.len().min(5);
    word[..len].copy_from_slice(&bytes[..len]);
    (u64::from_le_bytes(word) >> (at % 8) & ((1 << n) - 1)) as u32
}

/// A real number of 16 bits (IEEE 754 binary16) as one of 32.
fn half(bits: u16) -> f32 {
    let (sign, exponent, mantissa) =
        (u32::from(bits >> 15) << 31, bits >> 10 & 0x1F, u32::from(bits & 0x3FF));
    let magnitude = match exponent {
        // Zero and the numbers below 2^-14 count in steps of 2^-24.
        0 => (mantissa as f32 / 16_777_216.0).to_bits(),
        0x1F => 0x7F80_0000 | mantissa << 13,
        exponent => (u32::from(exponent) + 112) << 23 | mantissa << 13,
    };
    f32::from_bits(sign | magnitude)
}

fn reals(values: impl Iterator<Item = f64>, to: Prim, out: &mut [u8]) {
    if to == Prim::F32 {
        out.as_chunks_mut().0.iter_mut().zip(values).for_each(|(out, x)| *out = (x as f32).to_le_bytes());
    } else {
        out.as_chunks_mut().0.iter_mut().zip(values).for_each(|(out, x)| *out = x.to_le_bytes());
    }
}

/// Numbers of one type as another. Whole numbers must fit; real ones are rounded.
fn cast(from: Prim, to: Prim, values: &[u8], out: &mut [u8]) -> Result<(), String> {
    if is_real(from) {
        match from {
            Prim::F32 => {
                reals(values.as_chunks().0.iter().map(|&b| f64::from(f32::from_le_bytes(b))), to, out);
            }
            _ => reals(values.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)), to, out),
        }
        return Ok(());
    }
    for (bytes, out) in values.chunks_exact(from.width()).zip(out.chunks_exact_mut(to.width())) {
        let raw = little(bytes);
        let value = match from {
            Prim::I8 => i128::from(raw as i8),
            Prim::I16 => i128::from(raw as i16),
            Prim::I32 => i128::from(raw as i32),
            Prim::I64 => i128::from(raw as i64),
            _ => i128::from(raw),
        };
        let fits = match to {
            Prim::Bool => {
                out[0] = u8::from(value != 0);
                continue;
            }
            Prim::I8 => i8::try_from(value).is_ok(),
            Prim::U8 => u8::try_from(value).is_ok(),
            Prim::I16 => i16::try_from(value).is_ok(),
            Prim::U16 => u16::try_from(value).is_ok(),
            Prim::I32 => i32::try_from(value).is_ok(),
            Prim::U32 => u32::try_from(value).is_ok(),
            Prim::I64 => i64::try_from(value).is_ok(),
            _ => u64::try_from(value).is_ok(),
        };
        if !fits {
            return Err(format!("{value} does not fit the field's type, {}", to.name()));
        }
        out.copy_from_slice(&value.to_le_bytes()[..to.width()]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(kind: u16, bits: u16, range: Option<(f64, f64)>) -> Result<ColumnKind, String> {
        ColumnKind::of(&ColumnRecord { kind, bits, field: 0, representation: 0, first: None, range })
    }

    #[test]
    fn pages_decode_to_known_numbers() {
        const F32: Target = Target::Number(Prim::F32);
        const I16: Target = Target::Number(Prim::I16);
        let float = |values: &[f32]| values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
        let index = |values: &[u64]| values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
        type Row<'a> = (&'a str, (u16, u16), Target, &'a [u8], usize, usize, Vec<u8>);
        let rows: &[Row<'_>] = &[
            (
                "bits",
                (0x00, 1),
                Target::Number(Prim::Bool),
                &[0b101, 0b10],
                10,
                1,
                vec![0, 1, 0, 0, 0, 0, 0, 0, 1],
            ),
            ("bits as numbers", (0x00, 1), I16, &[0b110], 3, 0, vec![0, 0, 1, 0, 1, 0]),
            ("char", (0x02, 8), Target::Number(Prim::I8), &[1, 200], 2, 1, vec![200]),
            ("char as int16", (0x02, 8), I16, &[200], 1, 0, vec![200, 255]),
            ("int16", (0x05, 16), I16, &[1, 2, 3, 4], 2, 1, vec![3, 4]),
            // 0, -1, 1, -2 are 0, 1, 2, 3 in zigzag.
            ("split int16", (0x11, 16), I16, &[0, 1, 2, 3, 0, 0, 0, 0], 4, 1, vec![255, 255, 1, 0, 254, 255]),
            (
                "split uint16 as uint32",
                (0x12, 16),
                Target::Number(Prim::U32),
                &[1, 2, 3, 4],
                2,
                0,
                vec![1, 3, 0, 0, 2, 4, 0, 0],
            ),
            // Sign, five bits of exponent, ten of mantissa: 1.5, -2, 2^-24, infinity.
            (
                "half",
                (0x0B, 16),
                F32,
                &[0, 0x3E, 0, 0xC0, 1, 0, 0, 0x7C],
                4,
                0,
                float(&[1.5, -2.0, 5.960_464_5e-8, f32::INFINITY]),
            ),
            // Ten bits of 1.0 (0x3F800000) are 0x0FE, of -2.0 (0xC0000000) 0x300, from the lowest bit up.
            ("truncated", (0x1C, 10), F32, &[0xFE, 0x00, 0x0C], 2, 0, float(&[1.0, -2.0])),
            ("quantised", (0x1D, 4), F32, &[0xF0, 0x05], 3, 0, float(&[-1.0, 14.0, 4.0])),
            ("index32", (0x0E, 32), Target::Index, &[1, 0, 0, 0, 3, 0, 0, 0], 2, 1, index(&[3])),
            // 2, then one more, then three more.
            (
                "split index32",
                (0x1A, 32),
                Target::Index,
                &[2, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                3,
                1,
                index(&[3, 6]),
            ),
            (
                "switch",
                (0x10, 96),
                Target::Switch,
                &[5, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0],
                1,
                0,
                vec![5, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0],
            ),
        ];
        for (name, (number, bits), target, raw, elements, skip, expected) in rows {
            let kind = kind(*number, *bits, Some((-1.0, 14.0))).expect("the type is right");
            assert_eq!(kind.page_len(*elements as u32), raw.len() as u64, "{name}");
            let mut out = vec![0; expected.len()];
            decode(&kind, *target, raw, *elements, *skip, &mut out).expect("the page is right");
            assert_eq!(&out, expected, "{name}");
        }
    }

    #[test]
    fn long_pages_are_joined_like_short_ones() {
        for (width, number) in [(2, 0x12), (4, 0x18), (8, 0x19)] {
            let kind = kind(number, 8 * width as u16, None).expect("the type is right");
            let n = 135;
            let value = |i: usize, k: usize| (i * 31 + k * 7) as u8;
            let raw: Vec<u8> = (0..width).flat_map(|k| (0..n).map(move |i| value(i, k))).collect();
            for skip in [0, 5] {
                let mut out = vec![0; (n - skip) * width];
                native(&kind, width, &raw, n, skip, &mut out);
                let expected: Vec<u8> =
                    (skip..n).flat_map(|i| (0..width).map(move |k| value(i, k))).collect();
                assert_eq!(out, expected, "{width} bytes from {skip}");
            }
        }
    }

    #[test]
    fn bits_are_the_same_from_wherever_they_are_read() {
        let raw = [0b1010_0110, 0b0001_1111, 0b1000_0001, 0b0110_0000];
        let one_by_one: Vec<u8> = (0..32).map(|i| raw[i / 8] >> (i % 8) & 1).collect();
        for start in 0..=32 {
            for end in start..=32 {
                let mut out = vec![7; end - start];
                truths(&raw, start, &mut out);
                assert_eq!(out, one_by_one[start..end], "{start}..{end}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (number, bits, range, part) in [
            (0x1E, 8, None, "column type 0x1e is not known"),
            (0x07, 16, None, "column type 0x07 has 16 bits"),
            (0x1C, 32, None, "has 32 bits"),
            (0x1D, 0, Some((0.0, 1.0)), "has 0 bits"),
            (0x1D, 8, None, "needs a range"),
        ] {
            let reason = kind(number, bits, range).expect_err("this is wrong");
            assert!(reason.contains(part), "{reason}");
        }
        let wide = kind(0x07, 32, None).expect("the type is right");
        let reason =
            decode(&wide, Target::Number(Prim::I8), &[200, 0, 0, 0], 1, 0, &mut [0]).expect_err("too large");
        assert!(reason.contains("200 does not fit the field's type, int8_t"), "{reason}");
    }
}
