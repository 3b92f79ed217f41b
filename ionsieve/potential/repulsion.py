"""Core repulsion that acts only where atoms overlap.

NequIP's ZBL term reaches to the cutoff: at the bond lengths of an oxide it still pushes with several
eV/angstrom, which the network then has to learn to cancel (force errors doubled in trials of 30 epochs).
Here it fades out within the bond, pair by pair, as in MACE: what a collapse would meet is the same.
"""

from typing import Any

import torch
from ase.data import atomic_numbers, covalent_radii
from nequip.data import AtomicDataDict
from nequip.nn.pair_potential import ZBL
from nequip.nn.utils import with_edge_vectors_

REACH = 0.85  # of the sum of covalent radii, where the repulsion has faded to zero


class ShortRangeZBL(ZBL):
    """ZBL repulsion that ends at ``REACH`` times the sum of the two covalent radii.

    Parameters
    ----------
    type_names, chemical_species, units, arguments : as NequIP's ZBL takes them.
    """

    def __init__(
        self, type_names: list[str], chemical_species: list[str], units: str, **arguments: Any
    ) -> None:
        super().__init__(type_names=type_names, chemical_species=chemical_species, units=units, **arguments)
        radii_A = REACH * covalent_radii[[atomic_numbers[symbol] for symbol in chemical_species]]
        self.register_buffer("radii_A", torch.as_tensor(radii_A, dtype=torch.float64))

    def forward(self, data: AtomicDataDict.Type) -> AtomicDataDict.Type:
        """Add the repulsion to the atoms' energies."""
        data = with_edge_vectors_(data, with_lengths=True)
        ends = data[AtomicDataDict.ATOM_TYPE_KEY].view(-1)[data[AtomicDataDict.EDGE_INDEX_KEY]]
        reach_A = self.radii_A[ends].sum(dim=0)
        in_reach = (data[AtomicDataDict.EDGE_LENGTH_KEY].view(-1) / reach_A).unsqueeze(-1)
        repelled = super().forward({**data, AtomicDataDict.NORM_LENGTH_KEY: in_reach})
        data[AtomicDataDict.PER_ATOM_ENERGY_KEY] = repelled[AtomicDataDict.PER_ATOM_ENERGY_KEY]
        return data
