//! The engine for hadron collisions: nearest neighbours on a grid of tiles, or without one.

mod bounds;
mod layout;
mod search;
mod slots;

use pulp::{Arch, Simd, WithSimd};

use bounds::Bounds;
use layout::Layout;

use super::queue::Queue;
use super::recombine::Node;
use super::{Algorithm, ClusterSequence, JetDefinition, Recombination, Strategy};

/// No jet, no slot.
const NONE: u32 = u32::MAX;
/// Up to this number every particle looks at all others.
const PLAIN: usize = 96;
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

impl Grid {
    pub(super) fn cluster(
        &mut self,
        definition: &JetDefinition,
        strategy: Strategy,
        sequence: &mut ClusterSequence,
    ) {
        Arch::new().dispatch(Run { grid: self, definition, strategy, sequence });
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
