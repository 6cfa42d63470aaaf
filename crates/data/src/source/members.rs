//! The members of records as columns: of a column `muon` of records that have `pt`, the column `muon.pt`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, BooleanArray, FixedSizeListArray, GenericListArray, OffsetSizeTrait, RecordBatch,
    RecordBatchOptions, new_empty_array,
};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use arrow_select::nullif::nullif;

use super::{Error, Source, check_columns};
use crate::expr::{Environment, Expr, VECTOR_MEMBERS, is_vector};

/// Records within records, and no deeper.
const MAX_DEPTH: usize = 8;

/// A source of which some columns hold records, or lists of them, with the members of these beside its own columns.
struct WithMembers {
    inner: Box<dyn Source>,
    members: BTreeMap<String, Member>,
    schema: SchemaRef,
}

/// A member of a record.
struct Member {
    field: Field,
    /// The column that holds the record.
    column: String,
    /// The names that lead to it; none where it is computed, of records that are four-vectors.
    path: Option<Vec<String>>,
}

/// Adds the members of records to a source's columns: those that records have, and the coordinates of records that are four-vectors
/// (`TLorentzVector`, `ROOT::Math::LorentzVector`, and any that has the right members). Gives back as it is what has no records.
pub(super) fn with_members(inner: Box<dyn Source>) -> Box<dyn Source> {
    let schema = inner.schema();
    let mut members = BTreeMap::new();
    let mut fields = schema.fields().to_vec();
    for column in schema.fields() {
        let mut found = Vec::new();
        find(column, &mut found);
        for member in found {
            let name = member.field.name().clone();
            if schema.fields().find(&name).is_none() && !members.contains_key(&name) {
                fields.push(Arc::new(member.field.clone()));
                members.insert(name, member);
            }
        }
    }
    if members.is_empty() {
        return inner;
    }
    let schema = Arc::new(Schema::new(fields).with_metadata(schema.metadata().clone()));
    Box::new(WithMembers { inner, members, schema })
}

/// Finds the members of a column's records, those of records within records too.
fn find(column: &Field, out: &mut Vec<Member>) {
    let DataType::Struct(members) = inner_type(column.data_type()) else { return };
    let empty = new_empty_array(column.data_type());
    let schema = Arc::new(Schema::new(vec![column.clone()]));
    let batch = RecordBatch::new_empty(schema);
    let environment = Environment::new(&batch);
    let named = |path: &[String]| format!("{}.{}", column.name(), path.join("."));
    if is_vector(members) {
        for wanted in VECTOR_MEMBERS.iter().filter(|wanted| members.find(wanted).is_none()) {
            let name = format!("{}.{wanted}", column.name());
            // What has no values has a type all the same.
            let Ok(values) = computed(&name, &environment) else { continue };
            let field = Field::new(&name, values.data_type().clone(), false);
            out.push(Member { field, column: column.name().clone(), path: None });
        }
    }
    let mut pending: Vec<Vec<String>> =
        members.iter().rev().map(|member| vec![member.name().clone()]).collect();
    while let Some(path) = pending.pop() {
        let Ok(values) = extract(&empty, &path) else { continue };
        if let DataType::Struct(members) = inner_type(values.data_type())
            && path.len() < MAX_DEPTH
        {
            pending.extend(members.iter().rev().map(|member| [&path[..], &[member.name().clone()]].concat()));
        }
        let field = Field::new(named(&path), values.data_type().clone(), true);
        out.push(Member { field, column: column.name().clone(), path: Some(path) });
    }
}

/// What lists hold in the end.
fn inner_type(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            inner_type(item.data_type())
        }
        other => other,
    }
}

