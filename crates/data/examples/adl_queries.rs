//! Times the ADL benchmark queries: `adl_queries FOLDER FILE ROUNDS [QUERY...]`.
//!
//! FOLDER holds `queries/*.toml` and `axes.json`. Each round fills a histogram as `fiducial hist` does, once from the file and once
//! from its columns in memory. Prints `{query: {total_s: [..], evaluate_s: [..], bins: [..]}}`: `evaluate_s` is without reading.
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::collections::BTreeMap;
use std::error::Error;
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use fiducial_data::expr::Expr;
use fiducial_data::hist::{Spec, fill};
use fiducial_data::source::{self, Source};
use fiducial_data::view::View;
use fiducial_root::Axis;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The columns of a query, read before: a batch for each partition.
struct Memory {
    partitions: Vec<Range<u64>>,
    batches: Vec<RecordBatch>,
}

impl Memory {
    fn of(source: &dyn Source, columns: &[&str]) -> Result<Self> {
        let partitions = source.partitions();
        let read = |rows: &Range<u64>| source.read(columns, rows.clone());
        let batches = partitions.iter().map(read).collect::<std::result::Result<_, _>>()?;
        Ok(Self { partitions, batches })
    }
}

impl Source for Memory {
    fn path(&self) -> &Path {
        Path::new("memory")
    }

    fn rows(&self) -> u64 {
        self.partitions.last().map_or(0, |rows| rows.end)
    }

    fn schema(&self) -> SchemaRef {
        self.batches[0].schema()
    }

    fn partitions(&self) -> Vec<Range<u64>> {
        self.partitions.clone()
    }

    fn read(&self, columns: &[&str], rows: Range<u64>) -> std::result::Result<RecordBatch, source::Error> {
        let partition = self.partitions.iter().position(|known| *known == rows).unwrap_or_default();
        let batch = &self.batches[partition];
        let places: Vec<usize> =
            columns.iter().filter_map(|name| batch.schema_ref().index_of(name).ok()).collect();
        batch.project(&places).map_err(|error| source::Error::Settings {
            action: "read columns in memory",
            reason: error.to_string(),
        })
    }
}

/// The bins of a query without the flow, and the seconds that it took.
fn run(view: &View, spec: &Spec, sources: &[Box<dyn Source>]) -> Result<(Vec<f64>, f64)> {
    let start = Instant::now();
    let filled = fill(view, spec, sources, &mut |_| {})?;
    let seconds = start.elapsed().as_secs_f64();
    let values = filled.histogram.values();
    Ok((values[1..values.len() - 1].to_vec(), seconds))
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, file, rounds, wanted @ ..] = &arguments[..] else {
        return Err("usage: adl_queries FOLDER FILE ROUNDS [QUERY...]".into());
    };
    let (folder, rounds) = (Path::new(folder), rounds.parse::<usize>()?);
    let axes: BTreeMap<String, (usize, f64, f64)> =
        serde_json::from_str(&std::fs::read_to_string(folder.join("axes.json"))?)?;
    let file = [source::open(Path::new(file), Some("Events"))?];
    let mut report = serde_json::Map::new();
    for (query, (bins, low, high)) in axes {
        if !wanted.is_empty() && !wanted.contains(&query) {
            continue;
        }
        let view = View::read(folder.join(format!("queries/{query}.toml")))?;
        let axes = vec![(Expr::column("result"), Axis::regular(&query, bins, low, high))];
        let spec = Spec { name: query.clone(), axes, weight: None };
        let columns = view.stored_columns();
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let memory: [Box<dyn Source>; 1] = [Box::new(Memory::of(file[0].as_ref(), &columns)?)];
        let (mut totals, mut evaluations, mut counts) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            let (bins, seconds) = run(&view, &spec, &file)?;
            counts = bins;
            totals.push(seconds);
            evaluations.push(run(&view, &spec, &memory)?.1);
        }
        let result = serde_json::json!({ "total_s": totals, "evaluate_s": evaluations, "bins": counts });
        report.insert(query, result);
    }
    println!("{}", serde_json::Value::Object(report));
    Ok(())
}
