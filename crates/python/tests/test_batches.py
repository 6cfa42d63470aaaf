"""Batches: values, order, memory, interrupts and forks."""

import gc
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import fiducial
from conftest import JETS, VIEW


def test_values_are_those_of_awkward(dataset: fiducial.Dataset) -> None:
    ak = pytest.importorskip("awkward")
    view = dataset.view
    measured = view.measure(dataset)
    batches = dataset.batches(view, "validation", batch_size=300, shuffle=False, standardisation=measured)
    batch = next(iter(batches))
    assert list(batch) == ["points", "features", "vectors", "mask", "labels", "weights", "row_ids"]
    rows = dataset.read("validation").to_awkward()[:300]
    px, py = (ak.values_astype(rows[name], np.float64) for name in ("part_px", "part_py"))
    center, scale = measured.variables["part_logpt"]

    def padded(values: ak.Array) -> np.ndarray:
        return ak.to_numpy(ak.fill_none(ak.pad_none(values, 64, clip=True), 0.0))

    expected = np.clip(padded((np.log(np.hypot(px, py)) - center) * scale), -5, 5)
    assert batch["features"].shape == (300, 7, 64) and batch["features"].dtype == np.float32
    assert np.allclose(batch["features"][:, 2], expected, atol=2e-6)
    assert np.array_equal(batch["vectors"][:, 0], padded(rows.part_px).astype(np.float32))
    assert np.array_equal(batch["mask"][:, 0], padded(ak.ones_like(rows.part_px)))
    assert np.array_equal(batch["labels"], ak.to_numpy(rows.label)) and batch["labels"].dtype == np.int64
    assert np.array_equal(batch["row_ids"], ak.to_numpy(rows.row_id))
    assert np.array_equal(batch["weights"], np.ones(300, np.float32))


def test_an_epoch_has_every_row_once_in_the_order_of_its_seed(dataset: fiducial.Dataset) -> None:
    batches = dataset.batches(split="train", batch_size=1000, seed=7)
    first = [batch["row_ids"] for batch in batches]
    assert len(first) == len(batches) and [len(rows) for rows in first[:-1]] == [1000] * (len(first) - 1)
    stored = dataset.read("train", "row_id")["row_id"].to_numpy()
    joined = np.concatenate(first)
    assert np.array_equal(np.sort(joined), stored) and not np.array_equal(joined, stored)
    assert np.array_equal(np.concatenate([batch["row_ids"] for batch in batches]), joined)
    batches.epoch = 1
    second = np.concatenate([batch["row_ids"] for batch in batches])
    assert not np.array_equal(second, joined) and np.array_equal(np.sort(second), stored)
    other = dataset.batches(split="train", batch_size=1000, seed=7, epoch=1)
    assert np.array_equal(next(iter(other))["row_ids"], second[:1000])
    whole = dataset.batches(split="train", batch_size=1000, drop_last=True)
    assert len(whole) == len(stored) // 1000 and {len(batch["labels"]) for batch in whole} == {1000}


def test_batches_by_number(dataset: fiducial.Dataset) -> None:
    batches = dataset.batches(split="validation", batch_size=256, seed=3)
    everything = [batch["points"] for batch in batches]
    some = [(batch.number, batch["points"]) for batch in batches.take([4, 0, 7])]
    assert [number for number, _ in some] == [4, 0, 7]
    for number, points in some:
        assert np.array_equal(points, everything[number])
    assert list(batches.take([])) == []
    with pytest.raises(IndexError, match=f"no batch {len(batches)}"):
        batches.take([len(batches)])


def test_memory_is_ours_writable_and_outlives_the_batch(dataset: fiducial.Dataset) -> None:
    batch = next(iter(dataset.batches(split="validation", batch_size=64)))
    points = batch["points"]
    assert points.flags.writeable and points.base is not None
    assert points.ctypes.data == batch.tensors["points"].__array_interface__["data"][0]
    kept = points.copy()
    exported = np.from_dlpack(batch.tensors["points"])
    assert exported.ctypes.data == points.ctypes.data
    capsule = batch.tensors["points"].__dlpack__()
    assert '"dltensor"' in repr(capsule)
    del batch, capsule
    gc.collect()
    assert np.array_equal(points, kept) and np.array_equal(exported, kept)


def test_dlpack_says_what_it_is(dataset: fiducial.Dataset) -> None:
    tensor = next(iter(dataset.batches(split="validation", batch_size=64))).tensors["labels"]
    assert tensor.__dlpack_device__() == (1, 0) and tensor.shape == (64,) and tensor.dtype == "int64"
    assert '"dltensor_versioned"' in repr(tensor.__dlpack__(max_version=(1, 0)))
    copied = np.from_dlpack(tensor, copy=True) if np.lib.NumpyVersion(np.__version__) >= "2.1.0" else tensor.numpy().copy()
    assert np.array_equal(copied, tensor.numpy()) and copied.ctypes.data != tensor.numpy().ctypes.data
    with pytest.raises(BufferError):
        tensor.__dlpack__(dl_device=(2, 0))