/// The members at the end of a path, in the lists in which their records are.
fn extract(records: &ArrayRef, path: &[String]) -> Result<ArrayRef, ArrowError> {
    let Some((name, rest)) = path.split_first() else { return Ok(records.clone()) };
    match records.data_type() {
        DataType::Struct(_) => {
            let record = records.as_struct();
            let missing = || ArrowError::SchemaError(format!("there is no member {name}"));
            let member = record.column_by_name(name).ok_or_else(missing)?;
            // Of a record that is missing, all members are.
            let member = match record.nulls().filter(|nulls| nulls.null_count() > 0) {
                Some(nulls) => nullif(member, &BooleanArray::new(!nulls.inner(), None))?,
                None => member.clone(),
            };
            extract(&member, rest)
        }
        DataType::List(_) => list(records.as_list::<i32>(), path),
        DataType::LargeList(_) => list(records.as_list::<i64>(), path),
        DataType::FixedSizeList(_, size) => {
            let lists = records.as_fixed_size_list();
            let items = extract(lists.values(), path)?;
            let item = Arc::new(Field::new("item", items.data_type().clone(), true));
            Ok(Arc::new(FixedSizeListArray::try_new(item, *size, items, lists.nulls().cloned())?))
        }
        other => Err(ArrowError::SchemaError(format!("{other} has no member {name}"))),
    }
}

fn list<O: OffsetSizeTrait>(lists: &GenericListArray<O>, path: &[String]) -> Result<ArrayRef, ArrowError> {
    let items = extract(lists.values(), path)?;
    let item = Arc::new(Field::new("item", items.data_type().clone(), true));
    Ok(Arc::new(GenericListArray::try_new(item, lists.offsets().clone(), items, lists.nulls().cloned())?))
}

/// A coordinate of four-vectors. The environment keeps what it converted, for the next coordinate of the same.
fn computed(name: &str, environment: &Environment<'_>) -> Result<ArrayRef, ArrowError> {
    let values = Expr::column(name).evaluate(environment);
    values
        .map(|values| values.to_array(environment.rows()))
        .map_err(|error| ArrowError::ComputeError(error.to_string()))
}

impl WithMembers {
    /// The columns of the file behind some columns.
    fn own<'c>(&'c self, columns: &[&'c str]) -> Vec<&'c str> {
        let mut own: Vec<&str> = Vec::with_capacity(columns.len());
        for name in columns {
            let name = self.members.get(*name).map_or(*name, |member| member.column.as_str());
            if !own.contains(&name) {
                own.push(name);
            }
        }
        own
    }

    fn complete(&self, columns: &[&str], batch: &RecordBatch) -> Result<RecordBatch, Error> {
        let broken = |error: ArrowError| Error::malformed(self.path(), error.to_string());
        let environment = Environment::new(batch);
        let (mut fields, mut arrays) = (Vec::with_capacity(columns.len()), Vec::with_capacity(columns.len()));
        for name in columns {
            let member = self.members.get(*name);
            let column = member.map_or(*name, |member| member.column.as_str());
            let index = batch.schema_ref().index_of(column).map_err(broken)?;
            let records = batch.column(index);
            let (field, array) = match member {
                None => (batch.schema_ref().field(index).clone(), records.clone()),
                Some(Member { field, path: Some(path), .. }) => {
                    (field.clone(), extract(records, path).map_err(broken)?)
                }
                Some(Member { field, path: None, .. }) => {
                    let failed = |error: ArrowError| Error::column(self.path(), name, error.to_string());
                    (field.clone(), computed(name, &environment).map_err(failed)?)
                }
            };
            fields.push(field);
            arrays.push(array);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options).map_err(broken)
    }
}

impl Source for WithMembers {
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
        self.schema.clone()
    }

    fn original<'c>(&'c self, column: &'c str) -> Option<&'c str> {
        match self.members.get(column) {
            Some(member) => Some(&member.column),
            None => self.inner.original(column),
        }
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
        check_columns(self, columns.iter().copied())?;
        self.complete(columns, &self.inner.read(&self.own(columns), rows)?)
    }

    fn read_chosen(
        &self,
        columns: &[&str],
        rows: Range<u64>,
        chosen: &BooleanArray,
    ) -> Result<RecordBatch, Error> {
        check_columns(self, columns.iter().copied())?;
        self.complete(columns, &self.inner.read_chosen(&self.own(columns), rows, chosen)?)
    }
}
