//! EdgeConv: a perceptron with batch norms on every edge of a graph, averaged over the edges of each constituent.
//!
//! The first layer sees (x_i, x_j - x_i). Being linear, it is a_i + b_j with a = x (W_1 - W_2) and b = x W_2: two products
//! for each constituent instead of one for each edge, k times fewer operations. Its output is never stored, only its
//! moments; the later layers go tile by tile through the cache: normalise, rectify, multiply, store, and add up the
//! moments for the next. The backward goes the same way back, one sweep over the edges for each layer.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::composed;
use super::dense;
use super::glue::Operand;
use super::kernel::{
    Matrix, Room, build, multiply, piece_of, ranges, scratch, split, sum_in_order, vectorised,
};
use super::neighbours::Graph;
use super::norm::{Affine, Moments, NormBackward, Statistics, add_sums};
use super::normed_layers::{Layer, LayerBackward, Sums, Tile, layout, running};
use super::{Array, Gradient, apply};
use crate::Error;

/// Edges in a tile, about: what is computed of them stays in a core's cache.
const EDGES: usize = 384;

/// The first layer has no weights here: they are in what it gets.
fn layers(widths: &[usize]) -> Vec<Layer> {
    layout(std::iter::once(0).chain(widths.iter().copied()).zip(widths.iter().copied()), |_| false)
}

/// The mean over the edges of each constituent of `relu(norm(...relu(norm(a_i + b_j)) W_2...))`.
///
/// `projected` is (constituents, 2 widths[0]): a beside b. `parameters` are the gain and shift of the first norm, then for
/// each further layer its weights (inputs, outputs), gain and shift. `statistics` has one entry a layer. The moments of
/// each layer's batch come back with [`Statistics::Batch`].
pub(crate) fn edge_conv(
    projected: Tensor<2>,
    parameters: Tensor<1>,
    widths: &[usize],
    graph: &Arc<Graph>,
    statistics: &[Statistics],
) -> Result<(Tensor<2>, Vec<Moments>), Error> {
    if composed::wanted(&projected) {
        return composed::edge_conv(projected, parameters, widths, graph, statistics);
    }
    let mut seen = Vec::new();
    let output =
        apply([Operand::new(projected)?, Operand::new(parameters)?], |[projected, parameters], tracked| {
            let layers = layers(widths);
            let tiles = Tiles::new(graph);
            let running = running(&layers, statistics, parameters.values());
            let shape = [graph.nodes(), widths.last().copied().unwrap_or(0)];
            if let (Some(affines), false) = (&running, tracked) {
                let output = evaluate(&layers, affines, &projected, &parameters, graph, &tiles);
                return (Array::new(output, shape), None);
            }
            let mut memory = EdgeConv {
                layers,
                projected,
                parameters,
                graph: Arc::clone(graph),
                tiles,
                outputs: Vec::new(),
                running: running.is_some(),
                affines: running.unwrap_or_default(),
            };
            let output = memory.forward(&mut seen);
            (Array::new(output, shape), Some(memory))
        })?;
    Ok((output, seen))
}

/// Constituents that share a tile, and tiles that share a piece.
#[derive(Clone, Debug)]
struct Tiles {
    nodes: Vec<Range<usize>>,
    edges: Vec<Range<usize>>,
    piece: usize,
}

impl Tiles {
    fn new(graph: &Graph) -> Self {
        // By the largest degree there can be, so that no tile outgrows the cache.
        let degree = graph.starts.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(1);
        // An even number of them: of three, one of two threads would have twice the work.
        let number = graph.nodes().div_ceil((EDGES / degree).max(1)).next_multiple_of(2).max(1);
        let nodes = ranges(graph.nodes(), graph.nodes().div_ceil(number).max(1));
        let edges = nodes.iter().map(|nodes| graph.edges_of(nodes)).collect();
        Self { piece: piece_of(nodes.len(), 1), nodes, edges }
    }

    /// Edges of the largest tile.
    fn largest(&self) -> usize {
        self.edges.iter().map(Range::len).max().unwrap_or(0)
    }
}

