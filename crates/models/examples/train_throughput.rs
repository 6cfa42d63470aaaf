//! Times training steps on made-up jets: `train_throughput MODEL.toml JETS LENGTH REAL STEPS [DIR]`.
//!
//! Prints one line of JSON: jets per second, milliseconds and (on Linux) milliseconds of processor time a step, and the
//! losses of the first steps. With DIR it first writes the weights, the
//! inputs and the logits there, so that a twin in another framework can start from the same numbers. The number of
//! threads is that of rayon (`RAYON_NUM_THREADS`). With `FIDUCIAL_PRECISION=bf16` matrix products are made of bf16.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use fiducial_models::{Inputs, ModelConfig, Network, Optimiser, OptimiserConfig, PaddedGroups, Precision};
use rand::{RngExt, SeedableRng};

#[global_allocator]
static ALLOCATOR: fiducial_models::allocator::Allocator = fiducial_models::allocator::Allocator;

fn main() -> Result<(), Box<dyn Error>> {
    if std::env::var_os("FIDUCIAL_DEFAULT_ALLOCATOR").is_none() {
        fiducial_models::allocator::keep_freed_memory();
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, sizes @ ..] = arguments.as_slice() else {
        return Err("give MODEL.toml JETS LENGTH REAL STEPS [DIR]".into());
    };
    let [jets, length, real, steps] =
        [0, 1, 2, 3].map(|place| sizes.get(place).and_then(|size| size.parse::<usize>().ok()).unwrap_or(0));
    let config = ModelConfig::from_toml(&std::fs::read_to_string(model)?)?;

    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    let mut group = |variables: usize| -> Vec<f32> {
        (0..jets * variables * length).map(|_| 2.0 * random.random::<f32>() - 1.0).collect()
    };
    let (features, points) = (group(config.features()), group(2));
    let mut vectors = group(4);
    for jet in vectors.chunks_exact_mut(4 * length) {
        for constituent in 0..length {
            let square: f32 = (0..3).map(|axis| jet[axis * length + constituent].powi(2)).sum();
            // Masses that stand clear of rounding.
            jet[3 * length + constituent] = (square + 0.1).sqrt();
        }
    }
    // The first REAL constituents on average, from half to one and a half times of it.
    let mask: Vec<f32> = (0..jets)
        .flat_map(|jet| {
            let number =
                if real >= length { length } else { (real / 2 + jet * real / jets.max(1)).min(length) };
            (0..length).map(move |constituent| if constituent < number { 1.0 } else { 0.0 })
        })
        .collect();
    #[allow(clippy::cast_possible_truncation)]
    let labels: Vec<u32> = (0..jets).map(|jet| (jet % config.outputs()) as u32).collect();
    let weights = vec![1.0; jets];
    let groups = PaddedGroups {
        jets,
        length,
        points: Some(&points),
        features: &features,
        vectors: Some(&vectors),
        mask: Some(&mask),
        ..PaddedGroups::default()
    };

    let mut network = Network::new(&config, 20)?;
    if let Some(folder) = sizes.get(4).map(Path::new) {
        network.save_safetensors(folder.join("weights.safetensors"))?;
        let logits = network.logits(&Inputs::pack(&groups)?)?;
        for (name, values) in [
            ("features", &features),
            ("points", &points),
            ("vectors", &vectors),
            ("mask", &mask),
            ("logits", &logits),
        ] {
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            std::fs::write(folder.join(format!("{name}.f32")), bytes)?;
        }
    }

    let precision = match std::env::var("FIDUCIAL_PRECISION").as_deref() {
        Ok("bf16") => Precision::BFloat16,
        _ => Precision::Single,
    };
    let mut optimiser =
        Optimiser::new(OptimiserConfig { weight_decay: 0.0, precision, ..OptimiserConfig::default() });
    let mut losses = Vec::new();
    let mut times = Vec::new();
    let mut processor = 0.0;
    for step in 0..steps + 3 {
        if step == 3 {
            processor = processor_seconds();
        }
        let start = Instant::now();
        // Dropping the padding is part of a step.
        let inputs = Inputs::pack(&groups)?;
        let report = optimiser.step(&mut network, &inputs, &labels, &weights, 1e-3)?;
        times.push(start.elapsed().as_secs_f64());
        losses.push(report.loss);
    }
    #[allow(clippy::cast_precision_loss)]
    let processor = (processor_seconds() - processor) / steps as f64;
    let mut times = times.split_off(3);
    times.sort_by(f64::total_cmp);
    let median = times.get(times.len() / 2).copied().unwrap_or(f64::NAN);
    #[allow(clippy::cast_precision_loss)]
    let jets_per_second = jets as f64 / median;
    losses.truncate(5);
    println!(
        "{{\"jets_per_second\": {jets_per_second:.1}, \"milliseconds\": {:.3}, \"processor_milliseconds\": {:.3}, \"losses\": {losses:?}}}",
        1e3 * median,
        1e3 * processor,
    );
    Ok(())
}

/// Processor time of all threads of this process; NaN where the system does not tell it in the way of Linux.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    // The 14th and 15th field of all, in ticks of a hundredth of a second: user and system time.
    let ticks: Vec<f64> = fields.skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    if ticks.len() == 2 { (ticks[0] + ticks[1]) / 100.0 } else { f64::NAN }
}
