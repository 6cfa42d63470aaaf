//! Arithmetic, comparisons and logic.

use std::ops::Range;

use arrow_buffer::{ArrowNativeType, BooleanBuffer, Buffer, ScalarBuffer};

use super::broadcast::Operand;
use super::error::Fault;
use super::evaluate::{Machine, Operation};
use super::four_vectors::{CARTESIAN, FourVectors};
use super::kernels::{self, vectorised};
use super::node::{Comparison, Operator, Span};
use super::value::{Content, Unit, Value};
use super::values::{Data, Kind, Shape};

impl Machine<'_> {
    pub(super) fn binary(
        &self,
        operator: Operator,
        pair: [Operation; 2],
        span: Span,
    ) -> Result<Value, Fault> {
        let shape = self.common_shape(&pair)?;
        if let Operator::And | Operator::Or = operator {
            let [a, b] = &pair;
            let (a, b) = (self.booleans(a, &shape)?, self.booleans(b, &shape)?);
            let result = if operator == Operator::And { &a & &b } else { &a | &b };
            return Ok(Value::plain(Data::Booleans(result), shape));
        }
        if pair
            .iter()
            .any(|operand| matches!(&operand.value.content, Content::Record(r) if r.fields.vector.is_some()))
        {
            return self.vector_arithmetic(operator, &pair, shape, span);
        }
        let unit = self.unit_of(operator, &pair, span)?;
        let kind = self.kind(&pair[0])?.max(self.kind(&pair[1])?);
        let stays_whole = !matches!(operator, Operator::Divide | Operator::Power);
        if kind < Kind::Float && stays_whole {
            return Ok(self.integer_arithmetic(operator, &pair, shape, span)?.with_unit(unit));
        }
        let [a, b] = pair;
        let (a, b) = (self.take_floats(a, &shape)?, self.take_floats(b, &shape)?);
        let numbers = match operator {
            Operator::Add => combine(a, b, |a, b| a + b),
            Operator::Subtract => combine(a, b, |a, b| a - b),
            Operator::Multiply => combine(a, b, |a, b| a * b),
            Operator::Divide => combine(a, b, |a, b| a / b),
            Operator::FloorDivide => combine(a, b, kernels::floor_divide),
            Operator::Remainder => match b.constant() {
                Some(divisor) if divisor > 0.0 => {
                    let mut rest = owned(a.into_values()).unwrap_or_else(|a| a.to_vec());
                    fiducial_physics::functions::remainder(&mut rest, divisor, |a| {
                        kernels::remainder(a, divisor)
                    });
                    rest.into()
                }
                _ => combine(a, b, kernels::remainder),
            },
            // A square is one multiplication, without a call.
            _ if b.constant() == Some(2.0) => combine(a, b, |a, _| a * a),
            _ => combine(a, b, kernels::power),
        };
        Ok(Value::plain(Data::Numbers(numbers), shape).with_unit(unit))
    }

    /// What unit a result has: that of both terms of a sum, and of the one factor that has one.
    fn unit_of(&self, operator: Operator, pair: &[Operation; 2], span: Span) -> Result<Unit, Fault> {
        let [a, b] = pair.each_ref().map(|operand| &operand.value.unit);
        Ok(match operator {
            Operator::Add | Operator::Subtract | Operator::Remainder => self.same_unit(pair, span)?,
            Operator::Multiply if a.is_none() => b.clone(),
            Operator::Multiply | Operator::Divide | Operator::FloorDivide if b.is_none() => a.clone(),
            _ => None,
        })
    }

    fn integer_arithmetic(
        &self,
        operator: Operator,
        pair: &[Operation; 2],
        shape: Shape,
        span: Span,
    ) -> Result<Value, Fault> {
        let (a, b) = (self.integers(&pair[0], &shape)?, self.integers(&pair[1], &shape)?);
        let length = self.length(&shape);
        let checked: fn(i64, i64) -> Option<i64> = match operator {
            Operator::Add => i64::checked_add,
            Operator::Subtract => i64::checked_sub,
            Operator::Multiply => i64::checked_mul,
            Operator::FloorDivide => kernels::integer_floor_divide,
            _ => kernels::integer_remainder,
        };
        let (result, wrong) = match operator {
            Operator::Add => integers(&a, &b, length, i64::overflowing_add),
            Operator::Subtract => integers(&a, &b, length, i64::overflowing_sub),
            Operator::Multiply => integers(&a, &b, length, i64::overflowing_mul),
            _ => integers(&a, &b, length, |a, b| match checked(a, b) {
                Some(result) => (result, false),
                None => (0, true),
            }),
        };
        if !wrong {
            return Ok(Value::plain(Data::Integers(result.into()), shape));
        }
        let item = (0..length).find(|i| checked(a.at(*i), b.at(*i)).is_none()).unwrap_or(0);
        Err(self.at_item(&shape, item, |row| {
            let (a, b, symbol) = (a.at(item), b.at(item), operator.symbol());
            let message = if b == 0 {
                format!("{a} {symbol} 0 in row {row} is no integer")
            } else {
                format!("{a} {symbol} {b} in row {row} is beyond the largest integer")
            };
            Fault::new(span, message).hint("with a float it can be computed: `1.0 * x`")
        }))
    }

    /// Sums and differences of four-vectors, and their products with numbers.
    fn vector_arithmetic(
        &self,
        operator: Operator,
        pair: &[Operation; 2],
        shape: Shape,
        span: Span,
    ) -> Result<Value, Fault> {
        let record = |operand: &Operation| match self.spread(operand, &shape) {
            Content::Record(record) => record.view().map(|view| (view, record.fields.unit.clone())),
            Content::Plain(_) => None,
        };
        match (operator, record(&pair[0]), record(&pair[1])) {
            (Operator::Add | Operator::Subtract, Some((a, ua)), Some((b, ub))) => {
                let unit = self.unit_of_vectors([(&pair[0], &ua), (&pair[1], &ub)], span)?;
                Ok(Value::vectors(FourVectors::sum(a, b, operator == Operator::Subtract), shape, unit))
            }
            (Operator::Multiply, Some((v, unit)), None) => {
                self.scaled(&v, &pair[1], unit, shape, |x, f| x * f)
            }
            (Operator::Multiply, None, Some((v, unit))) => {
                self.scaled(&v, &pair[0], unit, shape, |x, f| x * f)
            }
            (Operator::Divide, Some((v, unit)), None) => self.scaled(&v, &pair[1], unit, shape, |x, f| x / f),
            (_, a, b) => {
                let name = |has: bool| if has { "a four-vector" } else { "numbers" };
                let (a, b) = (name(a.is_some()), name(b.is_some()));
                Err(Fault::new(span, format!("`{}` does not work on {a} and {b}", operator.symbol()))
                    .hint("four-vectors are added and subtracted among each other, multiplied and divided by numbers"))
            }
        }
    }

    /// The unit that the momenta of two four-vectors have, as far as it is known.
    pub(super) fn unit_of_vectors(
        &self,
        [(a, ua), (b, ub)]: [(&Operation, &Unit); 2],
        span: Span,
    ) -> Result<Unit, Fault> {
        match (ua, ub) {
            (Some(x), Some(y)) if x != y => {
                let (left, right) = (self.source(a.span), self.source(b.span));
                Err(Fault::new(span, format!("{left} is in {x} and {right} in {y}")))
            }
            (Some(_), _) => Ok(ua.clone()),
            (None, _) => Ok(ub.clone()),
        }
    }

    fn scaled(
        &self,
        vectors: &super::four_vectors::View,
        factor: &Operation,
        unit: Unit,
        shape: Shape,
        f: impl Fn(f64, f64) -> f64,
    ) -> Result<Value, Fault> {
        let factor = self.floats(factor, &shape)?;
        let columns = CARTESIAN.map(|quantity| {
            let column = vectors.column(quantity);
            column.iter().enumerate().map(|(i, x)| f(*x, factor.at(i))).collect::<ScalarBuffer<f64>>()
        });
        Ok(Value::vectors(FourVectors::new(CARTESIAN, columns), shape, unit))
    }

    pub(super) fn not(&self, x: &Operation) -> Result<Value, Fault> {
        let shape = x.value.shape.clone();
        let booleans = self.booleans(x, &shape)?;
        Ok(Value::plain(Data::Booleans(!&booleans), shape))
    }

    pub(super) fn negate(&self, x: Operation) -> Result<Value, Fault> {
        if let Content::Record(record) = &x.value.content
            && let Some(view) = record.view()
        {
            let minus = Operation { value: Value::integer(-1), span: x.span };
            let shape = x.value.shape.clone();
            return self.scaled(&view, &minus, record.fields.unit.clone(), shape, |x, f| x * f);
        }
        if self.kind(&x)? == Kind::Float {
            return self.unary(x, |values| values.iter_mut().for_each(|x| *x = -*x));
        }
        self.integer_unary(&x, "-", i64::checked_neg)
    }

    /// Applies `f` in place where the memory is not shared, else on a copy. The unit stays.
    pub(super) fn unary(&self, x: Operation, f: impl FnOnce(&mut [f64])) -> Result<Value, Fault> {
        let (shape, unit) = (x.value.shape.clone(), x.value.unit.clone());
        let mut numbers = Vec::from(self.take_floats(x, &shape)?.into_values());
        f(&mut numbers);
        Ok(Value::plain(Data::Numbers(numbers.into()), shape).with_unit(unit))
    }

    /// Applies `f` to integers; where it gives none the result would be beyond the largest integer.
    pub(super) fn integer_unary(
        &self,
        x: &Operation,
        name: &str,
        f: impl Fn(i64) -> Option<i64>,
    ) -> Result<Value, Fault> {
        let Operation { value: Value { shape, unit, .. }, span } = x;
        let operand = self.integers(x, shape)?.into_values();
        let mut result = Vec::with_capacity(operand.len());
        for (i, value) in operand.iter().enumerate() {
            result.push(f(*value).ok_or_else(|| {
                self.at_item(shape, i, |row| {
                    Fault::new(*span, format!("{name} of {value} in row {row} is beyond the largest integer"))
                })
            })?);
        }
        Ok(Value::plain(Data::Integers(result.into()), shape.clone()).with_unit(unit.clone()))
    }

    pub(super) fn compare(
        &self,
        chain: &[Comparison],
        operations: Vec<Operation>,
        span: Span,
    ) -> Result<Value, Fault> {
        let shape = self.common_shape(&operations)?;
        let length = self.length(&shape);
        self.same_unit(&operations, span)?;
        let mut kind = Kind::Boolean;
        for operation in &operations {
            kind = kind.max(self.kind(operation)?);
        }
        let result = if kind == Kind::Float {
            let operands = operations.into_iter().map(|o| self.take_floats(o, &shape));
            compare_all(chain, &operands.collect::<Result<Vec<_>, _>>()?, length)
        } else {
            let operands = operations.iter().map(|o| self.integers(o, &shape));
            compare_all(chain, &operands.collect::<Result<Vec<_>, _>>()?, length)
        };
        Ok(Value::plain(Data::Booleans(result), shape))
    }
}

