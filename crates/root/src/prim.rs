//! The numbers that leaves hold, and how their big-endian bytes become native values.

use arrow_schema::DataType;

/// A number as it is stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Prim {
    Bool,
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    F32,
    F64,
    /// `Double32_t` or `Float16_t`: a real number stored in fewer bits.
    Packed(Packed),
}

/// How a `Double32_t` (`double` = true) or `Float16_t` is stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Packed {
    pub(crate) double: bool,
    pub(crate) store: Store,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Store {
    /// As a float of 32 bits.
    Float,
    /// As a 32-bit fraction, in steps of `step` from `low`.
    Range { low: f64, step: f64 },
    /// As an exponent of one byte and a mantissa of two, of which `bits` count.
    Truncated { bits: u32 },
}

impl Prim {
    pub(crate) const DOUBLE32: Self = Self::Packed(Packed { double: true, store: Store::Float });
    pub(crate) const FLOAT16: Self =
        Self::Packed(Packed { double: false, store: Store::Truncated { bits: 12 } });

    /// From the type codes of streamer elements and of `TLeafElement`.
    pub(crate) fn from_code(code: i32) -> Option<Self> {
        Some(match code {
            1 => Self::I8,
            2 => Self::I16,
            3 => Self::I32,
            4 | 16 => Self::I64,
            5 => Self::F32,
            // Counters are signed; ROOT's flags are not.
            6 | 13 | 15 => Self::U32,
            8 => Self::F64,
            9 => Self::DOUBLE32,
            10 => Self::I8,
            11 => Self::U8,
            12 => Self::U16,
            14 | 17 => Self::U64,
            18 => Self::Bool,
            19 => Self::FLOAT16,
            _ => return None,
        })
    }

    /// From a C++ type name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "bool" | "Bool_t" => Self::Bool,
            "char" | "signed char" | "Char_t" | "int8_t" => Self::I8,
            "unsigned char" | "UChar_t" | "uint8_t" | "Byte_t" => Self::U8,
            "short" | "Short_t" | "int16_t" => Self::I16,
            "unsigned short" | "UShort_t" | "uint16_t" | "Version_t" => Self::U16,
            "int" | "Int_t" | "int32_t" => Self::I32,
            "unsigned int" | "unsigned" | "UInt_t" | "uint32_t" => Self::U32,
            "long" | "Long_t" | "long long" | "Long64_t" | "int64_t" => Self::I64,
            "unsigned long" | "ULong_t" | "unsigned long long" | "ULong64_t" | "uint64_t" | "size_t" => {
                Self::U64
            }
            "float" | "Float_t" => Self::F32,
            "double" | "Double_t" => Self::F64,
            "Double32_t" => Self::DOUBLE32,
            "Float16_t" => Self::FLOAT16,
            _ => return None,
        })
    }

    /// Bytes in the file.
    pub(crate) fn width(self) -> usize {
        match self {
            Self::Bool | Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
            Self::Packed(p) => match p.store {
                Store::Truncated { .. } => 3,
                Store::Float | Store::Range { .. } => 4,
            },
        }
    }

    pub(crate) fn data_type(self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::I8 => DataType::Int8,
            Self::U8 => DataType::UInt8,
            Self::I16 => DataType::Int16,
            Self::U16 => DataType::UInt16,
            Self::I32 => DataType::Int32,
            Self::U32 => DataType::UInt32,
            Self::I64 => DataType::Int64,
            Self::U64 => DataType::UInt64,
            Self::F32 => DataType::Float32,
            Self::F64 => DataType::Float64,
            Self::Packed(p) if p.double => DataType::Float64,
            Self::Packed(_) => DataType::Float32,
        }
    }

    /// The C++ name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::I8 => "int8_t",
            Self::U8 => "uint8_t",
            Self::I16 => "int16_t",
            Self::U16 => "uint16_t",
            Self::I32 => "int32_t",
            Self::U32 => "uint32_t",
            Self::I64 => "int64_t",
            Self::U64 => "uint64_t",
            Self::F32 => "float",
            Self::F64 => "double",
            Self::Packed(p) if p.double => "Double32_t",
            Self::Packed(_) => "Float16_t",
        }
    }

    /// The value of one whole number; 0 for reals. Bytes beyond the width do not count.
    pub(crate) fn int(self, bytes: &[u8]) -> i64 {
        let raw = bytes.iter().take(self.width()).fold(0u64, |n, &b| n << 8 | u64::from(b));
        match self {
            Self::Bool => i64::from(raw != 0),
            Self::I8 => i64::from(raw as i8),
            Self::I16 => i64::from(raw as i16),
            Self::I32 => i64::from(raw as i32),
            Self::U8 | Self::U16 | Self::U32 | Self::I64 | Self::U64 => raw as i64,
            Self::F32 | Self::F64 | Self::Packed(_) => 0,
        }
    }

    /// The value of one real number.
    pub(crate) fn float(self, bytes: &[u8]) -> Option<f64> {
        match self {
            Self::F32 => bytes.first_chunk().map(|b| f64::from(f32::from_be_bytes(*b))),
            Self::F64 => bytes.first_chunk().map(|b| f64::from_be_bytes(*b)),
            Self::Packed(_) => Some(f64::NAN),
            _ => None,
        }
    }

    /// An array of whole numbers.
    pub(crate) fn ints(self, bytes: &[u8]) -> Vec<i64> {
        bytes.chunks_exact(self.width()).map(|b| self.int(b)).collect()
    }
}

