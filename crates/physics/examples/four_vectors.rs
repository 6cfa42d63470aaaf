//! Times kernels on four-vectors beside a copy of as many bytes: `four_vectors [COUNT]`, one line a kernel.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use fiducial_physics::four_vector::{FourVectors, Quantity, Real};

fn main() -> Result<(), Box<dyn Error>> {
    let count = std::env::args().nth(1).map_or(Ok(1 << 22), |text| text.parse())?;
    kernels::<f64>("f64", count)?;
    kernels::<f32>("f32", count)
}

fn kernels<T: Real>(name: &str, count: usize) -> Result<(), Box<dyn Error>> {
    let column = |k: f64| -> Vec<T> { (0..count).map(|i| T::narrow(k + (i % 1000) as f64 * 0.1)).collect() };
    let vectors = FourVectors::new(column(1.0), column(-2.0), column(3.0), column(200.0))?;
    let mut out = column(0.0);
    // (kernel, columns that it reads)
    let kernels = [
        (Quantity::Pt, 2),
        (Quantity::P, 3),
        (Quantity::Mt, 2),
        (Quantity::Mass, 4),
        (Quantity::Phi, 2),
        (Quantity::Eta, 3),
    ];
    for (quantity, columns) in kernels {
        let mut ratios = Vec::new();
        for _ in 0..15 {
            let start = Instant::now();
            vectors.quantity_into(quantity, &mut out)?;
            black_box(&out);
            let kernel = start.elapsed();
            let start = Instant::now();
            add(&vectors.columns()[..columns], &mut out);
            black_box(&out);
            ratios.push(kernel.as_secs_f64() / start.elapsed().as_secs_f64());
        }
        ratios.sort_by(f64::total_cmp);
        println!("{name} {quantity:?}: {:.2} times the time of adding its columns", ratios[7]);
    }
    Ok(())
}

/// The least that reads the same columns and writes one.
fn add<T: Real>(columns: &[&[T]], out: &mut [T]) {
    let sum = |values: &[T]| T::narrow(values.iter().map(|value| value.widen()).sum());
    match columns {
        [a, b] => out.iter_mut().zip(*a).zip(*b).for_each(|((out, a), b)| *out = sum(&[*a, *b])),
        [a, b, c] => {
            out.iter_mut().zip(*a).zip(*b).zip(*c).for_each(|(((out, a), b), c)| *out = sum(&[*a, *b, *c]));
        }
        [a, b, c, d, ..] => {
            let columns = out.iter_mut().zip(*a).zip(*b).zip(*c).zip(*d);
            columns.for_each(|((((out, a), b), c), d)| *out = sum(&[*a, *b, *c, *d]));
        }
        _ => {}
    }
}
