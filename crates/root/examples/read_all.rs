//! Reads all columns of trees and ntuples, and prints the time: `cargo run --release -p fiducial-root --example read_all -- FILE...`
//!
//! Prints a JSON object a file: seconds to open, seconds to read, bytes before and after decompression. Threads are
//! rayon's: `RAYON_NUM_THREADS=2`. The Python twin is `benches/root/read_all.py`.
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for path in std::env::args().skip(1) {
        let start = Instant::now();
        let file = fiducial_root::RootFile::open(&path)?;
        let tables =
            file.table_names()?.iter().map(|name| file.table(name)).collect::<Result<Vec<_>, _>>()?;
        let opened = start.elapsed().as_secs_f64();

        let start = Instant::now();
        let (mut columns, mut compressed, mut values) = (0, 0, 0);
        for table in &tables {
            let readable = table.columns().iter().filter(|c| c.kind.is_ok() && c.entries == table.entries());
            let readable: Vec<_> = readable.collect();
            let names: Vec<_> = readable.iter().map(|c| c.name.as_str()).collect();
            columns += names.len();
            compressed += readable.iter().map(|c| c.compressed_bytes).sum::<u64>();
            for range in table.clusters() {
                values += table.read(&names, range)?.get_array_memory_size();
            }
        }
        let read = start.elapsed().as_secs_f64();
        println!(
            "{{\"file\": {path:?}, \"columns\": {columns}, \"open_s\": {opened:.6}, \"read_s\": {read:.6}, \
             \"compressed\": {compressed}, \"values\": {values}}}"
        );
    }
    Ok(())
}
