"""From the file that an experiment wrote to batches that a model reads, and to metrics with their intervals.

>>> import fiducial
>>> source = fiducial.open(jets)
>>> source
<fiducial.Source ...top_tagging.root:tree, 40000 rows, ... columns>
>>> source.read(["jet_pt", "part_p?"], stop=3)
<fiducial.Table, 3 rows, 4 columns>

A `Source` is a table of a file in the form that it came in; a `Dataset` is AI-ready; a `View` says how a dataset becomes
tensors. Arrow data leaves through the PyCapsule interface (pyarrow, polars, pandas and others take it as it is), dense numbers
through NumPy's array interface and DLPack; nothing is copied on the way. Work runs on all cores with other Python threads free,
and can be interrupted. What fails is a `fiducial.Error`, or Python's own `FileNotFoundError`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fiducial import physics
from fiducial._data import histogram, prepare
from fiducial._fiducial import (
    Array,
    Batch,
    Batches,
    BatchIterator,
    Dataset,
    Error,
    Estimate,
    Schema,
    Source,
    Standardisation,
    Table,
    Tensor,
    View,
    open,
    set_threads,
    threads,
)
from fiducial._hist import Histogram, hist
from fiducial._metrics import Metrics, MulticlassMetrics, RocCurve, WorkingPoint, evaluate

if TYPE_CHECKING:
    from fiducial import torch

__all__ = [
    "Array",
    "Batch",
    "BatchIterator",
    "Batches",
    "Dataset",
    "Error",
    "Estimate",
    "Histogram",
    "Metrics",
    "MulticlassMetrics",
    "RocCurve",
    "Schema",
    "Source",
    "Standardisation",
    "Table",
    "Tensor",
    "View",
    "WorkingPoint",
    "evaluate",
    "hist",
    "histogram",
    "open",
    "physics",
    "prepare",
    "set_threads",
    "threads",
    "torch",
]


def __getattr__(name: str) -> Any:
    # torch takes seconds to import, and is not needed for the rest.
    if name == "torch":
        return importlib.import_module("fiducial.torch")
    raise AttributeError(f"module 'fiducial' has no attribute {name!r}")
