//! What the table of the Particle Data Group and the identifiers themselves say.

use std::sync::Arc;

use arrow_buffer::BooleanBuffer;
use fiducial_physics::particle::PdgId;

use super::{Action, Function, Rest, Setting, function};
use crate::expr::error::Fault;
use crate::expr::evaluate::{Machine, Operation};
use crate::expr::node::{Call, Span};
use crate::expr::value::Value;
use crate::expr::values::Data;

/// A number that not every identifier has: what it is called, its unit, and where it comes from.
struct Property {
    name: &'static str,
    unit: Option<&'static str>,
    of: fn(PdgId) -> Option<f64>,
}

const MASS: Property = Property { name: "mass", unit: Some("GeV"), of: PdgId::mass };
const WIDTH: Property = Property { name: "width", unit: Some("GeV"), of: PdgId::width };
const LIFETIME: Property = Property { name: "lifetime", unit: Some("ns"), of: PdgId::lifetime };
const CHARGE: Property = Property { name: "charge", unit: None, of: PdgId::charge };
const SPIN: Property = Property { name: "spin", unit: None, of: PdgId::spin };

#[rustfmt::skip]
pub(super) static FUNCTIONS: &[Function] = &[
    function!("pdg_mass", ("id"), Rest::Nothing, [("default", Setting::Value)],
        "mass in GeV of the particle with this PDG identifier; an error where none is known without a default",
        Action::Run(|machine, _, operands, span| property(machine, operands, span, &MASS))),
    function!("pdg_width", ("id"), Rest::Nothing, [("default", Setting::Value)], "width in GeV, 0 of stable particles",
        Action::Run(|machine, _, operands, span| property(machine, operands, span, &WIDTH))),
    function!("pdg_lifetime", ("id"), Rest::Nothing, [("default", Setting::Value)], "mean lifetime in ns, infinite of stable particles",
        Action::Run(|machine, _, operands, span| property(machine, operands, span, &LIFETIME))),
    function!("pdg_charge", ("id"), Rest::Nothing, [("default", Setting::Value)], "charge in units of the positron's",
        Action::Run(|machine, _, operands, span| property(machine, operands, span, &CHARGE))),
    function!("pdg_spin", ("id"), Rest::Nothing, [("default", Setting::Value)], "spin of quarks, leptons, hadrons and diquarks",
        Action::Run(|machine, _, operands, span| property(machine, operands, span, &SPIN))),
    function!("pdg_is_quark", ("id"), "whether the identifier is that of a quark",
        Action::One(|machine, _, id, _| test(machine, &id, PdgId::is_quark))),
    function!("pdg_is_lepton", ("id"), "whether it is that of a lepton; neutrinos are",
        Action::One(|machine, _, id, _| test(machine, &id, PdgId::is_lepton))),
    function!("pdg_is_neutrino", ("id"), "whether it is that of a neutrino",
        Action::One(|machine, _, id, _| test(machine, &id, PdgId::is_neutrino))),
    function!("pdg_is_boson", ("id"), "whether it is that of a gluon, photon, Z, W or Higgs",
        Action::One(|machine, _, id, _| test(machine, &id, PdgId::is_boson))),
    function!("pdg_is_hadron", ("id"), "whether it is that of a meson or baryon",
        Action::One(|machine, _, id, _| test(machine, &id, PdgId::is_hadron))),
    function!("pdg_is_meson", ("id"), "whether it is that of a meson",
        Action::One(|machine, _, id, _| test(machine, &id, PdgId::is_meson))),
    function!("pdg_is_baryon", ("id"), "whether it is that of a baryon",
        Action::One(|machine, _, id, _| test(machine, &id, PdgId::is_baryon))),
    function!("pdg_is_diquark", ("id"), "whether it is that of a diquark",
        Action::One(|machine, _, id, _| test(machine, &id, PdgId::is_diquark))),
    function!("pdg_is_nucleus", ("id"), "whether it is that of a nucleus; the proton is",
        Action::One(|machine, _, id, _| test(machine, &id, PdgId::is_nucleus))),
    function!("pdg_has_quark", ("id", "flavour"),
        "whether a hadron, diquark or quark holds a quark or antiquark of flavour 1 to 6 (d, u, s, c, b, t)", Action::Run(has_quark)),
];

/// An identifier beyond those of the scheme is nobody's, as 0 is.
fn pdg_id(id: i64) -> PdgId {
    PdgId(i32::try_from(id).unwrap_or(0))
}

fn property(
    machine: &Machine<'_>,
    operands: &[Operation],
    span: Span,
    property: &Property,
) -> Result<Value, Fault> {
    let Some(id) = operands.first() else { return Err(Fault::missing(span)) };
    let shape = machine.common_shape(operands)?;
    let ids = machine.integers(id, &shape)?;
    let default = operands.get(1).map(|default| machine.floats(default, &shape)).transpose()?;
    let number = |i: usize| {
        let known =
            (property.of)(pdg_id(ids.at(i))).or_else(|| default.as_ref().map(|default| default.at(i)));
        known.ok_or_else(|| {
            machine.at_item(&shape, i, |row| {
                let message =
                    format!("no {} is known of identifier {} in row {row}", property.name, ids.at(i));
                Fault::new(span, message).hint("give a value for such particles: `default=0`")
            })
        })
    };
    let numbers = (0..machine.length(&shape)).map(number).collect::<Result<Vec<f64>, Fault>>()?;
    Ok(Value::plain(Data::Numbers(numbers.into()), shape).with_unit(property.unit.map(Arc::from)))
}

fn test(machine: &Machine<'_>, id: &Operation, holds: fn(PdgId) -> bool) -> Result<Value, Fault> {
    let shape = id.value.shape.clone();
    let ids = machine.integers(id, &shape)?;
    let result = BooleanBuffer::collect_bool(machine.length(&shape), |i| holds(pdg_id(ids.at(i))));
    Ok(Value::plain(Data::Booleans(result), shape))
}

fn has_quark(machine: &Machine<'_>, _: &Call, operands: &[Operation], span: Span) -> Result<Value, Fault> {
    let [id, flavour] = operands else { return Err(Fault::missing(span)) };
    let shape = machine.common_shape(operands)?;
    let (ids, flavours) = (machine.integers(id, &shape)?, machine.integers(flavour, &shape)?);
    let result = BooleanBuffer::collect_bool(machine.length(&shape), |i| {
        u32::try_from(flavours.at(i)).is_ok_and(|flavour| pdg_id(ids.at(i)).has_quark(flavour))
    });
    Ok(Value::plain(Data::Booleans(result), shape))
}
