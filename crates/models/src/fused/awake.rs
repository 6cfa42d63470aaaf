//! Threads that stay awake between the parts of one jet.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Threads that [`awake`] keeps from sleeping, the calling one counted: as many as find a part of the products of one jet.
const AWAKE: usize = 8;

/// How long they look for work. A pass of one jet takes some milliseconds; should a thread of one pass get hold of the wait of
/// another, both go on after this.
const PATIENCE: Duration = Duration::from_millis(20);

/// Does `work` in the pool, of which other threads look for its parts until it is done instead of going to sleep between them: to
/// wake a thread takes as long as a part of a product of one jet.
pub(crate) fn awake<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    struct Done<'a>(&'a AtomicBool);
    impl Drop for Done<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Release);
        }
    }
    let done = AtomicBool::new(false);
    let look = || {
        let start = Instant::now();
        while !done.load(Ordering::Acquire) && start.elapsed() < PATIENCE {
            if rayon::yield_now() != Some(rayon::Yield::Executed) {
                // To whoever else wants the processor: on a busy machine it is worth more there.
                std::thread::yield_now();
            }
        }
    };
    rayon::scope(|scope| {
        // Set when `work` panics, too: the scope waits for all that it spawned.
        let _done = Done(&done);
        for _ in 1..rayon::current_num_threads().min(AWAKE) {
            scope.spawn(|_| look());
        }
        work()
    })
}

#[cfg(test)]
mod tests {
    use rayon::prelude::*;

    use super::*;

    #[test]
    fn passes_that_keep_threads_awake_end_whatever_they_do() {
        let sum = |count: usize| awake(|| (0..count).into_par_iter().map(|i| i as u64).sum::<u64>());
        // Many at once share the threads of one pool, and each gets its own result.
        let sums: Vec<u64> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16).map(|i| scope.spawn(move || sum(1000 + i))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for (count, sum) in (1000_u64..).zip(sums) {
            assert_eq!(sum, count * (count - 1) / 2);
        }
        // One inside of another, and one that panics.
        assert_eq!(awake(|| sum(10)), 45);
        let panicked =
            std::panic::catch_unwind(|| awake(|| (0..100).into_par_iter().for_each(|i| assert!(i < 50))));
        assert!(panicked.is_err());
        assert_eq!(sum(10), 45);
    }
}
