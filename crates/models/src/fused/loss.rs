//! Losses in burn's graph.

use burn::tensor::Tensor;

use super::composed;
use super::glue::Operand;
use super::{Array, Gradient, apply};
use crate::{Error, Loss, Truth};

/// The loss of a batch from the outputs of its rows, in double precision.
pub(crate) fn loss(outputs: Tensor<2>, truth: &Truth<'_>, loss: &Loss) -> Result<Tensor<1>, Error> {
    if composed::wanted(&outputs) {
        return composed::loss(outputs, truth, loss);
    }
    let [_, columns] = outputs.dims();
    let mut failed = None;
    let tensor = apply([Operand::new(outputs)?], |[outputs], _| {
        let (value, slopes) = loss.with_slopes(outputs.values(), columns, truth).unwrap_or_else(|error| {
            failed = Some(error);
            (f64::NAN, Vec::new())
        });
        (Array::new(vec![value as f32], [1]), Some(Slopes(slopes)))
    });
    failed.map_or(tensor, Err)
}

#[derive(Clone, Debug)]
struct Slopes(Vec<f32>);

impl Gradient<1> for Slopes {
    fn gradients(mut self, output: Array, _: [bool; 1]) -> [Option<Vec<f32>>; 1] {
        let scale = output.values().first().copied().unwrap_or(1.0);
        self.0.iter_mut().for_each(|value| *value *= scale);
        [Some(self.0)]
    }
}
