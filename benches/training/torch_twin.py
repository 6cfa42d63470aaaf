"""The same networks in PyTorch, from the same weights, for `run.py`.

Usage: torch_twin.py MODEL.toml JETS LENGTH STEPS DIR; DIR holds what the Rust side wrote there, and OMP_NUM_THREADS says
how many threads. Prints one line of JSON: jets per second, milliseconds and milliseconds of processor time a step, the
losses of the first steps, the largest difference of the logits.
"""

import json
import os
import struct
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import torch
from torch import nn

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))


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

    def forward(self, features, points, mask, vectors):
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

    def forward(self, features, points, mask, vectors):
        x = self.norm(features)
        for index, convolution in enumerate(self.convolutions):
            x = convolution(points if index == 0 else x, x)
        return self.head(x.mean(-1))


class Attention(nn.Module):
    """Attention with one product for queries, keys and values, as PyTorch's own layer has it."""

    def __init__(self, weights, name, heads):
        super().__init__()
        self.heads = heads
        names = [f"{name}.{part}" for part in ("query", "key", "value")]
        packed = {
            f"packed.{kind}": torch.cat([weights[f"{part}.{kind}"] for part in names], -1) for kind in ("weight", "bias")
        }
        self.packed = linear(packed, "packed")
        self.mix = linear(weights, f"{name}.mix")

    def forward(self, x, bias=None):
        jets, length, width = x.shape
        packed = self.packed(x).view(jets, length, 3, self.heads, width // self.heads)
        q, k, v = packed.permute(2, 0, 3, 1, 4)
        return self.mix(join(attend(q, k, v, bias)))

    def read(self, token, x):
        """Attention of one token to `x`."""
        jets, length, width = x.shape
        weight, bias = self.packed.weight, self.packed.bias
        q = nn.functional.linear(token, weight[:width], bias[:width])
        both = nn.functional.linear(x, weight[width:], bias[width:])
        q = q.view(jets, 1, self.heads, width // self.heads).transpose(1, 2)
        k, v = both.view(jets, length, 2, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        return self.mix(join(attend(q, k, v, None)))


def attend(q, k, v, bias):
    return nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)


def join(x):
    """(jets, heads, constituents, width) to (jets, constituents, channels)."""
    jets, heads, length, width = x.shape
    return x.transpose(1, 2).reshape(jets, length, heads * width)


def norm(weights, name):
    weight = weights[f"{name}.weight"]
    layer = nn.LayerNorm(weight.shape[0])
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(weights[f"{name}.bias"])
    return layer


class Block(nn.Module):
    """A block of the Particle Transformer, with its norms and gains where weaver has them."""

    def __init__(self, weights, name, heads):
        super().__init__()
        self.attention = Attention(weights, name, heads)
        for part in ("attention_norm", "after_attention_norm", "hidden_norm", "after_hidden_norm"):
            setattr(self, part, norm(weights, f"{name}.{part}"))
        self.hidden, self.output = linear(weights, f"{name}.hidden"), linear(weights, f"{name}.output")
        self.head_gain = nn.Parameter(weights[f"{name}.head_gain"])
        self.residual_gain = nn.Parameter(weights[f"{name}.residual_gain"])

    def forward(self, x, bias):
        return self.finish(x, self.attention(self.attention_norm(x), bias))

    def read(self, token, x):
        return self.finish(token, self.attention.read(token, self.attention_norm(torch.cat((token, x), 1))))

    def finish(self, residual, x):
        heads = self.head_gain.shape[0]
        x = (x.unflatten(-1, (heads, -1)) * self.head_gain[:, None]).flatten(-2)
        residual = residual + self.after_attention_norm(x)
        x = nn.functional.gelu(self.hidden(self.hidden_norm(residual)))
        return self.output(self.after_hidden_norm(x)) + residual * self.residual_gain


def pair_features(vectors, rows, columns):
    """ln kT, ln z, ln Delta R, ln m^2 of pairs of constituents, (jets, 4, pairs), as weaver has them."""
    px, py, pz, energy = vectors.unbind(1)
    pt = torch.hypot(px, py)
    rapidity = 0.5 * torch.log((1 + 2 * pz / (energy - pz).clamp(min=1e-20)).clamp(min=1e-20))
    phi = torch.atan2(py, px)
    delta = phi[:, rows] - phi[:, columns]
    delta = (delta + torch.pi) % (2 * torch.pi) - torch.pi
    distance = torch.hypot(rapidity[:, rows] - rapidity[:, columns], delta)
    least = torch.minimum(pt[:, rows], pt[:, columns])
    total = [component[:, rows] + component[:, columns] for component in (px, py, pz, energy)]
    mass = total[3] ** 2 - total[0] ** 2 - total[1] ** 2 - total[2] ** 2
    z = least / (pt[:, rows] + pt[:, columns]).clamp(min=1e-8)
    return torch.log(torch.stack((least * distance, z, distance, mass), 1).clamp(min=1e-8))


class ParticleTransformer(nn.Module):
    """All constituents are real in the benchmark, so that no mask is needed."""

    def __init__(self, weights, config):
        super().__init__()
        heads = weights["blocks.0.head_gain"].shape[0]
        self.norm = nn.BatchNorm1d(config["features"])
        embed = []
        for index in range(count(weights, "embed")):
            embed += [norm(weights, f"embed_norms.{index}"), linear(weights, f"embed.{index}"), nn.GELU()]
        self.embed = nn.Sequential(*embed)
        pair_embed = [nn.BatchNorm1d(4)]
        for index in range(count(weights, "pair_embed")):
            layer = linear(weights, f"pair_embed.{index}")
            pair_embed += [layer, nn.BatchNorm1d(layer.out_features), nn.GELU()]
        self.pair_embed = nn.Sequential(*pair_embed[:-1])
        self.blocks = nn.ModuleList(Block(weights, f"blocks.{i}", heads) for i in range(count(weights, "blocks")))
        self.class_token = nn.Parameter(weights["class_token"])
        self.class_blocks = nn.ModuleList(
            Block(weights, f"class_blocks.{i}", heads) for i in range(count(weights, "class_blocks"))
        )
        self.output_norm = norm(weights, "output_norm")
        names = [name for name in weights if name.startswith("head.hidden.") and name.endswith(".weight")]
        self.head = head(weights, {"head": names})

    def forward(self, features, points, mask, vectors):
        jets, _, length = features.shape
        x = self.embed(self.norm(features).transpose(1, 2))
        rows, columns = torch.tril_indices(length, length)
        with torch.no_grad():
            # In double precision where the logits are compared, in single where steps are timed, as weaver does it.
            pairs = pair_features(vectors, rows, columns).to(features.dtype)
        # As rows of linear layers, where weaver has convolutions of kernel 1: the same products. Which is faster was not measured.
        pairs = self.pair_embed(pairs.transpose(1, 2).reshape(-1, 4)).view(jets, rows.shape[0], -1)
        bias = pairs.new_zeros(jets, length, length, pairs.shape[-1])
        bias[:, rows, columns] = pairs
        bias[:, columns, rows] = pairs
        bias = bias.permute(0, 3, 1, 2).contiguous()
        for block in self.blocks:
            x = block(x, bias)
        token = self.class_token.expand(jets, 1, -1)
        for block in self.class_blocks:
            token = block.read(token, x)
        return self.head(self.output_norm(token.squeeze(1)))


class TransformerBlock(nn.Module):
    """A block with its norms before each half, the usual one."""

    def __init__(self, weights, name, heads):
        super().__init__()
        self.attention = Attention(weights, name, heads)
        self.attention_norm = norm(weights, f"{name}.attention_norm.Layer")
        self.hidden_norm = norm(weights, f"{name}.hidden_norm.Layer")
        self.hidden, self.output = linear(weights, f"{name}.hidden"), linear(weights, f"{name}.output")

    def forward(self, x):
        x = x + self.attention(self.attention_norm(x))
        return x + self.output(nn.functional.gelu(self.hidden(self.hidden_norm(x))))


class Transformer(nn.Module):
    """A class token in front, as ours has it. All constituents are real in the benchmark, so that no mask is needed."""

    def __init__(self, weights, config):
        super().__init__()
        self.embed = linear(weights, "embed.0")
        self.class_token = nn.Parameter(weights["class_token"])
        self.blocks = nn.ModuleList(
            TransformerBlock(weights, f"blocks.{i}", config.get("heads", 8)) for i in range(count(weights, "blocks"))
        )
        self.norm = norm(weights, "norm.Layer")
        self.head = linear(weights, "head.output")

    def forward(self, features, points, mask, vectors):
        x = self.embed(features.transpose(1, 2))
        x = torch.cat((self.class_token.expand(x.shape[0], 1, -1), x), 1)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x[:, 0]))


