//! Growth of one tree, level by level.

use std::ops::Range;

use rayon::prelude::*;

use crate::Config;
use crate::bins::{Binned, MISSING};
use crate::histogram::{Gradient, Histogram, Order, Scale, Split, Sum, best_split, fill, subtract};
use crate::tree::{Branch, Statistics, Tree};

/// Grows trees on the same rows, and keeps the memory for it.
pub(crate) struct Grower {
    pub(crate) binned: Binned,
    /// The rows of the current tree, those of a node next to each other, ascending.
    rows: Vec<u32>,
    aside: Vec<u32>,
    /// Histograms that no node uses, all zero or not.
    spare: Vec<Vec<Histogram>>,
}

/// A tree, and where its rows are.
pub(crate) struct Grown {
    pub(crate) tree: Tree,
    /// The node of each leaf and its rows in [`Grower::rows`].
    pub(crate) leaves: Vec<(usize, Range<usize>)>,
}

/// A node that may be split.
struct Open {
    node: usize,
    rows: Range<usize>,
    sum: Sum,
    /// None at the greatest depth.
    histograms: Option<Vec<Histogram>>,
}

/// What one tree is grown with.
#[derive(Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) config: &'a Config,
    pub(crate) gradients: &'a [Gradient],
    pub(crate) scale: Scale,
    /// The features that may be split on, ascending.
    pub(crate) features: &'a [usize],
}

impl Job<'_> {
    fn statistics(&self, sum: Sum) -> Statistics {
        let [first, second] = self.scale.apply(sum);
        let weight = second + self.config.lambda;
        // Rows of negative weight can leave a node without any.
        let value = if weight > 0.0 { -self.config.learning_rate * first / weight } else { 0.0 };
        Statistics { gain: 0.0, hessian: second as f32, value: value as f32 }
    }
}

/// Rows that one task parts.
const PIECE: usize = 16_384;

impl Grower {
    pub(crate) fn new(binned: Binned) -> Self {
        let aside = vec![0; binned.rows];
        Self { binned, rows: Vec::new(), aside, spare: Vec::new() }
    }

    /// The rows of a leaf of the tree that was grown last.
    pub(crate) fn rows(&self, leaf: &Range<usize>) -> &[u32] {
        &self.rows[leaf.clone()]
    }

    /// Grows a tree on those rows for which `keep` holds.
    pub(crate) fn grow(&mut self, job: Job<'_>, keep: impl Fn(usize) -> bool) -> Grown {
        self.rows.clear();
        self.rows.extend((0..self.binned.rows as u32).filter(|&row| keep(row as usize)));
        let sum = self.rows.iter().fold([0, 0], |sum: Sum, &row| {
            let [first, second] = job.gradients[row as usize].map(i64::from);
            [sum[0] + first, sum[1] + second]
        });
        let root = job.statistics(sum);
        let mut grown = Grown { tree: Tree::new(root.value, root), leaves: Vec::new() };
        let mut histograms = self.take();
        let all = Order { rows: &self.rows, into: &mut histograms };
        fill(vec![all], &self.binned, job.gradients, job.features);
        let mut open = vec![Open { node: 0, rows: 0..self.rows.len(), sum, histograms: Some(histograms) }];
        for depth in 1..=job.config.max_depth {
            open = self.level(job, open, &mut grown, depth < job.config.max_depth);
            if open.is_empty() {
                break;
            }
        }
        grown.leaves.extend(open.into_iter().map(|open| (open.node, open.rows)));
        grown
    }

    /// Splits all open nodes that are worth it; returns their children, with histograms if they are `to_be_split` in turn.
    fn level(&mut self, job: Job<'_>, open: Vec<Open>, grown: &mut Grown, to_be_split: bool) -> Vec<Open> {
        let splits = self.best_splits(job, &open);
        let mut parting = Vec::new();
        for (open, split) in open.into_iter().zip(splits) {
            match split {
                Some(split) => parting.push((open, split)),
                None => {
                    grown.leaves.push((open.node, open.rows));
                    self.spare.extend(open.histograms);
                }
            }
        }
        let lefts = self.part(&parting);
        let mut parents = Vec::with_capacity(parting.len());
        let mut children = Vec::with_capacity(2 * parting.len());
        for ((open, split), left_rows) in parting.into_iter().zip(lefts) {
            let right = [open.sum[0] - split.left[0], open.sum[1] - split.left[1]];
            let cuts = &self.binned.cuts[split.feature];
            let branch = Branch {
                feature: split.feature,
                // Behind the last cut: all values go left, missing ones right.
                threshold: cuts.get(usize::from(split.bin)).copied().unwrap_or(f32::MAX),
                missing_left: split.missing_left,
            };
            let statistics = [split.left, right].map(|sum| job.statistics(sum));
            let node = grown.tree.split(open.node, branch, split.gain as f32, statistics);
            let middle = open.rows.start + left_rows;
            children.push(Open { node, rows: open.rows.start..middle, sum: split.left, histograms: None });
            children.push(Open { node: node + 1, rows: middle..open.rows.end, sum: right, histograms: None });
            parents.push(open.histograms);
        }
        if to_be_split {
            self.histograms(job, &mut children, parents);
        } else {
            self.spare.extend(parents.into_iter().flatten());
        }
        children
    }

