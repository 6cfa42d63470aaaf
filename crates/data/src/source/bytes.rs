//! The bytes of a local file, compressed or not, so that any part of them can be read at once.
//!
//! A plain file is mapped. A compressed one is unpacked once, into a file without a name in the system's temporary
//! directory, and that is mapped: memory stays small however large the content, and the system takes the space back when
//! the program ends, however it ends.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;

use super::Error;

/// A file may unpack to this many times its size, and to [`ALWAYS_ALLOWED`] bytes in any case.
const LARGEST_RATIO: u64 = 1100;
const ALWAYS_ALLOWED: u64 = 1 << 30;

/// Mapped bytes. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Bytes(Arc<Mmap>);

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Bytes {
    /// Maps a file as it is.
    pub(crate) fn map(path: &Path) -> Result<Self, Error> {
        Self::of(&File::open(path).map_err(Error::io("open", path))?, path)
    }

    /// Maps a file, unpacked where its first bytes are those of gzip, Zstandard or xz.
    pub(crate) fn unpack(path: &Path) -> Result<Self, Error> {
        let mut file = File::open(path).map_err(Error::io("open", path))?;
        let mut magic = Vec::new();
        (&mut file).take(6).read_to_end(&mut magic).map_err(Error::io("read", path))?;
        let Some(codec) = Codec::of(&magic) else { return Self::of(&file, path) };
        let size = file.metadata().map_err(Error::io("read", path))?.len();
        io::Seek::rewind(&mut file).map_err(Error::io("read", path))?;
        let mut content = codec.reader(file).map_err(Error::io("read", path))?;
        let largest = size.saturating_mul(LARGEST_RATIO).max(ALWAYS_ALLOWED);
        copy(&mut content, largest, path)
    }

    /// What a reader gives, in a file without a name.
    pub(crate) fn collect(content: &mut dyn Read, largest: u64, path: &Path) -> Result<Self, Error> {
        copy(content, largest, path)
    }

    fn of(file: &File, path: &Path) -> Result<Self, Error> {
        // SAFETY: the map is read only. Like every reader of mapped files this one trusts that nobody cuts the file short
        // while it is open; a change of its bytes changes values, which are never used unchecked.
        let map = unsafe { Mmap::map(file) }.map_err(Error::io("map", path))?;
        Ok(Self(Arc::new(map)))
    }
}

/// How a file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    Gzip,
    Zstandard,
    Xz,
}

impl Codec {
    /// The codec whose magic number the first bytes are.
    pub(crate) fn of(magic: &[u8]) -> Option<Self> {
        match magic {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstandard),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            _ => None,
        }
    }

    /// The content of a packed file.
    pub(crate) fn reader(self, file: File) -> io::Result<Box<dyn Read>> {
        let file = BufReader::with_capacity(1 << 18, file);
        Ok(match self {
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
            Self::Zstandard => Box::new(zstd::stream::read::Decoder::with_buffer(file)?),
            Self::Xz => Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(file)),
        })
    }
}

fn copy(content: &mut dyn Read, largest: u64, path: &Path) -> Result<Bytes, Error> {
    let directory = std::env::temp_dir();
    let mut file = tempfile::tempfile().map_err(Error::io("create a file in", &directory))?;
    let mut buffer = vec![0; 1 << 18];
    let mut total = 0_u64;
    loop {
        let read = match content.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                return Err(Error::malformed(
                    path,
                    format!("unpacking it fails after {total} bytes: {error}"),
                ));
            }
        };
        total = total.saturating_add(read as u64);
        if total > largest {
            let reason = format!("it unpacks to more than {largest} bytes, which no such file does");
            return Err(Error::malformed(path, reason));
        }
        file.write_all(&buffer[..read]).map_err(Error::io("unpack to", &directory))?;
    }
    Bytes::of(&file, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_files_are_unpacked_whole_or_refused() {
        let content = b"a line\nanother line\n".repeat(5000);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(&content).unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 6);
        xz.write_all(&content).unwrap();
        let gzip = gzip.finish().unwrap();
        let packed =
            [gzip.clone(), zstd::encode_all(&content[..], 3).unwrap(), xz.finish().unwrap(), content.clone()];
        for (number, packed) in packed.into_iter().enumerate() {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(&file, &packed).unwrap();
            assert!(*Bytes::unpack(file.path()).unwrap() == *content, "{number}");
        }
        // Several members one after another are one file, as for gzip itself; one that is cut short is an error.
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, gzip.repeat(2)).unwrap();
        assert_eq!(Bytes::unpack(file.path()).unwrap().len(), 2 * content.len());
        std::fs::write(&file, &gzip[..gzip.len() / 2]).unwrap();
        let error = Bytes::unpack(file.path()).unwrap_err().to_string();
        assert!(error.contains("unpacking it fails after"), "{error}");
        assert!(copy(&mut &content[..], 1000, file.path()).is_err());
    }
}