/// a_i + b_j for the edges of `nodes`.
#[inline(always)]
fn gather(graph: &Graph, projected: &[f32], width: usize, nodes: &Range<usize>, output: &mut [f32]) {
    let mut rows = output.chunks_exact_mut(width);
    for node in nodes.clone() {
        let own = &projected[node * 2 * width..node * 2 * width + width];
        for &target in &graph.targets[graph.starts[node]..graph.starts[node + 1]] {
            let start = target as usize * 2 * width + width;
            let other = &projected[start..start + width];
            if let Some(row) = rows.next() {
                for ((value, own), other) in row.iter_mut().zip(own).zip(other) {
                    *value = own + other;
                }
            }
        }
    }
}

/// `relu(x scale + shift)` of rows.
#[inline(always)]
fn rectify(x: &[f32], affine: &Affine, output: &mut [f32]) {
    let width = affine.scale.len();
    for (output, x) in output.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
        for (((output, x), scale), shift) in output.iter_mut().zip(x).zip(&affine.scale).zip(&affine.shift) {
            *output = dense::rectify(x * scale + shift);
        }
    }
}

#[inline(always)]
fn rectify_in_place(x: &mut [f32], affine: &Affine) {
    for x in x.chunks_exact_mut(affine.scale.len()) {
        for ((x, scale), shift) in x.iter_mut().zip(&affine.scale).zip(&affine.shift) {
            *x = dense::rectify(*x * scale + shift);
        }
    }
}

/// The mean of the rows of each constituent's edges.
#[inline(always)]
fn average(graph: &Graph, nodes: &Range<usize>, edges: &[f32], width: usize, output: &mut [f32]) {
    let mut rows = edges.chunks_exact(width);
    for (node, output) in nodes.clone().zip(output.chunks_exact_mut(width)) {
        let degree = graph.starts[node + 1] - graph.starts[node];
        output.fill(0.0);
        for row in rows.by_ref().take(degree) {
            for (sum, value) in output.iter_mut().zip(row) {
                *sum += value;
            }
        }
        let scale = 1.0 / degree.max(1) as f32;
        output.iter_mut().for_each(|sum| *sum *= scale);
    }
}

/// All layers of a tile at once, with running moments: nothing but the output is stored.
fn evaluate(
    layers: &[Layer],
    affines: &[Affine],
    projected: &Array,
    parameters: &Array,
    graph: &Graph,
    tiles: &Tiles,
) -> Vec<f32> {
    let width = layers.last().map_or(0, |layer| layer.outputs);
    let widest = layers.iter().map(|layer| layer.outputs).max().unwrap_or(0);
    let (output, _) = build(&tiles.nodes, width, |tile, output| {
        let (nodes, edges) = (&tiles.nodes[tile], tiles.edges[tile].len());
        scratch(2 * edges * widest, |both| {
            let (mut now, mut next) = both.split_at_mut(edges * widest);
            for (layer, affine) in layers.iter().zip(affines) {
                let (from, to) = (edges * layer.inputs, edges * layer.outputs);
                if layer.weight.is_empty() {
                    vectorised(
                        #[inline(always)]
                        || gather(graph, projected.values(), layer.outputs, nodes, &mut next[..to]),
                    );
                } else {
                    let weight = Matrix::new(&parameters.values()[layer.weight.clone()], layer.outputs);
                    let x = Matrix::new(&now[..from], layer.inputs);
                    multiply(x, weight, &mut next[..to], layer.outputs, false, 1.0);
                }
                vectorised(
                    #[inline(always)]
                    || rectify_in_place(&mut next[..to], affine),
                );
                std::mem::swap(&mut now, &mut next);
            }
            vectorised(
                #[inline(always)]
                || average(graph, nodes, &now[..edges * width], width, output),
            );
        });
    });
    output
}

#[derive(Clone, Debug)]
struct EdgeConv {
    layers: Vec<Layer>,
    projected: Array,
    parameters: Array,
    graph: Arc<Graph>,
    tiles: Tiles,
    /// The output of each layer after the first, before its norm.
    outputs: Vec<Array>,
    /// Whether the norms use running moments, which do not depend on the edges.
    running: bool,
    affines: Vec<Affine>,
}

