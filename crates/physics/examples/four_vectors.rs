//! Times kernels on four-vectors beside sums of the same columns: `four_vectors [COUNT [ROUNDS]]`, one line a kernel.
//!
//! Times are those of the processor, so that other programs on the machine count less. A round repeats the kernel for a tenth of a second
//! and then the sum; printed are the median of the rounds' ratios and their range, and how many bytes a second
//! the sum moved (columns read, one column written and first read).
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use fiducial_physics::four_vector::{FourVectors, Quantity, Real, delta_phi, delta_r};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// As in the kernels.
const PIECE: usize = 1 << 15;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let count = arguments.next().map_or(Ok(1 << 24), |text| text.parse())?;
    let rounds = arguments.next().map_or(Ok(7), |text| text.parse())?;
    println!("| kernel | times the sum of its columns, median (range) | sum, GB/s |\n|---|---|---|");
    kernels::<f64>("float64", count, rounds)?;
    kernels::<f32>("float32", count, rounds)
}

/// A kernel, and how many columns it reads for each that it writes.
struct Kernel<'a> {
    name: &'static str,
    reads: usize,
    writes: usize,
    /// Whether it allocates what it writes.
    fresh: bool,
    run: Box<dyn FnMut() + 'a>,
}

fn kernels<T: Real>(precision: &str, count: usize, rounds: usize) -> Result<(), Box<dyn Error>> {
    let column = |low: f64, step: f64| -> Vec<T> {
        // Digits without a pattern, so that nothing is predicted.
        (0..count).map(|i| T::narrow(low + step * ((i as f64 * 0.618_033_988_749_895) % 1.0))).collect()
    };
    let vectors =
        FourVectors::new(column(1.0, 50.0), column(-20.0, 40.0), column(-90.0, 180.0), column(200.0, 9.0))?;
    let (eta, phi) = (vectors.quantity(Quantity::Eta), vectors.quantity(Quantity::Phi));
    let (mut other_eta, mut other_phi) = (eta.clone(), phi.clone());
    other_eta.rotate_left(1);
    other_phi.rotate_left(1);
    let mut list = Vec::new();
    for (name, quantity, reads) in [
        ("pt", Quantity::Pt, 2),
        ("p", Quantity::P, 3),
        ("mt", Quantity::Mt, 2),
        ("et", Quantity::Et, 4),
        ("mass", Quantity::Mass, 4),
        ("phi", Quantity::Phi, 2),
        ("eta", Quantity::Eta, 3),
        ("rapidity", Quantity::Rapidity, 2),
    ] {
        let (vectors, mut out) = (&vectors, vec![T::narrow(0.0); count]);
        let run = move || {
            // Lengths are equal.
            let _ = black_box(vectors.quantity_into(quantity, &mut out));
        };
        list.push(Kernel { name, reads, writes: 1, fresh: false, run: Box::new(run) });
    }
    let run = || drop(black_box(delta_phi(&phi, &other_phi)));
    list.push(Kernel { name: "delta_phi", reads: 2, writes: 1, fresh: true, run: Box::new(run) });
    let run = || drop(black_box(delta_r(&eta, &phi, &other_eta, &other_phi)));
    list.push(Kernel { name: "delta_r", reads: 4, writes: 1, fresh: true, run: Box::new(run) });
    let run =
        || drop(black_box(FourVectors::from_pt_eta_phi_m(vectors.columns()[0], &eta, &phi, &other_eta)));
    list.push(Kernel { name: "from_pt_eta_phi_m", reads: 1, writes: 4, fresh: true, run: Box::new(run) });
    let run = || drop(black_box(vectors.boosted([0.1, 0.2, 0.3])));
    list.push(Kernel { name: "boosted", reads: 1, writes: 4, fresh: true, run: Box::new(run) });

    for Kernel { name, reads, writes, fresh, mut run } in list {
        let mut kept = vec![vec![T::narrow(0.0); count]; if fresh { 0 } else { writes }];
        let mut sums = || {
            let mut new = vec![vec![T::narrow(0.0); count]; if fresh { writes } else { 0 }];
            for out in kept.iter_mut().chain(&mut new) {
                add(&vectors.columns()[..reads], out);
            }
            black_box(&new);
        };
        let mut ratios = Vec::new();
        let mut rates = Vec::new();
        let (ours, theirs) = (repeats(&mut run), repeats(&mut sums));
        for _ in 0..rounds {
            let kernel = timed(&mut run, ours)? / ours as f64;
            let theirs = timed(&mut sums, theirs)? / theirs as f64;
            ratios.push(kernel / theirs);
            // What is written is read first, as processors do.
            let bytes = count * size_of::<T>() * (reads + 2) * writes;
            rates.push(bytes as f64 / theirs / 1e9);
        }
        ratios.sort_by(f64::total_cmp);
        rates.sort_by(f64::total_cmp);
        let (low, high) = (ratios[0], ratios[rounds - 1]);
        let (middle, rate) = (ratios[rounds / 2], rates[rounds / 2]);
        println!("| {name}, {precision} | {middle:.2} ({low:.2} to {high:.2}) | {rate:.1} |");
    }
    Ok(())
}

/// How often work must be done to take a tenth of a second: the system counts in steps of some milliseconds.
fn repeats(work: &mut impl FnMut()) -> usize {
    work();
    let start = Instant::now();
    work();
    (0.1 / start.elapsed().as_secs_f64()).ceil() as usize
}

fn timed(work: &mut impl FnMut(), repeats: usize) -> Result<f64, Box<dyn Error>> {
    let start = processor_time()?;
    for _ in 0..repeats {
        work();
    }
    Ok(processor_time()? - start)
}

/// Seconds that all threads of this process have run on processors.
fn processor_time() -> Result<f64, Box<dyn Error>> {
    let mut nanoseconds = 0.0;
    for thread in std::fs::read_dir("/proc/self/task")? {
        let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        nanoseconds += text.split(' ').next().ok_or("no time in schedstat")?.parse::<f64>()?;
    }
    Ok(nanoseconds * 1e-9)
}

/// The least that reads the same columns and writes one, with the same vectors and threads.
fn add<T: Real>(columns: &[&[T]], out: &mut [T]) {
    out.par_chunks_mut(PIECE).enumerate().for_each(|(number, out)| {
        let columns = columns.iter().map(|column| &column[number * PIECE..][..out.len()]);
        Arch::new().dispatch(Add { columns: columns.collect(), out });
    });
}

struct Add<'a, T> {
    columns: Vec<&'a [T]>,
    out: &'a mut [T],
}

impl<T: Real> WithSimd for Add<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        // Of one length that the compiler knows of: else it would not use vectors.
        let (n, out) = (self.out.len(), self.out);
        let of = |k: usize| &self.columns[k][..n];
        match self.columns.len() {
            1 => out.copy_from_slice(of(0)),
            2 => sum(out, [of(0), of(1)]),
            3 => sum(out, [of(0), of(1), of(2)]),
            _ => sum(out, [of(0), of(1), of(2), of(3)]),
        }
    }
}

#[inline(always)]
fn sum<T: Real, const N: usize>(out: &mut [T], columns: [&[T]; N]) {
    for i in 0..out.len() {
        let mut total = columns[0][i];
        for column in &columns[1..] {
            total = total + column[i];
        }
        out[i] = total;
    }
}
