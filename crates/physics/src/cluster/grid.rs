//! The engine for hadron collisions: nearest neighbours on a grid of tiles, or without one.

use std::f64::consts::{PI, TAU};

use pulp::{Arch, Simd, WithSimd};

use super::queue::{Queue, reduce};
use super::recombine::Node;
use super::{Algorithm, ClusterSequence, JetDefinition, Recombination, Strategy};

/// How many slots one vector instruction looks at.
const LANES: usize = 8;
/// No jet, no slot.
const NONE: u32 = u32::MAX;
/// Up to this number every particle looks at all others.
const PLAIN: usize = 96;
/// Particles beyond this rapidity share the outermost row of tiles.
const ROW_LIMIT: f64 = 10.0;

/// Memory for one event after the other. A slot holds one jet or is empty.
#[derive(Debug, Default)]
pub(super) struct Grid {
    layout: Layout,
    /// Infinite in an empty slot, so that nothing is near it.
    rapidity: Vec<f64>,
    phi: Vec<f64>,
    /// `pt^2p`; infinite in an empty slot, which is never told of a new neighbour.
    scale: Vec<f64>,
    /// Squared distance to the nearest neighbour, R² without one.
    distance: Vec<f64>,
    /// The id of the nearest neighbour, maybe no longer there; NONE for the beam.
    neighbour: Vec<u32>,
    id: Vec<u32>,
    queue: Queue,
    /// By id: the slot, NONE if no longer there.
    slot_of: Vec<u32>,
    /// Memory for laying out anew.
    live: Vec<Live>,
}

/// A jet on its way into a slot.
#[derive(Debug, Clone, Copy)]
struct Live {
    rapidity: f64,
    phi: f64,
    scale: f64,
    distance: f64,
    neighbour: u32,
    id: u32,
    tile: u32,
}

/// Which tile is where. Tiles of one row (in rapidity) follow each other in azimuth.
#[derive(Debug, Default)]
struct Layout {
    rows: usize,
    columns: usize,
    lowest: f64,
    per_rapidity: f64,
    per_phi: f64,
    /// First slot of each tile, then the end.
    starts: Vec<u32>,
}

impl Layout {
    /// A grid for `live` jets whose tiles are at least `radius` wide, and not more tiles than jets.
    fn choose(&mut self, live: &[Live], radius: f64, tiled: bool) {
        let inside = live.iter().map(|jet| jet.rapidity.clamp(-ROW_LIMIT, ROW_LIMIT));
        let (low, high) =
            inside.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), y| (low.min(y), high.max(y)));
        let extent = (high - low).max(1e-3);
        // A hair more than R, since tiles are found by rounding a product.
        let size = (radius * 1.000_001).max((extent * TAU / live.len().max(1) as f64).sqrt());
        let columns = (TAU / size).floor() as usize;
        let rows = (extent / size).ceil().max(1.0) as usize;
        // With three columns each is next to each.
        let columns = if columns < 4 { 1 } else { columns };
        let (rows, columns) = if tiled { (rows, columns) } else { (1, 1) };
        self.rows = rows;
        self.columns = columns;
        self.lowest = low;
        self.per_rapidity = 1.0 / size;
        self.per_phi = columns as f64 / TAU;
    }

    #[inline(always)]
    fn row(&self, rapidity: f64) -> usize {
        // Conversion saturates: below the grid it gives 0.
        (((rapidity - self.lowest) * self.per_rapidity) as usize).min(self.rows - 1)
    }

    #[inline(always)]
    fn column(&self, phi: f64) -> usize {
        ((phi * self.per_phi) as usize).min(self.columns - 1)
    }

    #[inline(always)]
    fn tile(&self, rapidity: f64, phi: f64) -> usize {
        self.row(rapidity) * self.columns + self.column(phi)
    }

    /// The runs of slots of the tile of a place and of the tiles around, as (runs, how many).
    #[inline(always)]
    fn around(&self, rapidity: f64, phi: f64) -> ([(u32, u32); 6], usize) {
        let mut runs = [(0, 0); 6];
        let mut count = 0;
        let (row, column) = (self.row(rapidity), self.column(phi));
        for row in row.saturating_sub(1)..=(row + 1).min(self.rows - 1) {
            let base = row * self.columns;
            let mut run = |from: usize, to: usize| {
                runs[count] = (self.starts[base + from], self.starts[base + to]);
                count += 1;
            };
            if self.columns == 1 {
                run(0, 1);
            } else if column == 0 {
                run(0, 2);
                run(self.columns - 1, self.columns);
            } else if column == self.columns - 1 {
                run(column - 1, self.columns);
                run(0, 1);
            } else {
                run(column - 1, column + 2);
            }
        }
        (runs, count)
    }
}

