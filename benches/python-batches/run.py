"""Batches for torch: the package beside torch's DataLoader over the same Parquet shards.

    python run.py DATASET [--rounds 5]

DATASET is what `fiducial prepare benchmarks/jet-tagging/top/view.toml ... -o DATASET` wrote. Each measurement is a process of its own;
sides alternate. The environment needs fiducial, torch, awkward and pyarrow.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

BATCH = 512
THREADS = 2
SIDES = ["fiducial", "torch-vectorised", "torch-plain"]


def ours(directory):
    import fiducial

    fiducial.set_threads(THREADS)
    batches = fiducial.Dataset(directory).batches(split="train", batch_size=BATCH, seed=1)
    for epoch in range(2):
        batches.epoch = epoch
        yield (batch.torch() for batch in batches)


def tensors(directory):
    """The view of the task with awkward and NumPy, as an analysis would write it: same groups, same numbers."""
    import awkward as ak
    import numpy as np
    import torch

    columns = ["part_px", "part_py", "part_pz", "jet_pt", "jet_eta", "jet_phi", "jet_energy", "label"]
    jets = ak.from_parquet(os.path.join(directory, "train"), columns=columns)
    px, py, pz = (ak.values_astype(jets[name], np.float64) for name in columns[:3])
    pt = np.hypot(px, py)
    energy = np.hypot(pt, pz)
    deta = (np.arcsinh(pz / pt) - jets.jet_eta) * ak.where(jets.jet_eta < 0, -1, 1)
    dphi = (np.arctan2(py, px) - jets.jet_phi + np.pi) % (2 * np.pi) - np.pi
    logs = [np.log(pt), np.log(energy), np.log(pt / jets.jet_pt), np.log(energy / jets.jet_energy), np.hypot(deta, dphi)]
    features = [deta * 4, dphi * 4]
    for values in logs:
        flat = ak.to_numpy(ak.flatten(values))
        low, middle, high = np.percentile(flat, [16, 50, 84])
        features.append((values - middle) / max(high - middle, middle - low))
    features = [ak.where(abs(values) > 5, np.sign(values) * 5, values) for values in features]

    def padded(groups):
        dense = [ak.to_numpy(ak.fill_none(ak.pad_none(values, 64, clip=True), 0.0)) for values in groups]
        return torch.from_numpy(np.stack(dense, axis=1).astype(np.float32))

    labels = torch.from_numpy(ak.to_numpy(jets.label).astype(np.int64))
    return [padded([deta, dphi]), padded(features), padded([px, py, pz, energy]), padded([ak.ones_like(px)]), labels]


def torch_plain(directory):
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    torch.set_num_threads(THREADS)
    loader = DataLoader(TensorDataset(*tensors(directory)), batch_size=BATCH, shuffle=True)
    for _ in range(2):
        yield loader


def torch_vectorised(directory):
    """Whole batches by index: what a careful user writes."""
    import torch
    from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

    torch.set_num_threads(THREADS)
    data = TensorDataset(*tensors(directory))
    loader = DataLoader(data, batch_size=None, sampler=BatchSampler(RandomSampler(data), BATCH, drop_last=False))
    for _ in range(2):
        yield loader


def measure(side, directory):
    """Rows and seconds of the first epoch, with everything that it needs to begin, and of the second."""
    import torch  # its import is nobody's work

    epochs = {"fiducial": ours, "torch-plain": torch_plain, "torch-vectorised": torch_vectorised}[side](directory)
    seconds, begin, rows, total = [], time.perf_counter(), 0, 0.0
    for batches in epochs:
        rows = 0
        for batch in batches:
            values = list(batch.values()) if isinstance(batch, dict) else batch
            rows += len(values[0])
            # Every byte is looked at, as a training step would.
            total += sum(float(value.sum()) for value in values)
        seconds.append(time.perf_counter() - begin)
        begin = time.perf_counter()
    print(json.dumps({"rows": rows, "first": seconds[0], "second": seconds[1], "sum": total}))


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("dataset")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--side", choices=SIDES)
    arguments = arguments.parse_args()
    if arguments.side:
        measure(arguments.side, arguments.dataset)
        return
    found = {side: [] for side in SIDES}
    for _ in range(arguments.rounds):
        for side in SIDES:
            command = [sys.executable, __file__, arguments.dataset, "--side", side]
            found[side].append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    assert len({run["rows"] for runs in found.values() for run in runs}) == 1
    for epoch in ("first", "second"):
        for side in SIDES:
            rates = [run["rows"] / run[epoch] for run in found[side]]
            ratios = [theirs[epoch] / run[epoch] for run, theirs in zip(found["fiducial"], found[side])]
            print(
                f"{epoch} epoch, {side}: {statistics.median(rates):,.0f} jets/s "
                f"({min(rates):,.0f} to {max(rates):,.0f}), fiducial is {statistics.median(ratios):.2f} times as fast "
                f"({min(ratios):.2f} to {max(ratios):.2f})"
            )


if __name__ == "__main__":
    main()
