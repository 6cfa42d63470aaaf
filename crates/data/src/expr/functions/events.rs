//! Shapes of events, and what removes pile-up.
#![allow(clippy::needless_pass_by_value, reason = "the table of functions hands operands over by value")]

use fiducial_physics::Error;
use fiducial_physics::emd::{Uniform, event_isotropy};
use fiducial_physics::four_vector::{FourVector, event_shape, thrust};
use fiducial_physics::pileup::{Cells, Ghosts, Origin, Puppi, jets_with_areas, soft_killer};

use super::jets::{INCLUSIVE, RECOMBINATION, definition};
use super::per_list::{count, floats, lists, momenta, number, record, vectors_with};
use super::{Action, Function, Rest, Setting, function};
use crate::expr::error::Fault;
use crate::expr::evaluate::{Machine, Operation};
use crate::expr::node::{Call, Span};
use crate::expr::value::Value;
use crate::expr::values::Data;

#[rustfmt::skip]
pub(super) static FUNCTIONS: &[Function] = &[
    function!("thrust", ("v"), "thrust of each list of four-vectors: 1 of two pencils, 1/2 of an isotropic event",
        Action::One(|machine, _, x, span| number(machine, &x, span, |event| Ok(thrust(event)?.value)))),
    function!("thrust_axis", ("v"), "the thrust axis: a record with the fields x, y and z", Action::One(axis)),
    function!("sphericity", ("v"), Rest::Nothing, [("r", Setting::Number("2"))],
        "3/2 of the sum of the two smaller eigenvalues of the momentum tensor of power r: 0 of two pencils, 1 of an isotropic event",
        Action::One(|machine, call, x, span| number(machine, &x, span, |event| Ok(event_shape(event, call.number("r"))?.sphericity)))),
    function!("event_shape", ("v"), Rest::Nothing, [("r", Setting::Number("2"))],
        "a record of what the momentum tensor of power r says: sphericity, aplanarity, c, d and its eigenvalues l1, l2, l3; r=1 is infrared and collinear safe",
        Action::One(shape)),
    function!("event_isotropy", ("v"), Rest::Nothing,
        [("uniform", Setting::Word(&["sphere", "ring", "cylinder"])), ("particles", Setting::Number("192")), ("max_eta", Setting::Number("2"))],
        "energy mover's distance to a uniform event: 0 of an isotropic event, 1 of two back-to-back particles; on the cylinder so many particles stand around it, up to max_eta",
        Action::One(isotropy)),
    function!("jets_with_areas", ("particles"), Rest::Nothing,
        [("R", Setting::Number("0.4")), ("algorithm", INCLUSIVE), ("min_pt", Setting::Number("0")), ("recombination", RECOMBINATION), ("p", Setting::Number("-1")),
         ("max_rapidity", Setting::Number("6")), ("ghost_area", Setting::Number("0.01")), ("seed", Setting::Number("0"))],
        "inclusive jets that carry their active area and the four-vector area_vector: `jets - jets.area_vector * rho` is subtracted",
        Action::One(areas)),
    function!("pileup_density", ("particles"), Rest::Nothing, [("max_rapidity", Setting::Number("4")), ("cell", Setting::Number("0.55"))],
        "rho, the median over cells of this side of their pt per area",
        Action::One(|machine, call, x, span| {
            on_cells(machine, call, &x, span, |event, cells| cells.density(event))
        })),
    function!("soft_killer", ("particles"), Rest::Nothing, [("max_rapidity", Setting::Number("2.5")), ("cell", Setting::Number("0.4"))],
        "SoftKiller's threshold, which empties half of the cells: `particles[particles.pt > soft_killer(particles)]` are left",
        Action::One(|machine, call, x, span| on_cells(machine, call, &x, span, soft_killer))),
    function!("puppi", ("particles", "vertex"), Rest::Nothing,
        [("R", Setting::Number("0.3")), ("least_distance", Setting::Number("0.02")), ("central", Setting::Number("2.5")), ("least_weight", Setting::Number("0.1"))],
        "PUPPI's weight of each particle; vertex is 1 of charged ones from the leading vertex, -1 of charged ones from another, 0 of all others",
        Action::Run(puppi)),
];

fn axis(machine: &Machine<'_>, _: &Call, x: Operation, span: Span) -> Result<Value, Fault> {
    let lists = lists(machine, &x, span)?;
    let axes = lists.each(machine, span, |event, _| Ok(thrust(event)?.axis))?;
    let fields = ["x", "y", "z"].into_iter().enumerate();
    let fields = fields.map(|(k, name)| floats(name, None, axes.iter().map(move |axis| axis[k]))).collect();
    Ok(record(axes.len(), fields, lists.outer_shape()))
}

