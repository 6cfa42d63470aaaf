//! Undoing the filters of a chunk, the last one first.

use std::borrow::Cow;

use hdf5_reader::filters::{apply_pipeline_with_limit, fletcher32};
use hdf5_reader::messages::filter_pipeline::FilterDescription;

use super::blosc;

/// Undoes the filters that `mask` does not leave out. `size` is that of the unpacked chunk: nothing grows beyond it, but
/// for the few bytes that a checksum takes.
pub(super) fn undo<'a>(
    filters: &[FilterDescription],
    mask: u32,
    packed: &'a [u8],
    size: usize,
    element: usize,
) -> Result<Cow<'a, [u8]>, String> {
    let mut bytes = Cow::Borrowed(packed);
    for (index, filter) in filters.iter().enumerate().rev() {
        if index < 32 && mask & (1 << index) != 0 {
            continue;
        }
        // Checksums that were added before this filter was applied.
        let sums = filters[..index].iter().filter(|filter| filter.id == 3).count();
        let limit = size + 4 * sums;
        bytes = Cow::Owned(one(filter, &bytes, limit, element)?);
    }
    Ok(bytes)
}

fn one(filter: &FilterDescription, bytes: &[u8], limit: usize, element: usize) -> Result<Vec<u8>, String> {
    match filter.id {
        1 => {
            let mut out = vec![0; limit];
            let written = libdeflater::Decompressor::new().zlib_decompress(bytes, &mut out);
            let written = written.map_err(|error| format!("unpack zlib: {error}"))?;
            out.truncate(written);
            Ok(out)
        }
        // The width stands in the filter's own data: an array's elements are shuffled by their base.
        2 => Ok(unshuffle(bytes, filter.client_data.first().map_or(element, |width| *width as usize))),
        3 => fletcher32::verify_and_strip(bytes).map_err(|error| error.to_string()),
        4..=6 => {
            apply_pipeline_with_limit(bytes, std::slice::from_ref(filter), 0, element, None, Some(limit))
                .map_err(|error| error.to_string())
        }
        32000 => lzf(bytes, limit),
        32001 => blosc::unpack(bytes, limit),
        32004 => lz4(bytes, limit),
        32015 => zstd::bulk::decompress(bytes, limit).map_err(|error| format!("unpack Zstandard: {error}")),
        id => {
            let known = match id {
                305 => " (LZO)",
                307 => " (bzip2)",
                32008 => " (bitshuffle)",
                32013 => " (ZFP)",
                32026 => " (Blosc2)",
                _ => "",
            };
            let name = filter.name.as_deref().filter(|name| !name.is_empty() && known.is_empty());
            let name = name.map(|name| format!(" ({})", name.trim_end_matches('\0'))).unwrap_or_default();
            Err(format!("the filter {id}{known}{name} cannot be undone"))
        }
    }
}

/// Puts the bytes of each value side by side again: all first bytes stood before all second ones, and so on. What is left
/// over at the end stands as it is.
pub(super) fn unshuffle(bytes: &[u8], width: usize) -> Vec<u8> {
    let count = if width > 1 { bytes.len() / width } else { 0 };
    if count <= 1 {
        return bytes.to_vec();
    }
    let mut out = bytes.to_vec();
    match width {
        2 => unshuffle_fixed::<2>(bytes, &mut out),
        4 => unshuffle_fixed::<4>(bytes, &mut out),
        8 => unshuffle_fixed::<8>(bytes, &mut out),
        _ => {
            for (byte, plane) in bytes.chunks_exact(count).take(width).enumerate() {
                for (value, from) in out.chunks_exact_mut(width).zip(plane) {
                    value[byte] = *from;
                }
            }
        }
    }
    out
}

/// As above, for a width that the compiler knows.
fn unshuffle_fixed<const N: usize>(bytes: &[u8], out: &mut [u8]) {
    let count = bytes.len() / N;
    let planes: [&[u8]; N] = std::array::from_fn(|plane| &bytes[plane * count..(plane + 1) * count]);
    for (index, value) in out.as_chunks_mut::<N>().0.iter_mut().enumerate() {
        *value = std::array::from_fn(|plane| planes[plane][index]);
    }
}

/// h5py's LZF: literal runs, and matches of what went before.
fn lzf(bytes: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    let broken = || "its LZF data are broken".to_owned();
    let mut out = Vec::with_capacity(limit);
    let mut input = bytes.iter();
    while let Some(control) = input.next() {
        let control = usize::from(*control);
        if control < 32 {
            let literal = input.as_slice().get(..=control).ok_or_else(broken)?;
            out.extend_from_slice(literal);
            input.nth(control);
        } else {
            let mut length = control >> 5;
            if length == 7 {
                length += usize::from(*input.next().ok_or_else(broken)?);
            }
            let low = usize::from(*input.next().ok_or_else(broken)?);
            repeat(&mut out, ((control & 31) << 8) + low + 1, length + 2, limit).ok_or_else(broken)?;
        }
        if out.len() > limit {
            return Err(broken());
        }
    }
    Ok(out)
}

/// Appends what stands `distance` before the end, which may run into what is appended.
pub(super) fn repeat(out: &mut Vec<u8>, distance: usize, length: usize, limit: usize) -> Option<()> {
    let start = out.len().checked_sub(distance)?;
    if distance == 0 || out.len().checked_add(length)? > limit {
        return None;
    }
    if distance >= length {
        out.extend_from_within(start..start + length);
    } else {
        for at in start..start + length {
            out.push(out[at]);
        }
    }
    Some(())
}

/// The registered LZ4 filter: sizes in big-endian bytes, then blocks, each with its size before it.
fn lz4(bytes: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    let broken = || "its LZ4 data are broken".to_owned();
    let number = |at: usize, size: usize| -> Option<usize> {
        let bytes = bytes.get(at..at.checked_add(size)?)?;
        usize::try_from(bytes.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte))).ok()
    };
    let total = number(0, 8).filter(|total| *total <= limit).ok_or_else(broken)?;
    let block = number(8, 4).filter(|block| *block > 0).ok_or_else(broken)?.min(total.max(1));
    let (mut out, mut at) = (vec![0; total], 12);
    for part in out.chunks_mut(block) {
        let size = number(at, 4).ok_or_else(broken)?;
        let packed = bytes.get(at + 4..).and_then(|rest| rest.get(..size)).ok_or_else(broken)?;
        if size == part.len() {
            part.copy_from_slice(packed);
        } else if lz4_flex::block::decompress_into(packed, part).ok() != Some(part.len()) {
            return Err(broken());
        }
        at += 4 + size;
    }
    Ok(out)
}
