"""Preparing, reading and verifying datasets."""

import pickle
from pathlib import Path

import numpy as np
import pytest

import fiducial
from conftest import JETS, VIEW


def test_prepare_and_read(tmp_path: Path) -> None:
    seen: list[tuple[int, int, int]] = []
    out = tmp_path / "out"
    view = fiducial.View.read(VIEW)
    about = {"description": "A sample.", "license": "CC-BY-4.0"}
    dataset = fiducial.prepare(view, [JETS], out, about=about, progress=lambda *done: seen.append(done))
    assert seen[-1] == (40_000, 40_000, 40_000)
    assert dataset.path == out and dataset.card.read_text().startswith("---")
    assert sum(dataset.splits.values()) == 40_000 and list(dataset.splits) == ["train", "validation", "test"]
    assert dataset.manifest["version"] == dataset.version and dataset.manifest["about"]["name"] == "out"
    assert dataset.manifest["about"]["license"] == "CC-BY-4.0"
    assert dataset.view == view
    assert dataset.schema.units["jet_pt"] == "GeV"
    table = dataset.read("test", ["row_id", "jet_pt"])
    expected = fiducial.open(JETS).read("jet_pt")["jet_pt"].to_numpy()
    assert np.array_equal(table["jet_pt"].to_numpy(), expected[table["row_id"].to_numpy()])
    assert dataset.read("validation").columns == dataset.schema.names

    with pytest.raises(fiducial.Error, match="is there already"):
        fiducial.prepare(view, JETS, out)
    again = fiducial.prepare(VIEW, str(JETS), out, overwrite=True)
    assert again.version == dataset.version


def test_verify_finds_a_changed_byte(dataset: fiducial.Dataset, tmp_path: Path) -> None:
    import shutil

    assert dataset.verify() == []
    shutil.copytree(dataset.path, tmp_path / "copy")
    shard = tmp_path / "copy/test/00000.parquet"
    content = bytearray(shard.read_bytes())
    content[1000] ^= 1
    shard.write_bytes(content)
    problems = fiducial.Dataset(tmp_path / "copy").verify()
    assert len(problems) == 1 and problems[0].startswith("test/00000.parquet: ")


def test_what_is_refused(dataset: fiducial.Dataset, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        fiducial.Dataset(tmp_path)
    with pytest.raises(FileNotFoundError):
        fiducial.View.read(tmp_path / "view.toml")
    with pytest.raises(FileNotFoundError, match="none.root"):
        fiducial.prepare(VIEW, tmp_path / "none.root", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(fiducial.Error, match="there is no split `tset`"):
        dataset.read("tset")
    with pytest.raises(fiducial.Error, match="unknown field `lables`"):
        fiducial.View('format = "fiducial-view/1"\n[lables]\n')
    with pytest.raises(fiducial.Error) as caught:
        fiducial.View('format = "fiducial-view/1"\nselection = ["jet_pt >"]\n')
    assert "selection[0]" in str(caught.value) and "^" in str(caught.value)
    with pytest.raises(fiducial.Error, match="unknown field `colour`"):
        fiducial.prepare(VIEW, JETS, tmp_path / "out", about={"colour": "red"})


def test_bad_files_and_bad_values(tmp_path: Path) -> None:
    view = fiducial.View(
        'format = "fiducial-view/1"\nselection = ["x > 0"]\n[inputs.jet]\nvariables = ["x", "y"]\n'
        '[labels]\nclasses = { even = "k == 0", odd = "k == 1" }\n'
    )
    good, other, out = tmp_path / "good.npz", tmp_path / "other.npz", tmp_path / "out"
    x, k = np.array([1.0, 2.0, np.inf, 3.0, -1.0]), np.array([0, 1, 0, 1, 0])
    np.savez(good, x=x, y=np.array([1.0, np.nan, 1.0, 1.0, np.nan]), k=k)
    np.savez(other, x=x, k=k)

    with pytest.raises(fiducial.Error, match=r"column `x` is NaN, infinite or missing.*row 2 of .*good.npz"):
        fiducial.prepare(view, good, out)
    with pytest.raises(fiducial.Error, match="column `y` of .*other.npz"):
        fiducial.prepare(view, [good, other], out, on_bad_value="drop")
    dataset = fiducial.prepare(view, [good, other], out, on_bad_value="drop", on_bad_file="skip", memory_limit=1 << 30)
    assert dataset.read("train")["row_id"].to_numpy().tolist() == [0, 3]
    steps = [(step.get("column"), step["before"], step["after"]) for step in dataset.manifest["cutflow"][0]["steps"]]
    assert steps == [("x", 5, 4), (None, 4, 3), ("y", 3, 2)]
    assert [(file["file"], file["rows"]) for file in dataset.manifest["skipped"]] == [("other.npz", 5)]
    with pytest.raises(ValueError, match="on_bad_value"):
        fiducial.prepare(view, good, out, on_bad_value="ignore")  # type: ignore[arg-type]
    with pytest.raises(fiducial.Error, match="needs a memory limit of"):
        fiducial.prepare(view, good, out, on_bad_value="drop", overwrite=True, memory_limit=1 << 20)


def test_an_error_of_progress_stops_and_leaves_nothing(tmp_path: Path) -> None:
    def progress(*_: int) -> None:
        raise KeyError("stop")

    with pytest.raises(KeyError, match="stop"):
        fiducial.prepare(VIEW, [JETS] * 20, tmp_path / "out", progress=progress)
    assert not (tmp_path / "out").exists()


def test_views_and_measurements_can_be_pickled(dataset: fiducial.Dataset) -> None:
    view = fiducial.View.read(VIEW)
    assert view.shapes["features"] == (7, 64) and view.inputs["mask"] == ["part_mask"]
    assert view.classes == ["qcd", "top"] and "part_px" in view.columns
    measured = view.measure(dataset)
    assert measured.dataset == dataset.version and measured.rows == dataset.splits["train"]
    for thing in (view, measured):
        assert pickle.loads(pickle.dumps(thing)) == thing
    assert pickle.loads(pickle.dumps(dataset)).version == dataset.version


def test_columns_of_two_types_are_told(tmp_path: Path) -> None:
    for name, dtype in (("a", np.uint32), ("b", np.int32)):
        np.savez(tmp_path / f"{name}.npz", n=np.arange(4, dtype=dtype))
    view = fiducial.View('format = "fiducial-view/1"\n[columns]\nn = {}\n[splits]\nfractions = { train = 1.0 }\n')
    files = [tmp_path / "a.npz", tmp_path / "b.npz"]
    with pytest.warns(UserWarning, match=r"the column n is uint32 .*a.npz.* and int32 .*b.npz.*, int64 in the dataset"):
        dataset = fiducial.prepare(view, files, tmp_path / "out")
    assert dataset.read("train")["n"].to_numpy().dtype == np.int64
