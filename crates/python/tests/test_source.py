"""Files as Arrow data, against uproot, and for the libraries that take Arrow."""

import gc
import json
import multiprocessing
import pickle
from pathlib import Path

import numpy as np
import pytest

import fiducial
from conftest import JETS, ROOT

pa = pytest.importorskip("pyarrow")


def test_columns_and_types() -> None:
    source = fiducial.open(JETS)
    assert source.path == JETS and source.table == "tree" and len(source) == 40_000
    assert source.schema.names == source.columns
    assert source.schema.types["jet_pt"] == "Float32"
    assert pa.schema(source).names == source.columns
    assert source.partitions[0][0] == 0 and source.partitions[-1][1] == len(source)
    assert source.unreadable_columns == []


def test_values_are_uproots() -> None:
    uproot, awkward = pytest.importorskip("uproot"), pytest.importorskip("awkward")
    columns = ["jet_pt", "part_px", "label"]
    table = fiducial.open(JETS).read(columns, start=100, stop=9000)
    with uproot.open(JETS) as file:
        expected = file["tree"].arrays(columns, entry_start=100, entry_stop=9000)
    ours = table.to_awkward()
    assert ours.fields == columns
    for column in columns:
        assert awkward.array_equal(ours[column], expected[column], same_content_types=False, dtype_exact=True)
        assert awkward.array_equal(table[column].to_awkward(), expected[column], same_content_types=False)


def test_columns_by_pattern() -> None:
    source = fiducial.open(JETS)
    assert source.read("jet_pt", stop=1).columns == ["jet_pt"]
    assert source.read(["part_p?", "jet_pt", "part_*"], stop=1).columns == ["part_px", "part_py", "part_pz", "jet_pt"]
    assert source.read(stop=1).columns == source.columns
    assert len(source.read([], stop=7)) == 7
    with pytest.raises(fiducial.Error, match="column `jet_tp` .*top_tagging.root: no such column; .*`jet_pt`"):
        source.read("jet_tp")


def test_start_and_stop_are_those_of_a_slice() -> None:
    """They ended in OverflowError below 0, and in an error beyond the end."""
    source = fiducial.open(JETS)
    whole = source.read("jet_pt")["jet_pt"].to_numpy()
    for start, stop in [(-3, None), (5, -39_990), (39_998, 10**30), (-(10**30), 2), (7, 5), (50_000, None), (None, -39_999)]:
        expected = whole[start:stop]
        assert np.array_equal(source.read("jet_pt", start, stop)["jet_pt"].to_numpy(), expected), (start, stop)
        values = source.evaluate("2 * jet_pt", start, stop).to_numpy()
        assert np.array_equal(values, 2 * expected), (start, stop)
    assert len(source.read("jet_pt", np.int32(-4))) == 4
    with pytest.raises(TypeError, match="start"):
        source.read("jet_pt", 1.5)
    with pytest.raises(ValueError, match="-1 is negative"):
        fiducial.set_threads(-1)


def test_sources_and_tables_can_be_pickled(tmp_path: Path) -> None:
    """Workers that are spawned, not forked, get their arguments by pickle."""
    source = fiducial.open(JETS)
    again = pickle.loads(pickle.dumps(source))
    assert (again.path, again.table, again.columns) == (source.path, source.table, source.columns)
    np.save(tmp_path / "jets.npy", np.arange(24.0).reshape(4, 3, 2))
    arrays = fiducial.open(tmp_path / "jets.npy", arrays={"pt": "jets[:, :, 0]"})
    assert pickle.loads(pickle.dumps(arrays)).columns == arrays.columns

    table = source.read(["jet_pt", "part_px"], 10, 20)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        copy = pickle.loads(pickle.dumps(table, protocol))
        assert copy.to_pyarrow().equals(table.to_pyarrow(), check_metadata=True)
    column = pickle.loads(pickle.dumps(table["part_px"]))
    assert column.to_pyarrow() == table["part_px"].to_pyarrow() and column.type == table["part_px"].type
    schema = pickle.loads(pickle.dumps(source.schema))
    assert pa.schema(schema).equals(pa.schema(source.schema), check_metadata=True)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert np.array_equal(pool.apply(read_jets, (source,))["jet_pt"].to_numpy(), table["jet_pt"].to_numpy())


def read_jets(source: fiducial.Source) -> fiducial.Table:
    return source.read("jet_pt", 10, 20)


def test_arrays_are_cut_and_records_are_read_once(tmp_path: Path) -> None:
    x = np.arange(24.0).reshape(4, 3, 2)
    np.save(tmp_path / "jets.npy", x)
    source = fiducial.open(tmp_path / "jets.npy", arrays={"pt": "jets[:, :, 0]", "first": "jets[:, 0, 1]"})
    assert np.array_equal(source.read("first")["first"].to_numpy(), x[:, 0, 1])
    assert np.array_equal(source.evaluate("sum(pt)").to_numpy(), x[:, :, 0].sum(axis=1))
    with pytest.raises(fiducial.Error, match="no array `jet`"):
        fiducial.open(tmp_path / "jets.npy", arrays={"pt": "jet[:, 0]"})

    # Members of records are columns too, but all columns are those of the file.
    records = pa.array([{"px": 3.0, "py": 4.0, "pz": 0.0, "E": 5.0}] * 2)
    pq = pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"p": records, "w": [1.0, 2.0]}), tmp_path / "p.parquet")
    source = fiducial.open(tmp_path / "p.parquet")
    assert source.columns == source.read().columns == pa.table(source).column_names == ["p", "w"]
    assert "p.pt" in source.members and "p.px" in source.members
    assert source.read(["p.pt", "w"])["p.pt"].to_numpy().tolist() == [5.0, 5.0]


