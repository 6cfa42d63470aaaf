"""The files that the benchmark reads, made by ROOT: python make_data.py NANOAOD.root JETS.root OUT

A small NanoAOD file repeated to 80 MB or more, the jets again with a fast codec, and both as RNTuples. It needs ROOT's Python.
"""

import pathlib
import sys

import ROOT

COPIES = 550


def repeat(source, tree, copies, target, level):
    chain = ROOT.TChain(tree)
    for _ in range(copies):
        chain.Add(source)
    file = ROOT.TFile(str(target), "RECREATE", "", level)
    copy = chain.CloneTree(-1, "SortBasketsByEntry" if copies > 1 else "")
    copy.OptimizeBaskets(20_000_000, 1.1, "")
    file.Write()
    file.Close()


def ntuple(source, tree, target, level):
    importer = ROOT.Experimental.RNTupleImporter.Create(str(source), tree, str(target))
    options = ROOT.RNTupleWriteOptions()
    options.SetCompression(level)
    importer.SetWriteOptions(options)
    importer.SetIsQuiet(True)
    importer.Import()


nano, jets, out = sys.argv[1:4]
out = pathlib.Path(out)
out.mkdir(parents=True, exist_ok=True)
repeat(nano, "Events", COPIES, out / "nano.root", 101)  # zlib, as experiments wrote it
repeat(jets, "tree", 1, out / "jets.root", 505)  # zstd
# A codec with a window as large as a page would see that events repeat, and make next to nothing of them: zlib's is 32 kB.
for name, tree, level in (("nano", "Events", 101), ("jets", "tree", 505)):
    (out / f"{name}_ntuple.root").unlink(missing_ok=True)
    ntuple(out / f"{name}.root", tree, out / f"{name}_ntuple.root", level)
