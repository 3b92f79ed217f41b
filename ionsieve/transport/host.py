"""Whether the host held: its atoms stay on their sites, or it diffuses, or it has melted.

A host atom is mobile when it hopped (:mod:`ionsieve.transport.hops`) half the way to another site of
its own kind or further. A few may; when ``MAX_MOBILE_FRACTION`` or more do, the host diffuses,
and if moreover fewer than ``MIN_SITES_KEPT`` of the crystal's host sites still hold an atom of their
element, its order is gone: it has melted. Site occupation tells the two apart where an MSD cannot,
since atoms that swap sites leave the crystal as it was.
"""

import math
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols
from ase.geometry import find_mic

from ionsieve.transport.hops import AVERAGING_TIME_PS, find_hops
from ionsieve.transport.supercell import nearest_site_distance_A
from ionsieve.transport.trajectory import Trajectory

# Half the way to the next site of its kind: vibration and a relaxing host stay below.
HOST_HOP_FRACTION = 0.5
MAX_MOBILE_FRACTION = 0.1
MIN_SITES_KEPT = 0.5
# A site is kept by an atom within this share of the distance to the next site of its kind. In a liquid
# a sphere of this size holds an atom in about a quarter of all cases.
SITE_RADIUS_FRACTION = 0.35


@dataclass(frozen=True)
class HostState:
    """How the host fared.

    Attributes
    ----------
    mobile_fraction : share of host atoms that hopped.
    mobile_elements : the elements they belong to.
    sites_kept : share of the crystal's host sites that hold an atom of their element at the end.
    lindemann : r.m.s. vibration over the shortest distance between host atoms.
    """

    mobile_fraction: float
    mobile_elements: tuple[str, ...]
    sites_kept: float
    lindemann: float

    @property
    def failure(self) -> tuple[str, str] | None:
        """Status and reason when the host did not hold, else None."""
        if self.mobile_fraction < MAX_MOBILE_FRACTION:
            return None
        moved = (
            f"{100 * self.mobile_fraction:.0f} % of the host atoms moved ({', '.join(self.mobile_elements)})"
        )
        kept = f"{100 * self.sites_kept:.0f} % of the host sites are still occupied"
        if self.sites_kept < MIN_SITES_KEPT:
            return "host_melted", f"{moved} and only {kept}: the host has melted"
        return "host_diffusing", f"{moved}; {kept}: the host itself diffuses"


def host_state(trajectory: Trajectory, positions_A: np.ndarray, working_ion: str) -> HostState:
    """Judge the host of a trajectory.

    Parameters
    ----------
    trajectory : cells, elements and the sites the atoms started from.
    positions_A : its positions without the framework's drift, shape (F, N, 3).
    working_ion : the element that may move.
    """
    cell = trajectory.cells_A.mean(axis=0)
    crystal = Atoms(
        numbers=trajectory.numbers, cell=cell, scaled_positions=trajectory.reference_frac_coords, pbc=True
    )
    host = np.flatnonzero(trajectory.numbers != atomic_numbers[working_ion])
    elements = np.unique(trajectory.numbers[host])
    spacing_A = np.zeros(len(trajectory.numbers))
    for number in elements:
        spacing_A[trajectory.numbers == number] = nearest_site_distance_A(crystal, {int(number)})
    moved = find_hops(positions_A[:, host], trajectory.frame_interval_ps, HOST_HOP_FRACTION * spacing_A[host])
    mobile = host[moved.hops > 0]
    vibration_A2 = ((positions_A[:, host] - positions_A[:, host].mean(axis=0)) ** 2).sum(axis=2).mean()
    host_numbers = {int(number) for number in elements}
    return HostState(
        mobile_fraction=mobile.size / host.size,
        mobile_elements=tuple(chemical_symbols[number] for number in np.unique(trajectory.numbers[mobile])),
        sites_kept=_sites_kept(crystal, positions_A, trajectory.frame_interval_ps, host, spacing_A),
        lindemann=math.sqrt(vibration_A2) / nearest_site_distance_A(crystal, host_numbers),
    )


def _sites_kept(
    crystal: Atoms, positions_A: np.ndarray, frame_interval_ps: float, host: np.ndarray, spacing_A: np.ndarray
) -> float:
    """Share of host sites with an atom of their element near, in positions averaged over the end."""
    width = max(1, round(AVERAGING_TIME_PS / frame_interval_ps))
    final_A = positions_A[-width:].mean(axis=0)
    masses = crystal.get_masses()[host]
    shift_A = np.average(final_A[host] - crystal.positions[host], axis=0, weights=masses)
    kept = 0
    for number in np.unique(crystal.numbers[host]):
        kind = host[crystal.numbers[host] == number]
        separations = (final_A[kind] - shift_A)[None, :, :] - crystal.positions[kind][:, None, :]
        _, distances_A = find_mic(separations.reshape(-1, 3), crystal.cell, pbc=True)
        nearest_A = distances_A.reshape(kind.size, kind.size).min(axis=1)
        kept += int((nearest_A < SITE_RADIUS_FRACTION * spacing_A[kind]).sum())
    return kept / host.size
