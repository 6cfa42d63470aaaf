"""Times FastJet's batch interface: fastjet_twin.py EVENTS RADIUS ALGORITHM REPEATS. Prints one JSON object.

What is timed makes FastJet's particles from arrays and clusters each event; reading jets back is not timed.
"""

import json
import sys
import time

import awkward
import fastjet
import numpy

path, radius, algorithm, repeats = sys.argv[1], float(sys.argv[2]), sys.argv[3], int(sys.argv[4])
header = numpy.fromfile(path, dtype="<u8", count=1)[0]
counts = numpy.fromfile(path, dtype="<u8", count=int(header) + 1)[1:].astype(numpy.int64)
flat = numpy.fromfile(path, dtype="<f8", offset=8 * (len(counts) + 1)).reshape(-1, 4)
columns = {name: awkward.unflatten(flat[:, i], counts) for i, name in enumerate(("px", "py", "pz", "E"))}
events = awkward.zip(columns, with_name="Momentum4D")
names = {"anti-kt": "antikt_algorithm", "kt": "kt_algorithm", "cambridge-aachen": "cambridge_algorithm"}
definition = fastjet.JetDefinition(getattr(fastjet, names[algorithm]), radius)
best = []
for _ in range(repeats):
    start = time.process_time()
    sequence = fastjet.ClusterSequence(events, definition)
    best.append((time.process_time() - start) / len(counts))
jets = awkward.sum(awkward.num(sequence.inclusive_jets(5.0)))
print(json.dumps({"seconds": sorted(best)[len(best) // 2], "jets": int(jets)}))
