//! Jets and what is inside them, by the kernels of `fiducial_physics`.

use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use fiducial_physics::Error;
use fiducial_physics::cluster::{Algorithm, EventJets, JetDefinition, Recombination, cluster_events};
use fiducial_physics::four_vector::{FourVector, FourVectors as Columns};
use fiducial_physics::substructure::{
    Axes, Groomed, Ratio, SoftDrop, angularity, energy_correlation_ratio, n_subjettiness, soft_drop,
};

use super::{Action, Function, Rest, Setting, function};
use crate::expr::error::Fault;
use crate::expr::evaluate::{Machine, Operation};
use crate::expr::four_vectors::FourVectors;
use crate::expr::node::{Call, Span};
use crate::expr::value::{Content, Fields, Named, Record, Unit, Value};
use crate::expr::values::{Data, Shape};

const ALGORITHMS: &[&str] = &["antikt", "cambridge", "kt"];
const RECOMBINATIONS: &[&str] = &["E", "pt", "winner_takes_all"];
const AXES: &[&str] = &["onepass_wta_kt", "wta_kt", "onepass_kt", "kt"];
const RATIOS: &[&str] = &["D2", "C1", "C2", "C3", "M2", "M3", "N2", "N3"];

#[rustfmt::skip]
pub(super) static FUNCTIONS: &[Function] = &[
    function!("cluster_jets", ("particles"), Rest::Nothing, [("R", Setting::Number("0.4")), ("algorithm", Setting::Word(ALGORITHMS)),
        ("min_pt", Setting::Number("0")), ("recombination", Setting::Word(RECOMBINATIONS))],
        "the inclusive jets of each list of four-vectors, hardest first; the algorithms are \"antikt\", \"cambridge\" and \"kt\"",
        Action::One(|machine, call, x, span| cluster(machine, call, &x, span, false))),
    function!("cluster_constituents", ("particles"), Rest::Nothing, [("R", Setting::Number("0.4")), ("algorithm", Setting::Word(ALGORITHMS)),
        ("min_pt", Setting::Number("0")), ("recombination", Setting::Word(RECOMBINATIONS))],
        "for each of these jets the list of its particles",
        Action::One(|machine, call, x, span| cluster(machine, call, &x, span, true))),
    function!("soft_drop", ("constituents"), Rest::Nothing, [("z_cut", Setting::Number("0.1")), ("beta", Setting::Number("0")),
        ("R", Setting::Number("0.8"))],
        "what soft drop leaves of each jet: a four-vector with the fields z and delta_r of the branching; beta=0 is mMDT",
        Action::One(|machine, call, x, span| groom(machine, call, &x, span))),
    function!("n_subjettiness", ("constituents", "n"), Rest::Nothing, [("beta", Setting::Number("1")), ("R", Setting::Number("0.8")),
        ("axes", Setting::Word(AXES))],
        "N-subjettiness of each jet for n axes; the axes are \"onepass_wta_kt\", \"wta_kt\", \"onepass_kt\" or \"kt\"",
        Action::Run(subjettiness)),
    function!("energy_correlation", ("constituents"), Rest::Nothing, [("ratio", Setting::Word(RATIOS)), ("beta", Setting::Number("1"))],
        "ratio of energy correlation functions of each jet: \"D2\", \"C1\", \"C2\", \"C3\", \"M2\", \"M3\", \"N2\" or \"N3\"",
        Action::One(|machine, call, x, span| correlation(machine, call, &x, span))),
    function!("angularity", ("constituents"), Rest::Nothing, [("kappa", Setting::Number("1")), ("beta", Setting::Number("1")),
        ("R", Setting::Number("0.8"))],
        "sum of z**kappa (distance to the axis / R)**beta of each jet", Action::One(|machine, call, x, span| {
            let (kappa, beta, radius) = (call.number("kappa", 1.0), call.number("beta", 1.0), call.number("R", 0.8));
            numbers(machine, &x, span, |jet| angularity(jet, kappa, beta, radius))
        })),
];

/// Lists of four-vectors, their momenta and their offsets.
struct Lists<'x> {
    vectors: Vec<FourVector>,
    unit: Unit,
    offsets: &'x OffsetBuffer<i32>,
    outer: &'x [OffsetBuffer<i32>],
}

fn lists<'x>(machine: &Machine<'_>, x: &'x Operation, span: Span) -> Result<Lists<'x>, Fault> {
    machine.lists(x, 1, "a jet")?;
    let (view, unit) = machine.vectors(x, &x.value.shape)?;
    let Some((offsets, outer)) = x.value.shape.levels().split_last() else {
        return Err(Fault::missing(span));
    };
    Ok(Lists { vectors: view.vectors(), unit, offsets, outer })
}

/// A kernel's result for each list.
fn each<T>(
    machine: &Machine<'_>,
    lists: &Lists<'_>,
    span: Span,
    f: impl Fn(&[FourVector]) -> Result<T, Error>,
) -> Result<Vec<T>, Fault> {
    let jets = lists.offsets.windows(2).map(|list| &lists.vectors[list[0] as usize..list[1] as usize]);
    let results = jets.enumerate().map(|(i, jet)| {
        f(jet).map_err(|error| {
            let shape = Shape::of_levels(lists.outer.to_vec());
            machine.at_item(&shape, i, |row| Fault::new(span, format!("failed to {error}, in row {row}")))
        })
    });
    results.collect()
}

