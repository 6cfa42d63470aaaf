//! Functions of four-vectors, and of their coordinates.

use std::borrow::Cow;
use std::sync::Arc;

use super::elementwise::each;
use super::per_list::{common_unit, each_item};
use super::{Action, Function, Rest, Setting, UnitRule, function};
use crate::expr::broadcast::Operand;
use crate::expr::error::Fault;
use crate::expr::evaluate::{Machine, Operation};
use crate::expr::fields::quantity_of;
use crate::expr::four_vectors::{FourVectors, Quantity, View};
use crate::expr::node::{Call, Span};
use crate::expr::value::{Content, Fields, Named, Record, Unit, Value};
use crate::expr::values::{Data, Shape};
use fiducial_physics::four_vector::{self, FourVector, mt2, transverse_mass};

/// A quantity of four-vectors.
macro_rules! quantity {
    ($quantity:ident) => {
        Action::One(|machine, _, v, _| quantity(machine, &v, Quantity::$quantity))
    };
}

#[rustfmt::skip]
pub(super) static FUNCTIONS: &[Function] = &[
    function!("p4" ["vector.zip", "Momentum4D"], (), Rest::Named, [],
        "four-vectors of px, py or pt, phi; pz, eta or y; E or mass; any other name is a field that they carry",
        Action::Run(p4)),
    function!("pt", ("v"), "transverse momentum", quantity!(Pt)),
    function!("pt", ("px", "py"), "transverse momentum",
        Action::Floats(UnitRule::Same, |operands, length| columns(operands, length, |[px, py]| four_vector::pt(px, py)))),
    function!("phi", ("v"), "azimuthal angle, in (-pi, pi]", quantity!(Phi)),
    function!("phi", ("px", "py"), "azimuthal angle, in (-pi, pi]",
        Action::Floats(UnitRule::Ratio, |operands, length| columns(operands, length, |[px, py]| four_vector::phi(px, py)))),
    function!("eta", ("v"), "pseudorapidity", quantity!(Eta)),
    function!("eta", ("px", "py", "pz"), "pseudorapidity",
        Action::Floats(UnitRule::Ratio, |operands, length| columns(operands, length, |[px, py, pz]| four_vector::eta(px, py, pz)))),
    function!("rapidity", ("v"), "rapidity along the beam", quantity!(Rapidity)),
    function!("rapidity", ("e", "pz"), "rapidity along the beam",
        Action::Floats(UnitRule::Ratio, each!(|e, pz| fiducial_physics::rapidity(e, pz)))),
    function!("mass", ("v"), "invariant mass; negative where space-like", quantity!(Mass)),
    function!("mass", ("px", "py", "pz", "e"), "invariant mass; negative where space-like",
        Action::Floats(UnitRule::Same, each!(|px, py, pz, e| fiducial_physics::mass(px, py, pz, e)))),
    function!("energy", ("v"), "energy", quantity!(E)),
    function!("invariant_mass", ("v"), Rest::Positional, [],
        "mass of the sum of all arguments", Action::Run(invariant_mass)),
    function!("transverse_mass", ("v", "w"),
        "transverse mass of two, `sqrt((Et1 + Et2)**2 - |pt1 + pt2|**2)`", Action::Run(|machine, _, operands, span| {
            pairs(machine, operands, span, transverse_mass)
        })),
    function!("delta_phi", ("a", "b"), "difference a - b of two angles, or of those of four-vectors, in (-pi, pi]",
        Action::Run(delta_phi)),
    function!("delta_r", ("v", "w"), "distance of two four-vectors in the plane of eta and phi", Action::Run(delta_r)),
    function!("delta_r", ("eta1", "phi1", "eta2", "phi2"), "distance in the plane of eta and phi",
        Action::Floats(UnitRule::Ratio, |operands, length| {
            columns(operands, length, |[eta1, phi1, eta2, phi2]| four_vector::delta_r(eta1, phi1, eta2, phi2))
        })),
    function!("boost", ("v", "w"), "v boosted by the velocity of w: from where w rests to where it has its momentum",
        Action::Run(|machine, _, operands, span| boost(machine, operands, span, 1.0))),
    function!("rest_frame", ("v", "w"), "v as it is seen from where w rests",
        Action::Run(|machine, _, operands, span| boost(machine, operands, span, -1.0))),
    function!("rotate", ("v", "angle"), Rest::Nothing, [("axis", Setting::Word(&["z", "x", "y"]))],
        "v turned around the axis \"x\", \"y\" or \"z\", counter-clockwise when it points at the observer",
        Action::Run(rotate)),
    function!("rotate", ("v", "angle", "x", "y", "z"), "v turned around the axis (x, y, z)", Action::Run(rotate)),
    function!("dot", ("v", "w"), "product of two four-vectors, `E1 E2 - p1 p2`", Action::Run(|machine, _, operands, span| {
        pairs(machine, operands, span, FourVector::dot).map(|value| value.with_unit(None))
    })),
    function!("angle", ("v", "w"), "angle between the momenta of two four-vectors", Action::Run(|machine, _, operands, span| {
        pairs(machine, operands, span, FourVector::angle).map(|value| value.with_unit(None))
    })),
    function!("mt2", ("v", "w", "missing"), Rest::Nothing,
        [("invisible_a", Setting::Number("0")), ("invisible_b", Setting::Number("0"))],
        "stransverse mass of two visible systems and the missing transverse momentum, a four-vector of which px and py count, with the masses of the invisible particles",
        Action::Run(stransverse_mass)),
];

