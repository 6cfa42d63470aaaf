"""Kinematics and jets on NumPy and awkward arrays: momenta in GeV, angles in radians, the beam along z.

Numbers, NumPy arrays and awkward arrays of any nesting are broadcast against each other, and the result has their form.

>>> round(float(fiducial.physics.delta_r(0.0, 0.0, 0.3, 0.4)), 12)
0.5
"""

from __future__ import annotations

from typing import Any

from fiducial import _fiducial
from fiducial._arrays import broadcast
from fiducial._energy_flow import (
    emd,
    emd_between,
    emd_embedding,
    emd_linearised_bound,
    emd_pairwise,
    emd_sliced_bound,
)
from fiducial._fiducial import Particle, unit_factor
from fiducial._jets import (
    angularity,
    cluster_history,
    cluster_jets,
    energy_correlation,
    energy_correlation_ratio,
    energy_flow_polynomial,
    event_isotropy,
    event_shape,
    jets_with_areas,
    lund_plane,
    merging_distance,
    n_subjettiness,
    pileup_density,
    prune,
    pull,
    puppi,
    soft_drop,
    soft_killer,
    thrust,
    thrust_axis,
    trim,
)

__all__ = [
    "Particle",
    "angularity",
    "boost",
    "cluster_history",
    "cluster_jets",
    "delta_phi",
    "delta_r",
    "emd",
    "emd_between",
    "emd_embedding",
    "emd_linearised_bound",
    "emd_pairwise",
    "emd_sliced_bound",
    "energy_correlation",
    "energy_correlation_ratio",
    "energy_flow_polynomial",
    "et",
    "eta",
    "event_isotropy",
    "event_shape",
    "from_pt_eta_phi_m",
    "from_pt_y_phi_m",
    "jets_with_areas",
    "lund_plane",
    "mass",
    "merging_distance",
    "mt",
    "mt2",
    "n_subjettiness",
    "p",
    "pdg_charge",
    "pdg_has_quark",
    "pdg_is",
    "pdg_lifetime",
    "pdg_mass",
    "pdg_spin",
    "pdg_width",
    "phi",
    "pileup_density",
    "prune",
    "pt",
    "pull",
    "puppi",
    "rapidity",
    "rotate",
    "soft_drop",
    "soft_killer",
    "thrust",
    "thrust_axis",
    "transverse_mass",
    "trim",
    "unit_factor",
]


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
    return broadcast(_fiducial.delta_phis, a, b)


def delta_r(eta1: Any, phi1: Any, eta2: Any, phi2: Any) -> Any:
    """Distance in the plane of pseudorapidity and azimuthal angle."""
    return broadcast(_fiducial.delta_rs, eta1, phi1, eta2, phi2)


def from_pt_eta_phi_m(pt: Any, eta: Any, phi: Any, m: Any) -> Any:
    """(px, py, pz, e) from transverse momenta, pseudorapidities, azimuths and masses; a negative mass is space-like.

    >>> [round(float(x), 6) for x in fiducial.physics.from_pt_eta_phi_m(3.0, 0.0, 0.0, 4.0)]
    [3.0, 0.0, 0.0, 5.0]
    """
    return broadcast(lambda *c: _fiducial.cartesian(c[0], c[1], c[2], c[3], False), pt, eta, phi, m)


def from_pt_y_phi_m(pt: Any, y: Any, phi: Any, m: Any) -> Any:
    """(px, py, pz, e) from transverse momenta, rapidities, azimuths and masses."""
    return broadcast(lambda *c: _fiducial.cartesian(c[0], c[1], c[2], c[3], True), pt, y, phi, m)


def boost(px: Any, py: Any, pz: Any, e: Any, beta_x: Any, beta_y: Any, beta_z: Any) -> Any:
    """(px, py, pz, e) boosted by a velocity: what was at rest then moves with it.

    >>> [round(float(x), 6) for x in fiducial.physics.boost(0.0, 0.0, 0.0, 4.0, 0.0, 0.0, 0.6)]
    [0.0, 0.0, 3.0, 5.0]
    """
    return broadcast(lambda *c: _fiducial.boosted(c[:4], c[4:]), px, py, pz, e, beta_x, beta_y, beta_z)


