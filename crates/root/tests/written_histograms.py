"""Reads written histograms with uproot, and with ROOT where it is there: python written_histograms.py FILE

stdin has a line of JSON for each histogram; a line is printed for each difference.
"""

import json
import sys

import numpy
import uproot

try:
    import ROOT
except ImportError:
    ROOT = None


def with_uproot(file, expected):
    found = file[expected["path"]]
    axes = [found.axis(i) for i in range(len(expected["edges"]))]
    labels = [axis.member("fLabels") for axis in axes]
    return {
        "class": found.classname,
        "name": found.name,
        "title": found.title,
        "edges": [axis.edges().tolist() for axis in axes],
        # uproot gives texts without the bins that they belong to.
        "labels": [[[text.member("@fUniqueID") - 1, str(text)] for text in texts or []] for texts in labels],
        "titles": [axis.member("fTitle") for axis in axes],
        "entries": found.member("fEntries"),
        "values": found.values(flow=True).flatten().tolist(),
        "variances": found.variances(flow=True).flatten().tolist() if len(found.member("fSumw2")) else [],
    }


def with_root(file, expected):
    found = file.Get(expected["path"])
    axes = [found.GetXaxis(), found.GetYaxis(), found.GetZaxis()]
    used = axes[: found.GetDimension()]
    bins = [found.GetBin(*map(int, place)) for place in numpy.ndindex(*expected["shape"])]
    sums = numpy.zeros(13)
    found.GetStats(sums)
    return {
        "class": found.ClassName(),
        "name": found.GetName(),
        "title": found.GetTitle(),
        "edges": [[axis.GetBinLowEdge(i) for i in range(1, axis.GetNbins() + 2)] for axis in used],
        "labels": [
            [[i - 1, str(axis.GetBinLabel(i))] for i in range(1, axis.GetNbins() + 1) if axis.GetBinLabel(i)] for axis in used
        ],
        "titles": [axis.GetTitle() for axis in used],
        "label": axes[len(used)].GetTitle() if len(used) < 3 else "",
        "entries": found.GetEntries(),
        "sums": sums[: len(expected["sums"])].tolist(),
        "values": [found.GetBinContent(i) for i in bins],
        "variances": [found.GetBinError(i) ** 2 for i in bins] if found.GetSumw2N() else [],
    }


def same(a, b):
    """Equal; lists of numbers alone to the precision of a float."""
    if isinstance(a, list) and a and all(isinstance(x, float) for x in a):
        return len(a) == len(b) and numpy.allclose(a, b, rtol=1e-6, atol=0)
    if isinstance(a, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    return a == b


def main():
    readers = [("uproot", uproot.open(sys.argv[1]), with_uproot)]
    if ROOT is not None:
        readers.append(("ROOT", ROOT.TFile(sys.argv[1]), with_root))
    for line in sys.stdin:
        expected = json.loads(line)
        for reader, file, read in readers:
            for key, value in read(file, expected).items():
                # Without weights there are no variances of their own.
                if not same(value, expected[key]) and not (key == "variances" and value == []):
                    print(f"{reader}: {expected['path']}: {key}: {value} instead of {expected[key]}")


main()
