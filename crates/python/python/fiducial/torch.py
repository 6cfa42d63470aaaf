"""Batches for torch: a drop-in `IterableDataset` that yields whole batches.

    dataset = fiducial.torch.IterableDataset("top/", batch_size=512)
    loader = torch.utils.data.DataLoader(dataset, batch_size=None, num_workers=2)
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import IterableDataset as TorchIterableDataset
from torch.utils.data import get_worker_info

from fiducial._fiducial import Batches, Dataset, Standardisation, View, set_threads

__all__ = ["IterableDataset"]

_FORMAT = "fiducial-torch-state/1"
_MOST_WORKERS = 1024


class IterableDataset(TorchIterableDataset[dict[str, Any]]):  # type: ignore[misc]
    """The batches of a split as dictionaries of torch tensors, in memory that is not copied.

    Give it to a `DataLoader` with `batch_size=None`: the batches are made here. Every worker and every rank gets its share, and
    the batches are the same, in the same order, for any number of workers. Call `set_epoch` before each epoch, as for
    `DistributedSampler`: the epoch and the seed decide the order of the rows.

    With ranks, every rank has the same number of batches, since collective operations wait for all of them: where the
    batches of an epoch cannot be shared out evenly, the first ones come again at its end.

    Each batch has, beside its tensors, `"step"`: how many batches of this rank's epoch there are up to and with it. Where
    training stops, `state_dict(after=batch)` is all that `load_state_dict` needs to go on behind that batch, with any
    number of workers. Loaders that save and restore their workers' copies (torchdata's `StatefulDataLoader`) call both
    without arguments.
    """

    def __init__(
        self,
        dataset: Dataset | str | os.PathLike[str],
        view: View | str | os.PathLike[str] | None = None,
        split: str = "train",
        *,
        batch_size: int = 512,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
        labels: bool = True,
        standardisation: Standardisation | None = None,
        rank: int | None = None,
        ranks: int | None = None,
    ) -> None:
        super().__init__()
        if (rank is None) != (ranks is None):
            raise ValueError("give both rank and ranks, or neither")
        if ranks is None and torch.distributed.is_available() and torch.distributed.is_initialized():
            rank, ranks = torch.distributed.get_rank(), torch.distributed.get_world_size()
        self.rank, self.ranks = rank or 0, ranks or 1
        if not 0 <= self.rank < self.ranks:
            raise ValueError(f"there is no rank {self.rank} among {self.ranks}")
        self.dataset = dataset if isinstance(dataset, Dataset) else Dataset(dataset)
        self.view = self.dataset.view if view is None else view if isinstance(view, View) else View.read(view)
        if "step" in self.view.inputs:
            raise ValueError("the view's input group `step` has a name of a batch's own")
        # Here and not in each worker: all need the same, and to measure takes a pass over the training split.
        self.standardisation = standardisation or self.view.measure(self.dataset)
        self.split, self.batch_size, self.shuffle, self.seed = split, batch_size, shuffle, seed
        self.drop_last, self.labels = drop_last, labels
        # In memory that workers share, so that `set_epoch` reaches those that live on between epochs.
        self._epoch = torch.zeros(1, dtype=torch.int64).share_memory_()
        self._batches: Batches | None = None
        # A state is used once. Which workers have used it is shared memory too, since a loader makes them anew for each epoch:
        # first how many there were, then a mark for each.
        self._resume: dict[str, Any] | None = None
        self._used = torch.zeros(1 + _MOST_WORKERS, dtype=torch.int64).share_memory_()
        self._position: dict[str, Any] | None = None

    @property
    def epoch(self) -> int:
        """The epoch that the next iteration gives."""
        return int(self._epoch.item())

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration gives, in this process and in its workers."""
        self._epoch[0] = epoch

    def __len__(self) -> int:
        """How many batches an epoch has on this rank."""
        return -(-len(self._all()) // self.ranks)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        if info:
            # Every worker with as many threads as there are cores would be too many.
            set_threads(max(1, (os.cpu_count() or 1) // workers))
        start, yielded = self._start(worker, workers)
        epoch, count, steps = self.epoch, len(self._all()), len(self)
        mine = range(start + worker + yielded * workers, steps, workers)
        batches = self._all()
        batches.epoch = epoch
        filled = batches.take([(step * self.ranks + self.rank) % count for step in mine])
        self._position = {"epoch": epoch, "start": start, "yielded": yielded, "worker": worker, "workers": workers}
        for step, batch in zip(mine, filled):
            # Before the batch is handed out: who saves while using it means to go on behind it.
            self._position["yielded"] += 1
            yield {**batch.torch(), "step": step + 1}

    def state_dict(self, after: dict[str, Any] | None = None) -> dict[str, Any]:
        """Where iteration is: behind the batch `after`, or behind the last batch that this copy handed out."""
        position = self._position
        if after is not None or position is None or position["epoch"] != self.epoch:
            start = 0 if after is None else int(after["step"])
            position = {"epoch": self.epoch, "start": start, "yielded": 0, "worker": 0, "workers": 1}
        return {"format": _FORMAT, "batches": self._identity(), **position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken, with the next iteration. Anything that would change the batches is refused."""
        if state.get("format") != _FORMAT:
            raise ValueError(f"the state has the format {state.get('format')!r}, this is {_FORMAT!r}")
        ours = self._identity()
        different = [key for key, value in ours.items() if state["batches"].get(key) != value]
        if different:
            raise ValueError(f"the state is of other batches: {', '.join(different)} differ")
        self._resume = dict(state)
        info = get_worker_info()
        self._used[slice(None) if info is None else 1 + info.id] = 0
        self.set_epoch(state["epoch"])

    def _start(self, worker: int, workers: int) -> tuple[int, int]:
        """The step that the workers start at, and how many batches this one has yielded from there."""
        if workers > _MOST_WORKERS:
            raise ValueError(f"there are {workers} workers, at most {_MOST_WORKERS} can be")
        state, is_used = self._resume, self._used[0] not in (0, workers) or self._used[1 + worker] != 0
        if state is None or state["epoch"] != self.epoch or is_used:
            return 0, 0
        self._used[0], self._used[1 + worker] = workers, 1
        if state["workers"] == 1:
            return state["start"] + state["yielded"], 0
        if (state["worker"], state["workers"]) != (worker, workers):
            raise ValueError(
                f"the state is that of worker {state['worker']} of {state['workers']}, this is {worker} of {workers}"
            )
        return state["start"], state["yielded"]

    def _identity(self) -> dict[str, Any]:
        """What decides the batches."""
        return {
            "dataset": self.dataset.version,
            "view": self.view.text,
            "standardisation": self.standardisation.json,
            "split": self.split,
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "seed": self.seed,
            "drop_last": self.drop_last,
            "labels": self.labels,
            "rank": self.rank,
            "ranks": self.ranks,
        }

    def _all(self) -> Batches:
        if self._batches is None:
            self._batches = self.dataset.batches(
                self.view,
                self.split,
                batch_size=self.batch_size,
                shuffle=self.shuffle,
                seed=self.seed,
                drop_last=self.drop_last,
                labels=self.labels,
                standardisation=self.standardisation,
            )
        return self._batches

    def __getstate__(self) -> dict[str, Any]:
        # A copy in another process reads the data itself.
        return {**self.__dict__, "_batches": None, "_position": None}
