//! What is inside a jet, from the four-vectors of its constituents.
#![allow(clippy::needless_pass_by_value, reason = "the table of functions hands operands over by value")]

use fiducial_physics::Error;
use fiducial_physics::four_vector::FourVector;
use fiducial_physics::substructure::{
    Axes, Groomed, Ratio, SoftDrop, angularity, energy_correlation, energy_correlation_ratio, lund_plane,
    n_subjettiness, prune, pull, soft_drop, trim,
};

use super::per_list::{floats, lists, momenta, number, record, single, vectors_with};
use super::{Action, Function, Rest, Setting, function};
use crate::expr::error::Fault;
use crate::expr::evaluate::{Machine, Operation};
use crate::expr::node::{Call, Span};
use crate::expr::value::Value;

#[rustfmt::skip]
pub(super) static FUNCTIONS: &[Function] = &[
    function!("soft_drop", ("constituents"), Rest::Nothing, [("z_cut", Setting::Number("0.1")), ("beta", Setting::Number("0")), ("R", Setting::Number("0.8"))],
        "what soft drop leaves of each jet: a four-vector with the fields z and delta_r of the branching; beta=0 is mMDT",
        Action::One(|machine, call, x, span| groomed(machine, &x, span, |jet| soft_drop(jet, condition(call))))),
    function!("soft_drop_constituents", ("constituents"), Rest::Nothing, [("z_cut", Setting::Number("0.1")), ("beta", Setting::Number("0")), ("R", Setting::Number("0.8"))],
        "the constituents that soft drop leaves",
        Action::One(|machine, call, x, span| left(machine, &x, span, |jet| soft_drop(jet, condition(call))))),
    function!("trim", ("constituents"), Rest::Nothing, [("R", Setting::Number("0.2")), ("fraction", Setting::Number("0.03"))],
        "what trimming leaves of each jet, a four-vector: kt subjets of radius R with at least this fraction of the jet's pt",
        Action::One(|machine, call, x, span| groomed(machine, &x, span, |jet| trim(jet, call.number("R"), call.number("fraction"))))),
    function!("trim_constituents", ("constituents"), Rest::Nothing, [("R", Setting::Number("0.2")), ("fraction", Setting::Number("0.03"))],
        "the constituents that trimming leaves",
        Action::One(|machine, call, x, span| left(machine, &x, span, |jet| trim(jet, call.number("R"), call.number("fraction"))))),
    function!("prune", ("constituents"), Rest::Nothing, [("z_cut", Setting::Number("0.1")), ("factor", Setting::Number("0.5"))],
        "what pruning leaves of each jet, a four-vector",
        Action::One(|machine, call, x, span| groomed(machine, &x, span, |jet| prune(jet, call.number("z_cut"), call.number("factor"))))),
    function!("prune_constituents", ("constituents"), Rest::Nothing, [("z_cut", Setting::Number("0.1")), ("factor", Setting::Number("0.5"))],
        "the constituents that pruning leaves",
        Action::One(|machine, call, x, span| left(machine, &x, span, |jet| prune(jet, call.number("z_cut"), call.number("factor"))))),
    function!("n_subjettiness", ("constituents", "n"), Rest::Nothing, [("beta", Setting::Number("1")), ("R", Setting::Number("0.8")), ("axes", Setting::Word(&Axes::NAMES))],
        "N-subjettiness of each jet for n axes; the axes are \"onepass-wta-kt\", \"wta-kt\", \"onepass-kt\" or \"kt\"",
        Action::Run(subjettiness)),
    function!("energy_correlation", ("constituents"), Rest::Nothing, [("ratio", Setting::Word(&Ratio::NAMES)), ("beta", Setting::Number("1"))],
        "ratio of energy correlation functions of each jet: \"D2\", \"C1\", \"C2\", \"C3\", \"M2\", \"M3\", \"N2\" or \"N3\"",
        Action::One(correlation_ratio)),
    function!("energy_correlation", ("constituents", "points", "angles"), Rest::Nothing, [("beta", Setting::Number("1"))],
        "the normalised energy correlation function of so many points (1 to 4), with the product of the smallest angles",
        Action::Run(correlation)),
    function!("angularity", ("constituents"), Rest::Nothing, [("kappa", Setting::Number("1")), ("beta", Setting::Number("1")), ("R", Setting::Number("0.8"))],
        "sum of z**kappa (distance to the axis / R)**beta of each jet",
        Action::One(|machine, call, x, span| {
            number(machine, &x, span, |jet| angularity(jet, call.number("kappa"), call.number("beta"), call.number("R")))
        })),
    function!("pull", ("constituents"), "the pull vector of each jet: a record with the fields y and phi",
        Action::One(pull_vector)),
    function!("lund_plane", ("constituents"),
        "the primary branchings of each jet, widest first: records delta, kt, z, psi, mass and the four-vectors harder and softer",
        Action::One(branchings)),
];

