//! The smallest of many numbers that change.

use pulp::Simd;

use crate::lanes;

/// How many values share one minimum, and how many of these one of theirs.
const BLOCK: usize = 32;

/// Values by slot, the smallest of each block, and the smallest of each block of those. An absent value is infinite.
#[derive(Debug, Default)]
pub(super) struct Queue {
    values: Vec<[f64; BLOCK]>,
    minima: Vec<[f64; BLOCK]>,
    tops: Vec<f64>,
}

impl Queue {
    /// `slots` absent values.
    pub(super) fn reset(&mut self, slots: usize) {
        let blocks = slots.div_ceil(BLOCK);
        let groups = blocks.div_ceil(BLOCK);
        self.values.clear();
        self.values.resize(blocks, [f64::INFINITY; BLOCK]);
        self.minima.clear();
        self.minima.resize(groups, [f64::INFINITY; BLOCK]);
        self.tops.clear();
        self.tops.resize(groups.next_multiple_of(lanes::PAD), f64::INFINITY);
    }

    /// Sets a value without keeping the minima; [`Queue::refresh`] makes up for it.
    #[inline(always)]
    pub(super) fn put(&mut self, slot: usize, value: f64) {
        self.values[slot / BLOCK][slot % BLOCK] = value;
    }

    /// Computes all minima.
    #[inline(always)]
    pub(super) fn refresh<S: Simd>(&mut self, simd: S) {
        for (block, values) in self.values.iter().enumerate() {
            self.minima[block / BLOCK][block % BLOCK] = lanes::minimum(simd, values);
        }
        for (top, minima) in self.tops.iter_mut().zip(&self.minima) {
            *top = lanes::minimum(simd, minima);
        }
    }

    /// Sets a value.
    #[inline(always)]
    pub(super) fn set<S: Simd>(&mut self, simd: S, slot: usize, value: f64) {
        let (block, group) = (slot / BLOCK, slot / BLOCK / BLOCK);
        let known = self.minima[group][block % BLOCK];
        let Some(minimum) = replace(simd, &mut self.values[block], slot % BLOCK, value, known) else {
            return;
        };
        if let Some(top) = replace(simd, &mut self.minima[group], block % BLOCK, minimum, self.tops[group]) {
            self.tops[group] = top;
        }
    }

    /// The slot of the smallest value, the first of equal ones.
    #[inline(always)]
    pub(super) fn first<S: Simd>(&self, simd: S) -> (usize, f64) {
        let (group, value) = lanes::first_minimum(simd, &self.tops);
        let Some(minima) = self.minima.get(group) else { return (0, f64::INFINITY) };
        let block = group * BLOCK + lanes::first_minimum(simd, minima).0;
        match self.values.get(block) {
            Some(values) => (block * BLOCK + lanes::first_minimum(simd, values).0, value),
            None => (0, f64::INFINITY),
        }
    }
}

/// Sets one of a block whose minimum is known; the new minimum where it may have changed.
#[inline(always)]
fn replace<S: Simd>(
    simd: S,
    block: &mut [f64; BLOCK],
    place: usize,
    value: f64,
    minimum: f64,
) -> Option<f64> {
    let old = std::mem::replace(&mut block[place], value);
    if value <= minimum {
        Some(value)
    } else {
        if old <= minimum { Some(lanes::minimum(simd, block)) } else { None }
    }
}
