//! Steps to values: a stack machine over whole columns.

use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder, OffsetBuffer, ScalarBuffer};

use super::environment::{Environment, Lookup};
use super::error::{Fault, Stage, near_names};
use super::functions::{Kind, Reduction};
use super::values::{ColumnFault, Data, Operand, Shape, Values, broadcast_booleans, total};
use super::{Comparison, Expr, ExprError, Node, Operator, Span, kernels};

/// An intermediate result and the part of the text that it comes from.
struct Operation {
    values: Values,
    span: Span,
}

pub(super) fn evaluate(expr: &Expr, environment: &Environment<'_>) -> Result<Values, ExprError> {
    let mut machine = Machine { text: &expr.text, environment, stack: Vec::new() };
    for step in &expr.steps {
        let values = match &step.node {
            Node::Column(name) => match environment.lookup(name) {
                Ok(values) => Ok(values),
                Err(Lookup::Derived(error)) => return Err(error),
                Err(lookup) => Err(machine.lookup_fault(name, step.span, lookup)),
            },
            node => machine.apply(node, step.span),
        };
        let values = values.map_err(|fault| fault.at(Stage::Evaluate, &expr.text))?;
        machine.stack.push(Operation { values, span: step.span });
    }
    let result = machine.stack.pop().map(|operation| operation.values);
    result
        .ok_or_else(|| Fault::new(Span::new(0, 0), "the expression is empty").at(Stage::Evaluate, &expr.text))
}

struct Machine<'a> {
    text: &'a str,
    environment: &'a Environment<'a>,
    stack: Vec<Operation>,
}

