//! Any bytes, taken for a ROOT file: list it, open its trees and ntuples, read every column and every object.
#![no_main]

use fiducial_root::RootFile;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(file) = RootFile::from_bytes("fuzz", bytes.to_vec()) else { return };
    let Ok(keys) = file.keys() else { return };
    for key in &keys {
        if let Ok(object) = file.object_at(key) {
            let _ = (object.summary(), object.to_json());
        }
    }
    let Ok(names) = file.table_names() else { return };
    for name in names {
        let Ok(mut table) = file.table(&name) else { continue };
        // Looks into the first objects of each column for what their class really writes.
        table.check_objects();
        let _ = table.clusters();
        for column in table.columns() {
            // All entries, and a part, which starts within a basket.
            for range in [0..column.entries, column.entries / 3..column.entries / 2] {
                let _ = table.read(&[&column.name], range);
            }
        }
    }
});
