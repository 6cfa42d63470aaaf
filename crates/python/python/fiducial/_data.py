"""Making datasets, and histograms."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, Union

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
    on_bad_file: Literal["fail", "skip"] = "fail",
    on_bad_value: Literal["fail", "drop"] = "fail",
    memory_limit: int = 4 << 30,
    progress: Callable[[int, int, int], object] | None = None,
) -> Dataset:
    """Make an AI-ready dataset in the directory `output` of one file or several.

    `view` selects the rows, names the columns and splits them. `about` is what the dataset's card says: name, description,
    license, citation, url, creators, date_published, keywords. `progress` is called some times a second with the rows read, the
    rows of all files, and the rows kept. The directory appears whole or not at all; what was interrupted or killed goes on behind
    its last whole shard when it is called again.

    `on_bad_file="skip"` leaves out files that cannot be read or lack a column, `on_bad_value="drop"` rows with a NaN or infinite value
    where the view computes with it; both are listed in the manifest and the card. A column whose type differs between files gets the type
    that holds all values, with a warning. `memory_limit` is in bytes.

    >>> dataset = fiducial.prepare(view, jets, directory / "prepared")
    >>> sum(dataset.splits.values())
    40000
    """
    paths = [inputs] if isinstance(inputs, (str, os.PathLike)) else list(inputs)
    described = {"name": os.path.basename(os.path.abspath(output)), **(about or {})}
    for name, value, choices in (
        ("on_bad_file", on_bad_file, ("fail", "skip")),
        ("on_bad_value", on_bad_value, ("fail", "drop")),
    ):
        if value not in choices:
            raise ValueError(f"prepare() takes {name} as one of {choices}, not {value!r}")
    skips, drops = on_bad_file == "skip", on_bad_value == "drop"
    dataset = _fiducial.prepare_dataset(
        view, paths, output, json.dumps(described), overwrite, skips, drops, memory_limit, progress
    )
    for widened in dataset.manifest.get("widened", ()):
        types = " and ".join(f"{of['type']} ({of['files']} files, first {of['first']})" for of in widened["from"])
        message = f"the column {widened['column']} is {types} in the sources, {widened['type']} in the dataset"
        warnings.warn(message, stacklevel=2)
    return dataset
