//! The engine for hadron collisions: nearest neighbours on a grid of tiles, or without one.

use std::f64::consts::TAU;

use pulp::{Arch, Simd, WithSimd};

use super::queue::Queue;
use super::recombine::Node;
use super::{Algorithm, ClusterSequence, JetDefinition, Recombination, Strategy};
use crate::lanes::{self, PAD, Smallest};

/// No jet, no slot.
const NONE: u32 = u32::MAX;
/// Up to this number every particle looks at all others.
const PLAIN: usize = 96;
/// Particles beyond this rapidity share the outermost row of tiles.
const ROW_LIMIT: f64 = 10.0;
/// So many jets in a tile are enough: where R holds more, tiles become smaller.
const IN_TILE: f64 = 8.0;
/// The most tiles that R goes over.
const REACH: usize = 8;
/// Where R goes over more tiles than this, each tile is asked whether it can hold what is looked for. With fewer it costs less to look.
const FEW: usize = 2;

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
    bounds: Bounds,
    queue: Queue,
    /// By id: the slot, NONE if no longer there.
    slot_of: Vec<u32>,
    /// First slots of vectors that hold a jet to be told of a new one.
    told: Vec<usize>,
    /// Memory for laying out anew.
    live: Vec<Live>,
}

/// A jet on its way into a slot.
#[derive(Debug, Clone, Copy, Default)]
struct Live {
    rapidity: f64,
    phi: f64,
    scale: f64,
    distance: f64,
    neighbour: u32,
    id: u32,
    tile: u32,
}

/// What the jets of a tile have at most and at least. Jets that are gone may still count, until all are laid out anew.
#[derive(Debug, Default)]
struct Bounds {
    /// By tile: no jet has a lower scale.
    scale: Vec<f64>,
    /// By tile: no jet has its nearest neighbour at a larger squared distance.
    distance: Vec<f64>,
    /// The same by row.
    in_row: Vec<f64>,
    columns: usize,
}

impl Bounds {
    fn reset(&mut self, rows: usize, columns: usize) {
        self.columns = columns;
        for (column, length, empty) in [
            (&mut self.scale, rows * columns, f64::INFINITY),
            (&mut self.distance, rows * columns, 0.0),
            (&mut self.in_row, rows, 0.0),
        ] {
            column.clear();
            column.resize(length, empty);
        }
    }

    #[inline(always)]
    fn add(&mut self, tile: usize, scale: f64, distance: f64) {
        self.scale[tile] = self.scale[tile].min(scale);
        self.distance[tile] = self.distance[tile].max(distance);
        let row = &mut self.in_row[tile / self.columns];
        *row = row.max(distance);
    }
}

/// Which tile is where. Tiles of one row (in rapidity) follow each other in azimuth.
#[derive(Debug, Default)]
struct Layout {
    rows: usize,
    columns: usize,
    lowest: f64,
    /// The height of a row.
    size: f64,
    per_rapidity: f64,
    per_phi: f64,
    /// The width of a column.
    width: f64,
    radius: f64,
    /// How many tiles R goes over, at most.
    reach: usize,
    /// First slot of each tile, then the end.
    starts: Vec<u32>,
}