fn shape(machine: &Machine<'_>, call: &Call, x: Operation, span: Span) -> Result<Value, Fault> {
    let lists = lists(machine, &x, span)?;
    let shapes = lists.each(machine, span, |event, _| event_shape(event, call.number("r")))?;
    let fields = vec![
        floats("sphericity", None, shapes.iter().map(|shape| shape.sphericity)),
        floats("aplanarity", None, shapes.iter().map(|shape| shape.aplanarity)),
        floats("c", None, shapes.iter().map(|shape| shape.c)),
        floats("d", None, shapes.iter().map(|shape| shape.d)),
        floats("l1", None, shapes.iter().map(|shape| shape.eigenvalues[0])),
        floats("l2", None, shapes.iter().map(|shape| shape.eigenvalues[1])),
        floats("l3", None, shapes.iter().map(|shape| shape.eigenvalues[2])),
    ];
    Ok(record(shapes.len(), fields, lists.outer_shape()))
}

fn isotropy(machine: &Machine<'_>, call: &Call, x: Operation, span: Span) -> Result<Value, Fault> {
    let particles = count(call, "particles", span)?;
    let uniform = match call.word("uniform") {
        "ring" => Uniform::Ring { particles },
        "cylinder" => Uniform::Cylinder { columns: particles, max_eta: call.number("max_eta") },
        _ => Uniform::Sphere { particles },
    };
    number(machine, &x, span, |event| event_isotropy(event, uniform))
}

fn areas(machine: &Machine<'_>, call: &Call, x: Operation, span: Span) -> Result<Value, Fault> {
    let ghosts = Ghosts {
        max_rapidity: call.number("max_rapidity"),
        area: call.number("ghost_area"),
        seed: count(call, "seed", span)? as u64,
    };
    let (lists, definition, min_pt) = (lists(machine, &x, span)?, definition(call), call.number("min_pt"));
    let jets = lists.each(machine, span, |event, _| jets_with_areas(&definition, event, min_pt, &ghosts))?;
    let (shape, jets) = lists.nested(jets);
    let vectors: Vec<FourVector> = jets.iter().map(|jet| jet.momentum).collect();
    let area_vectors: Vec<FourVector> = jets.iter().map(|jet| jet.area_vector).collect();
    let fields = vec![
        floats("area", None, jets.iter().map(|jet| jet.area)),
        momenta("area_vector", None, &area_vectors),
    ];
    Ok(vectors_with(&vectors, lists.unit.clone(), fields, shape))
}

/// A number with the unit of momenta, from a grid of cells.
fn on_cells(
    machine: &Machine<'_>,
    call: &Call,
    x: &Operation,
    span: Span,
    kernel: impl Fn(&[FourVector], &Cells) -> Result<f64, Error> + Sync,
) -> Result<Value, Fault> {
    let cells = Cells::new(call.number("max_rapidity"), call.number("cell"))
        .map_err(|error| Fault::new(span, format!("failed to {error}")))?;
    let (_, unit) = machine.vectors(x, &x.value.shape)?;
    Ok(number(machine, x, span, |event| kernel(event, &cells))?.with_unit(unit))
}

fn puppi(machine: &Machine<'_>, call: &Call, operands: &[Operation], span: Span) -> Result<Value, Fault> {
    let [x, vertex] = operands else { return Err(Fault::missing(span)) };
    let lists = lists(machine, x, span)?;
    machine.check_levels(x, vertex)?;
    let shape = &x.value.shape;
    let vertices = machine.integers(vertex, shape)?;
    let origins: Vec<Origin> = (0..lists.vectors.len())
        .map(|i| match vertices.at(i) {
            0 => Ok(Origin::Unknown),
            1 => Ok(Origin::Leading),
            -1 => Ok(Origin::Pileup),
            other => Err(machine.at_item(shape, i, |row| {
                let source = machine.source(vertex.span);
                Fault::new(vertex.span, format!("{source} is {other} in row {row}, not 1, -1 or 0"))
            })),
        })
        .collect::<Result<_, _>>()?;
    let settings = Puppi {
        radius: call.number("R"),
        least_distance: call.number("least_distance"),
        central: call.number("central"),
        least_weight: call.number("least_weight"),
    };
    let weights = lists.each(machine, span, |event, items| settings.weights(event, &origins[items]))?;
    Ok(Value::plain(Data::Numbers(weights.concat().into()), shape.clone()))
}
