//! The fused operations put together from burn's own, for tensors that the processor's memory does not hold.
//!
//! Each function has the name, the arguments and the result of the fused operation that it stands for, which calls it where
//! [`wanted`] says so. Only attention's bias is laid out differently: padded, as (jets x heads x length, length).
//! Jets are padded to the longest of the batch where constituents of one jet meet each other, and nowhere else.

mod invariant;
mod jets;
mod route;

use burn::tensor::activation::{gelu, relu};
use burn::tensor::{DType, Device, Distribution, Tensor};

pub(super) use invariant::{inner_products, invariant_scale, pick, scale_rows, scale_vectors};
pub(super) use jets::{attention, invariants, pair_bias, pool, prepend};
pub(super) use route::take as gather;

use super::dense::Activation;
use super::kernel::precision;
use super::neighbours::Graph;
use super::norm::{EPSILON, Moments, Statistics};
use super::spline::Grid;
use super::{from_values, values};
use crate::{Error, Loss, Precision, Truth};

/// Whether `x` lives where the fused operations cannot reach it.
pub(super) fn wanted<const D: usize>(x: &Tensor<D>) -> bool {
    #[cfg(test)]
    if FORCED.get() {
        return true;
    }
    !on_host(x)
}

#[cfg(test)]
std::thread_local! {
    static FORCED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Runs something with these operations on the processor too.
#[cfg(test)]
pub(crate) fn forced<R>(run: impl FnOnce() -> R) -> R {
    FORCED.set(true);
    let result = run();
    FORCED.set(false);
    result
}

pub(super) fn on_host<const D: usize>(x: &Tensor<D>) -> bool {
    !cfg!(feature = "cuda") || x.device() == Device::flex()
}

/// `activation(x w + b)`.
pub(super) fn dense(
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    activation: Activation,
) -> Tensor<2> {
    let product = product(x, weight);
    let sum = match bias {
        Some(bias) => product + row(bias),
        None => product,
    };
    activate(sum, activation)
}

/// A matrix product in the precision of the pass.
fn product<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
    match precision() {
        Precision::Single => a.matmul(b),
        Precision::BFloat16 => a.cast(DType::BF16).matmul(b.cast(DType::BF16)).cast(DType::F32),
    }
}

fn activate(x: Tensor<2>, activation: Activation) -> Tensor<2> {
    match activation {
        Activation::Identity => x,
        Activation::Relu => relu(x),
        Activation::Gelu => gelu(x),
    }
}

/// One number for each column, as a row.
fn row(x: Tensor<1>) -> Tensor<2> {
    x.unsqueeze_dim(0)
}

pub(super) fn add_rectify(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    relu(a + b)
}

pub(super) fn add_scaled(x: Tensor<2>, residual: Tensor<2>, gain: Option<Tensor<1>>) -> Tensor<2> {
    match gain {
        Some(gain) => x + residual * row(gain),
        None => x + residual,
    }
}

pub(super) fn batch_norm(
    x: Tensor<2>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    statistics: &Statistics,
    activation: Activation,
) -> Result<(Tensor<2>, Option<Moments>), Error> {
    let [rows, channels] = x.dims();
    let (centred, variance, moments) = match statistics {
        Statistics::Running { mean, variance } => {
            let constant = |values: &[f32]| from_values(values.to_vec(), [1, channels], &x.device());
            (x.clone() - constant(mean), constant(variance), None)
        }
        Statistics::Batch if rows == 0 => return Ok((x, Some(Moments::none(channels)))),
        Statistics::Batch => {
            let mean = x.clone().mean_dim(0);
            let centred = x - mean.clone();
            let variance = centred.clone().powi_scalar(2).mean_dim(0);
            let double = |tensor: &Tensor<2>| -> Result<Vec<f64>, Error> {
                Ok(values(tensor.clone())?.into_iter().map(f64::from).collect())
            };
            let count = rows as f64;
            let deviation = double(&variance)?.into_iter().map(|variance| variance * count).collect();
            let moments = Moments { count, mean: double(&mean)?, deviation };
            (centred, variance, Some(moments))
        }
    };
    let normal = centred * (variance + EPSILON).sqrt().recip();
    Ok((activate(normal * row(gamma) + row(beta), activation), moments))
}

pub(super) fn layer_norm(x: Tensor<2>, gamma: Tensor<1>, beta: Tensor<1>) -> Tensor<2> {
    let mean = x.clone().mean_dim(1);
    let centred = x - mean;
    let variance = centred.clone().powi_scalar(2).mean_dim(1);
    centred * (variance + EPSILON).sqrt().recip() * row(gamma) + row(beta)
}

/// Not the choices of the fused operation, but as many: they come from the device's own generator, started with `key`.
pub(super) fn dropout(x: Tensor<2>, share: f64, key: u64) -> Tensor<2> {
    let device = x.device().without_autodiff();
    device.seed(key);
    let draws = Tensor::<2>::random(x.dims(), Distribution::Uniform(0.0, 1.0), &device);
    let kept = draws.greater_equal_scalar(share).float() * (1.0 / (1.0 - share));
    let kept = same_graph(kept, &x);
    x * kept
}

/// A constant that can be computed with `x`, whether a gradient is kept of that or not.
fn same_graph<const D: usize, const E: usize>(constant: Tensor<D>, x: &Tensor<E>) -> Tensor<D> {
    if x.is_autodiff() { constant.autodiff() } else { constant }
}

