"""Jet clustering beside FastJet, in turns; prints medians and ratios.

Usage: run.py [--sizes 50 200 500 1000 5000] [--radii 0.4 0.8] [--algorithm anti-kt] [--rounds 7] [--python PYTHON]
Build first: cargo build --release -p fiducial-physics --examples
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parents[1] / "target"))
# Enough events for about 100,000 particles.
EVENTS = {50: 2000, 200: 500, 500: 300, 1000: 100, 5000: 20}


def once(command):
    result = subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True)
    return json.loads(result.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", type=int, default=list(EVENTS))
    parser.add_argument("--radii", nargs="+", default=["0.4", "0.8"])
    parser.add_argument("--algorithm", default="anti-kt")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--python", default=sys.executable, help="a Python with fastjet, awkward and pythia8mc")
    options = parser.parse_args()
    print("| particles | R | ours, µs an event | FastJet | ratio, median (range) |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for size in options.sizes:
            path = Path(folder) / f"{size}.bin"
            events = EVENTS.get(size, max(10, 100_000 // size))
            subprocess.run([options.python, HERE / "make_events.py", path, str(size), str(events)], check=True)
            for radius in options.radii:
                arguments = [path, radius, options.algorithm, 3]
                ours, theirs = [], []
                for _ in range(options.rounds):
                    ours.append(once([TARGET / "release/examples/jet_clustering", *arguments]))
                    theirs.append(once([options.python, HERE / "fastjet_twin.py", *arguments]))
                if any(a["jets"] != b["jets"] for a, b in zip(ours, theirs)):
                    sys.exit(f"the jets differ: {ours[0]['jets']} and {theirs[0]['jets']}")
                a, b = ([run["seconds"] * 1e6 for run in runs] for runs in (ours, theirs))
                ratios = [y / x for x, y in zip(a, b)]
                print(
                    f"| {size} | {radius} | {statistics.median(a):.1f} | {statistics.median(b):.1f} |"
                    f" {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
