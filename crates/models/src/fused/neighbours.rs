//! The nearest neighbours of each constituent within its jet.

use std::ops::Range;

use rayon::prelude::*;

use super::kernel::{Matrix, multiply, ranges, vectorised, with_precision};
use crate::Precision;

/// Edges from each constituent to its nearest ones; the edges of constituent `i` are `starts[i]..starts[i + 1]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Graph {
    pub(crate) starts: Vec<usize>,
    /// The constituent at the far end of each edge.
    pub(crate) targets: Vec<u32>,
    /// The first constituent of each jet, and the number of all.
    pub(crate) offsets: Vec<usize>,
}

impl Graph {
    pub(crate) fn nodes(&self) -> usize {
        self.starts.len() - 1
    }

    pub(crate) fn edges(&self) -> usize {
        self.targets.len()
    }

    /// The same edges with a phantom in front of each jet, which has no edges and which takes the place of all neighbours
    /// that a constituent lacks to have `k`.
    pub(crate) fn with_phantoms(&self, k: usize) -> Self {
        let (mut starts, mut targets) = (vec![0], Vec::with_capacity(self.targets.len()));
        for (jet, ends) in self.offsets.windows(2).enumerate() {
            let phantom = (ends[0] + jet) as u32;
            starts.push(targets.len());
            for node in ends[0]..ends[1] {
                // The edge of a lone constituent to itself goes too.
                let edges = &self.targets[self.starts[node]..self.starts[node + 1]];
                let others = edges.iter().filter(|&&target| target as usize != node);
                targets.extend(others.map(|target| target + jet as u32 + 1));
                targets.resize(starts[starts.len() - 1] + k, phantom);
                starts.push(targets.len());
            }
        }
        let offsets = self.offsets.iter().enumerate().map(|(jet, offset)| offset + jet).collect();
        Self { starts, targets, offsets }
    }

    /// The edges of some constituents.
    #[inline(always)]
    pub(crate) fn edges_of(&self, nodes: &Range<usize>) -> Range<usize> {
        self.starts[nodes.start]..self.starts[nodes.end]
    }
}

/// Jets that one task works on.
const JETS: usize = 4;

/// The `k` nearest neighbours, by Euclidean distance, of each row of `points`, (constituents, dimensions).
///
/// A constituent is not its own neighbour. In a jet of n <= k constituents each has the n - 1 others, and a lone
/// constituent has itself, so that what is averaged over edges exists.
pub(crate) fn nearest(points: &[f32], dimensions: usize, offsets: &[usize], k: usize) -> Graph {
    let nodes = offsets.last().copied().unwrap_or(0);
    let mut starts = Vec::with_capacity(nodes + 1);
    starts.push(0);
    for jet in offsets.windows(2) {
        let degree = k.min((jet[1] - jet[0]).saturating_sub(1)).max(1);
        for _ in jet[0]..jet[1] {
            starts.push(starts[starts.len() - 1] + degree);
        }
    }
    let chunks: Vec<Vec<u32>> = ranges(offsets.len().saturating_sub(1), JETS)
        .into_par_iter()
        .map(|jets| {
            let mut targets = Vec::new();
            let mut search = Search::default();
            // Distances are not rounded: they decide who is a neighbour.
            with_precision(Precision::Single, || {
                vectorised(
                    #[inline(always)]
                    || {
                        for jet in jets {
                            search.jet(points, dimensions, offsets[jet]..offsets[jet + 1], k, &mut targets);
                        }
                    },
                );
            });
            targets
        })
        .collect();
    Graph { starts, targets: chunks.concat(), offsets: offsets.to_vec() }
}

/// Buffers that are used again from jet to jet.
#[derive(Default)]
struct Search {
    products: Vec<f32>,
    squares: Vec<f32>,
    distances: Vec<f32>,
    best: Vec<(f32, u32)>,
}

impl Search {
    #[inline(always)]
    fn jet(
        &mut self,
        points: &[f32],
        dimensions: usize,
        jet: Range<usize>,
        k: usize,
        targets: &mut Vec<u32>,
    ) {
        let n = jet.len();
        if n == 1 {
            targets.push(jet.start as u32);
        }
        if n <= 1 {
            return;
        }
        let points = &points[jet.start * dimensions..jet.end * dimensions];
        let direct = dimensions <= 3;
        if !direct {
            // |x_i - x_j|^2 = |x_i|^2 + |x_j|^2 - 2 x_i x_j, and the first term does not change the order.
            self.products.resize(n * n, 0.0);
            let matrix = Matrix::new(points, dimensions);
            multiply(matrix, matrix.t(), &mut self.products[..n * n], n, false, -2.0);
            self.squares.clear();
            self.squares.extend((0..n).map(|row| -0.5 * self.products[row * n + row]));
        }
        self.distances.resize(n, 0.0);
        for (row, point) in points.chunks_exact(dimensions).enumerate() {
            let distances = &mut self.distances[..n];
            if direct {
                for (distance, other) in distances.iter_mut().zip(points.chunks_exact(dimensions)) {
                    *distance = point.iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum();
                }
            } else {
                let products = &self.products[row * n..(row + 1) * n];
                for ((distance, product), square) in distances.iter_mut().zip(products).zip(&self.squares) {
                    *distance = product + square;
                }
            }
            self.best.clear();
            let degree = k.min(n - 1);
            for (index, &distance) in self.distances[..n].iter().enumerate() {
                if index == row {
                    continue;
                }
                if self.best.len() == degree {
                    // Written so that a NaN is not nearer than anything.
                    let nearer = self.best.last().is_some_and(|&(worst, _)| distance < worst);
                    if !nearer {
                        continue;
                    }
                    self.best.pop();
                }
                let place =
                    self.best.iter().rposition(|&(other, _)| other <= distance).map_or(0, |last| last + 1);
                self.best.insert(place, (distance, (jet.start + index) as u32));
            }
            targets.extend(self.best.iter().map(|&(_, target)| target));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_the_nearest_of_the_own_jet() {
        let check = |points: &[f32], dimensions: usize, offsets: &[usize], k: usize, expected: &[u32]| {
            let graph = nearest(points, dimensions, offsets, k);
            assert_eq!(graph.targets, expected, "k = {k}, offsets {offsets:?}");
            assert_eq!(graph.starts.last(), Some(&graph.targets.len()));
        };
        check(&[0.0, 1.0, 3.0, 0.1], 1, &[0, 3, 4], 2, &[1, 2, 0, 2, 1, 0, 3]);
        check(&[0.0, 1.0, 3.0, 0.1], 1, &[0, 3, 4], 1, &[1, 0, 1, 3]);
        // Fewer than k + 1 constituents: the others of the jet, and none twice.
        check(&[0.0, 1.0, 5.0], 1, &[0, 2, 2, 3], 16, &[1, 0, 2]);
        check(&[], 2, &[0, 0], 4, &[]);
        // Phantoms: at 0 for the first jet, at 3 for the second.
        let graph = nearest(&[0.0, 1.0, 5.0], 1, &[0, 2, 3], 2).with_phantoms(2);
        assert_eq!(graph.targets, [2, 0, 1, 0, 3, 3]);
        assert_eq!((graph.starts, graph.offsets), (vec![0, 0, 2, 4, 4, 6], vec![0, 3, 5]));
        // The same order by products of many dimensions as by differences of few.
        let wide: Vec<f32> = [0.0, 1.0, 3.0].iter().flat_map(|&x| [x, 0.5, 0.5, 0.5, 0.5]).collect();
        check(&wide, 5, &[0, 3], 1, &[1, 0, 1]);
    }
}
