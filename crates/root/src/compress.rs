//! ROOT's compressed blocks: zlib, the old "CS", LZMA, LZ4 and Zstandard.
//!
//! A compressed payload is a row of blocks. Each has nine bytes of header: a two-letter tag, a method byte and two
//! 24-bit little-endian sizes, compressed and not. A block holds at most 16 MiB - 1.

use std::cell::RefCell;

use crate::cursor::Cursor;
use crate::error::{Place, Result};

pub(crate) const HEADER: usize = 9;

struct Block<'a> {
    tag: [u8; 2],
    payload: &'a [u8],
    size: usize,
}

/// The most bytes that one compressed byte of this codec can stand for.
///
/// zlib: 258 bytes from two bits; LZ4: 255 a byte; Zstandard: a 128 KiB run from a block of four bytes; LZMA: measured
/// about 7,000 on zeros. The bound keeps a lying header from making us allocate what could never be there.
fn max_ratio(tag: [u8; 2]) -> usize {
    match &tag {
        b"ZL" | b"CS" => 1_032,
        b"L4" => 255,
        b"XZ" => 10_000,
        _ => 43_691,
    }
}

fn blocks<'a>(data: &'a [u8], size: usize, place: &'a Place) -> Result<Vec<Block<'a>>> {
    let mut cursor = Cursor::new(data, place);
    let mut out = Vec::new();
    let mut total = 0usize;
    while total < size {
        let header = cursor.take(HEADER)?;
        let tag = [header[0], header[1]];
        if !matches!(&tag, b"ZL" | b"CS" | b"XZ" | b"L4" | b"ZS") {
            return Err(cursor.error(format!("{:?} is not a compression tag", String::from_utf8_lossy(&tag))));
        }
        let compressed = usize::from(header[3]) | usize::from(header[4]) << 8 | usize::from(header[5]) << 16;
        let block = usize::from(header[6]) | usize::from(header[7]) << 8 | usize::from(header[8]) << 16;
        let payload = cursor.take(compressed)?;
        if block == 0 || block > compressed.saturating_mul(max_ratio(tag)).saturating_add(64) {
            return Err(cursor.error(format!("a block claims to hold {block} bytes in {compressed}")));
        }
        total += block;
        out.push(Block { tag, payload, size: block });
    }
    if total != size {
        return Err(cursor.error(format!("the blocks hold {total} bytes, the key says {size}")));
    }
    Ok(out)
}

/// Decompresses a payload that must come to exactly `size` bytes.
pub(crate) fn decompress(data: &[u8], size: usize, place: &Place) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    decompress_into(data, size, &mut out, place)?;
    Ok(out)
}

/// As [`decompress`], to the start of a vector that grows where it is too short.
pub(crate) fn decompress_into(data: &[u8], size: usize, out: &mut Vec<u8>, place: &Place) -> Result<()> {
    let blocks = blocks(data, size, place)?;
    if out.len() < size {
        if out.try_reserve_exact(size - out.len()).is_err() {
            return Err(place.error(0, format!("there is no memory for {size} bytes")));
        }
        out.resize(size, 0);
    }
    fill(data, &blocks, &mut out[..size], place)
}

/// As [`decompress`], to memory that is there already and is filled exactly.
pub(crate) fn decompress_to(data: &[u8], out: &mut [u8], place: &Place) -> Result<()> {
    fill(data, &blocks(data, out.len(), place)?, out, place)
}

