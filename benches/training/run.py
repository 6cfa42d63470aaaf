"""Training throughput beside PyTorch: interleaved runs, the median ratio and its spread.

Usage: run.py [MODEL.toml] [--jets 512] [--length 64] [--steps 40] [--rounds 7] [--threads 2] [--precision bf16] [--python PYTHON_WITH_TORCH]
Build first: cargo build --release -p fiducial-models --example train_throughput
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
BINARY = TARGET / "release/examples/train_throughput"


def run(command, **environment):
    result = subprocess.run(command, env=os.environ | environment, check=True, capture_output=True, text=True)
    return json.loads(result.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default=str(HERE / "pfn.toml"))
    parser.add_argument("--jets", type=int, default=512)
    parser.add_argument("--length", type=int, default=64)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", default="2")
    parser.add_argument("--python", default=sys.executable, help="a Python with torch and numpy")
    parser.add_argument("--precision", choices=["single", "bf16"], default="single", help="of matrix products; PyTorch's is autocast")
    options = parser.parse_args()
    os.environ["FIDUCIAL_PRECISION"] = options.precision
    jets, length, steps = str(options.jets), str(options.length), str(options.steps)
    ratios, ours, theirs, processor = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for round_ in range(options.rounds):
            rust = run([BINARY, options.model, jets, length, length, steps, folder], RAYON_NUM_THREADS=options.threads)
            # glibc's thresholds keep PyTorch's buffers mapped, as our allocator keeps ours.
            twin = run(
                [options.python, HERE / "torch_twin.py", options.model, jets, length, steps, folder],
                MALLOC_TRIM_THRESHOLD_="4294967296",
                MALLOC_MMAP_THRESHOLD_="4294967296",
                OMP_NUM_THREADS=options.threads,
            )
            ours.append(rust["jets_per_second"])
            theirs.append(twin["jets_per_second"])
            ratios.append(ours[-1] / theirs[-1])
            processor.append(twin["processor_milliseconds"] / rust["processor_milliseconds"])
            print(f"round {round_ + 1}: {ours[-1]:9.1f} jets/s, PyTorch {theirs[-1]:9.1f}, ratio {ratios[-1]:.2f}; of processor time {processor[-1]:.2f}")
    drift = max(abs(a - b) for a, b in zip(rust["losses"], twin["losses"]))
    print(f"logits differ by at most {twin['logits_differ_by']:.1e}, the first losses by {drift:.1e}")
    print(
        f"{Path(options.model).stem}, {jets} x {length}, PyTorch {twin['torch']}: medians"
        f" {statistics.median(ours):.0f} and {statistics.median(theirs):.0f} jets/s; ratio"
        f" {statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f}, {options.rounds} rounds);"
        f" of processor time {statistics.median(processor):.2f} ({min(processor):.2f} to {max(processor):.2f})"
    )


if __name__ == "__main__":
    main()
