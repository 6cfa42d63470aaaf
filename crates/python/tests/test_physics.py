"""Kinematics against the vector package, jets against FastJet."""

import pickle

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
    # FastJet's spelling is as good as ours.
    same = physics.cluster_jets(px, py, pz, e, radius=0.2, min_pt=5.0, algorithm="antikt")
    assert ak.all(same.px == ours.px)
    with pytest.raises(ValueError, match="algorithm `best`, only anti-kt, cambridge-aachen"):
        physics.cluster_jets(px, py, pz, e, algorithm="best")
    with pytest.raises(fiducial.Error, match="R = 0"):
        physics.cluster_jets(px, py, pz, e, radius=0.0)


def test_exclusive_jets_and_history_are_fastjets() -> None:
    fastjet, ak = pytest.importorskip("fastjet"), pytest.importorskip("awkward")
    rows = ak.values_astype(fiducial.open(JETS).read("part_p?", stop=50).to_awkward(), np.float64)
    rows = rows[ak.num(rows.part_px) >= 3]
    px, py, pz = rows.part_px, rows.part_py, rows.part_pz
    e = np.sqrt(px**2 + py**2 + pz**2)
    ours = physics.cluster_jets(px, py, pz, e, radius=0.8, algorithm="kt", jets=3)
    distances = physics.merging_distance(px, py, pz, e, 2, radius=0.8)
    assert ak.num(ours).to_list() == [3] * len(rows)
    definition = fastjet.JetDefinition(fastjet.kt_algorithm, 0.8)
    for i in range(len(rows)):
        particles = [fastjet.PseudoJet(*four) for four in zip(px[i], py[i], pz[i], e[i])]
        sequence = fastjet.ClusterSequence(particles, definition)
        expected = sorted(jet.px() for jet in sequence.exclusive_jets(3))
        assert np.allclose(sorted(ours.px[i]), expected, rtol=1e-9, atol=1e-9)
        assert distances[i] == pytest.approx(sequence.exclusive_dmerge_max(2), rel=1e-9)
    steps = physics.cluster_history(px, py, pz, e, radius=0.8)
    assert ak.all(ak.num(steps) == ak.num(px))
    inclusive = physics.cluster_jets(px, py, pz, e, radius=0.8)
    assert ak.all(ak.sum(steps.second < 0, axis=1) == ak.num(inclusive))


def test_substructure_of_a_jet_with_two_prongs() -> None:
    ak = pytest.importorskip("awkward")
    pt, eta = ak.Array([[60.0, 50.0, 1.0], [], [80.0]]), ak.Array([[0.0, 0.5, 0.25], [], [0.1]])
    p4 = physics.from_pt_eta_phi_m(pt, eta, 0.0, 0.0)
    groomed = physics.soft_drop(*p4, z_cut=0.1)
    assert groomed.constituents.to_list()[0] == [0, 1, 2]
    assert groomed.delta_r[0] == pytest.approx(0.5, abs=0.01)
    tau = [physics.n_subjettiness(*p4, n) for n in (1, 2)]
    assert 0 < tau[1][0] < 0.05 * tau[0][0]
    assert physics.trim(*p4, radius=0.1).constituents.to_list()[0] == [0, 1]
    plane = physics.lund_plane(*p4)
    assert len(plane[0]) == 2 and len(plane[2]) == 0
    two = physics.energy_correlation(*p4, 2)
    z, y = np.array([60, 50, 1]) / 111, np.array([0, 0.5, 0.25])
    assert two[0] == pytest.approx(sum(z[i] * z[j] * abs(y[i] - y[j]) for i in range(3) for j in range(i)))
    polynomial = physics.energy_flow_polynomial(*p4, [(0, 1)], beta=1.0)
    assert len(polynomial) == 3


def test_energy_movers_distances() -> None:
    rng = np.random.default_rng(1)
    ak = pytest.importorskip("awkward")
    counts = [4, 7, 1, 5]
    flows = tuple(
        ak.unflatten(rng.uniform(low, high, sum(counts)), counts) for low, high in [(1, 9), (-0.4, 0.4), (-0.4, 0.4)]
    )
    pairs = physics.emd_pairwise(flows)
    assert np.allclose(pairs, physics.emd_between(flows, flows), atol=1e-9)
    assert np.allclose(pairs, pairs.T) and np.allclose(np.diag(pairs), 0.0)
    one = tuple(column[0] for column in flows)
    assert physics.emd(one, tuple(column[1] for column in flows)) == pytest.approx(pairs[0, 1])
    # What one particle has too little costs its weight, however far.
    assert physics.emd(([1.0], [0.0], [0.0]), ([3.0], [0.3], [0.0]), radius=0.6) == pytest.approx(2.5)


