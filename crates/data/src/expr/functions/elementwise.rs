//! Functions of one value at a time.

use arrow_buffer::BooleanBuffer;

use super::{Action, Function, Rest, Setting, UnitRule, function};
use crate::expr::broadcast::Operand;
use crate::expr::error::Fault;
use crate::expr::evaluate::{Machine, Operation};
use crate::expr::kernels;
use crate::expr::node::{Call, Span};
use crate::expr::value::{Content, Value};
use crate::expr::values::{Data, Kind};
use fiducial_physics::{functions as vector, units};

macro_rules! unary {
    ($f:expr) => {
        unary!(UnitRule::None, $f)
    };
    ($unit:expr, $f:expr) => {
        Action::Unary($unit, |values| values.iter_mut().for_each(|x| *x = $f(*x)))
    };
}

/// A loop over operands of one common length.
macro_rules! each {
    (|$($argument:ident),+| $body:expr) => {
        |operands, length| {
            let [$($argument),+] = operands else { return Vec::new() };
            (0..length).map(|i| { $(let $argument = $argument.at(i);)+ $body }).collect()
        }
    };
}
pub(super) use each;

pub(super) const MINIMUM: Action =
    Action::Numbers(each!(|a, b| kernels::minimum(a, b)), each!(|a, b| a.min(b)));
pub(super) const MAXIMUM: Action =
    Action::Numbers(each!(|a, b| kernels::maximum(a, b)), each!(|a, b| a.max(b)));

#[rustfmt::skip]
pub(super) static FUNCTIONS: &[Function] = &[
    function!("sqrt", ("x"), "square root", unary!(f64::sqrt)),
    function!("exp", ("x"), "e to the power x", Action::Unary(UnitRule::None, vector::exp)),
    function!("expm1", ("x"), "exp(x) - 1, exact near 0", unary!(f64::exp_m1)),
    function!("log", ("x"), "natural logarithm", Action::Unary(UnitRule::None, vector::log)),
    function!("log1p", ("x"), "log(1 + x), exact near 0", unary!(f64::ln_1p)),
    function!("log2", ("x"), "logarithm to base 2", unary!(f64::log2)),
    function!("log10", ("x"), "logarithm to base 10", unary!(f64::log10)),
    function!("sin", ("x"), "sine, x in radians", Action::Unary(UnitRule::None, vector::sin)),
    function!("cos", ("x"), "cosine, x in radians", Action::Unary(UnitRule::None, vector::cos)),
    function!("tan", ("x"), "tangent, x in radians", unary!(f64::tan)),
    function!("arcsin" ["asin"], ("x"), "inverse sine", unary!(f64::asin)),
    function!("arccos" ["acos"], ("x"), "inverse cosine", unary!(f64::acos)),
    function!("arctan" ["atan"], ("x"), "inverse tangent", unary!(f64::atan)),
    function!("arctan2" ["atan2"], ("y", "x"), "angle of the point (x, y), in [-pi, pi]",
        Action::Floats(UnitRule::Ratio, |operands, length| columns(operands, length, vector::arctan2))),
    function!("sinh", ("x"), "hyperbolic sine", unary!(f64::sinh)),
    function!("cosh", ("x"), "hyperbolic cosine", unary!(f64::cosh)),
    function!("tanh", ("x"), "hyperbolic tangent", unary!(f64::tanh)),
    function!("arcsinh" ["asinh"], ("x"), "inverse hyperbolic sine",
        Action::Unary(UnitRule::None, |values| vector::arcsinh(values, kernels::arcsinh))),
    function!("arccosh" ["acosh"], ("x"), "inverse hyperbolic cosine", unary!(f64::acosh)),
    function!("arctanh" ["atanh"], ("x"), "inverse hyperbolic tangent", unary!(f64::atanh)),
    function!("abs" ["absolute", "fabs"], ("x"), "absolute value", Action::One(absolute)),
    function!("sign", ("x"), "-1, 0 or 1; NaN of NaN", Action::One(sign)),
    function!("floor", ("x"), "largest whole number that is not above x, as a float", unary!(UnitRule::Same, f64::floor)),
    function!("ceil", ("x"), "smallest whole number that is not below x, as a float", unary!(UnitRule::Same, f64::ceil)),
    function!("hypot", ("x", "y"), "sqrt(x**2 + y**2) without overflow",
        Action::Floats(UnitRule::Same, |operands, length| columns(operands, length, vector::hypot))),
    function!("minimum", ("a", "b"), "the smaller value; NaN if one is NaN", MINIMUM),
    function!("maximum", ("a", "b"), "the larger value; NaN if one is NaN", MAXIMUM),
    function!("clip", ("x", "low", "high"), "x, not below low and not above high",
        Action::Numbers(each!(|x, low, high| kernels::minimum(kernels::maximum(x, low), high)),
            each!(|x, low, high| x.max(low).min(high)))),
    function!("in_unit", ("x"), Rest::Nothing, [("unit", Setting::Word(&units::NAMES))],
        "x, which has a unit, in another one of the same kind, such as \"MeV\", \"cm\" or \"ps\"", Action::One(|machine, call, x, span| in_unit(machine, call, &x, span))),
    function!("where", ("condition", "a", "b"), "a where the condition holds, else b", Action::Run(choose)),
    function!("isnan", ("x"), "whether x is NaN", Action::One(|m, _, x, _| test(m, &x, f64::is_nan))),
    function!("isfinite", ("x"), "whether x is neither NaN nor infinite",
        Action::One(|m, _, x, _| test(m, &x, f64::is_finite))),
    function!("ones_like", ("x"), "1.0 for each value of x", Action::One(|_, _, x, _| Ok(fill(&x, 1.0)))),
    function!("zeros_like", ("x"), "0.0 for each value of x", Action::One(|_, _, x, _| Ok(fill(&x, 0.0)))),
    function!("int", ("x"), "x as an integer: the part before the point; NaN and what is beyond 2^63 are errors",
        Action::One(integer)),
    function!("without_unit", ("x"), "x, of which the unit is forgotten", Action::One(|_, _, x, _| Ok(Value { unit: None, ..x.value }))),
];

