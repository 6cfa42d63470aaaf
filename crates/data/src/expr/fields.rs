//! Fields of records, four-vectors above all.

use super::error::{Fault, near_names};
use super::evaluate::{Machine, Operation};
use super::four_vectors::{Quantity, View};
use super::node::Span;
use super::value::{Content, Unit, Value};
use super::values::{Data, Shape};

impl Machine<'_> {
    /// `x.name`
    pub(super) fn field(&self, x: &Operation, name: &str, span: Span) -> Result<Value, Fault> {
        let Content::Record(record) = &x.value.content else {
            let message = format!("{} holds numbers, which have no field `{name}`", self.source(x.span));
            return Err(Fault::new(span, message));
        };
        if let Some((content, unit)) = record.named(name) {
            return Ok(Value { content, shape: x.value.shape.clone(), unit });
        }
        if let (Some(view), Some(quantity)) = (record.view(), Quantity::of(name)) {
            return Ok(quantity_of(&view, quantity, x.value.shape.clone(), &record.fields.unit));
        }
        let (what, _) = self.record_name(record);
        let message = format!("{} is {what}, which has no field `{name}`", self.source(x.span));
        let mut names: Vec<&str> = record.fields.named.iter().map(|named| named.name.as_str()).collect();
        if record.fields.vector.is_some() {
            for quantity in Quantity::names() {
                names.push(quantity);
            }
        }
        let hint = near_names(name, names.iter().copied())
            .unwrap_or_else(|| format!("its fields are {}", names.join(", ")));
        Err(Fault::new(span, message).hint(hint))
    }

    /// The four-vectors of an operand, brought to a shape it broadcasts to.
    pub(super) fn vectors(&self, x: &Operation, shape: &Shape) -> Result<(View, Unit), Fault> {
        let content = self.spread(x, shape);
        let Content::Record(record) = &content else { return Err(self.no_vector(x, "numbers")) };
        match record.view() {
            Some(view) => Ok((view, record.fields.unit.clone())),
            None => Err(self.no_vector(x, "a record")),
        }
    }

    fn no_vector(&self, x: &Operation, what: &str) -> Fault {
        Fault::new(x.span, format!("{} is {what} where a four-vector is wanted", self.source(x.span)))
            .hint("make one: `p4(pt=..., eta=..., phi=..., mass=...)`")
    }

    /// Whether an operand holds four-vectors.
    pub(super) fn is_vector(&self, x: &Operation) -> bool {
        matches!(&x.value.content, Content::Record(record) if record.fields.vector.is_some())
    }
}

pub(super) fn quantity_of(view: &View, quantity: Quantity, shape: Shape, unit: &Unit) -> Value {
    let unit = unit.clone().filter(|_| quantity.is_momentum());
    Value::plain(Data::Numbers(view.column(quantity)), shape).with_unit(unit)
}
