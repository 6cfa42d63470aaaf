//! Compares what this crate reads with what uproot reads, column by column, over every ROOT file of a directory:
//!
//! `FIDUCIAL_TEST_PYTHON=python cargo run --release -p fiducial-root --example conformance -- DIR... [--all] [--ntuples]`
//!
//! A line a tree or ntuple, and a line for each column that is not equal, with the reason. `--all` lists the equal ones too;
//! `--ntuples` passes over trees.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

use std::collections::BTreeMap;
use std::path::Path;

#[path = "../tests/common/mod.rs"]
mod common;

use common::Outcome;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (flags, paths): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|arg| arg.starts_with("--"));
    let flag = |name: &str| flags.iter().any(|flag| flag == name);
    let (all, only_ntuples) = (flag("--all"), flag("--ntuples"));
    let Some(python) = common::python() else { return Ok(()) };
    let mut totals = [0; 5];
    println!("| file | tree or ntuple | columns | equal | different | only uproot | only here | neither |");
    println!("|---|---|---|---|---|---|---|---|");
    let mut details = Vec::new();
    for path in &paths {
        let path = Path::new(path);
        let files = if path.is_dir() { common::root_files(path) } else { vec![path.to_path_buf()] };
        for path in files {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let mut trees: BTreeMap<String, [usize; 5]> = BTreeMap::new();
            for row in common::compare(&python, &path, only_ntuples)? {
                trees.entry(row.tree.clone()).or_default()[row.outcome as usize] += 1;
                totals[row.outcome as usize] += 1;
                if all || row.outcome != Outcome::Equal {
                    details.push(format!(
                        "{:?}: {name}: {}: {}: {}",
                        row.outcome, row.tree, row.column, row.detail
                    ));
                }
            }
            for (tree, n) in trees {
                line(&name, &tree, n);
            }
        }
    }
    line("all", "", totals);
    println!();
    details.iter().for_each(|line| println!("{line}"));
    Ok(())
}

fn line(file: &str, tree: &str, n: [usize; 5]) {
    let [equal, different, missing, only_here, neither] = n;
    let columns: usize = n.iter().sum();
    println!("| {file} | {tree} | {columns} | {equal} | {different} | {missing} | {only_here} | {neither} |");
}