/// Runs `work` compiled for the widest vectors of this processor; the crate itself is compiled for any.
///
/// Closures stay calls, for any processor, unless they are marked: `vectorised(#[inline(always)] || ...)`.
#[inline(always)]
pub(crate) fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}

/// A native number that is stored big-endian.
pub(crate) trait BigEndian: bytemuck::Pod + Send + Sync {
    /// Converts as many values as `out` holds; both lengths agree.
    fn convert(bytes: &[u8], out: &mut [Self]);
}

macro_rules! big_endian {
    ($($t:ty),*) => {
        $(impl BigEndian for $t {
            // Exact chunks without a branch: LLVM turns the loop into byte shuffles.
            fn convert(bytes: &[u8], out: &mut [Self]) {
                let (chunks, _) = bytes.as_chunks::<{ size_of::<$t>() }>();
                vectorised(
                    #[inline(always)]
                    || {
                        for (chunk, value) in chunks.iter().zip(out) {
                            *value = Self::from_be_bytes(*chunk);
                        }
                    },
                );
            }
        })*
    };
}

big_endian!(i8, u8, i16, u16, i32, u32, i64, u64, f32, f64);

impl Packed {
    /// Decodes stored values to `double`s; a `Float16_t` is then a `float` without loss.
    pub(crate) fn convert(self, bytes: &[u8], out: &mut [f64]) {
        match self.store {
            Store::Float => {
                for (b, value) in bytes.as_chunks().0.iter().zip(out) {
                    *value = f64::from(f32::from_be_bytes(*b));
                }
            }
            Store::Range { low, step } => {
                for (b, value) in bytes.as_chunks().0.iter().zip(out) {
                    *value = f64::from(u32::from_be_bytes(*b)) * step + low;
                }
            }
            Store::Truncated { bits } => {
                for (b, value) in bytes.as_chunks::<3>().0.iter().zip(out) {
                    *value = f64::from(truncated(*b, bits));
                }
            }
        }
    }
}

/// Exponent and mantissa as `TBufferFile::ReadWithNbits` puts them together: the sign stands above the mantissa.
fn truncated([exponent, high, low]: [u8; 3], bits: u32) -> f32 {
    let mantissa = u32::from(high) << 8 | u32::from(low);
    // Written with at most 14 bits: a mantissa of 16 holds one more for rounding, and the sign.
    let bits = bits.min(14);
    let kept = mantissa & ((1 << (bits + 1)) - 1);
    let value = f32::from_bits((u32::from(exponent) << 23) | (kept << (23 - bits)));
    if mantissa & (1 << (bits + 1)) != 0 { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_numbers_have_known_values() {
        // 1.5 has the exponent 127; with 12 bits of mantissa its half is bit 11, and the sign stands in bit 13.
        let rows = [
            (Store::Float, [0x3F, 0xC0, 0, 0].as_slice(), 1.5),
            (Store::Range { low: -1.0, step: 2.0 / 256.0 }, &[0, 0, 0, 0xC0], 0.5),
            (Store::Truncated { bits: 12 }, &[127, 0x08, 0x00], 1.5),
            (Store::Truncated { bits: 12 }, &[127, 0x28, 0x00], -1.5),
        ];
        for (store, bytes, expected) in rows {
            let mut out = [0.0];
            Packed { double: true, store }.convert(bytes, &mut out);
            assert_eq!(out, [expected], "{store:?}");
        }
    }
}
