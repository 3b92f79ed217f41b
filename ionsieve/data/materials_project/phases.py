"""The stable phases that a charged host may fall apart into, as pymatgen's entries."""

from collections.abc import Sequence
from pathlib import Path

from pymatgen.core import Composition
from pymatgen.entries.computed_entries import ComputedEntry

from ionsieve.data.materials_project.release import Release


def stable_entries(elements: Sequence[str], cache: Path) -> list[ComputedEntry]:
    """Entries on the Materials Project's GGA and GGA+U hull of these elements and all parts of it.

    Energies carry the 2020 corrections and no D3: those that CHGNet was trained on.

    Parameters
    ----------
    cache : folder that keeps pages until all are there.

    Raises
    ------
    SourceError, MayPass : no key, or what goes wrong with the server.
    """
    entries = []
    for row in Release(cache).stable_phases(elements):
        if "reason" not in row:
            composition = Composition(row["formula"])
            energy_eV = row["energy_eV_per_atom"] * composition.num_atoms
            entries.append(ComputedEntry(composition, energy_eV, entry_id=row["id"]))
    return entries
