"""Times reading with this crate, with uproot and with ROOT, in turns: python run.py FILE... [--rounds N] [--root PYTHON]

Build first: cargo build --release -p fiducial-root --examples
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent.parent / "target"))


def run(command, **variables):
    return subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | variables).stdout


def ours(path):
    return json.loads(run([TARGET / "release/examples/read_all", path], RAYON_NUM_THREADS="2", MIMALLOC_PURGE_DELAY="-1"))


def uproots(path, column):
    return json.loads(run([sys.executable, HERE / "read_all.py", path, column]))


def tables(path):
    """The name of each tree and ntuple, with its class."""
    import uproot

    names = uproot.open(path).classnames(cycle=False).items()
    return [(name, kind) for name, kind in names if kind in ("TTree", "ROOT::RNTuple")]


def roots(python, path):
    """Seconds that ROOT's own programs take for all columns of all tables."""
    home = pathlib.Path(run([python, "-c", "import ROOT, os; print(os.path.dirname(ROOT.__file__))"]).strip())
    seconds = 0
    for name, kind in tables(path):
        if kind == "TTree":
            command = [home / "bin/rootreadspeed", "--files", path, "--trees", name, "--all-branches", "--threads", "2"]
            text = run(command, LD_LIBRARY_PATH=str(home / "lib"), ROOTSYS=str(home))
            seconds += float(re.search(r"^Real time:\s+([\d.e+-]+)", text, re.M)[1])
        else:
            seconds += json.loads(run([python, HERE / "read_ntuple.py", path, name]))["read_s"]
    return {"read_s": seconds}


def ratio(rows, peers, *keys):
    """The median of the ratios of all rounds, and the smallest and the largest."""
    times = [sum(peer[k] for k in keys) / sum(row[k] for k in keys) for row, peer in zip(rows, peers)]
    return f"{statistics.median(times):.1f} ({min(times):.1f} to {max(times):.1f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--root", help="a Python with ROOT; without it ROOT is not timed")
    options = parser.parse_args()
    print("| file | columns | MB stored | MB decompressed | open, ms | read, ms | open: uproot | open, read one: uproot "
          "| read all: uproot | processor time: uproot | read all: ROOT | ours / decompression |")
    print("|" + "---|" * 12)
    for path in options.files:
        mine, python, root = [], [], []
        for _ in range(options.rounds):
            mine.append(ours(path))
            python.append(uproots(path, mine[-1]["one"]))
            root += [roots(options.root, path)] if options.root else []
        median = lambda key: statistics.median(row[key] for row in mine)
        # Processor time, which other programs on the machine do not change.
        limit = statistics.median(row["again_cpu_s"] / row["decompress_cpu_s"] for row in mine)
        cells = [
            pathlib.Path(path).name,
            str(mine[0]["columns"]),
            f"{mine[0]['compressed'] / 1e6:.1f}",
            f"{mine[0]['decompressed'] / 1e6:.1f}",
            f"{median('open_s') * 1e3:.1f}",
            f"{median('read_s') * 1e3:.1f}",
            ratio(mine, python, "open_s"),
            ratio(mine, python, "open_s", "one_s"),
            ratio(mine, python, "read_s"),
            ratio(mine, python, "read_cpu_s"),
            ratio(mine, root, "read_s") if root else "",
            f"{limit:.2f}",
        ]
        print("| " + " | ".join(cells) + " |", flush=True)


main()
