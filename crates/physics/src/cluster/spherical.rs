//! The engine for electron-positron collisions: angles on the sphere, every particle looks at all others.

use std::f64::consts::PI;

use pulp::{Arch, Simd, WithSimd};

use super::queue::{Queue, reduce};
use super::{Algorithm, ClusterSequence, JetDefinition};
use crate::four_vector::FourVector;

const LANES: usize = 8;
const NONE: u32 = u32::MAX;

/// Memory for one event after the other. A slot holds one jet or is empty; empty ones have an infinite x.
#[derive(Debug, Default)]
pub(super) struct Sphere {
    x: Vec<f64>,
    y: Vec<f64>,
    z: Vec<f64>,
    scale: Vec<f64>,
    distance: Vec<f64>,
    neighbour: Vec<u32>,
    id: Vec<u32>,
    slot_of: Vec<u32>,
    queue: Queue,
}

/// The unit vector along a momentum; along z without one.
#[inline(always)]
fn direction(v: FourVector) -> [f64; 3] {
    let p2 = v.px * v.px + v.py * v.py + v.pz * v.pz;
    if p2 > 0.0 {
        let factor = 1.0 / p2.sqrt();
        [v.px * factor, v.py * factor, v.pz * factor]
    } else {
        [0.0, 0.0, 1.0]
    }
}

/// The value of 2 (1 - cos θ) at which a particle is as near to another as to the beam.
fn limit(definition: &JetDefinition) -> f64 {
    match definition.algorithm {
        // Above 4, the largest there is: there is no beam as long as two are left.
        Algorithm::EeKt => 5.0,
        _ if definition.radius <= PI => 2.0 * (1.0 - definition.radius.cos()),
        _ => 2.0 * (3.0 + definition.radius.cos()),
    }
}

impl Sphere {
    pub(super) fn cluster(&mut self, definition: &JetDefinition, sequence: &mut ClusterSequence) {
        Arch::new().dispatch(Run { sphere: self, definition, sequence });
    }

    #[inline(always)]
    fn place(&mut self, slot: usize, id: u32, momentum: FourVector, algorithm: Algorithm) {
        [self.x[slot], self.y[slot], self.z[slot]] = direction(momentum);
        self.scale[slot] = algorithm.scale(momentum.e * momentum.e);
        self.id[slot] = id;
        self.slot_of[id as usize] = slot as u32;
    }

    #[inline(always)]
    fn remove(&mut self, slot: usize) {
        self.slot_of[self.id[slot] as usize] = NONE;
        self.id[slot] = NONE;
        self.x[slot] = f64::INFINITY;
        self.scale[slot] = f64::INFINITY;
        self.queue.set(slot, f64::INFINITY);
    }

    /// Finds the nearest neighbour of a slot. With `tell`, those of lower or equal scale that have this one as nearest learn it.
    #[inline(always)]
    fn search(&mut self, slot: usize, limit: f64, tell: bool) {
        let x = std::mem::replace(&mut self.x[slot], f64::INFINITY);
        let (y, z, scale, id) = (self.y[slot], self.z[slot], self.scale[slot], self.id[slot]);
        let mut best = [limit; LANES];
        let mut place = [u64::from(NONE); LANES];
        for base in (0..self.x.len()).step_by(LANES) {
            let d = self.distances(base, [x, y, z]);
            for lane in 0..LANES {
                let closer = d[lane] < best[lane];
                best[lane] = if closer { d[lane] } else { best[lane] };
                place[lane] = if closer { (base + lane) as u64 } else { place[lane] };
            }
            if !tell {
                continue;
            }
            for (lane, &d) in d.iter().enumerate() {
                let other = base + lane;
                if d < self.distance[other] && self.scale[other] <= scale {
                    self.distance[other] = d;
                    self.neighbour[other] = id;
                    self.queue.set(other, self.scale[other] * d);
                }
            }
        }
        self.x[slot] = x;
        let smallest = reduce(&best);
        let nearest = (0..LANES).filter(|lane| best[*lane] == smallest).map(|lane| place[lane]).min();
        let neighbour = nearest.and_then(|slot| self.id.get(slot as usize)).copied().unwrap_or(NONE);
        self.distance[slot] = if neighbour == NONE { limit } else { smallest };
        self.neighbour[slot] = neighbour;
    }

