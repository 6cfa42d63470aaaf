"""Times FastJet's batch interface: fastjet_twin.py EVENTS RADIUS ALGORITHM REPEATS. Prints one JSON object, of the fastest strategy.

What is timed makes FastJet's particles from arrays and clusters each event; reading jets back is not timed.
"""

import json
import statistics
import sys
import time

import awkward
import fastjet
import numpy

# `Best` is FastJet's choice; the others are those that are the fastest somewhere between 50 and 100,000 particles.
STRATEGIES = ("Best", "N2Tiled", "N2MinHeapTiled", "N2MHTLazy9", "N2MHTLazy25")

path, radius, algorithm, repeats = sys.argv[1], float(sys.argv[2]), sys.argv[3], int(sys.argv[4])
header = numpy.fromfile(path, dtype="<u8", count=1)[0]
counts = numpy.fromfile(path, dtype="<u8", count=int(header) + 1)[1:].astype(numpy.int64)
flat = numpy.fromfile(path, dtype="<f8", offset=8 * (len(counts) + 1)).reshape(-1, 4)
columns = {name: awkward.unflatten(flat[:, i], counts) for i, name in enumerate(("px", "py", "pz", "E"))}
events = awkward.zip(columns, with_name="Momentum4D")
names = {"anti-kt": "antikt_algorithm", "kt": "kt_algorithm", "cambridge-aachen": "cambridge_algorithm"}


def timed(strategy):
    definition = fastjet.JetDefinition(
        getattr(fastjet, names[algorithm]), radius, getattr(fastjet, strategy), fastjet.E_scheme
    )
    times = []
    for _ in range(repeats):
        start = time.process_time()
        sequence = fastjet.ClusterSequence(events, definition)
        times.append((time.process_time() - start) / len(counts))
    return statistics.median(times), strategy, sequence


seconds, strategy, sequence = min((timed(strategy) for strategy in STRATEGIES), key=lambda found: found[0])
jets = awkward.sum(awkward.num(sequence.inclusive_jets(5.0)))
print(json.dumps({"seconds": seconds, "jets": int(jets), "strategy": strategy}))
