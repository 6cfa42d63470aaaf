//! A dataset and a view to batches of padded tensors.

use std::sync::Arc;

use fiducial_data::batches::{
    GroupTensor, Labels, Standardisation as Measured, Tensors, shuffled, tensors_with,
};
use fiducial_data::dataset::Dataset as Data;
use fiducial_data::source::Error as DataError;
use fiducial_data::view::View as Recipe;
use pyo3::exceptions::{PyIndexError, PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyIterator, PyList, PyTuple};

use crate::dataset::Dataset;
use crate::error::{Error, raise};
use crate::number::{Bound64, whole};
use crate::tensor::{Kind, Tensor};
use crate::view::{Standardisation, View};
use crate::work::{Ahead, Job, run};

/// What stands in a batch beside the view's groups.
const LABELS: &str = "labels";
const WEIGHTS: &str = "weights";
const ROW_IDS: &str = "row_ids";

/// What decides the batches.
pub(crate) struct Feed {
    pub(crate) view: Recipe,
    pub(crate) dataset: Data,
    pub(crate) split: String,
    pub(crate) standardisation: Option<Measured>,
    pub(crate) labels: Labels,
    pub(crate) batch_size: usize,
    pub(crate) is_shuffled: bool,
    pub(crate) seed: u64,
}

/// One epoch: the tensors of the split, and the order of its rows.
struct Epoch {
    tensors: Arc<Tensors>,
    order: Vec<u32>,
    number: u64,
    batch_size: usize,
}

impl Feed {
    /// The tensors of the whole split.
    fn fill(&self) -> Result<Tensors, DataError> {
        let measured = match &self.standardisation {
            Some(measured) => measured.clone(),
            None => Measured::measure(&self.view, &self.dataset)?,
        };
        tensors_with(&self.view, &measured, &self.dataset, &self.split, self.labels)
    }

    fn epoch(&self, tensors: Arc<Tensors>, number: u64) -> Epoch {
        // A split of more rows would not have fitted into memory.
        let rows = u32::try_from(tensors.rows()).unwrap_or(u32::MAX);
        let order = if self.is_shuffled { shuffled(rows, self.seed, number) } else { (0..rows).collect() };
        Epoch { tensors, order, number, batch_size: self.batch_size }
    }
}

impl Epoch {
    /// Batch number `number` of the epoch.
    fn batch(&self, number: u64) -> Filled {
        let start = usize::try_from(number).unwrap_or(usize::MAX).saturating_mul(self.batch_size);
        let start = start.min(self.order.len());
        let rows = &self.order[start..start.saturating_add(self.batch_size).min(self.order.len())];
        let batch = self.tensors.gather(rows);
        let mut tensors: Vec<(String, Tensor)> =
            batch.groups.into_iter().map(|group| dense(group, rows.len())).collect();
        let mut add = |name: &str, tensor| tensors.push((name.to_owned(), tensor));
        if !batch.labels.is_empty() {
            let labels = batch.labels.iter().map(|label| i64::from(*label)).collect();
            add(LABELS, Tensor::new::<i64>(labels, Kind::Int, vec![rows.len()]));
            add(WEIGHTS, Tensor::new(batch.weights, Kind::Float, vec![rows.len()]));
        }
        // As signed numbers, which every framework has: there are fewer than 2^63 rows.
        let row_ids = rows.iter().map(|row| self.tensors.row_ids[*row as usize].cast_signed()).collect();
        add(ROW_IDS, Tensor::new::<i64>(row_ids, Kind::Int, vec![rows.len()]));
        Filled { tensors, epoch: self.number, number, rows: rows.len() }
    }
}

/// A batch before Python sees it.
struct Filled {
    tensors: Vec<(String, Tensor)>,
    epoch: u64,
    number: u64,
    rows: usize,
}

fn dense(group: GroupTensor, rows: usize) -> (String, Tensor) {
    let shape = vec![rows, group.variables, group.length];
    (group.name, Tensor::new(group.data, Kind::Float, shape))
}

