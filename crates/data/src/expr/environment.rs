//! What names mean: the columns of a batch, and new variables that are computed from them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow_array::RecordBatch;
use arrow_buffer::OffsetBuffer;

use crate::source::UNIT;

use super::arrow::{self, ColumnFault};
use super::value::Value;
use super::values::{Shape, Values};
use super::{Expr, ExprError, evaluate};

/// What numbers without a dimension are said to be in: they go with everything.
const NO_UNIT: [&str; 3] = ["", "1", "rad"];

/// New variables in order: each may refer to the ones before it and to columns.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Definitions {
    entries: Vec<(String, Expr)>,
    index: HashMap<String, usize>,
    /// For each entry the earlier entries it refers to.
    needs: Vec<Vec<usize>>,
}

/// Why a list of new variables makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    /// A name is defined twice.
    #[error("define the new variable `{0}`: it is defined twice")]
    Twice(String),
    /// A definition refers to its own name.
    #[error("define the new variable `{0}`: it refers to itself")]
    Itself(String),
    /// A definition refers to one that stands below it.
    #[error("define the new variable `{0}`: it refers to `{1}`, which is defined below it")]
    Later(String, String),
}

impl DefinitionError {
    /// The new variable at fault.
    pub fn variable(&self) -> &str {
        match self {
            Self::Twice(name) | Self::Itself(name) | Self::Later(name, _) => name,
        }
    }
}

impl Definitions {
    /// Takes the new variables in the order of their definition.
    ///
    /// # Errors
    /// Where a name is defined twice, or refers to itself or to a later one.
    pub fn new(entries: Vec<(String, Expr)>) -> Result<Self, DefinitionError> {
        let mut index = HashMap::with_capacity(entries.len());
        for (i, (name, _)) in entries.iter().enumerate() {
            if index.insert(name.clone(), i).is_some() {
                return Err(DefinitionError::Twice(name.clone()));
            }
        }
        let mut needs = Vec::with_capacity(entries.len());
        for (i, (name, expr)) in entries.iter().enumerate() {
            let mut earlier = Vec::new();
            for column in expr.columns() {
                match resolve(&index, &column) {
                    Some(j) if j < i => earlier.push(j),
                    Some(j) if j == i => return Err(DefinitionError::Itself(name.clone())),
                    Some(_) => return Err(DefinitionError::Later(name.clone(), column)),
                    None => {}
                }
            }
            needs.push(earlier);
        }
        Ok(Self { entries, index, needs })
    }

    /// Names and expressions, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Expr)> {
        self.entries.iter().map(|(name, expr)| (name.as_str(), expr))
    }

    /// The expression of a name.
    pub fn get(&self, name: &str) -> Option<&Expr> {
        self.index.get(name).map(|i| &self.entries[*i].1)
    }

    /// The new variable that a name in an expression refers to, which may be a field of one: `pair.a.pt` belongs to `pair`.
    pub fn resolve(&self, name: &str) -> Option<(&str, &Expr)> {
        resolve(&self.index, name).map(|i| (self.entries[i].0.as_str(), &self.entries[i].1))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// The longest part of a name that is defined.
fn resolve(index: &HashMap<String, usize>, name: &str) -> Option<usize> {
    let dots = name.rmatch_indices('.').map(|(dot, _)| &name[..dot]);
    std::iter::once(name).chain(dots).find_map(|part| index.get(part).copied())
}

/// A batch and the new variables over it, against which expressions are evaluated.
///
/// Columns are converted, and new variables computed, when they are first asked for, and kept. The environment can be
/// shared between threads.
///
/// ```
/// # use std::sync::Arc;
/// # use arrow_array::{ArrayRef, Int32Array, RecordBatch};
/// use fiducial_data::expr::{Definitions, Environment, Expr};
///
/// let batch = RecordBatch::try_from_iter([("n", Arc::new(Int32Array::from(vec![1, 2, 3])) as ArrayRef)])?;
/// let new = Definitions::new(vec![
///     ("square".to_owned(), Expr::parse("n**2")?),
///     ("cube".to_owned(), Expr::parse("n * square")?),
/// ])?;
/// let environment = Environment::new(&batch).with_definitions(&new);
/// assert_eq!(Expr::parse("cube - square")?.evaluate(&environment)?.numbers().as_ref(), [0.0, 4.0, 18.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Environment<'a> {
    batch: &'a RecordBatch,
    rows: RowNumbers,
    columns: Vec<OnceLock<Value>>,
    /// The offsets that columns have, once where several have equal ones: lists that belong together are known by their memory.
    offsets: Mutex<Vec<OffsetBuffer<i32>>>,
    definitions: Option<&'a Definitions>,
    derived: Vec<OnceLock<Value>>,
}

/// Which row of the whole data each row of the batch is.
#[derive(Debug)]
enum RowNumbers {
    From(u64),
    Listed(Vec<u64>),
}

/// Why a name has no values.
#[derive(Debug)]
pub(super) enum Lookup {
    Missing,
    Ambiguous,
    /// A new variable or a column of records, and the fields of it, with dots.
    Field(String, String),
    Column(ColumnFault),
    Derived(ExprError),
}

impl<'a> Environment<'a> {
    /// The columns of a batch.
    pub fn new(batch: &'a RecordBatch) -> Self {
        let columns = vec![OnceLock::new(); batch.num_columns()];
        Self {
            batch,
            rows: RowNumbers::From(0),
            columns,
            offsets: Mutex::default(),
            definitions: None,
            derived: Vec::new(),
        }
    }

