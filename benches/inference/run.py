"""Inference beside ONNX Runtime: the same network, the same jets, as many threads, in turns in one process.

Usage: run.py [MODEL.toml ...] [--threads 2] [--rounds 15] [--python PYTHON_WITH_ONNXRUNTIME]
Build first: cargo build --release -p fiducial-models --example inference
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parents[1] / "target"))
BINARY = TARGET / "release/examples/inference"
MODELS = [HERE.parent / "training" / f"{name}.toml" for name in ("pfn", "particle-net", "transformer", "particle-transformer")]
FIND = "import glob, os, onnxruntime as o; print(glob.glob(os.path.dirname(o.__file__) + '/capi/libonnxruntime.so*')[0])"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=[str(path) for path in MODELS])
    parser.add_argument("--threads", default="2")
    parser.add_argument("--rounds", default="15")
    parser.add_argument("--python", default=sys.executable, help="a Python with onnxruntime")
    options = parser.parse_args()
    found = subprocess.run([options.python, "-c", FIND], check=True, capture_output=True, text=True)
    environment = os.environ | {"ORT_DYLIB_PATH": found.stdout.strip()}
    for model in options.models:
        subprocess.run([BINARY, model, options.threads, options.rounds], env=environment, check=True)
        print(flush=True)


if __name__ == "__main__":
    main()
