//! The transport problem on a complete bipartite graph, by a network simplex.
//!
//! The basis is a spanning tree that starts as a star: every source sends all to a root, which sends all to the sinks, at the
//! price of the dearest real arc each. Arcs of negative reduced cost enter, the best of some rows of the matrix at a time, which are
//! looked at with vector instructions. What leaves is chosen such that the tree stays strongly feasible (Cunningham, Math. Programming 11
//! (1976) 105), so it cannot cycle.

use pulp::{Arch, Simd, WithSimd};

use crate::error::Error;
use crate::lanes::{self, Smallest};

const NONE: u32 = u32::MAX;

/// Reduced costs above minus this share of the largest cost count as 0: rounding errors of potentials stay far below.
const TOLERANCE: f64 = 1e-13;

/// A problem and its memory. Supplies and demands are positive and have the same sum but for rounding.
#[derive(Debug, Default)]
pub(super) struct Simplex {
    pub(super) supplies: Vec<f64>,
    pub(super) demands: Vec<f64>,
    /// One row a source, `stride` long: a multiple of 8, infinite beyond the sinks.
    pub(super) costs: Vec<f64>,
    pub(super) stride: usize,
    /// Potentials of sources, then those of sinks: `cost = u + v` on the tree.
    u: Vec<f64>,
    v: Vec<f64>,
    /// Nodes are sources, sinks and the root.
    nodes: Vec<Node>,
}

/// A node and the arc to its parent. Arcs lead from sources to sinks, so the arc of a source leads up and that of a sink down.
#[derive(Debug, Clone, Copy)]
struct Node {
    parent: u32,
    child: u32,
    next: u32,
    previous: u32,
    flow: f64,
}

impl Simplex {
    /// The smallest cost.
    pub(super) fn solve(&mut self) -> Result<f64, Error> {
        let largest = self.largest_cost();
        if largest > 1e300 {
            return Err(Error::NoConvergence(
                "the energy mover's distance: distances to the power of beta overflow",
            ));
        }
        self.start(largest);
        if !Arch::new().dispatch(Pivots { simplex: self, tolerance: TOLERANCE * largest }) {
            return Err(Error::NoConvergence("the energy mover's distance"));
        }
        let cost = self.flows().map(|(i, j, flow)| flow * self.costs[i as usize * self.stride + j as usize]);
        Ok(cost.sum())
    }

