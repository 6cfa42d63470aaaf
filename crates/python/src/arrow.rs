//! Arrow through the PyCapsule interface: pyarrow, polars, pandas and all that speak it take these objects without a copy.
//!
//! <https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html>

use std::sync::Arc;

use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{Array as _, ArrayRef, RecordBatch, RecordBatchIterator, RecordBatchReader, StructArray};
use arrow_schema::{ArrowError, Field, FieldRef, SchemaRef};
use fiducial_data::expr::{Environment, Expr};
use fiducial_data::ipc;
use fiducial_data::source::{DESCRIPTION, UNIT};
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule, PyDict};

use crate::error::raise;
use crate::tensor::numpy;
use crate::work::run;

type Capsules<'py> = (Bound<'py, PyCapsule>, Bound<'py, PyCapsule>);

/// Names and types of columns, with their units and descriptions.
#[pyclass(module = "fiducial", frozen)]
pub(crate) struct Schema {
    pub(crate) schema: SchemaRef,
}

#[pymethods]
impl Schema {
    /// The columns' names.
    #[getter]
    fn names(&self) -> Vec<&str> {
        self.schema.fields().iter().map(|field| field.name().as_str()).collect()
    }

    /// The columns' Arrow types as text, by name.
    #[getter]
    fn types<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        by_name(py, &self.schema, |field| Some(field.data_type().to_string()))
    }

    /// The units of those columns that have one, by name.
    #[getter]
    fn units<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        by_name(py, &self.schema, |field| field.metadata().get(UNIT).cloned())
    }

    /// What those columns are that say so, by name.
    #[getter]
    fn descriptions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        by_name(py, &self.schema, |field| field.metadata().get(DESCRIPTION).cloned())
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        schema_capsule(py, FFI_ArrowSchema::try_from(self.schema.as_ref()))
    }

    fn __len__(&self) -> usize {
        self.schema.fields().len()
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Unpickled<'py>> {
        unpickled(py, "unpickle_schema", &RecordBatch::new_empty(self.schema.clone()))
    }

    fn __repr__(&self) -> String {
        let fields = self.schema.fields().iter();
        let lines: Vec<String> =
            fields.map(|field| format!("{}: {}", field.name(), field.data_type())).collect();
        lines.join("\n")
    }
}

fn by_name<'py>(
    py: Python<'py>,
    schema: &SchemaRef,
    what: impl Fn(&Field) -> Option<String>,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for field in schema.fields() {
        if let Some(value) = what(field) {
            dict.set_item(field.name(), value)?;
        }
    }
    Ok(dict)
}

/// Rows and columns in memory.
#[pyclass(module = "fiducial", frozen)]
pub(crate) struct Table {
    pub(crate) batch: RecordBatch,
}

#[pymethods]
impl Table {
    /// The columns' names.
    #[getter]
    fn columns(&self) -> Vec<String> {
        self.batch.schema_ref().fields().iter().map(|field| field.name().clone()).collect()
    }

    /// Names, types and units of the columns.
    #[getter]
    fn schema(&self) -> Schema {
        Schema { schema: self.batch.schema() }
    }

    fn __len__(&self) -> usize {
        self.batch.num_rows()
    }

    fn __contains__(&self, column: &str) -> bool {
        self.batch.schema_ref().index_of(column).is_ok()
    }

    fn __getitem__(&self, column: &str) -> PyResult<Array> {
        let index = self.batch.schema_ref().index_of(column);
        let index = index.map_err(|_| PyKeyError::new_err(column.to_owned()))?;
        let field = self.batch.schema_ref().fields()[index].clone();
        Ok(Array { field, array: self.batch.column(index).clone() })
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        self.schema().__arrow_c_schema__(py)
    }

    /// The rows as one Arrow array of structs. A requested schema is a wish that is not granted: the types are what they are.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Capsules<'py>> {
        let _ = requested_schema;
        let array = StructArray::from(self.batch.clone());
        array_capsules(py, FFI_ArrowSchema::try_from(self.batch.schema_ref().as_ref()), &array)
    }

    /// The rows as an Arrow stream of one batch.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let _ = requested_schema;
        let batches = [Ok::<_, ArrowError>(self.batch.clone())];
        stream_capsule(py, Box::new(RecordBatchIterator::new(batches, self.batch.schema())))
    }

    /// An expression of these columns, one value or list for each row.
    fn evaluate(&self, py: Python<'_>, expression: &str) -> PyResult<Array> {
        let expr = Expr::parse(expression).map_err(|error| raise(&error))?;
        let (batch, name) = (self.batch.clone(), expression.to_owned());
        let values = run(py, move || {
            expr.evaluate(&Environment::new(&batch)).map(|values| values.to_array(batch.num_rows()))
        })?;
        Ok(Array::named(&name, values.map_err(|error| raise(&error))?))
    }

    /// The rows as a `pyarrow.Table`, without a copy.
    fn to_pyarrow<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("pyarrow")?.call_method1("table", (slf,))
    }

    /// The rows as an `awkward.Array` of records, without a copy.
    fn to_awkward<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let batch = py.import("pyarrow")?.call_method1("record_batch", (slf,))?;
        py.import("awkward")?.call_method1("from_arrow", (batch,))
    }

    /// The columns as NumPy arrays by name, without a copy but of booleans. Lists of varying length have no such form.
    fn to_numpy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for (field, array) in self.batch.schema_ref().fields().iter().zip(self.batch.columns()) {
            dict.set_item(field.name(), numpy(py, field.name(), array)?)?;
        }
        Ok(dict)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Unpickled<'py>> {
        unpickled(py, "unpickle_table", &self.batch)
    }

    fn __repr__(&self) -> String {
        format!("<fiducial.Table, {} rows, {} columns>", self.batch.num_rows(), self.batch.num_columns())
    }
}

