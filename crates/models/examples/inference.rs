//! Inference beside ONNX Runtime, in turns in one process: the same network, the same jets, as many threads.
//!
//! `ORT_DYLIB_PATH=... cargo run --release -p fiducial-models --example inference -- MODEL.toml [THREADS] [ROUNDS] [JETS]`
//!
//! Prints a line for a batch of 1 and of 1,024 jets, each of 64 places, all real or half of them padding: medians of the time
//! of a batch, and the ratio of ours to theirs (above 1: ours takes longer) with its quartiles, by the clock and by processor
//! time. With JETS batches of that many alone. The export of the network is what ONNX Runtime runs.
//! `benches/inference/run.py` runs it for several models.
#![allow(clippy::print_stdout, reason = "it prints what it measured")]

use std::error::Error;
use std::time::Instant;

use fiducial_models::onnx::{Export, Runtime, export};
use fiducial_models::{Inputs, ModelConfig, Network, PaddedGroups};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[global_allocator]
static ALLOCATOR: fiducial_models::allocator::Allocator = fiducial_models::allocator::Allocator;

const LENGTH: usize = 64;

struct Jets {
    number: usize,
    points: Vec<f32>,
    features: Vec<f32>,
    vectors: Vec<f32>,
    mask: Vec<f32>,
}

impl Jets {
    /// Standardised features and massless momenta; `real` constituents in each jet.
    fn new(number: usize, features: usize, real: usize) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let mut numbers =
            |count: usize| -> Vec<f32> { (0..count).map(|_| random.random_range(-1.5..1.5)).collect() };
        let cells = number * LENGTH;
        let mut vectors = numbers(4 * cells);
        for jet in vectors.chunks_exact_mut(4 * LENGTH) {
            for place in 0..LENGTH {
                jet[3 * LENGTH + place] =
                    (0..3).map(|component| jet[component * LENGTH + place].powi(2)).sum::<f32>().sqrt();
            }
        }
        Self {
            number,
            points: numbers(2 * cells),
            features: numbers(features * cells),
            vectors,
            mask: (0..cells).map(|cell| if cell % LENGTH < real { 1.0 } else { 0.0 }).collect(),
        }
    }

    fn groups(&self) -> PaddedGroups<'_> {
        PaddedGroups {
            jets: self.number,
            length: LENGTH,
            points: Some(&self.points),
            features: &self.features,
            vectors: Some(&self.vectors),
            mask: Some(&self.mask),
            ..PaddedGroups::default()
        }
    }
}

/// Seconds of processor time that this process has used, on all threads.
fn processor() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live struct of the type that the call fills.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    time.tv_sec as f64 + 1e-9 * time.tv_nsec as f64
}

/// Waits until no thread of this process works: those of ONNX Runtime spin for a tenth of a second after their last call,
/// and would take a processor from whoever is measured next.
fn settle() {
    for _ in 0..100 {
        let used = processor();
        std::thread::sleep(std::time::Duration::from_millis(10));
        if processor() - used < 5e-4 {
            return;
        }
    }
}

/// The time of one call, by the clock and by processor time, over `calls` calls after one that wakes the threads.
fn time(
    calls: usize,
    mut call: impl FnMut() -> Result<(), Box<dyn Error>>,
) -> Result<[f64; 2], Box<dyn Error>> {
    settle();
    call()?;
    let (start, used) = (Instant::now(), processor());
    for _ in 0..calls {
        call()?;
    }
    Ok([start.elapsed().as_secs_f64(), processor() - used].map(|seconds| seconds / calls as f64))
}

fn quartiles(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
}

fn main() -> Result<(), Box<dyn Error>> {
    fiducial_models::allocator::keep_freed_memory();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let path = arguments.first().ok_or("usage: inference MODEL.toml [THREADS] [ROUNDS] [JETS]")?;
    let number =
        |index: usize, default| arguments.get(index).map_or(Ok(default), |text| text.parse::<usize>());
    let (threads, rounds, only) = (number(1, 2)?, number(2, 15)?, number(3, 0)?);
    let batches: &[usize] = if only == 0 { &[1, 1024] } else { &[only] };
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    let runtime = Runtime::find()?.ok_or("set ORT_DYLIB_PATH to the library of ONNX Runtime")?;
    let mut config = ModelConfig::from_toml(&std::fs::read_to_string(path)?)?;
    if config.features() == 0 {
        config = config.with_shape(7, 2)?;
    }
    let network = Network::new(&config, 20)?;
    let mut session =
        runtime.session(&export(&network, &Export { mask: true, ..Export::default() })?, threads)?;
    println!("{} on {threads} threads, {}", config.kind(), runtime.version());
    println!(
        "| jets | real of {LENGTH} | ours | theirs | ratio by the clock | ratio of processor time | largest difference |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (jets, real) in batches.iter().flat_map(|&jets| [(jets, LENGTH), (jets, LENGTH / 2)]) {
        let made = Jets::new(jets, config.features(), real);
        let groups = made.groups();
        let ours = network.probabilities(&Inputs::pack(&groups)?)?;
        let theirs = session.run(&groups)?;
        let difference = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        // About a twentieth of a second each.
        let [once, _] = time(1, || {
            drop(network.probabilities(&Inputs::pack(&groups)?)?);
            Ok(())
        })?;
        let calls = ((0.05 / once) as usize).clamp(1, 2000);
        let mut times = Vec::new();
        for _ in 0..rounds {
            let ours = time(calls, || {
                drop(network.probabilities(&Inputs::pack(&groups)?)?);
                Ok(())
            })?;
            times.push((
                ours,
                time(calls, || {
                    drop(session.run(&groups)?);
                    Ok(())
                })?,
            ));
        }
        let [_, ours, _] = quartiles(times.iter().map(|(ours, _)| ours[0]));
        let [_, theirs, _] = quartiles(times.iter().map(|(_, theirs)| theirs[0]));
        let ratio = |which: usize| {
            let [low, middle, high] =
                quartiles(times.iter().map(|(ours, theirs)| ours[which] / theirs[which]));
            format!("{middle:.2} ({low:.2} to {high:.2})")
        };
        println!(
            "| {jets} | {real} | {:.3} ms | {:.3} ms | {} | {} | {difference:.0e} |",
            1e3 * ours,
            1e3 * theirs,
            ratio(0),
            ratio(1)
        );
    }
    Ok(())
}