    /// What flows where, as (source, sink, flow).
    pub(super) fn flows(&self) -> impl Iterator<Item = (u32, u32, f64)> + '_ {
        let sources = self.supplies.len() as u32;
        let root = sources + self.demands.len() as u32;
        self.nodes.iter().enumerate().filter(move |(_, node)| node.parent != NONE && node.parent != root).map(
            move |(index, node)| {
                let index = index as u32;
                if index < sources {
                    (index, node.parent - sources, node.flow)
                } else {
                    (node.parent, index - sources, node.flow)
                }
            },
        )
    }

    fn largest_cost(&self) -> f64 {
        let rows = self.costs.chunks_exact(self.stride.max(1)).map(|row| &row[..self.demands.len()]);
        rows.flatten().fold(f64::MIN_POSITIVE, |largest: f64, cost| largest.max(*cost))
    }

    /// The star.
    fn start(&mut self, price: f64) {
        let (sources, sinks) = (self.supplies.len(), self.demands.len());
        let root = (sources + sinks) as u32;
        self.u.clear();
        self.u.resize(sources, price);
        self.v.clear();
        self.v.resize(self.stride, 0.0);
        self.v[..sinks].fill(price);
        self.nodes.clear();
        let flows = self.supplies.iter().chain(&self.demands);
        self.nodes.extend(flows.enumerate().map(|(index, flow)| {
            let index = index as u32;
            let next = if index + 1 < root { index + 1 } else { NONE };
            Node {
                parent: root,
                child: NONE,
                next,
                previous: index.checked_sub(1).unwrap_or(NONE),
                flow: *flow,
            }
        }));
        self.nodes.push(Node { parent: NONE, child: 0, next: NONE, previous: NONE, flow: 0.0 });
    }

    /// The sink of smallest reduced cost from a source.
    #[inline(always)]
    fn price<S: Simd>(&self, simd: S, row: usize) -> (f64, usize) {
        let costs = S::as_simd_f64s(&self.costs[row * self.stride..][..self.stride]).0;
        let potentials = S::as_simd_f64s(&self.v[..self.stride]).0;
        let mut best = Smallest::below(simd, f64::INFINITY);
        let (mut place, step) = (lanes::places(simd, 0), lanes::stride(simd));
        for j in 0..costs.len() {
            best.add(simd, simd.sub_f64s(costs[j], potentials[j]), place);
            place = simd.add_f64s(place, step);
        }
        let (value, place) = best.get(simd);
        (value - self.u[row], place.unwrap_or(0))
    }

    /// Lets the arc from `source` to `sink` enter, whose reduced cost is negative.
    #[inline(always)]
    fn pivot(&mut self, source: usize, sink: usize, reduced: f64) {
        let sources = self.supplies.len();
        let (i, j) = (source as u32, (sources + sink) as u32);
        let join = self.join(i, j);
        // Flow goes round the cycle: down from the join to the source, along the new arc, up from the sink to the join. It takes
        // from sources' arcs on the first part and from sinks' on the last. Of the arcs that run dry the last one round leaves.
        let (mut leaving, mut least, mut below_sink) = (NONE, f64::INFINITY, false);
        let mut node = i;
        while node != join {
            let Node { parent, flow, .. } = self.nodes[node as usize];
            if (node as usize) < sources && flow < least {
                (leaving, least) = (node, flow);
            }
            node = parent;
        }
        node = j;
        while node != join {
            let Node { parent, flow, .. } = self.nodes[node as usize];
            if node as usize >= sources && flow <= least {
                (leaving, least, below_sink) = (node, flow, true);
            }
            node = parent;
        }
        self.push(i, join, least, |node| (node as usize) < sources);
        self.push(j, join, least, |node| node as usize >= sources);
        let (cut, other) = if below_sink { (j, i) } else { (i, j) };
        self.hang(cut, other, leaving, least);
        let (to_sources, to_sinks) = if below_sink { (-reduced, reduced) } else { (reduced, -reduced) };
        self.shift(cut, to_sources, to_sinks);
    }

    /// Takes flow from the arcs between a node and `end` for which `takes` holds, and adds it to the others.
    #[inline(always)]
    fn push(&mut self, mut node: u32, end: u32, flow: f64, takes: impl Fn(u32) -> bool) {
        while node != end {
            let entry = &mut self.nodes[node as usize];
            entry.flow += if takes(node) { -flow } else { flow };
            node = entry.parent;
        }
    }

    /// Where the ways of two nodes to the root meet.
    #[inline(always)]
    fn join(&mut self, i: u32, j: u32) -> u32 {
        let (mut a, mut b) = (i, j);
        // Each goes up, and goes on from the other's start: they meet after the sum of both ways at the latest.
        while a != b {
            let up = self.nodes[a as usize].parent;
            a = if up == NONE { j } else { up };
            let up = self.nodes[b as usize].parent;
            b = if up == NONE { i } else { up };
        }
        a
    }

    /// Cuts the tree above `leaving` and hangs the part below to `parent` by its node `node`, which becomes its top.
    #[inline(always)]
    fn hang(&mut self, node: u32, parent: u32, leaving: u32, flow: f64) {
        let (mut node, mut parent, mut flow) = (node, parent, flow);
        loop {
            let Node { parent: old, flow: old_flow, next, previous, .. } = self.nodes[node as usize];
            // Out of the old parent's children …
            if previous == NONE {
                self.nodes[old as usize].child = next;
            } else {
                self.nodes[previous as usize].next = next;
            }
            if next != NONE {
                self.nodes[next as usize].previous = previous;
            }
            // … and to the front of the new one's.
            let first = std::mem::replace(&mut self.nodes[parent as usize].child, node);
            if first != NONE {
                self.nodes[first as usize].previous = node;
            }
            let entry = &mut self.nodes[node as usize];
            (entry.parent, entry.flow, entry.next, entry.previous) = (parent, flow, first, NONE);
            if node == leaving {
                return;
            }
            (parent, flow, node) = (node, old_flow, old);
        }
    }

    /// Adds to the potentials of a node and of all below it.
    #[inline(always)]
    fn shift(&mut self, top: u32, to_sources: f64, to_sinks: f64) {
        let sources = self.supplies.len();
        let mut node = top;
        loop {
            match (node as usize).checked_sub(sources) {
                None => self.u[node as usize] += to_sources,
                Some(sink) => self.v[sink] += to_sinks,
            }
            let child = self.nodes[node as usize].child;
            if child != NONE {
                node = child;
                continue;
            }
            while node != top && self.nodes[node as usize].next == NONE {
                node = self.nodes[node as usize].parent;
            }
            if node == top {
                return;
            }
            node = self.nodes[node as usize].next;
        }
    }
}

/// All pivots, compiled for the widest vectors of this processor. Whether an optimum was found.
struct Pivots<'a> {
    simplex: &'a mut Simplex,
    tolerance: f64,
}

impl WithSimd for Pivots<'_> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> bool {
        let Pivots { simplex, tolerance } = self;
        let rows = simplex.supplies.len();
        let nodes = simplex.nodes.len();
        // In practice there are a few pivots for each node; without rounding errors there is a proof of an end.
        let mut left = 1000 + 100 * nodes.saturating_mul(nodes);
        let (mut row, mut clean) = (0, 0);
        // The best arc of a tenth of the rows: looking at more makes fewer pivots, at less cheaper ones. Measured at 30, 70 and 150.
        let together = (rows / 10).clamp(1, 16);
        while clean < rows {
            let (mut best, mut source, mut target) = (-tolerance, rows, 0);
            for _ in 0..together {
                let (reduced, sink) = simplex.price(simd, row);
                if reduced < best {
                    (best, source, target) = (reduced, row, sink);
                }
                row = if row + 1 == rows { 0 } else { row + 1 };
            }
            if source < rows {
                simplex.pivot(source, target, best);
                clean = 0;
                left -= 1;
                if left == 0 {
                    return false;
                }
            } else {
                clean += together;
            }
        }
        true
    }
}
