"""The published JetClass weights of ParticleNet: probabilities of weaver-core and ours on the same jets.

usage: python benches/weaver-import/compare.py WEIGHTS_DIRECTORY JETS.npz   (with torch, weaver-core, numpy and pyarrow)

For kin, kinpid and full: makes the inputs, runs weaver's network on the CPU, and then `fiducial prepare`, `model import`,
`predict` and, where ORT_DYLIB_PATH is set, `model export`, from `target/release/fiducial`.

JETS.npz has four-vectors and positions, no particle identification and no displacements: those that kinpid and full read are
invented here (drawn with a seed), the same for both.
"""

import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import pyarrow.parquet as parquet
import torch
from weaver.nn.model.ParticleNet import ParticleNet

ROOT = pathlib.Path(__file__).parents[2]
FIDUCIAL = ROOT / "target/release/fiducial"
CLASSES = [f"class_{index}" for index in range(10)]


def features_of(jets, kind):
    """As JetClass_kin/kinpid/full.yaml of the Particle Transformer repository standardise them."""
    px, py, pz, energy = jets["pf_vectors"].transpose(1, 0, 2).astype(np.float64)
    mask = jets["pf_mask"][:, 0] > 0
    deta, dphi = jets["pf_points"].transpose(1, 0, 2)
    total = jets["pf_vectors"].astype(np.float64).sum(-1)
    jet_pt, jet_energy = np.hypot(total[:, 0], total[:, 1])[:, None], total[:, 3:4]
    pt = np.where(mask, np.hypot(px, py), 1.0)
    energy = np.where(mask, energy, 1.0)

    def scaled(x, center, scale):
        return np.clip((x - center) * scale, -5, 5)

    kinematics = [
        scaled(np.log(pt), 1.7, 0.7),
        scaled(np.log(energy), 2.0, 0.7),
        scaled(np.log(pt / jet_pt), -4.7, 0.7),
        scaled(np.log(energy / jet_energy), -4.7, 0.7),
        scaled(np.hypot(deta, dphi), 0.2, 4.0),
    ]
    random = np.random.default_rng(7)
    identity = random.integers(0, 5, mask.shape)
    charge = np.where(np.isin(identity, [0, 3, 4]), random.choice([-1.0, 1.0], mask.shape), 0.0)
    invented = [charge, *(identity == which for which in range(5))]
    displaced = [
        np.tanh(random.normal(0, 1, mask.shape)),
        np.clip(random.exponential(0.2, mask.shape), 0, 1),
        np.tanh(random.normal(0, 2, mask.shape)),
        np.clip(random.exponential(0.2, mask.shape), 0, 1),
    ]
    more = {"kin": [], "kinpid": invented, "full": invented + displaced}[kind]
    features = np.stack([*kinematics, *more, deta, dphi], 1).astype(np.float32)
    return np.where(mask[:, None], features, 0).astype(np.float32)


def weavers(weights, jets, features):
    state = {name.removeprefix("mod."): tensor for name, tensor in weights.items()}
    conv = [(16, (64,) * 3), (16, (128,) * 3), (16, (256,) * 3)]
    network = ParticleNet(features.shape[1], 10, conv_params=conv, fc_params=[(256, 0.1)], use_fusion=False)
    network.load_state_dict(state)
    network.eval()
    with torch.no_grad():
        points, mask = (torch.from_numpy(jets[name]) for name in ("pf_points", "pf_mask"))
        return torch.softmax(network(points, torch.from_numpy(features), mask).double(), 1).numpy()


def view(count):
    names = [f"f{index}" for index in range(count)]
    arrays = [f'raw_{name} = "features[:, {index}, :]"' for index, name in enumerate(names)]
    cut = [f'{name} = "raw_{name}[raw_mask > 0]"' for name in [*names, "deta", "dphi", "mask"]]
    classes = ", ".join(f'{name} = "label_{index} == 1"' for index, name in enumerate(CLASSES))
    labels = [f'label_{index} = "labels[:, {index}]"' for index in range(10)]
    group = "length = 128\nvariables = "
    return "\n".join([
        'format = "fiducial-view/1"',
        "[splits]\nfractions = { test = 1.0 }\nseed = 1",
        "[arrays]", *arrays, *labels,
        'raw_deta = "pf_points[:, 0, :]"', 'raw_dphi = "pf_points[:, 1, :]"', 'raw_mask = "pf_mask[:, 0, :]"',
        "[new_variables]", *cut,
        f'[inputs.points]\n{group}["deta", "dphi"]',
        f"[inputs.features]\n{group}{names}".replace("'", '"'),
        f'[inputs.mask]\n{group}["mask"]',
        f"[labels]\nclasses = {{ {classes} }}\n",
    ])


def run(*words):
    subprocess.run([FIDUCIAL, *map(str, words)], check=True, stdout=subprocess.DEVNULL)


def main(weights_directory, jets_path):
    jets = dict(np.load(jets_path))
    print("| inputs | jets | largest difference | jets beyond 1e-5 | largest but those |\n|---|---|---|---|---|")
    for kind in ["kin", "kinpid", "full"]:
        weights_path = pathlib.Path(weights_directory) / f"ParticleNet_{kind}.pt"
        features = features_of(jets, kind)
        expected = weavers(torch.load(weights_path, map_location="cpu", weights_only=True), jets, features)
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            np.savez(folder / "jets.npz", features=features, **jets)
            (folder / "view.toml").write_text(view(features.shape[1]))
            run("prepare", folder / "view.toml", folder / "jets.npz", "-o", folder / "dataset")
            run("model", "import", weights_path, "--view", folder / "view.toml", "--neighbours", 16, "-o", folder / "model")
            run("predict", folder / "model", folder / "dataset", "-o", folder / "scores.parquet")
            table = parquet.read_table(folder / "scores.parquet").sort_by("row_id")
            found = np.stack([table[f"score_{name}"].to_numpy() for name in CLASSES], 1)
            difference = np.abs(found - expected).max(1)
            far = difference > 1e-5
            rest = difference[~far].max(initial=0)
            print(f"| {kind} | {len(difference)} | {difference.max():.1e} | {far.sum()} | {rest:.1e} |")
            subprocess.run([FIDUCIAL, "model", "export", folder / "model", "--dataset", folder / "dataset"])


main(*sys.argv[1:])
