//! Files in the form that they come in.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::vec::IntoIter;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchReader};
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::concat::concat;
use fiducial_data::expr::{Environment, Expr};
use fiducial_data::source::{self, OpenOptions, matching_columns};
use fiducial_root::{Object, RootFile};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use rayon::prelude::*;

use crate::arrow::{Array, Schema, Table, schema_of, stream_capsule};
use crate::error::{Error, raise};
use crate::number::{Bound64, rows};
use crate::work::{pool, run};

/// A table of a file: columns that are read when they are asked for. `fiducial.open` makes it.
///
/// It is an Arrow stream itself, read partition by partition: `pyarrow.RecordBatchReader.from_stream(source)`,
/// `polars.DataFrame(source)` and the like take it as it is.
#[pyclass(module = "fiducial", frozen)]
pub(crate) struct Source {
    source: Arc<dyn source::Source>,
    /// How it was opened: what another process needs to open it too.
    path: PathBuf,
    options: OpenOptions,
}

/// Names or patterns of columns.
#[derive(FromPyObject)]
pub(crate) enum Columns {
    One(String),
    Several(Vec<String>),
}

impl Columns {
    /// The patterns; all columns where none are given.
    pub(crate) fn patterns(columns: Option<Self>) -> Vec<String> {
        match columns {
            None => vec!["*".to_owned()],
            Some(Self::One(column)) => vec![column],
            Some(Self::Several(columns)) => columns,
        }
    }
}

/// Opens a table of a file, here or at an address: ROOT (tree or ntuple), Parquet, HDF5, NumPy, CSV, LHE or HepMC.
///
/// `table` names the tree or ntuple, the group or array; without it the file's only one is taken. `arrays` are columns that are
/// slices of arrays (HDF5, NumPy), `{"part_pt": "X[:, :, 0]"}`. Nothing is read but what is asked for later.
///
/// >>> source = fiducial.open(jets)
/// >>> len(source), source.columns[:2]
/// (40000, ['npart', 'part_px'])
#[pyfunction]
#[pyo3(signature = (path, table=None, *, arrays=None))]
pub(crate) fn open(
    py: Python<'_>,
    path: PathBuf,
    table: Option<String>,
    arrays: Option<BTreeMap<String, String>>,
) -> PyResult<Source> {
    let arrays = arrays.unwrap_or_default().into_iter().collect();
    Source::open(py, path, OpenOptions { table, arrays, ..OpenOptions::default() })
}

/// Opens in this process what a pickled `Source` was of. Slices of arrays come in the order in which they were given.
#[pyfunction]
pub(crate) fn reopen(
    py: Python<'_>,
    path: PathBuf,
    table: Option<String>,
    arrays: Vec<(String, String)>,
) -> PyResult<Source> {
    Source::open(py, path, OpenOptions { table, arrays, ..OpenOptions::default() })
}

/// A histogram of a ROOT file in the UHI schema, as JSON text.
#[pyfunction]
pub(crate) fn histogram_json(py: Python<'_>, path: PathBuf, name: String) -> PyResult<String> {
    let wanted = path.clone();
    let object = run(py, move || RootFile::open(&wanted)?.object(&name).map(|object| (object, name)))?;
    match object.map_err(|error| raise(&error))? {
        (Object::Histogram(histogram), _) => Ok(histogram.to_uhi_json()),
        (_, name) => {
            Err(Error::new_err(format!("failed to read {name} of {}: it is no histogram", path.display())))
        }
    }
}

#[pymethods]
impl Source {
    /// Where the file is.
    #[getter]
    fn path(&self) -> PathBuf {
        self.source.path().to_owned()
    }

    /// What the table is called in the file, or None.
    #[getter]
    fn table(&self) -> Option<&str> {
        self.source.table()
    }

    /// The names of the columns that can be read.
    #[getter]
    fn columns(&self) -> Vec<String> {
        self.names(false)
    }

    /// Names of what is in columns of records, such as `muon.pt`, and shorter names: read where they are asked for.
    #[getter]
    fn members(&self) -> Vec<String> {
        self.names(true)
    }

