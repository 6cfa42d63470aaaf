//! Views, and what was measured for them.

use std::path::PathBuf;

use fiducial_data::batches;
use fiducial_data::view;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

use crate::dataset::Dataset;
use crate::error::{Error, raise};
use crate::work::run;

/// How a dataset becomes tensors: the TOML of a view, read and checked.
#[pyclass(module = "fiducial", frozen)]
pub(crate) struct View {
    pub(crate) view: view::View,
}

/// A view, or the path of one.
#[derive(FromPyObject)]
pub(crate) enum ViewOrPath<'py> {
    View(PyRef<'py, View>),
    Path(PathBuf),
}

impl ViewOrPath<'_> {
    /// The view itself, read where a path was given.
    pub(crate) fn read(self) -> PyResult<view::View> {
        match self {
            Self::View(view) => Ok(view.view.clone()),
            Self::Path(path) => view::View::read(path).map_err(|error| raise(&error)),
        }
    }
}

#[pymethods]
impl View {
    /// Parses the text of a view.
    #[new]
    fn new(text: &str) -> PyResult<Self> {
        view::View::parse(text).map(|view| Self { view }).map_err(|error| raise(&error))
    }

    /// Reads a view from a file.
    #[classmethod]
    fn read(_class: &Bound<'_, PyType>, path: PathBuf) -> PyResult<Self> {
        let read = view::View::read(&path);
        read.map(|view| Self { view }).map_err(|error| raise(&error))
    }

    /// The text that was parsed.
    #[getter]
    fn text(&self) -> &str {
        self.view.text()
    }

    /// The variables of each input group, by the group's name.
    #[getter]
    fn inputs<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for group in self.view.inputs() {
            let names: Vec<&str> = group.variables.iter().map(|variable| variable.name.as_str()).collect();
            dict.set_item(&group.name, names)?;
        }
        Ok(dict)
    }

    /// The shape of each input group in a batch without its first axis: (variables, length).
    #[getter]
    fn shapes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for group in self.view.inputs() {
            dict.set_item(&group.name, (group.variables.len(), group.length.unwrap_or(1)))?;
        }
        Ok(dict)
    }

    /// The names of the classes, in the order of their labels.
    #[getter]
    fn classes(&self) -> Vec<&str> {
        self.view.classes().iter().map(|class| class.name.as_str()).collect()
    }

    /// The columns that a dataset must keep for this view.
    #[getter]
    fn columns(&self) -> Vec<String> {
        self.view.stored_columns()
    }

    /// Measures centres and scales on the training split of a dataset, where the view says so.
    fn measure(&self, py: Python<'_>, dataset: &Dataset) -> PyResult<Standardisation> {
        let (view, dataset) = (self.view.clone(), dataset.dataset.clone());
        let measured = run(py, move || batches::Standardisation::measure(&view, &dataset))?;
        measured.map(|measured| Standardisation { measured }).map_err(|error| raise(&error))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> (Bound<'py, PyType>, (String,)) {
        (slf.get_type(), (slf.get().view.text().to_owned(),))
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.view == other.view
    }

    fn __repr__(&self) -> String {
        let groups: Vec<&str> = self.view.inputs().iter().map(|group| group.name.as_str()).collect();
        format!("<fiducial.View, inputs {}, classes {}>", groups.join(", "), self.classes().join(", "))
    }
}

/// Centres and scales of a view's variables, measured on a training split. It belongs to a model.
#[pyclass(module = "fiducial", frozen)]
pub(crate) struct Standardisation {
    pub(crate) measured: batches::Standardisation,
}

#[pymethods]
impl Standardisation {
    /// Reads what `json` gave.
    #[new]
    fn new(json: &str) -> PyResult<Self> {
        let parsed = serde_json::from_str(json);
        let failed = |error| Error::new_err(format!("failed to read a standardisation: {error}"));
        parsed.map(|measured| Self { measured }).map_err(failed)
    }

    /// The version of the dataset that it was measured on; empty where nothing was measured.
    #[getter]
    fn dataset(&self) -> &str {
        &self.measured.dataset
    }

    /// How many rows were used.
    #[getter]
    fn rows(&self) -> u64 {
        self.measured.rows
    }

    /// Centre and scale of each variable: a value `x` becomes `(x - centre) * scale`.
    #[getter]
    fn variables<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for (name, measured) in &self.measured.variables {
            dict.set_item(name, (measured.center, measured.scale))?;
        }
        Ok(dict)
    }

    /// All of it as JSON, which `Standardisation(json)` reads.
    #[getter]
    fn json(&self) -> PyResult<String> {
        let failed = |error| Error::new_err(format!("failed to write a standardisation: {error}"));
        serde_json::to_string(&self.measured).map_err(failed)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyType>, (String,))> {
        Ok((slf.get_type(), (slf.get().json()?,)))
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.measured == other.measured
    }

    fn __repr__(&self) -> String {
        let Self { measured } = self;
        format!(
            "<fiducial.Standardisation, {} variables on {} rows>",
            measured.variables.len(),
            measured.rows
        )
    }
}
