//! Reads all columns of a file, a partition at a time, and prints the time: `read_source FILE [TABLE]`. What
//! `benches/sources` measures.
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;
use std::time::Instant;

use fiducial_data::source;
use rayon::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: read_source FILE [TABLE]")?;
    let table = arguments.next();
    let start = Instant::now();
    let source = source::open(path.as_ref(), table.as_deref())?;
    let open = start.elapsed().as_secs_f64();
    let schema = source.schema();
    let columns: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let start = Instant::now();
    // All of them stay in memory, as in the twin.
    let batches: Vec<_> = source
        .partitions()
        .into_par_iter()
        .map(|rows| source.read(&columns, rows))
        .collect::<Result<_, _>>()?;
    let read = start.elapsed().as_secs_f64();
    let rows: usize = batches.iter().map(arrow_array::RecordBatch::num_rows).sum();
    println!("{{\"rows\": {rows}, \"columns\": {}, \"open_s\": {open}, \"read_s\": {read}}}", columns.len());
    Ok(())
}
