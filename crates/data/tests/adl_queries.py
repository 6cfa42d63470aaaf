"""The ADL benchmark queries by awkward and vector: python adl_queries.py FOLDER FILE; prints {query: [values]}.

FOLDER holds `queries.py`. All floats are made 64-bit first, so that values can be compared beyond single precision.
"""

import json
import sys

import awkward as ak
import numpy as np
import uproot

sys.path.insert(0, sys.argv[1])
from queries import COLUMNS, QUERIES  # noqa: E402

tree = uproot.open(sys.argv[2])["Events"]
columns = sorted({column for columns in COLUMNS.values() for column in columns})
# A NanoAOD file without leptons of a kind has the columns all the same.
events = {column: tree[column].array() for column in columns}
events = {
    column: array if "charge" in column else ak.values_astype(array, np.float64) for column, array in events.items()
}
json.dump({name: [float(x) for x in query(events)] for name, query in QUERIES.items()}, sys.stdout)
