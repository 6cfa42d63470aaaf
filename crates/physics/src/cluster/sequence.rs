//! What clustering gives: the history, and jets read from it.

use crate::error::{Error, parameter};
use crate::four_vector::FourVector;

/// One step of the merging.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The jet with the lower id.
    pub first: u32,
    /// The other one; none where `first` was declared a jet.
    pub second: Option<u32>,
    /// The distance, `dij` or `diB`.
    pub distance: f64,
    /// The id of what they became; none where `first` was declared a jet.
    pub child: Option<u32>,
}

/// A jet: the particle itself or a sum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Jet {
    /// Number in the sequence: particles have their index, sums the numbers after.
    pub id: u32,
    /// Momentum.
    pub momentum: FourVector,
}

/// Which jets are read from a clustered event.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Selection {
    /// See [`ClusterSequence::inclusive`].
    Inclusive {
        /// The least transverse momentum.
        min_pt: f64,
    },
    /// See [`ClusterSequence::exclusive`].
    Exclusive {
        /// How many.
        jets: usize,
    },
    /// See [`ClusterSequence::exclusive_by_distance`].
    ByDistance {
        /// The resolution.
        dcut: f64,
    },
}

/// A clustered event.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClusterSequence {
    /// By id: particles, then sums in the order of their making.
    pub(super) jets: Vec<FourVector>,
    pub(super) particles: usize,
    pub(super) steps: Vec<Step>,
    /// For each sum the step that made it.
    made_by: Vec<u32>,
}

impl ClusterSequence {
    pub(super) fn new(mut particles: Vec<FourVector>) -> Self {
        let count = particles.len();
        particles.reserve(count);
        Self {
            jets: particles,
            particles: count,
            steps: Vec::with_capacity(count),
            made_by: Vec::with_capacity(count),
        }
    }

    #[inline(always)]
    pub(super) fn merge(&mut self, a: u32, b: u32, distance: f64, momentum: FourVector) -> u32 {
        let child = self.jets.len() as u32;
        self.jets.push(momentum);
        self.made_by.push(self.steps.len() as u32);
        self.steps.push(Step { first: a.min(b), second: Some(a.max(b)), distance, child: Some(child) });
        child
    }

    #[inline(always)]
    pub(super) fn declare(&mut self, jet: u32, distance: f64) {
        self.steps.push(Step { first: jet, second: None, distance, child: None });
    }

    /// How many particles were clustered.
    #[must_use]
    pub fn particles(&self) -> usize {
        self.particles
    }

    /// All steps in order, one for each particle: each takes one jet away.
    #[must_use]
    pub fn history(&self) -> &[Step] {
        &self.steps
    }

    /// The momentum of a jet or particle.
    #[must_use]
    pub fn momentum(&self, id: u32) -> Option<FourVector> {
        self.jets.get(id as usize).copied()
    }

    /// The two that were joined into a jet; none for a particle.
    #[must_use]
    pub fn parents(&self, id: u32) -> Option<(u32, u32)> {
        let rank = (id as usize).checked_sub(self.particles)?;
        let step = self.steps.get(*self.made_by.get(rank)? as usize)?;
        Some((step.first, step.second?))
    }

    /// The jets of one of the three kinds below.
    pub fn select(&self, selection: Selection) -> Result<Vec<Jet>, Error> {
        match selection {
            Selection::Inclusive { min_pt } => Ok(self.inclusive(min_pt)),
            Selection::Exclusive { jets } => self.exclusive(jets),
            Selection::ByDistance { dcut } => Ok(self.exclusive_by_distance(dcut)),
        }
    }