/// The batches of a split, epoch by epoch.
#[pyclass(module = "fiducial")]
pub(crate) struct Batches {
    feed: Arc<Feed>,
    /// The numbers of the batches of an epoch: `0..count`.
    count: u64,
    rows: u64,
    epoch: u64,
    drop_last: bool,
    /// Kept from the first epoch on.
    tensors: Option<Arc<Tensors>>,
}

impl Batches {
    pub(crate) fn new(feed: Feed, epoch: u64, drop_last: bool) -> PyResult<Self> {
        if feed.batch_size == 0 {
            return Err(PyValueError::new_err("batch_size must be at least 1"));
        }
        let mut names = feed.view.inputs().iter().map(|group| group.name.as_str());
        if let Some(name) = names.find(|name| [LABELS, WEIGHTS, ROW_IDS].contains(name)) {
            let text = format!(
                "failed to make batches: the view's input group `{name}` has a name of a batch's own"
            );
            return Err(Error::new_err(text));
        }
        let rows = feed.dataset.rows(&feed.split).map_err(|error| raise(&error))?;
        let size = feed.batch_size as u64;
        let count = if drop_last { rows / size } else { rows.div_ceil(size) };
        Ok(Self { feed: Arc::new(feed), count, rows, epoch, drop_last, tensors: None })
    }

    fn tensors(&mut self, py: Python<'_>) -> PyResult<Arc<Tensors>> {
        if let Some(tensors) = &self.tensors {
            return Ok(tensors.clone());
        }
        let feed = self.feed.clone();
        let filled = run(py, move || feed.fill())?.map_err(|error| raise(&error))?;
        Ok(self.tensors.insert(Arc::new(filled)).clone())
    }
}

#[pymethods]
impl Batches {
    /// The epoch that the next iteration gives: it decides the order of the rows.
    #[getter]
    fn epoch(&self) -> u64 {
        self.epoch
    }

    #[setter]
    fn set_epoch(&mut self, #[pyo3(from_py_with = whole)] epoch: u64) {
        self.epoch = epoch;
    }

    /// The rows of the split.
    #[getter]
    fn rows(&self) -> u64 {
        self.rows
    }

    /// How many values were cut or clipped when the split was read: counts by name.
    fn counts<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let tensors = self.tensors(py)?;
        let dict = PyDict::new(py);
        dict.set_item("truncated_rows", tensors.truncated_rows)?;
        dict.set_item("truncated_constituents", tensors.truncated_constituents)?;
        dict.set_item("clipped_values", tensors.clipped_values)?;
        Ok(dict)
    }

    /// How many batches an epoch has.
    fn __len__(&self) -> usize {
        usize::try_from(self.count).unwrap_or(usize::MAX)
    }

    /// All batches of `epoch`, in order.
    fn __iter__(&mut self, py: Python<'_>) -> PyResult<BatchIterator> {
        self.begin(py, (0..self.count).collect())
    }

    /// The batches of these numbers of `epoch`, in this order: a part of an epoch, or its rest.
    fn take(&mut self, py: Python<'_>, numbers: Vec<Bound64>) -> PyResult<BatchIterator> {
        let number = |number: Bound64| match u64::try_from(number.0) {
            Ok(number) if number < self.count => Ok(number),
            _ => {
                let text = format!("there is no batch {}: an epoch has {}", number.0, self.count);
                Err(PyIndexError::new_err(text))
            }
        };
        let numbers: Vec<u64> = numbers.into_iter().map(number).collect::<PyResult<_>>()?;
        self.begin(py, numbers)
    }

    /// Another process opens the dataset again.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Pickled<'py>> {
        let state = self.feed.pickled(py, self.epoch, self.drop_last, None)?;
        Ok((py.import("fiducial._fiducial")?.getattr("unpickle_batches")?, state))
    }
}