/// The coordinates that make a vector, for each of the three parts, with how many they are.
const AZIMUTH: [&[Quantity]; 2] = [&[Quantity::Pt, Quantity::Phi], &[Quantity::Px, Quantity::Py]];
const LONGITUDE: [&[Quantity]; 3] = [&[Quantity::Pz], &[Quantity::Eta], &[Quantity::Rapidity]];
const ENERGY: [&[Quantity]; 2] = [&[Quantity::E], &[Quantity::Mass]];

/// Four of some quantities that make a four-vector; none where they are not enough.
pub(in crate::expr) fn native_of(known: &[Quantity]) -> Option<[Quantity; 4]> {
    let complete = |choices: &[&'static [Quantity]]| {
        choices.iter().copied().find(|choice| choice.iter().all(|quantity| known.contains(quantity)))
    };
    let (Some([a, b]), Some([c]), Some([d])) = (complete(&AZIMUTH), complete(&LONGITUDE), complete(&ENERGY))
    else {
        return None;
    };
    Some([*a, *b, *c, *d])
}

fn p4(machine: &Machine<'_>, call: &Call, operands: &[Operation], span: Span) -> Result<Value, Fault> {
    let shape = machine.common_shape(operands)?;
    let mut coordinates: Vec<(Quantity, &Operation)> = Vec::new();
    let mut named = Vec::new();
    for (name, operand) in call.names.iter().zip(operands) {
        match Quantity::of(name) {
            Some(Quantity::P | Quantity::Mt | Quantity::Et) => {
                let message =
                    format!("`{name}` does not make a four-vector, and is no free name for a field");
                return Err(Fault::new(operand.span, message));
            }
            Some(quantity) => coordinates.push((quantity, operand)),
            None => named.push(Named {
                name: name.clone(),
                content: machine.spread(operand, &shape),
                unit: operand.value.unit.clone(),
            }),
        }
    }
    let known: Vec<Quantity> = coordinates.iter().map(|(quantity, _)| *quantity).collect();
    let Some(native) = native_of(&known).filter(|_| known.len() == 4) else {
        return Err(Fault::new(
            span,
            "a four-vector is made of px, py or pt, phi; of pz, eta or y; and of E or mass: one of each",
        )
        .hint("a massless one is `p4(pt=..., eta=..., phi=..., mass=0)`"));
    };
    let momenta = coordinates.iter().filter(|(quantity, _)| quantity.is_momentum());
    let unit = machine.same_unit(momenta.map(|(_, operand)| *operand), span)?;
    let column = |quantity: Quantity| {
        let operand = coordinates.iter().find(|(known, _)| *known == quantity).map(|(_, operand)| *operand);
        let operand = operand.ok_or_else(|| Fault::missing(span))?;
        machine.check_exact(operand)?;
        machine.data(operand)?;
        match machine.spread(operand, &shape) {
            Content::Plain(data) => Ok(data.floats()),
            Content::Record(_) => Err(Fault::missing(span)),
        }
    };
    let [a, b, c, d] = native.map(column);
    let vector = Arc::new(FourVectors::new(native, [a?, b?, c?, d?]));
    let mut fields = Fields::of_named(vector.len(), named);
    (fields.vector, fields.unit) = (Some(vector), unit);
    Ok(Value {
        content: Content::Record(Record { fields: Arc::new(fields), index: None }),
        shape,
        unit: None,
    })
}

