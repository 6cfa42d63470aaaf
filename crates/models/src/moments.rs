//! What the batch norms of a network see of data: gathered over batches, sent between processes.

use crate::Error;
use crate::bytes::{Reader, write_doubles, write_number};
use crate::fused::norm::Moments;

/// Mean and variance of what each batch norm of a network is given, in the order of the forward pass.
///
/// Those of several batches are put together by [`NormMoments::merge`]: they are then the moments of all their rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NormMoments(pub(crate) Vec<Moments>);

impl NormMoments {
    /// Takes in the rows of `other`. The sum depends on the order in its last bits.
    pub fn merge(&mut self, other: Self) {
        for (index, moments) in other.0.into_iter().enumerate() {
            match self.0.get_mut(index) {
                Some(sum) => sum.merge(&moments),
                None => self.0.push(moments),
            }
        }
    }

    /// All of it as bytes, for another process of the same program.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        bytes
    }

    pub(crate) fn write(&self, bytes: &mut Vec<u8>) {
        write_number(bytes, self.0.len());
        for moments in &self.0 {
            write_number(bytes, moments.mean.len());
            write_doubles(bytes, &[moments.count]);
            write_doubles(bytes, &moments.mean);
            write_doubles(bytes, &moments.deviation);
        }
    }

    /// Reads what [`NormMoments::to_bytes`] wrote.
    ///
    /// # Errors
    /// Bytes that are cut short, too many, or lie about their lengths.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut from = Reader(bytes);
        let moments = Self::read(&mut from)?;
        from.end()?;
        Ok(moments)
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, Error> {
        let mut all = Vec::new();
        for _ in 0..from.number()? {
            let channels = from.number()?;
            let count = from.double()?;
            all.push(Moments { count, mean: from.doubles(channels)?, deviation: from.doubles(channels)? });
        }
        Ok(Self(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_and_damage_is_an_error() {
        let of = |count, mean: &[f64]| Moments { count, mean: mean.to_vec(), deviation: mean.to_vec() };
        let moments = NormMoments(vec![of(3.0, &[0.1, 1.0 / 3.0]), of(0.0, &[0.0])]);
        let bytes = moments.to_bytes();
        assert_eq!(NormMoments::from_bytes(&bytes).unwrap(), moments);
        for end in 0..bytes.len() {
            assert!(NormMoments::from_bytes(&bytes[..end]).is_err(), "{end}");
        }
        assert!(NormMoments::from_bytes(&[bytes.as_slice(), &[0]].concat()).is_err());
        for place in (0..bytes.len()).step_by(8) {
            let mut lying = bytes.clone();
            lying[place..place + 8].fill(0xff);
            let _ = NormMoments::from_bytes(&lying);
        }
    }
}
