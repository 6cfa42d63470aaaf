//! Steps to values: a machine that works on whole columns.

use super::arrow::ColumnFault;
use super::environment::{Environment, Lookup};
use super::error::{Fault, Stage, near_names};
use super::functions::{Action, UnitRule};
use super::node::{Call, Node, Span};
use super::value::{Content, Record, Value};
use super::values::{Data, Kind, Shape, Values};
use super::{Expr, ExprError};

/// An intermediate result and the part of the text that it comes from.
#[derive(Clone)]
pub(super) struct Operation {
    pub(super) value: Value,
    pub(super) span: Span,
}

pub(super) struct Machine<'a> {
    text: &'a str,
    pub(super) environment: &'a Environment<'a>,
}

/// The result, which must be plain values.
pub(super) fn evaluate(expr: &Expr, environment: &Environment<'_>) -> Result<Values, ExprError> {
    let value = evaluate_any(expr, environment)?;
    let machine = Machine { text: &expr.text, environment };
    let record = match &value.content {
        Content::Plain(_) => None,
        Content::Record(record) => Some(machine.record_name(record)),
    };
    value.into_values().ok_or_else(|| {
        let (what, field) = record.unwrap_or_default();
        let span = Span::new(0, expr.text.len());
        Fault::new(span, format!("the result is {what}, not numbers"))
            .hint(format!("ask for one of its fields, such as `.{field}`"))
            .at(Stage::Evaluate, &expr.text)
    })
}

/// The result, which may be a record.
pub(super) fn evaluate_any(expr: &Expr, environment: &Environment<'_>) -> Result<Value, ExprError> {
    let machine = Machine { text: &expr.text, environment };
    let mut results: Vec<(Option<Value>, Span)> = Vec::with_capacity(expr.plan.len());
    let mut uses: Vec<usize> = expr.plan.iter().map(|planned| planned.uses).collect();
    for planned in &expr.plan {
        let step = &expr.steps[planned.step];
        let mut operands = Vec::with_capacity(planned.operands.len());
        for &place in &planned.operands {
            uses[place] -= 1;
            let (slot, span) = &mut results[place];
            // The last use takes the memory along.
            let value = if uses[place] == 0 { slot.take() } else { slot.clone() };
            let missing = || Fault::missing(step.span).at(Stage::Evaluate, &expr.text);
            operands.push(Operation { value: value.ok_or_else(missing)?, span: *span });
        }
        let value = match &step.node {
            Node::Column(name) => match environment.lookup(name) {
                Ok(value) => Ok(value),
                Err(Lookup::Derived(error)) => return Err(error),
                Err(lookup) => machine.field_of_name(name, step.span, lookup)?,
            },
            node => machine.apply(node, operands, step.span),
        };
        let value = value.map_err(|fault| fault.at(Stage::Evaluate, &expr.text))?;
        results.push((Some(value), step.span));
    }
    let result = results.pop().and_then(|(value, _)| value);
    result
        .ok_or_else(|| Fault::new(Span::new(0, 0), "the expression is empty").at(Stage::Evaluate, &expr.text))
}

