//! Random numbers that a seed and an epoch decide, on any machine and at any number of threads.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What numbers are drawn for. Each use has a stream of its own, so that none repeats what another drew.
#[derive(Debug, Clone, Copy)]
pub(super) enum Use {
    /// The order of the rows.
    Order,
    /// Which rows are kept when all are gone through for the so-manieth time.
    Keep(u64),
    /// Rows drawn by their weights.
    Draw,
}

/// The stream of a use.
pub(super) fn stream(seed: u64, epoch: u64, of: Use) -> ChaCha8Rng {
    let (part, number) = match of {
        Use::Order => (0, 0),
        Use::Keep(repeat) => (repeat, 1),
        Use::Draw => (0, 2),
    };
    let mut key = [0; 32];
    for (place, value) in key.chunks_exact_mut(8).zip([seed, epoch, part, number]) {
        place.copy_from_slice(&value.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// A number in [0, 1) that a double holds exactly: 53 bits.
pub(super) fn uniform(random: &mut ChaCha8Rng) -> f64 {
    (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_seeds_and_epochs_have_streams_of_their_own() {
        let first = |seed, epoch, of| stream(seed, epoch, of).next_u64();
        let all = [
            first(1, 0, Use::Order),
            first(1, 0, Use::Keep(0)),
            first(1, 0, Use::Keep(1)),
            first(1, 0, Use::Draw),
            first(2, 0, Use::Order),
            first(1, 1, Use::Order),
        ];
        for (index, number) in all.iter().enumerate() {
            assert!(!all[..index].contains(number));
        }
        let mut random = stream(1, 0, Use::Draw);
        assert!((0..1000).map(|_| uniform(&mut random)).all(|number| (0.0..1.0).contains(&number)));
    }
}
