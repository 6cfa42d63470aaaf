"""Makes jets of exactly m particles: make_events.py OUTPUT EVENTS PARTICLES. Falling pt, a core and a halo, not normalised."""

import sys

import numpy

events, particles = int(sys.argv[2]), int(sys.argv[3])
random = numpy.random.default_rng(3)
pt = random.exponential(1.0, (events, particles)) ** 2 * 5
radius = 0.8 * random.uniform(size=(events, particles)) ** 1.5
angle = random.uniform(0, 2 * numpy.pi, (events, particles))
jets = numpy.stack([pt, radius * numpy.cos(angle), numpy.pi + radius * numpy.sin(angle)], axis=-1)
with open(sys.argv[1], "wb") as out:
    numpy.array([events, particles], dtype="<u8").tofile(out)
    jets.astype("<f8").tofile(out)