    /// Jets declared with a transverse momentum of at least `min_pt`, hardest first; equal ones by id.
    #[must_use]
    pub fn inclusive(&self, min_pt: f64) -> Vec<Jet> {
        let square = if min_pt > 0.0 { min_pt * min_pt } else { f64::NEG_INFINITY };
        let declared = self.steps.iter().filter(|step| step.second.is_none());
        let mut jets: Vec<(f64, Jet)> = declared
            .map(|step| Jet { id: step.first, momentum: self.jets[step.first as usize] })
            .map(|jet| (jet.momentum.px * jet.momentum.px + jet.momentum.py * jet.momentum.py, jet))
            .filter(|(pt2, _)| *pt2 >= square)
            .collect();
        jets.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.id.cmp(&b.1.id)));
        jets.into_iter().map(|(_, jet)| jet).collect()
    }

    /// The jets that are left when the steps are undone until there are `n`, by id. Jets declared on the way do not count, as in
    /// FastJet. Fails where there are fewer than `n` particles.
    pub fn exclusive(&self, n: usize) -> Result<Vec<Jet>, Error> {
        parameter("the number of jets", n as f64, n <= self.particles, "at most the number of particles")?;
        Ok(self.before(self.particles - n))
    }

    /// The jets at the resolution `dcut`: those before the first step after which no distance is at or below it, by id.
    #[must_use]
    pub fn exclusive_by_distance(&self, dcut: f64) -> Vec<Jet> {
        self.before(self.steps_within(dcut))
    }

    /// How many jets there are at the resolution `dcut`.
    #[must_use]
    pub fn exclusive_count(&self, dcut: f64) -> usize {
        self.particles - self.steps_within(dcut)
    }

    /// The largest distance up to and including the step from `n + 1` to `n` jets: with a `dcut` from here on there are `n` or
    /// fewer. 0 where there are no more than `n` particles.
    #[must_use]
    pub fn merging_distance(&self, n: usize) -> f64 {
        let taken = self.particles.saturating_sub(n).min(self.steps.len());
        self.steps[..taken].iter().map(|step| step.distance).fold(0.0, f64::max)
    }

    fn steps_within(&self, dcut: f64) -> usize {
        // The largest distance so far never decreases, so what counts is the first step beyond the cut.
        self.steps.iter().position(|step| step.distance > dcut).unwrap_or(self.steps.len())
    }

    /// What is there before step number `stop` and taken by it or later.
    fn before(&self, stop: usize) -> Vec<Jet> {
        let made = self.particles + self.steps[..stop].iter().filter(|step| step.child.is_some()).count();
        let rest = &self.steps[stop..];
        let mut ids: Vec<u32> = rest
            .iter()
            .flat_map(|step| [Some(step.first), step.second])
            .flatten()
            .filter(|id| (*id as usize) < made)
            .collect();
        ids.sort_unstable();
        ids.into_iter().map(|id| Jet { id, momentum: self.jets[id as usize] }).collect()
    }

    /// The indices of the particles in a jet, in increasing order; none for an id that does not exist.
    #[must_use]
    pub fn constituents(&self, id: u32) -> Vec<u32> {
        let mut found = Vec::new();
        let mut open = if (id as usize) < self.jets.len() { vec![id] } else { Vec::new() };
        while let Some(id) = open.pop() {
            if (id as usize) < self.particles {
                found.push(id);
            } else if let Some((a, b)) = self.parents(id) {
                open.extend([a, b]);
            }
        }
        found.sort_unstable();
        found
    }

    /// For each particle the place in `jets` of the jet that holds it; none where no jet does. Where jets overlap (one is part of
    /// another) the smaller one counts.
    #[must_use]
    pub fn labels(&self, jets: &[Jet]) -> Vec<Option<u32>> {
        const NONE: u32 = u32::MAX;
        let mut label = vec![NONE; self.jets.len()];
        for (place, jet) in jets.iter().enumerate() {
            if let Some(label) = label.get_mut(jet.id as usize) {
                *label = place as u32;
            }
        }
        for step in self.steps.iter().rev() {
            if let (Some(second), Some(child)) = (step.second, step.child) {
                for parent in [step.first, second] {
                    if label[parent as usize] == NONE {
                        label[parent as usize] = label[child as usize];
                    }
                }
            }
        }
        label.truncate(self.particles);
        label.into_iter().map(|place| (place != NONE).then_some(place)).collect()
    }
}