    /// The columns that cannot be read, each with the reason.
    #[getter]
    fn unreadable_columns(&self) -> Vec<(String, String)> {
        self.source.unreadable_columns()
    }

    /// Names, types and units of the columns.
    #[getter]
    fn schema(&self) -> Schema {
        Schema { schema: self.own_schema() }
    }

    /// Ranges of rows that follow the file's own clusters, as pairs of first row and the row after the last.
    #[getter]
    fn partitions(&self) -> Vec<(u64, u64)> {
        self.source.partitions().into_iter().map(|rows| (rows.start, rows.end)).collect()
    }

    fn __len__(&self) -> usize {
        usize::try_from(self.source.rows()).unwrap_or(usize::MAX)
    }

    /// Reads columns, by name or pattern, of a range of rows. In a pattern `*` stands for any characters and `?` for one. `start` and
    /// `stop` are those of a slice: below 0 they count from the end.
    ///
    /// >>> table = fiducial.open(jets).read(["jet_pt", "part_p?"], stop=2)
    /// >>> table.columns
    /// ['jet_pt', 'part_px', 'part_py', 'part_pz']
    /// >>> table["jet_pt"].to_numpy().dtype
    /// dtype('float32')
    #[pyo3(signature = (columns=None, start=None, stop=None))]
    fn read(
        &self,
        py: Python<'_>,
        columns: Option<Columns>,
        start: Option<Bound64>,
        stop: Option<Bound64>,
    ) -> PyResult<Table> {
        let (source, patterns) = (self.source.clone(), Columns::patterns(columns));
        let rows = rows(start, stop, source.rows());
        let batch = run(py, move || {
            let columns = matching_columns(source.as_ref(), &patterns)?;
            source.read(&columns.iter().map(String::as_str).collect::<Vec<_>>(), rows)
        })?;
        Ok(Table { batch: batch.map_err(|error| raise(&error))? })
    }

    /// Evaluates an expression of the columns, one value or list for each row. Only the columns that it names are read.
    ///
    /// >>> fiducial.open(jets).evaluate("count(part_px)", stop=3).to_numpy().shape
    /// (3,)
    /// >>> fiducial.open(jets).evaluate("jet_pt / jet_masss")
    /// Traceback (most recent call last):
    /// fiducial.Error: failed to evaluate an expression: no column `jet_masss` (column 10)
    ///   | jet_pt / jet_masss
    ///   |          ^^^^^^^^^
    ///   hint: did you mean `jet_mass`?
    #[pyo3(signature = (expression, start=None, stop=None))]
    fn evaluate(
        &self,
        py: Python<'_>,
        expression: &str,
        start: Option<Bound64>,
        stop: Option<Bound64>,
    ) -> PyResult<Array> {
        let expr = Expr::parse(expression).map_err(|error| raise(&error))?;
        let source = self.source.clone();
        let rows = rows(start, stop, source.rows());
        let values = run(py, move || evaluate(source.as_ref(), &expr, &rows))??;
        Ok(Array::named(expression, values))
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        schema_of(py, &self.own_schema())
    }

    /// All rows as an Arrow stream, read partition by partition as they are asked for.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let _ = requested_schema;
        stream_capsule(py, Box::new(self.reader(py, self.columns())?))
    }

    /// Another process opens the file again.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Reopened)> {
        let OpenOptions { table, arrays, .. } = self.options.clone();
        Ok((py.import("fiducial._fiducial")?.getattr("reopen")?, (self.path.clone(), table, arrays)))
    }

    fn __repr__(&self) -> String {
        let table = self.source.table().map(|table| format!(":{table}")).unwrap_or_default();
        let (rows, columns) = (self.source.rows(), self.columns().len());
        format!("<fiducial.Source {}{table}, {rows} rows, {columns} columns>", self.source.path().display())
    }
}

/// The arguments of [`reopen`].
type Reopened = (PathBuf, Option<String>, Vec<(String, String)>);

impl Source {
    fn open(py: Python<'_>, path: PathBuf, options: OpenOptions) -> PyResult<Self> {
        let (file, how) = (path.clone(), options.clone());
        let source = run(py, move || source::open_with(&file, &how))?;
        Ok(Self { source: source.map_err(|error| raise(&error))?.into(), path, options })
    }

