"""Makes tests/fixtures/histograms.root and histograms.json with ROOT: python make_histograms.py (pip install root==0.1a12)

One object of each kind; histograms.json holds what ROOT itself says of them.
"""

import array
import json
import math
import pathlib

import ROOT

HERE = pathlib.Path(__file__).parent / "fixtures"
ROOT.gROOT.SetBatch(True)
ROOT.TH1.AddDirectory(False)


def fill(histogram, seed, weighted=False, profile=False):
    """The same fills everywhere: a linear congruential generator."""
    state = seed
    axes = histogram.GetDimension()
    for _ in range(60):
        numbers = []
        for _ in range(axes + 2):
            state = (state * 1103515245 + 12345) % 2**31
            numbers.append(state / 2**31)
        position = [5 * x - 0.5 for x in numbers[:axes]]
        if profile:
            position.append(10 * numbers[axes])
        weight = [round(8 * numbers[-1]) / 4 - 0.25] if weighted else []
        histogram.Fill(*position, *weight)
    return histogram


def histograms():
    edges = array.array("d", [0, 0.5, 1.5, 4])
    for letter in "CSILFD":
        yield fill(getattr(ROOT, "TH1" + letter)("h1" + letter.lower(), "one;x [GeV];events", 4, 0, 4), 1)
        yield fill(getattr(ROOT, "TH2" + letter)("h2" + letter.lower(), "two;x;y;events", 2, 0, 4, 3, 0, 4), 2)
        yield fill(getattr(ROOT, "TH3" + letter)("h3" + letter.lower(), "three", 2, 0, 4, 1, 0, 4, 3, 0, 4), 3)
    weighted = ROOT.TH1F("h1_weighted", "", 3, edges)
    weighted.Sumw2()
    yield fill(weighted, 4, weighted=True)
    weighted = ROOT.TH2D("h2_weighted", "", 3, edges, 2, 0, 4)
    weighted.Sumw2()
    yield fill(weighted, 5, weighted=True)
    weighted = ROOT.TH3D("h3_weighted", "", 2, 0, 4, 2, 0, 4, 2, 0, 4)
    weighted.Sumw2()
    yield fill(weighted, 6, weighted=True)
    labelled = ROOT.TH1D("h1_labels", "", 3, 0, 3)
    for name, times in [("muon", 5), ("electron", 3), ("tau", 1)]:
        for _ in range(times):
            labelled.Fill(name, 1)
    labelled.LabelsDeflate()
    yield labelled
    labelled = ROOT.TH2D("h2_some_labels", "", 3, 0, 4, 2, 0, 4)
    labelled.GetXaxis().SetBinLabel(2, "middle")
    labelled.GetYaxis().SetBinLabel(1, "low \"ü\"")
    labelled.GetYaxis().SetBinLabel(2, "high")
    yield fill(labelled, 7)
    empty = ROOT.TH1D("h1_nan", "", 2, 0, 1)
    empty.SetBinContent(1, math.nan)
    empty.SetBinContent(2, math.inf)
    yield empty
    fitted = fill(ROOT.TH1D("h1_function", "", 8, 0, 4), 8)
    fitted.GetListOfFunctions().Add(ROOT.TF1("line", "[0]+[1]*x", 0, 4))
    yield fitted
    for option in ["", "s", "i", "g"]:
        yield fill(ROOT.TProfile("p1" + option, "", 4, 0, 4, option), 9, profile=True)
    weighted = ROOT.TProfile("p1_weighted", "mean", 3, edges)
    weighted.Sumw2()
    yield fill(weighted, 10, weighted=True, profile=True)
    yield fill(ROOT.TProfile2D("p2", "", 3, 0, 4, 2, 0, 4), 11, profile=True)
    weighted = ROOT.TProfile2D("p2_weighted", "", 2, 0, 4, 2, 0, 4)
    weighted.Sumw2()
    yield fill(weighted, 12, weighted=True, profile=True)
    yield fill(ROOT.TProfile3D("p3", "", 2, 0, 4, 1, 0, 4, 2, 0, 4), 13, profile=True)


def numbers(values):
    """What is not finite as text: JSON has no word for it."""
    return [value if math.isfinite(value) else str(value) for value in values]