impl Machine<'_> {
    fn apply(&mut self, node: &Node, span: Span) -> Result<Values, Fault> {
        let operands = self.stack.split_off(self.stack.len().saturating_sub(node.arity()));
        match (node, <[Operation; 2]>::try_from(operands)) {
            (Node::Filter, Ok([x, mask])) => self.filter(x, &mask),
            (Node::Binary(Operator::And), Ok(pair)) => self.logical(pair, |a, b| a & b),
            (Node::Binary(Operator::Or), Ok(pair)) => self.logical(pair, |a, b| a | b),
            (Node::Binary(operator), Ok(pair)) => self.arithmetic(*operator, pair),
            (Node::Compare(chain), Ok(pair)) => self.compare(chain, pair.into()),
            (Node::Call { function, .. }, Ok(pair)) => self.call(function.kind, pair.into(), span),
            (Node::Compare(chain), Err(operands)) => self.compare(chain, operands),
            (Node::Call { function, .. }, Err(operands)) => self.call(function.kind, operands, span),
            (Node::Number(value), _) => Ok(Values::number(*value)),
            (Node::Boolean(value), _) => Ok(Values::boolean(*value)),
            (node, Err(mut operands)) => match (node, operands.pop()) {
                (Node::Negate, Some(x)) => {
                    Ok(unary(x.values, |values| values.iter_mut().for_each(|x| *x = -*x)))
                }
                (Node::Not, Some(x)) => {
                    let booleans = self.booleans(&x, &x.values.shape().clone())?;
                    Ok(Values::new(Data::Booleans(!&booleans), x.values.shape().clone()))
                }
                (Node::Index(index), Some(x)) => self.index(&x, *index, span),
                _ => Err(Fault::new(span, "an operand is missing")),
            },
            _ => Err(Fault::new(span, "an operand is missing")),
        }
    }

    fn lookup_fault(&self, name: &str, span: Span, lookup: Lookup) -> Fault {
        match lookup {
            Lookup::Missing => {
                let fault = Fault::new(span, format!("no column `{name}`"));
                match near_names(name, self.environment.names()) {
                    Some(hint) => fault.hint(hint),
                    None => fault,
                }
            }
            Lookup::Ambiguous => {
                Fault::new(span, format!("`{name}` is both a column and a new variable")).hint("rename the new variable")
            }
            Lookup::Column(ColumnFault::Type(data_type)) => {
                Fault::new(span, format!("column `{name}` has the type {data_type}, which holds no numbers"))
                    .hint("expressions read numbers, booleans, and lists of these")
            }
            Lookup::Column(ColumnFault::Null(row)) => self.at_row(row, |row| {
                Fault::new(span, format!("column `{name}` is null in row {row}"))
            }),
            Lookup::Column(ColumnFault::Inexact(row, value)) => self.at_row(row, |row| {
                let message = format!("column `{name}` holds {value} in row {row}, beyond 2^53, up to which 64-bit floats are exact");
                Fault::new(span, message)
            }),
            Lookup::Column(ColumnFault::TooLong) => {
                Fault::new(span, format!("column `{name}` holds more than 2^31 values in one batch"))
                    .hint("use smaller batches")
            }
            Lookup::Derived(error) => Fault::new(span, error.to_string()),
        }
    }

    fn at_row(&self, row: usize, fault: impl FnOnce(u64) -> Fault) -> Fault {
        let row = self.environment.row_number(row);
        fault(row).row(row)
    }

    /// The part of the text that an operand comes from, cut where it is long.
    fn source(&self, span: Span) -> String {
        let text = self.text.get(span.start..span.end).unwrap_or("");
        let shown: String = text.chars().take(40).collect();
        if shown.len() < text.len() {
            format!("`{shown}...`")
        } else {
            format!("`{}`", shown.trim_matches('`'))
        }
    }

    /// The shape that all operands broadcast to.
    fn common_shape(&self, operands: &[Operation]) -> Result<Shape, Fault> {
        let mut shape = Shape::Scalar;
        let mut jagged: Option<(&Operation, &OffsetBuffer<i32>)> = None;
        for operand in operands {
            match (operand.values.shape(), jagged) {
                (Shape::Jagged(offsets), None) => jagged = Some((operand, offsets)),
                (Shape::Jagged(offsets), Some((first, expected))) => {
                    if !offsets.ptr_eq(expected) && offsets != expected {
                        return Err(self.mismatch((first, expected), (operand, offsets)));
                    }
                }
                (Shape::Events, _) => shape = Shape::Events,
                (Shape::Scalar, _) => {}
            }
        }
        Ok(jagged.map_or(shape, |(_, offsets)| Shape::Jagged(offsets.clone())))
    }

    fn mismatch(&self, a: (&Operation, &OffsetBuffer<i32>), b: (&Operation, &OffsetBuffer<i32>)) -> Fault {
        let span = Span::new(a.0.span.start.min(b.0.span.start), a.0.span.end.max(b.0.span.end));
        let lengths = || a.1.lengths().zip(b.1.lengths());
        let row = lengths().position(|(x, y)| x != y).unwrap_or(0);
        let (x, y) = lengths().nth(row).unwrap_or_default();
        self.at_row(row, |row| {
            let (left, right) = (self.source(a.0.span), self.source(b.0.span));
            Fault::new(
                span,
                format!("the lists do not match: in row {row} {left} has {x} values and {right} has {y}"),
            )
        })
    }

    /// How many values a shape holds.
    fn length(&self, shape: &Shape) -> usize {
        match shape {
            Shape::Scalar => 1,
            Shape::Events => self.environment.rows(),
            Shape::Jagged(offsets) => total(offsets),
        }
    }

    fn booleans(&self, operand: &Operation, shape: &Shape) -> Result<BooleanBuffer, Fault> {
        broadcast_booleans(&operand.values, shape, self.length(shape)).ok_or_else(|| {
            let message = format!("{} holds numbers where booleans are wanted", self.source(operand.span));
            Fault::new(operand.span, message)
                .hint("compare with a number (`x != 0`); comparisons beside `&` and `|` stand in parentheses")
        })
    }

    fn logical(
        &self,
        pair: [Operation; 2],
        f: impl Fn(&BooleanBuffer, &BooleanBuffer) -> BooleanBuffer,
    ) -> Result<Values, Fault> {
        let shape = self.common_shape(&pair)?;
        let [a, b] = pair;
        let result = f(&self.booleans(&a, &shape)?, &self.booleans(&b, &shape)?);
        Ok(Values::new(Data::Booleans(result), shape))
    }

    fn arithmetic(&self, operator: Operator, pair: [Operation; 2]) -> Result<Values, Fault> {
        let shape = self.common_shape(&pair)?;
        let [a, b] = pair.map(|operation| Operand::new(operation.values, &shape));
        let numbers = match operator {
            Operator::Add => binary(a, b, |a, b| a + b),
            Operator::Subtract => binary(a, b, |a, b| a - b),
            Operator::Multiply => binary(a, b, |a, b| a * b),
            Operator::Divide => binary(a, b, |a, b| a / b),
            Operator::FloorDivide => binary(a, b, kernels::floor_divide),
            Operator::Remainder => binary(a, b, kernels::remainder),
            Operator::Power | Operator::And | Operator::Or => binary(a, b, kernels::power),
        };
        Ok(Values::new(Data::Numbers(numbers), shape))
    }

    fn compare(&self, chain: &[Comparison], operations: Vec<Operation>) -> Result<Values, Fault> {
        let shape = self.common_shape(&operations)?;
        let length = self.length(&shape);
        let operands: Vec<Operand> = operations.into_iter().map(|o| Operand::new(o.values, &shape)).collect();
        let mut result: Option<BooleanBuffer> = None;
        for (comparison, pair) in chain.iter().zip(operands.windows(2)) {
            let [a, b] = pair else { continue };
            let this = match comparison {
                Comparison::Less => BooleanBuffer::collect_bool(length, |i| a.at(i) < b.at(i)),
                Comparison::LessEqual => BooleanBuffer::collect_bool(length, |i| a.at(i) <= b.at(i)),
                Comparison::Greater => BooleanBuffer::collect_bool(length, |i| a.at(i) > b.at(i)),
                Comparison::GreaterEqual => BooleanBuffer::collect_bool(length, |i| a.at(i) >= b.at(i)),
                Comparison::Equal => BooleanBuffer::collect_bool(length, |i| a.at(i) == b.at(i)),
                Comparison::NotEqual => BooleanBuffer::collect_bool(length, |i| a.at(i) != b.at(i)),
            };
            result = Some(result.map_or_else(|| this.clone(), |earlier| &earlier & &this));
        }
        let result = result.unwrap_or_else(|| BooleanBuffer::new_set(length));
        Ok(Values::new(Data::Booleans(result), shape))
    }

    fn call(&self, kind: Kind, mut operations: Vec<Operation>, span: Span) -> Result<Values, Fault> {
        if let Kind::Nary(f) = kind {
            let shape = self.common_shape(&operations)?;
            let operands: Vec<Operand> =
                operations.into_iter().map(|o| Operand::new(o.values, &shape)).collect();
            return Ok(Values::new(Data::Numbers(f(&operands, self.length(&shape)).into()), shape));
        }
        if matches!(kind, Kind::Where) {
            return self.choose(&operations, span);
        }
        let default = if operations.len() > 1 { operations.pop() } else { None };
        let Some(x) = operations.pop() else { return Err(Fault::new(span, "an operand is missing")) };
        Ok(match kind {
            Kind::Unary(f) => unary(x.values, f),
            Kind::Test(f) => {
                let numbers = x.values.numbers();
                let result = BooleanBuffer::collect_bool(numbers.len(), |i| f(numbers[i]));
                Values::new(Data::Booleans(result), x.values.shape().clone())
            }
            Kind::Fill(value) => {
                let numbers = vec![value; x.values.data().len()];
                Values::new(Data::Numbers(numbers.into()), x.values.shape().clone())
            }
            Kind::Reduce(reduction) => self.reduce(reduction, &x, default, span)?,
            Kind::Nary(_) | Kind::Where => return Err(Fault::new(span, "an operand is missing")),
        })
    }

    fn choose(&self, operations: &[Operation], span: Span) -> Result<Values, Fault> {
        let [condition, a, b] = operations else { return Err(Fault::new(span, "an operand is missing")) };
        let shape = self.common_shape(operations)?;
        let condition = self.booleans(condition, &shape)?;
        let data = if a.values.is_boolean() && b.values.is_boolean() {
            let (a, b) = (self.booleans(a, &shape)?, self.booleans(b, &shape)?);
            Data::Booleans(&(&condition & &a) | &(&!&condition & &b))
        } else {
            let (a, b) = (Operand::new(a.values.clone(), &shape), Operand::new(b.values.clone(), &shape));
            Data::Numbers(
                condition.iter().enumerate().map(|(i, c)| if c { a.at(i) } else { b.at(i) }).collect(),
            )
        };
        Ok(Values::new(data, shape))
    }

    fn offsets<'v>(&self, x: &'v Operation, what: &str) -> Result<&'v OffsetBuffer<i32>, Fault> {
        x.values.offsets().ok_or_else(|| {
            let (source, shape) = (self.source(x.span), x.values.shape().name());
            Fault::new(x.span, format!("{what} wants a list per row, but {source} is {shape}"))
        })
    }

    fn reduce(
        &self,
        reduction: Reduction,
        x: &Operation,
        default: Option<Operation>,
        span: Span,
    ) -> Result<Values, Fault> {
        let offsets = self.offsets(x, "a reduction")?;
        let rows = offsets.windows(2).map(|row| row[0] as usize..row[1] as usize);
        if let Reduction::Any | Reduction::All = reduction {
            let booleans = self.booleans(x, &x.values.shape().clone())?;
            let rows: Vec<_> = rows.collect();
            let result = BooleanBuffer::collect_bool(rows.len(), |row| {
                let mut items = rows[row].clone().map(|i| booleans.value(i));
                if reduction == Reduction::Any { items.any(|b| b) } else { items.all(|b| b) }
            });
            return Ok(Values::new(Data::Booleans(result), Shape::Events));
        }
        let default = match default {
            None => None,
            Some(operation) if operation.values.is_jagged() => {
                let message =
                    format!("a default is one value per row, but {} is a list", self.source(operation.span));
                return Err(Fault::new(operation.span, message));
            }
            Some(operation) => Some(operation.values),
        };
        let keep_booleans = reduction == Reduction::First
            && x.values.is_boolean()
            && default.as_ref().is_none_or(Values::is_boolean);
        let default = default.map(|values| Operand::new(values, &Shape::Events));
        let numbers = x.values.numbers();
        let mut result = Vec::with_capacity(offsets.len() - 1);
        for (row, range) in rows.enumerate() {
            let items = &numbers[range];
            let value = match (reduction, items) {
                (Reduction::Count, _) => items.len() as f64,
                // From 0: the sum of nothing is 0, where `Iterator::sum` gives -0.
                (Reduction::Sum, _) => items.iter().fold(0.0, |sum, item| sum + item),
                (_, [first, rest @ ..]) => match reduction {
                    Reduction::Min => rest.iter().fold(*first, |a, b| kernels::minimum(a, *b)),
                    Reduction::Max => rest.iter().fold(*first, |a, b| kernels::maximum(a, *b)),
                    Reduction::Mean => items.iter().sum::<f64>() / items.len() as f64,
                    _ => *first,
                },
                (_, []) => match &default {
                    Some(default) => default.at(row),
                    None => return Err(self.empty_list(x, row, span)),
                },
            };
            result.push(value);
        }
        let data = if keep_booleans {
            Data::Booleans(BooleanBuffer::collect_bool(result.len(), |i| result[i] != 0.0))
        } else {
            Data::Numbers(result.into())
        };
        Ok(Values::new(data, Shape::Events))
    }

    fn empty_list(&self, x: &Operation, row: usize, span: Span) -> Fault {
        self.at_row(row, |row| {
            Fault::new(span, format!("{} has no values in row {row}", self.source(x.span)))
                .hint("give a value for empty lists: `default=0`")
        })
    }

    fn index(&self, x: &Operation, index: i64, span: Span) -> Result<Values, Fault> {
        let offsets = self.offsets(x, "an index")?;
        let mut places = Vec::with_capacity(offsets.len() - 1);
        for (row, bounds) in offsets.windows(2).enumerate() {
            let (start, end) = (i64::from(bounds[0]), i64::from(bounds[1]));
            let place = if index < 0 { end + index } else { start + index };
            if !(start..end).contains(&place) {
                return Err(self.at_row(row, |row| {
                    let (source, length) = (self.source(x.span), end - start);
                    let message =
                        format!("index {index} is outside {source}, which has {length} values in row {row}");
                    Fault::new(span, message)
                        .hint("select rows with enough particles first, or use `first(x, default=0)`")
                }));
            }
            places.push(place as usize);
        }
        let data = match x.values.data() {
            Data::Numbers(values) => Data::Numbers(places.iter().map(|i| values[*i]).collect()),
            Data::Booleans(values) => {
                Data::Booleans(BooleanBuffer::collect_bool(places.len(), |i| values.value(places[i])))
            }
        };
        Ok(Values::new(data, Shape::Events))
    }

    fn filter(&self, x: Operation, mask: &Operation) -> Result<Values, Fault> {
        let offsets = self.offsets(mask, "a mask in brackets")?.clone();
        self.offsets(&x, "a mask in brackets")?;
        let pair = [x, Operation { values: mask.values.clone(), span: mask.span }];
        let shape = self.common_shape(&pair)?;
        let keep = self.booleans(mask, &shape)?;
        let [x, _] = pair;
        let mut kept = vec![0_i32; offsets.len()];
        for (row, bounds) in offsets.windows(2).enumerate() {
            let range = bounds[0] as usize..bounds[1] as usize;
            let count = keep.slice(range.start, range.len()).count_set_bits();
            kept[row + 1] = kept[row] + count as i32;
        }
        let data = match x.values.data() {
            Data::Numbers(values) => Data::Numbers(keep.set_indices().map(|i| values[i]).collect()),
            Data::Booleans(values) => {
                let mut builder = BooleanBufferBuilder::new(keep.count_set_bits());
                keep.set_indices().for_each(|i| builder.append(values.value(i)));
                Data::Booleans(builder.finish())
            }
        };
        Ok(Values::new(data, Shape::Jagged(OffsetBuffer::new(kept.into()))))
    }
}