impl Grid {
    pub(super) fn cluster(
        &mut self,
        definition: &JetDefinition,
        strategy: Strategy,
        sequence: &mut ClusterSequence,
    ) {
        Arch::new().dispatch(Run { grid: self, definition, strategy, sequence });
    }

    /// Gives each jet in `live` a slot in its tile, with room for more.
    #[inline(always)]
    fn lay_out(&mut self, radius: f64, tiled: bool) {
        self.layout.choose(&self.live, radius, tiled);
        let layout = &mut self.layout;
        let tiles = layout.rows * layout.columns;
        layout.starts.clear();
        layout.starts.resize(tiles + 1, 0);
        for jet in &mut self.live {
            let tile = (((jet.rapidity - layout.lowest) * layout.per_rapidity) as usize).min(layout.rows - 1)
                * layout.columns
                + ((jet.phi * layout.per_phi) as usize).min(layout.columns - 1);
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
        let padded = slots as usize + LANES;
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
        self.queue.reset(padded);
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
            self.queue.put(slot, jet.scale * jet.distance);
        }
        for jet in &self.live {
            self.layout.starts[jet.tile as usize] -= 1;
        }
        self.queue.refresh();
    }

    /// Takes all jets out of their slots and lays them out anew.
    #[inline(always)]
    fn compact(&mut self, radius: f64, tiled: bool) {
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
        self.lay_out(radius, tiled);
    }

    #[inline(always)]
    fn remove(&mut self, slot: usize) {
        self.slot_of[self.id[slot] as usize] = NONE;
        self.id[slot] = NONE;
        self.rapidity[slot] = f64::INFINITY;
        self.scale[slot] = f64::INFINITY;
        self.queue.set(slot, f64::INFINITY);
    }

    /// The nearest jet within the square root of `limit` and its squared distance; NONE and `limit` without one.
    #[inline(always)]
    fn nearest(&self, rapidity: f64, phi: f64, limit: f64) -> (f64, u32) {
        let mut best = [limit; LANES];
        let mut place = [u64::from(NONE); LANES];
        let (runs, count) = self.layout.around(rapidity, phi);
        for &(start, end) in &runs[..count] {
            let mut slot = start as usize;
            while slot < end as usize {
                let d = self.distances(slot, rapidity, phi);
                for lane in 0..LANES {
                    let closer = d[lane] < best[lane];
                    best[lane] = if closer { d[lane] } else { best[lane] };
                    place[lane] = if closer { (slot + lane) as u64 } else { place[lane] };
                }
                slot += LANES;
            }
        }
        let smallest = reduce(&best);
        let mut slot = u64::from(NONE);
        for lane in 0..LANES {
            if best[lane] == smallest {
                slot = slot.min(place[lane]);
            }
        }
        let id = self.id.get(slot as usize).copied().unwrap_or(NONE);
        (if id == NONE { limit } else { smallest }, id)
    }