def test_memory_is_shared_and_outlives_its_table() -> None:
    table = fiducial.open(JETS).read("jet_pt", stop=1000)
    first, second = table["jet_pt"].to_numpy(), pa.record_batch(table).column(0)
    assert first.ctypes.data == second.buffers()[1].address
    assert not first.flags.writeable
    kept = first.copy()
    del table, second
    gc.collect()
    assert np.array_equal(first, kept)


def test_other_libraries_take_tables_and_sources() -> None:
    source = fiducial.open(JETS)
    table = source.read(["jet_pt", "label"])
    assert pa.table(table).num_rows == 40_000
    streamed = pa.RecordBatchReader.from_stream(source)
    batches = list(streamed)
    assert [batch.num_rows for batch in batches] == [stop - start for start, stop in source.partitions]
    joined = pa.Table.from_batches(batches)
    assert joined.column_names == source.columns
    assert joined["jet_pt"].combine_chunks().equals(pa.table(table)["jet_pt"].combine_chunks())
    assert np.array_equal(np.asarray(table["jet_pt"]), table.to_numpy()["jet_pt"])
    assert np.asarray(table["jet_pt"], dtype=np.float64).dtype == np.float64


def test_polars_takes_tables_and_sources() -> None:
    polars = pytest.importorskip("polars")
    source = fiducial.open(JETS)
    frame = polars.DataFrame(source.read(["jet_pt", "label"]))
    assert frame.shape == (40_000, 2)
    assert polars.DataFrame(source)["jet_pt"].equals(frame["jet_pt"])


def test_pandas_takes_tables() -> None:
    pandas = pytest.importorskip("pandas")
    if not hasattr(pandas.DataFrame, "from_arrow"):
        pytest.skip("skipped: this pandas has no DataFrame.from_arrow")
    frame = pandas.DataFrame.from_arrow(fiducial.open(JETS).read(["jet_pt", "label"]))
    assert frame.shape == (40_000, 2)


def test_numpy_refuses_lists() -> None:
    table = fiducial.open(JETS).read("part_px", stop=5)
    with pytest.raises(fiducial.Error, match=r"`part_px`: its type is List.*to_awkward"):
        table.to_numpy()
    with pytest.raises(KeyError):
        table["part_py"]


def test_expressions() -> None:
    awkward = pytest.importorskip("awkward")
    source = fiducial.open(JETS)
    arrays = source.read(["part_px", "part_py", "jet_pt"]).to_awkward()
    expected = np.hypot(arrays.part_px, arrays.part_py) / arrays.jet_pt
    ours = source.evaluate("hypot(part_px, part_py) / jet_pt").to_awkward()
    assert awkward.all(awkward.num(ours) == awkward.num(expected))
    assert np.allclose(awkward.flatten(ours), awkward.flatten(expected), rtol=1e-6)
    some = source.evaluate("jet_pt > 600", start=8000, stop=20_000)
    assert some.type == "Boolean"
    assert np.array_equal(some.to_numpy(), np.asarray(arrays.jet_pt[8000:20_000] > 600))
    table = source.read(["jet_pt"], stop=10)
    assert np.array_equal(table.evaluate("2 * jet_pt").to_numpy(), 2.0 * table.to_numpy()["jet_pt"])
    assert source.evaluate("1 + 1", stop=3).to_numpy().tolist() == [2, 2, 2]


def test_errors_of_expressions_show_the_place() -> None:
    source = fiducial.open(JETS)
    with pytest.raises(fiducial.Error) as caught:
        source.evaluate("jet_pt / (jet_mass +")
    assert str(caught.value).startswith("failed to parse an expression")
    assert "  | jet_pt / (jet_mass +\n" in str(caught.value) and "^" in str(caught.value)
    with pytest.raises(fiducial.Error) as caught:
        source.evaluate("jet_pt + jet_masss")
    assert caught.value.position == 10 and caught.value.row is None
    assert "`jet_mass`" in str(caught.value.hint)
    with pytest.raises(fiducial.Error) as caught:
        source.evaluate("part_px[1000]", start=5)
    assert caught.value.row == 5


def test_files_that_are_missing_or_bad(tmp_path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        fiducial.open(tmp_path / "none.root")
    assert caught.value.filename == str(tmp_path / "none.root") and caught.value.errno == 2
    for name, content in [("a.root", b"root" + bytes(200)), ("a.parquet", b"PAR1" + bytes(50)), ("a.log", b"x" * 99)]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(fiducial.Error, match=name):
            fiducial.open(tmp_path / name)
    with pytest.raises(fiducial.Error, match="none"):
        fiducial.open(JETS, "none")


def test_histograms_are_boost_histograms() -> None:
    boost_histogram = pytest.importorskip("boost_histogram")
    uproot = pytest.importorskip("uproot")
    path = ROOT / "crates/root/tests/fixtures/histograms.root"
    if not path.exists():
        pytest.skip(f"skipped: {path} is not there")
    from boost_histogram.serialization import from_uhi

    with uproot.open(path) as file:
        names = [name for name, kind in file.classnames(cycle=False).items() if kind in ("TH1D", "TH1F", "TH2D")]
        checked = 0
        for name in names:
            uhi = fiducial.histogram(path, name)
            # Axes of names have no underflow, which uproot's values have.
            if any(axis["type"] == "category_str" for axis in uhi["axes"]):
                continue
            ours = boost_histogram.Histogram(from_uhi(uhi))
            assert np.array_equal(ours.values(flow=True), file[name].values(flow=True), equal_nan=True), name
            checked += 1
        assert checked > 5
    json.dumps(uhi, default=lambda array: array.tolist())
    with pytest.raises(fiducial.Error, match="nowhere"):
        fiducial.histogram(path, "nowhere")
