"""Times whole reads with this crate and with h5py, pandas and numpy, in turns: python run.py DIR [--rounds N]

Build first: cargo build --release -p fiducial-data --example read_source
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
    environment = os.environ | {"RAYON_NUM_THREADS": "2"}
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    times = json.loads(output.stdout)
    return times.get("open_s", 0.0) + times["read_s"]


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("directory", type=pathlib.Path)
parser.add_argument("--rounds", type=int, default=7)
options = parser.parse_args()
print("| file | MB | ours | theirs | ratio (median, least to most) |")
print("|---|---|---|---|---|")
for name in ("top.h5", "calo.h5", "plain.h5", "packed.npz", "hits.csv"):
    path = options.directory / name
    ours, theirs = [], []
    for _ in range(options.rounds):
        ours.append(once([TARGET / "release/examples/read_source", path]))
        theirs.append(once([sys.executable, HERE / "read_source.py", path]))
    ratios = sorted(b / a for a, b in zip(ours, theirs))
    cells = [name, f"{path.stat().st_size / 1e6:.0f}", f"{statistics.median(ours) * 1e3:.0f} ms", f"{statistics.median(theirs) * 1e3:.0f} ms",
             f"{statistics.median(ratios):.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f})"]
    print("| " + " | ".join(cells) + " |")
