"""The embedded sample, and a dataset that is prepared of it once."""

from pathlib import Path

import pytest

import fiducial

ROOT = Path(__file__).parents[3]
TASK = ROOT / "benchmarks/jet-tagging/top"
JETS = TASK / "sample/top_tagging.root"
VIEW = TASK / "view.toml"


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the sample's dataset."""
    directory = tmp_path_factory.mktemp("data") / "top"
    fiducial.prepare(VIEW, JETS, directory)
    return directory


@pytest.fixture(scope="session")
def dataset(prepared: Path) -> fiducial.Dataset:
    return fiducial.Dataset(prepared)
