"""Makes events of exactly n particles with Pythia: a dijet event and as many minimum-bias events as it takes.

Usage: make_events.py OUTPUT PARTICLES EVENTS [--seed 1]
Writes a little-endian file: number of events, particles of each (u64), then px, py, pz, E of each particle in turn (f64).
"""

import argparse

import numpy
import pythia8mc as pythia8


def generator(seed, *settings):
    pythia = pythia8.Pythia("", False)
    for line in ("Print:quiet = on", "Random:setSeed = on", f"Random:seed = {seed}", "Beams:eCM = 13000.", *settings):
        pythia.readString(line)
    pythia.init()
    return pythia


def particles(pythia, random):
    while not pythia.next():
        pass
    rows = [(p.px(), p.py(), p.pz(), p.e()) for p in pythia.event if p.isFinal() and abs(p.eta()) < 5]
    return numpy.array(rows).reshape(-1, 4)[random.permutation(len(rows))]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output")
    parser.add_argument("particles", type=int)
    parser.add_argument("events", type=int)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    random = numpy.random.default_rng(options.seed)
    hard = generator(options.seed, "HardQCD:all = on", "PhaseSpace:pTHatMin = 100.")
    soft = generator(options.seed + 1, "SoftQCD:nonDiffractive = on")
    events = []
    for _ in range(options.events):
        parts = [particles(hard, random)]
        while sum(map(len, parts)) < options.particles:
            parts.append(particles(soft, random))
        # Cut at n, then shuffle, so that nothing depends on the order in which Pythia lists particles.
        events.append(random.permutation(numpy.concatenate(parts)[: options.particles]))
    with open(options.output, "wb") as out:
        numpy.array([len(events)] + [len(event) for event in events], dtype="<u8").tofile(out)
        numpy.concatenate(events).astype("<f8").tofile(out)


if __name__ == "__main__":
    main()
