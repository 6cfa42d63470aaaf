//! A report of a toy, to look at while its design changes: no data, no training.
//!
//! ```sh
//! cargo run --release -p fiducial-bench --example report_demo -- report.html
//! ```

#[path = "../tests/report_toy/mod.rs"]
mod report_toy;

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("report.html"), PathBuf::from);
    std::fs::write(path, fiducial_bench::report::render(&report_toy::report()?))?;
    Ok(())
}
