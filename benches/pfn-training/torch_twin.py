"""The same networks in PyTorch, from the same weights, for `run.py`.

Usage: torch_twin.py MODEL.toml JETS LENGTH STEPS DIR; DIR holds what the Rust side wrote there.
Prints one line of JSON: jets per second, the losses of the first steps, the largest difference of the logits.
"""

import json
import struct
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import torch
from torch import nn

torch.set_num_threads(2)


def read_safetensors(path):
    raw = Path(path).read_bytes()
    (size,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + size])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        start, end = (8 + size + offset for offset in entry["data_offsets"])
        array = np.frombuffer(raw[start:end], dtype="<f4").reshape(entry["shape"])
        tensors[name] = torch.from_numpy(array.copy())
    return tensors


def linear(weights, name):
    weight = weights[f"{name}.weight"]
    bias = weights.get(f"{name}.bias")
    layer = nn.Linear(*weight.shape, bias=bias is not None)
    with torch.no_grad():
        layer.weight.copy_(weight.T)
        if bias is not None:
            layer.bias.copy_(bias)
    return layer


def head(weights, config):
    layers = []
    for index in range(len(config["head"])):
        layers += [linear(weights, f"head.hidden.{index}"), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, linear(weights, "head.output"))


class ParticleFlowNetwork(nn.Module):
    def __init__(self, weights, config):
        super().__init__()
        layers = []
        for index in range(len(config["phi"])):
            layers += [linear(weights, f"phi.{index}"), nn.ReLU(inplace=True)]
        self.phi = nn.Sequential(*layers)
        self.head = head(weights, config)

    def forward(self, features, points, mask):
        jets, _, length = features.shape
        x = self.phi(features.transpose(1, 2).reshape(jets * length, -1))
        x = x.reshape(jets, length, -1) * mask.transpose(1, 2)
        return self.head(x.sum(1))


class EdgeConv(nn.Module):
    """Edge convolution as weaver writes it: 1 x 1 convolutions over (jets, channels, constituents, neighbours)."""

    def __init__(self, weights, name, widths, inputs, k):
        super().__init__()
        self.k = k
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        source = 2 * inputs
        for index, width in enumerate(widths):
            convolution = nn.Conv2d(source, width, 1, bias=False)
            weight = weights[f"{name}.first" if index == 0 else f"{name}.layers.{index - 1}.weight"]
            with torch.no_grad():
                convolution.weight.copy_(weight.T[:, :, None, None])
            self.convolutions.append(convolution)
            self.norms.append(nn.BatchNorm2d(width))
            source = width
        self.shortcut = None
        if f"{name}.shortcut.weight" in weights:
            self.shortcut = nn.Conv1d(inputs, widths[-1], 1, bias=False)
            with torch.no_grad():
                self.shortcut.weight.copy_(weights[f"{name}.shortcut.weight"].T[:, :, None])
            self.shortcut_norm = nn.BatchNorm1d(widths[-1])

    def forward(self, points, x):
        jets, channels, length = x.shape
        with torch.no_grad():
            inner = torch.matmul(points.transpose(1, 2), points)
            square = (points**2).sum(1, keepdim=True)
            distance = square + square.transpose(1, 2) - 2 * inner
            index = distance.topk(self.k + 1, dim=-1, largest=False)[1][:, :, 1:]
        flat = (index + torch.arange(jets)[:, None, None] * length).reshape(-1)
        neighbours = x.transpose(0, 1).reshape(channels, -1)[:, flat]
        neighbours = neighbours.reshape(channels, jets, length, self.k).transpose(0, 1)
        own = x[:, :, :, None].expand(-1, -1, -1, self.k)
        edges = torch.cat((own, neighbours - own), 1)
        for convolution, norm in zip(self.convolutions, self.norms):
            edges = torch.relu(norm(convolution(edges)))
        edges = edges.mean(-1)
        if self.shortcut is not None:
            x = self.shortcut_norm(self.shortcut(x))
        return torch.relu(edges + x)


class ParticleNet(nn.Module):
    """All constituents are real in the benchmark, so that no mask is needed."""

    def __init__(self, weights, config):
        super().__init__()
        self.norm = nn.BatchNorm1d(config["features"])
        self.convolutions = nn.ModuleList()
        inputs = config["features"]
        for index, widths in enumerate(config["convolutions"]):
            name = f"convolutions.{index}"
            self.convolutions.append(EdgeConv(weights, name, widths, inputs, config["neighbours"]))
            inputs = widths[-1]
        self.head = head(weights, config)

    def forward(self, features, points, mask):
        x = self.norm(features)
        for index, convolution in enumerate(self.convolutions):
            x = convolution(points if index == 0 else x, x)
        return self.head(x.mean(-1))


def main():
    model, jets, length, steps, folder = sys.argv[1:6]
    jets, length, steps, folder = int(jets), int(length), int(steps), Path(folder)
    config = tomllib.loads(Path(model).read_text())
    weights = read_safetensors(folder / "weights.safetensors")

    def group(name, variables):
        array = np.fromfile(folder / f"{name}.f32", dtype="<f4").reshape(jets, variables, length)
        return torch.from_numpy(array)

    inputs = group("features", config["features"]), group("points", 2), group("mask", 1)
    labels = torch.arange(jets) % config["classes"]
    kinds = {"particle-flow-network": ParticleFlowNetwork, "particle-net": ParticleNet}
    network = kinds[config["kind"]](weights, config)

    network.eval()
    with torch.no_grad():
        expected = np.fromfile(folder / "logits.f32", dtype="<f4").reshape(jets, -1)
        difference = float(np.abs(network(*inputs).numpy() - expected).max())

    network.train()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    losses, times = [], []
    for _ in range(steps + 3):
        start = time.perf_counter()
        loss = nn.functional.cross_entropy(network(*inputs), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
        times.append(time.perf_counter() - start)
    median = float(np.median(times[3:]))
    result = {
        "jets_per_second": round(jets / median, 1),
        "milliseconds": round(1e3 * median, 3),
        "losses": losses[:5],
        "logits_differ_by": difference,
        "torch": torch.__version__,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
