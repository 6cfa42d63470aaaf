//! Times the energy mover's distance: `emd EVENTS REPEATS`, one JSON object: seconds a pair and the distances' sum.
//!
//! EVENTS is a file that `benches/emd/run.py` wrote: number of events n and of particles m (u64), then n × m times pt, y, phi.
#![allow(clippy::print_stdout)]

use std::error::Error;

use fiducial_physics::emd::{Emd, EnergyFlow};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, repeats] = arguments.as_slice() else {
        return Err("usage: emd EVENTS REPEATS".into());
    };
    let bytes = std::fs::read(path)?;
    let (words, _) = bytes.as_chunks::<8>();
    let [events, particles, values @ ..] = words else { return Err("the file is cut short".into()) };
    let (events, particles) = (u64::from_le_bytes(*events) as usize, u64::from_le_bytes(*particles) as usize);
    let values: Vec<f64> = values.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
    let flows: Result<Vec<EnergyFlow>, _> = values
        .chunks_exact(3 * particles)
        .take(events)
        .map(|event| {
            let column = |k: usize| -> Vec<f64> { event.iter().skip(k).step_by(3).copied().collect() };
            EnergyFlow::new(&column(0), &column(1), &column(2))
        })
        .collect();
    let flows = flows?;
    let emd = Emd { radius: 0.8, ..Emd::default() };
    let mut times = Vec::new();
    let mut sum = 0.0;
    for _ in 0..repeats.parse()? {
        let start = processor_time()?;
        let distances = emd.pairwise(&flows)?;
        times.push((processor_time()? - start) / distances.len() as f64);
        sum = distances.iter().sum();
    }
    times.sort_by(f64::total_cmp);
    println!("{{\"seconds\": {:e}, \"sum\": {sum:e}}}", times[times.len() / 2]);
    Ok(())
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
