//! Times jet clustering: `jet_clustering EVENTS RADIUS ALGORITHM REPEATS [plain|tiled]`, one JSON object a run.
//!
//! EVENTS is a file that `benches/jet-clustering/make_events.py` wrote. One thread.
#![allow(clippy::print_stdout)]

use std::error::Error;

use fiducial_physics::cluster::{Algorithm, Clusterer, JetDefinition, Strategy};
use fiducial_physics::four_vector::{FourVector, FourVectors};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, radius, algorithm, repeats, rest @ ..] = arguments.as_slice() else {
        return Err("usage: jet_clustering EVENTS RADIUS ALGORITHM REPEATS [plain|tiled]".into());
    };
    let events = read(path)?;
    let algorithm = match algorithm.as_str() {
        "anti-kt" => Algorithm::AntiKt,
        "kt" => Algorithm::Kt,
        "cambridge-aachen" => Algorithm::CambridgeAachen,
        other => return Err(format!("no such algorithm: {other}").into()),
    };
    let strategy = match rest.first().map(String::as_str) {
        Some("plain") => Strategy::Plain,
        Some("tiled") => Strategy::Tiled,
        _ => Strategy::Automatic,
    };
    let definition = JetDefinition::new(algorithm, radius.parse()?);
    let mut clusterer = Clusterer::default();
    let mut times = Vec::new();
    let mut jets = 0;
    for _ in 0..repeats.parse()? {
        let start = processor_time()?;
        let sequences: Result<Vec<_>, _> =
            events.iter().map(|event| clusterer.cluster(&definition, event, strategy)).collect();
        let sequences = sequences?;
        times.push((processor_time()? - start) / events.len() as f64);
        jets = sequences.iter().map(|sequence| sequence.inclusive(5.0).len()).sum();
    }
    times.sort_by(f64::total_cmp);
    println!("{{\"seconds\": {:e}, \"jets\": {jets}}}", times[times.len() / 2]);
    Ok(())
}

/// Seconds that this process has run on a processor: other programs on the machine do not count.
fn processor_time() -> Result<f64, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/self/schedstat")?;
    let nanoseconds: f64 = text.split(' ').next().ok_or("no time in schedstat")?.parse()?;
    Ok(nanoseconds * 1e-9)
}

fn read(path: &str) -> Result<Vec<FourVectors<f64>>, Box<dyn Error>> {
    let bytes = std::fs::read(path)?;
    let words: Vec<[u8; 8]> = bytes.as_chunks::<8>().0.to_vec();
    let (first, words) = words.split_first().ok_or("the file is empty")?;
    let (counts, values) = words.split_at_checked(u64::from_le_bytes(*first) as usize).ok_or("cut short")?;
    let mut values = values.as_chunks::<4>().0.iter();
    let mut events = Vec::new();
    for count in counts {
        let event: FourVectors<f64> = values
            .by_ref()
            .take(u64::from_le_bytes(*count) as usize)
            .map(|v| v.map(f64::from_le_bytes))
            .map(|[px, py, pz, e]| FourVector::new(px, py, pz, e))
            .collect();
        events.push(event);
    }
    Ok(events)
}
