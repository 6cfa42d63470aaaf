//! Any bytes, taken for one ZS block.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fiducial_root::fuzz::decompress(*b"ZS", bytes));
