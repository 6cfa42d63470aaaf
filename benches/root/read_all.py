"""Reads all columns of trees with uproot, and prints the time: python read_all.py FILE...

The twin of `cargo run --release -p fiducial-root --example read_all`: the same columns, as awkward arrays, with a pool
of two threads for decompression and for interpretation.
"""

import json
import sys
import time

import uproot


def read(path):
    pool = uproot.ThreadPoolExecutor(2)
    start = time.perf_counter()
    file = uproot.open(path, decompression_executor=pool, interpretation_executor=pool)
    names = [k for k, c in file.classnames(recursive=True, cycle=False).items() if c in ("TTree", "TNtuple", "TNtupleD")]
    trees = [file[name] for name in dict.fromkeys(names)]
    opened = time.perf_counter() - start

    start = time.perf_counter()
    columns = sum(len(tree.arrays(library="ak", how=tuple)) for tree in trees)
    return {"file": path, "columns": columns, "open_s": opened, "read_s": time.perf_counter() - start}


for path in sys.argv[1:]:
    print(json.dumps(read(path)))
