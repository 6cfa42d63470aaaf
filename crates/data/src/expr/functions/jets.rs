//! Jet clustering.

use arrow_buffer::OffsetBuffer;
use fiducial_physics::Error;
use fiducial_physics::cluster::{
    Algorithm, ClusterSequence, EventJets, JetDefinition, Recombination, Selection, cluster, cluster_events,
};
use fiducial_physics::four_vector::{FourVector, FourVectors as Columns};

use super::per_list::{floats, integers, lists, record, refused, single};
use super::{Action, Function, Rest, Setting, function};
use crate::expr::error::Fault;
use crate::expr::evaluate::{Machine, Operation};
use crate::expr::four_vectors::FourVectors;
use crate::expr::node::{Call, Span};
use crate::expr::value::Value;
use crate::expr::values::Shape;

/// Names of algorithms. Inclusive jets are mostly those of the first, exclusive ones those of kt.
pub(super) const INCLUSIVE: Setting = Setting::Word(&Algorithm::NAMES);
const EXCLUSIVE: Setting =
    Setting::Word(&["kt", "cambridge-aachen", "anti-kt", "generalised-kt", "ee-kt", "ee-generalised-kt"]);
pub(super) const RECOMBINATION: Setting = Setting::Word(&Recombination::NAMES);

#[rustfmt::skip]
pub(super) static FUNCTIONS: &[Function] = &[
    function!("cluster_jets", ("particles"), Rest::Nothing,
        [("R", Setting::Number("0.4")), ("algorithm", INCLUSIVE), ("min_pt", Setting::Number("0")), ("recombination", RECOMBINATION), ("p", Setting::Number("-1"))],
        "the inclusive jets of each list of four-vectors, hardest first; the algorithms are \"anti-kt\", \"cambridge-aachen\", \"kt\", \"generalised-kt\" with the power p, and for electron-positron collisions \"ee-kt\" and \"ee-generalised-kt\"",
        Action::One(|machine, call, x, span| jets(machine, call, &x, span, inclusive(call)))),
    function!("cluster_constituents", ("particles"), Rest::Nothing,
        [("R", Setting::Number("0.4")), ("algorithm", INCLUSIVE), ("min_pt", Setting::Number("0")), ("recombination", RECOMBINATION), ("p", Setting::Number("-1"))],
        "for each of these jets the list of its particles",
        Action::One(|machine, call, x, span| constituents(machine, call, &x, span, inclusive(call)))),
    function!("exclusive_jets", ("particles", "n"), Rest::Nothing,
        [("R", Setting::Number("1")), ("algorithm", EXCLUSIVE), ("recombination", RECOMBINATION), ("p", Setting::Number("1"))],
        "the n exclusive jets of each list, in the order of their making; an error where there are fewer than n particles",
        Action::Run(|machine, call, operands, span| {
            let (x, selection) = exclusive(operands, span)?;
            jets(machine, call, x, span, selection)
        })),
    function!("exclusive_jets", ("particles"), Rest::Nothing,
        [("dcut", Setting::Number("0")), ("R", Setting::Number("1")), ("algorithm", EXCLUSIVE), ("recombination", RECOMBINATION), ("p", Setting::Number("1"))],
        "the exclusive jets of each list at the resolution dcut",
        Action::One(|machine, call, x, span| jets(machine, call, &x, span, by_distance(call)))),
    function!("exclusive_constituents", ("particles", "n"), Rest::Nothing,
        [("R", Setting::Number("1")), ("algorithm", EXCLUSIVE), ("recombination", RECOMBINATION), ("p", Setting::Number("1"))],
        "for each of the n exclusive jets the list of its particles",
        Action::Run(|machine, call, operands, span| {
            let (x, selection) = exclusive(operands, span)?;
            constituents(machine, call, x, span, selection)
        })),
    function!("exclusive_constituents", ("particles"), Rest::Nothing,
        [("dcut", Setting::Number("0")), ("R", Setting::Number("1")), ("algorithm", EXCLUSIVE), ("recombination", RECOMBINATION), ("p", Setting::Number("1"))],
        "for each of the exclusive jets at the resolution dcut the list of its particles",
        Action::One(|machine, call, x, span| constituents(machine, call, &x, span, by_distance(call)))),
    function!("merging_distance", ("particles", "n"), Rest::Nothing,
        [("R", Setting::Number("1")), ("algorithm", EXCLUSIVE), ("recombination", RECOMBINATION), ("p", Setting::Number("1"))],
        "the largest distance up to the step from n + 1 to n jets (Durham's y_nm times the square of the energy); 0 of n particles or fewer",
        Action::Run(merging_distance)),
    function!("cluster_history", ("particles"), Rest::Nothing,
        [("R", Setting::Number("0.4")), ("algorithm", INCLUSIVE), ("recombination", RECOMBINATION), ("p", Setting::Number("-1"))],
        "the steps of the merging, as records first, second, child and distance; particles have their place as number, sums the numbers after; -1 is the beam, or no child",
        Action::One(|machine, call, x, span| history(machine, call, &x, span))),
];