def describe(histogram):
    axes = [histogram.GetXaxis(), histogram.GetYaxis(), histogram.GetZaxis()][: histogram.GetDimension()]
    shape = [axis.GetNbins() + 2 for axis in axes]

    def places(sizes):
        if not sizes:
            yield []
        else:
            for i in range(sizes[0]):
                for rest in places(sizes[1:]):
                    yield [i, *rest]

    bins = [histogram.GetBin(*place) for place in places(shape)]
    out = {
        "class": histogram.ClassName(),
        "title": histogram.GetTitle(),
        "entries": histogram.GetEntries(),
        "axes": [
            {
                "title": axis.GetTitle(),
                "edges": [axis.GetBinLowEdge(i) for i in range(1, axis.GetNbins() + 2)],
                "labels": [[i - 1, axis.GetBinLabel(i)] for i in range(1, axis.GetNbins() + 1) if axis.GetBinLabel(i)],
            }
            for axis in axes
        ],
        "values": numbers(histogram.GetBinContent(i) for i in bins),
        "variances": numbers(histogram.GetBinError(i) ** 2 for i in bins),
        "integral": numbers([histogram.Integral()])[0],
    }
    if histogram.ClassName().startswith("TProfile"):
        out["bin_entries"] = [histogram.GetBinEffectiveEntries(i) for i in bins]
    return out


def others():
    x, y = array.array("d", [1, 2, 3]), array.array("d", [4, 5, 6.5])
    low, high = array.array("d", [0.1, 0.2, 0.3]), array.array("d", [0.4, 0.5, 0.6])
    graph = ROOT.TGraph(3, x, y)
    graph.SetNameTitle("graph", "three points;x;y")
    yield graph
    graph = ROOT.TGraphErrors(3, x, y, low, high)
    graph.SetName("graph_errors")
    yield graph
    graph = ROOT.TGraphAsymmErrors(3, x, y, low, high, high, low)
    graph.SetName("graph_asymm")
    yield graph
    total = fill(ROOT.TH1D("total", "", 4, 0, 4), 14)
    passed = total.Clone("passed")
    passed.Scale(0.5)
    for i in range(6):
        passed.SetBinContent(i, math.floor(passed.GetBinContent(i)))
    efficiency = ROOT.TEfficiency(passed, total)
    efficiency.SetNameTitle("efficiency", "half")
    efficiency.SetStatisticOption(ROOT.TEfficiency.kBUniform)
    yield efficiency
    yield ROOT.TParameter["double"]("lumi", 137.5)
    yield ROOT.TParameter["int"]("runs", -3)
    yield ROOT.TParameter["Long64_t"]("events", 1 << 40)
    yield ROOT.TParameter["bool"]("is_data", True)
    yield ROOT.TNamed("tag", "v15")


def main():
    file = ROOT.TFile(str(HERE / "histograms.root"), "RECREATE", "", 505)
    expected = {}
    directory = file.mkdir("plots").mkdir("deep")
    directory.cd()
    for histogram in histograms():
        histogram.Write()
        expected["plots/deep/" + histogram.GetName()] = describe(histogram)
    file.cd()
    for other in others():
        other.Write()
    ROOT.TObjString("hello").Write("text")
    file.WriteObject(ROOT.std.string("a string"), "std_string")
    file.WriteObject(ROOT.std.vector["float"]([1, 2.5]), "floats")
    file.WriteObject(ROOT.std.map["std::string", "int"]([("a", 1), ("b", 2)]), "map")
    items = ROOT.TList()
    # ROOT's collections do not own what is in them, so that Python must.
    inner, shared = fill(ROOT.TH1F("inner", "", 2, 0, 4), 15), ROOT.TNamed("shared", "once")
    items.Add(inner)
    items.Add(shared)
    items.Add(shared)
    items.Write("list", ROOT.TObject.kSingleKey)
    items = ROOT.TObjArray()
    key, value = ROOT.TObjString("key"), ROOT.TObjString("value")
    items.Add(value)
    items.Write("array", ROOT.TObject.kSingleKey)
    pairs = ROOT.TMap()
    pairs.Add(key, value)
    pairs.Write("pairs", ROOT.TObject.kSingleKey)
    vector = ROOT.TVectorD(3)
    matrix = ROOT.TMatrixD(2, 2)
    symmetric = ROOT.TMatrixDSym(2)
    for i in range(3):
        vector[i] = i + 0.5
    for i in range(2):
        for j in range(2):
            matrix[i][j] = 10 * i + j
            symmetric[i][j] = i + j
    vector.Write("vector")
    matrix.Write("matrix")
    symmetric.Write("symmetric")
    first = ROOT.TH1D("cycles", "first", 1, 0, 1)
    first.Write()
    first.SetTitle("second")
    first.Write()
    file.Close()
    text = json.dumps(expected, indent=None, separators=(",", ":"))
    (HERE / "histograms.json").write_text(text.replace('},"plots', '},\n"plots') + "\n")


main()