    /// The best split of each node, of equally good ones that on the first feature.
    fn best_splits(&self, job: Job<'_>, open: &[Open]) -> Vec<Option<Split>> {
        let features = job.features.len();
        let candidates: Vec<Option<Split>> = (0..open.len() * features)
            .into_par_iter()
            .with_min_len(8)
            .map(|index| {
                let (open, feature) = (&open[index / features], job.features[index % features]);
                let histogram = open.histograms.as_ref()?.get(feature)?;
                let cuts = self.binned.cuts[feature].len();
                best_split(histogram, feature, cuts, open.sum, (job.config, job.scale))
            })
            .collect();
        let best = |candidates: &[Option<Split>]| {
            candidates
                .iter()
                .flatten()
                .copied()
                .reduce(|best, next| if next.gain > best.gain { next } else { best })
        };
        candidates.chunks(features).map(best).collect()
    }

    /// Puts the left rows of each node before its right ones, both in their order; returns the number of left ones.
    fn part(&mut self, parting: &[(Open, Split)]) -> Vec<usize> {
        // First each piece of a node aside: left rows from its front, right ones from its back.
        let mut pieces = Vec::new();
        let (mut aside, mut at) = (&mut self.aside[..], 0);
        for (number, (open, split)) in parting.iter().enumerate() {
            let (_, rest) = std::mem::take(&mut aside).split_at_mut(open.rows.start - at);
            let (node, rest) = rest.split_at_mut(open.rows.len());
            (aside, at) = (rest, open.rows.end);
            let from = self.rows[open.rows.clone()].chunks(PIECE);
            pieces.extend(from.zip(node.chunks_mut(PIECE)).map(|(from, to)| (number, split, from, to)));
        }
        let binned = &self.binned;
        let counted: Vec<(usize, usize, &[u32])> = pieces
            .into_par_iter()
            .map(|(number, split, from, to)| {
                let left = part_piece(binned, split, from, to);
                (number, left, &*to)
            })
            .collect();
        let mut lefts = vec![0; parting.len()];
        for &(number, left, _) in &counted {
            lefts[number] += left;
        }
        // Then all left ones of a node back, and all right ones behind them.
        let mut moves = Vec::with_capacity(2 * counted.len());
        let (mut rows, mut at) = (&mut self.rows[..], 0);
        for (node, (&left, (open, _))) in lefts.iter().zip(parting).enumerate() {
            let (_, rest) = std::mem::take(&mut rows).split_at_mut(open.rows.start - at);
            let (mut to_left, rest) = rest.split_at_mut(left);
            let (mut to_right, rest) = rest.split_at_mut(open.rows.len() - left);
            (rows, at) = (rest, open.rows.end);
            for &(_, left, from) in counted.iter().filter(|(number, ..)| *number == node) {
                let (to, rest) = std::mem::take(&mut to_left).split_at_mut(left);
                to_left = rest;
                moves.push((to, &from[..left], false));
                let (to, rest) = std::mem::take(&mut to_right).split_at_mut(from.len() - left);
                to_right = rest;
                moves.push((to, &from[left..], true));
            }
        }
        moves.into_par_iter().for_each(|(to, from, reversed)| {
            if reversed {
                to.iter_mut().zip(from.iter().rev()).for_each(|(to, from)| *to = *from);
            } else {
                to.copy_from_slice(from);
            }
        });
        lefts
    }

    /// The histograms of children: the one with fewer rows is counted, the other is the rest of the parent.
    fn histograms(&mut self, job: Job<'_>, children: &mut [Open], parents: Vec<Option<Vec<Histogram>>>) {
        let mut counted: Vec<Vec<Histogram>> = parents.iter().map(|_| self.take()).collect();
        let orders = children.chunks(2).zip(&mut counted).map(|(pair, into)| {
            let fewer = if pair[0].rows.len() <= pair[1].rows.len() { &pair[0] } else { &pair[1] };
            Order { rows: &self.rows[fewer.rows.clone()], into }
        });
        fill(orders.collect(), &self.binned, job.gradients, job.features);
        children.par_chunks_mut(2).zip(counted).zip(parents).for_each(|((pair, counted), parent)| {
            let Some(mut rest) = parent else { return };
            subtract(&mut rest, &counted);
            let left_is_fewer = pair[0].rows.len() <= pair[1].rows.len();
            let [left, right] = if left_is_fewer { [counted, rest] } else { [rest, counted] };
            pair[0].histograms = Some(left);
            pair[1].histograms = Some(right);
        });
    }

    /// Histograms of all features, all zero.
    fn take(&mut self) -> Vec<Histogram> {
        match self.spare.pop() {
            Some(mut histograms) => {
                histograms.fill([[0; 2]; 256]);
                histograms
            }
            None => vec![[[0; 2]; 256]; self.binned.cuts.len()],
        }
    }
}

/// Writes left rows from the front of `to`, right ones from its back; returns the number of left ones.
fn part_piece(binned: &Binned, split: &Split, from: &[u32], to: &mut [u32]) -> usize {
    let block = &binned.blocks[split.feature / binned.width];
    let bins = &block.bins[split.feature % binned.width..];
    let (mut front, mut back) = (0, to.len());
    for &row in from {
        let bin = bins[row as usize * block.width];
        let left = if bin == MISSING { split.missing_left } else { bin <= split.bin };
        // Without a branch, which half of the rows would guess wrong.
        to[front] = row;
        to[back - 1] = row;
        front += usize::from(left);
        back -= usize::from(!left);
    }
    front
}