pub(super) fn definition(call: &Call) -> JetDefinition {
    // The table of functions lets no other words through.
    let algorithm = Algorithm::named(call.word("algorithm"), call.number("p")).unwrap_or(Algorithm::AntiKt);
    let recombination = Recombination::named(call.word("recombination")).unwrap_or_default();
    JetDefinition::new(algorithm, call.number("R")).with(recombination)
}

fn inclusive(call: &Call) -> Selection {
    Selection::Inclusive { min_pt: call.number("min_pt") }
}

fn by_distance(call: &Call) -> Selection {
    Selection::ByDistance { dcut: call.number("dcut") }
}

fn exclusive(operands: &[Operation], span: Span) -> Result<(&Operation, Selection), Fault> {
    let [x, n] = operands else { return Err(Fault::missing(span)) };
    Ok((x, Selection::Exclusive { jets: single(n, "the number of jets")? }))
}

/// Jets with the levels around them.
fn found(
    machine: &Machine<'_>,
    call: &Call,
    x: &Operation,
    span: Span,
    selection: Selection,
) -> Result<(EventJets, Vec<OffsetBuffer<i32>>), Fault> {
    let lists = lists(machine, x, span)?;
    let ends: Vec<usize> = lists.offsets.iter().map(|offset| *offset as usize).collect();
    let particles: Columns<f64> = lists.vectors.iter().copied().collect();
    let found =
        cluster_events(&definition(call), &particles, &ends, selection).map_err(|error| match error {
            Error::InEvent { event, error } => refused(machine, &lists.outer_shape(), event, &error, span),
            error => Fault::new(span, format!("failed to {error}")),
        })?;
    let mut levels = lists.outer.to_vec();
    levels.push(offsets(&found.jet_offsets));
    Ok((found, levels))
}

fn offsets(ends: &[usize]) -> OffsetBuffer<i32> {
    OffsetBuffer::new(ends.iter().map(|end| *end as i32).collect())
}

fn jets(
    machine: &Machine<'_>,
    call: &Call,
    x: &Operation,
    span: Span,
    selection: Selection,
) -> Result<Value, Fault> {
    let (found, levels) = found(machine, call, x, span, selection)?;
    let (_, unit) = machine.vectors(x, &x.value.shape)?;
    let vectors: Vec<FourVector> = found.jets.iter().collect();
    Ok(Value::vectors(FourVectors::collect(&vectors), Shape::Jagged(levels), unit))
}

fn constituents(
    machine: &Machine<'_>,
    call: &Call,
    x: &Operation,
    span: Span,
    selection: Selection,
) -> Result<Value, Fault> {
    let (found, mut levels) = found(machine, call, x, span, selection)?;
    let starts = x.value.shape.levels().last().ok_or_else(|| Fault::missing(span))?;
    let mut items = Vec::with_capacity(found.constituents.len());
    for (jets, start) in found.jet_offsets.windows(2).zip(starts.iter()) {
        let members = found.constituent_offsets[jets[0]]..found.constituent_offsets[jets[1]];
        items.extend(found.constituents[members].iter().map(|member| *start as u32 + member));
    }
    levels.push(offsets(&found.constituent_offsets));
    let content = x.value.content.gather(&items.into());
    Ok(Value { content, shape: Shape::Jagged(levels), unit: None })
}

fn sequence(definition: &JetDefinition, event: &[FourVector]) -> Result<ClusterSequence, Error> {
    cluster(definition, &event.iter().copied().collect::<Columns<f64>>())
}

fn merging_distance(
    machine: &Machine<'_>,
    call: &Call,
    operands: &[Operation],
    span: Span,
) -> Result<Value, Fault> {
    let [x, n] = operands else { return Err(Fault::missing(span)) };
    let (n, definition) = (single(n, "the number of jets")?, definition(call));
    super::per_list::number(machine, x, span, |event| Ok(sequence(&definition, event)?.merging_distance(n)))
}

fn history(machine: &Machine<'_>, call: &Call, x: &Operation, span: Span) -> Result<Value, Fault> {
    let (lists, definition) = (lists(machine, x, span)?, definition(call));
    let steps = lists.each(machine, span, |event, _| Ok(sequence(&definition, event)?.history().to_vec()))?;
    let (shape, steps) = lists.nested(steps);
    let id = |id: Option<u32>| id.map_or(-1, i64::from);
    let fields = vec![
        integers("first", steps.iter().map(|step| i64::from(step.first))),
        integers("second", steps.iter().map(|step| id(step.second))),
        integers("child", steps.iter().map(|step| id(step.child))),
        floats("distance", None, steps.iter().map(|step| step.distance)),
    ];
    Ok(record(steps.len(), fields, shape))
}
