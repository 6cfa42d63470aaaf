"""Histograms against NumPy and boost-histogram."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

import fiducial
from conftest import JETS

awkward = pytest.importorskip("awkward")


@pytest.fixture(scope="module")
def columns() -> dict[str, np.ndarray]:
    table = fiducial.open(JETS).read(["jet_pt", "jet_eta", "jet_mass"])
    return {name: array.astype(float) for name, array in table.to_numpy().items()}


def test_one_axis_is_numpys(columns: dict[str, np.ndarray]) -> None:
    pt, mass = columns["jet_pt"], columns["jet_mass"]
    bins = (25, 560.0, 640.0)
    histogram = fiducial.hist(JETS, "jet_pt", bins=bins)
    # NumPy's last bin has its upper edge too.
    expected, edges = np.histogram(pt[pt < 640], bins=25, range=bins[1:])
    assert np.array_equal(histogram.values(), expected) and np.array_equal(histogram.variances(), expected)
    assert np.array_equal(histogram.edges[0], edges) and histogram.nan == 0
    flow = histogram.values(flow=True)
    assert flow[0] == np.sum(pt < 560) and flow[-1] == np.sum(pt >= 640) and flow.sum() == len(pt)
    assert histogram.cutflow == {"read": 40_000}

    wide = [500.0, 580.0, 600.0, 700.0]
    weighted = fiducial.hist([JETS], "jet_pt", edges=wide, weight="jet_mass", where=["jet_pt > 570", "jet_mass > 50"])
    kept = (pt > 570) & (mass > 50)
    assert np.allclose(weighted.values(), np.histogram(pt[kept], wide, weights=mass[kept])[0], rtol=1e-12)
    assert np.allclose(weighted.variances(), np.histogram(pt[kept], wide, weights=mass[kept] ** 2)[0], rtol=1e-12)
    assert weighted.cutflow == {"read": 40_000, "jet_pt > 570": int(np.sum(pt > 570)), "jet_mass > 50": int(kept.sum())}


def test_two_axes_and_lists(columns: dict[str, np.ndarray]) -> None:
    two = fiducial.hist(JETS, "jet_pt", bins=(10, 550, 650), y="jet_eta", y_edges=[-2, 0, 1, 2])
    pt, eta = columns["jet_pt"], columns["jet_eta"]
    inside = (pt < 650) & (eta < 2)
    expected = np.histogram2d(pt[inside], eta[inside], [np.linspace(550, 650, 11), [-2, 0, 1, 2]])[0]
    assert two.values().shape == (10, 3) and np.array_equal(two.values(), expected)

    items = fiducial.hist(
        JETS, "part_pt", bins=(20, 0, 100), define={"part_pt": "hypot(part_px, part_py)"}, where="jet_pt > 600", tree="tree"
    )
    table = fiducial.open(JETS).read(["part_px", "part_py", "jet_pt"]).to_awkward()
    kept = table[table.jet_pt > 600]
    pt = np.hypot(awkward.values_astype(kept.part_px, float), awkward.values_astype(kept.part_py, float))
    assert np.array_equal(items.values(), np.histogram(awkward.to_numpy(awkward.flatten(pt)), 20, (0, 100))[0])


def test_it_leaves_in_every_form(tmp_path: Path) -> None:
    boost = pytest.importorskip("boost_histogram")
    serialization = pytest.importorskip("boost_histogram.serialization")
    histogram = fiducial.hist(JETS, "jet_pt", edges=[500, 580, 600, 700], weight="jet_mass")
    read = boost.Histogram(serialization.from_uhi(histogram.to_uhi()))
    assert np.array_equal(read.values(flow=True), histogram.values(flow=True))
    assert np.array_equal(read.variances(flow=True), histogram.variances(flow=True))
    assert histogram._repr_html_().lstrip().startswith("<svg")
    assert "jet_pt" in str(histogram) and repr(histogram) == "<fiducial.Histogram jet_pt, 3 bins>"
    histogram.save(tmp_path / "pt.json")
    assert json.loads((tmp_path / "pt.json").read_text())["axes"][0]["type"] == "variable"
    histogram.save(tmp_path / "pt.svg")
    with pytest.raises(fiducial.Error, match="ends in none of"):
        histogram.save(tmp_path / "pt.pdf")


def test_it_can_be_pickled() -> None:
    weighted = {"weight": "jet_mass", "where": ["abs(jet_eta) < 1"]}
    for arguments in ({"bins": (5, 550, 650)}, {"edges": [550, 580, 650], **weighted}):
        histogram = fiducial.hist(JETS, "jet_pt", y="jet_mass", y_bins=(3, 0, 300), **arguments)
        copy = pickle.loads(pickle.dumps(histogram))
        assert str(copy) == str(histogram) and copy.cutflow == histogram.cutflow and copy.nan == histogram.nan
        assert np.array_equal(copy.variances(flow=True), histogram.variances(flow=True))
        assert copy.to_uhi()["metadata"] == histogram.to_uhi()["metadata"]


def test_what_is_refused() -> None:
    with pytest.raises(fiducial.Error, match="column `jet_tp`"):
        fiducial.hist(JETS, "jet_tp", bins=(10, 0, 1))
    with pytest.raises(fiducial.Error, match="selection"):
        fiducial.hist(JETS, "jet_pt", bins=(10, 0, 1), where="jet_pt >")
    with pytest.raises(fiducial.Error, match="do not rise"):
        fiducial.hist(JETS, "jet_pt", edges=[1, 1])
    with pytest.raises(fiducial.Error, match="low < high"):
        fiducial.hist(JETS, "jet_pt", bins=(10, 2, 1))
    with pytest.raises(FileNotFoundError):
        fiducial.hist("none.root", "jet_pt", bins=(10, 0, 1))
    with pytest.raises(TypeError, match="either bins or edges for x"):
        fiducial.hist(JETS, "jet_pt")
    with pytest.raises(TypeError, match="no y"):
        fiducial.hist(JETS, "jet_pt", bins=(10, 0, 1), y_bins=(10, 0, 1))


def test_a_number_of_bins_is_at_least_one() -> None:
    """A negative one was taken for the first of three edges."""
    with pytest.raises(ValueError, match="at least one bin for x, not -1"):
        fiducial.hist(JETS, "jet_pt", bins=(-1, 0.0, 1.0))