fn numbers(
    machine: &Machine<'_>,
    x: &Operation,
    span: Span,
    f: impl Fn(&[FourVector]) -> Result<f64, Error>,
) -> Result<Value, Fault> {
    let lists = lists(machine, x, span)?;
    let numbers = each(machine, &lists, span, f)?;
    Ok(Value::plain(Data::Numbers(numbers.into()), Shape::of_levels(lists.outer.to_vec())))
}

fn cluster(
    machine: &Machine<'_>,
    call: &Call,
    x: &Operation,
    span: Span,
    constituents: bool,
) -> Result<Value, Fault> {
    let lists = lists(machine, x, span)?;
    let algorithm = match call.word("algorithm") {
        Some("cambridge") => Algorithm::CambridgeAachen,
        Some("kt") => Algorithm::Kt,
        _ => Algorithm::AntiKt,
    };
    let recombination = match call.word("recombination") {
        Some("pt") => Recombination::Pt,
        Some("winner_takes_all") => Recombination::WinnerTakesAll,
        _ => Recombination::E,
    };
    let definition = JetDefinition::new(algorithm, call.number("R", 0.4)).with(recombination);
    let ends: Vec<usize> = lists.offsets.iter().map(|offset| *offset as usize).collect();
    let particles: Columns<f64> = lists.vectors.iter().copied().collect();
    let found = cluster_events(&definition, &particles, &ends, call.number("min_pt", 0.0));
    let EventJets { jets, jet_offsets, constituents: members, constituent_offsets } =
        found.map_err(|error| Fault::new(span, format!("failed to {error}")))?;
    let offsets = |ends: &[usize]| OffsetBuffer::new(ends.iter().map(|end| *end as i32).collect());
    let mut levels = lists.outer.to_vec();
    levels.push(offsets(&jet_offsets));
    if !constituents {
        let vectors: Vec<FourVector> = jets.iter().collect();
        return Ok(Value::vectors(FourVectors::collect(&vectors), Shape::Jagged(levels), lists.unit));
    }
    let mut items = Vec::with_capacity(members.len());
    for (event, jets) in jet_offsets.windows(2).enumerate() {
        let members = &members[constituent_offsets[jets[0]]..constituent_offsets[jets[1]]];
        items.extend(members.iter().map(|member| ends[event] as u32 + member));
    }
    levels.push(offsets(&constituent_offsets));
    let content = x.value.content.gather(&items.into());
    Ok(Value { content, shape: Shape::Jagged(levels), unit: None })
}

fn groom(machine: &Machine<'_>, call: &Call, x: &Operation, span: Span) -> Result<Value, Fault> {
    let lists = lists(machine, x, span)?;
    let condition = SoftDrop {
        z_cut: call.number("z_cut", 0.1),
        beta: call.number("beta", 0.0),
        radius: call.number("R", 0.8),
    };
    let groomed = each(machine, &lists, span, |jet| soft_drop(jet, condition))?;
    let momenta: Vec<FourVector> = groomed.iter().map(|jet| jet.momentum).collect();
    let named = |name: &str, f: fn(&Groomed) -> f64| {
        let values: ScalarBuffer<f64> = groomed.iter().map(f).collect();
        Named { name: name.to_owned(), content: Content::Plain(Data::Numbers(values)), unit: None }
    };
    let mut fields =
        Fields::of_named(momenta.len(), vec![named("z", |jet| jet.z), named("delta_r", |jet| jet.delta_r)]);
    (fields.vector, fields.unit) = (Some(FourVectors::collect(&momenta).into()), lists.unit);
    let content = Content::Record(Record { fields: fields.into(), index: None });
    Ok(Value { content, shape: Shape::of_levels(lists.outer.to_vec()), unit: None })
}

fn subjettiness(
    machine: &Machine<'_>,
    call: &Call,
    operands: &[Operation],
    span: Span,
) -> Result<Value, Fault> {
    let [x, n] = operands else { return Err(Fault::missing(span)) };
    let count = match (&n.value.content, &n.value.shape) {
        (Content::Plain(Data::Integers(values)), Shape::Scalar) => values.first(),
        _ => None,
    };
    let Some(count) = count.and_then(|n| usize::try_from(*n).ok()) else {
        return Err(Fault::new(n.span, "the number of axes is a single whole number"));
    };
    let axes = match call.word("axes") {
        Some("kt") => Axes::Kt,
        Some("wta_kt") => Axes::WinnerTakesAllKt,
        Some("onepass_kt") => Axes::OnePassKt,
        _ => Axes::OnePassWinnerTakesAllKt,
    };
    let (beta, radius) = (call.number("beta", 1.0), call.number("R", 0.8));
    numbers(machine, x, span, |jet| n_subjettiness(jet, count, beta, radius, axes))
}

fn correlation(machine: &Machine<'_>, call: &Call, x: &Operation, span: Span) -> Result<Value, Fault> {
    let ratio = match call.word("ratio") {
        Some("C1") => Ratio::C1,
        Some("C2") => Ratio::C2,
        Some("C3") => Ratio::C3,
        Some("M2") => Ratio::M2,
        Some("M3") => Ratio::M3,
        Some("N2") => Ratio::N2,
        Some("N3") => Ratio::N3,
        _ => Ratio::D2,
    };
    let beta = call.number("beta", 1.0);
    numbers(machine, x, span, |jet| energy_correlation_ratio(jet, ratio, beta))
}
