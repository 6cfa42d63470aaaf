//! Intermediate results: as [`Values`], and records such as four-vectors and pairs.

use std::sync::Arc;

use arrow_buffer::{ArrowNativeType, BooleanBuffer, ScalarBuffer};

use super::four_vectors::{FourVectors, View};
use super::values::{Data, Shape, Values};

/// The unit of numbers; none where it is not known, or there is none.
pub(super) type Unit = Option<Arc<str>>;

/// Which items of something else, in order. Shared, as the offsets are.
pub(super) type Index = ScalarBuffer<u32>;

/// An intermediate result. Cloning shares the memory.
#[derive(Debug, Clone)]
pub(super) struct Value {
    pub(super) content: Content,
    pub(super) shape: Shape,
    pub(super) unit: Unit,
}

/// The items, one after another.
#[derive(Debug, Clone)]
pub(super) enum Content {
    Plain(Data),
    Record(Record),
}

/// Items with several fields. Items are picked by an index alone: a field is gathered when it is asked for.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) fields: Arc<Fields>,
    /// Items of `fields`; none means all of them.
    pub(super) index: Option<Index>,
}

/// Columns of one length.
#[derive(Debug)]
pub(super) struct Fields {
    pub(super) length: usize,
    /// The four-vector, where the record is one.
    pub(super) vector: Option<Arc<FourVectors>>,
    /// The unit of the four-vector's momenta.
    pub(super) unit: Unit,
    pub(super) named: Vec<Named>,
    /// How deep records are nested in this one.
    pub(super) depth: usize,
}

#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) content: Content,
    pub(super) unit: Unit,
}

impl Value {
    pub(super) fn plain(data: Data, shape: Shape) -> Self {
        Self { content: Content::Plain(data), shape, unit: None }
    }

    pub(super) fn with_unit(self, unit: Unit) -> Self {
        Self { unit, ..self }
    }

    /// A four-vector for each item.
    pub(super) fn vectors(vector: FourVectors, shape: Shape, unit: Unit) -> Self {
        let fields = Fields::of_vector(Arc::new(vector), unit);
        Self { content: Content::Record(Record { fields: Arc::new(fields), index: None }), shape, unit: None }
    }

    pub(super) fn number(value: f64) -> Self {
        Self::plain(Data::Numbers(vec![value].into()), Shape::Scalar)
    }

    pub(super) fn integer(value: i64) -> Self {
        Self::plain(Data::Integers(vec![value].into()), Shape::Scalar)
    }

    pub(super) fn boolean(value: bool) -> Self {
        Self::plain(Data::Booleans(BooleanBuffer::collect_bool(1, |_| value)), Shape::Scalar)
    }

    /// The result of an expression; none for a record.
    pub(super) fn into_values(self) -> Option<Values> {
        match self.content {
            Content::Plain(data) => Some(Values::new(data, self.shape, self.unit)),
            Content::Record(_) => None,
        }
    }
}

impl Content {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Plain(data) => data.len(),
            Self::Record(record) => record.len(),
        }
    }

    /// The items at places that exist.
    pub(super) fn gather(&self, index: &Index) -> Self {
        match self {
            Self::Plain(data) => Self::Plain(data.gather(index)),
            Self::Record(record) => Self::Record(record.gather(index)),
        }
    }

    fn depth(&self) -> usize {
        match self {
            Self::Plain(_) => 0,
            Self::Record(record) => record.fields.depth,
        }
    }
}

impl Data {
    /// The values at places that exist.
    pub(super) fn gather(&self, index: &[u32]) -> Self {
        match self {
            Self::Numbers(values) => Self::Numbers(gather(values, index)),
            Self::Integers(values) => Self::Integers(gather(values, index)),
            Self::Booleans(values) => {
                Self::Booleans(BooleanBuffer::collect_bool(index.len(), |i| values.value(index[i] as usize)))
            }
        }
    }
}

/// The values at places that exist.
pub(super) fn gather<T: ArrowNativeType>(values: &[T], index: &[u32]) -> ScalarBuffer<T> {
    index.iter().map(|i| values[*i as usize]).collect()
}

impl Record {
    pub(super) fn len(&self) -> usize {
        self.index.as_ref().map_or(self.fields.length, ScalarBuffer::len)
    }

    fn gather(&self, index: &Index) -> Self {
        let index = match &self.index {
            None => index.clone(),
            Some(own) => gather(own, index),
        };
        Self { fields: self.fields.clone(), index: Some(index) }
    }

    /// The four-vectors, where it holds some.
    pub(super) fn view(&self) -> Option<View> {
        let base = self.fields.vector.clone()?;
        Some(View { base, index: self.index.clone() })
    }

    /// A field by its own name: not a coordinate.
    pub(super) fn named(&self, name: &str) -> Option<(Content, Unit)> {
        let named = self.fields.named.iter().find(|named| named.name == name)?;
        let content = match &self.index {
            None => named.content.clone(),
            Some(index) => named.content.gather(index),
        };
        Some((content, named.unit.clone()))
    }
}

impl Fields {
    pub(super) fn of_vector(vector: Arc<FourVectors>, unit: Unit) -> Self {
        Self { length: vector.len(), vector: Some(vector), unit, named: Vec::new(), depth: 1 }
    }

    pub(super) fn of_named(length: usize, named: Vec<Named>) -> Self {
        let depth = 1 + named.iter().map(|named| named.content.depth()).max().unwrap_or(0);
        Self { length, vector: None, unit: None, named, depth }
    }
}
