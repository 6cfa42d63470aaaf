"""Compares UHI JSON with uproot; prints a line for each difference.

stdin has three lines for each histogram: the path of a file, the histogram's name in it, and its UHI JSON.
"""

import json
import sys

import boost_histogram
import numpy
import uhi.io.json
import uhi.schema
import uproot
from boost_histogram.serialization import from_uhi


def difference(name, text, file):
    ours_json = json.loads(text, object_hook=uhi.io.json.object_hook)
    if len(text) < 20_000:  # it takes its time
        uhi.schema.validate_histogram(json.loads(text))
    ours = boost_histogram.Histogram(from_uhi(ours_json))
    theirs = file[name]
    metadata = ours_json["metadata"]
    if (metadata["name"], metadata["label"]) != (theirs.name, theirs.title):
        return f"metadata {metadata}"
    if metadata["entries"] != theirs.member("fEntries"):
        return f"entries {metadata['entries']}"
    for i, axis in enumerate(ours.axes):
        member = theirs.axis(i)
        if axis.__dict__["label"] != member.member("fTitle"):
            return f"label of axis {i}: {axis.__dict__}"
        labels = member.member("fLabels", none_if_missing=True)
        if isinstance(axis, boost_histogram.axis.StrCategory):
            if list(axis) != list(map(str, labels)):
                return f"labels {list(axis)} instead of {labels}"
        elif not numpy.allclose(axis.edges, member.edges(), rtol=1e-14):
            return f"edges {axis.edges}"
    # An axis of categories has no underflow.
    cut = tuple(slice(1 if isinstance(a, boost_histogram.axis.StrCategory) else 0, None) for a in ours.axes)
    view = ours.view(flow=True)
    pairs = [("values", ours.values(flow=True), theirs.values(flow=True))]
    if theirs.kind == "COUNT":
        if theirs.weighted:
            pairs.append(("variances", view.variance, theirs.variances(flow=True)))
        if (ours.storage_type is boost_histogram.storage.Weight) != theirs.weighted:
            return f"storage {ours.storage_type}"
    else:
        pairs.append(("counts", ours.counts(flow=True), theirs.counts(flow=True)))
        # The spread does not depend on what the profile was told to show.
        spread = theirs.errors(flow=True, error_mode="s") ** 2
        weights = numpy.reshape(numpy.asarray(theirs.member("fBinEntries")), spread.shape[::-1]).T
        name = "_sum_of_weighted_deltas_squared" if "_sum_of_weighted_deltas_squared" in view.dtype.names else "_sum_of_deltas_squared"
        # boost-histogram divides by the weights of empty bins, too.
        pairs.append(("deltas", numpy.nan_to_num(view[name]), spread * weights))
    for what, a, b in pairs:
        if a.shape != b[cut].shape or not numpy.allclose(a, b[cut], rtol=1e-9, atol=1e-9, equal_nan=True):
            return f"{what} {a.tolist()} instead of {b.tolist()}"
    if theirs.kind == "COUNT" and not any(theirs.axis(i).member("fLabels", none_if_missing=True) for i in range(len(ours.axes))):
        boost = theirs.to_boost()
        if boost.storage_type is not ours.storage_type or not numpy.array_equal(boost.view(flow=True), view, equal_nan=view.dtype.names is None):
            return f"{ours} instead of {boost}"
    return None


def main():
    lines = sys.stdin.read().split("\n")
    files = {}
    for path, name, text in zip(lines[::3], lines[1::3], lines[2::3]):
        try:
            if path not in files:
                files[path] = uproot.open(path)
            found = difference(name, text, files[path])
        except Exception as error:
            found = repr(error)
        if found:
            print(f"{path}: {name}: {found}")


main()
