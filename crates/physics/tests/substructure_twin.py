"""Substructure of jets with FastJet and fastjet-contrib: substructure_twin.py JETS OUTPUT.

JETS: a JSON list of jets, each a list of constituents [px, py, pz, E]. OUTPUT: for each quantity one value a jet.
"""

import json
import sys

import awkward
import fastjet

jets = json.load(open(sys.argv[1]))
array = awkward.zip(
    {name: awkward.Array([[c[i] for c in jet] for jet in jets]) for i, name in enumerate(("px", "py", "pz", "E"))},
    with_name="Momentum4D",
)
definition = fastjet.JetDefinition(fastjet.cambridge_algorithm, 100.0)
sequence = fastjet.ClusterSequence(array, definition)
out = {}
for beta in (0.0, 1.0, -1.0):
    groomed = sequence.exclusive_jets_softdrop_grooming(njets=1, beta=beta, symmetry_cut=0.1, R0=0.8)
    out[f"soft_drop_pt {beta}"] = awkward.flatten(groomed.ptsoftdrop, axis=None).tolist()
    out[f"soft_drop_count {beta}"] = awkward.num(groomed.constituents.px, axis=-1).tolist()
    out[f"soft_drop_z {beta}"] = awkward.flatten(groomed.symmetrysoftdrop, axis=None).tolist()
    out[f"soft_drop_delta {beta}"] = awkward.flatten(groomed.deltaRsoftdrop, axis=None).tolist()
for name in ("KT_Axes", "WTA_KT_Axes", "OnePass_KT_Axes", "OnePass_WTA_KT_Axes"):
    for beta in (1.0, 2.0):
        taus = sequence.njettiness(axes_definition=name, njets=[1, 2, 3], beta=beta, R0=0.8)
        out[f"tau {name} {beta}"] = awkward.to_list(taus)
for points, angles in ((2, 1), (3, 1), (3, 2), (3, 3), (4, 1), (4, 2)):
    values = sequence.exclusive_jets_energy_correlator(njets=1, beta=1.5, npoint=points, angles=angles, func="generalized")
    out[f"ecf {points} {angles}"] = awkward.to_list(values)
lund = sequence.exclusive_jets_lund_declusterings(njets=1)
out["lund_delta"] = [awkward.flatten(awkward.Array(jet), axis=None).tolist() for jet in lund.Delta]
out["lund_kt"] = [awkward.flatten(awkward.Array(jet), axis=None).tolist() for jet in lund.kt]

trimmer = fastjet.Filter(fastjet.JetDefinition(fastjet.kt_algorithm, 0.2), fastjet.SelectorPtFractionMin(0.03))
pruner = fastjet.Pruner(fastjet.cambridge_algorithm, 0.1, 0.5)
for name, groomer in (("trim", trimmer), ("prune", pruner)):
    results = []
    for jet in jets:
        particles = [fastjet.PseudoJet(*c) for c in jet]
        one = fastjet._swig.ClusterSequence(particles, definition)
        groomed = groomer.result(one.exclusive_jets(1)[0])
        results.append([groomed.pt(), groomed.m(), len(groomed.constituents())])
    out[name] = results
json.dump(out, open(sys.argv[2], "w"))
