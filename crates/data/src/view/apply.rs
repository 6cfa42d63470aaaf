//! A view applied to a batch.

use arrow_array::{BooleanArray, RecordBatch};
use arrow_buffer::BooleanBuffer;
use arrow_select::filter::filter_record_batch;

use crate::expr::{Environment, Expr, ExprError, Values, near_names};

use super::{View, ViewError};

/// Which rows of a batch a selection keeps.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// True for rows that fulfil all clauses.
    pub mask: BooleanBuffer,
    /// For each clause, how many rows fulfil it and all clauses before it: the cutflow.
    pub passed: Vec<u64>,
}

/// The rows of a batch that are still looked at.
struct Left {
    batch: RecordBatch,
    /// Which rows of the whole batch they are; none means all.
    rows: Option<Vec<usize>>,
}

impl Left {
    /// Those where the mask holds, with a mask that takes all of them.
    fn only(&self, mask: &BooleanBuffer) -> Result<(Self, BooleanBuffer), ViewError> {
        let batch = filter_record_batch(&self.batch, &BooleanArray::new(mask.clone(), None))?;
        let rows = mask.set_indices().map(|row| self.rows.as_ref().map_or(row, |rows| rows[row])).collect();
        let all = BooleanBuffer::new_set(batch.num_rows());
        Ok((Self { batch, rows: Some(rows) }, all))
    }

    fn numbers(&self, first_row: u64) -> Vec<u64> {
        match &self.rows {
            Some(rows) => rows.iter().map(|row| first_row + *row as u64).collect(),
            None => (first_row..first_row + self.batch.num_rows() as u64).collect(),
        }
    }

    /// A mask of these rows as one of all rows.
    fn of_all(&self, mask: &BooleanBuffer, count: usize) -> BooleanBuffer {
        let Some(rows) = &self.rows else { return mask.clone() };
        let mut all = vec![false; count];
        for place in mask.set_indices() {
            all[rows[place]] = true;
        }
        all.into()
    }
}

impl View {
    /// The batch with the view's new variables, against which the view's expressions are evaluated.
    pub fn environment<'a>(&'a self, batch: &'a RecordBatch) -> Environment<'a> {
        Environment::new(batch).with_definitions(self.new_variables())
    }

    /// The values of a column or new variable.
    ///
    /// # Errors
    /// As [`Expr::evaluate`].
    pub fn variable(&self, name: &str, environment: &Environment<'_>) -> Result<Values, ViewError> {
        match environment.values(name) {
            Some(values) => Ok(values),
            None => Expr::column(name).evaluate(environment).map_err(|source| failed(name, source)),
        }
    }

    /// Applies the selection clause by clause. A clause need not make sense on rows that an earlier clause removed:
    /// `part_pt[0] > 20` may follow `count(part_pt) > 0`. Where a clause compares with NaN it does not hold.
    ///
    /// `first_row` is the number of the batch's first row in the whole data, for errors.
    ///
    /// # Errors
    /// Where a clause cannot be evaluated or does not give one boolean per row.
    pub fn select(&self, batch: &RecordBatch, first_row: u64) -> Result<Selection, ViewError> {
        let mut left = Left { batch: batch.clone(), rows: None };
        let mut passed = Vec::with_capacity(self.selection().len());
        let mut mask = BooleanBuffer::new_set(batch.num_rows());
        while !self.select_among(&left, first_row, &mut mask, &mut passed)? {
            (left, mask) = left.only(&mask)?;
        }
        Ok(Selection { mask: left.of_all(&mask, batch.num_rows()), passed })
    }

    /// Applies the clauses that are not yet applied. Returns false where the rows that are gone must be dropped first.
    fn select_among(
        &self,
        left: &Left,
        first_row: u64,
        mask: &mut BooleanBuffer,
        passed: &mut Vec<u64>,
    ) -> Result<bool, ViewError> {
        let environment = self.environment(&left.batch).with_row_numbers(left.numbers(first_row));
        for (i, clause) in self.selection().iter().enumerate().skip(passed.len()) {
            let key = || format!("selection[{i}]");
            // Where few rows are left the others are not computed.
            if 2 * mask.count_set_bits() < mask.len() {
                return Ok(false);
            }
            match clause.evaluate(&environment) {
                Ok(values) => *mask = &*mask & &condition(key(), clause, &values, mask.len())?,
                // The row at fault may be one that is gone already: ask again without those.
                Err(error) if error.row().is_some() && mask.has_false() => return Ok(false),
                Err(source) => return Err(failed(&key(), source)),
            }
            passed.push(mask.count_set_bits() as u64);
        }
        Ok(true)
    }

