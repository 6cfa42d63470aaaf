"""Kinematics against the vector package, jets against FastJet."""

import numpy as np
import pytest

import fiducial
from conftest import JETS

physics = fiducial.physics


def test_broadcasting_and_forms() -> None:
    assert physics.pt(3.0, 4.0) == 5.0
    assert physics.delta_phi([3.0, 0.0], -3.0) == pytest.approx([6 - 2 * np.pi, 3.0])
    assert physics.mass(np.zeros((2, 3)), 0.0, 3.0, 5.0).tolist() == [[4.0] * 3] * 2
    assert np.isnan(physics.rapidity(2.0, 1.0))
    ak = pytest.importorskip("awkward")
    px = ak.Array([[3.0, 6.0], [], [5.0]])
    assert physics.pt(px, ak.Array([4.0, 1.0, 12.0])).to_list() == [[5.0, pytest.approx(52**0.5)], [], [13.0]]


def test_values_are_vectors() -> None:
    vector, ak = pytest.importorskip("vector"), pytest.importorskip("awkward")
    rows = ak.values_astype(fiducial.open(JETS).read("part_p?", stop=2000).to_awkward(), np.float64)
    px, py, pz = rows.part_px, rows.part_py, rows.part_pz
    e = np.sqrt(px**2 + py**2 + pz**2 + 0.13957**2)
    theirs = vector.zip({"px": px, "py": py, "pz": pz, "E": e})
    for ours, expected in [
        (physics.pt(px, py), theirs.pt),
        (physics.eta(px, py, pz), theirs.eta),
        (physics.phi(px, py), theirs.phi),
        (physics.rapidity(pz, e), theirs.rapidity),
        (physics.p(px, py, pz), theirs.p),
        (physics.delta_r(theirs.eta, theirs.phi, theirs.eta[:, 0], theirs.phi[:, 0]), theirs.deltaR(theirs[:, 0])),
    ]:
        assert ak.all(ak.num(ours) == ak.num(expected))
        assert np.allclose(ak.flatten(ours), ak.flatten(expected), rtol=1e-9, atol=1e-12)
    assert np.allclose(ak.flatten(physics.mass(px, py, pz, e)), 0.13957, atol=1e-3)


def test_jets_are_fastjets() -> None:
    fastjet, ak = pytest.importorskip("fastjet"), pytest.importorskip("awkward")
    vector = pytest.importorskip("vector")
    vector.register_awkward()
    rows = ak.values_astype(fiducial.open(JETS).read("part_p?", stop=300).to_awkward(), np.float64)
    px, py, pz = rows.part_px, rows.part_py, rows.part_pz
    e = np.sqrt(px**2 + py**2 + pz**2)
    particles = ak.zip({"px": px, "py": py, "pz": pz, "E": e}, with_name="Momentum4D")
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, 0.2)
    theirs = fastjet.ClusterSequence(particles, definition).inclusive_jets(min_pt=5.0)
    theirs = theirs[ak.argsort(np.hypot(theirs.px, theirs.py), ascending=False)]
    ours = physics.cluster_jets(px, py, pz, e, radius=0.2, min_pt=5.0)
    assert ak.all(ak.num(ours) == ak.num(theirs))
    for column in ("px", "py", "pz"):
        assert np.allclose(ak.flatten(ours[column]), ak.flatten(theirs[column]), rtol=1e-9, atol=1e-9)
    summed = ak.sum(px[ak.flatten(ours.constituents[:, :1], axis=2)], axis=1)
    assert np.allclose(summed, ours.px[:, 0], rtol=1e-9)
    with pytest.raises(ValueError, match="algorithm `antikt`"):
        physics.cluster_jets(px, py, pz, e, algorithm="antikt")
    with pytest.raises(fiducial.Error, match="R = 0"):
        physics.cluster_jets(px, py, pz, e, radius=0.0)