impl Machine<'_> {
    fn apply(&self, node: &Node, operands: Vec<Operation>, span: Span) -> Result<Value, Fault> {
        match node {
            Node::Number(value) => Ok(Value::number(value.get())),
            Node::Integer(value) => Ok(Value::integer(*value)),
            Node::Boolean(value) => Ok(Value::boolean(*value)),
            Node::Compare(chain) => self.compare(chain, operands, span),
            Node::Call(call) => self.call(call, operands, span),
            Node::Subscript(items) => self.subscript(items, operands, span),
            Node::Binary(operator) => match <[Operation; 2]>::try_from(operands) {
                Ok(pair) => self.binary(*operator, pair, span),
                Err(_) => Err(Fault::missing(span)),
            },
            Node::Negate | Node::Not | Node::Field(_) => match (node, operands.into_iter().next()) {
                (Node::Negate, Some(x)) => self.negate(x),
                (Node::Not, Some(x)) => self.not(&x),
                (Node::Field(name), Some(x)) => self.field(&x, name, span),
                _ => Err(Fault::missing(span)),
            },
            Node::Column(_) => Err(Fault::missing(span)),
        }
    }

    fn call(&self, call: &Call, operands: Vec<Operation>, span: Span) -> Result<Value, Fault> {
        match call.function.action {
            Action::Run(run) => run(self, call, &operands, span),
            Action::One(run) => {
                run(self, call, operands.into_iter().next().ok_or_else(|| Fault::missing(span))?, span)
            }
            Action::Unary(rule, f) => {
                let x = operands.into_iter().next().ok_or_else(|| Fault::missing(span))?;
                let value = self.unary(x, f)?;
                Ok(if rule == UnitRule::None { value.with_unit(None) } else { value })
            }
            Action::Floats(rule, f) => {
                let shape = self.common_shape(&operands)?;
                let unit = if rule == UnitRule::None { None } else { self.same_unit(&operands, span)? };
                let unit = unit.filter(|_| rule == UnitRule::Same);
                let floats = operands.into_iter().map(|o| self.take_floats(o, &shape));
                let floats = floats.collect::<Result<Vec<_>, _>>()?;
                let numbers = f(&floats, self.length(&shape));
                Ok(Value::plain(Data::Numbers(numbers.into()), shape).with_unit(unit))
            }
            Action::Numbers(floats, integers) => {
                let shape = self.common_shape(&operands)?;
                let (unit, length) = (self.same_unit(&operands, span)?, self.length(&shape));
                let mut kind = Kind::Boolean;
                for operand in &operands {
                    kind = kind.max(self.kind(operand)?);
                }
                let data = if kind == Kind::Float {
                    let operands = operands.into_iter().map(|o| self.take_floats(o, &shape));
                    Data::Numbers(floats(&operands.collect::<Result<Vec<_>, _>>()?, length).into())
                } else {
                    let operands = operands.iter().map(|o| self.integers(o, &shape));
                    Data::Integers(integers(&operands.collect::<Result<Vec<_>, _>>()?, length).into())
                };
                Ok(Value::plain(data, shape).with_unit(unit))
            }
        }
    }

    /// A name with dots that is no column: a field of the new variable that its first part names.
    fn field_of_name(
        &self,
        name: &str,
        span: Span,
        lookup: Lookup,
    ) -> Result<Result<Value, Fault>, ExprError> {
        let Lookup::Field(variable, fields) = lookup else {
            return Ok(Err(self.lookup_fault(name, span, lookup)));
        };
        let mut value = match self.environment.lookup(&variable) {
            Ok(value) => value,
            Err(Lookup::Derived(error)) => return Err(error),
            Err(lookup) => return Ok(Err(self.lookup_fault(&variable, span, lookup))),
        };
        for field in fields.split('.') {
            match self.field(&Operation { value, span }, field, span) {
                Ok(next) => value = next,
                Err(fault) => return Ok(Err(fault)),
            }
        }
        Ok(Ok(value))
    }

    fn lookup_fault(&self, name: &str, span: Span, lookup: Lookup) -> Fault {
        match lookup {
            Lookup::Missing | Lookup::Field(..) => {
                let fault = Fault::new(span, format!("no column `{name}`"));
                match near_names(name, self.environment.names()) {
                    Some(hint) => fault.hint(hint),
                    None => fault,
                }
            }
            Lookup::Ambiguous => Fault::new(span, format!("`{name}` is both a column and a new variable"))
                .hint("rename the new variable"),
            Lookup::Column(ColumnFault::Type(data_type)) => {
                Fault::new(span, format!("column `{name}` has the type {data_type}, which holds no numbers"))
                    .hint("expressions read numbers, booleans, and lists of these")
            }
            Lookup::Column(ColumnFault::Null(row)) => {
                let fault = |row| Fault::new(span, format!("column `{name}` is null in row {row}"));
                self.at_row(row, fault)
                    .hint("of missing values only floats can be told, as NaN: fill the others before")
            }
            Lookup::Column(ColumnFault::TooLarge(row, value)) => self.at_row(row, |row| {
                let message = format!(
                    "column `{name}` holds {value} in row {row}, beyond {}, the largest integer",
                    i64::MAX
                );
                Fault::new(span, message)
            }),
            Lookup::Column(ColumnFault::TooLong) => {
                Fault::new(span, format!("column `{name}` holds more than 2^31 values in one batch"))
                    .hint("use smaller batches")
            }
            Lookup::Derived(error) => Fault::new(span, error.to_string()),
        }
    }

    /// A fault in a row of the batch.
    pub(super) fn at_row(&self, row: usize, fault: impl FnOnce(u64) -> Fault) -> Fault {
        let row = self.environment.row_number(row);
        fault(row).row(row)
    }

    /// A fault in the row that holds an item.
    pub(super) fn at_item(&self, shape: &Shape, item: usize, fault: impl FnOnce(u64) -> Fault) -> Fault {
        self.at_row(shape.row_of(item), fault)
    }

    /// The part of the text that an operand comes from, cut where it is long.
    pub(super) fn source(&self, span: Span) -> String {
        let text = self.text.get(span.start..span.end).unwrap_or("");
        let shown: String = text.chars().take(40).collect();
        if shown.len() < text.len() {
            format!("`{shown}...`")
        } else {
            format!("`{}`", shown.trim_matches('`'))
        }
    }

    /// What a record is called, and one of its fields.
    pub(super) fn record_name(&self, record: &Record) -> (&'static str, String) {
        let first = record.fields.named.first().map(|named| named.name.clone());
        match (&record.fields.vector, first) {
            (Some(_), _) => ("a four-vector", "pt".to_owned()),
            (None, first) => ("a record", first.unwrap_or_default()),
        }
    }
}
