//! SHA-256 of files and of canonical content.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::source::Error;

/// Size and SHA-256 (64 hexadecimal digits) of a file, read once from front to back.
pub(crate) fn digest_file(path: &Path) -> Result<(u64, String), Error> {
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    let mut buffer = vec![0; 1 << 18];
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    loop {
        let read = file.read(&mut buffer).map_err(Error::io("read", path))?;
        if read == 0 {
            return Ok((bytes, hex(&hash.finalize())));
        }
        hash.update(&buffer[..read]);
        bytes += read as u64;
    }
}

/// Size and SHA-256 of a file that comes in pieces, from front to back.
pub(crate) fn digest_pieces<B: AsRef<[u8]>>(
    pieces: impl Iterator<Item = Result<B, Error>>,
) -> Result<(u64, String), Error> {
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    for piece in pieces {
        let piece = piece?;
        hash.update(piece.as_ref());
        bytes += piece.as_ref().len() as u64;
    }
    Ok((bytes, hex(&hash.finalize())))
}

/// A new file that hashes what is written to it, so that no file is read again for its hash.
pub(crate) struct HashingFile {
    path: PathBuf,
    file: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
}

impl HashingFile {
    /// Creates a file that must not be there yet.
    pub(crate) fn create(path: &Path) -> Result<Self, Error> {
        let file = File::create_new(path).map_err(Error::io("create", path))?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file), hash: Sha256::new(), bytes: 0 })
    }

    /// Brings everything to the disk; the size and the SHA-256.
    pub(crate) fn finish(self) -> Result<(u64, String), Error> {
        let file =
            self.file.into_inner().map_err(|error| Error::io("write", &self.path)(error.into_error()))?;
        file.sync_all().map_err(Error::io("write", &self.path))?;
        Ok((self.bytes, hex(&self.hash.finalize())))
    }
}

impl Write for HashingFile {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.file.write(buffer)?;
        self.hash.update(&buffer[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// SHA-256 over parts, each with its length before it, so that no two lists of parts look alike.
pub(crate) fn digest_parts<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hex(&hash.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_sha256() {
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&path, "abc").unwrap();
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest_file(path.path()).unwrap(), (3, expected.to_owned()));
        let pieces = ["a", "", "bc"].into_iter().map(Ok);
        assert_eq!(digest_pieces(pieces).unwrap(), (3, expected.to_owned()));
        assert_ne!(digest_parts(["ab", "c"]), digest_parts(["a", "bc"]));
    }
}