impl Batches {
    /// The batches of these numbers, of which there are so many.
    fn begin(&mut self, py: Python<'_>, numbers: Vec<u64>) -> PyResult<BatchIterator> {
        let tensors = self.tensors(py)?;
        let (feed, number) = (self.feed.clone(), self.epoch);
        let epoch = run(py, move || feed.epoch(tensors, number))?;
        let mut iterator = BatchIterator {
            feed: self.feed.clone(),
            drop_last: self.drop_last,
            epoch: Arc::new(epoch),
            numbers,
            begun: 0,
            ahead: Ahead::new(),
        };
        iterator.begin()?;
        Ok(iterator)
    }
}

/// Batches of one epoch, of which the next ones are filled in the background.
#[pyclass(module = "fiducial")]
pub(crate) struct BatchIterator {
    feed: Arc<Feed>,
    drop_last: bool,
    epoch: Arc<Epoch>,
    numbers: Vec<u64>,
    /// How many of them were begun.
    begun: usize,
    ahead: Ahead<Filled>,
}

impl BatchIterator {
    fn begin(&mut self) -> PyResult<()> {
        let Self { epoch, numbers, begun, ahead, .. } = self;
        ahead.fill(|| job(epoch, numbers, begun))
    }

    /// The numbers of the batches that are still to be handed out.
    fn rest(&self) -> &[u64] {
        &self.numbers[self.begun - self.ahead.len()..]
    }
}

/// The job that fills the next batch.
fn job(epoch: &Arc<Epoch>, numbers: &[u64], begun: &mut usize) -> Option<PyResult<Job<Filled>>> {
    let number = *numbers.get(*begun)?;
    *begun += 1;
    let epoch = epoch.clone();
    Some(Job::start(move || epoch.batch(number)))
}

#[pymethods]
impl BatchIterator {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__(&mut self, py: Python<'_>) -> PyResult<Option<Batch>> {
        let Self { epoch, numbers, begun, ahead, .. } = self;
        ahead.take(py, || job(epoch, numbers, begun))?.map(|filled| Batch::new(py, filled)).transpose()
    }

    fn __length_hint__(&self) -> usize {
        self.rest().len()
    }

    /// In another process it goes on where it is here.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Pickled<'py>> {
        let state = self.feed.pickled(py, self.epoch.number, self.drop_last, Some(self.rest().to_vec()))?;
        Ok((py.import("fiducial._fiducial")?.getattr("unpickle_batches")?, state))
    }
}

/// The function that makes an object of what it was, and that.
type Pickled<'py> = (Bound<'py, PyAny>, Bound<'py, PyTuple>);

impl Feed {
    /// The arguments of [`unpickle_batches`].
    fn pickled<'py>(
        &self,
        py: Python<'py>,
        epoch: u64,
        drop_last: bool,
        rest: Option<Vec<u64>>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let measured = self.standardisation.clone().map(|measured| Standardisation { measured });
        let labels = self.labels == Labels::Required;
        let dataset = Dataset { dataset: self.dataset.clone() };
        let view = View { view: self.view.clone() };
        let order = (self.batch_size, self.is_shuffled, self.seed, epoch, drop_last);
        (dataset, view, &self.split, measured, labels, order, rest).into_pyobject(py)
    }
}

/// What pickled `Batches` were; with the rest of an epoch, what an iterator over them was.
#[pyfunction]
#[pyo3(signature = (dataset, view, split, standardisation, labels, order, rest))]
#[allow(clippy::too_many_arguments, reason = "only pickle calls it")]
pub(crate) fn unpickle_batches<'py>(
    py: Python<'py>,
    dataset: PyRef<'_, Dataset>,
    view: PyRef<'_, View>,
    split: String,
    standardisation: Option<PyRef<'_, Standardisation>>,
    labels: bool,
    order: (usize, bool, u64, u64, bool),
    rest: Option<Vec<u64>>,
) -> PyResult<Bound<'py, PyAny>> {
    let (batch_size, is_shuffled, seed, epoch, drop_last) = order;
    let feed = Feed {
        view: view.view.clone(),
        dataset: dataset.dataset.clone(),
        split,
        standardisation: standardisation.map(|given| given.measured.clone()),
        labels: if labels { Labels::Required } else { Labels::Absent },
        batch_size,
        is_shuffled,
        seed,
    };
    let mut batches = Batches::new(feed, epoch, drop_last)?;
    match rest {
        None => Ok(Bound::new(py, batches)?.into_any()),
        Some(rest) => Ok(Bound::new(py, batches.begin(py, rest)?)?.into_any()),
    }
}

