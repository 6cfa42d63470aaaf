"""The bins of the ADL benchmark queries by awkward and vector: python histograms.py FOLDER FILE; prints {query: [counts]}.

FOLDER holds `queries.py` and `axes.json`. All floats are made 64-bit first, so that no value near an edge falls beyond it by rounding.
"""

import json
import pathlib
import sys

import awkward as ak
import numpy as np
import uproot

sys.path.insert(0, sys.argv[1])
from queries import COLUMNS, QUERIES  # noqa: E402

axes = json.loads((pathlib.Path(sys.argv[1]) / "axes.json").read_text())
tree = uproot.open(sys.argv[2])["Events"]
columns = sorted({column for columns in COLUMNS.values() for column in columns})
events = {column: tree[column].array() for column in columns}
events = {
    column: array if "charge" in column else ak.values_astype(array, np.float64) for column, array in events.items()
}


def counts(name):
    bins, low, high = axes[name]
    values = np.asarray(QUERIES[name](events), dtype=float)
    # The last bin is half open, as all others are.
    return np.histogram(values[values < high], bins=bins, range=(low, high))[0].tolist()


json.dump({name: counts(name) for name in QUERIES}, sys.stdout)
