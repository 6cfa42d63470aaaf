"""Histograms of expressions."""

from __future__ import annotations

import json
import operator
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Union

from fiducial import _fiducial
from fiducial._fiducial import View

if TYPE_CHECKING:
    from numpy.typing import NDArray

PathLike = Union[str, "os.PathLike[str]"]


def hist(
    files: PathLike | Iterable[PathLike],
    x: str,
    *,
    bins: tuple[int, float, float] | None = None,
    edges: Sequence[float] | None = None,
    y: str | None = None,
    y_bins: tuple[int, float, float] | None = None,
    y_edges: Sequence[float] | None = None,
    weight: str | None = None,
    where: str | Sequence[str] = (),
    define: Mapping[str, str] | None = None,
    view: View | PathLike | None = None,
    tree: str | None = None,
) -> Histogram:
    """Fill a histogram of an expression over files, in one pass: `fiducial hist` in Python.

    `x` is an expression and `bins` is `(number, low, high)`, or `edges` has all edges of the bins; `y`, `y_bins` and `y_edges` make a
    second axis. `weight` is an expression; `where` is a clause of a selection or several, each of which is counted; `define` has new
    variables by name. A `view` gives tree, selection and new variables. Lists give an entry for each item. What is NaN is in no bin.

    >>> histogram = fiducial.hist(jets, "jet_pt", bins=(4, 550, 650), where=["abs(jet_eta) < 1"])
    >>> histogram.values().shape, histogram.edges[0].tolist()
    ((4,), [550.0, 575.0, 600.0, 625.0, 650.0])
    >>> list(histogram.cutflow)
    ['read', 'abs(jet_eta) < 1']
    """
    paths = [files] if isinstance(files, (str, os.PathLike)) else list(files)
    axes = [(x, _bins("x", bins, edges))]
    if y is not None:
        axes.append((y, _bins("y", y_bins, y_edges)))
    elif y_bins is not None or y_edges is not None:
        raise TypeError("hist() got bins for y, but no y")
    clauses = [where] if isinstance(where, str) else list(where)
    return Histogram(
        _fiducial.fill_histogram(paths, axes, weight, clauses, list((define or {}).items()), view, tree)
    )


def _bins(
    axis: str, bins: tuple[int, float, float] | None, edges: Sequence[float] | None
) -> tuple[int, float, float] | list[float]:
    if (bins is None) == (edges is None):
        raise TypeError(f"hist() takes either bins or edges for {axis}")
    if edges is not None:
        return [float(edge) for edge in edges]
    assert bins is not None
    count, low, high = bins
    if operator.index(count) < 1:
        raise ValueError(f"hist() takes at least one bin for {axis}, not {count}")
    return operator.index(count), float(low), float(high)


class Histogram:
    """A histogram with its variances: what `fiducial.hist` returns.

    `hist.Hist(histogram.to_uhi())` and `boost_histogram.Histogram` take it through the UHI schema; a notebook shows it as a picture.
    """

    def __init__(self, filled: _fiducial.FilledHistogram) -> None:
        self._filled = filled
        self._uhi: dict[str, Any] = json.loads(filled.uhi_json())

    def values(self, flow: bool = False) -> NDArray[Any]:
        """Return the sum of weights of each bin; with `flow` also below the first and above the last."""
        return self._storage("values", flow)

    def variances(self, flow: bool = False) -> NDArray[Any]:
        """Return the sum of squared weights of each bin: without weights the number of entries."""
        return self._storage("variances" if "variances" in self._uhi["storage"] else "values", flow)

    @property
    def edges(self) -> tuple[NDArray[Any], ...]:
        """The edges of the bins of each axis."""
        import numpy

        def of(axis: dict[str, Any]) -> NDArray[Any]:
            if axis["type"] == "regular":
                return numpy.linspace(axis["lower"], axis["upper"], axis["bins"] + 1)
            return numpy.asarray(axis["edges"], dtype=float)

        return tuple(of(axis) for axis in self._uhi["axes"])

    @property
    def cutflow(self) -> dict[str, int]:
        """The rows that were read, and those that each clause of the selection leaves."""
        return dict(self._filled.cutflow)

    @property
    def nan(self) -> int:
        """Entries that are NaN, and so in no bin."""
        return self._filled.nan

    def to_uhi(self) -> dict[str, Any]:
        """Return the histogram in the UHI schema, with NumPy arrays: `boost_histogram.serialization.from_uhi` takes it."""
        import numpy

        uhi: dict[str, Any] = json.loads(self._filled.uhi_json())
        for key in ("values", "variances"):
            if key in uhi["storage"]:
                uhi["storage"][key] = numpy.asarray(uhi["storage"][key])
        for axis in uhi["axes"]:
            if axis["type"] == "variable":
                axis["edges"] = numpy.asarray(axis["edges"])
        return uhi

    def save(self, path: PathLike) -> None:
        """Write a file: `.svg`, `.png`, `.root`, or `.json` for the UHI schema."""
        self._filled.save(path)

    def _storage(self, key: str, flow: bool) -> NDArray[Any]:
        import numpy

        values = numpy.asarray(self._uhi["storage"][key], dtype=float)
        return values if flow else values[(slice(1, -1),) * values.ndim]

    def __repr__(self) -> str:
        shape = " x ".join(str(len(edges) - 1) for edges in self.edges)
        return f"<fiducial.Histogram {self._uhi['metadata']['label']}, {shape} bins>"

    def __str__(self) -> str:
        return self._filled.text()

    def _repr_html_(self) -> str:
        return self._filled.svg()
