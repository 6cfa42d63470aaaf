"""The queries with ROOT's RDataFrame: python rdataframe_twin.py FILE ROUNDS [QUERY...]; prints as the example does.

The C++ is compiled before the clock starts, but for what RDataFrame compiles itself in the first round of a query, which is
given apart as `first_s`. It computes in double precision with ROOT's own vectors.
"""

import json
import pathlib
import sys
import time

import ROOT

HERE = pathlib.Path(__file__).resolve().parent
AXES = json.loads((HERE / "axes.json").read_text())

ROOT.gInterpreter.Declare("#pragma cling optimize(3)\n" + (HERE / "rdataframe_twin.h").read_text())
ROOT.EnableImplicitMT(2)

ELECTRON = "Electron_pt, Electron_eta, Electron_phi, Electron_mass, Electron_charge"
MUON = "Muon_pt, Muon_eta, Muon_phi, Muon_mass, Muon_charge"
JET = "Jet_pt, Jet_eta, Jet_phi, Jet_mass"


def book(name, df):
    if name == "q1":
        return df, "MET_pt"
    if name == "q2":
        return df, "Jet_pt"
    if name == "q3":
        return df.Define("result", "Jet_pt[abs(Jet_eta) < 1]"), "result"
    if name == "q4":
        return df.Filter("Sum(Jet_pt > 40) >= 2"), "MET_pt"
    if name == "q5":
        return df.Filter(f"has_pair({MUON})"), "MET_pt"
    if name in ("q6a", "q6b"):
        df = df.Filter("nJet >= 3").Define("best", f"best_trijet({JET})")
        result = f"trijet_pt({JET}, best)" if name == "q6a" else "Max(Take(Jet_btagCSVV2, best))"
        return df.Define("result", result), "result"
    if name == "q7":
        leptons = "Electron_pt, Electron_eta, Electron_phi, Muon_pt, Muon_eta, Muon_phi"
        return df.Define("result", f"isolated_sum(Jet_pt, Jet_eta, Jet_phi, {leptons})"), "result"
    df = df.Filter("nElectron + nMuon >= 3").Define("lepton", f"other_lepton({ELECTRON}, {MUON})")
    df = df.Filter("lepton.first >= 0")
    turn = "ROOT::VecOps::DeltaPhi((double)MET_phi, lepton.second)"
    return df.Define("result", f"sqrt(2. * MET_pt * lepton.first * (1. - cos({turn})))"), "result"


file, rounds, *wanted = sys.argv[1:]
report = {}
for name in wanted or AXES:
    bins, low, high = AXES[name]
    times = []
    for _ in range(int(rounds) + 1):
        start = time.perf_counter()
        df, column = book(name, ROOT.RDataFrame("Events", file))
        counts = df.Histo1D(("h", "", bins, low, high), column).GetValue()
        times.append(time.perf_counter() - start)
    report[name] = {
        "first_s": times[0],
        "total_s": times[1:],
        "bins": [counts.GetBinContent(i + 1) for i in range(bins)],
    }
json.dump(report, sys.stdout)
