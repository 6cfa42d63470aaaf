"""NumPy and awkward arrays as the flat columns and offsets that the compiled part takes, and back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from fiducial._fiducial import Tensor, VectorLists


def column(values: Any) -> bytes:
    """Flat double precision."""
    import numpy

    return numpy.asarray(values, dtype=numpy.float64).tobytes()


def broadcast(function: Callable[..., Any], *values: Any) -> Any:
    """Broadcasts, then calls on flat columns. What comes is one Tensor, or several."""
    import numpy

    awkward = sys.modules.get("awkward")
    is_array = [awkward is not None and isinstance(value, awkward.Array) for value in values]
    if awkward is not None and any(is_array):

        def leaves(layouts: Any, **_: Any) -> Any:
            if not all(layout.is_numpy for layout in layouts):
                return None
            flat = iter(layouts)
            parts = [next(flat).data if is_one else value for is_one, value in zip(is_array, values)]
            columns = numpy.broadcast_arrays(*parts)
            results = function(*(column(part) for part in columns))
            shaped = [
                awkward.contents.NumpyArray(result.numpy().reshape(columns[0].shape)) for result in as_list(results)
            ]
            return shaped[0] if isinstance(results, Tensor) else tuple(shaped)

        return awkward.transform(leaves, *(value for is_one, value in zip(is_array, values) if is_one))
    columns = numpy.broadcast_arrays(*(numpy.asarray(value) for value in values))
    results = function(*(column(part) for part in columns))
    shaped = [result.numpy().reshape(columns[0].shape) for result in as_list(results)]
    shaped = [result if result.ndim else result[()] for result in shaped]
    return shaped[0] if isinstance(results, Tensor) else tuple(shaped)


def as_list(results: Any) -> list[Tensor]:
    return [results] if isinstance(results, Tensor) else list(results)


class Lists:
    """Arrays whose last axis are lists: their flat columns, and how what each list gives becomes an array again."""

    def __init__(self, *arrays: Any) -> None:
        import awkward
        import numpy

        self.arrays = awkward.broadcast_arrays(*arrays)
        first = self.arrays[0]
        if first.ndim == 1:
            counts, self._outer = numpy.array([len(first)]), None
        else:
            counts = awkward.num(first, axis=first.ndim - 1)
            self._outer = [awkward.num(first, axis=axis) for axis in range(1, first.ndim - 1)]
        self.counts = numpy.asarray(awkward.flatten(counts, axis=None))
        self.offsets: list[int] = numpy.concatenate([[0], numpy.cumsum(self.counts)]).tolist()

    def columns(self) -> list[bytes]:
        import awkward

        return [column(awkward.flatten(array, axis=None)) for array in self.arrays]

    def each(self, values: Any) -> Any:
        """One value for each list, in the form of the lists; NumPy where there is one list alone or one axis of them."""
        import awkward

        if self._outer is None:
            return values[0]
        for counts in reversed(self._outer):
            values = awkward.unflatten(values, awkward.flatten(counts, axis=None))
        return values

    def like(self, values: Any) -> Any:
        """One value for each item of each list."""
        import awkward

        return self.each(awkward.unflatten(values, self.counts))

    def nested(self, values: Any, offsets: Any) -> Any:
        """A list for each list."""
        return self.each(unflatten(values, offsets))


def vector_lists(px: Any, py: Any, pz: Any, e: Any) -> tuple[VectorLists, Lists]:
    lists = Lists(px, py, pz, e)
    flat_px, flat_py, flat_pz, flat_e = lists.columns()
    return VectorLists(flat_px, flat_py, flat_pz, flat_e, lists.offsets), lists


def unflatten(values: Any, offsets: Any) -> Any:
    import awkward
    import numpy

    return awkward.unflatten(values, numpy.diff(offsets))


def records(columns: dict[str, Any]) -> Any:
    """Columns of one length as records; a column may hold lists."""
    import awkward

    return awkward.zip(columns, depth_limit=1)


def momenta(rows: Any, names: Sequence[str] = ("px", "py", "pz", "e")) -> dict[str, Any]:
    """The columns of an array (n, 4)."""
    return {name: rows[:, place] for place, name in enumerate(names)}