fn condition(call: &Call) -> SoftDrop {
    SoftDrop { z_cut: call.number("z_cut"), beta: call.number("beta"), radius: call.number("R") }
}

/// The groomed jets, with what soft drop says of their branching.
fn groomed(
    machine: &Machine<'_>,
    x: &Operation,
    span: Span,
    groom: impl Fn(&[FourVector]) -> Result<Groomed, Error> + Sync,
) -> Result<Value, Fault> {
    let lists = lists(machine, x, span)?;
    let groomed = lists.each(machine, span, |jet, _| groom(jet))?;
    let vectors: Vec<FourVector> = groomed.iter().map(|jet| jet.momentum).collect();
    let fields = vec![
        floats("z", None, groomed.iter().map(|jet| jet.z)),
        floats("delta_r", None, groomed.iter().map(|jet| jet.delta_r)),
    ];
    Ok(vectors_with(&vectors, lists.unit.clone(), fields, lists.outer_shape()))
}

/// The constituents of the groomed jets.
fn left(
    machine: &Machine<'_>,
    x: &Operation,
    span: Span,
    groom: impl Fn(&[FourVector]) -> Result<Groomed, Error> + Sync,
) -> Result<Value, Fault> {
    let lists = lists(machine, x, span)?;
    let places = lists.each(machine, span, |jet, _| Ok(groom(jet)?.constituents))?;
    Ok(lists.picked(x, places))
}

fn subjettiness(
    machine: &Machine<'_>,
    call: &Call,
    operands: &[Operation],
    span: Span,
) -> Result<Value, Fault> {
    let [x, n] = operands else { return Err(Fault::missing(span)) };
    let n = single(n, "the number of axes")?;
    // The table of functions lets no other words through.
    let axes = Axes::named(call.word("axes")).unwrap_or(Axes::OnePassWinnerTakesAllKt);
    number(machine, x, span, |jet| n_subjettiness(jet, n, call.number("beta"), call.number("R"), axes))
}

fn correlation_ratio(machine: &Machine<'_>, call: &Call, x: Operation, span: Span) -> Result<Value, Fault> {
    let ratio = Ratio::named(call.word("ratio")).unwrap_or(Ratio::D2);
    number(machine, &x, span, |jet| energy_correlation_ratio(jet, ratio, call.number("beta")))
}

fn correlation(
    machine: &Machine<'_>,
    call: &Call,
    operands: &[Operation],
    span: Span,
) -> Result<Value, Fault> {
    let [x, points, angles] = operands else { return Err(Fault::missing(span)) };
    let (points, angles) = (single(points, "the number of points")?, single(angles, "the number of angles")?);
    number(machine, x, span, |jet| energy_correlation(jet, points, angles, call.number("beta")))
}

fn pull_vector(machine: &Machine<'_>, _: &Call, x: Operation, span: Span) -> Result<Value, Fault> {
    let lists = lists(machine, &x, span)?;
    let pulls = lists.each(machine, span, |jet, _| pull(jet))?;
    let fields = vec![
        floats("y", None, pulls.iter().map(|pull| pull[0])),
        floats("phi", None, pulls.iter().map(|pull| pull[1])),
    ];
    Ok(record(pulls.len(), fields, lists.outer_shape()))
}

fn branchings(machine: &Machine<'_>, _: &Call, x: Operation, span: Span) -> Result<Value, Fault> {
    let lists = lists(machine, &x, span)?;
    let planes = lists.each(machine, span, |jet, _| lund_plane(jet))?;
    let (shape, all) = lists.nested(planes);
    let (harder, softer): (Vec<FourVector>, Vec<FourVector>) =
        all.iter().map(|branching| (branching.harder, branching.softer)).unzip();
    let fields = vec![
        floats("delta", None, all.iter().map(|branching| branching.delta)),
        floats("kt", lists.unit.clone(), all.iter().map(|branching| branching.kt)),
        floats("z", None, all.iter().map(|branching| branching.z)),
        floats("psi", None, all.iter().map(|branching| branching.psi)),
        floats("mass", lists.unit.clone(), all.iter().map(|branching| branching.mass)),
        momenta("harder", lists.unit.clone(), &harder),
        momenta("softer", lists.unit.clone(), &softer),
    ];
    Ok(record(all.len(), fields, shape))
}
