"""Times batches from a ROOT file with this crate and with weaver-core, in turns: python run.py FILE.root [--rounds N] --weaver PYTHON

Build first: cargo build --release -p fiducial-data --examples
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent.parent / "target"))
EPOCHS = "5"


def epochs(command):
    one = {"RAYON_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | one)
    rows = [json.loads(line) for line in output.stdout.splitlines() if line.startswith("{")]
    rates = [row["jets"] / max(row["wall_s"], row["cpu_s"]) for row in rows]
    # The first epoch opens files and loads code; the median of the others is what a long training sees.
    return {"cold": rates[0], "warm": statistics.median(rates[1:])}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--weaver", required=True, help="a Python with weaver-core and torch")
    options = parser.parse_args()
    view, file = HERE / "view.yaml", options.file.resolve()
    ours, theirs = [], []
    for _ in range(options.rounds):
        ours.append(epochs([TARGET / "release/examples/batch_epochs", file, view, EPOCHS]))
        theirs.append(epochs([options.weaver, HERE / "weaver_twin.py", file, view, EPOCHS]))
    print("| epoch | ours, jets/s | weaver, jets/s | ratio |\n|---|---|---|---|")
    for key in ("cold", "warm"):
        ratios = [a[key] / b[key] for a, b in zip(ours, theirs)]
        a, b = (statistics.median(row[key] for row in rows) for rows in (ours, theirs))
        print(f"| {key} | {a:,.0f} | {b:,.0f} | {statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f}) |")


main()
