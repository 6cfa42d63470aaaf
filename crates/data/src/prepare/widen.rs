//! One type for a column that files hold in several: productions of one experiment differ in `uint32` and `int32`.

use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, FieldRef, Schema};

use super::inputs::file_name;
use crate::dataset::{Widened, WidenedFrom, type_name};
use crate::source::{Error, Source};
use crate::types::{Loss, common_type, join, to_type};

/// The field of a column that holds what each source has of it; also what the types were, where values change theirs.
///
/// # Errors
/// When a source lacks the column, or no type holds the values of two of them.
pub(super) fn common_field(
    column: &str,
    sources: &[Box<dyn Source>],
) -> Result<Option<(Field, Option<Widened>)>, Error> {
    let mut common: Option<Field> = None;
    let mut found: Vec<(&Path, DataType, WidenedFrom)> = Vec::new();
    for source in sources {
        let schema = source.schema();
        let here = schema
            .field_with_name(column)
            .map_err(|error| Error::column(source.path(), column, error.to_string()))?;
        let together = match &common {
            None => here.clone(),
            Some(so_far) => join(so_far, here).ok_or_else(|| {
                let types = found.iter().map(|(path, there, _)| (*path, there));
                no_common_type(column, (source.path(), here.data_type()), types)
            })?,
        };
        common = Some(together);
        let name = type_name(here.data_type());
        match found.iter_mut().find(|(_, _, there)| there.data_type == name) {
            Some((_, _, there)) => there.files += 1,
            None => {
                let from = WidenedFrom { data_type: name, files: 1, first: file_name(source.path()) };
                found.push((source.path(), here.data_type().clone(), from));
            }
        }
    }
    let Some(field) = common else { return Ok(None) };
    let widened = (found.len() > 1).then(|| Widened {
        column: column.to_owned(),
        data_type: type_name(field.data_type()),
        from: found.into_iter().map(|(.., from)| from).collect(),
    });
    Ok(Some((field, widened)))
}

/// Names the file whose type does not go with another's, and that one.
fn no_common_type<'a>(
    column: &str,
    (path, here): (&Path, &DataType),
    others: impl Iterator<Item = (&'a Path, &'a DataType)> + Clone,
) -> Error {
    let worst = others.clone().find(|(_, other)| common_type(other, here).is_none());
    let Some((other, there)) = worst.or_else(|| others.last()) else {
        return Error::column(path, column, "it is of no type that can be stored");
    };
    let reason = format!(
        "it is {} here but {} in {}; {}",
        type_name(here),
        type_name(there),
        fiducial_root::shown(other),
        what_to_do(column, here, there)
    );
    Error::column(path, column, reason)
}

/// What helps where no type holds both.
fn what_to_do(column: &str, one: &DataType, other: &DataType) -> String {
    let is_inferred = |data_type: &DataType| {
        matches!(
            data_type,
            DataType::Int64 | DataType::UInt64 | DataType::Float64 | DataType::Boolean | DataType::Utf8
        )
    };
    if is_inferred(one) && is_inferred(other) {
        format!("of CSV files the view can say which it is: `[columns]` `{column} = {{ type = \"string\" }}`")
    } else {
        "prepare these files apart, or convert one of them".to_owned()
    }
}

/// A batch of a source whose columns have the types that a schema has for them.
pub(super) fn widen(source: &dyn Source, schema: &Schema, batch: RecordBatch) -> Result<RecordBatch, Error> {
    let is_wide = |field: &FieldRef| {
        schema.field_with_name(field.name()).is_ok_and(|wide| wide.data_type() != field.data_type())
    };
    let found = batch.schema();
    if !found.fields().iter().any(is_wide) {
        return Ok(batch);
    }
    let (mut fields, mut arrays) = (Vec::new(), Vec::new());
    for (field, array) in found.fields().iter().zip(batch.columns()) {
        let wide = match schema.field_with_name(field.name()) {
            Ok(wide) if is_wide(field) => wide.data_type(),
            _ => {
                fields.push(field.as_ref().clone());
                arrays.push(array.clone());
                continue;
            }
        };
        let lost = |loss: Loss| {
            let reason = match loss {
                Loss::Value(value) => format!(
                    "{value}, which is {} here, is no {}, the type that the column has over all files",
                    type_name(field.data_type()),
                    type_name(wide)
                ),
                Loss::Arrow(error) => error.to_string(),
            };
            Error::column(source.path(), field.name(), reason)
        };
        arrays.push(to_type(array, wide).map_err(lost)?);
        fields.push(field.as_ref().clone().with_data_type(wide.clone()));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
        .map_err(|error| Error::malformed(source.path(), error.to_string()))
}
