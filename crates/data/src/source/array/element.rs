//! The values of an array as they lie in a file, and what they become.

use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, StringBuilder};
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{ArrayRef, PrimitiveArray};
use arrow_buffer::ScalarBuffer;
use arrow_schema::DataType;

/// How one value lies in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) kind: Kind,
    /// Its bytes.
    pub(crate) size: usize,
    pub(crate) is_big_endian: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One byte, 0 or 1.
    Bool,
    Signed,
    Unsigned,
    Float,
    /// Bytes up to the end, without what pads them.
    Text(Padding),
    /// Unicode code points of four bytes each, zeros at the end left out.
    CodePoints,
}

/// What follows a text that is shorter than its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Padding {
    /// Everything from the first zero on.
    Terminated,
    /// Zeros at the end.
    Zeros,
    /// Spaces at the end.
    Spaces,
}

impl Element {
    /// The type that the values get; none where there is none for them.
    pub(crate) fn data_type(&self) -> Option<DataType> {
        Some(match (self.kind, self.size) {
            (Kind::Bool, 1) => DataType::Boolean,
            (Kind::Signed, 1) => DataType::Int8,
            (Kind::Signed, 2) => DataType::Int16,
            (Kind::Signed, 4) => DataType::Int32,
            (Kind::Signed, 8) => DataType::Int64,
            (Kind::Unsigned, 1) => DataType::UInt8,
            (Kind::Unsigned, 2) => DataType::UInt16,
            (Kind::Unsigned, 4) => DataType::UInt32,
            (Kind::Unsigned, 8) => DataType::UInt64,
            // Every 16-bit float is a 32-bit float too.
            (Kind::Float, 2 | 4) => DataType::Float32,
            (Kind::Float, 8) => DataType::Float64,
            (Kind::Text(_), 1..) => DataType::Utf8,
            (Kind::CodePoints, size) if size >= 4 && size.is_multiple_of(4) => DataType::Utf8,
            _ => return None,
        })
    }
}

/// Where the values of some rows lie: all within `bytes`, which [`Places::check`] has made sure of.
pub(crate) struct Places<'a> {
    pub(crate) bytes: &'a [u8],
    /// The first byte of the first row's first value.
    pub(crate) start: usize,
    pub(crate) rows: usize,
    pub(crate) row_stride: usize,
    /// For each value of a row, how far behind the row's first value it lies.
    pub(crate) offsets: &'a [usize],
}

impl Places<'_> {
    /// Whether every value is there.
    pub(crate) fn check(&self, size: usize) -> bool {
        let (Some(last_row), Some(last)) = (self.rows.checked_sub(1), self.offsets.iter().max()) else {
            return true;
        };
        let end = last_row
            .checked_mul(self.row_stride)
            .and_then(|at| at.checked_add(self.start)?.checked_add(*last)?.checked_add(size));
        end.is_some_and(|end| end <= self.bytes.len())
    }

    /// All values as one run of bytes, if they lie so.
    fn run(&self, size: usize) -> Option<&[u8]> {
        let is_run = self.offsets.iter().enumerate().all(|(index, offset)| *offset == index * size)
            && (self.rows <= 1 || self.row_stride == self.offsets.len() * size);
        // No rows may stand past the end of the bytes, where `check` has nothing to look at.
        let length = self.rows * self.offsets.len() * size;
        is_run.then(|| if length == 0 { &[][..] } else { &self.bytes[self.start..self.start + length] })
    }

    /// Every value's bytes, in order.
    fn each<const N: usize>(&self) -> impl Iterator<Item = [u8; N]> {
        (0..self.rows).flat_map(move |row| {
            let at = self.start + row * self.row_stride;
            self.offsets.iter().map(move |offset| {
                let mut value = [0; N];
                value.copy_from_slice(&self.bytes[at + offset..at + offset + N]);
                value
            })
        })
    }

    fn texts(&self, size: usize) -> impl Iterator<Item = &[u8]> {
        (0..self.rows).flat_map(move |row| {
            let at = self.start + row * self.row_stride;
            self.offsets.iter().map(move |offset| &self.bytes[at + offset..at + offset + size])
        })
    }
}

