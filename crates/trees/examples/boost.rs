//! Trains on a file of little-endian 32-bit floats, rows of features with the target last, and prints its times as JSON.
//!
//! Usage: boost FILE FEATURES TRAINING_ROWS ROUNDS DEPTH RATE MODEL SCORES. The rows after the first TRAINING_ROWS are scored; the model and
//! their scores are written. For `benches/trees`.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark")]

use std::time::Instant;

use fiducial_trees::{Config, Labelled, Objective, Table, Trainer};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments[at].parse::<usize>().unwrap();
    let (features, training, rounds) = (number(1), number(2), number(3));
    let bytes = std::fs::read(&arguments[0]).unwrap();
    let (mut values, mut targets) = (Vec::new(), Vec::new());
    for row in bytes.chunks_exact(4 * (features + 1)) {
        let mut row = row.chunks_exact(4).map(|number| f32::from_le_bytes(number.try_into().unwrap()));
        values.extend(row.by_ref().take(features));
        targets.extend(row);
    }
    let (train, test) = values.split_at(training * features);
    let data = Labelled {
        table: Table::new(train, features).unwrap(),
        targets: &targets[..training],
        weights: None,
    };
    let config =
        Config { max_depth: number(4), learning_rate: arguments[5].parse().unwrap(), ..Config::default() };
    let (start, before) = (Instant::now(), processor_seconds());
    let mut trainer = Trainer::new(&config, Objective::Logistic, data).unwrap();
    let binned = start.elapsed().as_secs_f64();
    for _ in 0..rounds {
        trainer.round();
    }
    let (trained, processor) = (start.elapsed().as_secs_f64(), processor_seconds() - before);
    let booster = trainer.into_booster();
    let test = Table::new(test, features).unwrap();
    let start = Instant::now();
    let scores = booster.predict(&test).unwrap();
    let predicted = start.elapsed().as_secs_f64();
    std::fs::write(&arguments[6], booster.to_json()).unwrap();
    std::fs::write(&arguments[7], scores.iter().flat_map(|score| score.to_le_bytes()).collect::<Vec<u8>>())
        .unwrap();
    println!(
        r#"{{"binning": {binned}, "training": {trained}, "processor": {processor}, "prediction": {predicted}}}"#
    );
}

/// Of all threads of this process, in Linux's hundredths of a second.
fn processor_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = text.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|word| word.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}
