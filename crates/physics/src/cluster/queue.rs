//! The smallest of many numbers that change.

use pulp::Simd;

use crate::lanes;

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
        self.minima.resize(blocks.next_multiple_of(lanes::PAD), f64::INFINITY);
    }

    /// Sets a value without keeping the minima; [`Queue::refresh`] makes up for it.
    #[inline(always)]
    pub(super) fn put(&mut self, slot: usize, value: f64) {
        self.values[slot / BLOCK][slot % BLOCK] = value;
    }

    /// Computes all minima.
    #[inline(always)]
    pub(super) fn refresh<S: Simd>(&mut self, simd: S) {
        for index in 0..self.values.len() {
            self.minima[index] = lanes::minimum(simd, &self.values[index]);
        }
    }

    /// Sets a value.
    #[inline(always)]
    pub(super) fn set<S: Simd>(&mut self, simd: S, slot: usize, value: f64) {
        let block = &mut self.values[slot / BLOCK];
        let old = std::mem::replace(&mut block[slot % BLOCK], value);
        let minimum = &mut self.minima[slot / BLOCK];
        if value <= *minimum {
            *minimum = value;
        } else if old <= *minimum {
            *minimum = lanes::minimum(simd, block);
        }
    }

    /// The slot of the smallest value, the first of equal ones.
    #[inline(always)]
    pub(super) fn first<S: Simd>(&self, simd: S) -> (usize, f64) {
        let (block, value) = lanes::first_minimum(simd, &self.minima);
        match self.values.get(block) {
            Some(values) => (block * BLOCK + lanes::first_minimum(simd, values).0, value),
            None => (0, f64::INFINITY),
        }
    }
}
