//! AI-ready datasets.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use fiducial_data::batches::Labels;
use fiducial_data::dataset::{self, About};
use fiducial_data::prepare::{self, OnBadFile, OnBadValue, PrepareOptions, Progress};
use fiducial_data::source::matching_names;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrow::{Schema, Table};
use crate::batches::{Batches, Feed};
use crate::error::{Error, raise};
use crate::number::whole;
use crate::source::Columns;
use crate::view::{Standardisation, View, ViewOrPath};
use crate::work::{Job, run};

/// A dataset on disk: Parquet shards by split, a card, and a manifest.
///
/// >>> dataset = fiducial.Dataset(prepared)
/// >>> dataset.splits
/// {'train': 23924, 'validation': 2715, 'test': 13361}
/// >>> dataset.read("test", ["row_id", "jet_*"])
/// <fiducial.Table, 13361 rows, 6 columns>
/// >>> dataset.verify()
/// []
#[pyclass(module = "fiducial", frozen)]
pub(crate) struct Dataset {
    pub(crate) dataset: dataset::Dataset,
}

#[pymethods]
impl Dataset {
    /// Opens a dataset: reads its manifest, nothing else.
    #[new]
    fn new(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let dataset = run(py, move || dataset::Dataset::open(path))?;
        dataset.map(|dataset| Self { dataset }).map_err(|error| raise(&error))
    }

    /// The directory.
    #[getter]
    fn path(&self) -> PathBuf {
        self.dataset.path().to_owned()
    }

    /// The hash of the content: equal versions hold equal rows.
    #[getter]
    fn version(&self) -> &str {
        self.dataset.version()
    }

    /// The rows of each split, by the split's name.
    #[getter]
    fn splits<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for split in &self.dataset.manifest().splits {
            dict.set_item(&split.name, split.rows)?;
        }
        Ok(dict)
    }

    /// What the dataset holds and where it came from: `dataset.json`.
    #[getter]
    fn manifest<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let failed = |error| Error::new_err(format!("failed to write a manifest: {error}"));
        let text = serde_json::to_string(self.dataset.manifest()).map_err(failed)?;
        py.import("json")?.call_method1("loads", (text,))
    }

    /// The dataset's card, which a person reads.
    #[getter]
    fn card(&self) -> PathBuf {
        self.dataset.path().join("README.md")
    }

    /// The view that the dataset was prepared with.
    #[getter]
    fn view(&self) -> PyResult<View> {
        let parsed = fiducial_data::view::View::parse(&self.dataset.manifest().view);
        parsed.map(|view| View { view }).map_err(|error| raise(&error))
    }

    /// Names, types and units of the columns.
    #[getter]
    fn schema(&self, py: Python<'_>) -> PyResult<Schema> {
        let dataset = self.dataset.clone();
        Ok(Schema { schema: run(py, move || dataset.schema())?.map_err(|error| raise(&error))? })
    }

    /// Reads columns, by name or pattern, of a whole split.
    #[pyo3(signature = (split, columns=None))]
    fn read(&self, py: Python<'_>, split: String, columns: Option<Columns>) -> PyResult<Table> {
        let (dataset, patterns) = (self.dataset.clone(), Columns::patterns(columns));
        let batch = run(py, move || {
            let schema = dataset.schema()?;
            let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
            dataset.read(&split, &matching_names(dataset.path(), &names, &patterns)?)
        })?;
        Ok(Table { batch: batch.map_err(|error| raise(&error))? })
    }

    /// Compares every file with the manifest. What is wrong, one line each; nothing for a sound dataset.
    fn verify(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        let dataset = self.dataset.clone();
        let report = run(py, move || dataset.verify())?.map_err(|error| raise(&error))?;
        Ok(report.problems.iter().map(ToString::to_string).collect())
    }

    /// The batches of a split as padded tensors: the view's input groups, `labels`, `weights` and `row_ids`.
    ///
    /// `view` is a `View`, the path of one, or None for the view that the dataset was prepared with. The order of the rows is
    /// decided by `seed` and `epoch` alone. Centres and scales are measured on the training split, once, unless they are given
    /// as `standardisation`. With `labels=False` neither labels nor weights are looked at.
    ///
    /// >>> batches = fiducial.Dataset(prepared).batches(split="train", batch_size=512, seed=1)
    /// >>> batch = next(iter(batches))
    /// >>> batch["features"].shape, batch["labels"].dtype
    /// ((512, 7, 64), dtype('int64'))
    #[pyo3(signature = (view=None, split="train", *, batch_size=512, shuffle=true, seed=0, epoch=0, drop_last=false, labels=true, standardisation=None))]
    #[allow(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn batches(
        &self,
        view: Option<ViewOrPath<'_>>,
        split: &str,
        #[pyo3(from_py_with = whole)] batch_size: usize,
        shuffle: bool,
        #[pyo3(from_py_with = whole)] seed: u64,
        #[pyo3(from_py_with = whole)] epoch: u64,
        drop_last: bool,
        labels: bool,
        standardisation: Option<PyRef<'_, Standardisation>>,
    ) -> PyResult<Batches> {
        let view = view.map_or_else(|| Ok(self.view()?.view), ViewOrPath::read)?;
        let feed = Feed {
            view,
            dataset: self.dataset.clone(),
            split: split.to_owned(),
            standardisation: standardisation.map(|given| given.measured.clone()),
            labels: if labels { Labels::Required } else { Labels::Absent },
            batch_size,
            is_shuffled: shuffle,
            seed,
        };
        Batches::new(feed, epoch, drop_last)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> (Bound<'py, pyo3::types::PyType>, (PathBuf,)) {
        (slf.get_type(), (slf.get().path(),))
    }

    fn __repr__(&self) -> String {
        let splits = self.dataset.manifest().splits.iter();
        let splits: Vec<String> = splits.map(|split| format!("{} {}", split.name, split.rows)).collect();
        format!("<fiducial.Dataset {}, {}>", self.dataset.path().display(), splits.join(", "))
    }
}

