"""Makes tests/fixtures/buffered.root with ROOT: histograms whose fills are still in their buffers

    python make_buffered.py (pip install root==0.1a12)

What ROOT makes of them, which it prints, stands in tests/histograms.rs.
"""

import array
import pathlib

import ROOT

PATH = str(pathlib.Path(__file__).parent / "fixtures" / "buffered.root")
FILLS = {
    "ignored": [(0.5, 1), (1.5, 0.1), (3.9999, 2.25), (-1, 1), (4, 1), (9, 3)],
    "considered": [(0.5, 1), (1.5, 0.1), (3.9999, 2.25), (-1, 1), (4, 1), (9, 3)],
    "two": [(0.5, 0.5), (3, 2.5), (9, 1), (1, -1), (3, 2.7)],
    "three": [(0.5, 0.5, 0.5), (3, 2.5, 0.2), (9, 1, 0.1)],
    "limits": [(1,), (2,), (3,)],
}
ROOT.TH1.AddDirectory(False)
file = ROOT.TFile(PATH, "recreate")
histograms = [
    ROOT.TH1F("ignored", "", 4, 0, 4),
    ROOT.TH1F("considered", "", 4, 0, 4),
    ROOT.TH2D("two", "", 2, 0, 4, 3, 0, 3),
    ROOT.TH3D("three", "", 2, 0, 4, 3, 0, 3, 1, 0, 1),
    ROOT.TH1D("limits", "", 4, 0, 0),
]
histograms[1].SetStatOverflows(ROOT.TH1.kConsider)
for histogram in histograms:
    histogram.SetBuffer(100)
    for fill in FILLS[histogram.GetName()]:
        histogram.Fill(*fill)
    histogram.Write()
file.Close()
file = ROOT.TFile(PATH)
for histogram in histograms:
    read = file.Get(histogram.GetName())
    assert read.GetBufferLength() == len(FILLS[read.GetName()])
    read.BufferEmpty()
    sums = array.array("d", [0] * 11)
    read.GetStats(sums)
    cells = range(read.GetNcells())
    bins = {i: (read.GetBinContent(i), read.GetBinError(i) ** 2) for i in cells if read.GetBinContent(i)}
    print(read.GetName(), bins, bool(read.GetSumw2N()), read.GetEntries(), list(sums))
