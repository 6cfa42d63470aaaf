//! `.pt` files: a zip archive with a pickle and one entry of numbers for each storage.

use std::collections::BTreeMap;
use std::path::Path;

use super::archive::Archive;
use super::pickle::{self, Element, Tensor};
use crate::Error;
use crate::weights::StoredTensor;

/// The tensors of a file by their names, in single precision.
#[derive(Clone, Debug)]
pub struct StateDict {
    pub(super) what: String,
    pub(super) tensors: BTreeMap<String, StoredTensor>,
}

impl StateDict {
    /// Reads a `.pt` file of PyTorch 1.6 or newer (`torch.save(model.state_dict(), path)`). Nothing in it is executed.
    ///
    /// # Errors
    /// A file that cannot be read, is no such archive, is cut short, or holds something else than tensors.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|source| Error::Io {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&path.display().to_string(), &bytes)
    }

    /// As [`StateDict::open`], from the bytes of the file, which `what` names in errors.
    ///
    /// # Errors
    /// As [`StateDict::open`].
    pub fn parse(what: &str, bytes: &[u8]) -> Result<Self, Error> {
        let tensors = read(bytes).map_err(|reason| Error::Weights { what: what.to_owned(), reason })?;
        Ok(Self { what: what.to_owned(), tensors })
    }

    /// The name and shape of each tensor.
    pub fn shapes(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.shape.as_slice()))
    }
}

fn read(bytes: &[u8]) -> Result<BTreeMap<String, StoredTensor>, String> {
    let archive = Archive::open(bytes).map_err(|reason| {
        format!("{reason}; files of PyTorch before 1.6 have to be saved once more by a newer one")
    })?;
    let pickle = archive
        .names()
        .find(|name| *name == "data.pkl" || name.ends_with("/data.pkl"))
        .ok_or("the archive holds no data.pkl: it is no file of torch.save")?;
    let folder = pickle.trim_end_matches("data.pkl");
    let order = format!("{folder}byteorder");
    if archive.names().any(|name| name == order) && archive.entry(&order)?.starts_with(b"big") {
        return Err("its numbers are big-endian".to_owned());
    }
    let tensors = pickle::parse(archive.entry(pickle)?)?;
    // Tensors may share numbers, so that a small file could ask for any amount of memory; one of a state dict never
    // has more numbers than the file has bytes.
    let numbers = tensors.iter().try_fold(0_usize, |sum, (_, tensor)| sum.checked_add(size(&tensor.shape)?));
    if numbers.is_none_or(|numbers| numbers > bytes.len()) {
        return Err("its tensors have more numbers than it has bytes".to_owned());
    }
    let mut read = BTreeMap::new();
    for (name, tensor) in tensors {
        let values =
            values(&archive, folder, &tensor).map_err(|reason| format!("tensor {name}: {reason}"))?;
        if read.insert(name.clone(), StoredTensor { shape: tensor.shape.clone(), values }).is_some() {
            return Err(format!("it holds the tensor {name} twice"));
        }
    }
    Ok(read)
}

fn size(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size))
}

fn values(archive: &Archive<'_>, folder: &str, tensor: &Tensor) -> Result<Vec<f32>, String> {
    let storage = &tensor.storage;
    let bytes = archive.entry(&format!("{folder}data/{}", storage.key))?;
    let numbers: Vec<f32> = match storage.element {
        Element::Float => decode(bytes, f32::from_le_bytes),
        Element::Double => decode(bytes, |bytes| f64::from_le_bytes(bytes) as f32),
        Element::Half => decode(bytes, |bytes| half(u16::from_le_bytes(bytes))),
        Element::BFloat16 => {
            decode(bytes, |bytes| f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16))
        }
        Element::Long => decode(bytes, |bytes| i64::from_le_bytes(bytes) as f32),
        Element::Int => decode(bytes, |bytes| i32::from_le_bytes(bytes) as f32),
        Element::Short => decode(bytes, |bytes| f32::from(i16::from_le_bytes(bytes))),
        Element::Char => decode(bytes, |[byte]| f32::from(byte as i8)),
        Element::Byte | Element::Bool => decode(bytes, |[byte]| f32::from(byte)),
    };
    if numbers.len() != storage.length {
        return Err(format!("its storage has {} numbers, not {}", numbers.len(), storage.length));
    }
    let count = size(&tensor.shape).unwrap_or(usize::MAX);
    if count > numbers.len() {
        return Err(format!("it has {count} numbers, its storage {}", numbers.len()));
    }
    let mut places = vec![tensor.offset];
    for (&size, &stride) in tensor.shape.iter().zip(&tensor.strides) {
        let along = |place: usize| (0..size).map(move |index| place.checked_add(index.checked_mul(stride)?));
        let next: Option<Vec<usize>> = places.into_iter().flat_map(along).collect();
        places = next.ok_or("its strides overflow")?;
    }
    let taken: Option<Vec<f32>> = places.into_iter().map(|place| numbers.get(place).copied()).collect();
    taken.ok_or_else(|| "it reaches beyond its storage".to_owned())
}

fn decode<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks::<N>().0.iter().map(|&bytes| number(bytes)).collect()
}

/// IEEE 754's format of 16 bits.
fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 0x3ff));
    sign * match exponent {
        0 => fraction * 2.0_f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1.0 + fraction / 1024.0) * 2.0_f32.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::half;

    #[test]
    fn half_precision() {
        for (bits, value) in
            [(0x3c00, 1.0), (0xc000, -2.0), (0x7bff, 65504.0), (0x3555, 0.333_251_95), (1, 5.960_464_5e-8)]
        {
            assert_eq!(half(bits), value, "{bits:#x}");
        }
        assert!(half(0x7c01).is_nan() && half(0xfc00) == f32::NEG_INFINITY);
    }
}