def count(weights, name):
    """How many layers the list `name` has."""
    return 1 + max(int(key.split(".")[1]) for key in weights if key.startswith(f"{name}."))


def main():
    model, jets, length, steps, folder = sys.argv[1:6]
    jets, length, steps, folder = int(jets), int(length), int(steps), Path(folder)
    config = tomllib.loads(Path(model).read_text())
    weights = read_safetensors(folder / "weights.safetensors")

    def group(name, variables):
        array = np.fromfile(folder / f"{name}.f32", dtype="<f4").reshape(jets, variables, length)
        return torch.from_numpy(array)

    inputs = group("features", config["features"]), group("points", 2), group("mask", 1)
    vectors = group("vectors", 4)
    labels = torch.arange(jets) % config["classes"]
    kinds = {
        "particle-flow-network": ParticleFlowNetwork,
        "particle-net": ParticleNet,
        "particle-transformer": ParticleTransformer,
        "transformer": Transformer,
    }
    network = kinds[config["kind"]](weights, config)

    network.eval()
    with torch.no_grad():
        expected = np.fromfile(folder / "logits.f32", dtype="<f4").reshape(jets, -1)
        difference = float(np.abs(network(*inputs, vectors.double()).numpy() - expected).max())

    network.train()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    losses, times = [], []
    for step in range(steps + 3):
        if step == 3:
            processor = time.process_time()
        start = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=os.environ.get("FIDUCIAL_PRECISION") == "bf16"):
            loss = nn.functional.cross_entropy(network(*inputs, vectors).float(), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
        times.append(time.perf_counter() - start)
    processor = (time.process_time() - processor) / steps
    median = float(np.median(times[3:]))
    result = {
        "jets_per_second": round(jets / median, 1),
        "milliseconds": round(1e3 * median, 3),
        "processor_milliseconds": round(1e3 * processor, 3),
        "losses": losses[:5],
        "logits_differ_by": difference,
        "torch": torch.__version__,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
