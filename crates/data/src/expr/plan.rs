//! Which steps are computed, and when their results are needed for the last time.

use std::collections::HashMap;

use super::node::{Node, Step};

/// A step that is computed once, however often it stands in the text.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    /// Its place in the steps.
    pub(super) step: usize,
    /// The places in the plan of its operands.
    pub(super) operands: Vec<usize>,
    /// How often its result is an operand; the result of all counts once more.
    pub(super) uses: usize,
}

/// The steps in order, each subexpression once: the last one is the result.
pub(super) fn plan(steps: &[Step]) -> Vec<Planned> {
    let mut known: HashMap<(&Node, Vec<usize>), usize> = HashMap::with_capacity(steps.len());
    let mut plan: Vec<Planned> = Vec::with_capacity(steps.len());
    let mut stack: Vec<usize> = Vec::new();
    for (i, Step { node, .. }) in steps.iter().enumerate() {
        let operands = stack.split_off(stack.len().saturating_sub(node.arity()));
        let place = *known.entry((node, operands)).or_insert_with_key(|(_, operands)| {
            for operand in operands {
                plan[*operand].uses += 1;
            }
            plan.push(Planned { step: i, operands: operands.clone(), uses: 0 });
            plan.len() - 1
        });
        stack.push(place);
    }
    if let Some(last) = stack.pop().and_then(|place| plan.get_mut(place)) {
        last.uses += 1;
    }
    plan
}