/// The values as one flat array. `Err` says what is wrong with the value at an index.
pub(crate) fn values(element: &Element, places: &Places<'_>) -> Result<ArrayRef, (usize, String)> {
    let big = element.is_big_endian;
    macro_rules! numbers {
        ($type:ty, $native:ty) => {
            primitive::<$type, { size_of::<$native>() }>(
                places,
                if big { <$native>::from_be_bytes } else { <$native>::from_le_bytes },
            )
        };
    }
    Ok(match (element.kind, element.size) {
        (Kind::Bool, _) => {
            let mut builder = BooleanBuilder::with_capacity(places.rows * places.offsets.len());
            for (index, [value]) in places.each().enumerate() {
                if value > 1 {
                    return Err((index, format!("a boolean has the value {value}")));
                }
                builder.append_value(value == 1);
            }
            Arc::new(builder.finish())
        }
        (Kind::Signed, 1) => numbers!(Int8Type, i8),
        (Kind::Signed, 2) => numbers!(Int16Type, i16),
        (Kind::Signed, 4) => numbers!(Int32Type, i32),
        (Kind::Signed, _) => numbers!(Int64Type, i64),
        (Kind::Unsigned, 1) => numbers!(UInt8Type, u8),
        (Kind::Unsigned, 2) => numbers!(UInt16Type, u16),
        (Kind::Unsigned, 4) => numbers!(UInt32Type, u32),
        (Kind::Unsigned, _) => numbers!(UInt64Type, u64),
        (Kind::Float, 2) => {
            let bits: fn([u8; 2]) -> u16 = if big { u16::from_be_bytes } else { u16::from_le_bytes };
            primitive::<Float32Type, 2>(places, move |value| half(bits(value)))
        }
        (Kind::Float, 4) => numbers!(Float32Type, f32),
        (Kind::Float, _) => numbers!(Float64Type, f64),
        (Kind::Text(padding), size) => {
            let mut builder = StringBuilder::new();
            for (index, value) in places.texts(size).enumerate() {
                let value = trimmed(value, padding);
                let text =
                    std::str::from_utf8(value).map_err(|_| (index, "a text is not UTF-8".to_owned()))?;
                builder.append_value(text);
            }
            Arc::new(builder.finish())
        }
        (Kind::CodePoints, size) => {
            let mut builder = StringBuilder::new();
            for (index, value) in places.texts(size).enumerate() {
                let text =
                    code_points(value, big).ok_or_else(|| (index, "a text is not Unicode".to_owned()))?;
                builder.append_value(text);
            }
            Arc::new(builder.finish())
        }
    })
}

fn primitive<T: ArrowPrimitiveType, const N: usize>(
    places: &Places<'_>,
    read: impl Fn([u8; N]) -> T::Native,
) -> ArrayRef {
    let values: Vec<T::Native> = if let Some(run) = places.run(N) {
        run.as_chunks::<N>().0.iter().map(|value| read(*value)).collect()
    } else {
        // Row by row: an iterator over both is asked, for every value, whether its row has ended.
        let mut values = Vec::with_capacity(places.rows * places.offsets.len());
        for row in 0..places.rows {
            let row = &places.bytes[places.start + row * places.row_stride..];
            values.extend(places.offsets.iter().map(|offset| {
                let mut value = [0; N];
                value.copy_from_slice(&row[*offset..offset + N]);
                read(value)
            }));
        }
        values
    };
    Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(values), None))
}

/// A 16-bit float, IEEE 754 binary16.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    match exponent {
        0 => sign * fraction * 2_f32.powi(-24),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * (1.0 + fraction / 1024.0) * 2_f32.powi(exponent - 15),
    }
}

pub(crate) fn trimmed(value: &[u8], padding: Padding) -> &[u8] {
    let end = |pad: u8| value.iter().rposition(|byte| *byte != pad).map_or(0, |last| last + 1);
    match padding {
        Padding::Terminated => &value[..value.iter().position(|byte| *byte == 0).unwrap_or(value.len())],
        Padding::Zeros => &value[..end(0)],
        Padding::Spaces => &value[..end(b' ')],
    }
}

fn code_points(value: &[u8], big: bool) -> Option<String> {
    let points = value
        .as_chunks::<4>()
        .0
        .iter()
        .map(|point| if big { u32::from_be_bytes(*point) } else { u32::from_le_bytes(*point) });
    let text: String = points.map(char::from_u32).collect::<Option<_>>()?;
    Some(text.trim_end_matches('\0').to_owned())
}

#[cfg(test)]
mod tests {
    use super::half;

    #[test]
    fn half_floats() {
        for (bits, expected) in [
            (0x0000, 0.0),
            (0x8000, -0.0),
            (0x0001, 5.960_464_5e-8),
            (0x03ff, 6.097_555e-5),
            (0x0400, 6.103_515_6e-5),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x7c00, f32::INFINITY),
            (0xfc00, f32::NEG_INFINITY),
        ] {
            assert_eq!(half(bits).to_bits(), f32::to_bits(expected), "{bits:x}");
        }
        assert!(half(0x7e01).is_nan());
    }
}
