//! Values brought to one shape: single ones go with rows, rows with their lists, and lists with the lists in them.

use std::borrow::Cow;

use arrow_buffer::{ArrowNativeType, BooleanBuffer, BooleanBufferBuilder, OffsetBuffer, ScalarBuffer};

use super::error::Fault;
use super::evaluate::{Machine, Operation};
use super::node::Span;
use super::value::{Content, Index, Unit};
use super::values::{Data, Kind, Shape, total};

/// Numbers of a common length, or one number for all places.
#[derive(Debug)]
pub(super) struct Operand<T: ArrowNativeType> {
    values: ScalarBuffer<T>,
    /// 0 for one number that stands for all, else 1.
    stride: usize,
}

impl<T: ArrowNativeType> Operand<T> {
    /// The number at a place below the common length.
    #[inline]
    pub(super) fn at(&self, i: usize) -> T {
        self.values[i * self.stride]
    }

    /// The number, where one stands for all.
    pub(super) fn constant(&self) -> Option<T> {
        (self.stride == 0).then(|| self.values.first().copied()).flatten()
    }

    pub(super) fn values(&self) -> &[T] {
        &self.values
    }

    /// A number for each place.
    pub(super) fn column(&self, length: usize) -> Cow<'_, [T]> {
        match self.constant() {
            Some(number) => Cow::Owned(vec![number; length]),
            None => Cow::Borrowed(&self.values),
        }
    }

    pub(super) fn into_values(self) -> ScalarBuffer<T> {
        self.values
    }

    /// Brings numbers of one shape to another, to which they broadcast.
    fn new(values: ScalarBuffer<T>, from: &Shape, to: &Shape) -> Self {
        match (from, to) {
            (Shape::Scalar, Shape::Scalar) => Self { values, stride: 1 },
            (Shape::Scalar, _) => Self { values, stride: 0 },
            _ => match repeats(from, to) {
                None => Self { values, stride: 1 },
                Some(offsets) => Self { values: repeat(&values, &offsets), stride: 1 },
            },
        }
    }
}

/// For each item of a shape the items of a deeper one that it stands for; none where both have the same items.
fn repeats<'a>(from: &Shape, to: &'a Shape) -> Option<Cow<'a, OffsetBuffer<i32>>> {
    let deeper = to.levels().get(from.levels().len()..)?;
    let (first, rest) = deeper.split_first()?;
    let mut composed = Cow::Borrowed(first);
    for offsets in rest {
        composed = Cow::Owned(compose(&composed, offsets));
    }
    Some(composed)
}

/// The offsets of two levels as one.
pub(super) fn compose(outer: &OffsetBuffer<i32>, inner: &OffsetBuffer<i32>) -> OffsetBuffer<i32> {
    OffsetBuffer::new(outer.iter().map(|offset| inner[*offset as usize]).collect())
}

/// Each value as often as its list has items.
pub(super) fn repeat<T: ArrowNativeType>(values: &[T], offsets: &OffsetBuffer<i32>) -> ScalarBuffer<T> {
    let mut repeated = vec![T::default(); total(offsets)];
    for (value, row) in values.iter().zip(offsets.windows(2)) {
        // Offsets begin at 0 and do not fall. A slice is filled by vector instructions, which `push` is not.
        repeated[row[0] as usize..row[1] as usize].fill(*value);
    }
    repeated.into()
}

