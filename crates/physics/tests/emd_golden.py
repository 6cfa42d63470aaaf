"""Made emd_golden.json: distances from `wasserstein` 1.1 and polynomials from `energyflow` 1.4 (numpy < 2), 17 digits. Usage: emd_golden.py > emd_golden.json"""

import json

import energyflow
import numpy
import wasserstein

random = numpy.random.default_rng(5)


GRAPHS = [
    [(0, 1)],
    [(0, 1), (0, 1), (1, 2)],
    [(0, 1), (1, 2), (2, 0)],
    [(0, 1), (1, 2), (2, 3), (3, 0), (0, 2)],
    [(0, 1), (0, 2), (0, 3), (0, 4), (0, 5)],
    [(0, 1), (1, 2), (2, 3), (3, 4), (4, 0)],
    [(0, 1), (0, 1), (0, 1), (1, 2), (2, 0)],
    [(0, 1), (2, 3), (2, 3)],
]


def event(n, wide):
    pt = random.exponential(1.0, n) * 10
    y = random.uniform(-2, 2, n) if wide else random.normal(0, 0.2, n)
    phi = random.uniform(0, 2 * numpy.pi, n) if wide else random.normal(0.1, 0.2, n) % (2 * numpy.pi)
    return numpy.stack([pt, y, phi], axis=1)


cases = []
for n, m in [(1, 1), (1, 5), (7, 3), (12, 12), (30, 25), (40, 60)]:
    for wide in (False, True):
        a, b = event(n, wide), event(m, wide)
        if n == 12:
            b = a[::-1].copy()
            b[0, 1] += 0.1
        values = []
        for radius, beta, norm in [(1.0, 1.0, False), (4.0, 1.0, True), (0.7, 2.0, False), (4.0, 0.5, True), (4.0, 1.5, False)]:
            emd = wasserstein.EMDYPhi(R=radius, beta=beta, norm=norm)
            values.append({"radius": radius, "beta": beta, "normalise": norm, "emd": emd(a[:, 0], a[:, 1:], b[:, 0], b[:, 1:])})
        polynomials = []
        for edges in GRAPHS if 1 < n < 30 else []:
            for beta in (1.0, 2.0):
                efp = energyflow.EFP(edges, measure="hadr", beta=beta, normed=True, coords="ptyphim")
                polynomials.append({"edges": edges, "beta": beta, "efp": float(efp.compute(a))})
        cases.append({"a": a.T.tolist(), "b": b.T.tolist(), "values": values, "efp": polynomials})
print(json.dumps({"cases": cases}))
