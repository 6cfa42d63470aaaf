//! The columns of some events while they are parsed.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int32Array, ListArray, RecordBatch};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, Schema};

use crate::source::{DESCRIPTION, UNIT};

/// What a column's values belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// One value for each event.
    Event,
    /// One for each particle.
    Particle,
    /// One for each vertex.
    Vertex,
}

/// The type of a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    Int,
    Float,
    /// A float that may be missing.
    Optional,
}

/// A column of an event file.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) level: Level,
    pub(super) number: Number,
    pub(super) unit: Option<&'static str>,
    pub(super) description: String,
}

impl Column {
    pub(super) fn new(name: &str, level: Level, number: Number, unit: &'static str, text: &str) -> Self {
        let unit = Some(unit).filter(|unit| !unit.is_empty());
        Self { name: name.to_owned(), level, number, unit, description: text.to_owned() }
    }

    fn item(&self) -> Field {
        let data_type = if self.number == Number::Int { DataType::Int32 } else { DataType::Float64 };
        Field::new("item", data_type, self.number == Number::Optional)
    }

    pub(super) fn field(&self) -> Field {
        let mut metadata = HashMap::from([(DESCRIPTION.to_owned(), self.description.clone())]);
        metadata.extend(self.unit.map(|unit| (UNIT.to_owned(), unit.to_owned())));
        let field = match self.level {
            Level::Event => self.item().with_name(&self.name),
            _ => Field::new(&self.name, DataType::List(Arc::new(self.item())), false),
        };
        field.with_metadata(metadata)
    }
}

#[derive(Debug)]
enum Data {
    Ints(Vec<i32>),
    Floats(Vec<f64>),
}

/// Values column by column; columns that nobody asked for keep none.
pub(super) struct Sheet {
    data: Vec<Option<Data>>,
    /// Which values of an optional column are there.
    valid: Vec<Vec<bool>>,
    counts: [i32; 2],
    offsets: [Vec<i32>; 2],
}

impl Sheet {
    pub(super) fn new(columns: &[Column], wanted: &[usize]) -> Self {
        let data = columns.iter().enumerate().map(|(index, column)| {
            wanted.contains(&index).then(|| match column.number {
                Number::Int => Data::Ints(Vec::new()),
                Number::Float | Number::Optional => Data::Floats(Vec::new()),
            })
        });
        let valid = vec![Vec::new(); columns.len()];
        Self { data: data.collect(), valid, counts: [0; 2], offsets: [vec![0], vec![0]] }
    }

    /// Parses a word for a column, where it is wanted.
    pub(super) fn parse(&mut self, column: usize, word: Option<&str>, what: &str) -> Result<(), String> {
        match &mut self.data[column] {
            Some(Data::Ints(values)) => values.push(super::number(word, what)?),
            Some(Data::Floats(values)) => values.push(super::number(word, what)?),
            None => {}
        }
        Ok(())
    }

    /// As [`Sheet::parse`], in another unit.
    pub(super) fn scaled(
        &mut self,
        column: usize,
        word: Option<&str>,
        scale: f64,
        what: &str,
    ) -> Result<(), String> {
        if let Some(Data::Floats(values)) = &mut self.data[column] {
            values.push(super::number::<f64>(word, what)? * scale);
            self.valid[column].push(true);
        }
        Ok(())
    }

    /// A value that is missing.
    pub(super) fn missing(&mut self, column: usize) {
        if let Some(Data::Floats(values)) = &mut self.data[column] {
            values.push(0.0);
            self.valid[column].push(false);
        }
    }

    pub(super) fn push(&mut self, column: usize, value: i32) {
        if let Some(Data::Ints(values)) = &mut self.data[column] {
            values.push(value);
        }
    }

    /// One particle or vertex more.
    pub(super) fn end_item(&mut self, level: Level) -> Result<(), String> {
        let count = &mut self.counts[usize::from(level == Level::Vertex)];
        *count = count.checked_add(1).ok_or("more particles than fit into one batch")?;
        Ok(())
    }

    pub(super) fn end_event(&mut self) {
        for (offsets, count) in self.offsets.iter_mut().zip(self.counts) {
            offsets.push(count);
        }
    }

    /// The wanted columns, in that order.
    pub(super) fn finish(mut self, columns: &[Column], wanted: &[usize]) -> Result<RecordBatch, String> {
        let text = |error: arrow_schema::ArrowError| error.to_string();
        let mut made: HashMap<usize, ArrayRef> = HashMap::new();
        for &index in wanted {
            let Some(data) = self.data[index].take() else { continue };
            let column = &columns[index];
            let values: ArrayRef = match data {
                Data::Ints(values) => Arc::new(Int32Array::from(values)),
                Data::Floats(values) => {
                    let is_optional = column.number == Number::Optional;
                    let nulls = is_optional.then(|| NullBuffer::from(std::mem::take(&mut self.valid[index])));
                    Arc::new(Float64Array::try_new(ScalarBuffer::from(values), nulls).map_err(text)?)
                }
            };
            let array: ArrayRef = match column.level {
                Level::Event => values,
                level => {
                    let offsets = self.offsets[usize::from(level == Level::Vertex)].clone();
                    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
                    Arc::new(
                        ListArray::try_new(Arc::new(column.item()), offsets, values, None).map_err(text)?,
                    )
                }
            };
            made.insert(index, array);
        }
        let fields: Vec<Field> = wanted.iter().map(|index| columns[*index].field()).collect();
        let arrays = wanted.iter().filter_map(|index| made.get(index).cloned()).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(text)
    }
}
