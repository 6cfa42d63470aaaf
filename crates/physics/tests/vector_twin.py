"""What the package `vector` makes of four-vectors: vector_twin.py VECTORS OUTPUT.

VECTORS: JSON list of [px, py, pz, E]. OUTPUT: for each quantity a list, for pairs of neighbours too. Infinite and undefined
values are written as strings.
"""

import json
import sys

import numpy
import vector

rows = numpy.array(json.load(open(sys.argv[1])))
a = vector.array({"px": rows[:, 0], "py": rows[:, 1], "pz": rows[:, 2], "E": rows[:, 3]})
b = a[numpy.roll(numpy.arange(len(a)), -1)]
numpy.seterr(all="ignore")
boosted = a.boost(vector.obj(px=0.3, py=-0.2, pz=0.5).to_Vector3D())
axis = vector.obj(x=1.0, y=-2.0, z=0.5)
turned = a.rotate_axis(axis, 0.7)
polar = vector.array({"pt": abs(rows[:, 0]), "eta": rows[:, 1] / 50, "phi": rows[:, 2] / 50, "mass": abs(rows[:, 3])})
quantities = {
    "pt": a.pt, "phi": a.phi, "eta": a.eta, "rapidity": a.rapidity, "mass": a.mass, "mt": a.mt, "et": a.Et, "p": a.p,
    "delta_phi": a.deltaphi(b), "delta_r": a.deltaR(b), "angle": a.deltaangle(b), "sum_mass": (a + b).mass, "dot": a.dot(b),
    "boosted_px": boosted.px, "boosted_e": boosted.E, "turned_px": turned.px, "turned_pz": turned.pz,
    "polar_px": polar.px, "polar_pz": polar.pz, "polar_e": polar.E,
}  # fmt: skip
out = {
    name: [float(x) if numpy.isfinite(x) else repr(float(x)) for x in values] for name, values in quantities.items()
}
json.dump(out, open(sys.argv[2], "w"))
