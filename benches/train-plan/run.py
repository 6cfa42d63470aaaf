"""What `fiducial train --plan` predicts beside what the training then uses.

    cargo build --release
    python benches/train-plan/run.py DATASET [--fiducial target/release/fiducial] [--epochs 2]

DATASET is what `fiducial prepare benchmarks/jet-tagging/top/view.toml benchmarks/jet-tagging/top/sample/*.root -o DATASET` wrote.
Plan and training are processes of their own. Prints a Markdown table.
"""

import argparse
import json
import pathlib
import re
import subprocess
import tempfile

HERE = pathlib.Path(__file__).parent
UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def run(command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("dataset")
    parser.add_argument("--fiducial", default="target/release/fiducial")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--threads", default="2")
    options = parser.parse_args()
    print("| model | memory planned, MiB | used, MiB | ratio | time planned (before, after), s | used, s | ratio |")
    print("|---|---|---|---|---|---|---|")
    for recipe in sorted(HERE.glob("*.toml")):
        text = re.sub(r"epochs = \d+", f"epochs = {options.epochs}", recipe.read_text())
        with tempfile.TemporaryDirectory() as folder:
            here = pathlib.Path(folder, recipe.name)
            here.write_text(text)
            train = [options.fiducial, "--threads", options.threads, "--quiet", "train", str(here)]
            train += ["--dataset", options.dataset, "--output", f"{folder}/model"]
            # Before and after, since the clock of a shared machine changes meanwhile.
            plans = [run(train + ["--plan"])]
            run(train)
            plans.append(run(train + ["--plan"]))
            report = json.loads(pathlib.Path(folder, "model/training.json").read_text())["report"]
        number, unit = re.search(r"peak memory +([\d.]+) (\wiB)", plans[0]).groups()
        planned = float(number) * UNITS[unit] / 2**20
        used = report["resources"]["peak_memory_bytes"] / 2**20
        times = []
        for plan in plans:
            found = re.search(r"([\d.]+) s a step, ([\d.]+) s to validate", plan).groups()
            step, validation = map(float, found)
            steps = int(re.search(r"steps +([\d ]+) an epoch", plan).group(1).replace(" ", ""))
            times.append(len(report["history"]) * (steps * step + validation))
        time = sum(times) / len(times)
        taken = sum(epoch["seconds"] for epoch in report["history"])
        print(
            f"| {recipe.stem} | {planned:.0f} | {used:.0f} | {planned / used:.2f} "
            f"| {time:.1f} ({times[0]:.1f}, {times[1]:.1f}) | {taken:.1f} | {time / taken:.2f} |",
            flush=True,
        )


main()