def test_what_is_refused(dataset: fiducial.Dataset) -> None:
    with pytest.raises(ValueError, match="batch_size"):
        dataset.batches(batch_size=0)
    with pytest.raises(fiducial.Error, match="no split `tset`"):
        dataset.batches(split="tset")
    view = fiducial.View('format = "fiducial-view/1"\n[inputs.labels]\nvariables = ["jet_pt"]\n')
    with pytest.raises(fiducial.Error, match="`labels`"):
        dataset.batches(view)
    view = fiducial.View('format = "fiducial-view/1"\n[inputs.jet]\nvariables = ["jet_tp"]\n')
    with pytest.raises(fiducial.Error, match="jet_tp"):
        next(iter(dataset.batches(view, labels=False)))
    batch = next(iter(dataset.batches(labels=False)))
    assert "labels" not in batch and "weights" not in batch and "points" in batch


def test_the_number_of_threads_changes_nothing(dataset: fiducial.Dataset) -> None:
    before = fiducial.threads()
    try:
        found = []
        for threads in (1, 3):
            fiducial.set_threads(threads)
            assert fiducial.threads() == threads
            found.append([batch.numpy() for batch in dataset.batches(split="validation", batch_size=777)])
        for one, three in zip(*found):
            for name in one:
                assert np.array_equal(one[name], three[name])
    finally:
        fiducial.set_threads(before)


def test_other_threads_run_while_work_is_done() -> None:
    source, ticks, stop = fiducial.open(JETS), [0], threading.Event()

    def tick() -> None:
        while not stop.is_set():
            ticks[0] += 1
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    # Between two calls another thread has a turn or two in any case; only a call that lets others run sees many. On a busy machine
    # it may take some calls until one does.
    most, end = 0, time.monotonic() + 60
    while most < 5 and time.monotonic() < end:
        before = ticks[0]
        source.evaluate("sum(exp(sin(part_px)**2) + cos(part_py))")
        most = max(most, ticks[0] - before)
    stop.set()
    thread.join()
    assert most >= 5


INTERRUPTED = """
    import os, signal, sys, threading, time
    import fiducial
    view, jets, out = sys.argv[1:]
    # What is started in the background, as some CI is, inherits that interrupts are ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    begin = time.perf_counter()
    try:
        fiducial.prepare(view, [jets] * 400, out)
    except KeyboardInterrupt:
        print("interrupted", os.path.exists(out))
"""


def test_an_interrupt_ends_a_long_call(tmp_path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("skipped: there is no SIGINT to send here")
    command = [sys.executable, "-c", textwrap.dedent(INTERRUPTED), str(VIEW), str(JETS), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.stdout == "interrupted False\n", done.stderr
    assert done.stderr == "" and done.returncode == 0


def test_a_forked_process_has_threads_of_its_own(dataset: fiducial.Dataset) -> None:
    if not hasattr(os, "fork"):
        pytest.skip("skipped: there is no fork here")
    batches = dataset.batches(split="validation", batch_size=500)
    running = iter(batches)
    expected = next(running)["row_ids"].sum()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            same = next(iter(batches))["row_ids"].sum() == expected
            try:
                for _ in running:
                    pass
            except fiducial.Error as error:
                status = 0 if same and "forked" in str(error) else 2
        finally:
            os._exit(status)
    deadline = time.monotonic() + 120
    while (ended := os.waitpid(child, os.WNOHANG))[0] == 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    if ended[0] == 0:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        pytest.fail("the forked process hangs")
    assert os.waitstatus_to_exitcode(ended[1]) == 0
    assert len(list(running)) == len(batches) - 1


def test_batches_can_be_pickled(dataset: fiducial.Dataset) -> None:
    batches = dataset.batches(split="test", batch_size=1000, seed=3, epoch=2, drop_last=True)
    copy = pickle.loads(pickle.dumps(batches))
    assert (len(copy), copy.rows, copy.epoch) == (len(batches), batches.rows, batches.epoch)
    iterator = iter(batches)
    seen = next(iterator)
    # An iterator goes on in the copy where it is here, whatever was filled ahead.
    for ours, theirs in zip(iterator, pickle.loads(pickle.dumps(iterator)), strict=True):
        assert (ours.number, ours.rows, ours.epoch) == (theirs.number, theirs.rows, theirs.epoch)
        assert all(np.array_equal(ours[name], theirs[name]) for name in ours)
    again = pickle.loads(pickle.dumps(seen))
    assert again.number == 0 and list(again) == list(seen)
    for name, tensor in seen.tensors.items():
        other = again.tensors[name]
        assert (other.shape, other.dtype) == (tensor.shape, tensor.dtype) and np.array_equal(other.numpy(), tensor.numpy())


def test_numbers_out_of_range_say_so(dataset: fiducial.Dataset) -> None:
    """They were OverflowErrors."""
    for argument in ("batch_size", "seed", "epoch"):
        for value, what in ((-1, "-1 is negative"), (1 << 64, "is too large")):
            with pytest.raises(ValueError, match=what):
                dataset.batches(**{argument: value})
    batches = dataset.batches(batch_size=1000)
    for number in (-1, len(batches), 1 << 70):
        with pytest.raises(IndexError, match="there is no batch"):
            batches.take([number])
    with pytest.raises(ValueError, match="-2 is negative"):
        batches.epoch = -2