    /// The file's own columns, or the members of those that hold records.
    fn names(&self, members: bool) -> Vec<String> {
        let schema = self.source.schema();
        let names = schema.fields().iter().map(|field| field.name());
        names.filter(|name| self.source.original(name).is_some() == members).cloned().collect()
    }

    fn own_schema(&self) -> SchemaRef {
        let schema = self.source.schema();
        let own = schema.fields().iter().filter(|field| self.source.original(field.name()).is_none());
        Arc::new(arrow_schema::Schema::new_with_metadata(
            own.cloned().collect::<Vec<_>>(),
            schema.metadata().clone(),
        ))
    }

    fn reader(&self, py: Python<'_>, columns: Vec<String>) -> PyResult<Partitions> {
        let (source, names) = (self.source.clone(), columns.clone());
        // What a read says of its types, which may be more than the file says of its columns.
        let empty =
            run(py, move || source.read(&names.iter().map(String::as_str).collect::<Vec<_>>(), 0..0))?;
        let schema = empty.map_err(|error| raise(&error))?.schema();
        let pieces = self.source.partitions().into_iter();
        Ok(Partitions { source: self.source.clone(), columns, schema, pieces })
    }
}

/// The partitions of a source, one after the other. A partition's columns are read side by side.
struct Partitions {
    source: Arc<dyn source::Source>,
    columns: Vec<String>,
    schema: SchemaRef,
    pieces: IntoIter<Range<u64>>,
}

impl Iterator for Partitions {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rows = self.pieces.next()?;
        let columns: Vec<&str> = self.columns.iter().map(String::as_str).collect();
        let failed =
            |error: &dyn std::fmt::Display| ArrowError::ExternalError(format!("failed to {error}").into());
        Some(match pool() {
            Ok(pool) => pool.install(|| self.source.read(&columns, rows)).map_err(|error| failed(&error)),
            Err(_) => Err(failed(&"start threads")),
        })
    }
}

impl RecordBatchReader for Partitions {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}

/// The values of an expression over a range of rows, partition by partition on all threads.
fn evaluate(source: &dyn source::Source, expr: &Expr, rows: &Range<u64>) -> PyResult<ArrayRef> {
    let columns: Vec<String> = expr.columns().into_iter().collect();
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    // On no rows first: what does not fit the columns is told with its place in the text, before anything is read. Why a
    // column cannot be read, the source knows better.
    if columns.iter().all(|column| source.unreadable(column).is_none()) {
        let empty = RecordBatch::new_empty(source.schema());
        expr.evaluate(&Environment::new(&empty)).map_err(|error| raise(&error))?;
    }
    let overlap = |piece: Range<u64>| piece.start.max(rows.start)..piece.end.min(rows.end);
    let mut pieces: Vec<Range<u64>> =
        source.partitions().into_iter().map(overlap).filter(|piece| !piece.is_empty()).collect();
    // What goes past the end is for the source to refuse, and an empty range has a type too.
    if pieces.is_empty() || rows.end > source.rows() {
        pieces = vec![rows.clone()];
    }
    let arrays = pieces.into_par_iter().map(|piece| {
        let first = piece.start;
        let batch = source.read(&columns, piece).map_err(|error| raise(&error))?;
        let environment = Environment::new(&batch).with_first_row(first);
        let values = expr.evaluate(&environment).map_err(|error| raise(&error))?;
        Ok(values.to_array(batch.num_rows()))
    });
    // All of them before the first error is taken: the error of the first rows, whichever piece is done first.
    let arrays: Vec<PyResult<ArrayRef>> = arrays.collect();
    let arrays: Vec<ArrayRef> = arrays.into_iter().collect::<PyResult<_>>()?;
    match arrays.as_slice() {
        [only] => Ok(only.clone()),
        several => concat(&several.iter().map(|array| array.as_ref() as _).collect::<Vec<_>>())
            .map_err(|error| Error::new_err(format!("failed to join the values of an expression: {error}"))),
    }
}