impl EdgeConv {
    /// The output of layer `layer` for one tile, before its norm.
    #[inline(always)]
    fn output<'a>(&'a self, layer: usize, tile: usize, scratch: &'a mut [f32]) -> &'a [f32] {
        let width = self.layers[layer].outputs;
        let edges = &self.tiles.edges[tile];
        if layer > 0 {
            return &self.outputs[layer - 1].values()[edges.start * width..edges.end * width];
        }
        let scratch = &mut scratch[..edges.len() * width];
        gather(&self.graph, self.projected.values(), width, &self.tiles.nodes[tile], scratch);
        scratch
    }

    fn forward(&mut self, seen: &mut Vec<Moments>) -> Vec<f32> {
        for index in 0..self.layers.len() {
            let layer = self.layers[index].clone();
            let width = layer.outputs;
            let moments: Vec<Moments> = if index == 0 {
                let tiles = (0..self.tiles.nodes.len()).into_par_iter();
                tiles
                    .map(|tile| {
                        scratch(self.tiles.largest() * width, |scratch| {
                            vectorised(
                                #[inline(always)]
                                || Moments::of_tile(self.output(0, tile, scratch), width),
                            )
                        })
                    })
                    .collect()
            } else {
                let weight = Matrix::new(&self.parameters.values()[layer.weight.clone()], width);
                let affine = &self.affines[index - 1];
                let (output, moments) = build(&self.tiles.edges, width, |tile, output| {
                    self.rectified(index - 1, tile, affine, |rectified| {
                        multiply(Matrix::new(rectified, layer.inputs), weight, output, width, false, 1.0);
                    });
                    vectorised(
                        #[inline(always)]
                        || Moments::of_tile(output, width),
                    )
                });
                self.outputs.push(Array::new(output, [self.graph.edges(), width]));
                moments
            };
            if self.running {
                continue;
            }
            let moments = Moments::merged(&moments, width);
            let parameters = self.parameters.values();
            let (gamma, beta) = (&parameters[layer.gamma.clone()], &parameters[layer.beta.clone()]);
            self.affines.push(Affine::new(&moments.mean, &moments.variance(), gamma, beta));
            seen.push(moments);
        }
        let last = self.layers.len() - 1;
        let width = self.layers[last].outputs;
        let (output, _) = build(&self.tiles.nodes, width, |tile, output| {
            self.rectified(last, tile, &self.affines[last], |rectified| {
                vectorised(
                    #[inline(always)]
                    || average(&self.graph, &self.tiles.nodes[tile], rectified, width, output),
                );
            });
        });
        output
    }

    /// Lends what layer `layer` gives the next one for one tile.
    fn rectified(&self, layer: usize, tile: usize, affine: &Affine, work: impl FnOnce(&[f32])) {
        let length = self.tiles.edges[tile].len() * self.layers[layer].outputs;
        scratch(2 * length, |both| {
            let (gathered, rectified) = both.split_at_mut(length);
            vectorised(
                #[inline(always)]
                || rectify(self.output(layer, tile, gathered), affine, rectified),
            );
            work(rectified);
        });
    }

    /// The gradient before the last rectifier, from that of the mean, for one tile.
    #[inline(always)]
    fn spread(&self, gradient: &[f32], tile: usize, x: &[f32], output: &mut [f32]) {
        let affine = &self.affines[self.layers.len() - 1];
        let width = affine.scale.len();
        let (scale, shift) = (&affine.scale[..width], &affine.shift[..width]);
        let mut rows = output.chunks_exact_mut(width).zip(x.chunks_exact(width));
        for node in self.tiles.nodes[tile].clone() {
            let gradient = &gradient[node * width..(node + 1) * width];
            let degree = self.graph.starts[node + 1] - self.graph.starts[node];
            let share = 1.0 / degree as f32;
            for (row, x) in rows.by_ref().take(degree) {
                for channel in 0..width {
                    let passes = x[channel] * scale[channel] + shift[channel] > 0.0;
                    let mask = u32::from(passes).wrapping_neg();
                    row[channel] = f32::from_bits((gradient[channel] * share).to_bits() & mask);
                }
            }
        }
    }

