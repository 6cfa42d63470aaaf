//! Reads all columns of trees and ntuples, and prints the time: `cargo run --release -p fiducial-root --example read_all -- FILE...`
//!
//! Prints a JSON object a file: seconds to open, to read all columns, to decompress them without making anything of it, and to read one
//! column of the file once it is open; bytes before and after. Threads are rayon's: `RAYON_NUM_THREADS=2`. The Python twin is
//! `benches/root/read_all.py`.
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::time::Instant;

use arrow_schema::DataType;
use fiducial_root::{Column, Table};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for path in std::env::args().skip(1) {
        let start = Instant::now();
        let file = fiducial_root::RootFile::open(&path)?;
        let tables =
            file.table_names()?.iter().map(|name| file.table(name)).collect::<Result<Vec<_>, _>>()?;
        let opened = start.elapsed().as_secs_f64();

        // One column of each, as somebody would who wants one of two thousand.
        let start = Instant::now();
        for table in &tables {
            let jagged = |column: &&Column| matches!(column.kind, Ok(DataType::List(_)));
            if let Some(column) = table.columns().iter().find(jagged).or(table.columns().first()) {
                table.read(&[&column.name], 0..column.entries)?;
            }
        }
        let one = start.elapsed().as_secs_f64();

        let start = Instant::now();
        let (mut columns, mut compressed, mut values) = (0, 0, 0);
        for table in &tables {
            let names = names(table);
            columns += names.len();
            compressed +=
                names.iter().filter_map(|n| table.column(n)).map(|c| c.compressed_bytes).sum::<u64>();
            for range in table.clusters() {
                values += table.read(&names, range)?.get_array_memory_size();
            }
        }
        let read = start.elapsed().as_secs_f64();

        let start = Instant::now();
        let mut decompressed = 0;
        for table in &tables {
            for range in table.clusters() {
                decompressed += fiducial_root::limit::decompress(table, &names(table), &range)?;
            }
        }
        let limit = start.elapsed().as_secs_f64();
        println!(
            "{{\"file\": {path:?}, \"columns\": {columns}, \"open_s\": {opened:.6}, \"one_s\": {one:.6}, \"read_s\": {read:.6}, \
             \"decompress_s\": {limit:.6}, \"compressed\": {compressed}, \"decompressed\": {decompressed}, \"values\": {values}}}"
        );
    }
    Ok(())
}

/// The columns that can be read.
fn names(table: &Table) -> Vec<&str> {
    let columns = table.columns().iter();
    columns.filter(|c| c.kind.is_ok() && c.entries == table.entries()).map(|c| c.name.as_str()).collect()
}
