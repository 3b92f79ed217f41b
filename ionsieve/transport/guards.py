"""What stops a simulation that has left physics: temperature, volume, distances, numbers.

A step ends with a kick of the momenta, so a force that is huge or not a number shows in the kinetic
temperature before it has moved an atom: checked at every step, positions never leave the range in which
a potential can still build its neighbour list.
"""

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from vesin import NeighborList

from ionsieve.errors import CandidateFailed


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
    reference_volume_A3 : volume that changes are measured from.
    max_volume_change : largest relative change of the volume.
    min_distance_A : two atoms closer than this stop MD.
    """

    max_temperature_K: float
    reference_volume_A3: float
    max_volume_change: float
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
        change = atoms.get_volume() / self.reference_volume_A3 - 1
        if not abs(change) <= self.max_volume_change:
            raise Unstable(
                f"volume changed by {100 * change:+.0f} %, allowed {100 * self.max_volume_change:.0f} %"
            )

    def check_distances(self, atoms: Atoms) -> None:
        """Check that no two atoms are too close: a neighbour list of a very short range.

        Raises
        ------
        Unstable : with the pair and its distance.
        """
        first, second, distances = NeighborList(cutoff=self.min_distance_A, full_list=False).compute(
            points=atoms.positions, box=atoms.cell.array, periodic=True, quantities="ijd"
        )
        if distances.size:
            closest = int(np.argmin(distances))
            pair = "-".join(chemical_symbols[atoms.numbers[index[closest]]] for index in (first, second))
            raise Unstable(
                f"{pair} came to {float(distances[closest]):.2f} A, allowed {self.min_distance_A:.2f} A"
            )
