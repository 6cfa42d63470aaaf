"""The queries of this folder with awkward and vector, as one would write them in Python."""

import awkward as ak
import numpy as np
import vector

vector.register_awkward()


def momenta(events, name, **fields):
    parts = {part: events[f"{name}_{part}"] for part in ("pt", "eta", "phi", "mass")}
    return ak.zip(parts | fields, with_name="Momentum4D")


def q1(events):
    return events["MET_pt"]


def q2(events):
    return ak.flatten(events["Jet_pt"])


def q3(events):
    return ak.flatten(events["Jet_pt"][abs(events["Jet_eta"]) < 1])


def q4(events):
    return events["MET_pt"][ak.sum(events["Jet_pt"] > 40, axis=1) >= 2]


def q5(events):
    pairs = ak.combinations(momenta(events, "Muon", charge=events["Muon_charge"]), 2, fields=["a", "b"])
    mass = (pairs.a + pairs.b).mass
    good = (pairs.a.charge != pairs.b.charge) & (mass > 60) & (mass < 120)
    return events["MET_pt"][ak.any(good, axis=1)]


def best_trijets(events):
    jets = momenta(events, "Jet", btag=events["Jet_btagCSVV2"])
    jets = jets[ak.num(jets) >= 3]
    trijets = ak.combinations(jets, 3, fields=["a", "b", "c"])
    mass = (trijets.a + trijets.b + trijets.c).mass
    return trijets[ak.argmin(abs(mass - 172.5), axis=1, keepdims=True)]


def q6a(events):
    best = best_trijets(events)
    return ak.flatten((best.a + best.b + best.c).pt)


def q6b(events):
    best = best_trijets(events)
    return ak.flatten(np.maximum(np.maximum(best.a.btag, best.b.btag), best.c.btag))


def q7(events):
    jets = momenta(events, "Jet")
    jets = jets[jets.pt > 30]
    electrons, muons = momenta(events, "Electron"), momenta(events, "Muon")
    leptons = ak.concatenate([electrons[electrons.pt > 10], muons[muons.pt > 10]], axis=1)
    jet, lepton = ak.unzip(ak.cartesian([jets, leptons], nested=True))
    near = ak.any(jet.deltaR(lepton) < 0.4, axis=-1)
    return ak.sum(jets.pt[~near], axis=1)


def q8(events):
    ones = ak.ones_like
    electrons = momenta(events, "Electron", charge=events["Electron_charge"], flavour=11 * ones(events["Electron_charge"]))
    muons = momenta(events, "Muon", charge=events["Muon_charge"], flavour=13 * ones(events["Muon_charge"]))
    leptons = ak.concatenate([electrons, muons], axis=1)
    met_pt, met_phi = events["MET_pt"], events["MET_phi"]
    enough = ak.num(leptons) >= 3
    leptons, met_pt, met_phi = leptons[enough], met_pt[enough], met_phi[enough]
    index = ak.local_index(leptons)
    pairs = ak.combinations(index, 2, fields=["a", "b"])
    one, two = leptons[pairs.a], leptons[pairs.b]
    is_pair = (one.charge != two.charge) & (one.flavour == two.flavour)
    mass = (one + two).mass[is_pair]
    best = pairs[is_pair][ak.argmin(abs(mass - 91.2), axis=1, keepdims=True)]
    some = ak.any(is_pair, axis=1)
    leptons, index, best, met_pt, met_phi = leptons[some], index[some], best[some], met_pt[some], met_phi[some]
    others = leptons[(index != best.a[:, 0]) & (index != best.b[:, 0])]
    leading = ak.flatten(others[ak.argmax(others.pt, axis=1, keepdims=True)])
    turn = (met_phi - leading.phi + np.pi) % (2 * np.pi) - np.pi
    return np.sqrt(2 * met_pt * leading.pt * (1 - np.cos(turn)))


QUERIES = {"q1": q1, "q2": q2, "q3": q3, "q4": q4, "q5": q5, "q6a": q6a, "q6b": q6b, "q7": q7, "q8": q8}

# The columns that each query reads.
LEPTONS = [f"{name}_{part}" for name in ("Electron", "Muon") for part in ("pt", "eta", "phi", "mass")]
JETS = ["Jet_pt", "Jet_eta", "Jet_phi", "Jet_mass"]
CHARGES = ["Electron_charge", "Muon_charge"]
MUONS = ["Muon_pt", "Muon_eta", "Muon_phi", "Muon_mass", "Muon_charge"]
COLUMNS = {
    "q1": ["MET_pt"],
    "q2": ["Jet_pt"],
    "q3": ["Jet_pt", "Jet_eta"],
    "q4": ["Jet_pt", "MET_pt"],
    "q5": [*MUONS, "MET_pt"],
    "q6a": [*JETS, "Jet_btagCSVV2"],
    "q6b": [*JETS, "Jet_btagCSVV2"],
    "q7": [*JETS, *LEPTONS],
    "q8": [*LEPTONS, *CHARGES, "MET_pt", "MET_phi"],
}
