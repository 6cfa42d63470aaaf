//! Memory for decompressed bytes that is used again and again: fresh memory would have to be mapped and zeroed each time,
//! which takes as long as a quick codec.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// The most bytes that a thread keeps for later.
const KEPT: usize = 16 << 20;

thread_local! {
    static FREE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A vector that goes back to its thread's stock when it is dropped. What it holds at first is not zeroed, and its length is
/// that of the last use.
#[derive(Debug)]
pub(crate) struct Scratch(Vec<u8>);

impl Scratch {
    /// The vector that was dropped last, which is the likeliest to be in the cache; an empty one if there is none.
    pub(crate) fn take() -> Self {
        Self(FREE.with_borrow_mut(Vec::pop).unwrap_or_default())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.0);
        // A thread that is ending has no stock any more.
        let _ = FREE.try_with(|free| {
            let mut free = free.borrow_mut();
            let kept: usize = free.iter().map(Vec::capacity).sum();
            if kept + bytes.capacity() <= KEPT {
                free.push(bytes);
            }
        });
    }
}

impl Deref for Scratch {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}
