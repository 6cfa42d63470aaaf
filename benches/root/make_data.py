"""The files that the benchmark reads, made by ROOT: python make_data.py NANOAOD.root JETS.root OUT

A small NanoAOD file repeated to 80 MB or more; the same with values that differ from copy to copy, since repeated events
compress as no real ones do; the jets ten times over, with a fast codec; and RNTuples of these. It needs ROOT's Python.
"""

import pathlib
import sys

import ROOT

COPIES = 550

ROOT.gInterpreter.Declare(
    """
#include <TChain.h>
#include <TFile.h>
#include <TLeaf.h>
#include <TTree.h>
#include <cstring>
#include <random>

// Writes a chain as one tree in which the reals differ from one copy to the next: bits of their mantissas change, of those
// that experiment's reduced precision left.
void differ(TChain &chain, const char *target, int level) {
  TFile file(target, "RECREATE", "", level);
  chain.SetBranchStatus("*", true);
  chain.LoadTree(0);
  TTree *copy = chain.CloneTree(0);
  copy->SetAutoFlush(20000);
  std::mt19937 random(1);
  for (Long64_t entry = 0, n = chain.GetEntries(); entry < n; ++entry) {
    chain.GetEntry(entry);
    for (auto *object : *copy->GetListOfLeaves()) {
      auto *leaf = static_cast<TLeaf *>(object);
      if (std::strcmp(leaf->GetTypeName(), "Float_t")) continue;
      auto *values = static_cast<unsigned *>(leaf->GetValuePointer());
      for (int i = 0; i < leaf->GetLen(); ++i) {
        const unsigned exponent = values[i] >> 23 & 0xff;
        if (exponent == 0 || exponent == 0xff) continue;
        const unsigned zeros = __builtin_ctz(values[i] | 1u << 22);
        const unsigned lowest = zeros < 10 ? 0 : 10;
        values[i] ^= (random() & 0x1f) << lowest;
      }
    }
    copy->Fill();
  }
  file.Write();
}
"""
)


def chain_of(source, tree, copies):
    chain = ROOT.TChain(tree)
    for _ in range(copies):
        chain.Add(str(source))
    return chain


def repeat(source, tree, copies, target, level):
    chain = chain_of(source, tree, copies)
    file = ROOT.TFile(str(target), "RECREATE", "", level)
    copy = chain.CloneTree(-1, "SortBasketsByEntry" if copies > 1 else "")
    copy.OptimizeBaskets(20_000_000, 1.1, "")
    file.Write()
    file.Close()


def ntuple(source, tree, target, level):
    target.unlink(missing_ok=True)
    importer = ROOT.Experimental.RNTupleImporter.Create(str(source), tree, str(target))
    options = ROOT.RNTupleWriteOptions()
    options.SetCompression(level)
    importer.SetWriteOptions(options)
    importer.SetIsQuiet(True)
    importer.Import()


nano, jets, out = sys.argv[1:4]
out = pathlib.Path(out)
out.mkdir(parents=True, exist_ok=True)
zlib, zstd = 101, 505  # the first as experiments wrote it
repeat(nano, "Events", COPIES, out / "nano.root", zlib)
ROOT.differ(chain_of(nano, "Events", COPIES), str(out / "nano_differ.root"), zlib)
repeat(jets, "tree", 10, out / "jets.root", zstd)
for name, tree, level in (("nano", "Events", zlib), ("nano_differ", "Events", zlib), ("jets", "tree", zstd)):
    ntuple(out / f"{name}.root", tree, out / f"{name}_ntuple.root", level)
