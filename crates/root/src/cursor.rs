//! A checked reader of big-endian bytes.

use crate::error::{Place, Result};

/// Reads one record from front to back; every overrun is an error that names the record and the position.
#[derive(Clone)]
pub(crate) struct Cursor<'a> {
    data: &'a [u8],
    pos: usize,
    place: &'a Place,
}

macro_rules! big_endian {
    ($($name:ident: $t:ty),*) => {
        $(pub(crate) fn $name(&mut self) -> Result<$t> {
            Ok(<$t>::from_be_bytes(self.array()?))
        })*
    };
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(data: &'a [u8], place: &'a Place) -> Self {
        Self { data, pos: 0, place }
    }

    big_endian!(u8: u8, u16: u16, i16: i16, u32: u32, i32: i32, u64: u64);

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    pub(crate) fn pos(&self) -> usize {
        self.pos
    }

    pub(crate) fn len(&self) -> usize {
        self.data.len()
    }

    pub(crate) fn remaining(&self) -> usize {
        self.data.len() - self.pos
    }

    pub(crate) fn place(&self) -> &'a Place {
        self.place
    }

    pub(crate) fn error(&self, reason: impl Into<String>) -> crate::Error {
        self.place.error(self.pos, reason)
    }

    pub(crate) fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let left = &self.data[self.pos..];
        let Some(out) = left.get(..n) else {
            return Err(self.error(format!("{n} bytes are needed, {} are left", left.len())));
        };
        self.pos += n;
        Ok(out)
    }

    /// Goes to an absolute position, which must lie within the record.
    pub(crate) fn seek(&mut self, pos: usize) -> Result<()> {
        if pos > self.data.len() {
            return Err(self.error(format!("position {pos} lies beyond the end, {}", self.data.len())));
        }
        self.pos = pos;
        Ok(())
    }

    /// A count that was written as a signed 32-bit number, of items of at least `width` bytes that follow.
    pub(crate) fn count(&mut self, width: usize) -> Result<usize> {
        let n = self.i32()?;
        match usize::try_from(n) {
            Ok(n) if n.checked_mul(width).is_some_and(|bytes| bytes <= self.remaining()) => Ok(n),
            _ => Err(self.error(format!("a count of {n} does not fit the {} bytes left", self.remaining()))),
        }
    }

    /// The bytes of a `TString`: a length of one byte, or 255 and a length of four bytes.
    pub(crate) fn text_bytes(&mut self) -> Result<&'a [u8]> {
        let n = match self.u8()? {
            255 => self.count(1)?,
            n => usize::from(n),
        };
        self.take(n)
    }

    /// A `TString` for names and titles: what is not UTF-8 is replaced.
    pub(crate) fn text(&mut self) -> Result<String> {
        Ok(String::from_utf8_lossy(self.text_bytes()?).into_owned())
    }

    /// The bytes of a C string, as class names are written, without its zero.
    pub(crate) fn c_text_bytes(&mut self) -> Result<&'a [u8]> {
        let left = &self.data[self.pos..];
        let Some(n) = left.iter().take(4096).position(|&b| b == 0) else {
            return Err(self.error("a class name does not end"));
        };
        self.pos += n + 1;
        Ok(&left[..n])
    }
}
