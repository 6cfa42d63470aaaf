"""The queries with coffea's NanoEvents: python coffea_twin.py FILE ROUNDS [QUERY...]; prints as the example does.

Columns are read when a query asks for them (`mode="virtual"`). The clock starts when the events are made, anew for each round: to make
them takes coffea some tenths of a second, which `make_s` tells.
"""

import json
import pathlib
import sys
import time
import warnings

import awkward as ak
import numpy as np
from coffea.nanoevents import NanoAODSchema, NanoEventsFactory

warnings.filterwarnings("ignore")
NanoAODSchema.warn_missing_crossrefs = False
HERE = pathlib.Path(__file__).resolve().parent
AXES = json.loads((HERE / "axes.json").read_text())


def q1(events):
    return events.MET.pt


def q2(events):
    return ak.flatten(events.Jet.pt)


def q3(events):
    return ak.flatten(events.Jet.pt[abs(events.Jet.eta) < 1])


def q4(events):
    return events.MET.pt[ak.sum(events.Jet.pt > 40, axis=1) >= 2]


def q5(events):
    pairs = ak.combinations(events.Muon, 2, fields=["a", "b"])
    mass = (pairs.a + pairs.b).mass
    good = (pairs.a.charge != pairs.b.charge) & (mass > 60) & (mass < 120)
    return events.MET.pt[ak.any(good, axis=1)]


def best_trijets(events):
    jets = events.Jet[ak.num(events.Jet) >= 3]
    trijets = ak.combinations(jets, 3, fields=["a", "b", "c"])
    mass = (trijets.a + trijets.b + trijets.c).mass
    return trijets[ak.argmin(abs(mass - 172.5), axis=1, keepdims=True)]


def q6a(events):
    best = best_trijets(events)
    return ak.flatten((best.a + best.b + best.c).pt)


def q6b(events):
    best = best_trijets(events)
    return ak.flatten(np.maximum(np.maximum(best.a.btagCSVV2, best.b.btagCSVV2), best.c.btagCSVV2))


def q7(events):
    jets = events.Jet[events.Jet.pt > 30]
    near = [ak.any(jets.metric_table(leptons[leptons.pt > 10]) < 0.4, axis=2) for leptons in (events.Electron, events.Muon)]
    return ak.sum(jets.pt[~(near[0] | near[1])], axis=1)


def q8(events):
    def flavoured(leptons, flavour):
        return ak.with_field(leptons, flavour * ak.ones_like(leptons.charge), "flavour")

    leptons = ak.concatenate([flavoured(events.Electron, 11), flavoured(events.Muon, 13)], axis=1)
    enough = ak.num(leptons) >= 3
    leptons, met = leptons[enough], events.MET[enough]
    pairs = ak.argcombinations(leptons, 2, fields=["a", "b"])
    one, two = leptons[pairs.a], leptons[pairs.b]
    is_pair = (one.charge != two.charge) & (one.flavour == two.flavour)
    mass = (one + two).mass[is_pair]
    best = pairs[is_pair][ak.argmin(abs(mass - 91.2), axis=1, keepdims=True)]
    some = ak.any(is_pair, axis=1)
    leptons, best, met = leptons[some], best[some], met[some]
    index = ak.local_index(leptons)
    others = leptons[(index != best.a[:, 0]) & (index != best.b[:, 0])]
    leading = ak.flatten(others[ak.argmax(others.pt, axis=1, keepdims=True)])
    turn = (met.phi - leading.phi + np.pi) % (2 * np.pi) - np.pi
    return np.sqrt(2 * met.pt * leading.pt * (1 - np.cos(turn)))


QUERIES = {"q1": q1, "q2": q2, "q3": q3, "q4": q4, "q5": q5, "q6a": q6a, "q6b": q6b, "q7": q7, "q8": q8}

file, rounds, *wanted = sys.argv[1:]
report = {}
for name in wanted or QUERIES:
    bins, low, high = AXES[name]
    totals, making = [], []
    for _ in range(int(rounds)):
        begin = time.perf_counter()
        events = NanoEventsFactory.from_root({file: "Events"}, schemaclass=NanoAODSchema, mode="virtual").events()
        start = time.perf_counter()
        counts, _ = np.histogram(np.asarray(QUERIES[name](events)), bins=bins, range=(low, high))
        totals.append(time.perf_counter() - start)
        making.append(start - begin)
    report[name] = {"total_s": totals, "make_s": making, "bins": counts.tolist()}
json.dump(report, sys.stdout)
