//! Time of a full summary of a million events with 200 bootstrap replicas.
//! `cargo run --release -p fiducial-metrics --example bootstrap_speed`

use std::io::Write;
use std::time::Instant;

use fiducial_metrics::{BinaryScores, Bootstrap, Error};

fn main() -> Result<(), Error> {
    let n = 1_000_000;
    // A fixed mixing of the bits of i stands in for random scores.
    let score = |i: u64| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 11) as f64 / (1_u64 << 53) as f64;
    let truth: Vec<bool> = (0..n).map(|i| i % 2 == 0).collect();
    let scores: Vec<f64> = (0..n).map(|i| score(i) + if i % 2 == 0 { 0.5 } else { 0.0 }).collect();
    let mut out = std::io::stdout();

    let start = Instant::now();
    let events = BinaryScores::new(&scores, &truth, None)?;
    let _ = writeln!(out, "check and sort {n} events: {:.2} s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let summary = events.summary(0.5, &[0.3, 0.5], 200, &Bootstrap::default())?;
    let _ = writeln!(
        out,
        "200 replicas: {:.2} s on {} threads",
        start.elapsed().as_secs_f64(),
        rayon::current_num_threads()
    );
    let _ = writeln!(out, "AUC {}, accuracy {}", summary.roc_auc, summary.accuracy);
    Ok(())
}
