//! Draws that are a function of a seed and of what they are for, so that no order of work changes them.

/// A number in [0, 1) for `index` in the stream of `seed` and `round`.
pub(crate) fn uniform(seed: u64, round: u64, index: u64) -> f64 {
    let bits = mix(mix(mix(seed).wrapping_add(round)).wrapping_add(index));
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// The finaliser of SplitMix64: G. L. Steele, D. Lea, C. H. Flood, OOPSLA 2014, doi:10.1145/2660193.2660195.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_flat_and_differ_between_rounds() {
        let draws: Vec<f64> = (0..10_000).map(|index| uniform(1, 2, index)).collect();
        let mean = draws.iter().sum::<f64>() / 10_000.0;
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
        let below = draws.iter().filter(|&&draw| draw < 0.1).count();
        assert!((900..1100).contains(&below), "{below}");
        let other: Vec<f64> = (0..10_000).map(|index| uniform(1, 3, index)).collect();
        let product: f64 =
            draws.iter().zip(&other).map(|(a, b)| (a - 0.5) * (b - 0.5)).sum::<f64>() / 10_000.0;
        assert!(product.abs() < 0.003, "{product}");
    }
}
