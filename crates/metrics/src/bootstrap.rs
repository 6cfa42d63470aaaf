use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::estimate::CONFIDENCE;
use crate::{Error, Estimate};

/// The Poisson bootstrap: in each replica every event counts `k` times, `k` drawn from a Poisson distribution of mean 1.
///
/// This is how often an event would be seen if the experiment were repeated, so the numbers of signal and background
/// events fluctuate too. The variance of a weighted sum comes out as the sum of the squared weights, for negative
/// weights as well. Replica `r` draws from stream `r` of ChaCha8 with `seed`, in the order of the events as given: the
/// interval is the same at any number of threads, and two models scored on the same events see the same replicas.
///
/// Reference: J. A. Hanley and B. MacGibbon, *Creating non-parametric bootstrap samples using Poisson frequencies*,
/// Comput. Methods Programs Biomed. 83 (2006) 57.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bootstrap {
    /// Number of replicas, at least 10. With 200 the ends of an interval are known to about 10 % of its half width.
    pub replicas: usize,
    /// Seed of the random numbers.
    pub seed: u64,
}

impl Default for Bootstrap {
    /// 200 replicas, seed 0.
    fn default() -> Self {
        Self { replicas: 200, seed: 0 }
    }
}

/// `P(K <= k)` for a Poisson distribution of mean 1, in units of 2^-32. What lies beyond k = 12 is less than one unit.
const CUMULATED: [u32; 12] = {
    let mut cumulated = [0; 12];
    let (mut term, mut sum) = (1.0 / std::f64::consts::E, 0.0);
    let mut k = 0;
    while k < cumulated.len() {
        sum += term;
        cumulated[k] = (sum * 4_294_967_296.0) as u32;
        k += 1;
        term /= k as f64;
    }
    cumulated
};

/// The least count of the words that begin with a byte.
const FIRST: [u8; 256] = {
    let mut first = [0; 256];
    let mut byte = 0;
    while byte < first.len() {
        let mut k = 0;
        while k < CUMULATED.len() && (byte as u32) << 24 >= CUMULATED[k] {
            k += 1;
        }
        first[byte] = k as u8;
        byte += 1;
    }
    first
};

/// Events drawn at a time: a block of random bytes that stays in the first-level cache.
const BLOCK: usize = 1024;

fn draw(seed: u64, replica: usize, counts: &mut [u8]) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(replica as u64);
    let mut bytes = [0_u8; 4 * BLOCK];
    for block in counts.chunks_mut(BLOCK) {
        rng.fill_bytes(&mut bytes);
        for (count, word) in block.iter_mut().zip(bytes.as_chunks::<4>().0) {
            let uniform = u32::from_le_bytes(*word);
            // The first byte settles the count but for one word in 25.
            let mut k = FIRST[word[3] as usize];
            while usize::from(k) < CUMULATED.len() && uniform >= CUMULATED[usize::from(k)] {
                k += 1;
            }
            *count = k;
        }
    }
}

impl Bootstrap {
    /// The value of `f` on each replica, in the order of the replicas. `f` gets how often each event counts and a
    /// scratch space that is used again; it returns `None` where the replica has no value (no signal drawn, say).
    pub(crate) fn run<T: Send, S: Default + Send>(
        &self,
        events: usize,
        f: impl Fn(&[u8], &mut S) -> Option<T> + Sync,
    ) -> Result<Vec<T>, Error> {
        let replicas = self.replicas;
        if replicas < 10 {
            return Err(Error::TooFew { what: "replicas", value: replicas, minimum: 10 });
        }
        let values: Vec<Option<T>> = (0..replicas)
            .into_par_iter()
            .map_init(
                || (vec![0_u8; events], S::default()),
                |(counts, scratch), replica| {
                    draw(self.seed, replica, counts);
                    f(counts, scratch)
                },
            )
            .collect();
        let values: Vec<T> = values.into_iter().flatten().collect();
        let undefined = replicas - values.len();
        if undefined > replicas / 2 {
            return Err(Error::UnstableBootstrap { undefined, replicas });
        }
        Ok(values)
    }
}

/// The central 68.27 % of `values`.
pub(crate) fn interval(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_unstable_by(f64::total_cmp);
    (quantile(&sorted, 0.5 * (1.0 - CONFIDENCE)), quantile(&sorted, 0.5 * (1.0 + CONFIDENCE)))
}

/// The quantile of sorted values, linear between neighbours (numpy's default). NaN without values.
pub(crate) fn quantile(sorted: &[f64], probability: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let position = probability * last as f64;
    let below = (position as usize).min(last);
    let above = (below + 1).min(last);
    sorted[below] + (position - below as f64) * (sorted[above] - sorted[below])
}

/// An estimate with the bootstrap's percentile interval.
pub(crate) fn estimate(
    value: f64,
    replicas: impl IntoIterator<Item = f64>,
    n: u64,
    n_effective: f64,
) -> Estimate {
    let (low, high) = interval(replicas);
    Estimate { value: Some(value), low, high: Some(high), n, n_effective }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_follow_a_poisson_distribution_of_mean_one() {
        let mut counts = vec![0; 1_000_000];
        draw(1, 0, &mut counts);
        let share = |k: u8| counts.iter().filter(|&&count| count == k).count() as f64 / 1e6;
        let mut expected = (-1.0_f64).exp();
        for k in 0..6 {
            let sigma = (expected / 1e6).sqrt();
            assert!((share(k) - expected).abs() < 4.0 * sigma, "k = {k}: {} for {expected}", share(k));
            expected /= f64::from(k + 1);
        }
    }

    #[test]
    fn replicas_and_seeds_differ_and_repeat() {
        let sample = |seed, replica| {
            let mut counts = vec![0; 3000];
            draw(seed, replica, &mut counts);
            counts
        };
        assert_eq!(sample(1, 2), sample(1, 2));
        assert_ne!(sample(1, 2), sample(1, 3));
        assert_ne!(sample(1, 2), sample(2, 2));
        assert_eq!(sample(1, 2)[..100], {
            let mut counts = vec![0; 100];
            draw(1, 2, &mut counts);
            counts
        });
    }

    #[test]
    fn quantiles_interpolate_between_neighbours() {
        for (sorted, probability, expected) in [
            (&[1.0, 2.0, 3.0, 4.0][..], 0.5, 2.5),
            (&[1.0, 2.0], 1.0, 2.0),
            (&[5.0], 0.3, 5.0),
            (&[0.0, 10.0], 0.25, 2.5),
        ] {
            assert_eq!(quantile(sorted, probability), expected);
        }
    }
}