/// A function of two columns; a number that stands for all becomes a column.
fn columns(operands: &[Operand<f64>], length: usize, function: fn(&[f64], &[f64], &mut [f64])) -> Vec<f64> {
    let [a, b] = operands else { return Vec::new() };
    let mut out = vec![0.0; length];
    function(&a.column(length), &b.column(length), &mut out);
    out
}

fn in_unit(machine: &Machine<'_>, call: &Call, x: &Operation, span: Span) -> Result<Value, Fault> {
    let wanted = call.word("unit");
    let Some(unit) = &x.value.unit else {
        let fault = Fault::new(span, "what has no unit cannot be given in another");
        return Err(fault.hint("multiply it by a number instead"));
    };
    let factor = units::factor(unit, wanted)
        .ok_or_else(|| Fault::new(span, format!("what is in {unit} cannot be given in {wanted}")))?;
    let shape = x.value.shape.clone();
    let values = machine.floats(x, &shape)?;
    let values: Vec<f64> = (0..machine.length(&shape)).map(|i| values.at(i) * factor).collect();
    Ok(Value::plain(Data::Numbers(values.into()), shape).with_unit(Some(wanted.into())))
}

fn absolute(machine: &Machine<'_>, _: &Call, x: Operation, _: Span) -> Result<Value, Fault> {
    if machine.kind(&x)? == Kind::Float {
        return machine.unary(x, |values| values.iter_mut().for_each(|x| *x = x.abs()));
    }
    machine.integer_unary(&x, "abs", i64::checked_abs)
}

fn sign(machine: &Machine<'_>, _: &Call, x: Operation, _: Span) -> Result<Value, Fault> {
    let mut signs = if machine.kind(&x)? == Kind::Float {
        machine.unary(x, |values| values.iter_mut().for_each(|x| *x = kernels::sign(*x)))?
    } else {
        machine.integer_unary(&x, "sign", |x| Some(x.signum()))?
    };
    signs.unit = None;
    Ok(signs)
}

fn choose(machine: &Machine<'_>, _: &Call, operands: &[Operation], span: Span) -> Result<Value, Fault> {
    let [condition, a, b] = operands else { return Err(Fault::missing(span)) };
    let shape = machine.common_shape(operands)?;
    let length = machine.length(&shape);
    let unit = machine.same_unit(&operands[1..], span)?;
    let condition = machine.booleans(condition, &shape)?;
    let data = match machine.kind(a)?.max(machine.kind(b)?) {
        Kind::Boolean => {
            let (a, b) = (machine.booleans(a, &shape)?, machine.booleans(b, &shape)?);
            Data::Booleans(&(&condition & &a) | &(&!&condition & &b))
        }
        Kind::Integer => {
            let (a, b) = (machine.integers(a, &shape)?, machine.integers(b, &shape)?);
            Data::Integers(select(&condition, &a, &b, length))
        }
        Kind::Float => {
            let (a, b) = (machine.floats(a, &shape)?, machine.floats(b, &shape)?);
            Data::Numbers(select(&condition, &a, &b, length))
        }
    };
    Ok(Value::plain(data, shape).with_unit(unit))
}

fn select<T: Copy + Default + arrow_buffer::ArrowNativeType>(
    condition: &BooleanBuffer,
    a: &Operand<T>,
    b: &Operand<T>,
    length: usize,
) -> arrow_buffer::ScalarBuffer<T> {
    (0..length).map(|i| if condition.value(i) { a.at(i) } else { b.at(i) }).collect()
}

fn test(machine: &Machine<'_>, x: &Operation, f: fn(f64) -> bool) -> Result<Value, Fault> {
    machine.kind(x)?;
    let length = x.value.content.len();
    let result = match &x.value.content {
        Content::Plain(Data::Numbers(numbers)) => BooleanBuffer::collect_bool(length, |i| f(numbers[i])),
        // No integer is NaN or infinite.
        _ => BooleanBuffer::collect_bool(length, |_| f(0.0)),
    };
    Ok(Value::plain(Data::Booleans(result), x.value.shape.clone()))
}

fn fill(x: &Operation, number: f64) -> Value {
    Value::plain(Data::Numbers(vec![number; x.value.content.len()].into()), x.value.shape.clone())
}

fn integer(machine: &Machine<'_>, _: &Call, x: Operation, _: Span) -> Result<Value, Fault> {
    /// The first float beyond the integers, 2^63.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    let shape = x.value.shape.clone();
    if machine.kind(&x)? != Kind::Float {
        return machine.integer_unary(&x, "int", Some);
    }
    let numbers = machine.floats(&x, &shape)?.into_values();
    if let Some(i) = numbers.iter().position(|x| !(-LIMIT..LIMIT).contains(x)) {
        return Err(machine.at_item(&shape, i, |row| {
            Fault::new(
                x.span,
                format!("{} is {} in row {row}, which is no integer", machine.source(x.span), numbers[i]),
            )
        }));
    }
    let integers = numbers.iter().map(|x| *x as i64).collect();
    Ok(Value::plain(Data::Integers(integers), shape).with_unit(x.value.unit))
}