    /// Squared distances to the jets in eight slots from `slot` on. A run's end may lie before the last of them: those are true
    /// distances to other jets, and do no harm.
    #[inline(always)]
    fn distances(&self, slot: usize, rapidity: f64, phi: f64) -> [f64; LANES] {
        let mut d = [f64::INFINITY; LANES];
        let (Some(y), Some(p)) =
            (self.rapidity[slot..].first_chunk::<LANES>(), self.phi[slot..].first_chunk::<LANES>())
        else {
            return d;
        };
        for lane in 0..LANES {
            let dy = y[lane] - rapidity;
            let across = (p[lane] - phi).abs();
            let around = TAU - across;
            let dp = if across > PI { around } else { across };
            d[lane] = dp * dp + dy * dy;
        }
        d
    }

    /// The nearest jet to a new one that is in no slot yet, and on the way tells those that have it as nearest. Only jets of
    /// lower or equal scale need to know: in a pair of smallest distance, the one of lower scale has the other as nearest.
    #[inline(always)]
    fn nearest_to_new(&mut self, new: &Live, limit: f64) -> (f64, u32) {
        let mut best = [limit; LANES];
        let mut place = [u64::from(NONE); LANES];
        let (runs, count) = self.layout.around(new.rapidity, new.phi);
        for &(start, end) in &runs[..count] {
            let mut slot = start as usize;
            while slot < end as usize {
                let d = self.distances(slot, new.rapidity, new.phi);
                for lane in 0..LANES {
                    let closer = d[lane] < best[lane];
                    best[lane] = if closer { d[lane] } else { best[lane] };
                    place[lane] = if closer { (slot + lane) as u64 } else { place[lane] };
                }
                if let (Some(known), Some(scale)) =
                    (self.distance[slot..].first_chunk::<LANES>(), self.scale[slot..].first_chunk::<LANES>())
                {
                    let mut told = 0_u32;
                    for lane in 0..LANES {
                        let tell = (d[lane] < known[lane]) & (scale[lane] <= new.scale);
                        told |= u32::from(tell) << lane;
                    }
                    while told != 0 {
                        let lane = told.trailing_zeros() as usize;
                        told &= told - 1;
                        let other = slot + lane;
                        self.distance[other] = d[lane];
                        self.neighbour[other] = new.id;
                        self.queue.set(other, self.scale[other] * d[lane]);
                    }
                }
                slot += LANES;
            }
        }
        let smallest = reduce(&best);
        let mut slot = u64::from(NONE);
        for lane in 0..LANES {
            if best[lane] == smallest {
                slot = slot.min(place[lane]);
            }
        }
        let id = self.id.get(slot as usize).copied().unwrap_or(NONE);
        (if id == NONE { limit } else { smallest }, id)
    }

    /// An empty slot in the tile of a place.
    #[inline(always)]
    fn empty_slot(&self, rapidity: f64, phi: f64) -> Option<usize> {
        let tile = self.layout.tile(rapidity, phi);
        let (start, end) = (self.layout.starts[tile] as usize, self.layout.starts[tile + 1] as usize);
        (start..end).find(|slot| self.id[*slot] == NONE)
    }

    /// Computes the nearest neighbour of the jet in a slot anew.
    #[inline(always)]
    fn search(&mut self, slot: usize, limit: f64) {
        let rapidity = std::mem::replace(&mut self.rapidity[slot], f64::INFINITY);
        let (distance, neighbour) = self.nearest(rapidity, self.phi[slot], limit);
        self.rapidity[slot] = rapidity;
        self.distance[slot] = distance;
        self.neighbour[slot] = neighbour;
    }
}

/// One event, compiled for the widest vectors of this processor.
struct Run<'a> {
    grid: &'a mut Grid,
    definition: &'a JetDefinition,
    strategy: Strategy,
    sequence: &'a mut ClusterSequence,
}