    /// For the norm of the last layer: the sums over edges that its backward needs.
    fn top_sums(&self, gradient: &[f32]) -> Vec<f32> {
        let last = self.layers.len() - 1;
        let width = self.layers[last].outputs;
        let size = self.tiles.largest() * width;
        let sums = ranges(self.tiles.nodes.len(), self.tiles.piece).into_par_iter().map(|tiles| {
            let mut sums = vec![0.0; 2 * width];
            scratch(2 * size, |both| {
                let (gathered, spread) = both.split_at_mut(size);
                vectorised(
                    #[inline(always)]
                    || {
                        for tile in tiles {
                            let x = self.output(last, tile, gathered);
                            let spread = &mut spread[..x.len()];
                            self.spread(gradient, tile, x, spread);
                            add_sums(&mut sums, spread, x, &self.affines[last]);
                        }
                    },
                );
            });
            sums
        });
        sum_in_order(sums.collect(), 2 * width)
    }
}

impl Gradient<2> for EdgeConv {
    fn gradients(self, output: Array, wanted: [bool; 2]) -> [Option<Vec<f32>>; 2] {
        let last = self.layers.len() - 1;
        let edges = self.graph.edges();
        let mut parameters = vec![0.0; self.parameters.values().len()];
        let mut sums = self.top_sums(output.values());
        // The gradient before the rectifier of the layer at hand; none yet for the last, which has it from the output.
        let mut upper: Option<Vec<f32>> = None;
        for index in (1..=last).rev() {
            let layer = &self.layers[index];
            parameters[layer.gamma.clone()].copy_from_slice(&sums[..layer.outputs]);
            parameters[layer.beta.clone()].copy_from_slice(&sums[layer.outputs..]);
            let norm = NormBackward::new(&sums, &self.affines[index], edges, self.running);
            let (lower, next) = self.sweep(index, &norm, upper.as_deref_mut(), output.values());
            parameters[layer.weight.clone()].copy_from_slice(&next.weight);
            upper = Some(lower);
            sums = next.norm;
        }
        let layer = &self.layers[0];
        parameters[layer.gamma.clone()].copy_from_slice(&sums[..layer.outputs]);
        parameters[layer.beta.clone()].copy_from_slice(&sums[layer.outputs..]);
        let projected = wanted[0].then(|| {
            let norm = NormBackward::new(&sums, &self.affines[0], edges, self.running);
            self.scatter(&norm, upper.as_deref(), output.values())
        });
        [projected, Some(parameters)]
    }
}

/// Jets that one task of the last sweep works on.
const JETS: usize = 4;

impl EdgeConv {
    /// The backward of layer `index`: the gradient before the rectifier of the layer below, and the sums over edges.
    fn sweep(
        &self,
        index: usize,
        norm: &NormBackward,
        upper: Option<&mut [f32]>,
        output: &[f32],
    ) -> (Vec<f32>, Sums) {
        let layer = &self.layers[index];
        let (inputs, outputs) = (layer.inputs, layer.outputs);
        let pieces = ranges(self.tiles.nodes.len(), self.tiles.piece);
        let edges: Vec<Range<usize>> = pieces
            .iter()
            .map(|tiles| self.tiles.edges[tiles.start].start..self.tiles.edges[tiles.end - 1].end)
            .collect();
        let uppers: Vec<Mutex<Option<&mut [f32]>>> = match upper {
            Some(upper) => {
                split(upper, &edges, outputs).into_iter().map(|part| Mutex::new(Some(part))).collect()
            }
            None => edges.iter().map(|_| Mutex::new(None)).collect(),
        };
        let weight = Matrix::new(&self.parameters.values()[layer.weight.clone()], outputs);
        let (above, below) = (&self.affines[index], &self.affines[index - 1]);
        let backward = LayerBackward { norm, above, below, weight };
        let largest = self.tiles.largest();
        let (lower, partials) = build(&edges, inputs, |piece, mut part| {
            let mut sums = Sums::none(layer);
            // Each piece is taken once, so that nobody waits.
            let mut upper = uppers[piece].lock().ok().and_then(|mut upper| upper.take());
            scratch(largest * (outputs + 2 * inputs), |all| {
                let (top, rest) = all.split_at_mut(largest * outputs);
                let (rectified, gathered) = rest.split_at_mut(largest * inputs);
                for tile in pieces[piece].clone() {
                    let rows = self.tiles.edges[tile].len();
                    let x = self.output(index, tile, &mut []);
                    let gradient = match upper.take() {
                        Some(rest) => {
                            let (now, later) = rest.split_at_mut(rows * outputs);
                            upper = Some(later);
                            now
                        }
                        None => {
                            let top = &mut top[..rows * outputs];
                            vectorised(
                                #[inline(always)]
                                || self.spread(output, tile, x, top),
                            );
                            top
                        }
                    };
                    let rectified = &mut rectified[..rows * inputs];
                    let lent = &mut gathered[..];
                    let lower_x = vectorised(
                        #[inline(always)]
                        || {
                            let x = self.output(index - 1, tile, lent);
                            rectify(x, below, rectified);
                            x
                        },
                    );
                    let (now, later) = std::mem::take(&mut part).split_at_mut(rows * inputs);
                    backward.tile(
                        &Tile { above: x, below: lower_x, finished: rectified },
                        gradient,
                        #[inline(always)]
                        |lower| {
                            for (value, output) in lower.iter_mut().zip(&*rectified) {
                                let mask = u32::from(*output > 0.0).wrapping_neg();
                                *value = f32::from_bits(value.to_bits() & mask);
                            }
                        },
                        &mut sums,
                        Room::of(now),
                    );
                    part = later;
                }
            });
            sums
        });
        (lower, Sums::total(partials, layer))
    }

