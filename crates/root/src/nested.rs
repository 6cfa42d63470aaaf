//! Buffers for values of any shape, and the arrays that are made of them.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BinaryArray, FixedSizeListArray, ListArray, NullArray, StringArray, StructArray,
    make_array,
};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::DataType;

use crate::build::{self, Piece, Spans};
use crate::error::{Place, Result};
use crate::layout::Item;
use crate::pool::Pool;
use crate::prim::Prim;
use crate::shape::Shape;

/// Values of one shape, gathered entry by entry. Numbers stay big-endian until all are there.
#[derive(Debug)]
pub(crate) enum Nested {
    Numbers { prim: Prim, bytes: Vec<u8> },
    Text { ends: Vec<usize>, bytes: Vec<u8> },
    List { ends: Vec<usize>, items: Box<Nested> },
    Fixed { len: usize, size: usize, items: Box<Nested> },
    Struct { len: usize, fields: Vec<Nested> },
    Optional { valid: Vec<bool>, item: Box<Nested> },
    Nothing { len: usize },
}

impl Nested {
    pub(crate) fn new(shape: &Shape) -> Self {
        let boxed = |shape: &Shape| Box::new(Self::new(shape));
        match shape {
            Shape::Number(prim) => Self::Numbers { prim: *prim, bytes: Vec::new() },
            Shape::Bits => Self::Numbers { prim: Prim::U32, bytes: Vec::new() },
            Shape::Text | Shape::ObjString(_) | Shape::LongText | Shape::Opaque | Shape::Any(_) => {
                Self::Text { ends: Vec::new(), bytes: Vec::new() }
            }
            Shape::List(item) | Shape::Rest(item) => Self::List { ends: Vec::new(), items: boxed(item) },
            Shape::Fixed(item, n) => Self::Fixed { len: 0, size: *n, items: boxed(item) },
            Shape::Headed(inner) | Shape::Shared(inner) => Self::new(inner),
            Shape::Record(record) | Shape::Named(record) => {
                let fields = record.fields.iter().map(|(_, shape)| Self::new(shape)).collect();
                Self::Struct { len: 0, fields }
            }
            Shape::Pointer(record) => {
                let item = boxed(&Shape::Record(Arc::clone(record)));
                Self::Optional { valid: Vec::new(), item }
            }
            Shape::Optional(inner) => Self::Optional { valid: Vec::new(), item: boxed(inner) },
            Shape::Nothing(_) => Self::Nothing { len: 0 },
            Shape::Clones(record, _) => {
                let items = boxed(&Shape::Pointer(Arc::clone(record)));
                Self::List { ends: Vec::new(), items }
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Numbers { prim, bytes } => bytes.len() / prim.width(),
            Self::Text { ends, .. } | Self::List { ends, .. } => ends.len(),
            Self::Fixed { len, .. } | Self::Struct { len, .. } | Self::Nothing { len } => *len,
            Self::Optional { valid, .. } => valid.len(),
        }
    }

    /// How many values stand beneath a null.
    pub(crate) fn cost(&self) -> usize {
        match self {
            Self::Fixed { size, items, .. } => items.cost().saturating_mul(*size).max(1),
            Self::Struct { fields, .. } => {
                fields.iter().fold(1, |sum, field| sum.saturating_add(field.cost()))
            }
            Self::Optional { item, .. } => item.cost(),
            Self::Numbers { .. } | Self::Text { .. } | Self::List { .. } | Self::Nothing { .. } => 1,
        }
    }

    /// Appends what stands beneath a null.
    pub(crate) fn push_default(&mut self) {
        match self {
            Self::Numbers { prim, bytes } => bytes.resize(bytes.len() + prim.width(), 0),
            Self::Text { ends, bytes } => ends.push(bytes.len()),
            Self::List { ends, items } => ends.push(items.len()),
            Self::Fixed { len, size, items } => {
                *len += 1;
                (0..*size).for_each(|_| items.push_default());
            }
            Self::Struct { len, fields } => {
                *len += 1;
                fields.iter_mut().for_each(Self::push_default);
            }
            Self::Nothing { len } => *len += 1,
            Self::Optional { valid, item } => {
                valid.push(false);
                item.push_default();
            }
        }
    }

    /// Puts the values of several baskets together.
    pub(crate) fn concat(shape: &Shape, parts: Vec<Self>) -> Self {
        let mut parts = parts.into_iter();
        let mut out = parts.next().unwrap_or_else(|| Self::new(shape));
        parts.for_each(|part| out.append(part));
        out
    }

    fn append(&mut self, other: Self) {
        match (self, other) {
            (Self::Numbers { bytes, .. }, Self::Numbers { bytes: more, .. }) => {
                bytes.extend_from_slice(&more);
            }
            (Self::Text { ends, bytes }, Self::Text { ends: more_ends, bytes: more }) => {
                let base = bytes.len();
                ends.extend(more_ends.into_iter().map(|end| end + base));
                bytes.extend_from_slice(&more);
            }
            (Self::List { ends, items }, Self::List { ends: more_ends, items: more }) => {
                let base = items.len();
                ends.extend(more_ends.into_iter().map(|end| end + base));
                items.append(*more);
            }
            (Self::Fixed { len, items, .. }, Self::Fixed { len: more_len, items: more, .. }) => {
                *len += more_len;
                items.append(*more);
            }
            (Self::Struct { len, fields }, Self::Struct { len: more_len, fields: more }) => {
                *len += more_len;
                fields.iter_mut().zip(more).for_each(|(field, more)| field.append(more));
            }
            (Self::Optional { valid, item }, Self::Optional { valid: more_valid, item: more }) => {
                valid.extend_from_slice(&more_valid);
                item.append(*more);
            }
            (Self::Nothing { len }, Self::Nothing { len: more }) => *len += more,
            // All parts were made from one shape.
            _ => {}
        }
    }

    /// The array of all values.
    pub(crate) fn finish(self, shape: &Shape, place: &Place, pool: &Arc<Pool>) -> Result<ArrayRef> {
        let arrow = |e: arrow_schema::ArrowError| place.error(0, e.to_string());
        match (self, shape) {
            (out, Shape::Headed(inner) | Shape::Shared(inner)) => out.finish(inner, place, pool),
            (Self::Numbers { prim, bytes }, _) => {
                let item = Item { prim, dims: Vec::new() };
                let items = bytes.len() / prim.width();
                build::items(&item, &[Piece { bytes: &bytes, spans: Spans::All, items }], place, pool)
            }
            (Self::Text { ends, bytes }, Shape::Opaque) => {
                let array = BinaryArray::try_new(offsets(ends, place)?, Buffer::from_vec(bytes), None);
                Ok(Arc::new(array.map_err(arrow)?))
            }
            (Self::Text { ends, bytes }, _) => {
                let offsets = offsets(ends, place)?;
                let array = StringArray::try_new(offsets, Buffer::from_vec(bytes), None);
                Ok(Arc::new(array.map_err(|e| place.error(0, format!("its text is not UTF-8: {e}")))?))
            }
            (Self::List { ends, items }, Shape::List(item) | Shape::Rest(item)) => {
                let (field, values) = (item.field("item"), items.finish(item, place, pool)?);
                let list = ListArray::try_new(Arc::new(field), offsets(ends, place)?, values, None);
                Ok(Arc::new(list.map_err(arrow)?))
            }
            (Self::List { ends, items }, Shape::Clones(record, _)) => {
                let shape = Shape::Pointer(Arc::clone(record));
                let values = items.finish(&shape, place, pool)?;
                let list =
                    ListArray::try_new(Arc::new(shape.field("item")), offsets(ends, place)?, values, None);
                Ok(Arc::new(list.map_err(arrow)?))
            }
            (Self::Fixed { items, .. }, Shape::Fixed(item, n)) => {
                let (field, values) = (item.field("item"), items.finish(item, place, pool)?);
                let list = FixedSizeListArray::try_new(Arc::new(field), *n as i32, values, None);
                Ok(Arc::new(list.map_err(arrow)?))
            }
            (
                Self::Struct { len, fields },
                Shape::Record(record) | Shape::Pointer(record) | Shape::Named(record),
            ) => {
                if fields.is_empty() {
                    return Ok(Arc::new(StructArray::new_empty_fields(len, None)));
                }
                let arrays = fields.into_iter().zip(&record.fields);
                let arrays = arrays.map(|(field, (_, shape))| field.finish(shape, place, pool));
                let arrays = arrays.collect::<Result<Vec<_>>>()?;
                let array = StructArray::try_new(record.arrow_fields(), arrays, None);
                Ok(Arc::new(array.map_err(arrow)?))
            }
            (Self::Nothing { len }, _) => Ok(Arc::new(NullArray::new(len))),
            // A null array has no other nulls.
            (Self::Optional { item, .. }, Shape::Optional(inner)) if inner.data_type() == DataType::Null => {
                item.finish(inner, place, pool)
            }
            (Self::Optional { valid, item }, shape) => {
                let array = match shape {
                    Shape::Optional(inner) => item.finish(inner, place, pool)?,
                    shape => item.finish(shape, place, pool)?,
                };
                // What is there may be a pointer to nothing.
                let nulls = NullBuffer::union(array.nulls(), Some(&NullBuffer::from(valid)));
                let data = array.to_data().into_builder().nulls(nulls).build();
                Ok(make_array(data.map_err(arrow)?))
            }
            _ => Err(place.error(0, "values of one shape where another belongs")),
        }
    }
}

fn offsets(ends: Vec<usize>, place: &Place) -> Result<OffsetBuffer<i32>> {
    if ends.last().is_some_and(|&last| i32::try_from(last).is_err()) {
        return Err(place.error(0, "a column holds more than 2^31 items: read fewer entries at once"));
    }
    let offsets: Vec<i32> = std::iter::once(0).chain(ends.into_iter().map(|end| end as i32)).collect();
    Ok(OffsetBuffer::new(ScalarBuffer::from(offsets)))
}
