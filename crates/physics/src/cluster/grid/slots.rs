//! Jets into slots and out of them.

use pulp::Simd;

use super::{Grid, Live, NONE};
use crate::lanes::PAD;

impl Grid {
    /// Gives each jet in `live` a slot in its tile, with room for more.
    #[inline(always)]
    pub(super) fn lay_out<S: Simd>(&mut self, simd: S, radius: f64, tiled: bool) {
        self.layout.choose(&self.live, radius, tiled);
        let layout = &mut self.layout;
        let tiles = layout.rows * layout.columns;
        layout.starts.clear();
        layout.starts.resize(tiles + 1, 0);
        for jet in &mut self.live {
            let tile = layout.tile(jet.rapidity, jet.phi);
            jet.tile = tile as u32;
            layout.starts[tile] += 1;
        }
        let mut slots = 0;
        for start in &mut layout.starts {
            let room = if tiles == 1 { *start } else { *start + 1 + *start / 4 };
            *start = slots;
            slots += room;
        }
        if let Some(end) = layout.starts.last_mut() {
            // The end was given room as if it were a tile.
            slots = *end;
        }
        let padded = slots as usize + PAD;
        for (column, empty) in [
            (&mut self.rapidity, f64::INFINITY),
            (&mut self.phi, 0.0),
            (&mut self.scale, f64::INFINITY),
            (&mut self.distance, 0.0),
        ] {
            column.clear();
            column.resize(padded, empty);
        }
        for column in [&mut self.neighbour, &mut self.id] {
            column.clear();
            column.resize(padded, NONE);
        }
        self.bounds.reset(self.layout.rows, self.layout.columns);
        self.queue.reset(padded);
        self.told.resize(padded, 0);
        for index in 0..self.live.len() {
            let jet = self.live[index];
            // Starts are moved on while tiles fill, and moved back after.
            let next = &mut self.layout.starts[jet.tile as usize];
            let slot = *next as usize;
            *next += 1;
            self.rapidity[slot] = jet.rapidity;
            self.phi[slot] = jet.phi;
            self.scale[slot] = jet.scale;
            self.distance[slot] = jet.distance;
            self.neighbour[slot] = jet.neighbour;
            self.id[slot] = jet.id;
            self.slot_of[jet.id as usize] = slot as u32;
            self.bounds.add(jet.tile as usize, jet.scale, jet.distance);
            self.queue.put(slot, jet.scale * jet.distance);
        }
        for jet in &self.live {
            self.layout.starts[jet.tile as usize] -= 1;
        }
        self.queue.refresh(simd);
    }

    /// Takes all jets out of their slots and lays them out anew.
    #[inline(always)]
    pub(super) fn compact<S: Simd>(&mut self, simd: S, radius: f64, tiled: bool) {
        self.live.clear();
        for slot in 0..self.id.len() {
            if self.id[slot] != NONE {
                self.live.push(Live {
                    rapidity: self.rapidity[slot],
                    phi: self.phi[slot],
                    scale: self.scale[slot],
                    distance: self.distance[slot],
                    neighbour: self.neighbour[slot],
                    id: self.id[slot],
                    tile: 0,
                });
            }
        }
        self.lay_out(simd, radius, tiled);
    }

    #[inline(always)]
    pub(super) fn remove<S: Simd>(&mut self, simd: S, slot: usize) {
        self.slot_of[self.id[slot] as usize] = NONE;
        self.id[slot] = NONE;
        self.rapidity[slot] = f64::INFINITY;
        self.scale[slot] = f64::INFINITY;
        self.queue.set(simd, slot, f64::INFINITY);
    }

    /// An empty slot in the tile of a place, and the tile.
    #[inline(always)]
    pub(super) fn empty_slot(&self, rapidity: f64, phi: f64) -> Option<(usize, usize)> {
        let tile = self.layout.tile(rapidity, phi);
        let (start, length) = self.layout.slots((tile, tile + 1));
        (start..start + length).find(|slot| self.id[*slot] == NONE).map(|slot| (slot, tile))
    }
}
