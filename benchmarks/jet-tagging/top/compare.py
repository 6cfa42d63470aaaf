"""A table of finished runs of this task: sizes, time, and how good they are.

    python compare.py runs/jet-tagging-top/*          # directories that `fiducial bench run` wrote

Beside the metrics of each run stands the distance correlation between its score and the mass of the QCD jets in the test split (G. Székely,
M. Rizzo, N. Bakirov, arXiv:0803.4101; 0: none), over the first 4,000 of them, with the spread of ten halves of those, which is the spread of a sample of all. Needs NumPy and pyarrow.
"""

import json
import pathlib
import sys

import numpy
import pyarrow.compute
import pyarrow.parquet

JETS = 4000


def distances(values):
    """Distances between all pairs, less the means of their rows and columns."""
    between = numpy.abs(values[:, None] - values[None, :])
    rows = between.mean(0)
    return between - rows[:, None] - rows[None, :] + rows.mean()


def distance_correlation(a, b):
    a, b = distances(a), distances(b)
    scale = numpy.sqrt((a * a).mean() * (b * b).mean())
    return numpy.sqrt(max((a * b).mean(), 0.0) / scale) if scale > 0 else 0.0


def labels(run):
    """The QCD jets of the test split, by row_id."""
    found = []
    for shard in sorted((run / "dataset/test").glob("*.parquet")):
        found.append(pyarrow.parquet.read_table(shard, columns=["row_id", "label"]))
    table = pyarrow.concat_tables(found)
    return set(table.filter(pyarrow.compute.equal(table["label"], 0))["row_id"].to_pylist())


def correlation(run):
    table = pyarrow.parquet.read_table(run / "predictions.parquet", columns=["row_id", "score_top", "jet_mass"])
    qcd = labels(run)
    chosen = numpy.array([row in qcd for row in table["row_id"].to_pylist()])
    score, mass = (table[name].to_numpy().astype(float)[chosen][:JETS] for name in ("score_top", "jet_mass"))
    random = numpy.random.default_rng(1)
    halves = [random.permutation(len(score))[: len(score) // 2] for _ in range(10)]
    spread = numpy.std([distance_correlation(score[half], mass[half]) for half in halves])
    return distance_correlation(score, mass), spread


def interval(estimate, digits):
    value, low, high = (f"{estimate[key]:.{digits}f}" for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def main():
    print(
        "| run | parameters | epochs | processor time, s | AUC | accuracy | 1/eB at eS = 0.5 | at 0.3 "
        "| dCorr(score, mass), QCD |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for folder in map(pathlib.Path, sys.argv[1:]):
        run = json.loads((folder / "run.json").read_text())
        metrics = json.loads((folder / "metrics.json").read_text())["metrics"]
        report = json.loads((folder / "model/training.json").read_text())["report"]
        parameters = f"{report['parameters']:,}"
        seconds = run["resources"]["train"]["cpu_seconds"]
        value, spread = correlation(folder)
        print(
            f"| {folder.name} | {parameters} | {len(report['history'])} | {seconds:.0f} "
            f"| {interval(metrics['roc_auc'], 4)} | {interval(metrics['accuracy'], 4)} "
            f"| {interval(metrics['background_rejection_at_0.5'], 0)} "
            f"| {interval(metrics['background_rejection_at_0.3'], 0)} | {value:.3f} +- {spread:.3f} |"
        )


main()
