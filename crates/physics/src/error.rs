//! What can be wrong with arrays.

/// Why a kernel refused its input. A message fits after "failed to ".
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two arrays that describe the same particles have different lengths.
    #[error("use `{name}`: it has {found} values where {expected} were expected")]
    Length {
        /// The array.
        name: &'static str,
        /// How many values the others have.
        expected: usize,
        /// How many it has.
        found: usize,
    },
    /// A value is NaN, infinite or beyond what the squares of double precision can hold.
    #[error("use `{name}` at index {index}: {value} is {problem}")]
    Value {
        /// The array.
        name: &'static str,
        /// Where in the array.
        index: usize,
        /// The value.
        value: f64,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A parameter is outside of its range.
    #[error("use {name} = {value}: it must be {range}")]
    Parameter {
        /// The parameter.
        name: &'static str,
        /// Its value.
        value: f64,
        /// What it may be.
        range: &'static str,
    },
    /// One event of many is to blame.
    #[error("{error}, in event {event}")]
    InEvent {
        /// Its place among the events.
        event: usize,
        /// What is wrong with it; indices count from the event's start.
        error: Box<Error>,
    },
    /// The computation did not end within the steps that its size allows.
    #[error("converge in {0}")]
    NoConvergence(&'static str),
}

/// Checks that an array has the length of the others.
pub(crate) fn same_length(name: &'static str, expected: usize, found: usize) -> Result<(), Error> {
    if expected == found { Ok(()) } else { Err(Error::Length { name, expected, found }) }
}

/// Checks that all values lie within ±`limit`, so that later squares and sums stay finite.
pub(crate) fn bounded(name: &'static str, values: &[f64], limit: f64) -> Result<(), Error> {
    match values.iter().position(|value| value.is_nan() || value.abs() > limit) {
        None => Ok(()),
        Some(index) => {
            let value = values[index];
            let problem = if value.is_finite() { "too large" } else { "not a finite number" };
            Err(Error::Value { name, index, value, problem })
        }
    }
}

/// Checks one parameter.
pub(crate) fn parameter(
    name: &'static str,
    value: f64,
    holds: bool,
    range: &'static str,
) -> Result<(), Error> {
    if holds { Ok(()) } else { Err(Error::Parameter { name, value, range }) }
}
