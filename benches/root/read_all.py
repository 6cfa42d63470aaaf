"""Reads all columns of trees and ntuples with uproot, and prints the time: python read_all.py FILE...

The twin of `cargo run --release -p fiducial-root --example read_all`: the same columns, as awkward arrays, with a pool
of two threads for decompression and for interpretation.
"""

import json
import sys
import time

import uproot

TABLES = ("TTree", "TNtuple", "TNtupleD", "ROOT::RNTuple")


def columns_of(table):
    return [key for key, branch in table.items() if not len(branch.branches)] if hasattr(table, "branches") else table.keys()


def is_list(table, name):
    return "[" in table[name].typename or "vector" in table[name].typename


def read(path):
    pool = uproot.ThreadPoolExecutor(2)
    start = time.perf_counter()
    file = uproot.open(path, decompression_executor=pool, interpretation_executor=pool)
    names = [k for k, c in file.classnames(recursive=True, cycle=False).items() if c in TABLES]
    tables = [file[name] for name in dict.fromkeys(names)]
    keys = [columns_of(table) for table in tables]
    opened = time.perf_counter() - start

    wanted = [next((key for key in own if is_list(table, key)), own[0]) for table, own in zip(tables, keys)]
    start = time.perf_counter()
    for table, name in zip(tables, wanted):
        table[name].array(library="ak")
    one = time.perf_counter() - start

    start = time.perf_counter()
    columns = sum(len(read_table(table)) for table in tables)
    seconds = time.perf_counter() - start
    return {"file": path, "columns": columns, "open_s": opened, "one_s": one, "read_s": seconds}


def read_table(table):
    if hasattr(table, "branches"):
        return table.arrays(library="ak", how=tuple)
    return table.arrays().fields


for path in sys.argv[1:]:
    print(json.dumps(read(path)))
