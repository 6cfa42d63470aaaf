//! ROOT's compressed blocks, written.

use std::fmt;
use std::str::FromStr;

use crate::compress::HEADER;

/// A block holds at most 16 MiB - 1: its sizes have 24 bits.
const MAX_BLOCK: usize = (1 << 24) - 1;
/// Records smaller than this are left as they are, as ROOT leaves them.
const MIN_RECORD: usize = 256;

/// How records are compressed: a codec and its level.
///
/// As a text it is "none", "zlib", "lz4" or "zstd", or with a level "zstd:9".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compression {
    codec: Codec,
    level: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Codec {
    None,
    Zlib,
    Lz4,
    Zstd,
}

impl Compression {
    /// No compression.
    pub const NONE: Self = Self { codec: Codec::None, level: 0 };

    /// LZ4, which has one level.
    pub const LZ4: Self = Self { codec: Codec::Lz4, level: 1 };

    /// zlib at a level from 1 to 12; other levels are taken as the nearest.
    pub fn zlib(level: u8) -> Self {
        Self { codec: Codec::Zlib, level: level.clamp(1, 12) }
    }

    /// Zstandard at its own levels from 1 to 19 (ROOT's level n is Zstandard's 2n); others are taken as the nearest.
    pub fn zstd(level: u8) -> Self {
        Self { codec: Codec::Zstd, level: level.clamp(1, 19) }
    }

    /// The codec's number in ROOT times 100, plus the level: 9 where it is higher, since ROOT knows no other.
    pub(crate) fn setting(self) -> u32 {
        let level = u32::from(self.level.min(9));
        match self.codec {
            Codec::None => 0,
            Codec::Zlib => 100 + level,
            Codec::Lz4 => 400 + level,
            Codec::Zstd => 500 + level,
        }
    }

    pub(crate) fn is_none(self) -> bool {
        self.codec == Codec::None
    }

    /// The blocks of a record, or the record as it is where they would not be smaller.
    pub(crate) fn compress(self, data: Vec<u8>) -> Result<Vec<u8>, String> {
        if self.is_none() || data.len() < MIN_RECORD {
            return Ok(data);
        }
        Ok(self.blocks(&data)?.unwrap_or(data))
    }

    /// The blocks, or `None` where they are no smaller than the data.
    pub(crate) fn blocks(self, data: &[u8]) -> Result<Option<Vec<u8>>, String> {
        let mut out = Vec::new();
        for block in data.chunks(MAX_BLOCK) {
            let payload = self.block(block)?;
            // A block that did not shrink could need more than its 24 bits of size.
            if payload.len() >= block.len() {
                return Ok(None);
            }
            let (tag, method) = match self.codec {
                Codec::Zlib => (b"ZL", 8),
                Codec::Lz4 => (b"L4", 1),
                _ => (b"ZS", 1),
            };
            out.reserve(HEADER + payload.len());
            out.extend_from_slice(tag);
            out.push(method);
            for n in [payload.len(), block.len()] {
                out.extend_from_slice(&(n as u32).to_le_bytes()[..3]);
            }
            out.extend_from_slice(&payload);
        }
        Ok((out.len() < data.len()).then_some(out))
    }

    fn block(self, data: &[u8]) -> Result<Vec<u8>, String> {
        match self.codec {
            Codec::None => Ok(data.to_vec()),
            Codec::Zlib => {
                let level = libdeflater::CompressionLvl::new(i32::from(self.level))
                    .map_err(|error| format!("zlib has no such level: {error:?}"))?;
                let mut compressor = libdeflater::Compressor::new(level);
                let mut out = vec![0; compressor.zlib_compress_bound(data.len())];
                let n = compressor.zlib_compress(data, &mut out).map_err(|error| error.to_string())?;
                out.truncate(n);
                Ok(out)
            }
            // An LZ4 block starts with the checksum of what follows, big-endian.
            Codec::Lz4 => {
                let packed = lz4_flex::block::compress(data);
                let sum = xxhash_rust::xxh64::xxh64(&packed, 0);
                Ok([sum.to_be_bytes().as_slice(), &packed].concat())
            }
            Codec::Zstd => {
                zstd::bulk::compress(data, i32::from(self.level)).map_err(|error| error.to_string())
            }
        }
    }
}

impl Default for Compression {
    /// Zstandard at level 5.
    fn default() -> Self {
        Self::zstd(5)
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.codec {
            Codec::None => f.write_str("none"),
            Codec::Zlib => write!(f, "zlib:{}", self.level),
            Codec::Lz4 => f.write_str("lz4"),
            Codec::Zstd => write!(f, "zstd:{}", self.level),
        }
    }
}

impl FromStr for Compression {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (codec, level) = match text.split_once(':') {
            Some((codec, level)) => (codec, Some(level)),
            None => (text, None),
        };
        let within = |default: u8, max: u8| match level.map(str::parse::<u8>) {
            None => Ok(default),
            Some(Ok(level)) if (1..=max).contains(&level) => Ok(level),
            _ => Err(format!("{codec} has levels 1 to {max}, not {:?}", level.unwrap_or_default())),
        };
        match (codec, level) {
            ("none", None) => Ok(Self::NONE),
            ("lz4", None) => Ok(Self::LZ4),
            ("zlib", _) => Ok(Self::zlib(within(6, 12)?)),
            ("zstd", _) => Ok(Self::zstd(within(5, 19)?)),
            ("none" | "lz4", Some(_)) => Err(format!("{codec} has no levels")),
            _ => Err(format!("{codec:?} is none of none, zlib, lz4, zstd")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Place;

    #[test]
    fn what_is_compressed_decompresses() {
        let zeros = vec![0; MAX_BLOCK + 300];
        let mut noise = Vec::new();
        let mut state = 1_u64;
        while noise.len() < 5000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            noise.extend_from_slice(&state.to_be_bytes()[..3]);
        }
        let place = Place::new(&"test".into(), "a block", 0);
        for setting in ["none", "lz4", "zlib", "zlib:1", "zlib:12", "zstd", "zstd:1", "zstd:19"] {
            let compression: Compression = setting.parse().expect("it is a setting");
            let rows = [("nothing", vec![]), ("short", vec![1; 100]), ("two blocks", zeros.clone())];
            for (name, data) in rows.into_iter().chain([("noise", noise.clone())]) {
                let packed = compression.compress(data.clone()).expect("it compresses");
                assert!(packed.len() <= data.len(), "{setting}: {name}");
                if name == "two blocks" {
                    assert_eq!(packed.len() < data.len(), setting != "none", "{setting}: {name}");
                }
                if packed.len() != data.len() {
                    let found = crate::compress::decompress(&packed, data.len(), &place);
                    assert!(found.expect("it decompresses") == data, "{setting}: {name}");
                } else {
                    assert!(packed == data, "{setting}: {name}");
                }
            }
        }
    }

    #[test]
    fn settings_are_read_and_refused() {
        for (text, expected) in [
            ("none", Ok("none")),
            ("zstd", Ok("zstd:5")),
            ("zlib:9", Ok("zlib:9")),
            ("lz4", Ok("lz4")),
            ("zstd:0", Err("levels 1 to 19")),
            ("zlib:x", Err("levels 1 to 12")),
            ("lz4:3", Err("no levels")),
            ("gzip", Err("none of none, zlib, lz4, zstd")),
        ] {
            match (text.parse::<Compression>(), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found.to_string(), expected),
                (Err(reason), Err(part)) => assert!(reason.contains(part), "{text}: {reason}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }
}
