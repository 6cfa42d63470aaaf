"""Kinematics and jets on NumPy and awkward arrays: momenta in GeV, angles in radians, the beam along z.

Numbers, NumPy arrays and awkward arrays of any nesting are broadcast against each other, and the result has their form.

>>> round(float(fiducial.physics.delta_r(0.0, 0.0, 0.3, 0.4)), 12)
0.5
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from fiducial import _fiducial
from fiducial._fiducial import Tensor

__all__ = ["cluster_jets", "delta_phi", "delta_r", "et", "eta", "mass", "mt", "p", "phi", "pt", "rapidity"]


def pt(px: Any, py: Any) -> Any:
    """Transverse momentum.

    >>> float(fiducial.physics.pt(3.0, 4.0))
    5.0
    """
    return _quantity("pt", px, py, 0.0, 0.0)


def phi(px: Any, py: Any) -> Any:
    """Azimuthal angle in (-pi, pi]."""
    return _quantity("phi", px, py, 0.0, 0.0)


def eta(px: Any, py: Any, pz: Any) -> Any:
    """Pseudorapidity; infinite along the beam."""
    return _quantity("eta", px, py, pz, 0.0)


def rapidity(pz: Any, e: Any) -> Any:
    """Rapidity along the beam; NaN where the energy is below |pz|."""
    return _quantity("rapidity", 0.0, 0.0, pz, e)


def mass(px: Any, py: Any, pz: Any, e: Any) -> Any:
    """Invariant mass; of a space-like vector minus the root of the absolute value.

    >>> fiducial.physics.mass([0.0, 0.0], [0.0, 0.0], [3.0, 0.0], [5.0, 2.0])
    array([4., 2.])
    """
    return _quantity("mass", px, py, pz, e)


def mt(px: Any, py: Any, pz: Any, e: Any) -> Any:
    """Transverse mass."""
    return _quantity("mt", px, py, pz, e)


def et(px: Any, py: Any, pz: Any, e: Any) -> Any:
    """Transverse energy."""
    return _quantity("et", px, py, pz, e)


def p(px: Any, py: Any, pz: Any) -> Any:
    """Length of the momentum."""
    return _quantity("p", px, py, pz, 0.0)


def delta_phi(a: Any, b: Any) -> Any:
    """Difference of two azimuthal angles, in (-pi, pi]."""
    return _broadcast(_fiducial.delta_phis, a, b)


def delta_r(eta1: Any, phi1: Any, eta2: Any, phi2: Any) -> Any:
    """Distance in the plane of pseudorapidity and azimuthal angle."""
    return _broadcast(_fiducial.delta_rs, eta1, phi1, eta2, phi2)


def cluster_jets(
    px: Any,
    py: Any,
    pz: Any,
    e: Any,
    *,
    radius: float = 0.4,
    algorithm: str = "anti-kt",
    recombination: str = "E",
    min_pt: float = 0.0,
) -> Any:
    """Find the jets of events, whose particles are awkward lists; inclusive jets, the hardest first.

    The algorithm is `anti-kt`, `cambridge-aachen` or `kt`, the recombination `E`, `pt` or `winner-takes-all`. The result is an
    awkward array of records px, py, pz, e and `constituents`, the places of the jet's particles in their event.

    >>> import awkward
    >>> px, py = awkward.Array([[50.0, 40.0, -60.0], []]), awkward.Array([[0.0, 2.0, 0.0], []])
    >>> jets = fiducial.physics.cluster_jets(px, py, 0 * px, (px**2 + py**2) ** 0.5, min_pt=5.0)
    >>> jets.constituents.to_list()
    [[[0, 1], [2]], []]
    """
    import awkward
    import numpy

    arrays = awkward.broadcast_arrays(px, py, pz, e)
    if arrays[0].ndim != 2:
        raise ValueError(f"particles must be lists in events, with two axes, not {arrays[0].ndim}")
    counts = awkward.num(arrays[0], axis=1)
    offsets = numpy.concatenate([[0], numpy.cumsum(counts)]).tolist()
    flat_px, flat_py, flat_pz, flat_e = (_bytes(awkward.flatten(array, axis=1)) for array in arrays)
    found = _fiducial.cluster_jets(
        flat_px, flat_py, flat_pz, flat_e, offsets, algorithm, radius, recombination, min_pt
    )
    jet_px, jet_py, jet_pz, jet_e, jet_offsets, constituents, constituent_offsets = (part.numpy() for part in found)
    inner = awkward.unflatten(constituents, numpy.diff(constituent_offsets))
    columns = {"px": jet_px, "py": jet_py, "pz": jet_pz, "e": jet_e, "constituents": inner}
    jets = awkward.zip(columns, depth_limit=1)
    return awkward.unflatten(jets, numpy.diff(jet_offsets))


def _quantity(name: str, *columns: Any) -> Any:
    return _broadcast(lambda *arrays: _fiducial.quantity(name, *arrays), *columns)


def _bytes(values: Any) -> bytes:
    import numpy

    return numpy.asarray(values, dtype=numpy.float64).tobytes()


def _broadcast(function: Callable[..., Tensor], *values: Any) -> Any:
    """Broadcast, then call on flat columns."""
    import numpy

    awkward = sys.modules.get("awkward")
    is_array = [awkward is not None and isinstance(value, awkward.Array) for value in values]
    if awkward is not None and any(is_array):

        def leaves(layouts: Any, **_: Any) -> Any:
            if not all(layout.is_numpy for layout in layouts):
                return None
            flat = iter(layouts)
            parts = [numpy.asarray(next(flat)) if is_one else value for is_one, value in zip(is_array, values)]
            columns = numpy.broadcast_arrays(*parts)
            result = function(*(_bytes(column) for column in columns)).numpy()
            return awkward.contents.NumpyArray(result.reshape(columns[0].shape))

        return awkward.transform(leaves, *(value for is_one, value in zip(is_array, values) if is_one))
    columns = numpy.broadcast_arrays(*(numpy.asarray(value) for value in values))
    result = function(*(_bytes(column) for column in columns)).numpy().reshape(columns[0].shape)
    return result if result.ndim else result[()]