/// Whether all neighbours compare as the chain says.
fn compare_all<T: ArrowNativeType + PartialOrd>(
    chain: &[Comparison],
    operands: &[Operand<T>],
    length: usize,
) -> BooleanBuffer {
    let mut result: Option<BooleanBuffer> = None;
    for (comparison, pair) in chain.iter().zip(operands.windows(2)) {
        let [a, b] = pair else { continue };
        let this = match comparison {
            Comparison::Less => compare_pair(a, b, length, |a, b| a < b),
            Comparison::LessEqual => compare_pair(a, b, length, |a, b| a <= b),
            Comparison::Greater => compare_pair(a, b, length, |a, b| a > b),
            Comparison::GreaterEqual => compare_pair(a, b, length, |a, b| a >= b),
            Comparison::Equal => compare_pair(a, b, length, |a, b| a == b),
            Comparison::NotEqual => compare_pair(a, b, length, |a, b| a != b),
        };
        result = Some(match result {
            None => this,
            Some(earlier) => &earlier & &this,
        });
    }
    result.unwrap_or_else(|| BooleanBuffer::new_set(length))
}

fn compare_pair<T: ArrowNativeType>(
    a: &Operand<T>,
    b: &Operand<T>,
    length: usize,
    f: impl Fn(T, T) -> bool,
) -> BooleanBuffer {
    match (a.constant(), b.constant()) {
        (Some(a), Some(b)) => BooleanBuffer::collect_bool(length, |_| f(a, b)),
        (None, Some(b)) => pack(length, |rows, truths| {
            truths.iter_mut().zip(&a.values()[rows]).for_each(|(truth, a)| *truth = u8::from(f(*a, b)));
        }),
        (Some(a), None) => pack(length, |rows, truths| {
            truths.iter_mut().zip(&b.values()[rows]).for_each(|(truth, b)| *truth = u8::from(f(a, *b)));
        }),
        (None, None) => pack(length, |rows, truths| {
            let pairs = a.values()[rows.clone()].iter().zip(&b.values()[rows]);
            truths.iter_mut().zip(pairs).for_each(|(truth, (a, b))| *truth = u8::from(f(*a, *b)));
        }),
    }
}

