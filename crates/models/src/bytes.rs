//! Numbers as bytes, for another process of the same program.

use crate::Error;

pub(crate) fn write_number(bytes: &mut Vec<u8>, number: usize) {
    bytes.extend((number as u64).to_le_bytes());
}

pub(crate) fn write_doubles(bytes: &mut Vec<u8>, values: &[f64]) {
    values.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
}

/// Takes numbers from the front of bytes. Nothing is allocated before its bytes are there.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(cut_short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn word(&mut self) -> Result<[u8; 8], Error> {
        self.take(8)?.try_into().map_err(|_| cut_short())
    }

    pub(crate) fn number(&mut self) -> Result<usize, Error> {
        usize::try_from(u64::from_le_bytes(self.word()?)).map_err(|_| cut_short())
    }

    pub(crate) fn double(&mut self) -> Result<f64, Error> {
        Ok(f64::from_le_bytes(self.word()?))
    }

    pub(crate) fn doubles(&mut self, number: usize) -> Result<Vec<f64>, Error> {
        let (chunks, _) = self.take(number.checked_mul(8).ok_or_else(cut_short)?)?.as_chunks::<8>();
        Ok(chunks.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect())
    }

    pub(crate) fn floats(&mut self, number: usize) -> Result<Vec<f32>, Error> {
        let (chunks, _) = self.take(number.checked_mul(4).ok_or_else(cut_short)?)?.as_chunks::<4>();
        Ok(chunks.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }

    /// Nothing may be left.
    pub(crate) fn end(&self) -> Result<(), Error> {
        match self.0.len() {
            0 => Ok(()),
            left => Err(Error::Inputs(format!("a message has {left} bytes too many"))),
        }
    }
}

fn cut_short() -> Error {
    Error::Inputs("a message is cut short".to_owned())
}
