"""The energy mover's distance beside `wasserstein`, in turns; prints medians and ratios.

Usage: run.py [--sizes 30 70 150] [--rounds 7] --python PYTHON
Build first: cargo build --release -p fiducial-physics --examples. PYTHON has wasserstein and numpy < 2.
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
JETS = 60


def once(command):
    environment = os.environ | {"RAYON_NUM_THREADS": "1"}
    command = [str(part) for part in command]
    result = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return json.loads(result.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", type=int, default=[30, 70, 150])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--python", required=True, help="a Python with wasserstein and numpy < 2")
    options = parser.parse_args()
    print("| particles | ours, µs a pair | wasserstein | ratio, median (range) |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for size in options.sizes:
            path = Path(folder) / f"{size}.bin"
            subprocess.run([options.python, HERE / "make_events.py", path, str(JETS), str(size)], check=True)
            ours, theirs = [], []
            for _ in range(options.rounds):
                ours.append(once([TARGET / "release/examples/emd", path, 3]))
                theirs.append(once([options.python, HERE / "wasserstein_twin.py", path, 3, 1]))
            if abs(ours[0]["sum"] / theirs[0]["sum"] - 1) > 1e-9:
                sys.exit("the distances differ")
            a, b = ([run["seconds"] * 1e6 for run in runs] for runs in (ours, theirs))
            ratios = [y / x for x, y in zip(a, b)]
            print(
                f"| {size} | {statistics.median(a):.1f} | {statistics.median(b):.1f} |"
                f" {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |",
                flush=True,
            )


if __name__ == "__main__":
    main()
