//! Compares what this crate reads with what uproot reads, column by column, over ROOT files or directories of them:
//!
//! `FIDUCIAL_TEST_PYTHON=python cargo run --release -p fiducial-root --example conformance -- PATH... [--all] [--ntuples]`
//!
//! A line a tree or ntuple, and a line for each column that is not equal, with the reason. `--all` lists the equal ones
//! too; `--ntuples` passes over trees.
//! `--markdown` prints the page `docs/root-conformance.md` instead.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[path = "../tests/common/mod.rs"]
mod common;

use common::{Outcome, Row};
use rayon::prelude::*;

/// A column with the name of its file.
type Shown = (String, Row);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (flags, paths): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|arg| arg.starts_with("--"));
    let flag = |name: &str| flags.iter().any(|flag| flag == name);
    let Some(python) = common::python() else { return Ok(()) };
    let mut files: Vec<PathBuf> = Vec::new();
    for path in paths.iter().map(Path::new) {
        files.extend(if path.is_dir() { common::root_files(path) } else { vec![path.to_path_buf()] });
    }
    let compare =
        |path: &PathBuf| common::compare(&python, path, flag("--ntuples")).map_err(|e| e.to_string());
    let compared: Vec<_> = files.par_iter().map(compare).collect();
    let mut rows: Vec<Shown> = Vec::new();
    for (path, compared) in files.iter().zip(compared) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let compared = compared.map_err(|e| format!("{name}: {e}"))?;
        rows.extend(compared.into_iter().map(|row| (name.clone(), row)));
    }
    if flag("--markdown") {
        page(&rows);
        return Ok(());
    }
    tables(&rows);
    println!();
    for (name, row) in rows.iter().filter(|(_, row)| flag("--all") || row.outcome != Outcome::Equal) {
        println!("{:?}: {name}: {}: {}: {}", row.outcome, row.tree, row.column, row.detail);
    }
    Ok(())
}

const HEAD: &str = "# ROOT columns, beside uproot

Every column of every tree and ntuple in public test files, read by `fiducial-root` and by uproot: those of
scikit-hep-testdata, coffea, uproot-custom, root_numpy, rootpy and pidcalib2. \"Equal\" means equal in type, in every value and
in every offset. This page is made by

    FIDUCIAL_TEST_PYTHON=python cargo run --release -p fiducial-root --example conformance -- \\
        --markdown DIRECTORY... > docs/root-conformance.md

where the Python has uproot, awkward and xxhash. uproot gets 8 GiB of memory a file; what does not fit counts as not read
by it.

- *read*: columns that `fiducial-root` turns into Arrow arrays, all entries of them.
- *equal*, *different*: of those that both read. Where they differ, the reason stands below.
- *only here*, *only uproot*, *neither*: read by one of the two, or by none.
";

fn page(rows: &[Shown]) {
    println!("{HEAD}");
    tables(rows);
    let of = |outcome: Outcome| rows.iter().filter(move |(_, row)| row.outcome == outcome);
    println!("\n## Different\n\n| file | tree | column | types here, and by uproot |\n|---|---|---|---|");
    for (file, row) in of(Outcome::Different) {
        println!("| {file} | {} | `{}` | {} |", row.tree, row.column, cell(&row.detail));
    }
    println!(
        "\nuproot takes the two bytes that name the process of a referenced object for its flags (`fBits`), does not swap the \
         bytes of `timeslice_start`, and gives one of the two members `Cluster`, of a class and of its base class. It gives one text \
         an entry of the `TString`s in a split map or vector, three tracks where `fVertex[3]` has one, and of `jetLink` numbers that \
         no link has: here all have one key and the indices 0, 1, 2, ... It divides the range of a `Double32_t` of 32 bits by 2^32, \
         where ROOT does by 2^32 - 1, and works with single precision where ROOT works with double (`Float16_t`): what is here is \
         what ROOT gives."
    );
    for (outcome, title) in
        [(Outcome::Missing, "Read by uproot alone"), (Outcome::Neither, "Read by neither")]
    {
        println!("\n## {title}");
        let groups = by_reason(of(outcome));
        if groups.is_empty() {
            println!("\nNone.");
        }
        for (reason, columns) in groups {
            println!("\n**{}** ({})\n", cell(&reason), columns.len());
            let mut trees: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
            for (file, row) in columns {
                trees.entry((file, &row.tree)).or_default().push(format!("`{}`", row.column));
            }
            for ((file, tree), columns) in trees {
                println!("- {file}, {tree}: {}", columns.join(", "));
            }
        }
    }
}

/// Columns by their reasons, the most frequent first.
fn by_reason<'a>(rows: impl Iterator<Item = &'a Shown>) -> Vec<(String, Vec<&'a Shown>)> {
    let mut groups: BTreeMap<String, Vec<&Shown>> = BTreeMap::new();
    for shown in rows {
        groups.entry(reason(&shown.1.detail)).or_default().push(shown);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, columns)| std::cmp::Reverse(columns.len()));
    groups
}

/// A reason without where it was found, and without the numbers that differ from column to column.
fn reason(detail: &str) -> String {
    let reason = match detail.split_once(" at byte ") {
        Some((_, rest)) => rest.split_once(": ").map_or(rest, |(_, reason)| reason),
        None => detail,
    };
    let word = |word: &str| if word.parse::<u64>().is_ok() { "N".to_owned() } else { word.to_owned() };
    reason.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// A text within a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// How many columns each tree has of each outcome.
fn tables(rows: &[Shown]) {
    println!(
        "| file | tree or ntuple | columns | read | equal | different | only here | only uproot | neither |"
    );
    println!("|---|---|---:|---:|---:|---:|---:|---:|---:|");
    let mut totals = [0; 5];
    let mut trees: Vec<(&str, &str, [usize; 5])> = Vec::new();
    for (file, row) in rows {
        if trees.last().is_none_or(|(last, tree, _)| (*last, *tree) != (file, &row.tree)) {
            trees.push((file, &row.tree, [0; 5]));
        }
        if let Some((.., counts)) = trees.last_mut() {
            counts[row.outcome as usize] += 1;
        }
        totals[row.outcome as usize] += 1;
    }
    for (file, tree, counts) in trees {
        line(file, tree, counts);
    }
    line("**all**", "", totals);
}

fn line(file: &str, tree: &str, n: [usize; 5]) {
    let [equal, different, missing, only_here, neither] = n;
    let (columns, read) = (n.iter().sum::<usize>(), equal + different + only_here);
    println!(
        "| {file} | {tree} | {columns} | {read} | {equal} | {different} | {only_here} | {missing} | {neither} |"
    );
}