def rotate(
    px: Any, py: Any, pz: Any, e: Any, angle: Any, axis: tuple[float, float, float] = (0.0, 0.0, 1.0)
) -> Any:
    """(px, py, pz, e) turned by an angle around an axis, counter-clockwise when it points at the observer.

    >>> [round(float(x), 6) for x in fiducial.physics.rotate(0.0, 1.0, 0.0, 1.0, 3.141592653589793 / 2, (1.0, 0.0, 0.0))]
    [0.0, 0.0, 1.0, 1.0]
    """
    return broadcast(lambda *c: _fiducial.rotated(c[:4], c[4], axis), px, py, pz, e, angle)


def transverse_mass(a: Any, b: Any) -> Any:
    """Transverse mass of two vectors, each (px, py, pz, e)."""
    return broadcast(lambda *c: _fiducial.transverse_masses(c[:4], c[4:]), *a, *b)


def mt2(a: Any, b: Any, missing: Any, invisible: tuple[float, float] = (0.0, 0.0)) -> Any:
    """Stransverse mass of two visible systems, each (px, py, pz, e), and the missing momentum (x, y), with the masses of the
    invisible particles.

    >>> float(fiducial.physics.mt2((0.0, 0.0, 0.0, 80.0), (0.0, 0.0, 0.0, 90.0), (0.0, 0.0)))
    90.0
    """
    return broadcast(
        lambda *c: _fiducial.stransverse_masses(c[:4], c[4:8], c[8:], invisible), *a, *b, *missing
    )


def pdg_mass(ids: Any) -> Any:
    """Mass in GeV of the particle of each PDG identifier; NaN where none is known.

    >>> round(float(fiducial.physics.pdg_mass(13)), 6)
    0.105658
    """
    return _pdg("mass", ids)


def pdg_width(ids: Any) -> Any:
    """Width in GeV, 0 of stable particles; NaN where none is known."""
    return _pdg("width", ids)


def pdg_lifetime(ids: Any) -> Any:
    """Mean lifetime in ns, infinite of stable particles; NaN where none is known."""
    return _pdg("lifetime", ids)


def pdg_charge(ids: Any) -> Any:
    """Charge in units of the positron's; NaN where none is known.

    >>> fiducial.physics.pdg_charge([11, -211, 2212])
    array([-1., -1.,  1.])
    """
    return _pdg("charge", ids)


def pdg_spin(ids: Any) -> Any:
    """Spin of quarks, leptons, hadrons and diquarks; NaN of others."""
    return _pdg("spin", ids)


def pdg_is(ids: Any, kind: str) -> Any:
    """Whether each identifier is that of a `quark`, `lepton`, `neutrino`, `boson`, `meson`, `baryon`, `hadron`, `diquark` or
    `nucleus`.

    >>> fiducial.physics.pdg_is([11, -211, 2212], "hadron")
    array([False,  True,  True])
    """
    return broadcast(lambda column: _fiducial.pdg_kinds(column, kind), ids)


def pdg_has_quark(ids: Any, flavour: int) -> Any:
    """Whether each hadron, diquark or quark holds a quark or antiquark of flavour 1 to 6 (d, u, s, c, b, t).

    >>> fiducial.physics.pdg_has_quark([511, 4122, 11], 5)
    array([ True, False, False])
    """
    return broadcast(lambda column: _fiducial.pdg_quarks(column, flavour), ids)


def _pdg(name: str, ids: Any) -> Any:
    return broadcast(lambda column: _fiducial.pdg_numbers(column, name), ids)


def _quantity(name: str, *columns: Any) -> Any:
    return broadcast(lambda *arrays: _fiducial.quantity(name, *arrays), *columns)
