"""Times the histogram of one branch of a file with thousands, as a command, beside uproot, awkward and NumPy:

    python one_branch.py FILE [--column NAME] [--bins N,LOW,HIGH] [--rounds N]

Build first: cargo build --release
Each round is a process of its own for each of the two, one after the other. Ours is timed as a whole: start, opening, reading,
filling, printing. The twin is timed without its imports ("in Python"), and as a whole.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent.parent / "target"))

TWIN = """
import sys, time
import awkward as ak, numpy as np, uproot
file, tree, column, bins, low, high = sys.argv[1:]
start = time.perf_counter()
values = uproot.open(file)[tree][column].array()
counts, _ = np.histogram(ak.ravel(values).to_numpy(), int(bins), (float(low), float(high)))
print(time.perf_counter() - start, *counts)
"""


def timed(command):
    environment = os.environ | {"RAYON_NUM_THREADS": "2"}
    start = time.perf_counter()
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    return time.perf_counter() - start, output


def spread(ratios):
    return f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--tree", default="Events")
    parser.add_argument("--column", default="Jet_pt")
    parser.add_argument("--bins", default="100,0,200")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    ours = [TARGET / "release/fiducial", "hist", options.file, "--tree", options.tree, "-x", options.column]
    ours += ["--bins", options.bins]
    twin = [sys.executable, "-c", TWIN, options.file, options.tree, options.column, *options.bins.split(",")]
    mine, python, whole = [], [], []
    for _ in range(options.rounds):
        mine.append(timed(ours)[0])
        seconds, output = timed(twin)
        whole.append(seconds)
        python.append(float(output.split()[0]))
    print(f"ours, the whole command: {statistics.median(mine) * 1e3:.1f} ms")
    print(f"uproot and awkward, in Python: {spread([b / a for a, b in zip(mine, python)])} times that")
    print(f"with imports: {spread([b / a for a, b in zip(mine, whole)])} times that")


main()
