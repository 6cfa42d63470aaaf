"""Reads all columns of trees and ntuples with uproot, and prints the time: python read_all.py FILE COLUMN

COLUMN is the one that is read by itself, of the largest table.

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


def open_tables(path):
    pool = uproot.ThreadPoolExecutor(2)
    file = uproot.open(path, array_cache=None, decompression_executor=pool, interpretation_executor=pool)
    names = [k for k, c in file.classnames(recursive=True, cycle=False).items() if c in TABLES]
    tables = [file[name] for name in dict.fromkeys(names)]
    return tables, [columns_of(table) for table in tables]


def read(path, column):
    start = time.perf_counter()
    tables, keys = open_tables(path)
    opened = time.perf_counter() - start

    largest = max(zip(map(len, keys), tables), key=lambda pair: pair[0])[1]
    start = time.perf_counter()
    largest[column].array(library="ak")
    one = time.perf_counter() - start

    # Opened anew: what uproot keeps of the first reading must not serve the second.
    tables, _ = open_tables(path)
    start, before = time.perf_counter(), time.process_time()
    columns = sum(len(read_table(table)) for table in tables)
    times = {"read_s": time.perf_counter() - start, "read_cpu_s": time.process_time() - before}
    return {"file": path, "columns": columns, "open_s": opened, "one_s": one} | times


def read_table(table):
    if hasattr(table, "branches"):
        return table.arrays(library="ak", how=tuple)
    return table.arrays().fields


print(json.dumps(read(*sys.argv[1:])))