fn quantity(machine: &Machine<'_>, v: &Operation, quantity: Quantity) -> Result<Value, Fault> {
    let shape = v.value.shape.clone();
    let (view, unit) = machine.vectors(v, &shape)?;
    Ok(quantity_of(&view, quantity, shape, &unit))
}

/// Two operands as vectors of one shape, with the unit of their momenta.
fn two(
    machine: &Machine<'_>,
    operands: &[Operation],
    span: Span,
) -> Result<(View, View, Shape, Unit), Fault> {
    let [v, w] = operands else { return Err(Fault::missing(span)) };
    let shape = machine.common_shape(operands)?;
    let ((a, ua), (b, ub)) = (machine.vectors(v, &shape)?, machine.vectors(w, &shape)?);
    let unit = machine.unit_of_vectors([(v, &ua), (w, &ub)], span)?;
    Ok((a, b, shape, unit))
}

fn pairs(
    machine: &Machine<'_>,
    operands: &[Operation],
    span: Span,
    f: impl Fn(FourVector, FourVector) -> f64,
) -> Result<Value, Fault> {
    let (a, b, shape, unit) = two(machine, operands, span)?;
    let numbers = a.vectors().into_iter().zip(b.vectors()).map(|(a, b)| f(a, b)).collect();
    Ok(Value::plain(Data::Numbers(numbers), shape).with_unit(unit))
}

fn invariant_mass(
    machine: &Machine<'_>,
    _: &Call,
    operands: &[Operation],
    span: Span,
) -> Result<Value, Fault> {
    let shape = machine.common_shape(operands)?;
    let mut terms = operands.iter();
    let Some(first) = terms.next() else { return Err(Fault::missing(span)) };
    let (mut sum, mut unit) = machine.vectors(first, &shape)?;
    for term in terms {
        let (view, other) = machine.vectors(term, &shape)?;
        unit = machine.unit_of_vectors([(first, &unit), (term, &other)], span)?;
        sum = View { base: Arc::new(FourVectors::sum(sum, view, false)), index: None };
    }
    Ok(quantity_of(&sum, Quantity::Mass, shape, &unit))
}

fn delta_phi(machine: &Machine<'_>, _: &Call, operands: &[Operation], span: Span) -> Result<Value, Fault> {
    let [a, b] = operands else { return Err(Fault::missing(span)) };
    let shape = machine.common_shape(operands)?;
    if machine.is_vector(a) || machine.is_vector(b) {
        let (a, b, shape, _) = two(machine, operands, span)?;
        let (a, b) = (a.column(Quantity::Phi), b.column(Quantity::Phi));
        return Ok(plain(four_vector::delta_phi(&a, &b), shape));
    }
    machine.same_unit(operands, span)?;
    let (a, b) = (machine.floats(a, &shape)?, machine.floats(b, &shape)?);
    let length = machine.length(&shape);
    Ok(plain(four_vector::delta_phi(&a.column(length), &b.column(length)), shape))
}

fn delta_r(machine: &Machine<'_>, _: &Call, operands: &[Operation], span: Span) -> Result<Value, Fault> {
    let (a, b, shape, _) = two(machine, operands, span)?;
    let [eta1, phi1] = [Quantity::Eta, Quantity::Phi].map(|quantity| a.column(quantity));
    let [eta2, phi2] = [Quantity::Eta, Quantity::Phi].map(|quantity| b.column(quantity));
    Ok(plain(four_vector::delta_r(&eta1, &phi1, &eta2, &phi2), shape))
}

