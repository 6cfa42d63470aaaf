//! Histograms of expressions over files.

use std::path::PathBuf;

use fiducial_data::expr::Expr;
use fiducial_data::hist::{Filled, Format, Spec, fill, save, scene, to_svg, to_text};
use fiducial_data::source;
use fiducial_data::view::{self, FORMAT};
use fiducial_root::{Axis, Bins, Histogram};
use pyo3::prelude::*;

use crate::error::{Error, raise};
use crate::number::whole;
use crate::view::ViewOrPath;
use crate::work::run;

/// Columns of a terminal.
const WIDTH: usize = 100;

/// The bins of an axis: their number and both ends, or all edges.
#[derive(FromPyObject)]
pub(crate) enum BinsOrEdges {
    Regular(#[pyo3(from_py_with = whole)] usize, f64, f64),
    Edges(Vec<f64>),
}

/// A histogram that was filled, and what became of the rows.
#[pyclass(module = "fiducial._fiducial", frozen)]
pub(crate) struct FilledHistogram {
    filled: Filled,
    clauses: Vec<String>,
}

/// Name, title and axes; what the bins hold; entries and sums; rows, those that each clause leaves, the clauses and what is NaN.
type State = (Names, (Vec<f64>, Option<Vec<f64>>), (f64, Vec<f64>), (u64, Vec<u64>, Vec<String>, u64));
type Names = (String, String, Vec<(String, usize, f64, f64, Option<Vec<f64>>)>);

/// The histogram that was pickled.
#[pyfunction]
pub(crate) fn unpickle_histogram(
    names: Names,
    bins: (Vec<f64>, Option<Vec<f64>>),
    sums: (f64, Vec<f64>),
    rows: (u64, Vec<u64>, Vec<String>, u64),
) -> PyResult<FilledHistogram> {
    let ((name, title, axes), (values, squares)) = (names, bins);
    let ((entries, sums), (rows, passed, clauses, nan)) = (sums, rows);
    let axes = axes.into_iter().map(|(title, bins, lower, upper, edges)| match edges {
        Some(edges) => Axis::variable(&title, edges),
        None => Axis::regular(&title, bins, lower, upper),
    });
    let mut histogram = Histogram::new(&name, &title, axes.collect(), values, squares)
        .map_err(|error| Error::new_err(format!("failed to unpickle a histogram: {error}")))?;
    histogram.entries = entries;
    histogram.sums = sums;
    Ok(FilledHistogram { filled: Filled { histogram, rows, passed, nan }, clauses })
}

/// Fills a histogram of one axis or two from the rows of some files.
#[pyfunction]
#[pyo3(signature = (files, axes, weight, selection, define, view, tree))]
#[allow(clippy::too_many_arguments, reason = "the Python function has them as keywords")]
pub(crate) fn fill_histogram(
    py: Python<'_>,
    files: Vec<PathBuf>,
    axes: Vec<(String, BinsOrEdges)>,
    weight: Option<String>,
    selection: Vec<String>,
    define: Vec<(String, String)>,
    view: Option<ViewOrPath<'_>>,
    tree: Option<String>,
) -> PyResult<FilledHistogram> {
    let base = match view {
        Some(view) => view.read()?,
        None => view::View::parse(&format!("format = {FORMAT:?}")).map_err(|error| raise(&error))?,
    };
    let view = base.extended(define, selection).map_err(|error| raise(&error))?;
    let axes = axes.into_iter().map(|(expr, bins)| axis(&expr, bins)).collect::<PyResult<Vec<_>>>()?;
    let weight = weight.as_deref().map(expression).transpose()?;
    let clauses = view.selection().iter().map(|clause| clause.text().to_owned()).collect();
    let filled = run(py, move || {
        let mut options = view.open_options();
        options.table = tree.or(options.table);
        let open = |path: &PathBuf| source::with_file_columns(source::open_with(path, &options)?, &view);
        let sources = source::expand(&files)?.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        fill(&view, &Spec { name: "histogram".to_owned(), axes, weight }, &sources, &mut |_| {})
    })?;
    Ok(FilledHistogram { filled: filled.map_err(|error| raise(&error))?, clauses })
}

fn expression(text: &str) -> PyResult<Expr> {
    Expr::parse(text).map_err(|error| raise(&error))
}

fn axis(expr: &str, bins: BinsOrEdges) -> PyResult<(Expr, Axis)> {
    let refuse = |what: &str| Err(Error::new_err(format!("failed to make the bins of {expr:?}: {what}")));
    let axis = match bins {
        BinsOrEdges::Regular(bins, low, high) => {
            let is_right = (1..=1_000_000).contains(&bins) && low.is_finite() && high.is_finite();
            if !(is_right && low < high) {
                return refuse("they are given as (number, low, high) with low < high");
            }
            Axis::regular(expr, bins, low, high)
        }
        BinsOrEdges::Edges(edges) => {
            let is_finite = edges.iter().all(|edge| edge.is_finite());
            if edges.len() < 2 || !is_finite || !edges.is_sorted_by(|a, b| a < b) {
                return refuse("the edges do not rise");
            }
            Axis::variable(expr, edges)
        }
    };
    Ok((expression(expr)?, axis))
}

#[pymethods]
impl FilledHistogram {
    /// The histogram in the UHI schema, as JSON text.
    fn uhi_json(&self) -> String {
        self.filled.histogram.to_uhi_json()
    }

    /// A picture.
    fn svg(&self) -> String {
        to_svg(&scene(&self.filled.histogram))
    }

    /// As the command shows it in a terminal.
    fn text(&self) -> String {
        to_text(&self.filled.histogram, WIDTH)
    }

    /// The rows that were read, and those that each clause of the selection leaves.
    #[getter]
    fn cutflow(&self) -> Vec<(String, u64)> {
        let clauses = self.clauses.iter().cloned().zip(self.filled.passed.iter().copied());
        std::iter::once(("read".to_owned(), self.filled.rows)).chain(clauses).collect()
    }

    /// Entries that are NaN and in no bin.
    #[getter]
    fn nan(&self) -> u64 {
        self.filled.nan
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, State)> {
        let Filled { histogram, rows, passed, nan } = &self.filled;
        let Bins::Sums { values, squares } = &histogram.bins else {
            return Err(Error::new_err("failed to pickle a histogram: it holds no sums of weights"));
        };
        let axes = histogram.axes.iter().cloned();
        let axes = axes.map(|axis| (axis.title, axis.bins, axis.lower, axis.upper, axis.edges)).collect();
        let state = (
            (histogram.name.clone(), histogram.title.clone(), axes),
            (values.clone(), squares.clone()),
            (histogram.entries, histogram.sums.clone()),
            (*rows, passed.clone(), self.clauses.clone(), *nan),
        );
        Ok((py.import("fiducial._fiducial")?.getattr("unpickle_histogram")?, state))
    }

    /// Writes a file whose extension names the format.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        let histogram = self.filled.histogram.clone();
        run(py, move || save(&histogram, &path, Format::of(&path)?))?.map_err(|error| raise(&error))
    }
}
