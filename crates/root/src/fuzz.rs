//! Ways into the crate for its fuzz targets alone: these are not part of what it offers.

use crate::compress;
use crate::error::Place;

/// Decompresses a payload as one block of a codec, by the two letters of its tag: "ZL", "CS", "XZ", "L4", "ZS".
///
/// The first three bytes say how large it claims to be. An LZ4 block gets a checksum that is right, since no fuzzer
/// would guess it.
pub fn decompress(tag: [u8; 2], bytes: &[u8]) {
    let Some((size, payload)) = bytes.split_first_chunk::<3>() else { return };
    let sum = match &tag {
        b"L4" => xxhash_rust::xxh64::xxh64(payload, 0).to_be_bytes().to_vec(),
        _ => Vec::new(),
    };
    let stored = sum.len() + payload.len();
    let [low, middle, high, _] = (stored as u32).to_le_bytes();
    let block = [&tag[..], &[0, low, middle, high], size, &sum, payload].concat();
    let size = usize::from(size[0]) | usize::from(size[1]) << 8 | usize::from(size[2]) << 16;
    let place = Place::new(&"fuzz".into(), "a block", 0);
    if let Ok(out) = compress::decompress(&block, size, &place) {
        assert_eq!(out.len(), size, "a block has the size that its key says");
    }
}
