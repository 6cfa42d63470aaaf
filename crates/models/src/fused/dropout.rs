//! Dropout whose choices are a function of a key and of the place of a number, computed where they are needed.

use burn::tensor::Tensor;

use super::composed;
use super::glue::Operand;
use super::kernel::{TILE, fill, ranges, vectorised};
use super::{Array, Gradient, apply};
use crate::Error;

/// Sets each number to zero with probability `share`, by itself, and scales up the others by `1 / (1 - share)`.
///
/// Nothing is stored for the backward: it asks for the same random numbers again.
pub(crate) fn dropout(x: Tensor<2>, share: f64, key: u64) -> Result<Tensor<2>, Error> {
    if composed::wanted(&x) {
        return Ok(composed::dropout(x, share, key));
    }
    let rule = Rule::new(share, key);
    apply([Operand::new(x)?], |[x], tracked| {
        let shape = [x.rows(), x.columns()];
        (Array::new(rule.apply(&x), shape), tracked.then_some(rule))
    })
}

#[derive(Clone, Copy, Debug)]
struct Rule {
    key: [u32; 2],
    /// A random word below this drops.
    threshold: u32,
    kept: f32,
}

impl Gradient<1> for Rule {
    fn gradients(self, output: Array, _: [bool; 1]) -> [Option<Vec<f32>>; 1] {
        [Some(self.apply(&output))]
    }
}

/// Counters that are worked on side by side.
const LANES: usize = 16;

/// Numbers that one block of random words decides on.
const BLOCK: usize = 4 * LANES;

impl Rule {
    fn new(share: f64, key: u64) -> Self {
        Self {
            key: [key as u32, (key >> 32) as u32],
            threshold: (share * 4_294_967_296.0) as u32,
            kept: (1.0 / (1.0 - share)) as f32,
        }
    }

    fn apply(self, x: &Array) -> Vec<f32> {
        // Tiles begin with a block of their own.
        let length = x.values().len();
        let tiles = ranges(length, TILE * BLOCK);
        let (output, _) = fill(&tiles, 1, |tile, room| {
            let x = &x.values()[tiles[tile].clone()];
            let output = vectorised(
                #[inline(always)]
                || {
                    room.tiles(
                        BLOCK,
                        #[inline(always)]
                        |block, room| {
                            let words = words(self.key, (tile * TILE + block) as u64);
                            room.tiles(
                                LANES,
                                #[inline(always)]
                                |row, room| {
                                    let x = &x[block * BLOCK + row * LANES..];
                                    room.collect(x.iter().zip(words[row]).map(
                                        #[inline(always)]
                                        |(x, word)| {
                                            let mask = u32::from(word >= self.threshold).wrapping_neg();
                                            f32::from_bits((x * self.kept).to_bits() & mask)
                                        },
                                    ))
                                },
                            )
                        },
                    )
                },
            );
            (output, ())
        });
        output
    }
}

/// Random words of one block: Philox4x32-10 (J. Salmon et al., SC 2011) of as many counters as there are lanes.
#[inline(always)]
fn words(key: [u32; 2], block: u64) -> [[u32; LANES]; 4] {
    let [mut key, mut other] = key;
    let mut words = [[0; LANES], [block as u32; LANES], [(block >> 32) as u32; LANES], [0; LANES]];
    for (lane, word) in words[0].iter_mut().enumerate() {
        *word = lane as u32;
    }
    for _ in 0..10 {
        let [a, b, c, d] = words;
        for lane in 0..LANES {
            let first = 0xD251_1F53 * u64::from(a[lane]);
            let second = 0xCD9E_8D57 * u64::from(c[lane]);
            words[0][lane] = (second >> 32) as u32 ^ b[lane] ^ key;
            words[1][lane] = second as u32;
            words[2][lane] = (first >> 32) as u32 ^ d[lane] ^ other;
            words[3][lane] = first as u32;
        }
        key = key.wrapping_add(0x9E37_79B9);
        other = other.wrapping_add(0xBB67_AE85);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_philox() {
        // Random123's known answers: counter and key all zeros; lane 0 of block 0 under key 0.
        let words = words([0, 0], 0);
        assert_eq!(words.map(|word| word[0]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
    }

    #[test]
    fn the_share_that_drops_is_the_one_asked_for() {
        let numbers = 1_000_003;
        let x = Array::new(vec![1.0; numbers], [numbers, 1]);
        for (share, key) in [(0.1, 1), (0.5, 2_u64.pow(40) + 7)] {
            let output = Rule::new(share, key).apply(&x);
            let kept = output.iter().filter(|&&value| value != 0.0).count() as f64 / numbers as f64;
            let deviation = (share * (1.0 - share) / numbers as f64).sqrt();
            assert!((kept - (1.0 - share)).abs() < 4.0 * deviation, "{share}: {kept}");
            assert!(
                output.iter().all(|&value| value == 0.0 || (value - 1.0 / (1.0 - share) as f32).abs() < 1e-6)
            );
            assert!(output != Rule::new(share, key + 1).apply(&x));
        }
    }
}
