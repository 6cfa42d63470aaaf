//! The allocator keeps what is freed when the program says so, without help from the environment.
#![allow(clippy::unwrap_used, reason = "these are tests")]
#![cfg(target_os = "linux")]

use fiducial_models::allocator;

#[global_allocator]
static ALLOCATOR: allocator::Allocator = allocator::Allocator;

/// Page faults of this process that needed no disk (field 10 of proc(5) stat).
fn page_faults() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(") ").unwrap().1;
    after_name.split(' ').nth(7).unwrap().parse().unwrap()
}

#[test]
fn freed_buffers_are_used_again() {
    allocator::keep_freed_memory();
    assert_eq!(allocator::purge_delay(), -1);
    let fill = || {
        // As large as the activations of a layer: the system's allocator would map and unmap it each time.
        let mut buffer: Vec<u8> = Vec::with_capacity(32 << 20);
        buffer.resize(32 << 20, 1);
        std::hint::black_box(&buffer);
    };
    fill();
    let before = page_faults();
    for _ in 0..20 {
        fill();
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let faults = page_faults() - before;
    // Each buffer has 8192 pages.
    assert!(faults < 1000, "{faults} page faults");
}