def test_decays_and_particles() -> None:
    moving = physics.boost(0.0, 0.0, 0.0, 91.2, 0.1, 0.2, 0.3)
    assert physics.mass(*moving) == pytest.approx(91.2)
    lepton, neutrino = physics.from_pt_eta_phi_m(40.0, 0.3, 0.0, 0.0), physics.from_pt_eta_phi_m(40.0, 0.0, np.pi, 0.0)
    assert physics.transverse_mass(lepton, neutrino) == pytest.approx(80.0)
    assert physics.pdg_mass([23, 25]) == pytest.approx([91.188, 125.2], rel=2e-3)
    assert np.isnan(physics.pdg_mass(0))
    assert physics.pdg_is([12, 11], "neutrino").tolist() == [True, False]
    # No fraction, infinity or number beyond the scheme is anybody's.
    assert np.isnan(physics.pdg_mass([13.5, np.nan, np.inf, 1e12, -1e300])).all()
    with pytest.raises(ValueError, match="GeV cannot be given in mm"):
        physics.unit_factor("GeV", "mm")
    with pytest.raises(ValueError, match="kind"):
        physics.pdg_is(11, "kind")
    copy = pickle.loads(pickle.dumps(physics.Particle("mu-")))
    assert (copy.id, copy.mass) == (13, physics.Particle(13).mass)


def test_identifiers_are_those_of_the_package_particle() -> None:
    particle = pytest.importorskip("particle")
    known = [one for one in particle.Particle.all() if abs(one.pdgid) < 1_000_000_000]
    ids = np.array([int(one.pdgid) for one in known])
    for kind in ("quark", "lepton", "meson", "baryon", "hadron", "diquark"):
        expected = [getattr(one.pdgid, f"is_{kind}") for one in known]
        assert physics.pdg_is(ids, kind).tolist() == expected, kind
    hadrons = [one for one in known if one.pdgid.is_hadron]
    for flavour, name in enumerate(("down", "up", "strange", "charm", "bottom", "top"), 1):
        expected = [getattr(one.pdgid, f"has_{name}") for one in hadrons]
        assert physics.pdg_has_quark([int(one.pdgid) for one in hadrons], flavour).tolist() == expected, name
    for ours, name, scale in [
        (physics.pdg_mass(ids), "mass", 1e-3),
        (physics.pdg_width(ids), "width", 1e-3),
        (physics.pdg_lifetime(ids), "lifetime", 1.0),
        (physics.pdg_charge(ids), "charge", 1.0),
    ]:
        expected = np.array([getattr(one, name) for one in known], dtype=float) * scale
        assert np.allclose(ours, expected, rtol=1e-8, atol=0.0, equal_nan=True), name


def test_bounds_of_the_energy_movers_distance() -> None:
    # One share of energy at a time, by hand: 1 goes 0.3 to the reference and on, of R = 0.6.
    a, b = ([1.0, 1.0], [0.0, 0.4], [0.0, 0.0]), ([2.0], [0.3], [0.0])
    exact = physics.emd(a, b, radius=0.6, normalise=True)
    assert exact == pytest.approx(0.5 * (0.3 + 0.1) / 0.6)
    assert physics.emd_linearised_bound(a, b, a, radius=0.6) == pytest.approx(exact)
    assert physics.emd_linearised_bound(a, b, b, radius=0.6) == pytest.approx(exact)
    # By way of two particles of which each becomes half of either: half of a's first goes to b as does half of its second.
    way = ([3.0, 3.0], [-1.0, 1.0], [0.0, 0.0])
    assert physics.emd_linearised_bound(a, b, way, radius=0.6) == pytest.approx(exact)
    assert physics.emd_linearised_bound(a, a, ([1.0], [0.0], [0.0]), radius=0.6) == pytest.approx(0.5 * 0.4 / 0.6)
    rng = np.random.default_rng(3)
    for _ in range(20):
        flows = [(rng.uniform(1, 9, n), rng.uniform(-0.5, 0.5, n), rng.uniform(1, 2, n)) for n in (6, 9, 4)]
        exact = physics.emd(*flows[:2], normalise=True)
        assert physics.emd_sliced_bound(*flows[:2]) <= exact + 1e-12 <= physics.emd_linearised_bound(*flows) + 2e-12
