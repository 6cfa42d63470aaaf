//! Puts the checksums of an ntuple's envelopes right, so that changed envelopes are read and not just refused.

use xxhash_rust::xxh3::xxh3_64;

/// An uncompressed envelope: where it starts and ends, and its kind (1: header, 2: footer, 3: page list).
pub(crate) struct Envelope {
    start: usize,
    end: usize,
    kind: u64,
}

/// The envelopes of a file, found by their checksums.
pub(crate) fn envelopes(file: &[u8]) -> Vec<Envelope> {
    let mut out = Vec::new();
    for (start, word) in file.windows(8).enumerate() {
        let word = u64::from_le_bytes(word.try_into().unwrap_or_default());
        let (kind, len) = (word & 0xFFFF, (word >> 16) as usize);
        let end = start.saturating_add(len);
        if (1..=3).contains(&kind) && len > 24 && end <= file.len() {
            let (body, sum) = file[start..end].split_at(len - 8);
            if sum == xxh3_64(body).to_le_bytes() {
                out.push(Envelope { start, end, kind });
            }
        }
    }
    // Headers first: the others repeat their checksum.
    out.sort_by_key(|envelope| (envelope.kind, envelope.start));
    out
}

/// Restores kind and length of each envelope and makes its checksum that of what it holds now.
pub(crate) fn repair(bytes: &mut [u8], original: &[u8], envelopes: &[Envelope]) {
    let mut headers: Vec<([u8; 8], [u8; 8])> = Vec::new();
    let len = bytes.len();
    for &Envelope { start, end, kind } in envelopes.iter().filter(|envelope| envelope.end <= len) {
        bytes[start..start + 8].copy_from_slice(&original[start..start + 8]);
        // A footer has eight bytes of flags before the checksum of its header.
        let at = if kind == 2 { start + 16 } else { start + 8 };
        if let Some((_, new)) = headers.iter().find(|(old, _)| kind != 1 && *old == original[at..at + 8]) {
            bytes[at..at + 8].copy_from_slice(new);
        }
        let sum = xxh3_64(&bytes[start..end - 8]).to_le_bytes();
        bytes[end - 8..end].copy_from_slice(&sum);
        if kind == 1 {
            headers.push((original[end - 8..end].try_into().unwrap_or_default(), sum));
        }
    }
}