/// One bit for each of so many places. `write` sets the bytes of up to 64 of them to 0 or 1: a loop over bytes becomes vector
/// instructions, and one over bits does not.
fn pack(length: usize, write: impl Fn(Range<usize>, &mut [u8])) -> BooleanBuffer {
    let words = (0..length).step_by(64).map(|start| {
        let mut truths = [0; 64];
        let rows = start..length.min(start + 64);
        let number = rows.len();
        write(rows, &mut truths[..number]);
        let mut bits = [0; 8];
        for (bits, truths) in bits.iter_mut().zip(truths.as_chunks::<8>().0) {
            // The product moves the lowest bit of byte i to bit 56 + i.
            *bits = (u64::from_le_bytes(*truths).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u8;
        }
        u64::from_le_bytes(bits)
    });
    BooleanBuffer::new(Buffer::from_vec(words.collect::<Vec<_>>()), 0, length)
}

fn integers(
    a: &Operand<i64>,
    b: &Operand<i64>,
    length: usize,
    f: impl Fn(i64, i64) -> (i64, bool),
) -> (Vec<i64>, bool) {
    let mut wrong = false;
    let result = (0..length).map(|i| {
        let (result, overflow) = f(a.at(i), b.at(i));
        wrong |= overflow;
        result
    });
    (result.collect(), wrong)
}

/// Applies `f` to pairs, in the memory of an operand that nobody else holds, else in new memory: a chain of operations
/// allocates once.
fn combine(a: Operand<f64>, b: Operand<f64>, f: impl Fn(f64, f64) -> f64) -> ScalarBuffer<f64> {
    let values = match (a.constant(), b.constant()) {
        (Some(a), _) => {
            let mut b = owned(b.into_values()).unwrap_or_else(|b| b.to_vec());
            vectorised(
                #[inline(always)]
                || b.iter_mut().for_each(|b| *b = f(a, *b)),
            );
            b
        }
        (None, Some(b)) => {
            let mut a = owned(a.into_values()).unwrap_or_else(|a| a.to_vec());
            vectorised(
                #[inline(always)]
                || a.iter_mut().for_each(|a| *a = f(*a, b)),
            );
            a
        }
        (None, None) => match (owned(a.into_values()), owned(b.into_values())) {
            (Err(a), Ok(mut b)) => {
                vectorised(
                    #[inline(always)]
                    || a.iter().zip(&mut b).for_each(|(a, b)| *b = f(*a, *b)),
                );
                b
            }
            (a, b) => {
                let mut a = a.unwrap_or_else(|a| a.to_vec());
                let b = b.map_or_else(|shared| shared, ScalarBuffer::from);
                vectorised(
                    #[inline(always)]
                    || a.iter_mut().zip(b.iter()).for_each(|(a, b)| *a = f(*a, *b)),
                );
                a
            }
        },
    };
    values.into()
}

fn owned(values: ScalarBuffer<f64>) -> Result<Vec<f64>, ScalarBuffer<f64>> {
    values.into_inner().into_vec().map_err(ScalarBuffer::from)
}