/// Columns of one shape have one length, so that nothing is refused here.
fn plain(numbers: Result<Vec<f64>, fiducial_physics::Error>, shape: Shape) -> Value {
    Value::plain(Data::Numbers(numbers.unwrap_or_default().into()), shape)
}

/// A kernel of columns; a number that stands for all becomes a column.
fn columns<const N: usize>(
    operands: &[Operand<f64>],
    length: usize,
    kernel: impl Fn([&[f64]; N]) -> Result<Vec<f64>, fiducial_physics::Error>,
) -> Vec<f64> {
    let columns: Vec<Cow<'_, [f64]>> = operands.iter().map(|operand| operand.column(length)).collect();
    let columns: Vec<&[f64]> = columns.iter().map(AsRef::as_ref).collect();
    <[&[f64]; N]>::try_from(columns)
        .map_or_else(|_| Vec::new(), |columns| kernel(columns).unwrap_or_default())
}

fn boost(machine: &Machine<'_>, operands: &[Operation], span: Span, sign: f64) -> Result<Value, Fault> {
    let [v, w] = operands else { return Err(Fault::missing(span)) };
    // The frame's unit does not matter: a velocity has none.
    let shape = machine.common_shape(operands)?;
    let ((v, unit), (w, _)) = (machine.vectors(v, &shape)?, machine.vectors(w, &shape)?);
    let boosted = v.vectors().into_iter().zip(w.vectors());
    let boosted: Vec<FourVector> =
        boosted.map(|(v, w)| v.boosted(w.velocity().map(|component| sign * component))).collect();
    Ok(Value::vectors(FourVectors::collect(&boosted), shape, unit))
}

fn rotate(machine: &Machine<'_>, call: &Call, operands: &[Operation], span: Span) -> Result<Value, Fault> {
    let Some((v, numbers)) = operands.split_first() else { return Err(Fault::missing(span)) };
    let shape = machine.common_shape(operands)?;
    let (view, unit) = machine.vectors(v, &shape)?;
    let numbers = numbers.iter().map(|x| machine.floats(x, &shape)).collect::<Result<Vec<_>, _>>()?;
    let turned: Vec<FourVector> = view
        .vectors()
        .into_iter()
        .enumerate()
        .map(|(i, v)| match &numbers[..] {
            [angle, x, y, z] => v.rotated([x.at(i), y.at(i), z.at(i)], angle.at(i)),
            numbers => {
                let axis = match call.word("axis") {
                    "x" => [1.0, 0.0, 0.0],
                    "y" => [0.0, 1.0, 0.0],
                    _ => [0.0, 0.0, 1.0],
                };
                v.rotated(axis, numbers.first().map_or(0.0, |angle| angle.at(i)))
            }
        })
        .collect();
    Ok(Value::vectors(FourVectors::collect(&turned), shape, unit))
}

fn stransverse_mass(
    machine: &Machine<'_>,
    call: &Call,
    operands: &[Operation],
    span: Span,
) -> Result<Value, Fault> {
    let shape = machine.common_shape(operands)?;
    let mut columns = Vec::new();
    let mut units = Vec::new();
    for operand in operands {
        let (view, unit) = machine.vectors(operand, &shape)?;
        columns.push(view.vectors());
        units.push(unit);
    }
    let unit = common_unit(machine, operands, &units, span)?;
    let [a, b, missing] = &columns[..] else { return Err(Fault::missing(span)) };
    let (invisible_a, invisible_b) = (call.number("invisible_a"), call.number("invisible_b"));
    let rows: Vec<usize> = (0..machine.length(&shape)).collect();
    let masses = each_item(machine, &shape, span, &rows, |i| {
        mt2(a[*i], b[*i], [missing[*i].px, missing[*i].py], invisible_a, invisible_b)
    })?;
    Ok(Value::plain(Data::Numbers(masses.into()), shape).with_unit(unit))
}
