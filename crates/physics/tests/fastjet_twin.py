"""Clusters events with FastJet: fastjet_twin.py EVENTS ROWS OUTPUT.

ROWS is a JSON list of {algorithm, p, radius, recombination, select, value, events}. OUTPUT gets, for each row and event, the jets as
[px, py, pz, E, [indices of constituents]].
"""

import json
import sys

import fastjet
import numpy

counts = numpy.fromfile(sys.argv[1], dtype="<u8")
counts = counts[1 : int(counts[0]) + 1].astype(int)
flat = numpy.fromfile(sys.argv[1], dtype="<f8", offset=8 * (len(counts) + 1)).reshape(-1, 4).tolist()
rows = json.load(open(sys.argv[2]))

SCHEMES = {"E": "E_scheme", "Pt": "pt_scheme", "WinnerTakesAll": "WTA_pt_scheme"}


def definition(row):
    name, recombination = row["algorithm"], SCHEMES[row["recombination"]]
    if name.startswith("Ee") and row["recombination"] == "WinnerTakesAll":
        recombination = "WTA_modp_scheme"
    algorithms = {
        "AntiKt": "antikt",
        "Kt": "kt",
        "CambridgeAachen": "cambridge",
        "GeneralisedKt": "genkt",
        "EeKt": "ee_kt",
        "EeGeneralisedKt": "ee_genkt",
    }
    algorithm = getattr(fastjet, algorithms[name] + "_algorithm")
    if name == "EeKt":
        result = fastjet.JetDefinitionNoCast(algorithm)
    elif name.endswith("GeneralisedKt"):
        result = fastjet.JetDefinition(algorithm, row["radius"], float(row["p"]))
    else:
        result = fastjet.JetDefinition(algorithm, row["radius"])
    result.set_recombination_scheme(getattr(fastjet, recombination))
    return result


def select(sequence, row, count):
    if row["select"] == "inclusive":
        return sequence.inclusive_jets(row["value"])
    if row["select"] == "exclusive":
        return sequence.exclusive_jets(min(int(row["value"]), int(count)))
    return sequence.exclusive_jets(float(row["value"]))


results = []
for row in rows:
    jet_definition = definition(row)
    start, result = 0, []
    for count in counts[: row["events"]]:
        particles = []
        for index, values in enumerate(flat[start : start + count]):
            particle = fastjet.PseudoJet(*values)
            particle.set_user_index(index)
            particles.append(particle)
        start += count
        sequence = fastjet.ClusterSequence(particles, jet_definition)
        jets = select(sequence, row, count)
        result.append(
            [[j.px(), j.py(), j.pz(), j.e(), sorted(c.user_index() for c in j.constituents())] for j in jets]
        )
    results.append(result)
with open(sys.argv[3], "w") as out:
    json.dump(results, out)
