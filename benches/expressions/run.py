"""Times the ADL queries with this crate, awkward and, where a Python with coffea or with ROOT is named, coffea and RDataFrame, in turns:

    python run.py FILE [--rounds N] [--repeats N] [--coffea-python PYTHON] [--root-python PYTHON]

Build first: cargo build --release -p fiducial-data --examples
Each round is a process of its own for each of them, in which each query runs several times; the first time is left out.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent.parent / "target"))


def once(command):
    # The command tells its allocator the same from code: memory is kept for what comes next.
    environment = os.environ | {"RAYON_NUM_THREADS": "2", "MIMALLOC_PURGE_DELAY": "-1"}
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=environment, cwd=HERE)
    return json.loads(output.stdout)


def spread(rows):
    return f"{statistics.median(rows):.2f} ({min(rows):.2f} to {max(rows):.2f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--coffea-python")
    parser.add_argument("--root-python")
    options = parser.parse_args()
    file, repeats = str(pathlib.Path(options.file).resolve()), str(options.repeats)
    commands = {
        "ours": [TARGET / "release/examples/adl_queries", HERE, file, repeats],
        "awkward": [sys.executable, "awkward_twin.py", file, repeats],
    }
    if options.coffea_python:
        commands["coffea"] = [options.coffea_python, "coffea_twin.py", file, repeats]
    if options.root_python:
        commands["rdataframe"] = [options.root_python, "rdataframe_twin.py", file, repeats]
    runs = {name: [] for name in commands}
    for _ in range(options.rounds):
        for name, command in commands.items():
            runs[name].append(once(command))
    warm = lambda run, query, key: statistics.median(run[query][key][1:])
    print("| query | ours, ms | awkward / ours | without reading | coffea / ours | RDataFrame / ours | its first time, s | bins that differ |")
    print("|---|---|---|---|---|---|---|---|")
    for query in runs["ours"][0]:
        ours = [warm(run, query, "total_s") for run in runs["ours"]]
        ratios = lambda name, key: [
            warm(theirs, query, key) / warm(mine, query, key) for mine, theirs in zip(runs["ours"], runs[name])
        ]
        cells = [query, f"{statistics.median(ours) * 1e3:.1f}"]
        cells += [spread(ratios("awkward", "total_s")), spread(ratios("awkward", "evaluate_s"))]
        bins = runs["ours"][0][query]["bins"]
        differ = []
        for name in commands:
            theirs = runs[name][0][query]["bins"]
            differ.append(f"{name} {sum(a != b for a, b in zip(bins, theirs))}")
        cells += [spread(ratios("coffea", "total_s")) if "coffea" in runs else ""]
        if "rdataframe" in runs:
            first = statistics.median(run[query]["first_s"] for run in runs["rdataframe"])
            cells += [spread(ratios("rdataframe", "total_s")), f"{first:.1f}"]
        else:
            cells += ["", ""]
        print("| " + " | ".join([*cells, ", ".join(differ[1:])]) + " |")


main()