/// How far `prepare` is, and whether it is to stop.
#[derive(Default)]
struct Watch {
    done: Mutex<Option<Progress>>,
    is_cancelled: AtomicBool,
}

/// How often a wait for work that is to stop looks before it goes on without: two seconds.
const PATIENCE: usize = 40;

/// Unwinds out of `prepare`, which leaves nothing behind then but whole shards to go on with; no message is printed on the way.
struct Cancelled;

/// Makes a dataset; `about` is the JSON of what its card says.
#[pyfunction]
#[allow(clippy::too_many_arguments, reason = "the Python function has them as keywords")]
pub(crate) fn prepare_dataset(
    py: Python<'_>,
    view: ViewOrPath<'_>,
    inputs: Vec<PathBuf>,
    output: PathBuf,
    about: &str,
    overwrite: bool,
    skips_bad_files: bool,
    drops_bad_values: bool,
    #[pyo3(from_py_with = whole)] memory_limit: u64,
    progress: Option<Bound<'_, PyAny>>,
) -> PyResult<Dataset> {
    let about: About = serde_json::from_str(about)
        .map_err(|error| Error::new_err(format!("failed to understand what the card is to say: {error}")))?;
    let options = PrepareOptions {
        about,
        overwrite,
        on_bad_file: if skips_bad_files { OnBadFile::Skip } else { OnBadFile::Fail },
        on_bad_value: if drops_bad_values { OnBadValue::Drop } else { OnBadValue::Fail },
        memory_limit,
        ..PrepareOptions::default()
    };
    let view = view.read()?;
    let watch = Arc::new(Watch::default());
    let watched = watch.clone();
    let job = Job::start(move || {
        prepare::prepare(&view, &inputs, &output, &options, &mut |done| {
            if watched.is_cancelled.load(Ordering::Relaxed) {
                std::panic::resume_unwind(Box::new(Cancelled));
            }
            *watched.done.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
        })
    })?;
    let tell = || {
        let done = watch.done.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (&progress, done) {
            (Some(progress), Some(done)) => {
                progress.call1((done.rows_read, done.rows_total, done.rows_kept)).map(drop)
            }
            _ => Ok(()),
        }
    };
    match job.wait_and(py, tell) {
        Ok(prepared) => {
            tell()?;
            let prepared = prepared.map_err(|error| raise(&error))?;
            Ok(Dataset { dataset: prepared })
        }
        Err(stopped) => {
            watch.is_cancelled.store(true, Ordering::Relaxed);
            // It stops with its next piece, unless it still hashes the inputs: then nothing has been written yet.
            let mut looks = 0;
            let _ = job.wait_and(py, || {
                looks += 1;
                if looks < PATIENCE { Ok(()) } else { Err(stopped.clone_ref(py)) }
            });
            Err(stopped)
        }
    }
}
