//! Functions of one value at a time.

use arrow_buffer::BooleanBuffer;

use super::{Action, Function, Rest, Setting, UnitRule, function};
use crate::expr::broadcast::Operand;
use crate::expr::error::Fault;
use crate::expr::evaluate::{Machine, Operation};
use crate::expr::kernels;
use crate::expr::node::{Call, Comparison, Operator, Span};
use crate::expr::value::{Content, Value};
use crate::expr::values::{Data, Kind};
use fiducial_physics::{functions as vector, units};

macro_rules! unary {
    ($f:expr) => {
        unary!(UnitRule::None, $f)
    };
    ($unit:expr, $f:expr) => {
        Action::Unary($unit, |values| {
            kernels::vectorised(
                #[inline(always)]
                || values.iter_mut().for_each(|x| *x = $f(*x)),
            );
        })
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
    function!("cbrt", ("x"), "cube root", unary!(f64::cbrt)),
    function!("square", ("x"), "x * x", Action::One(square)),
    function!("power" ["pow"], ("x", "y"), "`x**y`",
        Action::Run(|machine, _, operands, span| machine.binary(Operator::Power, pair(operands, span)?, span))),
    function!("exp", ("x"), "e to the power x", Action::Unary(UnitRule::None, vector::exp)),
    function!("expm1", ("x"), "exp(x) - 1, exact near 0", unary!(f64::exp_m1)),
    function!("exp2", ("x"), "2 to the power x", unary!(f64::exp2)),
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
    function!("radians" ["deg2rad"], ("x"), "x in degrees as radians", unary!(f64::to_radians)),
    function!("degrees" ["rad2deg"], ("x"), "x in radians as degrees", unary!(f64::to_degrees)),
    function!("sinh", ("x"), "hyperbolic sine", Action::Unary(UnitRule::None, vector::sinh)),
    function!("cosh", ("x"), "hyperbolic cosine", Action::Unary(UnitRule::None, vector::cosh)),
    function!("tanh", ("x"), "hyperbolic tangent", unary!(f64::tanh)),
    function!("arcsinh" ["asinh"], ("x"), "inverse hyperbolic sine",
        Action::Unary(UnitRule::None, |values| vector::arcsinh(values, kernels::arcsinh))),
    function!("arccosh" ["acosh"], ("x"), "inverse hyperbolic cosine", unary!(f64::acosh)),
    function!("arctanh" ["atanh"], ("x"), "inverse hyperbolic tangent", unary!(f64::atanh)),
    function!("abs" ["absolute", "fabs"], ("x"), "absolute value", Action::One(absolute)),
    function!("sign", ("x"), "-1, 0 or 1; NaN of NaN", Action::One(sign)),
    function!("floor", ("x"), "largest whole number that is not above x, as a float", unary!(UnitRule::Same, f64::floor)),
    function!("ceil", ("x"), "smallest whole number that is not below x, as a float", unary!(UnitRule::Same, f64::ceil)),
    function!("round" ["rint", "around"], ("x"), "the nearest whole number, the even one of two, as a float",
        unary!(UnitRule::Same, f64::round_ties_even)),
    function!("trunc" ["fix"], ("x"), "x without what stands behind the point, as a float", unary!(UnitRule::Same, f64::trunc)),
    function!("hypot", ("x", "y"), "sqrt(x**2 + y**2) without overflow",
        Action::Floats(UnitRule::Same, |operands, length| columns(operands, length, vector::hypot))),
    function!("minimum", ("a", "b"), "the smaller value; NaN if one is NaN", MINIMUM),
    function!("maximum", ("a", "b"), "the larger value; NaN if one is NaN", MAXIMUM),
    function!("clip", ("x", "low", "high"), "x, not below low and not above high",
        Action::Numbers(each!(|x, low, high| kernels::minimum(kernels::maximum(x, low), high)),
            each!(|x, low, high| x.max(low).min(high)))),
    function!("in_unit", ("x"), Rest::Nothing, [("unit", Setting::Word(&units::NAMES))],
        "x, which has a unit, in another one of the same kind, such as \"MeV\", \"cm\" or \"ps\"", Action::One(|machine, call, x, span| in_unit(machine, call, &x, span))),
    function!("where", ("condition", "a", "b"), "a where the condition holds (or an integer is not 0), else b", Action::Run(choose)),
    function!("logical_and", ("a", "b"), "`a & b`, where a number that is not 0 counts as true",
        Action::Run(|machine, _, operands, span| logic(machine, Operator::And, operands, span))),
    function!("logical_or", ("a", "b"), "`a | b`, in the same way",
        Action::Run(|machine, _, operands, span| logic(machine, Operator::Or, operands, span))),
    function!("logical_not", ("x"), "`~x`, in the same way", Action::One(|machine, _, x, span| machine.not(&truth(machine, &x, span)?))),
    function!("bitwise_and", ("x", "y"), "the bits that two integers share: `bitwise_and(x, 2) != 0` asks for the second one",
        Action::Run(|machine, _, operands, span| bits(machine, operands, span, |x, y| Some(x & y)))),
    function!("bitwise_or", ("x", "y"), "the bits that one of two integers has",
        Action::Run(|machine, _, operands, span| bits(machine, operands, span, |x, y| Some(x | y)))),
    function!("bitwise_xor", ("x", "y"), "the bits in which two integers differ",
        Action::Run(|machine, _, operands, span| bits(machine, operands, span, |x, y| Some(x ^ y)))),
    function!("left_shift", ("x", "n"), "an integer with its bits n places higher",
        Action::Run(|machine, _, operands, span| bits(machine, operands, span, |x, n| {
            let shifted = x.checked_shl(u32::try_from(n).ok()?)?;
            (shifted >> n == x).then_some(shifted)
        }))),
    function!("right_shift", ("x", "n"), "an integer with its bits n places lower",
        Action::Run(|machine, _, operands, span| bits(machine, operands, span, |x, n| x.checked_shr(u32::try_from(n).ok()?)))),
    function!("isnan", ("x"), "whether x is NaN", Action::One(|m, _, x, _| test(m, &x, f64::is_nan))),
    function!("isfinite", ("x"), "whether x is neither NaN nor infinite",
        Action::One(|m, _, x, _| test(m, &x, f64::is_finite))),
    function!("isinf", ("x"), "whether x is infinite", Action::One(|m, _, x, _| test(m, &x, f64::is_infinite))),
    function!("nan_to_num", ("x"), Rest::Nothing, [("nan", Setting::Number("0")), ("posinf", Setting::Number("1.7976931348623157e308")),
        ("neginf", Setting::Number("-1.7976931348623157e308"))],
        "x with numbers in the place of NaN and infinities", Action::One(nan_to_num)),
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

/// Two operands.
fn pair(operands: &[Operation], span: Span) -> Result<[Operation; 2], Fault> {
    <[Operation; 2]>::try_from(operands.to_vec()).map_err(|_| Fault::missing(span))
}

fn square(machine: &Machine<'_>, _: &Call, x: Operation, span: Span) -> Result<Value, Fault> {
    machine.binary(Operator::Multiply, [x.clone(), x], span)
}

/// What is no boolean counts as true where it is not 0, as in NumPy's functions, not its operators.
fn truth(machine: &Machine<'_>, x: &Operation, span: Span) -> Result<Operation, Fault> {
    if machine.kind(x)? == Kind::Boolean {
        return Ok(x.clone());
    }
    // Zero has no unit.
    let x = Operation { value: Value { unit: None, ..x.value.clone() }, span: x.span };
    let zero = Operation { value: Value::integer(0), span };
    let value = machine.compare(&[Comparison::NotEqual], vec![x, zero], span)?;
    Ok(Operation { value, span })
}

fn logic(
    machine: &Machine<'_>,
    operator: Operator,
    operands: &[Operation],
    span: Span,
) -> Result<Value, Fault> {
    let [a, b] = pair(operands, span)?;
    machine.binary(operator, [truth(machine, &a, span)?, truth(machine, &b, span)?], span)
}

/// A function of the bits of integers; where it gives none, the number of places is not one of 64 or bits would be lost.
fn bits(
    machine: &Machine<'_>,
    operands: &[Operation],
    span: Span,
    f: impl Fn(i64, i64) -> Option<i64>,
) -> Result<Value, Fault> {
    let [x, y] = operands else { return Err(Fault::missing(span)) };
    let shape = machine.common_shape(operands)?;
    let (x, y) = (machine.integers(x, &shape)?, machine.integers(y, &shape)?);
    let mut result = Vec::with_capacity(machine.length(&shape));
    for i in 0..machine.length(&shape) {
        result.push(f(x.at(i), y.at(i)).ok_or_else(|| {
            machine.at_item(&shape, i, |row| {
                Fault::new(
                    span,
                    format!("the bits of {} in row {row} cannot be moved by {}", x.at(i), y.at(i)),
                )
            })
        })?);
    }
    Ok(Value::plain(Data::Integers(result.into()), shape))
}

fn nan_to_num(machine: &Machine<'_>, call: &Call, x: Operation, _: Span) -> Result<Value, Fault> {
    let [nan, positive, negative] = ["nan", "posinf", "neginf"].map(|name| call.number(name));
    let replaced = |x: f64| match x {
        f64::INFINITY => positive,
        f64::NEG_INFINITY => negative,
        x if x.is_nan() => nan,
        x => x,
    };
    if machine.kind(&x)? < Kind::Float {
        return Ok(x.value);
    }
    machine.unary(x, |values| values.iter_mut().for_each(|x| *x = replaced(*x)))
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
    let condition = match machine.kind(condition)? {
        // As in NumPy, integers that are flags are conditions too.
        Kind::Integer => machine.booleans(&truth(machine, condition, condition.span)?, &shape)?,
        _ => machine.booleans(condition, &shape)?,
    };
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
