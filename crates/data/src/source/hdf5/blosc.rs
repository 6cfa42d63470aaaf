//! Blosc 1 frames, which PyTables and pandas write.
//!
//! A frame has a header of 16 bytes, the place of each block, and the blocks. A block is packed whole, or in as many parts
//! as a value has bytes; then its bytes, or bits, are put back in order.

use super::filters::{repeat, unshuffle};

const HEADER: usize = 16;
/// More parts than this a block never has.
const MOST_PARTS: usize = 16;
/// A block whose parts would be shorter is packed whole.
const SHORTEST_PART: usize = 128;

/// How the parts are packed.
#[derive(Debug, Clone, Copy)]
enum Codec {
    BloscLz,
    Lz4,
    Zlib,
    Zstandard,
}

/// Unpacks a frame of at most `limit` bytes.
pub(super) fn unpack(frame: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    let cut = || "its Blosc frame is cut short".to_owned();
    let header: &[u8; HEADER] = frame.first_chunk().ok_or_else(cut)?;
    let [version, _, flags, width, sizes @ ..] = header;
    let size =
        |at: usize| u32::from_le_bytes([sizes[at], sizes[at + 1], sizes[at + 2], sizes[at + 3]]) as usize;
    let (total, block_size, width) = (size(0), size(4), usize::from(*width));
    if !(1..=2).contains(version) {
        return Err(format!("a Blosc frame of version {version} cannot be read"));
    }
    if total > limit {
        return Err(format!("its Blosc frame has {total} bytes, the chunk {limit}"));
    }
    if flags & 2 != 0 {
        let plain = frame.get(HEADER..).and_then(|rest| rest.get(..total));
        return plain.map(<[u8]>::to_vec).ok_or_else(cut);
    }
    let codec = match flags >> 5 {
        0 => Codec::BloscLz,
        1 => Codec::Lz4,
        3 => Codec::Zlib,
        4 => Codec::Zstandard,
        other => return Err(format!("the Blosc codec {other} cannot be undone")),
    };
    if total > 0 && (block_size == 0 || width == 0) {
        return Err("its Blosc frame has no blocks".to_owned());
    }
    let mut out = Vec::with_capacity(total);
    for (index, start) in (0..total).step_by(block_size.max(1)).enumerate() {
        let length = block_size.min(total - start);
        let place = frame.get(HEADER + 4 * index..).and_then(<[u8]>::first_chunk).ok_or_else(cut)?;
        let packed = frame.get(u32::from_le_bytes(*place) as usize..).ok_or_else(cut)?;
        let is_split = flags & 0x10 == 0
            && width <= MOST_PARTS
            && block_size / width >= SHORTEST_PART
            && length == block_size;
        let parts = if is_split { width } else { 1 };
        let block = block(packed, codec, length, parts).ok_or("its Blosc blocks are broken")?;
        if flags & 1 != 0 {
            out.extend_from_slice(&unshuffle(&block, width));
        } else if flags & 4 != 0 {
            out.extend_from_slice(&unshuffle_bits(&block, width));
        } else {
            out.extend_from_slice(&block);
        }
    }
    Ok(out)
}

fn block(mut packed: &[u8], codec: Codec, length: usize, parts: usize) -> Option<Vec<u8>> {
    let part_length = length / parts;
    let mut out = Vec::with_capacity(length);
    for _ in 0..parts {
        let (size, rest) = packed.split_first_chunk::<4>()?;
        let (part, rest) = rest.split_at_checked(usize::try_from(i32::from_le_bytes(*size)).ok()?)?;
        packed = rest;
        let before = out.len();
        if part.len() == part_length {
            out.extend_from_slice(part);
        } else {
            one(part, codec, part_length, &mut out)?;
        }
        if out.len() - before != part_length {
            return None;
        }
    }
    (out.len() == length).then_some(out)
}

fn one(part: &[u8], codec: Codec, length: usize, out: &mut Vec<u8>) -> Option<()> {
    let start = out.len();
    match codec {
        Codec::BloscLz => blosclz(part, start + length, out)?,
        Codec::Lz4 => {
            out.resize(start + length, 0);
            let written = lz4_flex::block::decompress_into(part, &mut out[start..]).ok()?;
            out.truncate(start + written);
        }
        Codec::Zlib => {
            out.resize(start + length, 0);
            let mut decompressor = libdeflater::Decompressor::new();
            let written = decompressor.zlib_decompress(part, &mut out[start..]).ok()?;
            out.truncate(start + written);
        }
        Codec::Zstandard => out.extend(zstd::bulk::decompress(part, length).ok()?),
    }
    Some(())
}

/// BloscLZ: literal runs and matches, in a stream whose first byte is always a literal's.
fn blosclz(part: &[u8], limit: usize, out: &mut Vec<u8>) -> Option<()> {
    /// A distance beyond this has two bytes more.
    const NEAR: usize = 8191;
    let base = out.len();
    let mut input = part.iter();
    let mut control = usize::from(*input.next()?) & 31;
    loop {
        if control < 32 {
            let literal = input.as_slice().get(..=control)?;
            if out.len() + literal.len() > limit {
                return None;
            }
            out.extend_from_slice(literal);
            input.nth(control);
        } else {
            let mut length = (control >> 5) - 1;
            if length == 6 {
                loop {
                    let more = *input.next()?;
                    length += usize::from(more);
                    if more != 255 {
                        break;
                    }
                }
            }
            let (high, low) = ((control & 31) << 8, usize::from(*input.next()?));
            let mut distance = high + low;
            if low == 255 && high == 31 << 8 {
                distance = usize::from(*input.next()?) << 8;
                distance += usize::from(*input.next()?) + NEAR;
            }
            // A match never reaches back into the part before.
            if distance + 1 > out.len() - base {
                return None;
            }
            repeat(out, distance + 1, length + 3, limit)?;
        }
        match input.next() {
            Some(next) => control = usize::from(*next),
            None => return Some(()),
        }
    }
}

/// Puts the bits of each value side by side again: the lowest bits of all first bytes stood before the next ones. Blosc
/// leaves a block alone whose values are not a multiple of eight.
fn unshuffle_bits(block: &[u8], width: usize) -> Vec<u8> {
    let count = block.len() / width;
    if count == 0 || !count.is_multiple_of(8) {
        return block.to_vec();
    }
    let mut out = block.to_vec();
    out[..count * width].fill(0);
    for (plane, bits) in block[..count * width].chunks_exact(count / 8).enumerate() {
        let (byte, bit) = (plane / 8, plane % 8);
        for (group, packed) in bits.iter().enumerate() {
            for value in 0..8 {
                out[(8 * group + value) * width + byte] |= (packed >> value & 1) << bit;
            }
        }
    }
    out
}
