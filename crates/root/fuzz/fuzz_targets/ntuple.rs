//! A ROOT file with ntuples whose header, footer and page lists are any bytes. Their checksums are put right first: no
//! fuzzer would come past them.
#![no_main]

use fiducial_root::RootFile;

#[path = "../../tests/common/repair.rs"]
mod repair;

const SAMPLE: &[u8] = include_bytes!("../../tests/fixtures/ntuples_plain.root");

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.to_vec();
    bytes.resize(SAMPLE.len(), 0);
    repair::repair(&mut bytes, SAMPLE, &repair::envelopes(SAMPLE));
    let Ok(file) = RootFile::from_bytes("fuzz", bytes) else { return };
    let Ok(names) = file.ntuple_names() else { return };
    for name in names {
        let Ok(ntuple) = file.ntuple(&name) else { continue };
        for column in ntuple.columns().iter().chain(ntuple.members()) {
            // All entries, and a part, which starts within a page.
            for range in [0..column.entries, column.entries / 3..column.entries / 2] {
                let _ = ntuple.read(&[&column.name], range);
            }
        }
    }
});
