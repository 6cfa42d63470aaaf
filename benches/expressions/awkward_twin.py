"""The queries with uproot, awkward and vector: python awkward_twin.py FILE ROUNDS [QUERY...]; prints as the example does."""

import json
import pathlib
import sys
import time

import numpy as np
import uproot
from queries import COLUMNS, QUERIES

HERE = pathlib.Path(__file__).resolve().parent
AXES = json.loads((HERE / "axes.json").read_text())

file, rounds, *wanted = sys.argv[1:]
tree = uproot.open(file)["Events"]
threads = uproot.ThreadPoolExecutor(2)
report = {}
for name in wanted or QUERIES:
    bins, low, high = AXES[name]
    totals, evaluations = [], []
    for _ in range(int(rounds)):
        start = time.perf_counter()
        arrays = tree.arrays(COLUMNS[name], decompression_executor=threads, interpretation_executor=threads)
        events = {column: arrays[column] for column in COLUMNS[name]}
        read = time.perf_counter()
        values = QUERIES[name](events)
        counts, _ = np.histogram(np.asarray(values), bins=bins, range=(low, high))
        end = time.perf_counter()
        totals.append(end - start)
        evaluations.append(end - read)
    report[name] = {"total_s": totals, "evaluate_s": evaluations, "bins": counts.tolist()}
json.dump(report, sys.stdout)
