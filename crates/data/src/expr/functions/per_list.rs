//! Kernels of `fiducial_physics` that take the four-vectors of one list, called on all lists.

use std::ops::Range;
use std::sync::Arc;

use arrow_buffer::OffsetBuffer;
use fiducial_physics::Error;
use fiducial_physics::four_vector::FourVector;
use rayon::prelude::*;

use crate::expr::error::Fault;
use crate::expr::evaluate::{Machine, Operation};
use crate::expr::four_vectors::FourVectors;
use crate::expr::node::{Call, Span};
use crate::expr::value::{Content, Fields, Named, Record, Unit, Value};
use crate::expr::values::{Data, Shape};

/// Items that one thread takes at a time, at least.
const ITEMS: usize = 8;

/// Lists of four-vectors: their momenta one after another, and where each list ends.
pub(super) struct Lists<'x> {
    pub(super) vectors: Vec<FourVector>,
    pub(super) unit: Unit,
    pub(super) offsets: &'x OffsetBuffer<i32>,
    pub(super) outer: &'x [OffsetBuffer<i32>],
}

pub(super) fn lists<'x>(machine: &Machine<'_>, x: &'x Operation, span: Span) -> Result<Lists<'x>, Fault> {
    machine.lists(x, 1, "a jet or event")?;
    let (view, unit) = machine.vectors(x, &x.value.shape)?;
    let Some((offsets, outer)) = x.value.shape.levels().split_last() else {
        return Err(Fault::missing(span));
    };
    Ok(Lists { vectors: view.vectors(), unit, offsets, outer })
}

impl Lists<'_> {
    /// The shape of one value for each list.
    pub(super) fn outer_shape(&self) -> Shape {
        Shape::of_levels(self.outer.to_vec())
    }

    /// What a kernel makes of the vectors of each list; it is also told where they are. An error names the row.
    pub(super) fn each<T: Send>(
        &self,
        machine: &Machine<'_>,
        span: Span,
        kernel: impl Fn(&[FourVector], Range<usize>) -> Result<T, Error> + Sync,
    ) -> Result<Vec<T>, Fault> {
        let ranges: Vec<Range<usize>> =
            self.offsets.windows(2).map(|list| list[0] as usize..list[1] as usize).collect();
        each_item(machine, &self.outer_shape(), span, &ranges, |range| {
            kernel(&self.vectors[range.clone()], range.clone())
        })
    }

    /// The shape and the values of a list for each list.
    pub(super) fn nested<T>(&self, results: Vec<Vec<T>>) -> (Shape, Vec<T>) {
        let mut levels = self.outer.to_vec();
        levels.push(OffsetBuffer::from_lengths(results.iter().map(Vec::len)));
        (Shape::Jagged(levels), results.into_iter().flatten().collect())
    }

    /// Some items of each list of an operand, by their places in it.
    pub(super) fn picked(&self, x: &Operation, places: Vec<Vec<u32>>) -> Value {
        let starts = self.offsets.iter().map(|start| *start as u32);
        let items: Vec<Vec<u32>> = places
            .into_iter()
            .zip(starts)
            .map(|(places, start)| places.into_iter().map(|place| start + place).collect())
            .collect();
        let (shape, items) = self.nested(items);
        Value { content: x.value.content.gather(&items.into()), shape, unit: None }
    }
}

/// What a kernel makes of each item of a shape. An error names the row of the first item that is to blame.
pub(super) fn each_item<I: Sync, T: Send>(
    machine: &Machine<'_>,
    shape: &Shape,
    span: Span,
    items: &[I],
    kernel: impl Fn(&I) -> Result<T, Error> + Sync,
) -> Result<Vec<T>, Fault> {
    let results: Vec<Result<T, Error>> = items.par_iter().with_min_len(ITEMS).map(&kernel).collect();
    let fault = |(item, result): (usize, Result<T, Error>)| {
        result.map_err(|error| refused(machine, shape, item, &error, span))
    };
    results.into_iter().enumerate().map(fault).collect()
}

/// A kernel's error, with the row of the item that is to blame.
pub(super) fn refused(machine: &Machine<'_>, shape: &Shape, item: usize, error: &Error, span: Span) -> Fault {
    machine.at_item(shape, item, |row| Fault::new(span, format!("failed to {error}, in row {row}")))
}

/// One number for each list.
pub(super) fn number(
    machine: &Machine<'_>,
    x: &Operation,
    span: Span,
    kernel: impl Fn(&[FourVector]) -> Result<f64, Error> + Sync,
) -> Result<Value, Fault> {
    let lists = lists(machine, x, span)?;
    let numbers = lists.each(machine, span, |jet, _| kernel(jet))?;
    Ok(Value::plain(Data::Numbers(numbers.into()), lists.outer_shape()))
}

/// A field of numbers.
pub(super) fn floats(name: &str, unit: Unit, values: impl Iterator<Item = f64>) -> Named {
    Named { name: name.to_owned(), content: Content::Plain(Data::Numbers(values.collect())), unit }
}

/// A field of integers.
pub(super) fn integers(name: &str, values: impl Iterator<Item = i64>) -> Named {
    Named { name: name.to_owned(), content: Content::Plain(Data::Integers(values.collect())), unit: None }
}

/// A field of four-vectors.
pub(super) fn momenta(name: &str, unit: Unit, vectors: &[FourVector]) -> Named {
    let fields = Fields::of_vector(Arc::new(FourVectors::collect(vectors)), unit);
    let content = Content::Record(Record { fields: Arc::new(fields), index: None });
    Named { name: name.to_owned(), content, unit: None }
}

/// Records of some fields.
pub(super) fn record(length: usize, named: Vec<Named>, shape: Shape) -> Value {
    let fields = Arc::new(Fields::of_named(length, named));
    Value { content: Content::Record(Record { fields, index: None }), shape, unit: None }
}

/// Four-vectors that carry some fields.
pub(super) fn vectors_with(vectors: &[FourVector], unit: Unit, named: Vec<Named>, shape: Shape) -> Value {
    let mut fields = Fields::of_named(vectors.len(), named);
    (fields.vector, fields.unit) = (Some(Arc::new(FourVectors::collect(vectors))), unit);
    Value { content: Content::Record(Record { fields: Arc::new(fields), index: None }), shape, unit: None }
}

/// The unit that the momenta of all operands have.
pub(super) fn common_unit<'u>(
    machine: &Machine<'_>,
    operands: &[Operation],
    units: impl IntoIterator<Item = &'u Unit>,
    span: Span,
) -> Result<Unit, Fault> {
    let Some(first) = operands.first() else { return Ok(None) };
    operands.iter().zip(units).try_fold(None, |unit, (operand, other)| {
        machine.unit_of_vectors([(first, &unit), (operand, other)], span)
    })
}

/// A setting that counts something.
pub(super) fn count(call: &Call, name: &str, span: Span) -> Result<usize, Fault> {
    let number = call.number(name);
    if number.fract() != 0.0 || !(0.0..=4e9).contains(&number) {
        return Err(Fault::new(span, format!("`{name}` is a whole number, not {number}")));
    }
    Ok(number as usize)
}

/// An operand that is one whole number for all rows.
pub(super) fn single(n: &Operation, what: &str) -> Result<usize, Fault> {
    let value = match (&n.value.content, &n.value.shape) {
        (Content::Plain(Data::Integers(values)), Shape::Scalar) => values.first(),
        _ => None,
    };
    let value = value.and_then(|n| usize::try_from(*n).ok());
    value.ok_or_else(|| Fault::new(n.span, format!("{what} is a single whole number")))
}
