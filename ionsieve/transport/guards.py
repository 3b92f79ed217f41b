"""What stops a simulation that has left physics: temperature, cell, distances, numbers.

A step ends with a kick of the momenta, so a force that is huge or not a number shows in the kinetic
temperature before it has moved an atom: checked at every step, positions never leave the range in which
a potential can still build its neighbour list.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from vesin import NeighborList

from ionsieve.errors import CandidateFailed
from ionsieve.transport.cells import shape_change

# A bond of 0.97 A that vibrates at 1200 K comes to 0.7 A, which between other atoms is an overlap.
HYDROGEN_DISTANCE_A = 0.5


class Unstable(CandidateFailed):
    """Molecular dynamics that went astray; status ``unstable``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, status="unstable")


@dataclass(frozen=True)
class Guards:
    """Limits of a simulation.

    Attributes
    ----------
    max_temperature_K : kinetic temperature above which MD stops.
    reference_cell_A : cell that changes are measured from, shape (3, 3).
    max_volume_change : largest relative change of the volume.
    max_shape_change : largest relative change of a length beside that of the volume.
    min_distance_A : two atoms closer than this stop MD; hydrogen may come to ``HYDROGEN_DISTANCE_A``.
    """

    max_temperature_K: float
    reference_cell_A: np.ndarray
    max_volume_change: float
    max_shape_change: float
    min_distance_A: float

    def check_state(self, atoms: Atoms, temperature_K: float, energy_eV: float) -> None:
        """Check numbers, temperature and volume: cheap, for every step.

        Raises
        ------
        Unstable : with the reason in words.
        """
        if not (np.isfinite(energy_eV) and np.isfinite(atoms.positions).all()):
            raise Unstable("energy or positions are not finite numbers")
        if not temperature_K <= self.max_temperature_K:
            raise Unstable(f"temperature {temperature_K:.0f} K exceeds {self.max_temperature_K:.0f} K")
        change = atoms.get_volume() / self._reference_volume_A3 - 1
        if not abs(change) <= self.max_volume_change:
            raise Unstable(
                f"volume changed by {100 * change:+.0f} %, allowed {100 * self.max_volume_change:.0f} %"
            )

    def check_geometry(self, atoms: Atoms) -> None:
        """Check the shape of the cell, and that no two atoms are too close: a short neighbour list.

        Raises
        ------
        Unstable : with the change, or the pair and its distance.
        """
        change = shape_change(atoms.cell.array, self.reference_cell_A)
        allowed = self.max_shape_change
        if not change <= allowed:
            raise Unstable(f"the cell's shape changed by {100 * change:.1f} %, allowed {100 * allowed:.1f} %")
        first, second, distances = NeighborList(cutoff=self.min_distance_A, full_list=False).compute(
            points=atoms.positions, box=atoms.cell.array, periodic=True, quantities="ijd"
        )
        hydrogen = (atoms.numbers[first] == 1) | (atoms.numbers[second] == 1)
        allowed_A = np.where(hydrogen, min(HYDROGEN_DISTANCE_A, self.min_distance_A), self.min_distance_A)
        too_close = np.flatnonzero(distances <= allowed_A)
        if too_close.size:
            closest = int(too_close[np.argmin(distances[too_close])])
            pair = "-".join(chemical_symbols[atoms.numbers[index[closest]]] for index in (first, second))
            raise Unstable(
                f"{pair} came to {float(distances[closest]):.2f} A, allowed {allowed_A[closest]:.2f} A"
            )

    @cached_property
    def _reference_volume_A3(self) -> float:
        return float(np.abs(np.linalg.det(self.reference_cell_A)))
