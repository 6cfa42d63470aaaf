//! Memory for the numbers of arrays, which goes from the arrays of one range of entries to those of the next: fresh memory
//! would have to be mapped and zeroed page by page, which takes as long as a quick codec.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use arrow_buffer::Buffer;
use bytemuck::Pod;
use bytes::Bytes;

/// The most bytes that a file keeps: those of all columns in one range of entries, more or less.
const KEPT: usize = 512 << 20;
/// Less than this is not worth a lock.
const LEAST: usize = 32 << 10;

/// The memory that a file keeps for later: that of arrays which were dropped, none before.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    free: Mutex<Free>,
}

#[derive(Debug, Default)]
struct Free {
    /// By their sizes in bytes; of whole words, so that they are aligned for all numbers.
    blocks: BTreeMap<usize, Vec<Vec<u64>>>,
    bytes: usize,
}

impl Pool {
    /// Memory for so many numbers. It is not zeroed: all of it must be written.
    pub(crate) fn take<T: Pod>(self: &Arc<Self>, numbers: usize) -> Block {
        let bytes = numbers.saturating_mul(size_of::<T>());
        let known = if bytes < LEAST { None } else { self.find(bytes) };
        let memory = known.unwrap_or_else(|| vec![0; bytes.div_ceil(8)]);
        Block { memory, bytes, pool: Arc::downgrade(self) }
    }

    /// The smallest block that is large enough, and not too large.
    fn find(&self, bytes: usize) -> Option<Vec<u64>> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let (&size, blocks) = free.blocks.range_mut(bytes..=bytes.saturating_mul(2)).next()?;
        let block = blocks.pop()?;
        if blocks.is_empty() {
            free.blocks.remove(&size);
        }
        free.bytes -= size;
        Some(block)
    }

    /// Forgets all memory that waits to be used again.
    pub(crate) fn clear(&self) {
        *self.free.lock().unwrap_or_else(PoisonError::into_inner) = Free::default();
    }

    fn give(&self, memory: Vec<u64>) {
        let size = 8 * memory.len();
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if size >= LEAST && free.bytes + size <= KEPT {
            free.bytes += size;
            free.blocks.entry(size).or_default().push(memory);
        }
    }
}

/// Memory that is written once, and then becomes a buffer of an array.
#[derive(Debug)]
pub(crate) struct Block {
    memory: Vec<u64>,
    bytes: usize,
    pool: Weak<Pool>,
}

impl Block {
    pub(crate) fn numbers<T: Pod>(&mut self) -> &mut [T] {
        let bytes = bytemuck::cast_slice_mut::<u64, u8>(&mut self.memory);
        bytemuck::cast_slice_mut(&mut bytes[..self.bytes])
    }

    /// Forgets what is behind some bytes.
    pub(crate) fn truncate(&mut self, bytes: usize) {
        self.bytes = self.bytes.min(bytes);
    }

    /// The buffer, whose memory goes back to the pool with the last array that uses it.
    pub(crate) fn finish(self) -> Buffer {
        Buffer::from(Bytes::from_owner(self))
    }
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.memory)[..self.bytes]
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.upgrade() {
            pool.give(std::mem::take(&mut self.memory));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back_with_the_last_array() {
        let pool = Arc::new(Pool::default());
        for bytes in [100, LEAST, 3 * LEAST + 8, 4 << 20] {
            let mut block = pool.take::<u64>(bytes / 8);
            block.numbers::<u64>().fill(7);
            let buffer = block.finish();
            let (at, again) = (buffer.as_ptr(), buffer.clone());
            assert_eq!(buffer.len(), bytes / 8 * 8);
            drop(buffer);
            assert!(pool.find(bytes).is_none(), "{bytes} bytes are still in use");
            assert!(again.iter().step_by(8).all(|&b| b == 7));
            drop(again);
            let block = pool.take::<u8>(bytes - 8);
            assert_eq!(block.as_ref().as_ptr() == at, bytes >= 2 * LEAST, "{bytes} bytes");
        }
    }

    #[test]
    fn what_is_kept_is_bounded_and_ends_with_the_file() {
        let pool = Arc::new(Pool::default());
        let blocks: Vec<_> = (0..3).map(|_| pool.take::<u8>(KEPT / 2)).collect();
        drop(blocks);
        assert_eq!(pool.free.lock().map(|free| free.bytes).ok(), Some(KEPT));
        let block = pool.take::<u8>(4 << 20);
        drop(pool);
        drop(block.finish());
    }
}
