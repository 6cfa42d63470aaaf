//! The result of an expression: numbers or booleans, with a shape.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use arrow_buffer::{BooleanBuffer, OffsetBuffer, ScalarBuffer};

/// The largest whole number up to which 64-bit floats hold all of them, 2^53.
pub(super) const EXACT: u64 = 1 << 53;

/// Numbers or booleans, one after another.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// 64-bit floats.
    Numbers(ScalarBuffer<f64>),
    /// 64-bit integers.
    Integers(ScalarBuffer<i64>),
    /// Booleans, packed.
    Booleans(BooleanBuffer),
}

/// What a number may be; the later one wins where two meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Boolean,
    Integer,
    Float,
}

impl Data {
    /// How many values there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Integers(values) => values.len(),
            Self::Booleans(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Numbers(_) => Kind::Float,
            Self::Integers(_) => Kind::Integer,
            Self::Booleans(_) => Kind::Boolean,
        }
    }

    /// As floats; an integer beyond 2^53 is rounded.
    pub(super) fn floats(&self) -> ScalarBuffer<f64> {
        match self {
            Self::Numbers(values) => values.clone(),
            Self::Integers(values) => values.iter().map(|value| *value as f64).collect(),
            Self::Booleans(values) => values.iter().map(f64::from).collect(),
        }
    }

    /// The first integer that no 64-bit float holds.
    pub(super) fn first_inexact(&self) -> Option<usize> {
        let Self::Integers(values) = self else { return None };
        // One pass without branches for the usual case.
        let bits = values.iter().fold(0, |bits, value| bits | value.unsigned_abs());
        if bits < EXACT {
            return None;
        }
        values.iter().position(|value| value.unsigned_abs() > EXACT)
    }
}

/// What the values belong to.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// One value for all rows.
    Scalar,
    /// One value for each row: `(n,)`.
    Events,
    /// A list for each row, `(n, *)`, of particles or of lists again: `(n, *, *)`. The stack of offsets stands with the
    /// outermost first, and is never empty; each begins at 0. List `i` of the last level holds the values from `offsets[i]` to
    /// `offsets[i + 1]`, and list `i` of a level before it the lists of the next one in that range.
    Jagged(Vec<OffsetBuffer<i32>>),
}

impl Shape {
    /// The shape's name in messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Scalar => "a single value",
            Self::Events => "one value per row",
            Self::Jagged(levels) if levels.len() == 1 => "a list per row",
            Self::Jagged(_) => "a list of lists per row",
        }
    }

    /// The offsets, outermost first; none where there are no lists.
    pub fn levels(&self) -> &[OffsetBuffer<i32>] {
        match self {
            Self::Jagged(levels) => levels,
            Self::Scalar | Self::Events => &[],
        }
    }

    /// One value per row, or lists where there are levels.
    pub(super) fn of_levels(levels: Vec<OffsetBuffer<i32>>) -> Self {
        if levels.is_empty() { Self::Events } else { Self::Jagged(levels) }
    }

    /// 0 for a single value, 1 for one per row, 2 for a list per row, and so on.
    pub(super) fn depth(&self) -> usize {
        match self {
            Self::Scalar => 0,
            Self::Events => 1,
            Self::Jagged(levels) => 1 + levels.len(),
        }
    }

    /// The row that holds an item; 0 for a scalar.
    pub(super) fn row_of(&self, item: usize) -> usize {
        if matches!(self, Self::Scalar) {
            return 0;
        }
        row_of(self.levels(), item)
    }
}

/// The row that holds an item of the last level.
pub(super) fn row_of(levels: &[OffsetBuffer<i32>], item: usize) -> usize {
    levels.iter().rev().fold(item, |item, offsets| {
        offsets.partition_point(|offset| *offset as usize <= item).saturating_sub(1)
    })
}

/// How many items a level holds.
pub(super) fn total(offsets: &OffsetBuffer<i32>) -> usize {
    offsets.last().map_or(0, |last| *last as usize)
}

/// The values of an expression on all rows of a batch. Cloning shares the memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Values {
    data: Data,
    shape: Shape,
    unit: Option<Arc<str>>,
}

impl Values {
    pub(super) fn new(data: Data, shape: Shape, unit: Option<Arc<str>>) -> Self {
        Self { data, shape, unit }
    }

    /// The values, particle after particle, row after row.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// What the values belong to.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The unit, where it is known: that of the columns, as long as they are added, chosen and scaled alone.
    pub fn unit(&self) -> Option<&str> {
        self.unit.as_deref()
    }

    /// Whether the values are booleans.
    pub fn is_boolean(&self) -> bool {
        matches!(self.data, Data::Booleans(_))
    }

    /// The offsets of a value with one list per row; none of one with lists of lists.
    pub fn offsets(&self) -> Option<&OffsetBuffer<i32>> {
        match self.shape.levels() {
            [offsets] => Some(offsets),
            _ => None,
        }
    }

    /// The values as floats, booleans as 0 and 1. Floats are borrowed. Integers beyond 2^53 are rounded: where that matters, ask
    /// [`Values::first_inexact`] first.
    pub fn numbers(&self) -> Cow<'_, [f64]> {
        match &self.data {
            Data::Numbers(values) => Cow::Borrowed(values.as_ref()),
            other => Cow::Owned(other.floats().to_vec()),
        }
    }

    /// The row and the value of the first integer beyond 2^53, which no 64-bit float need hold exactly.
    pub fn first_inexact(&self) -> Option<(usize, i64)> {
        match (&self.data, self.data.first_inexact()) {
            (Data::Integers(values), Some(item)) => Some((self.row_of(item), values[item])),
            _ => None,
        }
    }

    /// The place of a row's values in [`Values::data`], of all shapes. A row beyond the end has no values.
    pub fn row_range(&self, row: usize) -> Range<usize> {
        match &self.shape {
            Shape::Scalar => 0..1,
            Shape::Events => row.min(self.data.len())..(row + 1).min(self.data.len()),
            Shape::Jagged(levels) => levels.iter().fold(row..row + 1, |range, offsets| {
                match (offsets.get(range.start), offsets.get(range.end)) {
                    (Some(start), Some(end)) => *start as usize..*end as usize,
                    _ => 0..0,
                }
            }),
        }
    }

    /// Whether the value is jagged.
    pub fn is_jagged(&self) -> bool {
        matches!(self.shape, Shape::Jagged(_))
    }

    /// The row that holds the value at `index` of [`Values::data`]; 0 for a scalar.
    pub fn row_of(&self, index: usize) -> usize {
        self.shape.row_of(index)
    }

    /// The values as one float for each of `rows` rows, as [`Values::numbers`]; none where the value is jagged.
    pub fn event_numbers(&self, rows: usize) -> Option<Vec<f64>> {
        match self.shape {
            Shape::Scalar => Some(vec![self.numbers().first().copied().unwrap_or(f64::NAN); rows]),
            Shape::Events => Some(self.numbers().into_owned()),
            Shape::Jagged(_) => None,
        }
    }

    /// The values as one boolean for each of `rows` rows; none where the value is jagged or holds numbers.
    pub fn event_mask(&self, rows: usize) -> Option<BooleanBuffer> {
        match (&self.shape, &self.data) {
            (Shape::Scalar, Data::Booleans(value)) => {
                let value = value.iter().next().unwrap_or(false);
                Some(BooleanBuffer::collect_bool(rows, |_| value))
            }
            (Shape::Events, Data::Booleans(values)) => Some(values.clone()),
            _ => None,
        }
    }
}