    /// Adds new variables. A name that is a column too is an error when it is used.
    #[must_use]
    pub fn with_definitions(self, definitions: &'a Definitions) -> Self {
        Self { definitions: Some(definitions), derived: vec![OnceLock::new(); definitions.len()], ..self }
    }

    /// Says which row of the whole data the batch's first row is, so that errors name the right one.
    #[must_use]
    pub fn with_first_row(self, first_row: u64) -> Self {
        Self { rows: RowNumbers::From(first_row), ..self }
    }

    /// Says which row of the whole data each row of the batch is, where some were left out.
    #[must_use]
    pub fn with_row_numbers(self, rows: Vec<u64>) -> Self {
        Self { rows: RowNumbers::Listed(rows), ..self }
    }

    /// The batch.
    pub fn batch(&self) -> &'a RecordBatch {
        self.batch
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// Which row of the whole data a row of the batch is.
    pub fn row_number(&self, row: usize) -> u64 {
        match &self.rows {
            RowNumbers::From(first) => first.saturating_add(row as u64),
            RowNumbers::Listed(rows) => rows.get(row).copied().unwrap_or(row as u64),
        }
    }

    /// All names that an expression may use.
    pub(super) fn names(&self) -> Vec<&str> {
        let columns = self.batch.schema_ref().fields().iter().map(|field| field.name().as_str());
        columns.chain(self.definitions.iter().flat_map(|d| d.iter().map(|(name, _)| name))).collect()
    }

    /// The plain values of a column or new variable; none where the name has none, for a reason that evaluating it as an expression
    /// tells.
    pub(crate) fn values(&self, name: &str) -> Option<Values> {
        self.lookup(name).ok()?.into_values()
    }

    pub(super) fn lookup(&self, name: &str) -> Result<Value, Lookup> {
        // Not `index_of`, whose error lists all columns: names of new variables are no columns, and are asked for often.
        let column = self.batch.schema_ref().fields().find(name).map(|(place, _)| place);
        let definition = self.definitions.and_then(|d| resolve(&d.index, name).map(|i| (d, i)));
        match (column, definition) {
            (None, None) => Err(self.member(name).unwrap_or(Lookup::Missing)),
            (Some(_), Some(_)) => Err(Lookup::Ambiguous),
            (Some(i), None) => self.column(i).map_err(Lookup::Column),
            (None, Some((definitions, i))) => {
                let variable = &definitions.entries[i].0;
                match name.get(variable.len() + 1..) {
                    Some(fields) if !fields.is_empty() => {
                        Err(Lookup::Field(variable.clone(), fields.to_owned()))
                    }
                    _ => self.derive(definitions, i).map_err(Lookup::Derived),
                }
            }
        }
    }

    /// The column of records that the first part of a name stands for, and the fields that the rest names.
    fn member(&self, name: &str) -> Option<Lookup> {
        let schema = self.batch.schema_ref();
        name.rmatch_indices('.').find_map(|(dot, _)| {
            schema.fields().find(&name[..dot])?;
            Some(Lookup::Field(name[..dot].to_owned(), name[dot + 1..].to_owned()))
        })
    }

    fn column(&self, i: usize) -> Result<Value, ColumnFault> {
        if let Some(value) = self.columns[i].get() {
            return Ok(value.clone());
        }
        let (content, shape) = arrow::read(self.batch.column(i).as_ref())?;
        let unit = self.batch.schema_ref().field(i).metadata().get(UNIT);
        let unit = unit.map(|unit| unit.trim()).filter(|unit| !NO_UNIT.contains(unit)).map(Arc::from);
        let value = Value { content, shape: self.shared(shape), unit };
        Ok(self.columns[i].get_or_init(|| value).clone())
    }

    /// The shape with the offsets of an earlier column where these are equal.
    fn shared(&self, shape: Shape) -> Shape {
        let Shape::Jagged(mut levels) = shape else { return shape };
        let mut known = self.offsets.lock().unwrap_or_else(PoisonError::into_inner);
        for offsets in &mut levels {
            match known.iter().find(|known| known.ptr_eq(offsets) || *known == offsets) {
                Some(known) => *offsets = known.clone(),
                None => known.push(offsets.clone()),
            }
        }
        Shape::Jagged(levels)
    }

    /// Computes a new variable after all those it needs, in the order of their definition: a long chain of them does not
    /// recurse.
    fn derive(&self, definitions: &Definitions, wanted: usize) -> Result<Value, ExprError> {
        let mut missing = Vec::new();
        let mut pending = vec![wanted];
        let mut seen = vec![false; wanted + 1];
        while let Some(i) = pending.pop() {
            if !seen[i] && self.derived[i].get().is_none() {
                seen[i] = true;
                missing.push(i);
                pending.extend(&definitions.needs[i]);
            }
        }
        missing.sort_unstable();
        for i in missing {
            let (name, expr) = &definitions.entries[i];
            let value = evaluate::evaluate_any(expr, self).map_err(|error| error.of_variable(name))?;
            self.derived[i].get_or_init(|| value);
        }
        match self.derived[wanted].get() {
            Some(value) => Ok(value.clone()),
            None => evaluate::evaluate_any(&definitions.entries[wanted].1, self),
        }
    }
}
