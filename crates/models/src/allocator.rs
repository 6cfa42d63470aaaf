//! The allocator a program that trains should use, and the one setting that matters.
//!
//! Each operation of a network takes a buffer and gives it back. The system's allocator maps and unmaps the large ones,
//! so that a quarter to a third of a training step goes into page faults. mimalloc, told never to hand pages back,
//! keeps them. The binary, and only the binary, says so:
//!
//! ```
//! #[global_allocator]
//! static ALLOCATOR: fiducial_models::allocator::Allocator = fiducial_models::allocator::Allocator;
//!
//! fn main() {
//!     // First thing, before another thread exists.
//!     fiducial_models::allocator::keep_freed_memory();
//! }
//! ```

pub use mimalloc::MiMalloc as Allocator;

/// `mi_option_purge_delay` of mimalloc's `mi_option_t`; the same number in its versions 2 and 3.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// Tells mimalloc to keep the memory that the program frees, for the program's whole life.
///
/// Call it once, first thing in `main`: mimalloc reads its options without a lock. The peak of the resident set
/// stays what it was; it is no longer given back between peaks. A value the user sets in the environment
/// (`MIMALLOC_PURGE_DELAY`) is overruled. Without [`Allocator`] as the global allocator this does nothing.
pub fn keep_freed_memory() {
    // SAFETY: the option exists in this version (checked by a test), and the caller is told to come before any thread.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, -1) };
}

/// Milliseconds after which mimalloc hands freed memory back; -1 is never.
#[allow(clippy::useless_conversion, reason = "a C long has 32 bits on some systems")]
pub fn purge_delay() -> i64 {
    // SAFETY: reads one integer of mimalloc's option table.
    i64::from(unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) })
}
