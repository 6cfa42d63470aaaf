"""Histograms of the embedded sample by NumPy and boost-histogram: python hist.py SAMPLE.root OURS.json...

Prints the bins of three histograms, flow bins included, and what boost-histogram reads in ours.
"""

import json
import sys

import awkward as ak
import boost_histogram as bh
import boost_histogram.serialization as serialization
import numpy as np
import uproot

tree = uproot.open(sys.argv[1])["tree"].arrays()
tree = tree[tree.jet_pt > 560]
part_pt = np.hypot(tree.part_px, tree.part_py)


def both(histogram):
    return {"values": histogram.values(flow=True).tolist(), "variances": histogram.variances(flow=True).tolist()}


one = bh.Histogram(bh.axis.Regular(40, 560.0, 640.0), storage=bh.storage.Weight())
one.fill(ak.to_numpy(tree.jet_pt).astype(float), weight=ak.to_numpy(tree.jet_mass).astype(float))
edges = [0.0, 0.5, 1.0, 5.0, 20.0, 100.0]
items = bh.Histogram(bh.axis.Variable(edges), storage=bh.storage.Weight())
weights = ak.broadcast_arrays(ak.values_astype(tree.jet_mass, float), part_pt)[0]
items.fill(ak.to_numpy(ak.flatten(ak.values_astype(part_pt, float))), weight=ak.to_numpy(ak.flatten(weights)))
two = bh.Histogram(bh.axis.Regular(10, 560.0, 640.0), bh.axis.Regular(8, -2.0, 2.0), storage=bh.storage.Weight())
two.fill(ak.to_numpy(tree.jet_pt).astype(float), ak.to_numpy(tree.jet_eta).astype(float))
read = [serialization.from_uhi(json.load(open(path))) for path in sys.argv[2:]]
print(json.dumps({"one": both(one), "items": both(items), "two": both(two), "read": [both(histogram) for histogram in read]}))
