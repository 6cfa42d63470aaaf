"""Times reading with this crate and with uproot, in turns, and prints the medians: python run.py FILE... [--rounds N]

Build first: cargo build --release -p fiducial-root --examples
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
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | {"RAYON_NUM_THREADS": "2"})
    return json.loads(output.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    print("| file | columns | open, ours | open, uproot | ratio | read, ours | read, uproot | ratio |")
    print("|---|---|---|---|---|---|---|---|")
    for path in options.files:
        ours, theirs = [], []
        for _ in range(options.rounds):
            ours.append(once([TARGET / "release/examples/read_all", path]))
            theirs.append(once([sys.executable, HERE / "read_all.py", path]))
        cells = [pathlib.Path(path).name, str(ours[0]["columns"])]
        for key in ("open_s", "read_s"):
            a, b = (statistics.median(row[key] for row in rows) for rows in (ours, theirs))
            cells += [f"{a * 1e3:.1f} ms", f"{b * 1e3:.1f} ms", f"{b / a:.1f}"]
        print("| " + " | ".join(cells) + " |")


main()