/// A column in memory.
#[pyclass(module = "fiducial", frozen)]
pub(crate) struct Array {
    field: FieldRef,
    array: ArrayRef,
}

impl Array {
    pub(crate) fn named(name: &str, array: ArrayRef) -> Self {
        let is_nullable = array.is_nullable();
        Self { field: Arc::new(Field::new(name, array.data_type().clone(), is_nullable)), array }
    }
}

#[pymethods]
impl Array {
    /// The Arrow type as text.
    #[getter]
    fn r#type(&self) -> String {
        self.array.data_type().to_string()
    }

    fn __len__(&self) -> usize {
        self.array.len()
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        schema_capsule(py, FFI_ArrowSchema::try_from(self.field.as_ref()))
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Capsules<'py>> {
        let _ = requested_schema;
        array_capsules(py, FFI_ArrowSchema::try_from(self.field.as_ref()), self.array.as_ref())
    }

    /// The values as a NumPy array, without a copy but of booleans. Lists of varying length have no such form.
    fn to_numpy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        numpy(py, self.field.name(), &self.array)
    }

    #[pyo3(signature = (dtype=None, copy=None))]
    fn __array__<'py>(
        &self,
        py: Python<'py>,
        dtype: Option<Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let array = self.to_numpy(py)?;
        match (dtype, copy) {
            (None, None | Some(false)) => Ok(array),
            (dtype, copy) => py.import("numpy")?.call_method(
                "array",
                (array, dtype),
                Some(
                    &[("copy", copy)]
                        .into_iter()
                        .collect::<std::collections::HashMap<_, _>>()
                        .into_pyobject(py)?,
                ),
            ),
        }
    }

    /// The values as a `pyarrow.Array`, without a copy.
    fn to_pyarrow<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("pyarrow")?.call_method1("array", (slf,))
    }

    /// The values as an `awkward.Array`, without a copy.
    fn to_awkward<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("awkward")?.call_method1("from_arrow", (Self::to_pyarrow(slf)?,))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Unpickled<'py>> {
        let schema = Arc::new(arrow_schema::Schema::new(vec![self.field.clone()]));
        let batch = RecordBatch::try_new(schema, vec![self.array.clone()]);
        unpickled(py, "unpickle_array", &batch.map_err(|error| exported(&error))?)
    }

    fn __repr__(&self) -> String {
        format!(
            "<fiducial.Array {}: {}, {} rows>",
            self.field.name(),
            self.array.data_type(),
            self.array.len()
        )
    }
}

/// The function that makes an object of its bytes, and the bytes.
type Unpickled<'py> = (Bound<'py, PyAny>, (Bound<'py, PyBytes>,));

fn unpickled<'py>(py: Python<'py>, function: &str, batch: &RecordBatch) -> PyResult<Unpickled<'py>> {
    let bytes = ipc::to_bytes(batch).map_err(|error| exported(&error))?;
    Ok((py.import("fiducial._fiducial")?.getattr(function)?, (PyBytes::new(py, &bytes),)))
}

/// What a pickled `Table` was.
#[pyfunction]
pub(crate) fn unpickle_table(bytes: &[u8]) -> PyResult<Table> {
    let failed = |error| crate::error::Error::new_err(format!("failed to take in Arrow data: {error}"));
    Ok(Table { batch: ipc::from_bytes(bytes).map_err(failed)? })
}

/// What a pickled `Schema` was.
#[pyfunction]
pub(crate) fn unpickle_schema(bytes: &[u8]) -> PyResult<Schema> {
    unpickle_table(bytes).map(|table| table.schema())
}

/// What a pickled `Array` was.
#[pyfunction]
pub(crate) fn unpickle_array(bytes: &[u8]) -> PyResult<Array> {
    let table = unpickle_table(bytes)?;
    let name = table.columns().into_iter().next().unwrap_or_default();
    table.__getitem__(&name)
}

fn schema_capsule(
    py: Python<'_>,
    schema: Result<FFI_ArrowSchema, ArrowError>,
) -> PyResult<Bound<'_, PyCapsule>> {
    PyCapsule::new_with_value(py, schema.map_err(|error| exported(&error))?, c"arrow_schema")
}

fn array_capsules<'py>(
    py: Python<'py>,
    schema: Result<FFI_ArrowSchema, ArrowError>,
    array: &dyn arrow_array::Array,
) -> PyResult<Capsules<'py>> {
    let array = PyCapsule::new_with_value(py, FFI_ArrowArray::new(&array.to_data()), c"arrow_array")?;
    Ok((schema_capsule(py, schema)?, array))
}

/// The names and types of columns for other libraries.
pub(crate) fn schema_of<'py>(py: Python<'py>, schema: &SchemaRef) -> PyResult<Bound<'py, PyCapsule>> {
    schema_capsule(py, FFI_ArrowSchema::try_from(schema.as_ref()))
}

/// A reader for a consumer that may ask on any thread, with or without the interpreter.
pub(crate) fn stream_capsule(
    py: Python<'_>,
    reader: Box<dyn RecordBatchReader + Send>,
) -> PyResult<Bound<'_, PyCapsule>> {
    PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(reader), c"arrow_array_stream")
}

fn exported(error: &ArrowError) -> PyErr {
    crate::error::Error::new_err(format!("failed to hand out Arrow data: {error}"))
}