    /// The gradient of `projected`: of a_i the sum over the edges from i, of b_j that over the edges to j.
    fn scatter(&self, norm: &NormBackward, upper: Option<&[f32]>, output: &[f32]) -> Vec<f32> {
        let width = self.layers[0].outputs;
        let affine = &self.affines[0];
        let graph = &*self.graph;
        let projected = self.projected.values();
        let jets = ranges(graph.offsets.len() - 1, JETS);
        let nodes: Vec<Range<usize>> =
            jets.iter().map(|jets| graph.offsets[jets.start]..graph.offsets[jets.end]).collect();
        let (gradient, _) = build(&nodes, 2 * width, |part, gradient| {
            let nodes = &nodes[part];
            let mut edge = vec![0.0_f32; width];
            let mut own = vec![0.0_f32; width];
            vectorised(
                #[inline(always)]
                || {
                    for node in nodes.clone() {
                        own.fill(0.0);
                        let a = &projected[node * 2 * width..node * 2 * width + width];
                        let edges = graph.starts[node]..graph.starts[node + 1];
                        let share = 1.0 / edges.len() as f32;
                        for index in edges {
                            let target = graph.targets[index] as usize;
                            let b = &projected[target * 2 * width + width..(target + 1) * 2 * width];
                            match upper {
                                Some(upper) => {
                                    edge.copy_from_slice(&upper[index * width..(index + 1) * width]);
                                }
                                // A single layer: its gradient comes from the mean.
                                None => {
                                    let output = &output[node * width..(node + 1) * width];
                                    for channel in 0..width {
                                        let x = a[channel] + b[channel];
                                        let passes = x * affine.scale[channel] + affine.shift[channel] > 0.0;
                                        edge[channel] = if passes { output[channel] * share } else { 0.0 };
                                    }
                                }
                            }
                            let place = (target - nodes.start) * 2 * width + width;
                            let far = &mut gradient[place..place + width];
                            let (scale, slope) = (&affine.scale[..width], &norm.slope[..width]);
                            let (constant, edge) = (&norm.constant[..width], &edge[..width]);
                            let (a, b, own) = (&a[..width], &b[..width], &mut own[..width]);
                            for channel in 0..width {
                                let value = scale[channel] * edge[channel]
                                    + slope[channel] * (a[channel] + b[channel])
                                    + constant[channel];
                                own[channel] += value;
                                far[channel] += value;
                            }
                        }
                        let place = (node - nodes.start) * 2 * width;
                        gradient[place..place + width].copy_from_slice(&own);
                    }
                },
            );
        });
        gradient
    }
}
