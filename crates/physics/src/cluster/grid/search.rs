//! Who is nearest to whom.

use std::f64::consts::TAU;

use pulp::Simd;

use super::{FEW, Grid, Live, NONE};
use crate::lanes::{self, Smallest};

impl Grid {
    /// The nearest jet within the square root of `limit` and its squared distance; NONE and `limit` without one. The place is that
    /// of a jet that is in no slot.
    ///
    /// Rows of tiles are looked at from the nearest on, until they are further away than what was found, and of each only the
    /// columns that can be nearer. The last vector of a run may go beyond it: those are true distances to other jets, and do no
    /// harm.
    #[inline(always)]
    pub(super) fn nearest<S: Simd>(&self, simd: S, new: &Live, limit: f64) -> (f64, u32) {
        let layout = &self.layout;
        let middle = layout.row(new.rapidity);
        let mut best = Smallest::below(simd, limit);
        let mut found = limit;
        let near = layout.reach == 1;
        if layout.reach > FEW {
            // The own tile first, since what is found there leaves out most of the rest.
            let tile = layout.tile(new.rapidity, new.phi);
            self.look(simd, (tile, tile + 1), new, &mut best);
            found = best.get(simd).0;
        }
        for away in 0..=layout.reach {
            for row in [middle.wrapping_sub(away), middle + away] {
                if row >= layout.rows {
                    continue;
                }
                // With few rows it costs more to know which can be left out than to look.
                let along = if near { 0.0 } else { layout.to_row(row, new.rapidity) };
                if along * along > found {
                    continue;
                }
                let width = if near { layout.radius } else { (found - along * along).sqrt() };
                let (runs, count) = layout.runs(row, new.phi, width);
                for &run in &runs[..count] {
                    self.look(simd, run, new, &mut best);
                }
                if !near {
                    found = best.get(simd).0;
                }
                if away == 0 {
                    break;
                }
            }
        }
        let (distance, slot) = best.get(simd);
        match slot.map(|slot| self.id[slot]) {
            Some(id) if id != NONE => (distance, id),
            _ => (limit, NONE),
        }
    }

    /// Tells a new jet, which is in no slot yet, to those that have it as nearest. Only jets of lower or equal scale need to know:
    /// in a pair of smallest distance, the one of lower scale has the other as nearest.
    #[inline(always)]
    pub(super) fn tell_all<S: Simd>(&mut self, simd: S, new: &Live) {
        let middle = self.layout.row(new.rapidity);
        let (first, last) = (middle.saturating_sub(self.layout.reach), middle + self.layout.reach);
        let mut told = 0;
        let few = self.layout.reach <= FEW;
        for row in first..=last.min(self.layout.rows - 1) {
            let along = if few { 0.0 } else { self.layout.to_row(row, new.rapidity) };
            if !few && along * along >= self.bounds.in_row[row] {
                continue;
            }
            let (runs, count) = self.layout.runs(row, new.phi, self.layout.radius);
            for &(from, to) in &runs[..count] {
                if few {
                    told = self.find_told(simd, self.layout.slots((from, to)), new, told);
                    continue;
                }
                let mut next = from;
                while let Some(run) = self.may_learn(row, (next, to), new, along * along) {
                    told = self.find_told(simd, self.layout.slots(run), new, told);
                    next = run.1;
                }
            }
        }
        for index in 0..told {
            self.tell::<S>(simd, self.told[index], new);
        }
    }

    /// Adds the distances of the jets in a run of tiles to the smallest so far.
    #[inline(always)]
    fn look<S: Simd>(&self, simd: S, run: (usize, usize), new: &Live, best: &mut Smallest<S>) {
        let (y, phi, turn) = (simd.splat_f64s(new.rapidity), simd.splat_f64s(new.phi), simd.splat_f64s(TAU));
        let (start, length) = self.layout.slots(run);
        let ys = lanes::vectors::<S>(&self.rapidity, start, length);
        let phis = lanes::vectors::<S>(&self.phi, start, length);
        let (mut place, step) = (lanes::places(simd, start), lanes::stride(simd));
        for i in 0..ys.len() {
            best.add(simd, distances(simd, [ys[i], phis[i]], [y, phi], turn), place);
            place = simd.add_f64s(place, step);
        }
    }