/// What a pickled `Batch` was.
#[pyfunction]
pub(crate) fn unpickle_batch(
    tensors: Vec<(String, Py<Tensor>)>,
    epoch: u64,
    number: u64,
    rows: usize,
) -> Batch {
    Batch { tensors, epoch, number, rows }
}

/// Padded tensors by name: the view's groups `(rows, variables, length)`, `labels`, `weights` and `row_ids`.
#[pyclass(module = "fiducial", frozen, mapping)]
pub(crate) struct Batch {
    tensors: Vec<(String, Py<Tensor>)>,
    epoch: u64,
    number: u64,
    rows: usize,
}

impl Batch {
    fn new(py: Python<'_>, filled: Filled) -> PyResult<Self> {
        let Filled { tensors, epoch, number, rows } = filled;
        let tensors = tensors.into_iter().map(|(name, tensor)| Ok((name, Py::new(py, tensor)?)));
        Ok(Self { tensors: tensors.collect::<PyResult<_>>()?, epoch, number, rows })
    }

    fn dict<'py>(
        &self,
        py: Python<'py>,
        form: impl Fn(&Bound<'py, Tensor>) -> PyResult<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for (name, tensor) in &self.tensors {
            dict.set_item(name, form(tensor.bind(py))?)?;
        }
        Ok(dict)
    }
}

#[pymethods]
impl Batch {
    /// The epoch that it is of.
    #[getter]
    fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Its number in the epoch, from 0.
    #[getter]
    fn number(&self) -> u64 {
        self.number
    }

    /// How many rows it has.
    #[getter]
    fn rows(&self) -> usize {
        self.rows
    }

    /// The tensors by name, each with `__dlpack__` and `__array_interface__`.
    #[getter]
    fn tensors<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.dict(py, |tensor| Ok(tensor.clone().into_any()))
    }

    /// NumPy arrays by name, without a copy.
    fn numpy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.dict(py, Tensor::numpy)
    }

    /// torch tensors by name, without a copy.
    fn torch<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.dict(py, Tensor::torch)
    }

    fn __getitem__<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let found = self.tensors.iter().find(|(candidate, _)| candidate == name);
        let (_, tensor) = found.ok_or_else(|| PyKeyError::new_err(name.to_owned()))?;
        Tensor::numpy(tensor.bind(py))
    }

    fn __contains__(&self, name: &str) -> bool {
        self.tensors.iter().any(|(candidate, _)| candidate == name)
    }

    fn __len__(&self) -> usize {
        self.tensors.len()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.keys(py)?.try_iter()
    }

    /// The names.
    fn keys<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.tensors.iter().map(|(name, _)| name))
    }

    /// The NumPy arrays.
    fn values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        Ok(self.numpy(py)?.values())
    }

    /// Names and NumPy arrays.
    fn items<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        Ok(self.numpy(py)?.items())
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Pickled<'py>> {
        let tensors: Vec<(&str, &Py<Tensor>)> =
            self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let state = (tensors, self.epoch, self.number, self.rows).into_pyobject(py)?;
        Ok((py.import("fiducial._fiducial")?.getattr("unpickle_batch")?, state))
    }

    fn __repr__(&self) -> String {
        let names: Vec<&str> = self.tensors.iter().map(|(name, _)| name.as_str()).collect();
        format!(
            "<fiducial.Batch {} of epoch {}, {} rows: {}>",
            self.number,
            self.epoch,
            self.rows,
            names.join(", ")
        )
    }
}
