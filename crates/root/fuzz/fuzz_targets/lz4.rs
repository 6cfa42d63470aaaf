//! Any bytes, taken for one L4 block.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fiducial_root::fuzz::decompress(*b"L4", bytes));