    /// `2 (1 - cos θ)` as the squared distance of the unit vectors, which is accurate for small angles.
    #[inline(always)]
    fn distances(&self, base: usize, [x, y, z]: [f64; 3]) -> [f64; LANES] {
        let mut d = [f64::INFINITY; LANES];
        let columns = (
            self.x[base..].first_chunk::<LANES>(),
            self.y[base..].first_chunk::<LANES>(),
            self.z[base..].first_chunk::<LANES>(),
        );
        let (Some(xs), Some(ys), Some(zs)) = columns else {
            return d;
        };
        for lane in 0..LANES {
            let (dx, dy, dz) = (xs[lane] - x, ys[lane] - y, zs[lane] - z);
            d[lane] = dx * dx + dy * dy + dz * dz;
        }
        d
    }
}

struct Run<'a> {
    sphere: &'a mut Sphere,
    definition: &'a JetDefinition,
    sequence: &'a mut ClusterSequence,
}

impl WithSimd for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Run { sphere, definition, sequence } = self;
        let limit = limit(definition);
        // Durham's distance is min(E²) 2 (1 - cos θ); the generalised one is divided by the value at R.
        let unit = if definition.algorithm == Algorithm::EeKt { 1.0 } else { limit };
        start(sphere, definition, sequence, limit);
        let mut left = sequence.particles;
        while left > 0 {
            let (slot, value) = sphere.queue.first();
            let (id, neighbour) = (sphere.id[slot], sphere.neighbour[slot]);
            if neighbour == NONE {
                sphere.remove(slot);
                sequence.declare(id, value / unit);
                left -= 1;
                continue;
            }
            let other = sphere.slot_of[neighbour as usize];
            if other == NONE {
                sphere.search(slot, limit, false);
                sphere.queue.set(slot, sphere.scale[slot] * sphere.distance[slot]);
                continue;
            }
            let momenta = (sequence.jets[id as usize], sequence.jets[neighbour as usize]);
            let joined = definition.recombination.join_spherical(momenta.0, momenta.1);
            sphere.remove(slot);
            sphere.remove(other as usize);
            let child = sequence.merge(id, neighbour, value / unit, joined);
            left -= 1;
            sphere.place(slot, child, joined, definition.algorithm);
            sphere.search(slot, limit, true);
            sphere.queue.set(slot, sphere.scale[slot] * sphere.distance[slot]);
        }
    }
}

#[inline(always)]
fn start(sphere: &mut Sphere, definition: &JetDefinition, sequence: &ClusterSequence, limit: f64) {
    let count = sequence.particles;
    let padded = count.next_multiple_of(LANES);
    for (column, empty) in [
        (&mut sphere.x, f64::INFINITY),
        (&mut sphere.y, 0.0),
        (&mut sphere.z, 0.0),
        (&mut sphere.scale, f64::INFINITY),
        (&mut sphere.distance, limit),
    ] {
        column.clear();
        column.resize(padded, empty);
    }
    for column in [&mut sphere.neighbour, &mut sphere.id] {
        column.clear();
        column.resize(padded, NONE);
    }
    sphere.slot_of.clear();
    sphere.slot_of.resize(2 * count, NONE);
    sphere.queue.reset(padded);
    for (slot, momentum) in sequence.jets.iter().enumerate() {
        sphere.place(slot, slot as u32, *momentum, definition.algorithm);
    }
    for slot in 0..count {
        sphere.search(slot, limit, false);
        sphere.queue.put(slot, sphere.scale[slot] * sphere.distance[slot]);
    }
    sphere.queue.refresh();
}