    /// The first tiles of a run, one after the other, with jets to which a new one may be nearest: of lower or equal scale, and with
    /// a neighbour further away than the tile. `along` is the row's squared distance in rapidity.
    #[inline(always)]
    fn may_learn(
        &self,
        row: usize,
        (from, to): (usize, usize),
        new: &Live,
        along: f64,
    ) -> Option<(usize, usize)> {
        let columns = self.layout.columns;
        let own = row * columns + self.layout.column(new.phi);
        let (mut start, mut tile) = (to, from);
        while tile < to {
            let apart = tile.abs_diff(own);
            let between = apart.min(columns - apart).saturating_sub(1) as f64;
            // A hair less, for rounding.
            let across = between * self.layout.width * 0.999_999;
            let may = (self.bounds.scale[tile] <= new.scale)
                & (along + across * across < self.bounds.distance[tile]);
            if may && start == to {
                start = tile;
            } else if !may && start < to {
                break;
            }
            tile += 1;
        }
        (start < to).then_some((start, tile))
    }

    /// Adds to `told` the vectors among some slots that hold a jet of lower or equal scale to which a new one is nearest.
    #[inline(always)]
    fn find_told<S: Simd>(
        &mut self,
        simd: S,
        (start, length): (usize, usize),
        new: &Live,
        mut told: usize,
    ) -> usize {
        let (y, phi, turn) = (simd.splat_f64s(new.rapidity), simd.splat_f64s(new.phi), simd.splat_f64s(TAU));
        let scale = simd.splat_f64s(new.scale);
        let scales = lanes::vectors::<S>(&self.scale, start, length);
        let ys = lanes::vectors::<S>(&self.rapidity, start, length);
        let phis = lanes::vectors::<S>(&self.phi, start, length);
        let known = lanes::vectors::<S>(&self.distance, start, length);
        for i in 0..scales.len() {
            let lower = simd.less_than_or_equal_f64s(scales[i], scale);
            if lanes::any(simd, lower) {
                let d = distances(simd, [ys[i], phis[i]], [y, phi], turn);
                if lanes::any(simd, simd.and_m64s(simd.less_than_f64s(d, known[i]), lower)) {
                    self.told[told] = start + i * S::F64_LANES;
                    told += 1;
                }
            }
        }
        told
    }

    /// Tells the jets in the slots of one vector of a new jet.
    #[inline(always)]
    fn tell<S: Simd>(&mut self, simd: S, start: usize, new: &Live) {
        for slot in start..start + S::F64_LANES {
            let dy = self.rapidity[slot] - new.rapidity;
            let across = (self.phi[slot] - new.phi).abs();
            let dp = across.min(TAU - across);
            let d = dp * dp + dy * dy;
            if d < self.distance[slot] && self.scale[slot] <= new.scale {
                self.distance[slot] = d;
                self.neighbour[slot] = new.id;
                self.queue.set(simd, slot, self.scale[slot] * d);
            }
        }
    }

    /// Computes the nearest neighbour of the jet in a slot anew.
    #[inline(always)]
    pub(super) fn search<S: Simd>(&mut self, simd: S, slot: usize, limit: f64) {
        let rapidity = std::mem::replace(&mut self.rapidity[slot], f64::INFINITY);
        let jet = Live { rapidity, phi: self.phi[slot], ..Live::default() };
        let (distance, neighbour) = self.nearest(simd, &jet, limit);
        self.rapidity[slot] = rapidity;
        self.distance[slot] = distance;
        self.neighbour[slot] = neighbour;
        if self.layout.reach > FEW {
            let tile = self.layout.tile(rapidity, self.phi[slot]);
            self.bounds.add(tile, self.scale[slot], distance);
        }
    }
}

/// Squared distances in rapidity and azimuth. `turn` holds 2 pi.
#[inline(always)]
fn distances<S: Simd>(simd: S, from: [S::f64s; 2], to: [S::f64s; 2], turn: S::f64s) -> S::f64s {
    let dy = simd.sub_f64s(from[0], to[0]);
    // pulp's own absolute value calls a function that is not inlined, and took a third of the time.
    let across = simd.max_f64s(simd.sub_f64s(from[1], to[1]), simd.sub_f64s(to[1], from[1]));
    let dp = simd.min_f64s(across, simd.sub_f64s(turn, across));
    simd.add_f64s(simd.mul_f64s(dp, dp), simd.mul_f64s(dy, dy))
}
