//! Any bytes, taken for one CS block.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fiducial_root::fuzz::decompress(*b"CS", bytes));
