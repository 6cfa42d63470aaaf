//! Broken files: whatever the bytes, an answer or an error, soon, and no panic.

mod common;
#[path = "common/repair.rs"]
mod repair;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use fiducial_root::RootFile;

/// A small generator of pseudo-random numbers (SplitMix64): the same mutations on every machine.
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

/// Changes a file as storage, networks and enemies do.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    // Most of a file is compressed data; half of the changes go to the first kilobytes, where headers are.
    let reach = if random.below(2) == 0 { bytes.len() } else { bytes.len().min(4096) };
    match random.below(6) {
        0 => bytes.truncate(random.below(bytes.len())),
        1 => {
            for _ in 0..1 + random.below(20) {
                let at = random.below(reach);
                bytes[at] ^= 1 << random.below(8);
            }
        }
        2 => {
            let (at, value) = (random.below(reach), [0, 0x7F, 0x80, 0xFF][random.below(4)]);
            let end = (at + 1 + random.below(8)).min(bytes.len());
            bytes[at..end].fill(value);
        }
        3 => {
            let (from, to, n) = (random.below(bytes.len()), random.below(reach), 1 + random.below(64));
            let n = n.min(bytes.len() - from).min(bytes.len() - to);
            bytes.copy_within(from..from + n, to);
        }
        4 => {
            let at = random.below(reach);
            let end = (at + 1 + random.below(16)).min(bytes.len());
            bytes.drain(at..end);
        }
        _ => {
            let at = random.below(reach);
            bytes[at] = random.next() as u8;
        }
    }
}

/// Reads everything; what fails is passed over. Returns the number of readable columns and objects.
fn read_all(bytes: Vec<u8>) -> usize {
    let Ok(file) = RootFile::from_bytes("mutated", bytes) else { return 0 };
    let Ok(names) = file.table_names() else { return 0 };
    let mut readable = read_objects(&file);
    for name in names {
        let Ok(table) = file.table(&name) else { continue };
        for column in table.columns().iter().chain(table.members()) {
            if column.kind.is_ok() {
                readable += usize::from(table.read(&[&column.name], 0..column.entries).is_ok());
            }
        }
    }
    readable
}

/// Reads every object that is no tree, and prints it.
fn read_objects(file: &RootFile) -> usize {
    let objects = file.keys().unwrap_or_default().into_iter().filter_map(|key| {
        let is_tree = matches!(key.class_name.as_str(), "TTree" | "TNtuple" | "TNtupleD" | "ROOT::RNTuple");
        if is_tree { None } else { file.object_at(&key).ok() }
    });
    objects.filter(|object| !object.summary().is_empty() && !object.to_json().is_empty()).count()
}

fn check(paths: &[PathBuf], mutations: u64) {
    check_with(paths, mutations, |_, _| {});
}

fn check_with(paths: &[PathBuf], mutations: u64, repair: impl Fn(&mut [u8], &[u8])) {
    for path in paths {
        let original = std::fs::read(path).expect("the file is readable");
        let start = Instant::now();
        read_all(original.clone());
        // A mutation never makes more work than the file has: columns are refused where their bytes overlap.
        let bound = start.elapsed() * 30 + Duration::from_secs(10);
        for seed in 0..mutations {
            let mut bytes = original.clone();
            let mut random = Random(seed ^ (original.len() as u64) << 20);
            for _ in 0..=random.below(3) {
                if !bytes.is_empty() {
                    mutate(&mut bytes, &mut random);
                }
            }
            repair(&mut bytes, &original);
            let start = Instant::now();
            read_all(bytes);
            assert!(
                start.elapsed() < bound,
                "{} with seed {seed} took {:?}",
                path.display(),
                start.elapsed()
            );
        }
    }
}

#[test]
fn mutated_fixtures_end_in_answers_or_errors() {
    check(&common::fixtures(), 1000);
}

#[test]
fn mutated_real_files_end_in_answers_or_errors() {
    let mut files = common::shared_files();
    // Larger files are read as often elsewhere; here they would take minutes.
    files.retain(|path| path.metadata().is_ok_and(|meta| meta.len() < 500_000));
    check(&files, 200);
}

#[test]
fn mutated_ntuples_end_in_answers_or_errors() {
    let mut files = common::shared_ntuples();
    files.retain(|path| path.metadata().is_ok_and(|meta| meta.len() < 50_000));
    check(&files, 1000);
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
        check_with(&[path], 1000, |bytes, original| repair::repair(bytes, original, &envelopes));
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
