//! Broken files: whatever the bytes, an answer or an error, soon, and no panic.

mod common;
#[path = "common/records.rs"]
mod records;
#[path = "common/repair.rs"]
mod repair;

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use fiducial_root::{KeyInfo, RootFile};
use rayon::prelude::*;

use records::Record;

/// Mutations of each file.
const MUTATIONS: u64 = 1000;
/// Where headers are.
const HEAD: usize = 4096;
/// A real file below this many bytes is read whole after each mutation.
const SMALL: usize = 60_000;
/// Columns and objects that are read beside the changed ones.
const FEW: usize = 3;
/// A broken file never takes longer, on whatever machine.
const SOON: Duration = Duration::from_secs(20);

/// A small generator of pseudo-random numbers (SplitMix64): the same mutations on every machine.
#[derive(Clone)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// Changes a file as storage, networks and enemies do: at one of the places that `at` gives, of which some come out.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random, at: &mut dyn FnMut(&mut Random) -> usize) {
    if bytes.is_empty() {
        return;
    }
    let len = bytes.len();
    let mut at = |random: &mut Random| at(random).min(len - 1);
    match random.below(6) {
        0 => bytes.truncate(at(random)),
        1 => {
            for _ in 0..1 + random.below(20) {
                bytes[at(random)] ^= 1 << random.below(8);
            }
        }
        2 => {
            let (at, value) = (at(random), [0, 0x7F, 0x80, 0xFF][random.below(4)]);
            let end = (at + 1 + random.below(8)).min(len);
            bytes[at..end].fill(value);
        }
        3 => {
            let (from, to, n) = (random.below(len), at(random), 1 + random.below(64));
            let n = n.min(len - from).min(len - to);
            bytes.copy_within(from..from + n, to);
        }
        4 => {
            let at = at(random);
            let end = (at + 1 + random.below(16)).min(len);
            bytes.drain(at..end);
        }
        _ => bytes[at(random)] = random.next() as u8,
    }
}

/// Reads everything; what fails is passed over.
fn read_all(bytes: Vec<u8>) {
    let Ok(file) = RootFile::from_bytes("mutated", bytes) else { return };
    let Ok(names) = file.table_names() else { return };
    for key in file.keys().unwrap_or_default() {
        read_object(&file, &key);
    }
    for name in names {
        let Ok(table) = file.table(&name) else { continue };
        for column in table.columns().iter().chain(table.members()) {
            let _ = table.read(&[&column.name], 0..column.entries);
        }
    }
}

/// Reads an object that is no tree, and prints it.
fn read_object(file: &RootFile, key: &KeyInfo) {
    let is_tree = matches!(key.class_name.as_str(), "TTree" | "TNtuple" | "TNtupleD" | "ROOT::RNTuple");
    if !is_tree && let Ok(object) = file.object_at(key) {
        let _ = object.summary();
        assert!(!object.to_json().is_empty());
    }
}

/// What a mutation may concern: the names of the trees and objects, and of the columns.
#[derive(Default)]
struct Concerned<'a> {
    objects: BTreeSet<&'a str>,
    columns: BTreeSet<&'a str>,
}

/// Reads what is concerned, and some of the rest: a few objects, and of a table more a few columns.
fn read_some(bytes: Vec<u8>, concerned: &Concerned<'_>, random: &mut Random) {
    let Ok(file) = RootFile::from_bytes("mutated", bytes) else { return };
    let Ok(keys) = file.keys() else { return };
    let last = |path: &str| path.rsplit('/').next().map(str::to_owned).unwrap_or_default();
    let few = |n: usize, random: &mut Random| -> Vec<usize> { (0..FEW).map(|_| random.below(n)).collect() };
    let chosen = few(keys.len(), random);
    for (i, key) in keys.iter().enumerate() {
        if chosen.contains(&i) || concerned.objects.contains(&*last(&key.path)) {
            read_object(&file, key);
        }
    }
    let names = file.table_names().unwrap_or_default();
    let mut tables: Vec<_> = names.iter().filter(|name| concerned.objects.contains(&*last(name))).collect();
    if tables.is_empty() {
        tables.extend(names.get(random.below(names.len())));
    }
    for name in tables {
        let Ok(table) = file.table(name) else { continue };
        let chosen = few(table.columns().len(), random);
        for (i, column) in table.columns().iter().enumerate() {
            let is_concerned = [&column.name, &last(&column.name)].map(|n| concerned.columns.contains(&**n));
            if chosen.contains(&i) || is_concerned.contains(&true) {
                let start = if random.below(2) == 0 { 0 } else { column.entries / 3 };
                let _ = table.read(&[&column.name], start..column.entries);
            }
        }
    }
}

