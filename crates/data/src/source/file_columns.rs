//! Columns whose values follow from a file's name.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::{Error, Source};
use crate::view::View;

/// A source with the file columns of a view beside its own.
struct WithFileColumns {
    inner: Box<dyn Source>,
    added: Vec<(Field, f64)>,
}

/// Adds a view's file columns to a source; gives it back as it is where there are none.
///
/// # Errors
/// When the source has a column of such a name already: which of the two is meant is not for us to guess.
pub fn with_file_columns(inner: Box<dyn Source>, view: &View) -> Result<Box<dyn Source>, Error> {
    if view.file_columns().is_empty() {
        return Ok(inner);
    }
    let mut added = Vec::new();
    for column in view.file_columns() {
        if inner.schema().field_with_name(&column.name).is_ok() {
            let reason = "the view makes a column of this name from the file's name, and the file has one";
            return Err(Error::column(inner.path(), &column.name, reason));
        }
        let kind = if column.is_whole() { DataType::Int64 } else { DataType::Float64 };
        added.push((Field::new(&column.name, kind, false), column.value(inner.path())));
    }
    Ok(Box::new(WithFileColumns { inner, added }))
}

impl WithFileColumns {
    /// The columns that the file itself has.
    fn own<'c>(&self, columns: &[&'c str]) -> Vec<&'c str> {
        let is_added = |name: &str| self.added.iter().any(|(field, _)| field.name() == name);
        columns.iter().copied().filter(|name| !is_added(name)).collect()
    }

    /// Columns of the file, with ours at their places between them.
    fn complete(&self, columns: &[&str], batch: &RecordBatch) -> Result<RecordBatch, Error> {
        let broken = |error: arrow_schema::ArrowError| Error::malformed(self.path(), error.to_string());
        let schema = self.schema();
        let (mut fields, mut arrays) = (Vec::with_capacity(columns.len()), Vec::with_capacity(columns.len()));
        for name in columns {
            let (field, array) = match batch.schema_ref().column_with_name(name) {
                Some((index, field)) => (field.clone(), Some(batch.column(index).clone())),
                None => (
                    schema.field_with_name(name).map_err(broken)?.clone(),
                    self.array(name, batch.num_rows()),
                ),
            };
            fields.push(field);
            arrays.push(array.ok_or_else(|| Error::column(self.path(), name, "it was not read"))?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options).map_err(broken)
    }

    fn array(&self, name: &str, rows: usize) -> Option<ArrayRef> {
        let (field, value) = self.added.iter().find(|(field, _)| field.name() == name)?;
        Some(match field.data_type() {
            DataType::Int64 => Arc::new(Int64Array::from(vec![*value as i64; rows])),
            _ => Arc::new(Float64Array::from(vec![*value; rows])),
        })
    }
}

impl Source for WithFileColumns {
    fn path(&self) -> &Path {
        self.inner.path()
    }

    fn table(&self) -> Option<&str> {
        self.inner.table()
    }

    fn rows(&self) -> u64 {
        self.inner.rows()
    }

    fn schema(&self) -> SchemaRef {
        let schema = self.inner.schema();
        let own = schema.fields().iter().map(|field| field.as_ref().clone());
        let fields: Vec<Field> = own.chain(self.added.iter().map(|(field, _)| field.clone())).collect();
        Arc::new(Schema::new(fields).with_metadata(schema.metadata().clone()))
    }

    fn original<'c>(&'c self, column: &'c str) -> Option<&'c str> {
        self.inner.original(column)
    }

    fn unreadable(&self, column: &str) -> Option<String> {
        self.inner.unreadable(column)
    }

    fn unreadable_columns(&self) -> Vec<(String, String)> {
        self.inner.unreadable_columns()
    }

    fn partitions(&self) -> Vec<Range<u64>> {
        self.inner.partitions()
    }

    fn decoded_bytes(&self, columns: &[&str], rows: &Range<u64>) -> Option<u64> {
        self.inner.decoded_bytes(&self.own(columns), rows)
    }

    fn pass_over(&self, columns: &[&str], rows: &Range<u64>) {
        self.inner.pass_over(&self.own(columns), rows);
    }

    fn release(&self) {
        self.inner.release();
    }

    fn digest(&self) -> Result<(u64, String), Error> {
        self.inner.digest()
    }

    fn read(&self, columns: &[&str], rows: Range<u64>) -> Result<RecordBatch, Error> {
        self.complete(columns, &self.inner.read(&self.own(columns), rows)?)
    }

    fn read_chosen(
        &self,
        columns: &[&str],
        rows: Range<u64>,
        chosen: &BooleanArray,
    ) -> Result<RecordBatch, Error> {
        self.complete(columns, &self.inner.read_chosen(&self.own(columns), rows, chosen)?)
    }
}
