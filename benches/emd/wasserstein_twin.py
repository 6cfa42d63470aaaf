"""Times `wasserstein` on all pairs: wasserstein_twin.py EVENTS REPEATS THREADS. Prints one JSON object."""

import json
import sys
import time

import numpy
import wasserstein

events, particles = numpy.fromfile(sys.argv[1], dtype="<u8", count=2).astype(int)
flat = numpy.fromfile(sys.argv[1], dtype="<f8", offset=16).reshape(events, particles, 3)
times = []
for _ in range(int(sys.argv[2])):
    pairwise = wasserstein.PairwiseEMDYPhi(R=0.8, beta=1.0, num_threads=int(sys.argv[3]), print_every=0, verbose=0)
    start = time.process_time()
    pairwise(list(flat))
    times.append((time.process_time() - start) / (events * (events - 1) / 2))
    distances = numpy.asarray(pairwise.emds())
print(json.dumps({"seconds": sorted(times)[len(times) // 2], "sum": float(numpy.triu(distances, 1).sum())}))
