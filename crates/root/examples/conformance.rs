//! Compares what this crate reads with what uproot reads, column by column, over every ROOT file of a directory:
//!
//! `FIDUCIAL_TEST_PYTHON=python cargo run --release -p fiducial-root --example conformance -- DIR... [--all] [--ntuples]`
//!
//! A line a tree or ntuple, and a line for each column that is not equal, with the reason. `--all` lists the equal ones
//! too; `--ntuples` passes over trees.
//! `--markdown` prints the page `docs/root-conformance.md` instead: the lines, and the reasons with their numbers.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[path = "../tests/common/mod.rs"]
mod common;

use common::{Outcome, Row};
use rayon::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (flags, paths): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|arg| arg.starts_with("--"));
    let flag = |name: &str| flags.iter().any(|flag| flag == name);
    let (all, markdown, only_ntuples) = (flag("--all"), flag("--markdown"), flag("--ntuples"));
    let Some(python) = common::python() else { return Ok(()) };
    let mut files: Vec<PathBuf> = Vec::new();
    for path in paths.iter().map(Path::new) {
        files.extend(if path.is_dir() { common::root_files(path) } else { vec![path.to_path_buf()] });
    }
    let compared =
        files.par_iter().map(|path| common::compare(&python, path, only_ntuples).map_err(|e| e.to_string()));
    let compared: Vec<_> = compared.collect();
    if markdown {
        println!("{HEAD}");
    }
    println!("| file | tree | columns | equal | different | only uproot | only here | neither |");
    println!("|---|---|---|---|---|---|---|---|");
    let mut totals = [0; 5];
    let mut shown: Vec<(String, Row)> = Vec::new();
    for (path, rows) in files.iter().zip(compared) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let rows = rows.map_err(|e| format!("{name}: {e}"))?;
        let mut trees: BTreeMap<String, [usize; 5]> = BTreeMap::new();
        for row in rows {
            trees.entry(row.tree.clone()).or_default()[row.outcome as usize] += 1;
            totals[row.outcome as usize] += 1;
            if all || row.outcome != Outcome::Equal {
                shown.push((name.clone(), row));
            }
        }
        for (tree, n) in trees {
            line(&name, &tree, n);
        }
    }
    line("all", "", totals);
    println!();
    if markdown {
        reasons(&shown);
    } else {
        for (name, row) in &shown {
            println!("{:?}: {name}: {}: {}: {}", row.outcome, row.tree, row.column, row.detail);
        }
    }
    Ok(())
}

const HEAD: &str = "# ROOT columns, beside uproot

Every column of every tree in the public test files of scikit-hep-testdata and coffea, read by `fiducial-root` and by
uproot. \"Equal\" means type, values and offsets; \"only here\" are columns that uproot does not turn into arrays. Made by

    FIDUCIAL_TEST_PYTHON=python cargo run --release -p fiducial-root --example conformance -- --markdown DIRECTORY

where the Python has uproot, awkward and xxhash.
";

/// Why columns are not equal: each reason with its files and the number of its columns.
fn reasons(shown: &[(String, Row)]) {
    for (outcome, title) in [
        (Outcome::Different, "Different"),
        (Outcome::Missing, "Read by uproot alone"),
        (Outcome::Neither, "Read by neither"),
    ] {
        let mut groups: BTreeMap<String, (usize, Vec<&str>)> = BTreeMap::new();
        for (name, row) in shown.iter().filter(|(_, row)| row.outcome == outcome) {
            // A column that differs has its own line.
            let reason = match outcome {
                Outcome::Different => format!("{}: {}", row.column, short(&row.detail)),
                _ => short(&row.detail),
            };
            let group = groups.entry(reason).or_default();
            group.0 += 1;
            if !group.1.contains(&name.as_str()) {
                group.1.push(name);
            }
        }
        if groups.is_empty() {
            continue;
        }
        println!("## {title}\n\n| columns | reason | files |\n|---|---|---|");
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_by_key(|(_, (n, _))| std::cmp::Reverse(*n));
        for (reason, (n, files)) in groups {
            println!("| {n} | {} | {} |", reason.replace('|', "\\|"), files.join(", "));
        }
        println!();
    }
}

/// A reason without where it was found.
fn short(detail: &str) -> String {
    let reason = match detail.split_once(" at byte ") {
        Some((_, rest)) => rest.split_once(": ").map_or(rest, |(_, reason)| reason),
        None => detail,
    };
    let mut out: String = reason.chars().take(160).collect();
    // Positions and lengths differ from column to column.
    if out.contains("bytes") {
        out = out
            .split(' ')
            .map(|w| if w.parse::<u64>().is_ok() { "N" } else { w })
            .collect::<Vec<_>>()
            .join(" ");
    }
    out
}

fn line(file: &str, tree: &str, n: [usize; 5]) {
    let [equal, different, missing, only_here, neither] = n;
    let columns: usize = n.iter().sum();
    println!("| {file} | {tree} | {columns} | {equal} | {different} | {missing} | {only_here} | {neither} |");
}
