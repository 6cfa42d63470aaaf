//! The engine for electron-positron collisions: angles on the sphere, every particle looks at all others.

use std::f64::consts::PI;

use pulp::{Arch, Simd, WithSimd};

use super::queue::Queue;
use super::{Algorithm, ClusterSequence, JetDefinition};
use crate::four_vector::FourVector;
use crate::lanes::{self, PAD, Smallest};

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
        // Above 4, the largest there is: there is no beam as long as two are left. The value is FastJet's.
        Algorithm::EeKt => 16.0,
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
    fn remove<S: Simd>(&mut self, simd: S, slot: usize) {
        self.slot_of[self.id[slot] as usize] = NONE;
        self.id[slot] = NONE;
        self.x[slot] = f64::INFINITY;
        self.scale[slot] = f64::INFINITY;
        self.queue.set(simd, slot, f64::INFINITY);
    }

    /// Finds the nearest neighbour of a slot. With `tell`, those of lower or equal scale that have this one as nearest learn it.
    #[inline(always)]
    fn search<S: Simd>(&mut self, simd: S, slot: usize, limit: f64, tell: bool) {
        let x = std::mem::replace(&mut self.x[slot], f64::INFINITY);
        let (y, z, scale, id) = (self.y[slot], self.z[slot], self.scale[slot], self.id[slot]);
        let mut best = Smallest::below(simd, limit);
        let direction = [simd.splat_f64s(x), simd.splat_f64s(y), simd.splat_f64s(z)];
        let (mut place, step) = (lanes::places(simd, 0), lanes::stride(simd));
        let [xs, ys, zs] = [&self.x, &self.y, &self.z].map(|column| S::as_simd_f64s(column).0);
        for ((x, y), z) in xs.iter().zip(ys).zip(zs) {
            best.add(simd, distances(simd, [*x, *y, *z], direction), place);
            place = simd.add_f64s(place, step);
        }
        if tell {
            self.tell(simd, [x, y, z], scale, id);
        }
        self.x[slot] = x;
        let (smallest, nearest) = best.get(simd);
        let neighbour = nearest.map_or(NONE, |slot| self.id[slot]);
        self.distance[slot] = if neighbour == NONE { limit } else { smallest };
        self.neighbour[slot] = neighbour;
    }

    /// Tells a new jet to those of lower or equal scale that have it as nearest.
    #[inline(always)]
    fn tell<S: Simd>(&mut self, simd: S, [x, y, z]: [f64; 3], scale: f64, id: u32) {
        for other in 0..self.x.len() {
            let (dx, dy, dz) = (self.x[other] - x, self.y[other] - y, self.z[other] - z);
            let d = dx * dx + dy * dy + dz * dz;
            if d < self.distance[other] && self.scale[other] <= scale {
                self.distance[other] = d;
                self.neighbour[other] = id;
                self.queue.set(simd, other, self.scale[other] * d);
            }
        }
    }
}

/// `2 (1 - cos θ)` as the squared distance of the unit vectors, which is accurate for small angles.
#[inline(always)]
fn distances<S: Simd>(simd: S, from: [S::f64s; 3], to: [S::f64s; 3]) -> S::f64s {
    let square = |axis: usize| {
        let difference = simd.sub_f64s(from[axis], to[axis]);
        simd.mul_f64s(difference, difference)
    };
    simd.add_f64s(simd.add_f64s(square(0), square(1)), square(2))
}

struct Run<'a> {
    sphere: &'a mut Sphere,
    definition: &'a JetDefinition,
    sequence: &'a mut ClusterSequence,
}

impl WithSimd for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Run { sphere, definition, sequence } = self;
        let limit = limit(definition);
        // Durham's distance is min(E²) 2 (1 - cos θ); the generalised one is divided by the value at R.
        let unit = if definition.algorithm == Algorithm::EeKt { 1.0 } else { limit };
        start(simd, sphere, definition, sequence, limit);
        let mut left = sequence.particles;
        while left > 0 {
            let (slot, value) = sphere.queue.first(simd);
            let (id, neighbour) = (sphere.id[slot], sphere.neighbour[slot]);
            if neighbour == NONE {
                sphere.remove(simd, slot);
                sequence.declare(id, value / unit);
                left -= 1;
                continue;
            }
            let other = sphere.slot_of[neighbour as usize];
            if other == NONE {
                sphere.search(simd, slot, limit, false);
                sphere.queue.set(simd, slot, sphere.scale[slot] * sphere.distance[slot]);
                continue;
            }
            let momenta = (sequence.jets[id as usize], sequence.jets[neighbour as usize]);
            let joined = definition.recombination.join_spherical(momenta.0, momenta.1);
            sphere.remove(simd, slot);
            sphere.remove(simd, other as usize);
            let child = sequence.merge(id, neighbour, value / unit, joined);
            left -= 1;
            sphere.place(slot, child, joined, definition.algorithm);
            sphere.search(simd, slot, limit, true);
            sphere.queue.set(simd, slot, sphere.scale[slot] * sphere.distance[slot]);
        }
    }
}

#[inline(always)]
fn start<S: Simd>(
    simd: S,
    sphere: &mut Sphere,
    definition: &JetDefinition,
    sequence: &ClusterSequence,
    limit: f64,
) {
    let count = sequence.particles;
    let padded = count.next_multiple_of(PAD);
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
        sphere.search(simd, slot, limit, false);
        sphere.queue.put(slot, sphere.scale[slot] * sphere.distance[slot]);
    }
    sphere.queue.refresh(simd);
}
