"""Evaluates expressions with NumPy and awkward, for the test of the same name in Rust.

Reads {events: {name: [..]}, particles: {name: [[..]]}, texts: [..]} from stdin; writes [[numbers, offsets or null], ..].
"""

import json
import math
import sys

import awkward as ak
import numpy as np

given = json.load(sys.stdin)
names = {name: np.array(values) for name, values in given["events"].items()}
names |= {name: ak.Array(values) for name, values in given["particles"].items()}
names |= {"np": np, "ak": ak, "math": math}
results = []
with np.errstate(all="ignore"):
    for text in given["texts"]:
        value = ak.Array(eval(text, {}, names))  # the texts come from the test
        offsets = None
        if value.ndim == 2:
            offsets = [0, *np.cumsum(ak.num(value)).tolist()]
            value = ak.flatten(value)
        results.append([[float(x) for x in value], offsets])
json.dump(results, sys.stdout)
