//! Toys and helpers of the tests.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A seeded toy: uniform and Gaussian numbers.
pub(crate) struct Toy(ChaCha8Rng);

impl Toy {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    pub(crate) fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn gauss(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// `n` events, half signal: scores from Gaussians of width 1 whose means are `separation` apart.
    pub(crate) fn events(&mut self, n: usize, separation: f64) -> (Vec<f64>, Vec<bool>) {
        let truth: Vec<bool> = (0..n).map(|i| i % 2 == 0).collect();
        let scores =
            truth.iter().map(|&signal| self.gauss() + if signal { separation } else { 0.0 }).collect();
        (scores, truth)
    }
}
