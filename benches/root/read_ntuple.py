"""Reads all fields of an ntuple with ROOT's own reader, and prints the time: python read_ntuple.py FILE NTUPLE

`rootreadspeed` reads trees alone. Two threads read half of the clusters each, entry by entry, into the model's own objects.
It needs ROOT's Python.
"""

import json
import sys

import ROOT

ROOT.gInterpreter.Declare(
    """
#include <ROOT/RNTupleReader.hxx>
#include <chrono>
#include <thread>
#include <vector>

double read_all(const char *name, const char *path) {
  ROOT::EnableThreadSafety();
  auto start = std::chrono::steady_clock::now();
  std::vector<std::thread> threads;
  for (int part = 0; part < 2; ++part) {
    threads.emplace_back([=] {
      auto reader = ROOT::RNTupleReader::Open(name, path);
      const auto n = reader->GetNEntries();
      for (auto i = n * part / 2; i < n * (part + 1) / 2; ++i) reader->LoadEntry(i);
    });
  }
  for (auto &thread : threads) thread.join();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}
"""
)
path, name = sys.argv[1:3]
print(json.dumps({"file": path, "read_s": ROOT.read_all(name, path)}))
