//! What networks of Lorentz invariants are made of beside their layers.

use burn::tensor::Tensor;

use crate::fused::columns::Run;
use crate::fused::four_vectors::EPSILON;

/// `x` times `factor`, (n, 1), each for as many rows of `x`.
pub(in crate::fused) fn scale_rows(x: Tensor<2>, factor: Tensor<2>) -> Tensor<2> {
    let [rows, columns] = x.dims();
    let [n, _] = factor.dims();
    let width = (rows * columns).checked_div(n).unwrap_or(0);
    (x.reshape([n, width]) * factor).reshape([rows, columns])
}

/// The inner product of each channel under the metric (+, -, -, -): (constituents, channels).
pub(in crate::fused) fn inner_products(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    let [rows, channels] = a.dims();
    let products = (a * b).reshape([rows / 4, 4, channels]);
    let energies = products.clone().narrow(1, 3, 1).reshape([rows / 4, channels]);
    let momenta = products.narrow(1, 0, 3).sum_dim(1).reshape([rows / 4, channels]);
    energies - momenta
}

/// Each four-vector times a number of its constituent, (constituents, channels).
pub(in crate::fused) fn scale_vectors(x: Tensor<2>, by: Tensor<2>) -> Tensor<2> {
    let [rows, channels] = x.dims();
    let product = x.reshape([rows / 4, 4, channels]) * by.reshape([rows / 4, 1, channels]);
    product.reshape([rows, channels])
}

/// One over the root of the mean square of all channels of a constituent, (constituents, 1).
pub(in crate::fused) fn invariant_scale(scalars: Tensor<2>, vectors: Tensor<2>) -> Tensor<2> {
    let number = scalars.dims()[1] + vectors.dims()[1];
    let squares = inner_products(vectors.clone(), vectors).abs().sum_dim(1);
    let squares = squares + scalars.powi_scalar(2).sum_dim(1);
    (squares / number as f64 + EPSILON).sqrt().recip()
}

/// The columns of `runs`, beside each other.
pub(in crate::fused) fn pick(inputs: &[Tensor<2>], runs: &[Run]) -> Tensor<2> {
    let columns = runs.iter().map(|run| {
        let columns = inputs[run.input].clone().narrow(1, run.start, run.length);
        if run.factor == 1.0 { columns } else { columns * run.factor }
    });
    Tensor::cat(columns.collect(), 1)
}
