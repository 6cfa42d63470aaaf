//! Which fields hold nulls. Most writers of Parquet call every field nullable, and few of them ever hold a null.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field};

use crate::source::{Error, Source};

/// Whether any value of a field is null, and of the fields within it.
#[derive(Debug, Clone, Default)]
pub(super) struct Nulls {
    here: bool,
    within: Vec<Self>,
}

impl Nulls {
    fn see(&mut self, array: &ArrayRef) {
        self.here |= array.null_count() > 0;
        let inner: Vec<ArrayRef> = match array.data_type() {
            DataType::List(_) => vec![array.as_list::<i32>().values().clone()],
            DataType::LargeList(_) => vec![array.as_list::<i64>().values().clone()],
            DataType::FixedSizeList(..) => vec![array.as_fixed_size_list().values().clone()],
            DataType::Struct(_) => array.as_struct().columns().to_vec(),
            _ => Vec::new(),
        };
        self.within.resize_with(inner.len(), Self::default);
        self.within.iter_mut().zip(&inner).for_each(|(nulls, array)| nulls.see(array));
    }

    /// Whether there is a null anywhere.
    pub(super) fn any(&self) -> bool {
        self.here || self.within.iter().any(Self::any)
    }

    /// The field, nullable only where it holds nulls.
    pub(super) fn field(&self, field: &Field) -> Field {
        let none = Self::default();
        let inner = |i: usize, field: &Arc<Field>| Arc::new(self.within.get(i).unwrap_or(&none).field(field));
        let data_type = match field.data_type() {
            DataType::List(item) => DataType::List(inner(0, item)),
            DataType::LargeList(item) => DataType::LargeList(inner(0, item)),
            DataType::FixedSizeList(item, n) => DataType::FixedSizeList(inner(0, item), *n),
            DataType::Struct(fields) => {
                DataType::Struct(fields.iter().enumerate().map(|(i, field)| inner(i, field)).collect())
            }
            other => other.clone(),
        };
        field.clone().with_data_type(data_type).with_nullable(self.here)
    }
}

/// Whether a field, or one within it, may be null.
pub(super) fn may_be_null(field: &Field) -> bool {
    field.is_nullable()
        || match field.data_type() {
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                may_be_null(item)
            }
            DataType::Struct(fields) => fields.iter().any(|field| may_be_null(field)),
            _ => false,
        }
}

/// Reads columns once to see which hold nulls.
pub(super) fn nulls(source: &dyn Source, columns: &[&str], rows: &Range<u64>) -> Result<Vec<Nulls>, Error> {
    let mut out = vec![Nulls::default(); columns.len()];
    for range in source.partitions() {
        let range = range.start.max(rows.start)..range.end.min(rows.end);
        if range.start < range.end && !columns.is_empty() {
            let batch = source.read(columns, range)?;
            out.iter_mut().zip(batch.columns()).for_each(|(nulls, array)| nulls.see(array));
        }
    }
    Ok(out)
}
