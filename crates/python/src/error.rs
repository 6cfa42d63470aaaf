//! Errors of the libraries as Python exceptions.

use std::error::Error as StdError;
use std::io::{self, ErrorKind};
use std::path::Path;

use fiducial_data::expr::ExprError;
use fiducial_data::source::Error as DataError;
use fiducial_data::view::ViewError;
use pyo3::exceptions::{PyFileNotFoundError, PyRuntimeError};
use pyo3::prelude::*;

pyo3::create_exception!(
    fiducial,
    Error,
    PyRuntimeError,
    "Why something failed: the message names the file, the object and the place.\n\nWhere an expression is to blame, \
     `position` is the place in its text, counted from 1, `row` the row of the data or None, and `hint` what to do or None; elsewhere all three are None."
);

/// The number of "no such file or directory" in `errno`.
const NOT_FOUND: i32 = 2;

/// An error of a library, whose text fits after "failed to". A missing file is Python's `FileNotFoundError`.
pub(crate) fn raise(error: &(dyn StdError + 'static)) -> PyErr {
    let mut cause = Some(error);
    while let Some(current) = cause {
        if let Some((path, refused)) = refused(current)
            && refused.kind() == ErrorKind::NotFound
        {
            let text = "No such file or directory".to_owned();
            return PyFileNotFoundError::new_err((NOT_FOUND, text, path.as_os_str().to_owned()));
        }
        if let Some(expression) = found::<ExprError>(current) {
            return at_place(Error::new_err(format!("failed to {error}")), expression);
        }
        cause = current.source();
    }
    Error::new_err(format!("failed to {error}"))
}

/// What the system refused, of which file.
fn refused<'a>(error: &'a (dyn StdError + 'static)) -> Option<(&'a Path, &'a io::Error)> {
    if let Some(DataError::Io { path, source, .. }) = found(error) {
        return Some((path, source));
    }
    if let Some(fiducial_root::Error::Io { path, source }) = found(error) {
        return Some((path, source));
    }
    match found(error) {
        Some(ViewError::Read { path, source }) => Some((path, source)),
        _ => None,
    }
}

/// An error as what it is, on its own or in a box.
fn found<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    error.downcast_ref::<E>().or_else(|| error.downcast_ref::<Box<E>>().map(AsRef::as_ref))
}

fn at_place(error: PyErr, found: &ExprError) -> PyErr {
    Python::attach(|py| {
        let value = error.value(py);
        let set = value
            .setattr("position", found.position())
            .and_then(|()| value.setattr("row", found.row()))
            .and_then(|()| value.setattr("hint", found.hint()));
        // What cannot be set is no reason to hide the error itself.
        set.map_or_else(|other| other, |()| error.clone_ref(py))
    })
}
