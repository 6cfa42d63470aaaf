"""Making datasets, and histograms."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Union

from fiducial import _fiducial
from fiducial._fiducial import Dataset, View

PathLike = Union[str, "os.PathLike[str]"]


def histogram(path: PathLike, name: str) -> dict[str, Any]:
    """Read a histogram or profile of a ROOT file in the UHI schema, which boost-histogram and hist take.

    `boost_histogram.Histogram(boost_histogram.serialization.from_uhi(fiducial.histogram("file.root", "dir/name")))`
    """
    import numpy

    uhi: dict[str, Any] = json.loads(_fiducial.histogram_json(path, name))
    storage = uhi["storage"]
    for key in ("values", "variances", "sum_of_weights", "sum_of_weights_squared", "counts"):
        if key in storage:
            storage[key] = numpy.asarray(storage[key])
    for axis in uhi["axes"]:
        if axis["type"] == "variable":
            axis["edges"] = numpy.asarray(axis["edges"])
    return uhi


def prepare(
    view: View | PathLike,
    inputs: PathLike | Iterable[PathLike],
    output: PathLike,
    *,
    about: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int, int], object] | None = None,
) -> Dataset:
    """Make an AI-ready dataset in the directory `output` of one file or several.

    `view` selects the rows, names the columns and splits them. `about` is what the dataset's card says: name, description,
    license, citation, url, creators, date_published, keywords. `progress` is called some times a second with the rows read, the
    rows of all files, and the rows kept. The directory appears whole or not at all, also after an interrupt.

    >>> dataset = fiducial.prepare(view, jets, directory / "prepared")
    >>> sum(dataset.splits.values())
    40000
    """
    paths = [inputs] if isinstance(inputs, (str, os.PathLike)) else list(inputs)
    described = {"name": os.path.basename(os.path.abspath(output)), **(about or {})}
    return _fiducial.prepare_dataset(view, paths, output, json.dumps(described), overwrite, progress)
