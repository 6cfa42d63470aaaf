"""Reads all columns of trees with uproot, and prints the time: python read_all.py FILE...

The twin of `cargo run --release -p fiducial-root --example read_all`: the same columns, as awkward arrays, with a pool
of two threads for decompression and for interpretation.
"""

import concurrent.futures
import json
import sys
import time

import uproot


def main():
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for path in sys.argv[1:]:
            start = time.perf_counter()
            file = uproot.open(path, decompression_executor=pool, interpretation_executor=pool)
            names = [k for k, c in file.classnames(recursive=True, cycle=False).items() if c in ("TTree", "TNtuple")]
            trees = [file[name] for name in dict.fromkeys(names)]
            opened = time.perf_counter() - start

            start = time.perf_counter()
            columns = 0
            for tree in trees:
                arrays = tree.arrays(library="ak", how=tuple)
                columns += len(arrays)
            read = time.perf_counter() - start
            print(json.dumps({"file": path, "columns": columns, "open_s": round(opened, 6), "read_s": round(read, 6)}))


main()
