"""torch's IterableDataset: workers, ranks, epochs, resuming."""

import pickle

import numpy as np
import pytest

import fiducial

torch = pytest.importorskip("torch", reason="skipped: torch is not installed")
from torch.utils.data import DataLoader  # noqa: E402


def rows(batches) -> list[list[int]]:
    return [batch["row_ids"].tolist() for batch in batches]


def loader(data, workers: int, **options) -> DataLoader:
    return DataLoader(data, batch_size=None, num_workers=workers, **options)


def test_tensors_share_memory(dataset: fiducial.Dataset) -> None:
    batch = next(iter(dataset.batches(split="validation", batch_size=64)))
    for name, tensor in batch.torch().items():
        assert tensor.data_ptr() == batch[name].ctypes.data, name
        assert np.array_equal(tensor.numpy(), batch[name])
    assert torch.from_dlpack(batch["features"]).data_ptr() == batch["features"].ctypes.data
    assert torch.from_dlpack(batch.tensors["labels"]).dtype == torch.int64


def test_any_number_of_workers_gives_the_same_batches(prepared) -> None:
    data = fiducial.torch.IterableDataset(prepared, split="validation", batch_size=200, seed=5)
    expected = rows(data)
    assert len(expected) == len(data) == -(-2642 // 200) or len(expected) == len(data)
    plain = fiducial.Dataset(prepared).batches(split="validation", batch_size=200, seed=5)
    assert expected == [batch["row_ids"].tolist() for batch in plain]
    for workers in (1, 2, 3):
        assert rows(loader(data, workers)) == expected, workers
    assert rows(loader(data, 2, multiprocessing_context="spawn")) == expected


def test_epochs_reach_workers_that_live_on(prepared) -> None:
    data = fiducial.torch.IterableDataset(prepared, split="validation", batch_size=500)
    alive = loader(data, 2, persistent_workers=True)
    for epoch in (0, 1, 0):
        data.set_epoch(epoch)
        plain = fiducial.Dataset(prepared).batches(split="validation", batch_size=500, epoch=epoch)
        assert rows(alive) == [batch["row_ids"].tolist() for batch in plain]


def test_ranks_share_the_batches(prepared) -> None:
    whole = rows(fiducial.torch.IterableDataset(prepared, split="validation", batch_size=300))
    shares = [
        rows(loader(fiducial.torch.IterableDataset(prepared, split="validation", batch_size=300, rank=rank, ranks=4), 2))
        for rank in range(4)
    ]
    assert {len(share) for share in shares} == {-(-len(whole) // 4)}
    dealt = [batch for step in zip(*shares) for batch in step]
    assert dealt[: len(whole)] == whole and dealt[len(whole) :] == whole[: len(dealt) - len(whole)]


def test_goes_on_at_any_batch(prepared) -> None:
    def new():
        data = fiducial.torch.IterableDataset(prepared, split="validation", batch_size=150, seed=2)
        data.set_epoch(3)
        return data

    expected = rows(new())
    for stop in (0, 1, 5, len(expected)):
        data = new()
        state = data.state_dict()
        for step, batch in enumerate(data, start=1):
            if step > stop:
                break
            assert batch["step"] == step
            state = data.state_dict()
            assert data.state_dict(after=batch)["start"] == state["start"] + state["yielded"] == step
        for workers in (0, 2):
            resumed = fiducial.torch.IterableDataset(prepared, split="validation", batch_size=150, seed=2)
            resumed.load_state_dict(pickle.loads(pickle.dumps(state)))
            assert resumed.epoch == 3
            assert rows(loader(resumed, workers)) == expected[stop:], (stop, workers)
            # The state is used once, though workers are made anew from the copy that holds it.
            assert rows(loader(resumed, workers)) == expected
            assert rows(loader(resumed, 1)) == expected


def test_a_state_behind_a_batch_of_workers(prepared) -> None:
    data = fiducial.torch.IterableDataset(prepared, split="validation", batch_size=150)
    expected = rows(data)
    for step, batch in enumerate(loader(data, 3), start=1):
        if step == 7:
            break
    state = data.state_dict(after=batch)
    resumed = fiducial.torch.IterableDataset(prepared, split="validation", batch_size=150)
    resumed.load_state_dict(state)
    assert rows(loader(resumed, 2)) == expected[7:]
    other = fiducial.torch.IterableDataset(prepared, split="validation", batch_size=151)
    with pytest.raises(ValueError, match="batch_size differ"):
        other.load_state_dict(state)


def test_a_state_of_one_worker_goes_on_in_that_worker(prepared, monkeypatch) -> None:
    """What torchdata's StatefulDataLoader does: it keeps and restores the copies of its workers."""
    from types import SimpleNamespace

    data = fiducial.torch.IterableDataset(prepared, split="validation", batch_size=150)
    expected, workers, states = rows(data), 2, []
    before = fiducial.threads()
    try:
        for worker, taken in ((0, 3), (1, 2)):
            info = SimpleNamespace(id=worker, num_workers=workers)
            monkeypatch.setattr("fiducial.torch.get_worker_info", lambda info=info: info)
            copy = pickle.loads(pickle.dumps(data))
            iterator = iter(copy)
            found = [next(iterator)["row_ids"].tolist() for _ in range(taken)]
            assert found == expected[worker::workers][:taken]
            resumed = pickle.loads(pickle.dumps(data))
            resumed.load_state_dict(copy.state_dict())
            assert rows(resumed) == expected[worker::workers][taken:]
            states.append(copy.state_dict())
        wrong = pickle.loads(pickle.dumps(data))
        wrong.load_state_dict(states[0])
        with pytest.raises(ValueError, match="worker 0 of 2"):
            next(iter(wrong))
    finally:
        fiducial.set_threads(before)
