"""Jets, what is inside of them, shapes of events and pile-up. Particles come as px, py, pz, e: lists in events, awkward or NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fiducial._arrays import column, momenta, records, unflatten, vector_lists
from fiducial._fiducial import JetFinder


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
    power: float = -1.0,
    jets: int | None = None,
    dcut: float | None = None,
) -> Any:
    """Find the jets of events, whose particles are lists; inclusive jets, the hardest first.

    The algorithm is `anti-kt`, `cambridge-aachen`, `kt` or `generalised-kt` with a `power`, and `ee-kt` or `ee-generalised-kt`
    for electron-positron collisions; the recombination is `E`, `pt` or `winner-takes-all`. With `jets` or `dcut` the jets are
    exclusive: so many, or those at this resolution. The result is an awkward array of records px, py, pz, e and
    `constituents`, the places of the jet's particles in their event.

    >>> import awkward
    >>> px, py = awkward.Array([[50.0, 40.0, -60.0], []]), awkward.Array([[0.0, 2.0, 0.0], []])
    >>> jets = fiducial.physics.cluster_jets(px, py, 0 * px, (px**2 + py**2) ** 0.5, min_pt=5.0)
    >>> jets.constituents.to_list()
    [[[0, 1], [2]], []]
    >>> e = (px**2 + py**2) ** 0.5
    >>> fiducial.physics.cluster_jets(px, py, 0 * px, e, algorithm="kt", radius=1.0, dcut=9.0).px.to_list()
    [[-60.0, 90.0], []]
    """
    vectors, lists = vector_lists(px, py, pz, e)
    finder = JetFinder(algorithm, radius, recombination, power)
    found = [part.numpy() for part in vectors.cluster(finder, min_pt, jets, dcut)]
    rows, offsets, constituents, inner = found
    return lists.nested(records(momenta(rows) | {"constituents": unflatten(constituents, inner)}), offsets)


def cluster_history(
    px: Any,
    py: Any,
    pz: Any,
    e: Any,
    *,
    radius: float = 0.4,
    algorithm: str = "anti-kt",
    recombination: str = "E",
    power: float = -1.0,
) -> Any:
    """The steps of the merging of each event: records first, second, child and distance.

    Particles have their place as number, sums the numbers after, in the order of their making. Where `second` and `child` are -1,
    `first` became a jet.

    >>> x, y, z, e = [50.0, 40.0], [0.0, 2.0], [0.0, 0.0], [50.0, 40.1]
    >>> steps = fiducial.physics.cluster_history(x, y, z, e)
    >>> steps.first.to_list(), steps.second.to_list(), steps.child.to_list()
    ([0, 2], [1, -1], [2, -1])
    """
    vectors, lists = vector_lists(px, py, pz, e)
    finder = JetFinder(algorithm, radius, recombination, power)
    ids, distances, offsets = (part.numpy() for part in vectors.history(finder))
    columns = momenta(ids, ("first", "second", "child")) | {"distance": distances}
    return lists.nested(records(columns), offsets)


def merging_distance(
    px: Any,
    py: Any,
    pz: Any,
    e: Any,
    n: int,
    *,
    radius: float = 1.0,
    algorithm: str = "kt",
    recombination: str = "E",
    power: float = 1.0,
) -> Any:
    """The largest distance up to the step from n + 1 to n jets of each event; 0 of n particles or fewer.

    >>> float(fiducial.physics.merging_distance([50.0, -40.0], [0.0, 0.0], [0.0, 0.0], [50.0, 40.0], 1, algorithm="ee-kt"))
    6400.0
    """
    vectors, lists = vector_lists(px, py, pz, e)
    finder = JetFinder(algorithm, radius, recombination, power)
    return lists.each(vectors.merging_distance(finder, n).numpy())


def jets_with_areas(
    px: Any,
    py: Any,
    pz: Any,
    e: Any,
    *,
    radius: float = 0.4,
    algorithm: str = "anti-kt",
    recombination: str = "E",
    min_pt: float = 0.0,
    power: float = -1.0,
    max_rapidity: float = 6.0,
    ghost_area: float = 0.01,
    seed: int = 0,
) -> Any:
    """Inclusive jets with their active area: records px, py, pz, e, area, area_px, area_py, area_pz, area_e and constituents.

    The area as a four-vector times the density of pile-up is what pile-up adds to the jet.

    >>> jets = fiducial.physics.jets_with_areas([100.0], [0.0], [0.0], [100.0], min_pt=5.0)
    >>> round(float(jets.area[0]), 1)
    0.5
    """
    vectors, lists = vector_lists(px, py, pz, e)
    finder = JetFinder(algorithm, radius, recombination, power)
    found = vectors.jets_with_areas(finder, min_pt, max_rapidity, ghost_area, seed)
    rows, areas, area_rows, offsets, constituents, inner = (part.numpy() for part in found)
    columns = momenta(rows) | {"area": areas} | momenta(area_rows, ("area_px", "area_py", "area_pz", "area_e"))
    return lists.nested(records(columns | {"constituents": unflatten(constituents, inner)}), offsets)


def pileup_density(px: Any, py: Any, pz: Any, e: Any, *, max_rapidity: float = 4.0, cell: float = 0.55) -> Any:
    """rho of each event: the median over cells of this side of their transverse momentum per area."""
    vectors, lists = vector_lists(px, py, pz, e)
    return lists.each(vectors.pileup_density(max_rapidity, cell).numpy())


def soft_killer(px: Any, py: Any, pz: Any, e: Any, *, max_rapidity: float = 2.5, cell: float = 0.4) -> Any:
    """SoftKiller's threshold of each event: without the particles of lower transverse momentum half of the cells are empty.

    >>> float(fiducial.physics.soft_killer([3.0, 1.0], [0.0, 0.0], [0.0, 1.0], [3.0, 1.5], max_rapidity=3.0, cell=6.0))
    3.0
    """
    vectors, lists = vector_lists(px, py, pz, e)
    return lists.each(vectors.soft_killer(max_rapidity, cell).numpy())


def puppi(
    px: Any,
    py: Any,
    pz: Any,
    e: Any,
    vertex: Any,
    *,
    radius: float = 0.3,
    least_distance: float = 0.02,
    central: float = 2.5,
    least_weight: float = 0.1,
) -> Any:
    """PUPPI's weight of each particle. `vertex` is 1 of charged ones from the leading vertex, -1 of charged ones from another, 0 of
    all others.

    >>> fiducial.physics.puppi([5.0, 4.0], [0.0, 0.0], [0.0, 1.0], [5.0, 4.2], [1, -1]).to_list()
    [1.0, 0.0]
    """
    import awkward

    vectors, lists = vector_lists(px, py, pz, e)
    flat = column(awkward.flatten(awkward.broadcast_arrays(lists.arrays[0], vertex)[1], axis=None))
    return lists.like(vectors.puppi(flat, radius, least_distance, central, least_weight).numpy())


def soft_drop(
    px: Any, py: Any, pz: Any, e: Any, *, z_cut: float = 0.1, beta: float = 0.0, radius: float = 0.8
) -> Any:
    """What soft drop leaves of each jet: records px, py, pz, e, z, delta_r and `constituents`; beta=0 is mMDT.

    >>> jet = fiducial.physics.soft_drop([100.0, 80.0, 1.0], [0.0, 8.0, -0.5], [0.0, 0.0, 0.0], [100.0, 80.4, 1.2])
    >>> jet.constituents.to_list(), round(float(jet.z), 2)
    ([0, 1], 0.45)
    """
    vectors, lists = vector_lists(px, py, pz, e)
    return _groomed(vectors.soft_drop(z_cut, beta, radius), lists, is_branching_known=True)


def trim(px: Any, py: Any, pz: Any, e: Any, *, radius: float = 0.2, fraction: float = 0.03) -> Any:
    """What trimming leaves of each jet: records px, py, pz, e and `constituents`."""
    vectors, lists = vector_lists(px, py, pz, e)
    return _groomed(vectors.trim(radius, fraction), lists)


def prune(px: Any, py: Any, pz: Any, e: Any, *, z_cut: float = 0.1, factor: float = 0.5) -> Any:
    """What pruning leaves of each jet: records px, py, pz, e and `constituents`."""
    vectors, lists = vector_lists(px, py, pz, e)
    return _groomed(vectors.prune(z_cut, factor), lists)


def n_subjettiness(
    px: Any,
    py: Any,
    pz: Any,
    e: Any,
    n: int,
    *,
    beta: float = 1.0,
    radius: float = 0.8,
    axes: str = "onepass-wta-kt",
) -> Any:
    """N-subjettiness of each jet for n axes, which are `onepass-wta-kt`, `wta-kt`, `onepass-kt` or `kt`.

    >>> x, y, z, e = [50.0, 40.0, 1.0], [0.0, 20.0, 0.4], [0.0, 0.0, 0.0], [50.0, 44.8, 1.1]
    >>> two, one = (fiducial.physics.n_subjettiness(x, y, z, e, n) for n in (2, 1))
    >>> bool(two / one < 0.01)
    True
    """
    vectors, lists = vector_lists(px, py, pz, e)
    return lists.each(vectors.n_subjettiness(n, beta, radius, axes).numpy())


def energy_correlation(
    px: Any, py: Any, pz: Any, e: Any, points: int, angles: int | None = None, *, beta: float = 1.0
) -> Any:
    """The normalised energy correlation function of 1 to 4 points, with the product of the smallest angles; of all without `angles`.

    >>> x, y, z, e = [30.0, 0.0], [0.0, 10.0], [0.0, 0.0], [30.0, 10.0]
    >>> round(float(fiducial.physics.energy_correlation(x, y, z, e, 2)), 4)
    0.2945
    """
    vectors, lists = vector_lists(px, py, pz, e)
    angles = points * (points - 1) // 2 if angles is None else angles
    return lists.each(vectors.energy_correlation(points, angles, beta).numpy())


def energy_correlation_ratio(
    px: Any, py: Any, pz: Any, e: Any, *, ratio: str = "D2", beta: float = 1.0
) -> Any:
    """Ratio of energy correlation functions of each jet: C1, C2, C3, D2, M2, M3, N2 or N3."""
    vectors, lists = vector_lists(px, py, pz, e)
    return lists.each(vectors.energy_correlation_ratio(ratio, beta).numpy())


def angularity(
    px: Any, py: Any, pz: Any, e: Any, *, kappa: float = 1.0, beta: float = 1.0, radius: float = 0.8
) -> Any:
    """Sum of `z**kappa (distance to the axis / radius)**beta` of each jet."""
    vectors, lists = vector_lists(px, py, pz, e)
    return lists.each(vectors.angularity(kappa, beta, radius).numpy())


def pull(px: Any, py: Any, pz: Any, e: Any) -> Any:
    """The pull vector of each jet: records y and phi."""
    vectors, lists = vector_lists(px, py, pz, e)
    return lists.each(records(momenta(vectors.pull().numpy(), ("y", "phi"))))


def lund_plane(px: Any, py: Any, pz: Any, e: Any) -> Any:
    """The primary branchings of each jet, widest first: records delta, kt, z, psi, mass, and harder and softer with px, py, pz, e.

    >>> plane = fiducial.physics.lund_plane([90.0, 10.0], [0.0, 2.0], [0.0, 0.0], [90.0, 10.2])
    >>> round(float(plane.delta[0]), 3), plane.harder.px.to_list()
    (0.197, [90.0])
    """
    vectors, lists = vector_lists(px, py, pz, e)
    rows, harder, softer, offsets = (part.numpy() for part in vectors.lund_plane())
    columns = momenta(rows, ("delta", "kt", "z", "psi", "mass"))
    branches = {"harder": records(momenta(harder)), "softer": records(momenta(softer))}
    return lists.nested(records(columns | branches), offsets)


def thrust(px: Any, py: Any, pz: Any, e: Any) -> Any:
    """Thrust of each event: 1 of two pencils, 1/2 of an isotropic event; 0 without momentum.

    >>> round(float(fiducial.physics.thrust([1.0, -1.0], [0.0, 0.0], [2.0, -2.0], [3.0, 3.0])), 12)
    1.0
    """
    vectors, lists = vector_lists(px, py, pz, e)
    return lists.each(vectors.thrust()[0].numpy())


def thrust_axis(px: Any, py: Any, pz: Any, e: Any) -> Any:
    """The thrust axis of each event: records x, y, z of length 1."""
    vectors, lists = vector_lists(px, py, pz, e)
    return lists.each(records(momenta(vectors.thrust()[1].numpy(), ("x", "y", "z"))))


def event_shape(px: Any, py: Any, pz: Any, e: Any, *, r: float = 2.0) -> Any:
    """What the momentum tensor of power r says of each event: records sphericity, aplanarity, c, d, l1, l2, l3.

    >>> shape = fiducial.physics.event_shape([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 1.0, 1.0])
    >>> round(float(shape.sphericity), 12), round(float(shape.aplanarity), 12)
    (1.0, 0.5)
    """
    vectors, lists = vector_lists(px, py, pz, e)
    names = ("sphericity", "aplanarity", "c", "d", "l1", "l2", "l3")
    return lists.each(records(momenta(vectors.event_shape(r).numpy(), names)))


def event_isotropy(
    px: Any, py: Any, pz: Any, e: Any, *, uniform: str = "sphere", particles: int = 192, max_eta: float = 2.0
) -> Any:
    """Energy mover's distance of each event to a uniform `sphere`, `ring` or `cylinder`: 0 of an isotropic event, 1 of two
    back-to-back particles. On the cylinder `particles` stand around it, up to `max_eta`.
    """
    vectors, lists = vector_lists(px, py, pz, e)
    return lists.each(vectors.event_isotropy(uniform, particles, max_eta).numpy())


def energy_flow_polynomial(
    px: Any, py: Any, pz: Any, e: Any, edges: Sequence[tuple[int, int]], *, beta: float = 1.0
) -> Any:
    """The energy flow polynomial of each jet for a graph of up to five edges.

    >>> x, y, z, e = [1.0, 0.0], [0.0, 3.0], [0.0, 0.0], [1.0, 3.0]
    >>> round(float(fiducial.physics.energy_flow_polynomial(x, y, z, e, [(0, 1)], beta=2.0)), 4)
    0.9253
    """
    vectors, lists = vector_lists(px, py, pz, e)
    return lists.each(vectors.energy_flow_polynomial(list(edges), beta).numpy())


def _groomed(found: Any, lists: Any, is_branching_known: bool = False) -> Any:
    rows, z, delta_r, constituents, inner = (part.numpy() for part in found)
    columns = momenta(rows)
    if is_branching_known:
        columns |= {"z": z, "delta_r": delta_r}
    return lists.each(records(columns | {"constituents": unflatten(constituents, inner)}))
