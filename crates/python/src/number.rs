//! Whole numbers of Python, which have any size and sign.

use std::ops::Range;

use pyo3::exceptions::{PyOverflowError, PyValueError};
use pyo3::prelude::*;

/// An argument that is a whole number; one that the type does not hold is a `ValueError`. For `from_py_with`.
pub(crate) fn whole<'py, T>(value: &Bound<'py, PyAny>) -> PyResult<T>
where
    T: for<'a> FromPyObject<'a, 'py, Error = PyErr>,
{
    value.extract().map_err(|error: PyErr| {
        if !error.is_instance_of::<PyOverflowError>(value.py()) {
            return error;
        }
        let what = if is_negative(value) { "negative" } else { "too large" };
        PyValueError::new_err(format!("{value} is {what} for this argument"))
    })
}

/// As [`whole`], where it may be None.
pub(crate) fn whole_or_none<'py, T>(value: &Bound<'py, PyAny>) -> PyResult<Option<T>>
where
    T: for<'a> FromPyObject<'a, 'py, Error = PyErr>,
{
    if value.is_none() { Ok(None) } else { whole(value).map(Some) }
}

fn is_negative(value: &Bound<'_, PyAny>) -> bool {
    value.lt(0).unwrap_or(false)
}

/// A place among rows or batches, of any sign; what is beyond 64 bits is beyond any table.
pub(crate) struct Bound64(pub(crate) i64);

impl<'py> FromPyObject<'_, 'py> for Bound64 {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match value.extract::<i64>() {
            Err(error) if error.is_instance_of::<PyOverflowError>(value.py()) => {
                Ok(Self(if is_negative(&value) { i64::MIN } else { i64::MAX }))
            }
            found => found.map(Self),
        }
    }
}

impl Bound64 {
    fn place(&self, rows: u64) -> u64 {
        let from_end = |back: u64| rows.saturating_sub(back);
        if self.0 < 0 { from_end(self.0.unsigned_abs()) } else { self.0.unsigned_abs().min(rows) }
    }
}

/// The rows that `start` and `stop` mean, as those of a slice of Python: below 0 from the end on, beyond the end the end.
pub(crate) fn rows(start: Option<Bound64>, stop: Option<Bound64>, rows: u64) -> Range<u64> {
    let start = start.map_or(0, |start| start.place(rows));
    let stop = stop.map_or(rows, |stop| stop.place(rows));
    start..stop.max(start)
}