    /// The class of each row, as its place in [`View::classes`].
    ///
    /// # Errors
    /// Where a row belongs to no class or to several, or a condition gives neither booleans nor the numbers 0 and 1.
    pub fn labels_of(&self, environment: &Environment<'_>) -> Result<Vec<u32>, ViewError> {
        const NONE: u32 = u32::MAX;
        let rows = environment.rows();
        let mut labels = vec![NONE; rows];
        for (class, definition) in self.classes().iter().enumerate() {
            let key = || format!("labels.classes.{}", definition.name);
            let values =
                definition.condition.evaluate(environment).map_err(|source| failed(&key(), source))?;
            let Some(numbers) = values.event_numbers(rows) else { return Err(not_per_row(key(), &values)) };
            for (row, number) in numbers.iter().enumerate() {
                let at = |message| ViewError::Row { key: key(), row: environment.row_number(row), message };
                match labels[row] {
                    _ if *number == 0.0 => {}
                    _ if *number != 1.0 => {
                        return Err(at(format!("the value is {number}, neither false nor true")));
                    }
                    NONE => labels[row] = class as u32,
                    other => {
                        let other = &self.classes()[other as usize].name;
                        return Err(at(format!(
                            "the row belongs to `{other}` too; classes must exclude each other"
                        )));
                    }
                }
            }
        }
        match labels.iter().position(|label| *label == NONE) {
            Some(row) if !self.classes().is_empty() => Err(ViewError::Row {
                key: "labels.classes".to_owned(),
                row: environment.row_number(row),
                message: "the row belongs to no class; remove such rows with `selection`".to_owned(),
            }),
            _ => Ok(labels),
        }
    }

    /// The event weight of each row; 1 where the view gives none.
    ///
    /// # Errors
    /// Where a weight is NaN or infinite.
    pub fn weights_of(&self, environment: &Environment<'_>) -> Result<Vec<f64>, ViewError> {
        const KEY: &str = "weights.event";
        let rows = environment.rows();
        let Some(event) = &self.weights().event else { return Ok(vec![1.0; rows]) };
        let values = event.evaluate(environment).map_err(|source| failed(KEY, source))?;
        let Some(weights) = values.event_numbers(rows) else {
            return Err(not_per_row(KEY.to_owned(), &values));
        };
        match weights.iter().position(|weight| !weight.is_finite()) {
            None => Ok(weights),
            Some(row) => Err(ViewError::Row {
                key: KEY.to_owned(),
                row: environment.row_number(row),
                message: format!("the weight is {}", weights[row]),
            }),
        }
    }

    /// Checks that data offer all that the view needs, before any of it is read.
    ///
    /// `available` are the names of the columns of a source or a dataset.
    ///
    /// # Errors
    /// Where a column is missing, or a new variable has the name of a column and so would hide it.
    pub fn check_columns<'a>(&self, available: impl IntoIterator<Item = &'a str>) -> Result<(), ViewError> {
        let available: Vec<&str> = available.into_iter().collect();
        if let Some((name, _)) = self.new_variables().iter().find(|(name, _)| available.contains(name)) {
            return Err(ViewError::Key {
                key: format!("new_variables.{name}"),
                message: "the data have a column of this name already; choose another".to_owned(),
            });
        }
        let Some(missing) =
            self.stored_columns().into_iter().find(|name| !available.contains(&name.as_str()))
        else {
            return Ok(());
        };
        let hint = near_names(&missing, available).map_or(String::new(), |hint| format!("\n  hint: {hint}"));
        Err(ViewError::Key {
            key: self.key_of(&missing),
            message: format!("the data have no column `{missing}`{hint}"),
        })
    }

    /// The first key that refers to a column.
    fn key_of(&self, column: &str) -> String {
        let reads = |expr: &Expr| expr.columns().contains(column);
        let labels = self.classes().iter().find(|class| reads(&class.condition));
        let input = self.inputs().iter().find(|group| group.variables.iter().any(|v| v.name == column));
        if self.columns().iter().any(|note| note.name == column) {
            format!("columns.{column}")
        } else if let Some(i) = self.selection().iter().position(reads) {
            format!("selection[{i}]")
        } else if let Some((name, _)) = self.new_variables().iter().find(|(_, expr)| reads(expr)) {
            format!("new_variables.{name}")
        } else if let Some(group) = input {
            format!("inputs.{}.variables", group.name)
        } else if let Some(class) = labels {
            format!("labels.classes.{}", class.name)
        } else if self.weights().event.as_ref().is_some_and(reads) {
            "weights.event".to_owned()
        } else if self.observers().iter().any(|name| name == column) {
            "observers".to_owned()
        } else {
            "splits.column".to_owned()
        }
    }
}

/// An error of evaluation under its key: that of the new variable at fault, where the fault is in one.
fn failed(key: &str, source: ExprError) -> ViewError {
    let key = source.variable().map_or_else(|| key.to_owned(), |name| format!("new_variables.{name}"));
    ViewError::Expression { key, source }
}

fn not_per_row(key: String, values: &Values) -> ViewError {
    let message = format!("it must give one value per row, and gives {}", values.shape().name());
    ViewError::Key { key, message }
}

fn condition(key: String, clause: &Expr, values: &Values, rows: usize) -> Result<BooleanBuffer, ViewError> {
    if values.is_jagged() {
        return Err(not_per_row(key, values));
    }
    values.event_mask(rows).ok_or_else(|| ViewError::Key {
        key,
        message: format!("`{}` gives numbers; compare with one (`x != 0`)", clause.text()),
    })
}