impl WithSimd for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let JetDefinition { algorithm, radius, recombination } = *self.definition;
        let Run { grid, strategy, sequence, .. } = self;
        let limit = radius * radius;
        start(grid, algorithm, recombination, sequence, limit);
        let mut left = sequence.particles;
        let mut tiled = is_tiled(strategy, left);
        let mut at_layout = left;
        grid.lay_out(radius, tiled);
        first_neighbours(grid, limit);
        while left > 0 {
            if left < at_layout / 2 && at_layout > 16 {
                tiled = is_tiled(strategy, left);
                grid.compact(radius, tiled);
                at_layout = left;
            }
            let (slot, value) = grid.queue.first();
            let id = grid.id[slot];
            let neighbour = grid.neighbour[slot];
            if neighbour == NONE {
                grid.remove(slot);
                // The queue holds pt^2p R².
                sequence.declare(id, value / limit);
                left -= 1;
                continue;
            }
            let other = grid.slot_of[neighbour as usize];
            if other == NONE {
                grid.search(slot, limit);
                grid.queue.set(slot, grid.scale[slot] * grid.distance[slot]);
                continue;
            }
            let a = node(grid, sequence, slot);
            let b = node(grid, sequence, other as usize);
            let joined = recombination.join(&a, &b);
            grid.remove(slot);
            grid.remove(other as usize);
            let child = sequence.merge(id, neighbour, value / limit, joined.momentum);
            left -= 1;
            insert(grid, &joined, child, algorithm.scale(joined.pt2()), limit, (radius, tiled));
        }
    }
}

fn is_tiled(strategy: Strategy, particles: usize) -> bool {
    match strategy {
        Strategy::Automatic => particles > PLAIN,
        Strategy::Plain => false,
        Strategy::Tiled => true,
    }
}

/// Puts all particles into `live`.
#[inline(always)]
fn start(
    grid: &mut Grid,
    algorithm: Algorithm,
    recombination: Recombination,
    sequence: &mut ClusterSequence,
    limit: f64,
) {
    grid.live.clear();
    grid.slot_of.clear();
    grid.slot_of.resize(2 * sequence.particles, NONE);
    for (id, momentum) in sequence.jets.iter_mut().enumerate() {
        *momentum = recombination.prepare(*momentum);
        let node = Node::new(*momentum);
        grid.live.push(Live {
            rapidity: node.rapidity,
            phi: node.phi,
            scale: algorithm.scale(node.pt2()),
            distance: limit,
            neighbour: NONE,
            id: id as u32,
            tile: 0,
        });
    }
}

#[inline(always)]
fn first_neighbours(grid: &mut Grid, limit: f64) {
    for slot in 0..grid.id.len() {
        if grid.id[slot] != NONE {
            grid.search(slot, limit);
            grid.queue.put(slot, grid.scale[slot] * grid.distance[slot]);
        }
    }
    grid.queue.refresh();
}

#[inline(always)]
fn node(grid: &Grid, sequence: &ClusterSequence, slot: usize) -> Node {
    Node {
        momentum: sequence.jets[grid.id[slot] as usize],
        rapidity: grid.rapidity[slot],
        phi: grid.phi[slot],
    }
}

/// Gives a new jet its neighbour and a slot.
#[inline(always)]
fn insert(grid: &mut Grid, joined: &Node, id: u32, scale: f64, limit: f64, layout: (f64, bool)) {
    let mut new = Live {
        rapidity: joined.rapidity,
        phi: joined.phi,
        scale,
        distance: limit,
        neighbour: NONE,
        id,
        tile: 0,
    };
    (new.distance, new.neighbour) = grid.nearest_to_new(&new, limit);
    let slot = match grid.empty_slot(new.rapidity, new.phi) {
        Some(slot) => slot,
        None => {
            // Its tile is full: all jets are laid out anew, with room in each tile.
            grid.compact(layout.0, layout.1);
            match grid.empty_slot(new.rapidity, new.phi) {
                Some(slot) => slot,
                None => return,
            }
        }
    };
    grid.rapidity[slot] = new.rapidity;
    grid.phi[slot] = new.phi;
    grid.scale[slot] = scale;
    grid.distance[slot] = new.distance;
    grid.neighbour[slot] = new.neighbour;
    grid.id[slot] = id;
    grid.slot_of[id as usize] = slot as u32;
    grid.queue.set(slot, scale * new.distance);
}
