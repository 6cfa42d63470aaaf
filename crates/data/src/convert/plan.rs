//! Which columns are converted, and what they are called.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::Skipped;
use super::glob::fits;
use super::nulls::{Nulls, may_be_null, nulls};
use super::target::Target;
use crate::source::{Error, Source, is_meant};
use crate::types::to_type;

/// The columns by their names in the source, and the target's schema.
pub(super) struct Plan {
    pub(super) columns: Vec<String>,
    pub(super) schema: SchemaRef,
    pub(super) skipped: Vec<Skipped>,
    pub(super) renamed: Vec<(String, String)>,
    /// Whether the schema lets more arrays of one size be null than the source has them, see [`with_nullable_arrays`].
    arrays_under_nulls: bool,
}

impl Plan {
    /// A batch of the source with the target's names.
    pub(super) fn dress(&self, path: &Path, batch: &RecordBatch) -> Result<RecordBatch, Error> {
        let broken = |error: &dyn std::fmt::Display| Error::malformed(path, error.to_string());
        let (mut fields, mut arrays) = (Vec::new(), Vec::new());
        let found = batch.schema_ref().fields().iter().zip(batch.columns());
        for (ours, (theirs, array)) in self.schema.fields().iter().zip(found) {
            let array = match self.arrays_under_nulls {
                true => to_type(array, ours.data_type()).map_err(|error| broken(&error))?,
                false => array.clone(),
            };
            let field = ours.as_ref().clone().with_data_type(array.data_type().clone());
            fields.push(field.with_nullable(theirs.is_nullable()));
            arrays.push(array);
        }
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(|error| broken(&error))
    }
}

/// Chooses the columns that patterns name, of the source's and in their order.
pub(super) fn plan(
    source: &dyn Source,
    target: Target,
    patterns: &[String],
    rows: &Range<u64>,
) -> Result<Plan, Error> {
    let schema = source.schema();
    let unreadable = source.unreadable_columns();
    let wanted = |name: &str| patterns.is_empty() || patterns.iter().any(|pattern| fits(pattern, name));
    let names = || {
        let readable = schema.fields().iter().map(|field| field.name().as_str());
        readable.chain(unreadable.iter().map(|(name, _)| name.as_str()))
    };
    for pattern in patterns {
        if !names().any(|name| fits(pattern, name)) {
            let near = crate::expr::near_names(pattern, names());
            let near = near.map(|near| format!("; {near}")).unwrap_or_default();
            let reason = format!("no column fits `{pattern}`{near}");
            return Err(Error::malformed(source.path(), reason));
        }
    }
    let mut plan = Plan {
        columns: Vec::new(),
        schema: Arc::new(Schema::empty()),
        skipped: Vec::new(),
        renamed: Vec::new(),
        arrays_under_nulls: false,
    };
    for (column, reason) in unreadable.iter().filter(|(name, _)| wanted(name)) {
        plan.skipped.push(Skipped { column: column.clone(), reason: reason.clone() });
    }
    let mut fields: Vec<Field> = Vec::new();
    let mut taken = BTreeSet::new();
    let is_chosen = |name: &str| wanted(name) && is_meant(source, name, patterns);
    let chosen: Vec<_> = schema.fields().iter().filter(|field| is_chosen(field.name())).collect();
    let found = found_nulls(source, target, chosen.iter().map(AsRef::as_ref), rows)?;
    for field in &chosen {
        let name = target.name(field.name(), |name| {
            taken.contains(name) || chosen.iter().any(|other| other.name() == name)
        });
        let nulls = found.get(field.name().as_str());
        let seen = nulls.map_or_else(|| field.as_ref().clone(), |nulls| nulls.field(field));
        let renamed = seen.with_name(&name);
        let has_nulls = nulls.is_some_and(Nulls::any);
        if let Some(reason) = target.unwritable(&renamed, has_nulls) {
            plan.skipped.push(Skipped { column: field.name().clone(), reason });
            continue;
        }
        if name != *field.name() {
            plan.renamed.push((field.name().clone(), name.clone()));
        }
        taken.insert(name);
        plan.columns.push(field.name().clone());
        fields.push(renamed);
    }
    if fields.is_empty() {
        let reason = match plan.skipped.first() {
            Some(skipped) => format!("no column can be converted; `{}`: {}", skipped.column, skipped.reason),
            None => "it has no columns".to_owned(),
        };
        return Err(Error::malformed(source.path(), reason));
    }
    if target == Target::Parquet {
        let wide: Vec<Field> = fields.iter().map(|field| with_nullable_arrays(field, false)).collect();
        plan.arrays_under_nulls = wide != fields;
        fields = wide;
    }
    plan.schema = Arc::new(Schema::new(fields));
    Ok(plan)
}

/// A field in which arrays of one size may be null where their records may: pyarrow cannot read others of a record that is null, not even
/// those that it wrote itself.
fn with_nullable_arrays(field: &Field, is_under_null: bool) -> Field {
    let is_under_null = is_under_null || field.is_nullable();
    let item = |item: &Field, is_under_null| Arc::new(with_nullable_arrays(item, is_under_null));
    let data_type = match field.data_type() {
        DataType::Struct(members) => DataType::Struct(
            members
                .iter()
                .map(|member| {
                    let is_array = matches!(member.data_type(), DataType::FixedSizeList(..));
                    let wide = with_nullable_arrays(member, is_under_null);
                    let is_nullable = member.is_nullable() || is_array && is_under_null;
                    Arc::new(wide.with_nullable(is_nullable))
                })
                .collect(),
        ),
        DataType::List(of) => DataType::List(item(of, false)),
        DataType::LargeList(of) => DataType::LargeList(item(of, false)),
        DataType::FixedSizeList(of, size) => DataType::FixedSizeList(item(of, is_under_null), *size),
        other => other.clone(),
    };
    field.clone().with_data_type(data_type)
}

/// Of columns that may hold nulls, and where it matters to the target: which do.
fn found_nulls<'a>(
    source: &dyn Source,
    target: Target,
    fields: impl Iterator<Item = &'a Field>,
    rows: &Range<u64>,
) -> Result<BTreeMap<&'a str, Nulls>, Error> {
    let matters = |field: &&Field| target.minds_nulls() && may_be_null(field);
    let columns: Vec<_> = fields.filter(matters).map(|field| field.name().as_str()).collect();
    Ok(columns.iter().copied().zip(nulls(source, &columns, rows)?).collect())
}
