//! Metrics with their intervals.

use fiducial_metrics::{self as metrics, BinaryScores, Bootstrap, ClassScores};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::error::raise;
use crate::number::whole;
use crate::tensor::{Kind, Tensor};
use crate::work::run;

/// A measured value with its 68.27 % interval and the number of events that it rests on.
#[pyclass(module = "fiducial", frozen, get_all, eq)]
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Estimate {
    /// The value on all events; None where the data give only a lower limit.
    value: Option<f64>,
    /// Lower end of the interval, or the lower limit.
    low: f64,
    /// Upper end of the interval; None where there is no upper bound.
    high: Option<f64>,
    /// Number of events of non-zero weight that the value rests on.
    n: u64,
    /// The same as an effective number, `(sum of w)^2 / sum of w^2`.
    n_effective: f64,
}

impl From<metrics::Estimate> for Estimate {
    fn from(estimate: metrics::Estimate) -> Self {
        let metrics::Estimate { value, low, high, n, n_effective } = estimate;
        Self { value, low, high, n, n_effective }
    }
}

/// Value, both ends of the interval, and the two numbers of events.
type State = (Option<f64>, f64, Option<f64>, u64, f64);

/// The estimate that was pickled.
#[pyfunction]
pub(crate) fn unpickle_estimate(
    value: Option<f64>,
    low: f64,
    high: Option<f64>,
    n: u64,
    n_effective: f64,
) -> Estimate {
    Estimate { value, low, high, n, n_effective }
}

#[pymethods]
impl Estimate {
    /// Whether the data give a lower limit only.
    #[getter]
    fn is_limit(&self) -> bool {
        self.value.is_none()
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, State)> {
        let Self { value, low, high, n, n_effective } = *self;
        let state = (value, low, high, n, n_effective);
        Ok((py.import("fiducial._fiducial")?.getattr("unpickle_estimate")?, state))
    }

    fn __float__(&self) -> PyResult<f64> {
        self.value.ok_or_else(|| {
            PyValueError::new_err(format!("there is no value, only a limit: {}", self.__str__()))
        })
    }

    fn __str__(&self) -> String {
        let Self { value, low, high, n, n_effective } = *self;
        metrics::Estimate { value, low, high, n, n_effective }.to_string()
    }

    fn __repr__(&self) -> String {
        format!("<fiducial.Estimate {}, {} events>", self.__str__(), self.n)
    }
}

/// Accuracy, AUC, and for each signal efficiency threshold and background rejection; the ROC curve as five columns: signal
/// efficiency, background efficiency, its lower and upper end, threshold.
type Binary = (Estimate, Estimate, Vec<(f64, f64, Estimate)>, Tensor);

/// Events as they come from Python: the bytes of contiguous arrays.
struct Events {
    scores: Vec<f64>,
    labels: Vec<i64>,
    weights: Option<Vec<f64>>,
}

impl Events {
    fn new(scores: &[u8], labels: &[u8], weights: Option<&[u8]>) -> Self {
        let labels = labels.as_chunks::<8>().0.iter().map(|bytes| i64::from_ne_bytes(*bytes)).collect();
        Self { scores: floats(scores), labels, weights: weights.map(floats) }
    }
}

/// The numbers in the bytes of an array of double precision.
pub(crate) fn floats(bytes: &[u8]) -> Vec<f64> {
    bytes.as_chunks::<8>().0.iter().map(|bytes| f64::from_ne_bytes(*bytes)).collect()
}

/// The metrics of two classes.
#[pyfunction]
#[allow(clippy::too_many_arguments, reason = "they are keywords in Python")]
pub(crate) fn evaluate_binary(
    py: Python<'_>,
    scores: &[u8],
    labels: &[u8],
    weights: Option<&[u8]>,
    threshold: f64,
    signal_efficiencies: Vec<f64>,
    #[pyo3(from_py_with = whole)] roc_points: usize,
    #[pyo3(from_py_with = whole)] replicas: usize,
    #[pyo3(from_py_with = whole)] seed: u64,
) -> PyResult<Binary> {
    let events = Events::new(scores, labels, weights);
    let bootstrap = Bootstrap { replicas, seed };
    let summary = run(py, move || {
        let is_signal: Vec<bool> = events.labels.iter().map(|label| *label != 0).collect();
        BinaryScores::new(&events.scores, &is_signal, events.weights.as_deref())?.summary(
            threshold,
            &signal_efficiencies,
            roc_points,
            &bootstrap,
        )
    })?;
    let summary = summary.map_err(|error| raise(&error))?;
    let points = summary.working_points.iter();
    let points =
        points.map(|point| (point.signal_efficiency, point.threshold, point.background_rejection.into()));
    let curve: Vec<f64> = summary
        .roc_curve
        .points
        .iter()
        .flat_map(|point| {
            [point.signal_efficiency, point.background_efficiency, point.low, point.high, point.threshold]
        })
        .collect();
    let curve_points = curve.len() / 5;
    let curve = Tensor::new(curve, Kind::Float, vec![curve_points, 5]);
    Ok((summary.accuracy.into(), summary.roc_auc.into(), points.collect(), curve))
}

/// The metrics of several classes: accuracy, the mean AUC, and the AUC of each class against the rest.
#[pyfunction]
#[allow(clippy::too_many_arguments, reason = "they are keywords in Python")]
pub(crate) fn evaluate_classes(
    py: Python<'_>,
    scores: &[u8],
    #[pyo3(from_py_with = whole)] classes: usize,
    labels: &[u8],
    weights: Option<&[u8]>,
    #[pyo3(from_py_with = whole)] replicas: usize,
    #[pyo3(from_py_with = whole)] seed: u64,
) -> PyResult<(Estimate, Estimate, Vec<Estimate>)> {
    let events = Events::new(scores, labels, weights);
    let label =
        |label: &i64| u32::try_from(*label).map_err(|_| PyValueError::new_err(format!("a label is {label}")));
    let labels: Vec<u32> = events.labels.iter().map(label).collect::<PyResult<_>>()?;
    let bootstrap = Bootstrap { replicas, seed };
    let measured = run(py, move || {
        let scores = ClassScores::new(&events.scores, classes, &labels, events.weights.as_deref())?;
        let each =
            (0..classes as u32).map(|class| Ok(scores.one_vs_rest(class)?.roc_auc(&bootstrap)?.into()));
        let each: Vec<Estimate> = each.collect::<Result<_, metrics::Error>>()?;
        Ok((scores.accuracy(&bootstrap)?.into(), scores.roc_auc_macro(&bootstrap)?.into(), each))
    })?;
    measured.map_err(|error: metrics::Error| raise(&error))
}
