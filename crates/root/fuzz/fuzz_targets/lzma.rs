//! Any bytes, taken for one XZ block.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fiducial_root::fuzz::decompress(*b"XZ", bytes));
