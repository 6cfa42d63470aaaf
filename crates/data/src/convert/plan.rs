//! Which columns are converted, and what they are called.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Field, Schema, SchemaRef};

use super::Skipped;
use super::glob::fits;
use super::target::Target;
use crate::source::{Error, Source};

/// The columns by their names in the source, and the target's schema.
pub(super) struct Plan {
    pub(super) columns: Vec<String>,
    pub(super) schema: SchemaRef,
    pub(super) skipped: Vec<Skipped>,
    pub(super) renamed: Vec<(String, String)>,
}

impl Plan {
    /// A batch of the source with the target's schema.
    pub(super) fn dress(&self, path: &Path, batch: &RecordBatch) -> Result<RecordBatch, Error> {
        RecordBatch::try_new(self.schema.clone(), batch.columns().to_vec())
            .map_err(|error| Error::malformed(path, error.to_string()))
    }
}

/// Chooses the columns that patterns name, of the source's and in their order.
pub(super) fn plan(source: &dyn Source, target: Target, patterns: &[String]) -> Result<Plan, Error> {
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
    };
    for (column, reason) in unreadable.iter().filter(|(name, _)| wanted(name)) {
        plan.skipped.push(Skipped { column: column.clone(), reason: reason.clone() });
    }
    let mut fields: Vec<Field> = Vec::new();
    let mut taken = BTreeSet::new();
    let chosen: Vec<_> = schema.fields().iter().filter(|field| wanted(field.name())).collect();
    for field in &chosen {
        let name = target.name(field.name(), |name| {
            taken.contains(name) || chosen.iter().any(|other| other.name() == name)
        });
        let renamed = field.as_ref().clone().with_name(&name);
        if let Some(reason) = target.unwritable(&renamed) {
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
    plan.schema = Arc::new(Schema::new(fields));
    Ok(plan)
}