fn fill(data: &[u8], blocks: &[Block<'_>], out: &mut [u8], place: &Place) -> Result<()> {
    let mut rest = out;
    for block in blocks {
        let (target, after) = rest.split_at_mut(block.size);
        rest = after;
        if let Err(reason) = one(block, target) {
            let tag = String::from_utf8_lossy(&block.tag);
            let within = block.payload.as_ptr() as usize - data.as_ptr() as usize;
            return Err(place.error(within, format!("a {tag} block does not decompress: {reason}")));
        }
    }
    Ok(())
}

thread_local! {
    static ZLIB: RefCell<libdeflater::Decompressor> = RefCell::new(libdeflater::Decompressor::new());
    static ZSTD: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

fn one(block: &Block<'_>, target: &mut [u8]) -> std::result::Result<(), String> {
    let n = match &block.tag {
        b"ZL" => {
            ZLIB.with(|z| z.borrow_mut().zlib_decompress(block.payload, target)).map_err(|e| e.to_string())?
        }
        // The oldest files hold bare deflate streams, without zlib's header.
        b"CS" => ZLIB
            .with(|z| z.borrow_mut().deflate_decompress(block.payload, target))
            .map_err(|e| e.to_string())?,
        b"XZ" => lzma(block.payload, target)?,
        b"L4" => lz4(block.payload, target)?,
        _ => ZSTD.with(|z| {
            let mut z = z.borrow_mut();
            let decompressor = match z.take() {
                Some(d) => d,
                None => zstd::bulk::Decompressor::new().map_err(|e| e.to_string())?,
            };
            z.insert(decompressor).decompress_to_buffer(block.payload, target).map_err(|e| e.to_string())
        })?,
    };
    if n == target.len() { Ok(()) } else { Err(format!("it gives {n} bytes instead of {}", target.len())) }
}

fn lzma(payload: &[u8], target: &mut [u8]) -> std::result::Result<usize, String> {
    use liblzma::stream::{Action, Status, Stream};
    // The dictionary is at most what LZMA's presets use, 64 MiB; more would be an attack on our memory.
    let mut stream = Stream::new_stream_decoder(80 << 20, 0).map_err(|e| e.to_string())?;
    loop {
        let (read, written) = (stream.total_in() as usize, stream.total_out() as usize);
        let status = stream
            .process(&payload[read..], &mut target[written..], Action::Finish)
            .map_err(|e| e.to_string())?;
        let stuck = stream.total_in() as usize == read && stream.total_out() as usize == written;
        if status == Status::StreamEnd || stuck {
            return Ok(stream.total_out() as usize);
        }
    }
}

/// LZ4 blocks start with the xxhash64 of what follows, big-endian.
fn lz4(payload: &[u8], target: &mut [u8]) -> std::result::Result<usize, String> {
    let Some((sum, data)) = payload.split_first_chunk::<8>() else {
        return Err("it is too short for its checksum".into());
    };
    let (stored, found) = (u64::from_be_bytes(*sum), xxhash_rust::xxh64::xxh64(data, 0));
    if stored != found {
        return Err(format!("its checksum is {found:016x} instead of {stored:016x}"));
    }
    lz4_flex::block::decompress_into(data, target).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(tag: &[u8; 2], payload: &[u8], size: usize) -> Vec<u8> {
        let size_of = |n: usize| [n as u8, (n >> 8) as u8, (n >> 16) as u8];
        [tag.as_slice(), &[0], &size_of(payload.len()), &size_of(size), payload].concat()
    }

    fn deflated(text: &[u8], zlib: bool) -> Vec<u8> {
        let mut compressor = libdeflater::Compressor::new(libdeflater::CompressionLvl::default());
        let mut out = vec![0; 1000];
        let n = match zlib {
            true => compressor.zlib_compress(text, &mut out),
            false => compressor.deflate_compress(text, &mut out),
        };
        out.truncate(n.expect("there is room"));
        out
    }

    fn lz4(text: &[u8]) -> Vec<u8> {
        let data = lz4_flex::block::compress(text);
        [xxhash_rust::xxh64::xxh64(&data, 0).to_be_bytes().as_slice(), &data].concat()
    }

    #[test]
    fn blocks_of_every_codec_decompress_or_say_why_not() {
        let text = b"fiducial fiducial fiducial fiducial".as_slice();
        let n = text.len();
        let zl = block(b"ZL", &deflated(text, true), n);
        let l4 = block(b"L4", &lz4(text), n);
        let zs = block(b"ZS", &zstd::bulk::compress(text, 3).expect("it compresses"), n);
        let xz = block(b"XZ", &liblzma::encode_all(text, 6).expect("it compresses"), n);
        let mut flipped = l4.clone();
        flipped[12] ^= 1;
        let twice = [text, text].concat();
        type Row<'a> = (&'a str, Vec<u8>, usize, std::result::Result<&'a [u8], &'a str>);
        let rows: &[Row<'_>] = &[
            ("zlib", zl.clone(), n, Ok(text)),
            ("old", block(b"CS", &deflated(text, false), n), n, Ok(text)),
            ("lz4", l4.clone(), n, Ok(text)),
            ("zstd", zs.clone(), n, Ok(text)),
            ("lzma", xz.clone(), n, Ok(text)),
            ("two codecs", [zl.clone(), xz.clone()].concat(), 2 * n, Ok(&twice)),
            ("nothing", vec![], 0, Ok(b"")),
            ("a flipped checksum", flipped, n, Err("checksum")),
            (
                "a wrong size",
                block(b"ZL", &deflated(text, true), n + 1),
                n + 1,
                Err("ZL block does not decompress"),
            ),
            (
                "too many blocks",
                [zl.clone(), zl.clone()].concat(),
                n + 1,
                Err("the blocks hold 70 bytes, the key says 36"),
            ),
            ("a missing block", zl.clone(), 2 * n, Err("9 bytes are needed, 0 are left")),
            ("a bomb", block(b"ZL", &[0; 10], 1 << 23), 1 << 23, Err("claims to hold 8388608 bytes in 10")),
            ("an unknown tag", block(b"??", text, n), n, Err("\"??\" is not a compression tag")),
            ("cut short", zs[..zs.len() - 1].to_vec(), n, Err("bytes are needed")),
            ("bad lzma", block(b"XZ", &[7; 40], n), n, Err("XZ block does not decompress")),
        ];
        let place = Place::new(&"test".into(), "a block", 0);
        for (name, data, size, expected) in rows {
            match (decompress(data, *size, &place), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(&found, expected, "{name}"),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{name}: {error}"),
                (found, _) => panic!("{name}: {found:?}"),
            }
        }
    }
}