impl Layout {
    /// A grid for `live` jets, not more tiles than jets: as wide as `radius`, or a whole part of it where jets are dense.
    fn choose(&mut self, live: &[Live], radius: f64, tiled: bool) {
        let inside = live.iter().map(|jet| jet.rapidity.clamp(-ROW_LIMIT, ROW_LIMIT));
        let (low, high) =
            inside.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), y| (low.min(y), high.max(y)));
        let extent = (high - low).max(1e-3);
        let each = extent * TAU / live.len().max(1) as f64;
        let reach = (radius / (IN_TILE * each).sqrt()).clamp(1.0, REACH as f64).floor();
        // A hair more than R, since tiles are found by rounding a product.
        let size = (radius / reach * 1.000_001).max(each.sqrt());
        (self.reach, self.radius, self.size) = (reach as usize, radius, size);
        let columns = (TAU / size).floor() as usize;
        let rows = (extent / size).ceil().max(1.0) as usize;
        // With fewer columns those to the left are those to the right.
        let columns = if columns < 2 * self.reach + 2 { 1 } else { columns };
        let (rows, columns) = if tiled { (rows, columns) } else { (1, 1) };
        self.rows = rows;
        self.columns = columns;
        self.lowest = low;
        self.per_rapidity = 1.0 / size;
        self.per_phi = columns as f64 / TAU;
        self.width = TAU / columns as f64;
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

    /// How far in rapidity the jets of a row are from a place at least.
    #[inline(always)]
    fn to_row(&self, row: usize, rapidity: f64) -> f64 {
        let low = self.lowest + row as f64 * self.size;
        // The outermost rows hold all that is beyond.
        let below = if row == 0 { 0.0 } else { low - rapidity };
        let above = if row + 1 == self.rows { 0.0 } else { rapidity - (low + self.size) };
        // A hair less, for rounding.
        (below.max(above) * 0.999_999 - 1e-9).max(0.0)
    }

    /// The runs of tiles of one row, to both sides of an azimuth: one, or two in the order of tiles, or the whole row.
    #[inline(always)]
    fn runs(&self, row: usize, phi: f64, width: f64) -> ([(usize, usize); 2], usize) {
        let (first, end) = (row * self.columns, (row + 1) * self.columns);
        let columns = self.columns as isize;
        // A hair more. Conversion rounds towards 0, so that one turn is added before.
        let (place, width) = (phi * self.per_phi, width * self.per_phi * 1.000_001 + 1e-9);
        let low = (place - width + self.columns as f64) as isize - columns;
        let high = (place + width) as isize;
        let at = |column: isize| first + column as usize;
        if high - low + 1 >= columns {
            ([(first, end), (0, 0)], 1)
        } else if low < 0 {
            ([(first, at(high + 1)), (at(low + columns), end)], 2)
        } else if high >= columns {
            ([(first, at(high - columns + 1)), (at(low), end)], 2)
        } else {
            ([(at(low), at(high + 1)), (0, 0)], 1)
        }
    }

    /// The slots of a run of tiles: the first, and how many.
    #[inline(always)]
    fn slots(&self, (from, to): (usize, usize)) -> (usize, usize) {
        let start = self.starts[from] as usize;
        (start, self.starts[to] as usize - start)
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
    fn lay_out<S: Simd>(&mut self, simd: S, radius: f64, tiled: bool) {
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
    fn compact<S: Simd>(&mut self, simd: S, radius: f64, tiled: bool) {
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
    fn remove<S: Simd>(&mut self, simd: S, slot: usize) {
        self.slot_of[self.id[slot] as usize] = NONE;
        self.id[slot] = NONE;
        self.rapidity[slot] = f64::INFINITY;
        self.scale[slot] = f64::INFINITY;
        self.queue.set(simd, slot, f64::INFINITY);
    }

    /// The nearest jet within the square root of `limit` and its squared distance; NONE and `limit` without one. The place is that
    /// of a jet that is in no slot.
    ///
    /// Rows of tiles are looked at from the nearest on, until they are further away than what was found, and of each only the
    /// columns that can be nearer. The last vector of a run may go beyond it: those are true distances to other jets, and do no
    /// harm.
    #[inline(always)]
    fn nearest<S: Simd>(&self, simd: S, new: &Live, limit: f64) -> (f64, u32) {
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
    fn tell_all<S: Simd>(&mut self, simd: S, new: &Live) {
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

    /// An empty slot in the tile of a place, and the tile.
    #[inline(always)]
    fn empty_slot(&self, rapidity: f64, phi: f64) -> Option<(usize, usize)> {
        let tile = self.layout.tile(rapidity, phi);
        let (start, length) = self.layout.slots((tile, tile + 1));
        (start..start + length).find(|slot| self.id[*slot] == NONE).map(|slot| (slot, tile))
    }

    /// Computes the nearest neighbour of the jet in a slot anew.
    #[inline(always)]
    fn search<S: Simd>(&mut self, simd: S, slot: usize, limit: f64) {
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
    fn with_simd<S: Simd>(self, simd: S) {
        let JetDefinition { algorithm, radius, recombination } = *self.definition;
        let Run { grid, strategy, sequence, .. } = self;
        let limit = radius * radius;
        start(grid, algorithm, recombination, sequence, limit);
        let mut left = sequence.particles;
        let mut tiled = is_tiled(strategy, left);
        let mut at_layout = left;
        grid.lay_out(simd, radius, tiled);
        first_neighbours(simd, grid, limit);
        while left > 0 {
            if left < at_layout / 2 && at_layout > 16 {
                tiled = is_tiled(strategy, left);
                grid.compact(simd, radius, tiled);
                at_layout = left;
            }
            let (slot, value) = grid.queue.first(simd);
            let id = grid.id[slot];
            let neighbour = grid.neighbour[slot];
            if neighbour == NONE {
                grid.remove(simd, slot);
                // The queue holds pt^2p R².
                sequence.declare(id, value / limit);
                left -= 1;
                continue;
            }
            let other = grid.slot_of[neighbour as usize];
            if other == NONE {
                grid.search(simd, slot, limit);
                grid.queue.set(simd, slot, grid.scale[slot] * grid.distance[slot]);
                continue;
            }
            let a = node(grid, sequence, slot);
            let b = node(grid, sequence, other as usize);
            let joined = recombination.join(&a, &b);
            grid.remove(simd, slot);
            grid.remove(simd, other as usize);
            let child = sequence.merge(id, neighbour, value / limit, joined.momentum);
            left -= 1;
            insert(simd, grid, &joined, child, algorithm.scale(joined.pt2()), limit, (radius, tiled));
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
fn first_neighbours<S: Simd>(simd: S, grid: &mut Grid, limit: f64) {
    // Neighbours were not known when jets were laid out.
    grid.bounds.reset(grid.layout.rows, grid.layout.columns);
    for slot in 0..grid.id.len() {
        if grid.id[slot] != NONE {
            grid.search(simd, slot, limit);
            grid.queue.put(slot, grid.scale[slot] * grid.distance[slot]);
        }
    }
    grid.queue.refresh(simd);
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
fn insert<S: Simd>(
    simd: S,
    grid: &mut Grid,
    joined: &Node,
    id: u32,
    scale: f64,
    limit: f64,
    layout: (f64, bool),
) {
    let mut new = Live {
        rapidity: joined.rapidity,
        phi: joined.phi,
        scale,
        distance: limit,
        neighbour: NONE,
        id,
        tile: 0,
    };
    (new.distance, new.neighbour) = grid.nearest(simd, &new, limit);
    grid.tell_all(simd, &new);
    let (slot, tile) = match grid.empty_slot(new.rapidity, new.phi) {
        Some(found) => found,
        None => {
            // Its tile is full: all jets are laid out anew, with room in each tile.
            grid.compact(simd, layout.0, layout.1);
            match grid.empty_slot(new.rapidity, new.phi) {
                Some(found) => found,
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
    grid.bounds.add(tile, scale, new.distance);
    grid.queue.set(simd, slot, scale * new.distance);
}
