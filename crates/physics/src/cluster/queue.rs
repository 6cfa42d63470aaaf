//! The smallest of many numbers that change.

/// How many values share one minimum.
const BLOCK: usize = 32;

/// Values by slot, and the smallest of each block. An absent value is infinite.
#[derive(Debug, Default)]
pub(super) struct Queue {
    values: Vec<[f64; BLOCK]>,
    minima: Vec<f64>,
}

impl Queue {
    /// `slots` absent values.
    pub(super) fn reset(&mut self, slots: usize) {
        let blocks = slots.div_ceil(BLOCK);
        self.values.clear();
        self.values.resize(blocks, [f64::INFINITY; BLOCK]);
        self.minima.clear();
        self.minima.resize(blocks.next_multiple_of(8), f64::INFINITY);
    }

    /// Sets a value without keeping the minima; [`Queue::refresh`] makes up for it.
    #[inline(always)]
    pub(super) fn put(&mut self, slot: usize, value: f64) {
        self.values[slot / BLOCK][slot % BLOCK] = value;
    }

    /// Computes all minima.
    #[inline(always)]
    pub(super) fn refresh(&mut self) {
        for (minimum, block) in self.minima.iter_mut().zip(&self.values) {
            *minimum = smallest(block);
        }
    }

    /// Sets a value.
    #[inline(always)]
    pub(super) fn set(&mut self, slot: usize, value: f64) {
        let block = &mut self.values[slot / BLOCK];
        let old = std::mem::replace(&mut block[slot % BLOCK], value);
        let minimum = &mut self.minima[slot / BLOCK];
        if value <= *minimum {
            *minimum = value;
        } else if old <= *minimum {
            *minimum = smallest(block);
        }
    }

    /// The slot of the smallest value, the first of equal ones.
    #[inline(always)]
    pub(super) fn first(&self) -> (usize, f64) {
        let (block, value) = first_smallest(&self.minima);
        let Some(values) = self.values.get(block) else {
            return (0, f64::INFINITY);
        };
        let mut equal = 0_u32;
        for (lane, &other) in values.iter().enumerate() {
            equal |= u32::from(other == value) << lane;
        }
        // A minimum is always one of its values.
        (block * BLOCK + (equal.trailing_zeros() as usize).min(BLOCK - 1), value)
    }
}

#[inline(always)]
fn smallest(block: &[f64; BLOCK]) -> f64 {
    let mut lanes = [f64::INFINITY; 8];
    for chunk in block.as_chunks::<8>().0 {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = if value < *lane { value } else { *lane };
        }
    }
    reduce(&lanes)
}

/// The smallest of eight, by halves, which vectors can do.
#[inline(always)]
pub(super) fn reduce(lanes: &[f64; 8]) -> f64 {
    let mut four = [0.0; 4];
    for i in 0..4 {
        four[i] = if lanes[i + 4] < lanes[i] { lanes[i + 4] } else { lanes[i] };
    }
    let a = if four[2] < four[0] { four[2] } else { four[0] };
    let b = if four[3] < four[1] { four[3] } else { four[1] };
    if b < a { b } else { a }
}

/// Place and value of the first smallest; the length is a multiple of 8.
#[inline(always)]
fn first_smallest(values: &[f64]) -> (usize, f64) {
    let mut lanes = [f64::INFINITY; 8];
    for chunk in values.as_chunks::<8>().0 {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = if value < *lane { value } else { *lane };
        }
    }
    let minimum = reduce(&lanes);
    for (index, chunk) in values.as_chunks::<8>().0.iter().enumerate() {
        let mut equal = 0_u32;
        for (lane, &value) in chunk.iter().enumerate() {
            equal |= u32::from(value == minimum) << lane;
        }
        if equal != 0 {
            return (index * 8 + equal.trailing_zeros() as usize, minimum);
        }
    }
    (0, minimum)
}