fn check(paths: &[PathBuf], repair: impl Fn(&mut [u8], &[u8]) + Sync) {
    for path in paths {
        let original = std::fs::read(path).expect("the file is readable");
        (0..MUTATIONS).into_par_iter().for_each(|seed| {
            let mut bytes = original.clone();
            let mut random = Random(seed ^ (original.len() as u64) << 20);
            // Most of a file is compressed data; half of the changes go to the first kilobytes, where headers are.
            let reach = if random.below(2) == 0 { bytes.len() } else { bytes.len().min(HEAD) };
            for _ in 0..=random.below(3) {
                mutate(&mut bytes, &mut random, &mut |random| random.below(reach));
            }
            repair(&mut bytes, &original);
            soon(&format!("{} with seed {seed}", path.display()), || read_all(bytes.clone()));
        });
    }
}

/// A mutation never makes more work than the file has: columns are refused where their bytes overlap. A machine that pauses
/// is no fault of the reader, who gets a second chance.
fn soon(what: &str, read: impl Fn()) {
    let is_soon = || {
        let start = Instant::now();
        read();
        start.elapsed() < SOON
    };
    assert!(is_soon() || is_soon(), "{what} took more than {SOON:?}");
}

#[test]
fn mutated_fixtures_end_in_answers_or_errors() {
    check(&common::fixtures(), |_, _| {});
}

/// Every real file, a thousand times, in turn as it is and with its descriptions unpacked. Of a large file are read the
/// trees, columns and objects whose records were changed, and a few others: all of them would take hours.
#[test]
fn mutated_real_files_end_in_answers_or_errors() {
    for path in common::shared_files().into_iter().chain(common::shared_ntuples()) {
        let original = std::fs::read(&path).expect("the file is readable");
        let samples = [Sample::new(records::unpacked(&original)), Sample::new(original)];
        let name = path.display().to_string();
        (0..MUTATIONS).into_par_iter().for_each(|seed| samples[seed as usize % 2].check(&name, seed));
    }
}

/// A file that is mutated, and what lies where in it.
struct Sample {
    bytes: Vec<u8>,
    records: Vec<Record>,
    /// The bytes that describe data.
    metadata: Vec<Range<usize>>,
}

impl Sample {
    fn new(bytes: Vec<u8>) -> Self {
        let records = records::records(&bytes);
        let metadata = records.iter().filter(|r| r.is_metadata()).map(|r| r.bytes.clone()).collect();
        Self { bytes, records, metadata }
    }

    fn check(&self, name: &str, seed: u64) {
        let mut bytes = self.bytes.clone();
        let mut random = Random(seed ^ (bytes.len() as u64) << 20);
        let mut changed = Vec::new();
        for _ in 0..=random.below(3) {
            mutate(&mut bytes, &mut random, &mut |random| {
                let at = self.place(random);
                changed.push(at);
                at
            });
        }
        soon(&format!("{name} with seed {seed}"), || {
            if self.bytes.len() < SMALL {
                return read_all(bytes.clone());
            }
            let mut concerned = Concerned::default();
            for record in self.records.iter().filter(|r| changed.iter().any(|at| r.bytes.contains(at))) {
                if record.class == "TBasket" {
                    concerned.columns.insert(&record.name);
                    concerned.objects.insert(&record.title);
                } else {
                    concerned.objects.insert(&record.name);
                }
            }
            read_some(bytes.clone(), &concerned, &mut random.clone());
        });
    }

    /// Anywhere, in the first kilobytes, or in what describes data.
    fn place(&self, random: &mut Random) -> usize {
        match random.below(4) {
            0 => random.below(self.bytes.len()),
            1 => random.below(self.bytes.len().min(HEAD)),
            _ if self.metadata.is_empty() => 0,
            _ => {
                let range = &self.metadata[random.below(self.metadata.len())];
                range.start + random.below(range.len())
            }
        }
    }
}

/// Checksums would hide what happens behind them.
#[test]
fn mutated_envelopes_with_right_checksums_end_in_answers_or_errors() {
    let mut files = common::fixtures();
    files.extend(common::shared_ntuples());
    files.retain(|path| path.metadata().is_ok_and(|meta| meta.len() < 50_000));
    for path in files {
        let original = std::fs::read(&path).expect("the file is readable");
        let envelopes = repair::envelopes(&original);
        assert!(
            !envelopes.is_empty() || !path.ends_with("ntuples_plain.root"),
            "nothing was found to repair"
        );
        check(&[path], |bytes, original| repair::repair(bytes, original, &envelopes));
    }
}

#[test]
fn truncations_of_a_fixture_end_in_answers_or_errors() {
    for path in common::fixtures() {
        let original = std::fs::read(path).expect("the file is readable");
        for len in (0..original.len()).step_by(97) {
            read_all(original[..len].to_vec());
        }
    }
}
