//! The backward of smooth operations against differences of their forward; those with kinks are tested through training.

use std::sync::Arc;

use burn::tensor::Tensor;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::attention::{Offsets, cross_attention, prepend, self_attention};
use super::columns::{Run, pick};
use super::dense::dense;
use super::four_vectors::{inner_products, invariant_scale, scale_vectors};
use super::gate::{gelu, sigmoid, times};
use super::norm::{Statistics, batch_norm, layer_norm};
use super::pair_bias::{pair_bias, pair_offsets};
use super::pair_embedding::pair_embedding;
use super::pool::pool;
use super::residual::{add_scaled, scale_columns};
use super::row_scale::scale_rows;
use super::{Activation, device, from_values};
use crate::{ComputeDevice, Error};

type Function = dyn Fn(&[Tensor<2>]) -> Result<Tensor<2>, Error>;

/// A function of several matrices of these shapes.
struct Case {
    name: &'static str,
    shapes: Vec<[usize; 2]>,
    function: Box<Function>,
}

fn case(
    name: &'static str,
    shapes: &[[usize; 2]],
    function: impl Fn(&[Tensor<2>]) -> Result<Tensor<2>, Error> + 'static,
) -> Case {
    Case { name, shapes: shapes.to_vec(), function: Box::new(function) }
}

fn numbers(random: &mut ChaCha8Rng, length: usize) -> Vec<f32> {
    (0..length).map(|_| 2.0 * random.random::<f32>() - 1.0).collect()
}

/// The derivative of a random weighted sum of the outputs along a random direction of all inputs at once, from the backward
/// and from a central difference.
fn check(case: &Case) {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let lengths: Vec<usize> = case.shapes.iter().map(|shape| shape[0] * shape[1]).collect();
    let at: Vec<Vec<f32>> = lengths.iter().map(|&length| numbers(&mut random, length)).collect();
    let direction: Vec<Vec<f32>> = lengths.iter().map(|&length| numbers(&mut random, length)).collect();
    let tensors = |step: f32, training: bool| -> Vec<Tensor<2>> {
        let moved = at.iter().zip(&direction).zip(&case.shapes);
        moved
            .map(|((at, direction), &shape)| {
                let values = at.iter().zip(direction).map(|(at, along)| at + step * along).collect();
                from_values(values, shape, &device(ComputeDevice::Cpu, training))
            })
            .collect()
    };
    let [rows, columns] = (case.function)(&tensors(0.0, false)).expect(case.name).dims();
    let weights = numbers(&mut random, rows * columns);
    let value = |step: f32| -> f64 {
        let output = (case.function)(&tensors(step, false)).expect(case.name);
        let output = super::values(output).expect(case.name);
        output.iter().zip(&weights).map(|(output, weight)| f64::from(*output) * f64::from(*weight)).sum()
    };
    let step = 2e-3_f32;
    let expected = (value(step) - value(-step)) / (2.0 * f64::from(step));

    let inputs: Vec<Tensor<2>> = tensors(0.0, true).into_iter().map(Tensor::require_grad).collect();
    let output = (case.function)(&inputs).expect(case.name);
    let weights = from_values(weights.clone(), [rows, columns], &device(ComputeDevice::Cpu, true));
    let gradients = (output * weights).sum().backward();
    let mut found = 0.0;
    for (input, direction) in inputs.iter().zip(&direction) {
        let gradient = input.grad(&gradients).expect(case.name);
        let gradient = super::values(gradient).expect(case.name);
        found += gradient.iter().zip(direction).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    }
    let scale = expected.abs().max(1.0);
    assert!((found - expected).abs() < 5e-3 * scale, "{}: {found} for {expected}", case.name);
}

