"""Boosted trees beside XGBoost, in turns: time to train (wall and processor) and to predict, and the area under the ROC curve.

Usage: run.py [--rows 100000] [--features 28] [--rounds 200] [--depth 6] [--rate 0.1] [--repeat 7] [--threads 2] --python PYTHON
Build first: cargo build --release -p fiducial-trees --examples. PYTHON has xgboost (or xgboost-cpu) and numpy.
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


def once(command, threads):
    environment = os.environ | {"RAYON_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    result = subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True, env=environment)
    return json.loads(result.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--features", type=int, default=28)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--depth", type=int, default=6)
    parser.add_argument("--rate", type=float, default=0.1)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--python", required=True, help="a Python with xgboost and numpy")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data, model = Path(folder) / "data.bin", Path(folder) / "model.json"
        scores, twin = Path(folder) / "ours.bin", Path(folder) / "theirs.bin"
        common = [data, options.features, options.rows, options.rounds, options.depth, options.rate]
        python = [options.python, HERE / "xgboost_twin.py"]
        once([*python, "make", data, options.features, options.rows], options.threads)
        ours, theirs = [], []
        for _ in range(options.repeat):
            ours.append(once([TARGET / "release/examples/boost", *common, model, scores], options.threads))
            theirs.append(once([*python, "train", *common, options.threads, twin], options.threads))
        check = once([*python, "compare", *common, model, scores, twin], options.threads)
    if check["difference"] > 1e-6:
        sys.exit(f"XGBoost's scores of our model differ by {check['difference']}")
    print("| | ours | XGBoost | ratio, median (range) |\n|---|---|---|---|")
    for what, name in [
        ("training", "training"),
        ("processor", "training, processor time"),
        ("prediction", "prediction of 50,000 rows"),
    ]:
        a, b = ([run[what] for run in runs] for runs in (ours, theirs))
        ratios = [y / x for x, y in zip(a, b)]
        print(
            f"| {name}, s | {statistics.median(a):.3f} | {statistics.median(b):.3f} |"
            f" {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |"
        )
    print(f"| AUC | {check['ours']:.5f} | {check['theirs']:.5f} | |")
    binning = statistics.median(run["binning"] for run in ours)
    print(f"\nBinning is {binning:.3f} s of our training. XGBoost's scores of our file differ by {check['difference']:.1e}.")


if __name__ == "__main__":
    main()
