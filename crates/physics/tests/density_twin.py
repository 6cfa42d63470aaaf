"""The density of FastJet's grid estimator: density_twin.py EVENTS OUTPUT; for each event one value a cell size."""

import json
import sys

import fastjet

results = []
for event in json.load(open(sys.argv[1])):
    particles = [fastjet.PseudoJet(*values) for values in event]
    values = []
    for side in (0.55, 0.8, 1.5):
        estimator = fastjet.GridMedianBackgroundEstimator(4.0, side)
        estimator.set_particles(particles)
        values.append(estimator.rho())
    results.append(values)
json.dump(results, open(sys.argv[2], "w"))
