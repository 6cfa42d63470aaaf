"""Small networks of weaver-core with their outputs, for `tests/import.rs`.

usage: python make_fixtures.py   (with torch, weaver-core and safetensors; weaver-core 0.5.3 and torch 2.15 made those here)

The weights and the jets are random numbers; running moments too, so that no batch norm is the identity.
"""

import pathlib

import torch
from safetensors.torch import save_file
from torch import nn
from weaver.nn.model.ParticleNet import ParticleNet
from weaver.nn.model.ParticleTransformer import ParticleTransformer

HERE = pathlib.Path(__file__).parent
JETS, LENGTH, FEATURES, CLASSES = 7, 12, 3, 3


class Wrapped(nn.Module):
    """As the networks of the Particle Transformer repository wrap weaver's."""

    def __init__(self, network):
        super().__init__()
        self.mod = network


class ParticleFlowNetwork(nn.Module):
    """The layers and names of the Particle Transformer repository's `example_PFN.py`."""

    def __init__(self, phi, hidden):
        super().__init__()
        self.input_bn = nn.BatchNorm1d(FEATURES)
        widths = [FEATURES, *phi]
        self.phi = nn.Sequential(
            *(
                nn.Sequential(nn.Conv1d(a, b, kernel_size=1), nn.BatchNorm1d(b), nn.ReLU())
                for a, b in zip(widths, widths[1:])
            )
        )
        widths = [phi[-1], *hidden]
        layers = [nn.Sequential(nn.Linear(a, b), nn.ReLU()) for a, b in zip(widths, widths[1:])]
        self.fc = nn.Sequential(*layers, nn.Linear(widths[-1], CLASSES))

    def forward(self, features, mask):
        x = self.phi(self.input_bn(features)) * mask.bool().float()
        return self.fc(x.sum(-1))


def randomise(network):
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.uniform_(-0.3, 0.3)
            module.running_var.uniform_(0.5, 2.0)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.rand_like(parameter) * 0.4 - 0.2)
    return network.eval()


def main():
    torch.manual_seed(5)
    # Jets of one constituent, of fewer than the neighbours, of one more, of more, and a full one.
    sizes = torch.tensor([9, 1, 3, 4, 5, 12, 7])
    mask = (torch.arange(LENGTH)[None, None] < sizes[:, None, None]).float()
    points = torch.rand(JETS, 2, LENGTH) - 0.5
    features = torch.randn(JETS, FEATURES, LENGTH) * mask
    momenta = torch.randn(JETS, 3, LENGTH) * 10
    vectors = torch.cat([momenta, (momenta.square().sum(1, keepdim=True) + 1).sqrt()], 1) * mask

    particle_net = dict(input_dims=FEATURES, num_classes=CLASSES, fc_params=[(10, 0.1)])
    networks = {
        "particle_net": (
            Wrapped(ParticleNet(conv_params=[(4, (8, 9)), (4, (12, 9))], use_fusion=False, **particle_net)),
            lambda n: n.mod(points, features, mask),
        ),
        "particle_net_fusion": (
            ParticleNet(conv_params=[(4, (8, FEATURES)), (4, (5,))], use_fusion=True, **particle_net),
            lambda n: n(points, features, mask),
        ),
        "particle_transformer": (
            Wrapped(
                ParticleTransformer(
                    FEATURES, CLASSES, embed_dims=(10, 12), pair_embed_dims=(6,), num_heads=3, num_layers=2, num_cls_layers=1
                )
            ),
            lambda n: n.mod(features, v=vectors, mask=mask),
        ),
        "particle_flow_network": (ParticleFlowNetwork([10, 12], [8]), lambda n: n(features, mask)),
    }
    tensors = {"points": points, "features": features, "vectors": vectors, "mask": mask}
    for name, (network, run) in networks.items():
        randomise(network)
        with torch.no_grad():
            tensors[name] = torch.softmax(run(network).double(), 1).float()
        torch.save(network.state_dict(), HERE / f"{name}.pt")
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, HERE / "jets.safetensors")


main()
