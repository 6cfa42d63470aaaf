//! The energy mover's distance of two lists, and energy flow polynomials.

use fiducial_physics::Error;
use fiducial_physics::emd::{Angles, Emd, EnergyFlow};

use super::per_list::{common_unit, count, each_item, lists, number, single};
use super::{Action, Function, Rest, Setting, function};
use crate::expr::error::Fault;
use crate::expr::evaluate::{Machine, Operation};
use crate::expr::node::{Call, Span};
use crate::expr::value::{Unit, Value};
use crate::expr::values::Data;

#[rustfmt::skip]
pub(super) static FUNCTIONS: &[Function] = &[
    function!("emd", ("v", "w"), Rest::Nothing,
        [("R", Setting::Number("1")), ("beta", Setting::Number("1")), ("normalise", Setting::Flag(false))],
        "energy mover's distance of two lists of four-vectors, with pt as weight",
        Action::Run(|machine, call, operands, span| {
            let emd = Emd { normalise: call.flag("normalise", false), ..settings(call) };
            between(machine, operands, span, |flows| emd.distance(&flows[0], &flows[1]))
                .map(|(value, unit)| value.with_unit(unit.filter(|_| !emd.normalise)))
        })),
    function!("emd_sliced_bound", ("v", "w"), Rest::Nothing,
        [("R", Setting::Number("1")), ("beta", Setting::Number("1")), ("directions", Setting::Number("16"))],
        "a lower bound of the normalised distance, from projections on lines in so many directions",
        Action::Run(|machine, call, operands, span| {
            let (emd, directions) = (settings(call), count(call, "directions", span)?);
            between(machine, operands, span, |flows| emd.sliced_bound(&flows[0], &flows[1], directions)).map(|(value, _)| value)
        })),
    function!("emd_linearised_bound", ("v", "w", "reference"), Rest::Nothing,
        [("R", Setting::Number("1")), ("beta", Setting::Number("1"))],
        "an upper bound of the normalised distance, by way of a reference",
        Action::Run(|machine, call, operands, span| {
            let emd = settings(call);
            between(machine, operands, span, |flows| emd.linearised_bound(&flows[0], &flows[1], &flows[2])).map(|(value, _)| value)
        })),
    function!("energy_flow_polynomial" ["efp"], ("constituents", "from", "to"), Rest::Positional, [("beta", Setting::Number("1"))],
        "the energy flow polynomial of a graph of up to five edges, each given by two numbers: `efp(v, 0, 1, 1, 2, 2, 0)` is the triangle",
        Action::Run(polynomial)),
];

fn settings(call: &Call) -> Emd {
    Emd { radius: call.number("R"), beta: call.number("beta"), normalise: true }
}

/// One number for the lists at the same place of all operands, and the unit of their momenta.
fn between(
    machine: &Machine<'_>,
    operands: &[Operation],
    span: Span,
    kernel: impl Fn(&[EnergyFlow]) -> Result<f64, Error> + Sync,
) -> Result<(Value, Unit), Fault> {
    let all = operands.iter().map(|x| lists(machine, x, span)).collect::<Result<Vec<_>, _>>()?;
    let Some((first, others)) = all.split_first() else { return Err(Fault::missing(span)) };
    if others.iter().any(|other| other.outer != first.outer) {
        return Err(Fault::new(span, "the lists of one operand are not at the places of the other's"));
    }
    let unit = common_unit(machine, operands, all.iter().map(|lists| &lists.unit), span)?;
    let mut flows: Vec<Vec<EnergyFlow>> = vec![Vec::new(); first.offsets.len() - 1];
    for lists in &all {
        let found = lists.each(machine, span, |event, _| EnergyFlow::of_vectors(event))?;
        flows.iter_mut().zip(found).for_each(|(flows, flow)| flows.push(flow));
    }
    let numbers = each_item(machine, &first.outer_shape(), span, &flows, |flows| kernel(flows))?;
    Ok((Value::plain(Data::Numbers(numbers.into()), first.outer_shape()), unit))
}

fn polynomial(
    machine: &Machine<'_>,
    call: &Call,
    operands: &[Operation],
    span: Span,
) -> Result<Value, Fault> {
    let Some((x, numbers)) = operands.split_first() else { return Err(Fault::missing(span)) };
    let vertices =
        numbers.iter().map(|n| single(n, "the vertex of a graph")).collect::<Result<Vec<_>, _>>()?;
    let (edges, rest) = vertices.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(Fault::new(span, "an edge is two vertices: there is one too many"));
    }
    let edges: Vec<(usize, usize)> = edges.iter().map(|edge| (edge[0], edge[1])).collect();
    let beta = call.number("beta");
    number(machine, x, span, |jet| Angles::new(&EnergyFlow::of_vectors(jet)?, beta)?.efp(&edges))
}