/// Applies `f` in place where the memory is not shared, else on a copy.
fn unary(values: Values, f: impl FnOnce(&mut [f64])) -> Values {
    let shape = values.shape().clone();
    let mut numbers = Vec::from(Operand::new(values, &shape).into_values());
    f(&mut numbers);
    Values::new(Data::Numbers(numbers.into()), shape)
}

/// Applies `f` to pairs, in the memory of an operand that nobody else holds, else in new memory: a chain of operations
/// allocates once.
fn binary(a: Operand, b: Operand, f: impl Fn(f64, f64) -> f64) -> ScalarBuffer<f64> {
    match (a.constant(), b.constant()) {
        (Some(a), _) => match owned(b.into_values()) {
            Ok(mut b) => {
                b.iter_mut().for_each(|b| *b = f(a, *b));
                b.into()
            }
            Err(b) => b.iter().map(|b| f(a, *b)).collect(),
        },
        (None, Some(b)) => match owned(a.into_values()) {
            Ok(mut a) => {
                a.iter_mut().for_each(|a| *a = f(*a, b));
                a.into()
            }
            Err(a) => a.iter().map(|a| f(*a, b)).collect(),
        },
        (None, None) => match (owned(a.into_values()), owned(b.into_values())) {
            (Ok(mut a), b) => {
                let b = b.map_or_else(|shared| shared, ScalarBuffer::from);
                a.iter_mut().zip(b.iter()).for_each(|(a, b)| *a = f(*a, *b));
                a.into()
            }
            (Err(a), Ok(mut b)) => {
                a.iter().zip(&mut b).for_each(|(a, b)| *b = f(*a, *b));
                b.into()
            }
            (Err(a), Err(b)) => a.iter().zip(b.iter()).map(|(a, b)| f(*a, *b)).collect(),
        },
    }
}

fn owned(values: ScalarBuffer<f64>) -> Result<Vec<f64>, ScalarBuffer<f64>> {
    values.into_inner().into_vec().map_err(ScalarBuffer::from)
}
