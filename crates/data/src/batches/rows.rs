//! Expressions with one number per row, over a whole split.

use rayon::prelude::*;

use crate::dataset::{Chunk, Dataset};
use crate::expr::Expr;
use crate::source::Error;
use crate::view::View;

/// The values of some expressions for every row of a split, in the order of its rows: `values[expression][row]`.
pub(super) fn evaluate(
    view: &View,
    dataset: &Dataset,
    split: &str,
    expressions: &[&Expr],
) -> Result<Vec<Vec<f64>>, Error> {
    let chunks: Vec<Vec<Vec<f64>>> = dataset
        .chunks(split)?
        .par_iter()
        .map(|chunk| of_chunk(view, chunk, expressions))
        .collect::<Result<_, _>>()?;
    let mut all = vec![Vec::new(); expressions.len()];
    for chunk in chunks {
        for (values, more) in all.iter_mut().zip(chunk) {
            values.extend(more);
        }
    }
    Ok(all)
}

/// The values of some expressions for every row of a chunk: `values[expression][row]`.
pub(super) fn of_chunk(view: &View, chunk: &Chunk, expressions: &[&Expr]) -> Result<Vec<Vec<f64>>, Error> {
    let columns = view.base_columns(expressions.iter().flat_map(|expr| expr.columns()));
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let batch = chunk.read(&columns)?;
    let environment = view.environment(&batch);
    let numbers = |expr: &&Expr| {
        let values = expr.evaluate(&environment).map_err(Error::expression("an expression", chunk.path()))?;
        values.event_numbers(batch.num_rows()).ok_or_else(|| {
            let reason = format!("`{}` must give one number per row", expr.text());
            Error::settings("evaluate a view", reason)
        })
    };
    expressions.iter().map(numbers).collect()
}

/// A column or new variable of a view with one number per row, for every row of a split.
///
/// # Errors
/// When a column is missing, the variable cannot be evaluated, or it gives no or more than one number per row.
pub fn quantity(view: &View, dataset: &Dataset, split: &str, name: &str) -> Result<Vec<f64>, Error> {
    let values = evaluate(view, dataset, split, &[&Expr::column(name)])?;
    Ok(values.into_iter().next().unwrap_or_default())
}

/// The targets of a regression: for each of [`View::targets`] its name and the number of every row of a split.
///
/// # Errors
/// When a column is missing, an expression cannot be evaluated, or a number is not finite.
pub fn targets(view: &View, dataset: &Dataset, split: &str) -> Result<Vec<(String, Vec<f64>)>, Error> {
    let expressions: Vec<&Expr> = view.targets().iter().map(|(_, expr)| expr).collect();
    let values = evaluate(view, dataset, split, &expressions)?;
    let named = view.targets().iter().map(|(name, _)| name).zip(values);
    let checked = named.map(|(name, values)| match values.iter().position(|value| !value.is_finite()) {
        None => Ok((name.clone(), values)),
        Some(row) => {
            let reason = format!("the target `{name}` is {} in row {row} of the split", values[row]);
            Err(Error::settings("evaluate a view", reason))
        }
    });
    checked.collect()
}