/// Takes parameters from the front of a flat list.
struct Parameters {
    all: Tensor<1>,
    next: usize,
}

impl Parameters {
    fn vector(&mut self, length: usize) -> Tensor<1> {
        self.next += length;
        self.all.clone().narrow(0, self.next - length, length)
    }

    fn matrix(&mut self, rows: usize, columns: usize) -> Tensor<2> {
        self.vector(rows * columns).reshape([rows, columns])
    }
}

/// `norm(gelu(norm(... norm(x) W_1 + b_1 ...)) W_n + b_n)`.
pub(super) fn pair_embedding(
    pairs: Vec<f32>,
    inputs: usize,
    widths: &[usize],
    parameters: Tensor<1>,
    statistics: &[Statistics],
) -> Result<(Tensor<2>, Vec<Moments>), Error> {
    let rows = pairs.len() / inputs;
    let mut x = from_values(pairs, [rows, inputs], &parameters.device());
    let mut parameters = Parameters { all: parameters, next: 0 };
    let mut seen = Vec::new();
    let mut below = inputs;
    for (layer, statistics) in statistics.iter().enumerate() {
        let width = if layer == 0 { inputs } else { widths[layer - 1] };
        if layer > 0 {
            let weight = parameters.matrix(below, width);
            let bias = parameters.vector(width);
            x = dense(x, weight, Some(bias), Activation::Identity);
        }
        let inner = layer > 0 && layer < widths.len();
        let activation = if inner { Activation::Gelu } else { Activation::Identity };
        let (gamma, beta) = (parameters.vector(width), parameters.vector(width));
        let (output, moments) = batch_norm(x, gamma, beta, statistics, activation)?;
        seen.extend(moments);
        (x, below) = (output, width);
    }
    Ok((x, seen))
}

/// The mean over the edges of each constituent of `relu(norm(...relu(norm(a_i + b_j)) W_2...))`.
pub(super) fn edge_conv(
    projected: Tensor<2>,
    parameters: Tensor<1>,
    widths: &[usize],
    graph: &Graph,
    statistics: &[Statistics],
) -> Result<(Tensor<2>, Vec<Moments>), Error> {
    let first = widths.first().copied().unwrap_or(0);
    let own: Vec<u32> = (0..graph.nodes())
        .flat_map(|node| std::iter::repeat_n(node as u32, graph.starts[node + 1] - graph.starts[node]))
        .collect();
    let a = gather(projected.clone().narrow(1, 0, first), &own)?;
    let b = gather(projected.narrow(1, first, first), &graph.targets)?;
    let mut parameters = Parameters { all: parameters, next: 0 };
    let (mut x, mut below, mut seen) = (a + b, first, Vec::new());
    for (layer, (&width, statistics)) in widths.iter().zip(statistics).enumerate() {
        if layer > 0 {
            x = product(x, parameters.matrix(below, width));
        }
        let (gamma, beta) = (parameters.vector(width), parameters.vector(width));
        let (output, moments) = batch_norm(x, gamma, beta, statistics, Activation::Relu)?;
        seen.extend(moments);
        (x, below) = (output, width);
    }
    Ok((pool(x, &graph.starts, true)?, seen))
}

/// The B-splines of each number by the recursion of Cox and de Boor, for knots at equal distances.
pub(super) fn basis(x: Tensor<2>, grid: Grid) -> Tensor<2> {
    let [rows, inputs] = x.dims();
    let (cells, degree) = (grid.cells, grid.degree);
    // In cells, from the first knot on; there are `degree` cells more before and behind.
    let place = (x + grid.range) * (cells as f32 / (2.0 * grid.range));
    let place: Tensor<3> = place.unsqueeze_dim(2);
    let knot = |number: usize, shift: usize| -> Tensor<3> {
        let knots = (0..number).map(|index| (index + shift) as f32 - degree as f32).collect();
        from_values(knots, [1, 1, number], &place.device())
    };
    // 1 in the cell that holds the place. The end of the range belongs to the last cell.
    let inside = place.clone().detach();
    let held =
        inside.clone().lower_equal_scalar(cells as f32).bool_and(inside.clone().greater_equal_scalar(0.0));
    let capped = inside.floor().clamp(0.0, (cells - 1) as f32);
    let cell_numbers = cells + 2 * degree;
    let mut functions = capped.equal(knot(cell_numbers, 0)).float() * held.float();
    for order in 1..=degree {
        let number = cell_numbers - order;
        let left = functions.clone().narrow(2, 0, number) * (place.clone() - knot(number, 0));
        let right = functions.narrow(2, 1, number) * (knot(number, order + 1) - place.clone());
        functions = (left + right) / order as f32;
    }
    functions.reshape([rows, inputs * grid.functions()])
}

/// The loss, whose slopes the processor computes: outputs are few.
pub(super) fn loss(outputs: Tensor<2>, truth: &Truth<'_>, loss: &Loss) -> Result<Tensor<1>, Error> {
    let [rows, columns] = outputs.dims();
    let (value, slopes) = loss.with_slopes(&values(outputs.clone())?, columns, truth)?;
    // A plane with the loss's value and slopes here.
    let slopes = from_values(slopes, [rows, columns], &outputs.device());
    let plane = (outputs * slopes).sum();
    let value = from_values(vec![value as f32], [1], &plane.device());
    Ok(plane.clone() - plane.detach() + value)
}
