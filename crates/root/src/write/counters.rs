//! Which branches count the items of jagged ones.

use std::collections::BTreeSet;

use super::columns::{Plan, Shape};
use super::encode::Pending;
use crate::prim::Prim;

/// The counter of each jagged branch.
#[derive(Debug)]
pub(crate) struct Counters {
    /// For each plan: the branch that counts it, a plan or behind them one of `own`.
    pub(crate) of: Vec<Option<usize>>,
    /// Counters that no column holds.
    pub(crate) own: Vec<Counter>,
    /// For each plan and own counter: the largest count seen.
    pub(crate) largest: Vec<u32>,
}

/// A counter that is made for the tree.
#[derive(Debug)]
pub(crate) struct Counter {
    pub(crate) name: String,
    /// The first plan that it counts.
    pub(crate) of: usize,
}

/// "Muon" of "Muon_pt"; the name itself where nothing is before an underscore.
fn prefix(name: &str) -> &str {
    match name.split_once('_') {
        Some((prefix, _)) if !prefix.is_empty() => prefix,
        _ => name,
    }
}

fn is_jagged(plan: &Plan) -> bool {
    matches!(plan.shape, Shape::Jagged { .. })
}

/// Whether a plan is a column of whole numbers that ROOT takes for a counter.
fn can_count(plan: &Plan) -> bool {
    matches!(&plan.shape, Shape::Fixed { prim: Prim::I32 | Prim::U32, dims } if dims.is_empty())
}

/// Where the values of a counting column are not the counts of another.
fn difference(counting: &Pending, counted: &Pending) -> Option<usize> {
    let values = counting.data.as_chunks::<4>().0;
    values.iter().zip(&counted.counts).position(|(value, count)| u32::from_be_bytes(*value) != *count)
}

impl Counters {
    /// Chooses from the names and the lengths of the first cluster: see [`super::RootWriter::tree`].
    /// With `separate` each jagged branch gets a counter of its own.
    pub(crate) fn choose(plans: &[Plan], pending: &[Pending], separate: bool) -> Self {
        let mut taken: BTreeSet<String> = plans.iter().map(|plan| plan.name.clone()).collect();
        let mut of = vec![None; plans.len()];
        for (i, plan) in plans.iter().enumerate().filter(|(_, plan)| is_jagged(plan) && !separate) {
            let (name, family) = (&plan.name, prefix(&plan.name));
            // As uproot, NanoAOD, older ntuples and Delphes call them.
            let candidates =
                [format!("n{name}"), format!("n{family}"), format!("N{family}"), format!("{family}_size")];
            of[i] = candidates.iter().find_map(|name| {
                let column = plans.iter().position(|plan| plan.name == *name && can_count(plan))?;
                difference(&pending[column], &pending[i]).is_none().then_some(column)
            });
        }
        let mut own: Vec<Counter> = Vec::new();
        for i in 0..plans.len() {
            if !is_jagged(&plans[i]) || of[i].is_some() {
                continue;
            }
            let family = prefix(&plans[i].name);
            let alike = |j: usize| {
                is_jagged(&plans[j])
                    && of[j].is_none()
                    && (j == i || !separate)
                    && prefix(&plans[j].name) == family
                    && pending[j].counts == pending[i].counts
            };
            let members: Vec<usize> = (i..plans.len()).filter(|&j| alike(j)).collect();
            let names = [format!("n{family}"), format!("n{}", plans[i].name)];
            let first = usize::from(members.len() == 1);
            let free = names[first..].iter().find(|name| !taken.contains(*name)).cloned();
            let name = free.unwrap_or_else(|| {
                (2..)
                    .map(|k| format!("n{}_{k}", plans[i].name))
                    .find(|name| !taken.contains(name))
                    .unwrap_or_default()
            });
            taken.insert(name.clone());
            for j in members {
                of[j] = Some(plans.len() + own.len());
            }
            own.push(Counter { name, of: i });
        }
        let largest = vec![0; plans.len() + own.len()];
        Self { of, own, largest }
    }

    /// Checks a later cluster. An error is the number of the plan, the name of the other, and the entry.
    pub(crate) fn check(
        &self,
        plans: &[Plan],
        pending: &[Pending],
        entries: u64,
    ) -> Result<(), (usize, String, u64)> {
        for (i, counter) in self.of.iter().enumerate() {
            let Some(counter) = *counter else { continue };
            let (name, row) = match plans.get(counter) {
                Some(plan) => (&plan.name, difference(&pending[counter], &pending[i])),
                None => {
                    let own = &self.own[counter - plans.len()];
                    let (ours, theirs) = (&pending[own.of].counts, &pending[i].counts);
                    (&plans[own.of].name, ours.iter().zip(theirs).position(|(a, b)| a != b))
                }
            };
            if let Some(row) = row {
                return Err((i, name.clone(), entries + row as u64));
            }
        }
        Ok(())
    }

    /// Keeps the largest counts: ROOT makes its buffers by them.
    pub(crate) fn see(&mut self, plans: &[Plan], pending: &[Pending]) {
        for (i, counter) in self.of.iter().enumerate() {
            let largest = pending.get(i).and_then(|pending| pending.counts.iter().max());
            if let (Some(counter), Some(&largest)) = (*counter, largest)
                && counter < plans.len() + self.own.len()
            {
                self.largest[counter] = self.largest[counter].max(largest);
            }
        }
    }
}
