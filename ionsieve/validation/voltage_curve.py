"""Voltage against content of one host, from the energies of its states.

The states that a host passes when its ions leave lie on the lower convex hull of energy against content,
both per atom of the host; the slope of each edge gives a voltage. pymatgen's InsertionElectrode takes that
hull from a phase diagram with elements 10 eV/atom above the states. Against these a discharged state of low
voltage with few ions is unstable: it leaves the curve, or no curve is left.
"""

from collections.abc import Sequence
from itertools import pairwise

from pymatgen.core import Structure

from ionsieve.electrochemistry import average_voltage


def voltage_steps(
    states: Sequence[tuple[Structure, float]], energy_metal_eV: float, working_ion: str
) -> list[dict[str, float]]:
    """Steps between the states on the convex hull of one host, from charged to discharged.

    Parameters
    ----------
    states : cell and its energy in eV: the charged and the discharged one, and any between.
    energy_metal_eV : per atom.

    Returns
    -------
    For each step ``voltage_V`` and the content of the ion at its ends, ``content_low`` and
    ``content_high``, 1 in the discharged state. States above the hull make no step of their own.
    """
    hull = _lower_hull([_per_host_atom(cell, energy_eV, working_ion) for cell, energy_eV in states])
    highest, _ = hull[-1]
    return [
        {
            "voltage_V": average_voltage(low_eV, energy_metal_eV, high_eV, high - low, working_ion),
            "content_low": low / highest,
            "content_high": high / highest,
        }
        for (low, low_eV), (high, high_eV) in pairwise(hull)
    ]


def _per_host_atom(cell: Structure, energy_eV: float, working_ion: str) -> tuple[float, float]:
    n_ions = sum(site.specie.symbol == working_ion for site in cell)
    n_host = len(cell) - n_ions
    return n_ions / n_host, energy_eV / n_host


def _lower_hull(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Lower convex hull by abscissa (Andrew's monotone chain); both ends always belong to it."""
    hull: list[tuple[float, float]] = []
    for x, y in sorted(points):
        if hull and x == hull[-1][0]:
            continue  # the lowest at this abscissa came first
        while len(hull) > 1 and _is_on_or_above(hull[-1], hull[-2], (x, y)):
            hull.pop()
        hull.append((x, y))
    return hull


def _is_on_or_above(
    point: tuple[float, float], left: tuple[float, float], right: tuple[float, float]
) -> bool:
    """Whether a point between two others does not lie below the line through them."""
    (x, y), (left_x, left_y), (right_x, right_y) = point, left, right
    return (y - left_y) * (right_x - left_x) >= (right_y - left_y) * (x - left_x)
