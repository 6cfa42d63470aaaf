"""Quark and gluon jets with identified particles, as Parquet: python make_quark_gluon.py OUT [JETS.npz]

Writes OUT/pythia_0.parquet and OUT/herwig_0.parquet. Without JETS.npz all numbers are drawn, with a seed. With it momenta, positions
and labels are those of real jets (`pf_vectors`, `pf_points`, `pf_mask`, `labels`); identity, charge and weight are drawn still.
It needs awkward and pyarrow.
"""

import pathlib
import sys

import awkward
import numpy

random = numpy.random.default_rng(23)
# Kinds of particles, how often they come, and the charge of the one with the positive number.
KINDS = numpy.array([211, 321, 2212, 130, 2112, 22, 11, 13])
SHARES = numpy.array([0.42, 0.09, 0.04, 0.05, 0.05, 0.31, 0.02, 0.02])
CHARGES = numpy.array([1, 1, 1, 0, 0, 0, -1, -1])


def drawn_jets(count):
    """Momenta (count, 4, 110), positions, masks and labels; not physical beyond their magnitudes."""
    labels = random.integers(0, 2, count)
    # Some have more than the 128 places of the configuration.
    numbers = numpy.clip(random.poisson(numpy.where(labels == 1, 33, 52)), 1, 140)
    numbers[:3] = [1, 140, 2]
    mask = numpy.arange(140) < numbers[:, None]
    fractions = numpy.sort(random.exponential(size=mask.shape) ** 2 * mask, axis=1)[:, ::-1]
    pt = fractions / fractions.sum(1, keepdims=True) * random.uniform(495, 550, count)[:, None]
    spread = numpy.where(labels == 1, 0.1, 0.15)[:, None]
    deta, dphi = random.normal(scale=spread, size=(2, *mask.shape))
    eta = deta + random.uniform(-1.7, 1.7, count)[:, None]
    phi = dphi + random.uniform(-numpy.pi, numpy.pi, count)[:, None]
    momenta = numpy.stack([pt * numpy.cos(phi), pt * numpy.sin(phi), pt * numpy.sinh(eta), pt * numpy.cosh(eta)], 1)
    return momenta, numpy.stack([deta, dphi], 1), mask, labels


def real_jets(path):
    jets = numpy.load(path)
    return jets["pf_vectors"].astype("f8"), jets["pf_points"], jets["pf_mask"][:, 0] > 0, jets["labels"]


def table(momenta, points, mask, labels):
    count, numbers = len(labels), mask.sum(1)

    def ragged(array, width="f4"):
        return awkward.unflatten(array[mask].astype(width), numbers)

    total = (momenta * mask[:, None]).sum(2)
    pt = numpy.hypot(total[:, 0], total[:, 1])
    kind = random.choice(len(KINDS), size=mask.shape, p=SHARES)
    sign = random.choice([-1, 1], size=mask.shape)
    # Photons and K-long are their own antiparticles.
    identity = KINDS[kind] * numpy.where(numpy.isin(KINDS[kind], [22, 130]), 1, sign)
    columns = {f"part_{name}": ragged(momenta[:, i]) for i, name in enumerate(["px", "py", "pz", "energy"])}
    columns |= {"part_deta": ragged(points[:, 0]), "part_dphi": ragged(points[:, 1])}
    columns |= {"part_pid": ragged(identity, "i4"), "part_charge": ragged(CHARGES[kind] * sign)}
    columns |= {
        "jet_pt": pt.astype("f4"),
        "jet_eta": numpy.arcsinh(total[:, 2] / pt).astype("f4"),
        "jet_energy": total[:, 3].astype("f4"),
        "jet_nparticles": numbers.astype("i4"),
        "jet_weight": random.uniform(0.5, 1.5, count).astype("f4"),
        "label": labels.astype("i4"),
    }
    return awkward.Array(columns)


out = pathlib.Path(sys.argv[1])
jets = table(*(real_jets(sys.argv[2]) if len(sys.argv) > 2 else drawn_jets(700)))
half = len(jets) // 2
awkward.to_parquet(jets[:half], out / "pythia_0.parquet", row_group_size=150)
awkward.to_parquet(jets[half:], out / "herwig_0.parquet", row_group_size=150)