#[test]
fn backwards_are_derivatives_of_forwards() {
    // The second jet is empty, the third a single constituent; 300 rows are more than a tile.
    let offsets: Offsets = Arc::new(vec![0, 5, 5, 6, 13]);
    let more: Offsets = Arc::new(vec![0, 6, 7, 9, 17]);
    let tokens: Offsets = Arc::new(vec![0, 1, 2, 3, 4]);
    let pairs = pair_offsets(&offsets)[4];
    let run = |input, start, length, factor| Run { input, start, length, factor };
    // One column twice, one not at all.
    let runs = Arc::new(vec![run(0, 3, 2, 1.0), run(1, 0, 3, -1.0), run(0, 0, 4, 2.0)]);
    let squares = 5 * 5 + 1 + 7 * 7;
    let with = |function: fn(&[Tensor<2>], &Offsets) -> Result<Tensor<2>, Error>| {
        let offsets = Arc::clone(&offsets);
        move |x: &[Tensor<2>]| function(x, &offsets)
    };
    let linear = |activation| {
        move |x: &[Tensor<2>]| dense(x[0].clone(), x[1].clone(), Some(x[2].clone().flatten(0, 1)), activation)
    };
    let norm = |activation, running| {
        move |x: &[Tensor<2>]| {
            let statistics = statistics(3, running);
            let (gamma, beta) = (x[1].clone().flatten(0, 1), x[2].clone().flatten(0, 1));
            Ok(batch_norm(x[0].clone(), gamma, beta, &statistics, activation)?.0)
        }
    };
    let embedding = |running| {
        move |x: &[Tensor<2>]| {
            let pairs = numbers(&mut ChaCha8Rng::seed_from_u64(3), 300 * 4);
            let norms = [4, 6, 5].map(|channels| statistics(channels, running));
            Ok(pair_embedding(pairs, 4, &[6, 5], x[0].clone().flatten(0, 1), &norms)?.0)
        }
    };
    let embedding_size = 2 * 4 + (4 * 6 + 3 * 6) + (6 * 5 + 3 * 5);
    let cases = [
        case("dense", &[[300, 7], [7, 5], [1, 5]], linear(Activation::Identity)),
        case("dense with GELU", &[[300, 7], [7, 5], [1, 5]], linear(Activation::Gelu)),
        case("batch norm", &[[300, 3], [1, 3], [1, 3]], norm(Activation::Identity, false)),
        case("batch norm with GELU", &[[300, 3], [1, 3], [1, 3]], norm(Activation::Gelu, false)),
        case("running norm with GELU", &[[300, 3], [1, 3], [1, 3]], norm(Activation::Gelu, true)),
        case("layer norm", &[[300, 21], [1, 21], [1, 21]], |x| {
            layer_norm(x[0].clone(), x[1].clone().flatten(0, 1), x[2].clone().flatten(0, 1))
        }),
        case("sum", &[[300, 5], [300, 5]], |x| add_scaled(x[0].clone(), x[1].clone(), None)),
        case("sum of one with itself", &[[300, 5]], |x| add_scaled(x[0].clone(), x[0].clone(), None)),
        case("sum with gains", &[[300, 5], [300, 5], [1, 5]], |x| {
            add_scaled(x[0].clone(), x[1].clone(), Some(x[2].clone().flatten(0, 1)))
        }),
        case("gain of columns", &[[300, 5], [1, 5]], |x| scale_columns(x[0].clone(), x[1].clone())),
        case("factors of rows", &[[300, 21], [300, 1]], |x| scale_rows(x[0].clone(), x[1].clone())),
        case("factors of four-vectors", &[[1200, 3], [300, 1]], |x| scale_rows(x[0].clone(), x[1].clone())),
        case("inner products", &[[1200, 3], [1200, 3]], |x| inner_products(x[0].clone(), x[1].clone())),
        case("factors of channels", &[[1200, 3], [300, 3]], |x| scale_vectors(x[0].clone(), x[1].clone())),
        case("invariant scale", &[[5, 4], [20, 2]], |x| invariant_scale(x[0].clone(), x[1].clone())),
        case("GELU", &[[300, 5]], |x| gelu(x[0].clone())),
        case("logistic function", &[[300, 5]], |x| sigmoid(x[0].clone())),
        case("products", &[[300, 5], [300, 5]], |x| times(x[0].clone(), x[1].clone())),
        case("picked columns", &[[300, 5], [300, 4]], move |x| pick([x[0].clone(), x[1].clone()], &runs)),
        case("mean", &[[13, 4]], with(|x, offsets| pool(x[0].clone(), offsets, true))),
        case("prepend", &[[4, 3], [13, 3]], with(|x, offsets| prepend(x[0].clone(), x[1].clone(), offsets))),
        case("pair bias", &[[pairs, 2]], with(|x, offsets| pair_bias(x[0].clone(), offsets))),
        case(
            "self-attention",
            &[[13, 12]],
            with(|x, offsets| self_attention(x[0].clone(), None, offsets, 2)),
        ),
        case(
            "self-attention with bias",
            &[[13, 12], [squares, 2]],
            with(|x, offsets| self_attention(x[0].clone(), Some(x[1].clone()), offsets, 2)),
        ),
        case("attention of tokens", &[[4, 4], [17, 8]], move |x| {
            cross_attention(x[0].clone(), x[1].clone(), &tokens, &more, 2)
        }),
        case("pair embedding", &[[1, embedding_size]], embedding(false)),
        case("pair embedding by running moments", &[[1, embedding_size]], embedding(true)),
    ];
    cases.iter().for_each(check);
}

fn statistics(channels: usize, running: bool) -> Statistics {
    if running {
        return Statistics::Running { mean: vec![0.1; channels], variance: vec![0.7; channels] };
    }
    Statistics::Batch
}
