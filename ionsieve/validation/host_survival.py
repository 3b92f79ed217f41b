"""Did the host survive the extraction? The charged host's relaxed cell beside the discharged one's.

Two looks at the same question. The bonds: atoms of the host that touched in the discharged crystal and
no longer do. The crystal: pymatgen's StructureMatcher on the two hosts, scaled to one volume. A host that
lost more than a few of its bonds, or a third of its volume, or is another crystal than
before, carries ``framework_collapsed``: its voltage is that of a decomposition, not of an intercalation.
"""

from dataclasses import dataclass

import numpy as np
from ase.data import covalent_radii
from matscipy.neighbours import neighbour_list
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure

# Atoms closer than this times the sum of their covalent radii are bonded (Mn-O up to 2.5 A, P-O up to 2.1 A).
BOND_FACTOR = 1.2
# A bond this much longer than before is broken: beyond what a Jahn-Teller distortion does to one.
BROKEN_FACTOR = 1.3
MOST_BROKEN_BONDS = 0.1
# A host that loses a third of its volume, or gains half of it, is not the solid that was charged.
VOLUME_RATIO_BOUNDS = (2 / 3, 3 / 2)


@dataclass(frozen=True)
class HostSurvival:
    """What became of the host.

    Attributes
    ----------
    volume_change : volume of the charged cell over that of the discharged one, minus 1.
    broken_bonds : share of the host's bonds that broke, 0 to 1.
    same_crystal : the two hosts match, scaled to one volume.
    framework_collapsed : the verdict.
    """

    volume_change: float
    broken_bonds: float
    same_crystal: bool
    framework_collapsed: bool


def host_survival(discharged: Structure, charged: Structure, working_ion: str) -> HostSurvival:
    """Compare two relaxed cells of one host.

    Parameters
    ----------
    discharged, charged : cells of the same number of host atoms; the host's sites come in the same order.
    """
    host = discharged.copy()
    host.remove_species([working_ion])
    left = charged.copy()
    left.remove_species([working_ion])
    volume_ratio = left.volume / host.volume
    broken = broken_bonds(host, left)
    same_crystal = bool(StructureMatcher(primitive_cell=False, scale=True).fit(host, left))
    lowest, highest = VOLUME_RATIO_BOUNDS
    return HostSurvival(
        volume_change=volume_ratio - 1,
        broken_bonds=broken,
        same_crystal=same_crystal,
        framework_collapsed=(
            broken > MOST_BROKEN_BONDS or not same_crystal or not lowest < volume_ratio < highest
        ),
    )


def broken_bonds(before: Structure, after: Structure) -> float:
    """Share of the bonds of ``before`` that broke in ``after``, 0 without any; sites in the same order."""
    numbers = np.array(before.atomic_numbers)
    cutoff_A = 2 * BOND_FACTOR * covalent_radii[numbers].max()
    first, second, length_A, shift = neighbour_list(
        "ijdS",
        positions=before.cart_coords,
        cell=before.lattice.matrix,
        pbc=np.ones(3, dtype=bool),
        cutoff=cutoff_A,
    )
    bonded = length_A < BOND_FACTOR * (covalent_radii[numbers[first]] + covalent_radii[numbers[second]])
    if not bonded.any():
        return 0.0
    first, second, length_A, shift = (array[bonded] for array in (first, second, length_A, shift))
    vector = before.frac_coords[second] - before.frac_coords[first] + shift
    vector_after = after.frac_coords[second] - after.frac_coords[first] + shift
    vector_after -= np.round(vector_after - vector)  # whoever relaxed may have moved atoms to other images
    length_after_A = np.linalg.norm(vector_after @ after.lattice.matrix, axis=1)
    return float((length_after_A > BROKEN_FACTOR * length_A).mean())
