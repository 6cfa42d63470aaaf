//! Times the ADL benchmark queries: `adl_queries FOLDER FILE ROUNDS [QUERY...]`.
//!
//! FOLDER holds `queries/*.toml` and `axes.json`. Each round reads the columns that a query needs, selects, evaluates and
//! fills a histogram. Prints `{query: {total_s: [..], evaluate_s: [..], bins: [..]}}`: `evaluate_s` is without reading.
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::time::Instant;

use arrow_array::{BooleanArray, RecordBatch};
use arrow_select::filter::filter_record_batch;
use fiducial_data::source::{self, Source};
use fiducial_data::view::View;
use rayon::prelude::*;

/// Rows that are evaluated together: few enough for the combinations of their particles to stay in a core's cache.
const BLOCK: usize = 2048;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Uniform bins, filled as `numpy.histogram` does: the last one has both borders.
struct Axis {
    bins: usize,
    low: f64,
    high: f64,
}

impl Axis {
    fn fill(&self, counts: &mut [u64], values: &[f64]) {
        let scale = self.bins as f64 / (self.high - self.low);
        let edge = |bin: usize| self.low + (self.high - self.low) * bin as f64 / self.bins as f64;
        for value in values {
            if !(self.low..=self.high).contains(value) {
                continue;
            }
            let mut bin = (((value - self.low) * scale) as usize).min(self.bins - 1);
            if *value < edge(bin) {
                bin -= 1;
            } else if bin + 1 < self.bins && *value >= edge(bin + 1) {
                bin += 1;
            }
            counts[bin] += 1;
        }
    }
}

fn evaluate(view: &View, batch: &RecordBatch, first_row: u64, axis: &Axis) -> Result<Vec<u64>> {
    let mut counts = vec![0; axis.bins];
    for start in (0..batch.num_rows()).step_by(BLOCK) {
        let block = batch.slice(start, BLOCK.min(batch.num_rows() - start));
        let selection = view.select(&block, first_row + start as u64)?;
        let all = selection.mask.count_set_bits() == block.num_rows();
        let left =
            if all { block } else { filter_record_batch(&block, &BooleanArray::new(selection.mask, None))? };
        let result = view.variable("result", &view.environment(&left))?;
        axis.fill(&mut counts, &result.numbers());
    }
    Ok(counts)
}

fn merged(parts: Vec<Result<Vec<u64>>>) -> Result<Vec<u64>> {
    let mut total: Vec<u64> = Vec::new();
    for part in parts {
        let part = part?;
        total.resize(part.len(), 0);
        total.iter_mut().zip(part).for_each(|(sum, count)| *sum += count);
    }
    Ok(total)
}

fn run(source: &dyn Source, view: &View, axis: &Axis) -> Result<(Vec<u64>, f64, f64)> {
    let columns = view.stored_columns();
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let partitions = source.partitions();
    let start = Instant::now();
    let parts = partitions.par_iter().map(|rows| {
        let batch = source.read(&columns, rows.clone())?;
        evaluate(view, &batch, rows.start, axis)
    });
    let counts = merged(parts.collect())?;
    let total = start.elapsed().as_secs_f64();
    let batches: Vec<RecordBatch> = partitions
        .iter()
        .map(|rows| source.read(&columns, rows.clone()))
        .collect::<std::result::Result<_, _>>()?;
    let start = Instant::now();
    let parts =
        batches.par_iter().zip(&partitions).map(|(batch, rows)| evaluate(view, batch, rows.start, axis));
    merged(parts.collect())?;
    Ok((counts, total, start.elapsed().as_secs_f64()))
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, file, rounds, wanted @ ..] = &arguments[..] else {
        return Err("usage: adl_queries FOLDER FILE ROUNDS [QUERY...]".into());
    };
    let (folder, rounds) = (Path::new(folder), rounds.parse::<usize>()?);
    let axes: BTreeMap<String, (usize, f64, f64)> =
        serde_json::from_str(&std::fs::read_to_string(folder.join("axes.json"))?)?;
    let source = source::open(Path::new(file), Some("Events"))?;
    let mut report = serde_json::Map::new();
    for (query, (bins, low, high)) in axes {
        if !wanted.is_empty() && !wanted.contains(&query) {
            continue;
        }
        let view = View::read(folder.join(format!("queries/{query}.toml")))?;
        let axis = Axis { bins, low, high };
        let (mut totals, mut evaluations, mut counts) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            let (bins, total, evaluation) = run(source.as_ref(), &view, &axis)?;
            counts = bins;
            totals.push(total);
            evaluations.push(evaluation);
        }
        let result = serde_json::json!({ "total_s": totals, "evaluate_s": evaluations, "bins": counts });
        report.insert(query, result);
    }
    println!("{}", serde_json::Value::Object(report));
    Ok(())
}
