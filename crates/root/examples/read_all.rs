//! Reads all columns of trees and ntuples, and prints the time: `cargo run --release -p fiducial-root --example read_all -- FILE...`
//!
//! Prints a JSON object a file: seconds to open, to read all columns, to decompress them without making anything of it, and to read one
//! column of the file once it is open; bytes before and after. Threads are rayon's: `RAYON_NUM_THREADS=2`. The Python twin is
//! `benches/root/read_all.py`.
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::ops::Range;
use std::time::Instant;

use arrow_schema::DataType;
use fiducial_root::{Column, Table};

type Result<T> = std::result::Result<T, fiducial_root::Error>;

/// The allocator of the command, so that the memory of one range of entries serves the next.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    for path in std::env::args().skip(1) {
        let start = Instant::now();
        let file = fiducial_root::RootFile::open(&path)?;
        let tables = file.table_names()?.iter().map(|name| file.table(name)).collect::<Result<Vec<_>>>()?;
        let opened = start.elapsed().as_secs_f64();

        // One column of the largest table, as somebody would who wants one of two thousand.
        let largest = tables.iter().max_by_key(|table| table.columns().len());
        let jagged = |column: &&Column| matches!(column.kind, Ok(DataType::List(_)));
        let column =
            largest.and_then(|t| t.columns().iter().find(jagged).or(t.columns().first()).map(|c| (t, c)));
        let (one, ..) =
            timed(|| column.map_or(Ok(0), |(t, c)| Ok(t.read(&[&c.name], 0..c.entries)?.num_rows())))?;
        let column = column.map_or("", |(_, column)| column.name.as_str());

        let (mut columns, mut compressed) = (0, 0);
        for table in &tables {
            let names = names(table);
            columns += names.len();
            compressed +=
                names.iter().filter_map(|n| table.column(n)).map(|c| c.compressed_bytes).sum::<u64>();
        }
        let (read, read_cpu, values) = timed(|| {
            each_cluster(&tables, |table, names, range| {
                Ok(table.read(names, range)?.get_array_memory_size() as u64)
            })
        })?;
        // Now that the system has mapped the file, what decompression takes, and what reading takes beside it.
        let (limit, limit_cpu, decompressed) = timed(|| {
            each_cluster(&tables, |table, names, range| {
                fiducial_root::limit::decompress(table, names, &range)
            })
        })?;
        let (again, again_cpu, _) = timed(|| {
            each_cluster(&tables, |table, names, range| Ok(table.read(names, range)?.num_rows() as u64))
        })?;
        println!(
            "{{\"file\": {path:?}, \"columns\": {columns}, \"open_s\": {opened:.6}, \"one\": {column:?}, \"one_s\": {one:.6}, \"read_s\": {read:.6}, \"read_cpu_s\": {read_cpu:.6}, \
             \"decompress_s\": {limit:.6}, \"decompress_cpu_s\": {limit_cpu:.6}, \"again_s\": {again:.6}, \"again_cpu_s\": {again_cpu:.6}, \"compressed\": {compressed}, \"decompressed\": {decompressed}, \"values\": {values}}}"
        );
    }
    Ok(())
}

/// The columns that can be read.
fn names(table: &Table) -> Vec<&str> {
    let columns = table.columns().iter();
    columns.filter(|c| c.kind.is_ok() && c.entries == table.entries()).map(|c| c.name.as_str()).collect()
}

/// The sum of what `each` gives for all clusters of all tables.
fn each_cluster(tables: &[Table], each: impl Fn(&Table, &[&str], Range<u64>) -> Result<u64>) -> Result<u64> {
    let mut sum = 0;
    for table in tables {
        for range in table.clusters() {
            sum += each(table, &names(table), range)?;
        }
    }
    Ok(sum)
}

/// The seconds that something takes, the seconds that processors work for it, and its result.
fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(f64, f64, T)> {
    let (start, before) = (Instant::now(), processor());
    let result = work()?;
    Ok((start.elapsed().as_secs_f64(), processor() - before, result))
}

/// The seconds that all threads have run, on Linux: what other programs do does not count. Elsewhere 0.
fn processor() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let stats = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok());
    let nanoseconds = stats.filter_map(|stat| stat.split(' ').next()?.parse::<f64>().ok());
    nanoseconds.sum::<f64>() / 1e9
}
