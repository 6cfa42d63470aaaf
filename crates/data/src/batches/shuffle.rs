//! The order of the rows in an epoch.

use rand::Rng;

use super::random::{Use, stream};

/// The numbers below `rows` in an order that the seed and the epoch decide, on any machine and at any number of threads.
///
/// ```
/// use fiducial_data::batches::shuffled;
///
/// let order = shuffled(5, 20, 0);
/// assert_eq!(order, shuffled(5, 20, 0));
/// let mut sorted = order;
/// sorted.sort();
/// assert_eq!(sorted, [0, 1, 2, 3, 4]);
/// ```
pub fn shuffled(rows: u32, seed: u64, epoch: u64) -> Vec<u32> {
    let mut random = stream(seed, epoch, Use::Order);
    let mut order: Vec<u32> = (0..rows).collect();
    // Fisher and Yates, spelt out: a library's shuffle may draw its numbers otherwise in its next version.
    for last in (1..order.len()).rev() {
        let drawn = u128::from(random.next_u64()) * (last as u128 + 1);
        order.swap(last, (drawn >> 64) as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_stable_and_differ() {
        assert_eq!(shuffled(10, 20, 0), shuffled(10, 20, 0));
        assert_ne!(shuffled(100, 20, 0), shuffled(100, 20, 1));
        assert_ne!(shuffled(100, 20, 0), shuffled(100, 21, 0));
        assert!(shuffled(0, 1, 1).is_empty());
        let mut sorted = shuffled(1000, 3, 4);
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..1000));
    }
}
