"""The energy mover's distance. An event is `(weight, y, phi)`: weights (mostly pt), rapidities, azimuths, each a list in events."""

from __future__ import annotations

from typing import Any

from fiducial._arrays import Lists
from fiducial._fiducial import EnergyFlows


def emd(a: Any, b: Any, *, radius: float = 1.0, beta: float = 1.0, normalise: bool = False) -> Any:
    """Energy mover's distances of events at the same place of `a` and `b`, each `(weight, y, phi)` of one event or of lists of them.

    >>> distance = fiducial.physics.emd(([1.0, 2.0], [0.0, 0.0], [0.0, 0.3]), ([3.0], [0.0], [0.3]), radius=0.6)
    >>> round(float(distance), 12)
    0.5
    """
    (ours, lists), (theirs, _) = _flows(a), _flows(b)
    return lists.each(ours.distances(theirs, radius, beta, normalise).numpy())


def emd_pairwise(events: Any, *, radius: float = 1.0, beta: float = 1.0, normalise: bool = False) -> Any:
    """The distances of all pairs of events, as a symmetric matrix.

    >>> one = [[1.0], [2.0]], [[0.0], [0.0]], [[0.0], [0.0]]
    >>> fiducial.physics.emd_pairwise(one)
    array([[0., 1.],
           [1., 0.]])
    """
    import numpy

    flows, _ = _flows(events)
    matrix = numpy.zeros((len(flows), len(flows)))
    above = numpy.triu_indices(len(flows), 1)
    matrix[above] = flows.pairwise(radius, beta, normalise).numpy()
    return matrix + matrix.T


def emd_between(a: Any, b: Any, *, radius: float = 1.0, beta: float = 1.0, normalise: bool = False) -> Any:
    """The distances of each event of `a` to each of `b`, as a matrix."""
    return _flows(a)[0].between(_flows(b)[0], radius, beta, normalise).numpy()


def emd_sliced_bound(a: Any, b: Any, *, radius: float = 1.0, beta: float = 1.0, directions: int = 16) -> Any:
    """Lower bounds of the normalised distances of events at the same place, from projections on lines."""
    (ours, lists), (theirs, _) = _flows(a), _flows(b)
    return lists.each(ours.sliced_bounds(theirs, radius, beta, directions).numpy())


def emd_linearised_bound(a: Any, b: Any, reference: Any, *, radius: float = 1.0, beta: float = 1.0) -> Any:
    """Upper bounds of the normalised distances of events at the same place, by way of one reference event."""
    (ours, lists), (theirs, _) = _flows(a), _flows(b)
    return lists.each(ours.linearised_bounds(theirs, _flows(reference)[0], radius, beta).numpy())


def emd_embedding(events: Any, reference: Any, *, radius: float = 1.0) -> Any:
    """Points (n, 2 particles of the reference) whose squared distances approximate the normalised ones for beta = 2.

    >>> reference = [1.0, 3.0], [0.0, 0.2], [0.0, 0.5]
    >>> events = [[1.0, 3.0]], [[0.1, 0.3]], [[0.0, 0.5]]
    >>> fiducial.physics.emd_embedding(events, reference).round(3)
    array([[0.05 , 0.   , 0.087, 0.   ]])
    """
    return _flows(events)[0].embed(_flows(reference)[0], radius).numpy()


def _flows(events: Any) -> tuple[EnergyFlows, Lists]:
    weight, y, phi = events
    lists = Lists(weight, y, phi)
    flat_weight, flat_y, flat_phi = lists.columns()
    return EnergyFlows(flat_weight, flat_y, flat_phi, lists.offsets), lists
