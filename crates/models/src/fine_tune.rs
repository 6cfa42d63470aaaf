//! Starting from the weights of another network.

use std::collections::BTreeMap;

use crate::weights::read_plain;
use crate::{Error, Network};

/// What became of each tensor when a network started from a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Tensors of the network that now have the file's numbers.
    pub loaded: Vec<String>,
    /// Tensors of the network that were left as they were drawn.
    pub fresh: Vec<String>,
    /// Tensors of the file that the network has no use for.
    pub unused: Vec<String>,
}

impl Network {
    /// Takes the tensors of a safetensors file of any origin whose names and shapes are this network's.
    ///
    /// Tensors whose name `fresh` accepts are left as they are. Every other tensor of the network, running moments of batch
    /// norms included, must be in the file.
    ///
    /// # Errors
    /// Bytes that are no safetensors file; a tensor that is missing, or has another shape, type or values that are not
    /// finite, with both shapes. The network then is as it was.
    pub fn start_from(
        &mut self,
        what: &str,
        bytes: &[u8],
        fresh: &dyn Fn(&str) -> bool,
    ) -> Result<Taken, Error> {
        let wrong = |reason: String| Error::Weights { what: what.to_owned(), reason };
        let (mut tensors, _) = read_plain(what, bytes)?;
        let (mut taken, mut values, mut misfits) = (Taken::default(), BTreeMap::new(), Vec::new());
        for (name, parameter) in self.named_parameters() {
            if fresh(&name) {
                taken.fresh.push(name);
                continue;
            }
            match tensors.remove(&name) {
                None => misfits.push(format!("{name} {:?} is not in it", parameter.shape)),
                Some(tensor) if tensor.shape != parameter.shape => {
                    let (found, expected) = (&tensor.shape, &parameter.shape);
                    misfits.push(format!("{name} is {found:?} there and {expected:?} here"));
                }
                Some(tensor) => {
                    if let Some(value) = tensor.values.iter().find(|value| !value.is_finite()) {
                        return Err(wrong(format!("tensor {name} holds {value}")));
                    }
                    values.insert(name.clone(), tensor.values);
                    taken.loaded.push(name);
                }
            }
        }
        if !misfits.is_empty() {
            return Err(wrong(format!("{} tensors do not fit: {}", misfits.len(), misfits.join("; "))));
        }
        if taken.loaded.is_empty() {
            return Err(wrong("no tensor of it was asked for".to_owned()));
        }
        taken.unused = tensors.into_keys().collect();
        self.set_parameters(values);
        Ok(taken)
    }
}