impl Machine<'_> {
    /// How many items a shape has.
    pub(super) fn length(&self, shape: &Shape) -> usize {
        match shape {
            Shape::Scalar => 1,
            Shape::Events => self.environment.rows(),
            Shape::Jagged(levels) => levels.last().map_or(0, total),
        }
    }

    /// The shape that all operands broadcast to: the deepest one, of which the others must be the outer part.
    pub(super) fn common_shape<'o>(
        &self,
        operands: impl IntoIterator<Item = &'o Operation>,
    ) -> Result<Shape, Fault> {
        let mut deepest: Option<&Operation> = None;
        for operand in operands {
            let Some(so_far) = deepest else {
                deepest = Some(operand);
                continue;
            };
            self.check_levels(so_far, operand)?;
            if operand.value.shape.depth() > so_far.value.shape.depth() {
                deepest = Some(operand);
            }
        }
        Ok(deepest.map_or(Shape::Scalar, |operand| operand.value.shape.clone()))
    }

    /// Checks that lists have the same lengths as far as both have lists.
    pub(super) fn check_levels(&self, a: &Operation, b: &Operation) -> Result<(), Fault> {
        let levels = a.value.shape.levels().iter().zip(b.value.shape.levels());
        for (level, (x, y)) in levels.enumerate() {
            if !x.ptr_eq(y) && x != y {
                return Err(self.mismatch((a, x), (b, y), level));
            }
        }
        Ok(())
    }

    fn mismatch(
        &self,
        a: (&Operation, &OffsetBuffer<i32>),
        b: (&Operation, &OffsetBuffer<i32>),
        level: usize,
    ) -> Fault {
        let span = Span::new(a.0.span.start.min(b.0.span.start), a.0.span.end.max(b.0.span.end));
        let lengths = || a.1.lengths().zip(b.1.lengths());
        let list = lengths().position(|(x, y)| x != y).unwrap_or(0);
        let (x, y) = lengths().nth(list).unwrap_or_default();
        let outer = Shape::of_levels(a.0.value.shape.levels()[..level].to_vec());
        self.at_item(&outer, list, |row| {
            let (left, right) = (self.source(a.0.span), self.source(b.0.span));
            let message =
                format!("the lists do not match: in row {row} {left} has {x} values and {right} has {y}");
            Fault::new(span, message)
        })
    }

    /// What numbers an operand holds; a record is an error.
    pub(super) fn kind(&self, operand: &Operation) -> Result<Kind, Fault> {
        self.data(operand).map(Data::kind)
    }

    /// The numbers of an operand.
    pub(super) fn data<'o>(&self, operand: &'o Operation) -> Result<&'o Data, Fault> {
        match &operand.value.content {
            Content::Plain(data) => Ok(data),
            Content::Record(record) => {
                let (what, example) = self.record_name(record);
                let message = format!("{} is {what} where numbers are wanted", self.source(operand.span));
                Err(Fault::new(operand.span, message)
                    .hint(format!("ask for one of its fields, such as `.{example}`")))
            }
        }
    }

    /// Refuses integers that floats cannot hold.
    pub(super) fn check_exact(&self, operand: &Operation) -> Result<(), Fault> {
        let Content::Plain(data) = &operand.value.content else { return Ok(()) };
        let (Data::Integers(values), Some(item)) = (data, data.first_inexact()) else { return Ok(()) };
        Err(self.at_item(&operand.value.shape, item, |row| {
            let source = self.source(operand.span);
            let value = values[item];
            let message =
                format!("{source} is {value} in row {row}, beyond 2^53, up to which 64-bit floats are exact");
            Fault::new(operand.span, message)
                .hint("integers stay exact with `+ - * // %`, comparisons and indices among themselves")
        }))
    }

    /// An operand as floats of a shape it broadcasts to.
    pub(super) fn floats(&self, operand: &Operation, shape: &Shape) -> Result<Operand<f64>, Fault> {
        self.check_exact(operand)?;
        Ok(Operand::new(self.data(operand)?.floats(), &operand.value.shape, shape))
    }

    /// As [`Machine::floats`], of an operand that is needed no more: its memory may be used again.
    pub(super) fn take_floats(&self, operand: Operation, shape: &Shape) -> Result<Operand<f64>, Fault> {
        match operand.value.content {
            Content::Plain(Data::Numbers(values)) => Ok(Operand::new(values, &operand.value.shape, shape)),
            _ => self.floats(&operand, shape),
        }
    }

    /// An operand that holds no floats as integers of a shape it broadcasts to.
    pub(super) fn integers(&self, operand: &Operation, shape: &Shape) -> Result<Operand<i64>, Fault> {
        let values = match self.data(operand)? {
            Data::Integers(values) => values.clone(),
            Data::Booleans(values) => values.iter().map(i64::from).collect(),
            Data::Numbers(_) => {
                let message = format!("{} holds floats where integers are wanted", self.source(operand.span));
                return Err(
                    Fault::new(operand.span, message).hint("`int(x)` takes the part before the point")
                );
            }
        };
        Ok(Operand::new(values, &operand.value.shape, shape))
    }

    /// An operand that holds booleans, brought to a shape it broadcasts to.
    pub(super) fn booleans(&self, operand: &Operation, shape: &Shape) -> Result<BooleanBuffer, Fault> {
        let Data::Booleans(values) = self.data(operand)? else {
            let message = format!("{} holds numbers where booleans are wanted", self.source(operand.span));
            return Err(Fault::new(operand.span, message).hint(
                "compare with a number (`x != 0`); comparisons beside `&` and `|` stand in parentheses; bits are asked for with \
                 `bitwise_and(x, 2)`",
            ));
        };
        if let (Shape::Scalar, true) = (&operand.value.shape, *shape != Shape::Scalar) {
            let value = values.iter().next().unwrap_or(false);
            return Ok(BooleanBuffer::collect_bool(self.length(shape), |_| value));
        }
        let Some(offsets) = repeats(&operand.value.shape, shape) else { return Ok(values.clone()) };
        let mut builder = BooleanBufferBuilder::new(total(&offsets));
        for (value, row) in values.iter().zip(offsets.windows(2)) {
            builder.append_n((row[1] - row[0]) as usize, value);
        }
        Ok(builder.finish())
    }

    /// An operand's items, records too, brought to a shape it broadcasts to.
    pub(super) fn spread(&self, operand: &Operation, shape: &Shape) -> Content {
        let value = &operand.value;
        let index: Index = if value.shape == Shape::Scalar && *shape != Shape::Scalar {
            vec![0; self.length(shape)].into()
        } else {
            let Some(offsets) = repeats(&value.shape, shape) else { return value.content.clone() };
            let items: Vec<u32> = (0..value.content.len() as u32).collect();
            repeat(&items, &offsets)
        };
        value.content.gather(&index)
    }

    /// The unit that all operands have, as far as it is known.
    pub(super) fn same_unit<'o>(
        &self,
        operands: impl IntoIterator<Item = &'o Operation>,
        span: Span,
    ) -> Result<Unit, Fault> {
        let mut unit: Option<(&Operation, &Unit)> = None;
        for operand in operands {
            match (&operand.value.unit, unit) {
                (None, _) => {}
                (Some(_), None) => unit = Some((operand, &operand.value.unit)),
                (Some(b), Some((first, Some(a)))) if a != b => {
                    let (left, right) = (self.source(first.span), self.source(operand.span));
                    let message = format!("{left} is in {a} and {right} in {b}");
                    return Err(Fault::new(span, message)
                        .hint("scale one and forget its unit: `without_unit(x / 1000)`"));
                }
                (Some(_), Some(_)) => {}
            }
        }
        Ok(unit.and_then(|(_, unit)| unit.clone()))
    }
}
